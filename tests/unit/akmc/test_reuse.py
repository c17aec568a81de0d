"""What is carried over a hop in eOn's own tables, where searches start then, and what shows that something is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.akmc.ports import Departure
from mlip_kmc.akmc.reuse import CARRIED, ELSEWHERE, NEAR, Reuse
from mlip_kmc.config import ReuseSection
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.structure import from_con
from mlip_kmc.search.outcome import SearchOutcome, Termination

from .test_classes import A, good, hops, tree

RADIUS_A, LAG = 4.0, 6
HOLES = (np.zeros(3), np.array([4 * A, 0.0, 0.0]))


def two_vacancies():
    """Far apart."""
    atoms = bulk("Cu", cubic=True, a=A) * (8, 2, 2)
    far = int(np.linalg.norm(atoms.positions - HOLES[1], axis=1).argmin())
    del atoms[[0, far]]
    return atoms


def hop_at(atoms, hole, number, *, name, barrier_eV=0.6, kind="random"):
    """Of a structure: by its own hole 0 or 1."""
    atom, way = hops(atoms, HOLES[hole])[number]
    moved = np.zeros_like(atoms.positions)
    moved[atom] = way
    home = atoms.positions
    return good(name, home, home + 0.5 * moved, home + moved, barrier_eV=barrier_eV, kind=kind)


def behind(reached, hole, number, **wanted):
    """A hop of the state behind the first one: its first hole is where that atom came from."""
    atoms = from_con(reached.reactant_con)
    came_from = two_vacancies().positions[hops(two_vacancies(), HOLES[0])[0][0]]
    atom, way = hops(atoms, (came_from, HOLES[1])[hole])[number]
    moved = np.zeros_like(atoms.positions)
    moved[atom] = way
    home = atoms.positions
    outcome = {"barrier_eV": 0.6, **wanted}
    return good(outcome.pop("name"), home, home + 0.5 * moved, home + moved, **outcome)


def reuse_of(states, **changes):
    section = ReuseSection(after_hop=True, radius_A=RADIUS_A, audit_share=0.2)
    wanted = {"section": section, "radius_A": RADIUS_A, "lag": LAG, "seed": 1, **changes}
    return Reuse(states, **wanted)


def register(reuse, state, outcome, index):
    outcome = reuse.as_counted(state, outcome, index=index)
    record = state.register(outcome, index=index, superbasin=None)
    return reuse.note(state, outcome, record, index=index)


def left(folder, *, missing=0, elastic_A=0.0):
    """State 0 with hops of both vacancies, and the state behind a hop of the first."""
    atoms = two_vacancies()
    states = tree(folder, atoms)
    state = states.get_state(0)
    first = state.register(hop_at(atoms, 0, 0, name="0_0"), index=0, superbasin=None).process
    for number in range(3 - missing):
        far = hop_at(atoms, 1, number, name=f"0_{number + 1}", barrier_eV=0.62)
        assert state.register(far, index=number + 1, superbasin=None).outcome == "new"
    reached = states.get_state(states.get_product_state(0, first).number)
    if elastic_A:  # as if the whole structure had been strained by the hop
        atom, _ = hops(atoms, HOLES[1])[0]
        moved = from_con(reached.reactant_con).positions
        moved[atom, 1] += elastic_A
        reached.move_minimum(moved, energy_eV=reached.get_energy())
    return states, state, reached, first


def departure(process, product=1, superbasin=None):
    return Departure(0, process, product, 1.0, 1.0, 0.6, -10.0, path=None, superbasin=superbasin)


def begun(folder, **changes):
    states, state, reached, first = left(folder, **changes)
    reuse = reuse_of(states)
    reuse.reached(departure(first))
    reuse.begin(reached)
    return states, reuse, state, reached


def test_processes_far_from_the_hop_are_carried_over_with_their_saddles_on_the_new_minimum(
    tmp_path,
):
    states, reuse, _, reached = begun(tmp_path / "run")
    assert reuse.waiting(reached) == 3
    home = from_con(reached.reactant_con).positions
    found = set()
    for index in range(3):
        start = reuse.start(reached, f"1_{index}", index=index)
        assert start.kind == CARRIED
        moved = from_con(start.files["displacement.con"]).positions - home
        atom = int(np.linalg.norm(moved, axis=1).argmax())
        way = next(way for number, way in hops(two_vacancies(), HOLES[1]) if number == atom)
        assert np.allclose(moved[atom], 0.5 * way, atol=1e-6)
        assert reuse.epicentres(reached, index) is None
        found.add(atom)
    assert len(found) == 3
    assert reuse.start(reached, "1_3", index=3) is None
    again = reuse_of(states)  # the folder says it all
    assert again.start(reached, "1_2", index=2) == reuse.start(reached, "1_2", index=2)


def test_searches_start_near_the_change_and_audits_far_from_it(tmp_path):
    _, reuse, _, reached = begun(tmp_path / "run")
    home = from_con(reached.reactant_con)
    places = {tuple(sorted(reuse.epicentres(reached, index))) for index in range(3, 63)}
    assert len(places) == 2
    audits = [index for index in range(3, 63) if reuse.is_audit(reached, index)]
    assert 4 < len(audits) < 24
    aimed = next(i for i in range(3, 63) if not reuse.is_audit(reached, i))
    inside = reuse.epicentres(reached, aimed)
    outside = reuse.epicentres(reached, audits[0])
    assert inside | outside == set(range(len(home)))
    assert not inside & outside
    hopped, _ = hops(two_vacancies(), HOLES[0])[0]
    distances = home.get_distances(hopped, range(len(home)), mic=True)
    assert (distances[sorted(outside)] > RADIUS_A).all()
    assert (distances[sorted(inside)] < RADIUS_A + A / np.sqrt(2)).all()


def carried_over(reuse, reached, *, lost=None):
    """Register the searches of all three."""
    home = from_con(reached.reactant_con).positions
    for index in range(3):
        start = reuse.start(reached, f"1_{index}", index=index)
        saddle = from_con(start.files["displacement.con"]).positions
        outcome = good(f"1_{index}", home, saddle, 2 * saddle - home, barrier_eV=0.63, kind=CARRIED)
        if index == lost:
            outcome = SearchOutcome(
                outcome.name, CARRIED, End.FINISHED, termination=Termination.NOT_CONNECTED
            )
        yield register(reuse, reached, outcome, index)


def test_what_is_carried_over_is_registered_and_never_a_repeat(tmp_path):
    _, reuse, _, reached = begun(tmp_path / "run")
    records = list(carried_over(reuse, reached))
    assert [(r.outcome, r.kind, r.reused, r.like) for r in records] == [
        ("new", CARRIED, "carried", 0)
    ] * 3
    assert reuse.waiting(reached) == 0
    again = behind(reached, 1, 0, name="1_3", barrier_eV=0.63, kind=CARRIED)
    assert reached.register(again, index=3, superbasin=None).outcome == "repeat"
    assert (reached.get_repeats(), reached.get_confidence()) == (0, 0.0)


def audit_of(reuse, reached, after=3):
    return next(index for index in range(after, 200) if reuse.is_audit(reached, index))


def test_an_audit_that_finds_what_is_listed_counts_as_no_repeat(tmp_path):
    _, reuse, _, reached = begun(tmp_path / "run")
    list(carried_over(reuse, reached))
    index = audit_of(reuse, reached)
    found = behind(reached, 1, 1, name=f"1_{index}", barrier_eV=0.63)
    record = register(reuse, reached, found, index)
    assert (record.outcome, record.kind, record.reused) == ("repeat", ELSEWHERE, "confirmed")
    assert reached.get_repeats() == 0


def test_a_parent_whose_table_was_incomplete_is_found_out(tmp_path):
    """Its third far hop was never found: an audit finds it, and searches start anywhere from then on."""
    _, reuse, _, reached = begun(tmp_path / "run", missing=1)
    assert reuse.waiting(reached) == 2
    for index in range(2):
        register(reuse, reached, behind(reached, 1, index, name=f"1_{index}", kind=CARRIED), index)
    near = behind(reached, 0, 1, name="1_2")
    assert register(reuse, reached, near, 2).outcome == "new"
    index = audit_of(reuse, reached)
    reached.info.set("MetaData", "repeats", 7)
    record = register(reuse, reached, behind(reached, 1, 2, name=f"1_{index}"), index)
    assert (record.outcome, record.reused) == ("new", "wrong")
    assert reached.get_repeats() == 0
    again = reuse_of(reached.statelist)
    for late in range(index + 1, index + LAG):  # they may have been under way
        assert again.epicentres(reached, late) is not None
        late_one = register(again, reached, behind(reached, 0, 1, name=f"1_{late}"), late)
        assert late_one.kind in (NEAR, ELSEWHERE)
    assert reached.get_repeats() == 0
    assert again.epicentres(reached, index + LAG) is None
    last = behind(reached, 0, 1, name=f"1_{index + LAG}")
    assert register(again, reached, last, index + LAG).kind == "random"
    assert reached.get_repeats() == 1


def test_an_audit_that_finds_something_near_the_change_is_no_error(tmp_path):
    _, reuse, _, reached = begun(tmp_path / "run")
    index = audit_of(reuse, reached)
    record = register(reuse, reached, behind(reached, 0, 1, name=f"1_{index}"), index)
    assert (record.outcome, record.reused) == ("new", "confirmed")


def test_a_process_that_is_gone_ends_the_reuse_of_its_state(tmp_path):
    _, reuse, _, reached = begun(tmp_path / "run")
    records = list(carried_over(reuse, reached, lost=1))
    assert [record.reused for record in records] == ["carried", "lost", "carried"]
    assert reuse.epicentres(reached, 1 + LAG) is None


@pytest.mark.parametrize(("elastic_A", "carried"), [(0.04, 3), (0.06, 0)])
def test_a_far_atom_that_the_hop_strained_just_above_the_tolerance(tmp_path, elastic_A, carried):
    """Nothing beside it is carried over; a smaller displacement is for the searches that converge the saddles."""
    _, reuse, _, reached = begun(tmp_path / "run", elastic_A=elastic_A)
    assert reuse.waiting(reached) == carried


def test_nothing_is_carried_over_where_it_cannot_be(tmp_path):
    states, _, reached, first = left(tmp_path / "run")
    everywhere = reuse_of(states, radius_A=20.0)
    everywhere.reached(departure(first))
    everywhere.begin(reached)  # all atoms are near the change
    assert everywhere.waiting(reached) == 0
    assert everywhere.epicentres(reached, 5) is None
    assert not (Path(reached.path) / "reuse.json").exists()
    from_superbasin = reuse_of(states)
    from_superbasin.reached(departure(first, superbasin=0))
    off = reuse_of(states, section=ReuseSection())
    off.reached(departure(first))
    for reuse in (from_superbasin, off):
        reuse.begin(reached)
        assert reuse.waiting(reached) == 0


def test_a_state_that_is_renewed_has_nothing_carried_over(tmp_path):
    states, reuse, _, reached = begun(tmp_path / "run")
    assert json.loads((Path(reached.path) / "reuse.json").read_text())["of"] == 0
    reached.renew(reactant_con=reached.reactant_con, energy_eV=-10.0)
    assert reuse_of(states).waiting(reached) == 0
    assert reuse.waiting(reached) == 3  # a refresh makes another


def test_a_damaged_note_is_refused(tmp_path):
    states, _, _, reached = begun(tmp_path / "run")
    (Path(reached.path) / "reuse.json").write_text('{"of": 0}')
    with pytest.raises(RunStateError, match="restore it from a backup"):
        reuse_of(states)
