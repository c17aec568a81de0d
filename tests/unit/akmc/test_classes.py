"""Orbits and classes of states in eOn's own tables: what is shared, and what only looks as if it could be."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms

from mlip_kmc.akmc.classes import Classes
from mlip_kmc.akmc.eon_adapter import StateList, eon_config
from mlip_kmc.akmc.kinship import Kinship
from mlip_kmc.akmc.orbits import IMAGE, OrbitDesk, images_of
from mlip_kmc.akmc.prefactors import Rest
from mlip_kmc.akmc.rows import Rows
from mlip_kmc.akmc.stale import StaleProcess, StaleProcesses
from mlip_kmc.config import SymmetrySection
from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.evaluate.client import ClientJob, End
from mlip_kmc.ground.errors import RunStateError, SearchesFailedError
from mlip_kmc.model.isometry import site_symmetry
from mlip_kmc.model.records import AUDIT, Stale, shortcuts_of
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.search.outcome import ForceCalls, FoundProcess, SearchOutcome, Termination
from mlip_kmc.search.points import CLASS, CheckRecipe, Point, PointsOutcome, PointsTask
from mlip_kmc.search.task import SearchTask

A = 3.6
ENERGY_EV, BARRIER_EV = -10.0, 0.6


def vacancy():
    atoms = bulk("Cu", cubic=True, a=A) * (3, 3, 3)
    del atoms[0]
    return atoms


def hops(atoms, hole=(0.0, 0.0, 0.0)):
    """Neighbours of the hole, and their ways into it."""
    ways = atoms.cell.scaled_positions(np.asarray(hole) - atoms.positions)
    ways = (ways - ways.round()) @ atoms.cell.array
    near = np.flatnonzero(np.linalg.norm(ways, axis=1) < 0.8 * A)
    return [(int(atom), ways[atom]) for atom in near]


def good(name, home, saddle, product, *, barrier_eV, kind="random"):
    """A search that found a process."""
    mode = (saddle - home) / np.linalg.norm(saddle - home)
    energies = ENERGY_EV, ENERGY_EV + barrier_eV, ENERGY_EV
    found = FoundProcess(*energies, 1e13, 1e13, home.copy(), saddle, product, mode=mode)
    return SearchOutcome(
        name,
        kind,
        End.FINISHED,
        termination=Termination.GOOD,
        barrier_eV=barrier_eV,
        force_calls=ForceCalls(30, 20, 0),
        found=found,
    )


def hop(atoms, number=0, *, name="0_0", barrier_eV=BARRIER_EV, aside=0.0, kind="random"):
    """A search that found one of the twelve hops; its saddle a little aside."""
    atom, way = hops(atoms)[number]
    across = np.cross(way, [0.3, 0.2, 0.9])
    saddle, product = atoms.positions.copy(), atoms.positions.copy()
    saddle[atom] += 0.5 * way + aside * across / np.linalg.norm(across)
    product[atom] += way
    return good(name, atoms.positions, saddle, product, barrier_eV=barrier_eV, kind=kind)


CHECKS = CheckRecipe(
    files={}, links={}, time_limit_s=1.0, evidence=Path("/none"), converged_force_eV_per_A=0.01
)


def tree(folder, atoms, scheme="old"):
    folder.mkdir(exist_ok=True)
    (folder / "pos.con").write_text(to_con(atoms))
    (folder / "config.ini").write_text(
        ini_text(
            {
                "Main": {"job": "akmc", "temperature": 300.0},
                "AKMC": {
                    "confidence_scheme": scheme,
                    "thermally_accessible_window": 20.0,
                    "thermally_accessible_buffer": 10.0,
                },
            }
        )
    )
    return StateList(folder, config=eon_config(folder))


def kinship(states, *, seed=1, audit_share=0.0, orbits=True, visit_searches=0):
    symmetry = SymmetrySection(
        orbits=orbits, classes=True, audit_share=audit_share, visit_searches=visit_searches
    )
    return Kinship(states, symmetry=symmetry, checks=CHECKS, seed=seed)


def register(kin, state, outcome, index):
    if outcome.found is not None:
        outcome = outcome.with_images(tuple(kin.images(state, outcome)), checks=11)
    return kin.register(state, outcome, index=index, superbasin=None)


def explored(states, kin, *, repeats=3):
    """State 0, known by one hop, its orbit and a few repeats of it."""
    state = states.get_state(0)
    kin.meet(state)
    first = register(kin, state, hop(vacancy()), 0)
    for index in range(1, repeats + 1):
        again = register(kin, state, hop(vacancy(), index, name=f"0_{index}"), index)
        assert again.outcome == "repeat"
    return state, first


def recognised(name, fault=""):
    termination = Termination.NOT_RECOGNISED if fault else Termination.RECOGNISED
    return SearchOutcome(name, CLASS, End.FINISHED, message=fault, termination=termination)


def neighbour(states, state):
    """The state behind the first process of the table."""
    state.load_process_table()
    return states.get_product_state(0, min(state.procs))


def test_the_orbit_of_a_hop_is_all_twelve(tmp_path):
    atoms = vacancy()
    found = hop(atoms).found
    images = images_of(found, atoms=atoms, symmetry=site_symmetry(atoms))
    assert len(images) == 11
    ends = {
        tuple((image.product_A - atoms.positions)[atom].round(6))
        for image in (found, *images)
        for atom in [int(np.linalg.norm(image.product_A - atoms.positions, axis=1).argmax())]
    }
    assert ends == {tuple(np.round(way, 6)) for _, way in hops(atoms)}


def test_a_saddle_aside_of_the_line_has_a_larger_orbit():
    atoms = vacancy()
    found = hop(atoms, aside=0.3).found  # no operation but the identity leaves it where it is
    assert len(images_of(found, atoms=atoms, symmetry=site_symmetry(atoms))) == 47


def test_two_saddles_that_lie_near_each_other_stay_two(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, first = explored(states, kin, repeats=0)
    other = register(kin, state, hop(vacancy(), aside=0.3, name="0_1", barrier_eV=0.605), 1)
    assert (len(first.images), other.outcome, len(other.images)) == (11, "new", 47)
    assert len(state.procs) == 12 + 48
    assert [len(orbit) for orbit in state.orbits] == [12, 48]


@pytest.mark.parametrize(("scheme", "alone", "orbits"), [("old", 0.667, 0.667), ("new", 0.0, 0.98)])
def test_confidence_counts_orbits(tmp_path, scheme, alone, orbits):
    """Four searches of twelve equal hops: little is known of twelve things, and much of one."""
    plain = tree(tmp_path / "plain", vacancy(), scheme)
    kin = kinship(plain, orbits=False)
    state = plain.get_state(0)
    kin.meet(state)
    for index in range(4):
        register(
            kin,
            state,
            hop(vacancy(), index % (1 if scheme == "old" else 12), name=f"0_{index}"),
            index,
        )
    assert state.get_confidence() == pytest.approx(alone, abs=0.02)
    states = tree(tmp_path / "orbits", vacancy(), scheme)
    state, _ = explored(states, kinship(states))
    assert len(state.procs) == 12
    assert state.get_confidence() == pytest.approx(orbits, abs=0.02)
    assert len(state.get_ratetable()) == 12


def test_the_state_behind_a_hop_is_recognised_and_has_its_table(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, _ = explored(states, kin)
    other = neighbour(states, state)
    kin.meet(other)
    assert kin.most(other) == 1
    start = kin.start(other, "1_0", index=0)
    assert start.kind == CLASS
    assert start.expected.energy_eV == ENERGY_EV
    assert np.allclose(
        from_con(start.files["pos.con"]).positions, other.get_reactant().r, atol=1e-6
    )
    record = register(kin, other, recognised("1_0"), 0)
    assert (record.outcome, record.like, len(record.images)) == ("known", 0, 12)
    assert kin.most(other) is None
    other.load_process_table()
    assert len(other.procs) == 12
    assert sorted(row["product"] for row in other.procs.values()) == [-1] * 11 + [0]
    assert other.get_confidence() == state.get_confidence() > 0.6
    assert [len(orbit) for orbit in other.orbits] == [12]
    home = other.get_reactant().r
    hole = np.asarray(hops(vacancy())[0][1]) * 0
    ends = set()
    for row in Rows(other):
        atom = int(np.linalg.norm(row.product, axis=1).argmax())
        assert np.linalg.norm(row.product, axis=1).max() == pytest.approx(A / np.sqrt(2))
        assert np.allclose(row.saddle, 0.5 * row.product, atol=1e-6)
        ends.add(tuple((home[atom] + row.product[atom] - hole).round(3)))
    assert (
        len({tuple(np.mod(end, 3 * A).round(2) % (3 * A)) for end in ends}) == 1
    )  # all into one hole


def test_states_of_a_class_have_the_hessian_of_its_first_state(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, _ = explored(states, kin)
    other = neighbour(states, state)
    kin.meet(other)
    assert kin.rest(other) == Rest(1, other.reactant_con), "it is not yet told what it is"
    register(kin, other, recognised("1_0"), 0)
    assert kin.rest(other) == kin.rest(state) == Rest(0, state.reactant_con)


def test_a_state_that_evaluates_otherwise_is_explored(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, _ = explored(states, kin)
    other = neighbour(states, state)
    kin.meet(other)
    record = register(kin, other, recognised("1_0", "a force of 0.3 eV/A is left"), 0)
    assert record.outcome == "bad"
    assert record.reason == "not the state that it looks like: a force of 0.3 eV/A is left"
    assert kin.most(other) is None
    assert kin.start(other, "1_1", index=1) is None
    other.load_process_table()
    assert [row["product"] for row in other.procs.values()] == [0]
    assert other.get_confidence() == 0.0


@pytest.mark.parametrize("change", ["fixed", "strained"])
def test_what_differs_where_no_atom_moves_is_another_class(tmp_path, change):
    """The neighbour of a structure with one fixed atom or a strain: the hop took the hole to another place of it."""
    atoms = vacancy()
    if change == "fixed":
        atoms.set_constraint(FixAtoms(indices=[60]))
    else:
        atoms.set_cell(atoms.cell.array * [[1.001], [1], [1]], scale_atoms=True)
    states = tree(tmp_path / "run", atoms)
    kin = kinship(states)
    state = states.get_state(0)
    kin.meet(state)
    first = register(kin, state, hop(vacancy()), 0)
    assert len(first.images) < 11
    other = neighbour(states, state)
    kin.meet(other)
    if (
        change == "strained"
    ):  # all sites of a strained crystal are alike, and it has fewer operations
        assert kin.most(other) == 1
        assert len(site_symmetry(atoms)) == 16
    else:
        assert kin.most(other) is None


def test_a_missing_direction_is_not_always_the_same_one(tmp_path):
    """Eleven of twelve hops are known; which one a recognised state lacks is drawn by seed."""
    lacking = set()
    for seed in range(6):
        states = tree(tmp_path / f"run{seed}", vacancy())
        kin = kinship(states, seed=seed, orbits=False)
        state = states.get_state(0)
        kin.meet(state)
        for index in range(11):
            register(kin, state, hop(vacancy(), index, name=f"0_{index}"), index)
        state.load_process_table()
        known = {row.process: row.product for row in Rows(state)}
        one = next(
            process
            for process, product in sorted(known.items())
            if np.allclose(product[hops(vacancy())[0][0]], hops(vacancy())[0][1])
        )
        other = states.get_product_state(0, one)
        kin.meet(other)
        register(kin, other, recognised("1_0"), 0)
        ways = {
            tuple(row.product[np.linalg.norm(row.product, axis=1).argmax()].round(2))
            for row in Rows(other)
        }
        lacking |= {tuple(np.round(way, 2)) for _, way in hops(vacancy())} - ways
    assert len(lacking) > 2


def test_what_a_member_finds_reaches_the_others(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, _ = explored(states, kin)
    other = neighbour(states, state)
    kin.meet(other)
    register(kin, other, recognised("1_0"), 0)
    assert (
        register(kin, state, hop(vacancy(), aside=0.3, name="0_4", barrier_eV=0.8), 4).outcome
        == "new"
    )
    kin.catch_up(other)
    other.load_process_table()
    assert len(other.procs) == len(state.procs) == 12 + 48
    assert other.get_repeats() == state.get_repeats() == 0
    again = kinship(states)  # what the folders say is all that there is
    assert again.most(other) is None
    assert json.loads((Path(other.path) / "class.json").read_text())["revision"] == 2


@pytest.mark.parametrize("why", ["orbits are off", "an image did not hold", None])
def test_where_orbits_are_incomplete_each_visit_adds_searches(tmp_path, why):
    """As many as are set, in the state that is visited; what they find reaches the class."""
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states, orbits=why != "orbits are off", visit_searches=2)
    state = states.get_state(0)
    kin.meet(state)
    first = hop(vacancy()).with_images((), checks=11, left=0 if why is None else 11)
    kin.register(state, first, index=0, superbasin=None)
    other = neighbour(states, state)
    kin.meet(other)
    register(kin, other, recognised("1_0"), 0)
    assert kin.most(other) == (None if why is None else 3)
    kin.catch_up(state)
    assert kin.most(state) == (None if why is None else 3)
    if why is None:
        return
    again = kinship(states, orbits=why != "orbits are off", visit_searches=2)
    assert again.most(state) == 3  # what the folder says
    for index in (1, 2):
        assert kin.start(state, f"0_{index}", index=index) is None  # a search as usual
        assert register(kin, state, hop(vacancy(), name=f"0_{index}"), index).outcome == "repeat"
    assert kin.most(state) is None
    state.set_good_saddle_count(3)
    state.info.set("MetaData", "repeats", 99999)
    kin.catch_up(state)
    assert kin.most(state) is None  # the class is known well enough


def test_after_a_refresh_one_state_is_refreshed_and_the_others_are_recognised(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, first = explored(states, kin)
    other = states.get_state(neighbour(states, state).number)
    kin.meet(other)
    register(kin, other, recognised("1_0"), 0)
    for entry, registered in ((state, 4), (other, 1)):
        stale = StaleProcess(Stale(first.process, 0, BARRIER_EV, 1e13, 3), "a saddle", "a mode")
        StaleProcesses(first=registered, processes=(stale,)).write(Path(entry.path))
        con = Path(entry.reactant_path).read_text()
        entry.renew(reactant_con=con, energy_eV=ENERGY_EV - 0.1)
        assert entry.orbits == []
    kin = kinship(states)
    kin.meet(state)
    assert kin.most(state) is None  # no class is known yet: its stale processes are searched
    again = hop(vacancy(), name="0_4", kind="refresh")
    assert register(kin, state, again, 4).outcome == "new"
    kin.meet(other)
    assert kin.most(other) == 2
    assert kin.start(other, "1_1", index=1).expected.energy_eV == ENERGY_EV - 0.1
    assert register(kin, other, recognised("1_1"), 1).outcome == "known"
    assert kin.most(other) is None
    assert len(other.procs) == 12
    left = StaleProcesses.read(Path(other.path))
    assert (left.first, left.processes) == (1, ())


def exchange(atoms, pairs, *, name):
    """A search that found a process in which atoms go to given places, half-way in its saddle."""
    product = atoms.positions.copy()
    for atom, place in pairs:
        product[atom] = place
    saddle = 0.5 * (atoms.positions + product) + [0.0, 0.0, 0.01]
    return good(name, atoms.positions, saddle, product, barrier_eV=0.9)


@pytest.mark.parametrize("known", [True, False])
def test_the_reverse_of_an_exchange_is_in_its_own_states_order_and_not_twice_there(tmp_path, known):
    """From the state behind a hop two atoms exchange on the way back: the first state again, with its atoms permuted."""
    atoms = vacancy()
    atoms.positions += 2.0  # nothing hops through the cell's faces
    states = tree(tmp_path / "run", atoms)
    kin = kinship(states, orbits=False)
    state = states.get_state(0)
    (one, way), (other, _) = hops(atoms, (2.0, 2.0, 2.0))[:2]
    hole, home, there = atoms.positions[one] + way, atoms.positions[one], atoms.positions[other]
    kin.meet(state)
    first = register(kin, state, exchange(atoms, [(one, hole)], name="0_0"), 0)
    behind = states.get_state(states.get_product_state(0, first.process).number)
    if known:
        twice = register(kin, state, exchange(atoms, [(other, hole), (one, there)], name="0_1"), 1)
        assert twice.outcome == "new"
    moved = atoms.copy()
    moved.positions[one] = hole
    back = behind.register(
        exchange(moved, [(one, there), (other, home)], name="1_0"), index=0, superbasin=None
    )
    states.register_process(1, 0, back.process)
    state.load_process_table(force=True)
    assert len(state.procs) == 2
    assert state.get_unique_saddle_count() == 2
    assert [row["product"] for row in state.procs.values()] == [1, 1]
    row = next(row for row in Rows(state) if row.process != first.process)
    assert np.allclose(row.product[other], hole - there, atol=1e-6)
    assert np.allclose(row.product[one], there - home, atol=1e-6)
    assert np.allclose(state.get_process_reactant(row.process).r, state.get_reactant().r, atol=1e-6)
    again = exchange(atoms, [(other, hole), (one, there)], name="0_2")
    assert register(kin, state, again, 2).outcome == "repeat"


def test_a_flat_saddle_that_came_as_a_reverse_is_not_handed_over_again(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state, first = explored(states, kin)
    other = neighbour(states, state)
    other.load_process_table()
    (reverse,) = other.procs
    con = from_con(Path(other.proc_saddle_path(reverse)).read_text())
    mover = int(np.linalg.norm(con.positions - other.get_reactant().r, axis=1).argmax())
    con.positions[mover, 2] += 0.13
    Path(other.proc_saddle_path(reverse)).write_text(to_con(con))
    kin.meet(other)
    register(kin, other, recognised("1_0"), 0)
    assert len(other.procs) == 12
    assert first.process in state.procs


def audited(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states, audit_share=1.0)
    state, _ = explored(states, kin)
    other = neighbour(states, state)
    kin.meet(other)
    register(kin, other, recognised("1_0"), 0)
    assert kin.most(other) == 2
    start = kin.start(other, "1_1", index=1)
    assert start.kind == AUDIT
    process = json.loads((Path(other.path) / "class.json").read_text())["audit"]
    assert start.files["displacement.con"] == Path(other.proc_saddle_path(process)).read_text()
    saddle = from_con(start.files["displacement.con"]).positions
    home = from_con(Path(other.reactant_path).read_text()).positions
    return kin, other, process, home, saddle


def searched(home, saddle, barrier_eV):
    return good("1_1", home, saddle, home, barrier_eV=barrier_eV, kind=AUDIT)


def test_an_audit_that_ends_where_it_should_says_nothing_more(tmp_path):
    kin, other, process, home, saddle = audited(tmp_path)
    record = kin.register(other, searched(home, saddle, BARRIER_EV), index=1, superbasin=None)
    assert (record.outcome, record.process, record.kind) == ("repeat", process, "audit")
    assert kin.most(other) is None
    assert len(other.procs) == 12


@pytest.mark.parametrize("wrong", ["another saddle", "another barrier", "nothing"])
def test_an_audit_that_fails_takes_the_table_away(tmp_path, wrong):
    kin, other, _, home, saddle = audited(tmp_path)
    if wrong == "another saddle":
        saddle = saddle + np.where(np.arange(len(home)) == 3, 0.4, 0.0)[:, None]
    outcome = searched(home, saddle, 0.7 if wrong == "another barrier" else BARRIER_EV)
    if wrong == "nothing":
        outcome = SearchOutcome("1_1", AUDIT, End.FINISHED, termination=Termination.NOT_CONNECTED)
    record = kin.register(other, outcome, index=1, superbasin=None)
    assert (record.outcome, record.kind) == ("bad", "audit")
    assert other.procs == {}
    assert other.get_confidence() == 0.0
    assert kin.most(other) is None
    assert kin.start(other, "1_2", index=2) is None


def test_a_damaged_note_of_a_class_is_refused(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kinship(states).meet(states.get_state(0))
    (tmp_path / "run" / "states" / "0" / "class.json").write_text("{")
    with pytest.raises(RunStateError, match="restore it from a backup"):
        Classes(states, seed=1, tolerance_A=0.03, audit_share=0.0)


def test_a_damaged_note_of_orbits_is_refused(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    explored(states, kinship(states), repeats=0)
    (tmp_path / "run" / "states" / "0" / "orbits.json").write_text("[3")
    with pytest.raises(RunStateError, match="restore it from a backup"):
        tree(tmp_path / "run", vacancy()).get_state(0).get_confidence()


class Cluster:
    def __init__(self):
        self.submitted, self.cancelled = [], []

    def submit(self, task, *, first=False):
        self.submitted.append(task)

    def cancel(self, names):
        self.cancelled += names


def asked(images=2):
    atoms, cluster = vacancy(), Cluster()
    desk = OrbitDesk(cluster, CHECKS)
    found = hop(atoms).found
    symmetry = site_symmetry(atoms)
    desk.ask("0_0", images_of(found, atoms=atoms, symmetry=symmetry)[:images], search=task(atoms))
    return desk, cluster


def task(atoms):
    """The search whose process has images."""
    files = {"pos.con": to_con(atoms), "config.ini": "[Main]"}
    return SearchTask(ClientJob("0_0", files, {}, 1.0, evidence=Path("/none/0_0")))


def test_an_image_that_does_not_evaluate_as_it_should_is_left_to_searches():
    """An almost symmetric site: one image has another energy, one a force, one is as it should be."""
    desk, cluster = asked(4)
    assert isinstance(cluster.submitted[0], PointsTask)
    assert len(cluster.submitted[0].structures) == 4
    assert desk.waiting("0_0")
    assert desk.answer("0_0") is None
    energy = ENERGY_EV + BARRIER_EV
    points = (
        Point(energy + 0.002, 0.01),
        Point(energy, float("nan")),
        Point(energy + 0.0004, 0.04),
        Point(float("nan"), 0.01),
    )
    desk.take(PointsOutcome("0_0.orbit", End.FINISHED, points=points))
    checked = desk.answer("0_0")
    assert (len(checked.images), checked.evaluations) == (1, 4)
    assert (checked.again, checked.left) == (0, 3)
    desk.forget("0_0")
    assert desk.answer("0_0") is None


@pytest.mark.parametrize(
    ("moved_A", "off_eV", "held"), [(0.05, 5e-4, True), (0.3, 0.0, False), (0.05, 4e-3, False)]
)
def test_an_image_with_a_force_is_converged_again_and_must_be_that_process(moved_A, off_eV, held):
    """It may come to rest near its place with the known energy; elsewhere, or with another one, it is another process."""
    desk, cluster = asked(2)
    energy = ENERGY_EV + BARRIER_EV
    points = (Point(energy + 0.003, 0.2), Point(energy, 0.01))
    desk.take(PointsOutcome("0_0.orbit", End.FINISHED, points=points))
    search = cluster.submitted[1]
    assert (search.name, search.kind) == ("0_0.image-0", IMAGE)
    image = desk._asked["0_0"].images[0]
    start = from_con(search.job.files["displacement.con"])
    assert np.allclose(start.positions, image.saddle_A, atol=1e-9)
    assert desk.answer("0_0") is None
    saddle = image.saddle_A + np.where(np.arange(len(image.saddle_A)) == 3, moved_A, 0)[:, None]
    found = replace(image, saddle_A=saddle, saddle_eV=energy + off_eV)
    again = replace(hop(vacancy(), name="0_0.image-0", kind=IMAGE), found=found)
    desk.take(again)
    checked = desk.answer("0_0")
    assert (len(checked.images), checked.again, checked.left) == (1 + held, held, 1 - held)
    assert checked.evaluations == 2 + again.force_calls.total
    if held:
        assert np.array_equal(checked.images[1].saddle_A, saddle)


def test_an_image_that_leads_nowhere_is_left_to_searches():
    desk, _ = asked(1)
    desk.take(PointsOutcome("0_0.orbit", End.FINISHED, points=(Point(ENERGY_EV, 0.2),)))
    lost = SearchOutcome("0_0.image-0", IMAGE, End.FINISHED, termination=Termination.NOT_CONNECTED)
    desk.take(lost)
    checked = desk.answer("0_0")
    assert (checked.images, checked.left) == ((), 1)


def test_what_was_converged_again_or_left_is_on_record(tmp_path):
    states = tree(tmp_path / "run", vacancy())
    kin = kinship(states)
    state = states.get_state(0)
    kin.meet(state)
    outcome = hop(vacancy())
    images = kin.images(state, outcome)[:9]
    record = kin.register(
        state, outcome.with_images(images, checks=60, again=3, left=2), index=0, superbasin=None
    )
    assert (len(record.images), record.images_again, record.images_left) == (9, 3, 2)
    assert shortcuts_of([record]).symmetry.startswith(
        "9 processes by orbits (3 converged again, 2 more left to searches)"
    )


def test_a_worker_that_dies_is_no_answer():
    desk, cluster = asked()
    desk.take(PointsOutcome("0_0.orbit", End.CRASHED))
    assert len(cluster.submitted) == 2
    desk.take(PointsOutcome("0_0.orbit", End.CRASHED, "signal 9"))
    with pytest.raises(SearchesFailedError, match="the same command tries again"):
        desk.answer("0_0")


def test_what_is_no_longer_wanted_is_taken_back():
    desk, cluster = asked()
    desk.forget("0_0")
    assert cluster.cancelled == ["0_0.orbit"]
    desk.take(PointsOutcome("0_0.orbit", End.FINISHED))
    assert desk.answer("0_0") is None
    desk.ask("0_1", (), search=task(vacancy()))
    assert desk.answer("0_1").images == ()


def test_the_member_that_knows_most_is_found_whatever_changed_since(tmp_path):
    rng = np.random.default_rng(3)
    repeats = dict.fromkeys(range(12), 0)
    for number in repeats:
        (tmp_path / str(number)).mkdir()
        note = {"first": number % 3, "revision": 0}
        (tmp_path / str(number) / "class.json").write_text(json.dumps(note))

    def state(number):
        return SimpleNamespace(
            number=number,
            path=str(tmp_path / str(number)),
            get_repeats=lambda: repeats[number],
            note=lambda: states.recounted.add(number),
        )

    states = SimpleNamespace(path=str(tmp_path), recounted=set(), get_state=state)
    classes = Classes(states, seed=1, tolerance_A=0.03, audit_share=0.0)

    def known(number):
        return classes.of(state(number)).revision, repeats[number], -number

    for step in range(300):
        for number in rng.choice(12, size=rng.integers(1, 4), replace=False).tolist():
            repeats[number] = int(rng.integers(5))
            states.recounted.add(number)
        if step % 20 == 7:
            classes.news(state(int(rng.integers(12))))
        if step == 150:
            classes.alone(state(10))  # an audit failed: it begins a class of its own
        for first in {classes.of(state(number)).first for number in range(12)}:
            members = [n for n in range(12) if classes.of(state(n)).first == first]
            assert classes.best(first) == max(members, key=known)
