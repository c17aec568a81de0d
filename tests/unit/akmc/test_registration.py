"""What eOn makes of a search is told by its state, and the files that it keeps hold what the outcome holds."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("eon")

from eon import fileio

from mlip_kmc.akmc.eon_adapter import StateList, eon_config
from mlip_kmc.akmc.eon_files import eon_result
from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.evaluate.client import End
from mlip_kmc.model.frames import KeptFrame, Kind, Stage
from mlip_kmc.model.records import Rated
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.search.outcome import ForceCalls, FoundProcess, Graded, SearchOutcome, Termination

from ..search.outcomes import SIZE, places

ENERGY_EV = -10.0


def crystal():
    return bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)


@pytest.fixture
def state(tmp_path):
    (tmp_path / "states").mkdir()
    (tmp_path / "pos.con").write_text(to_con(crystal()))
    (tmp_path / "config.ini").write_text(
        ini_text(
            {
                "Main": {"job": "akmc", "temperature": 300.0},
                "AKMC": {"thermally_accessible_window": 20.0, "thermally_accessible_buffer": 10.0},
            }
        )
    )
    return StateList(tmp_path, config=eon_config(tmp_path)).get_state(0)


def good(index, barrier_eV, *, atom=0, forward_per_s=1e12, **more):
    """A search that moved an atom."""
    start = crystal().positions
    saddle, product = start.copy(), start.copy()
    saddle[atom] += [0.9, 0.0, 0.0]
    product[atom] += [1.8, 0.0, 0.0]
    found = FoundProcess(
        ENERGY_EV,
        ENERGY_EV + barrier_eV,
        ENERGY_EV,
        forward_per_s,
        2e12,
        start,
        saddle,
        product,
        mode=np.eye(len(start), 3),
        provenance={"random_seed": 1.0},
    )
    return SearchOutcome(
        f"0_{index}",
        "random",
        End.FINISHED,
        seconds=1.23456,
        termination=Termination.GOOD,
        barrier_eV=barrier_eV,
        saddle_distance_A=0.9,
        force_calls=ForceCalls(30, 20, 10),
        found=found,
        **more,
    )


def bad(index, termination, message=""):
    end = End.HALTED if termination is Termination.HALTED else End.FINISHED
    return SearchOutcome(f"0_{index}", "random", end, message=message, termination=termination)


def register(state, *found):
    return [
        state.register(outcome, index=index, superbasin=None) for index, outcome in enumerate(found)
    ]


def comments(state):
    state.statelist.flush()
    lines = Path(state.search_result_path).read_text().splitlines()[2:]
    return [line.split(maxsplit=7)[7].strip() for line in lines]


def test_new_repeat_and_high_follow_from_the_process_table(state):
    found = register(
        state,
        good(0, 0.5),
        good(1, 0.5),
        good(2, 0.6, atom=7),
        good(3, 3.0, atom=9),
        good(4, 0.6, atom=7),
    )
    assert [record.outcome for record in found] == ["new", "repeat", "new", "high", "repeat"]
    first, _, second, *_ = (record.process for record in found)
    assert [record.process for record in found] == [first, first, second, None, second]
    assert {process: row["repeats"] for process, row in state.procs.items()} == {
        first: 1,
        second: 1,
    }
    assert [record.barrier for record in found] == [0.5, 0.5, 0.6, 3.0, 0.6]
    assert found[3].reason == "barrier > max_thermal_window"
    assert comments(state) == [
        f"good-{first}",
        f"repeat-{first}",
        f"good-{second}",
        "barrier > max_thermal_window",
        f"repeat-{second}",
    ]
    assert (found[0].force_calls, found[0].seconds, found[0].kind) == (60, 1.235, "random")


def test_a_row_that_is_in_the_table_on_the_disk_only_is_found_again(state, tmp_path):
    (first,) = register(state, good(0, 0.5))
    state.info.flush()
    later = StateList(tmp_path, config=state.config).get_state(0)
    assert [record.outcome for record in register(later, good(1, 0.5))] == ["repeat"]
    assert later.procs[first.process]["repeats"] == 1


NO_FAILURES = (Termination.GOOD, Termination.RECOGNISED, Termination.KNOWN_SADDLE)


@pytest.mark.parametrize(
    "termination", [entry for entry in Termination if entry not in NO_FAILURES]
)
def test_every_bad_end_is_registered_in_its_own_words(state, termination):
    """eOn's own words come from eOn: its list and ours are one."""
    (record,) = register(state, bad(0, termination, "gamma 17"))
    told = termination in (
        Termination.HALTED,
        Termination.ENDED_PROCESS,
        Termination.DAMAGED,
        Termination.NOT_A_SADDLE,
        Termination.NOT_RECOGNISED,
    )
    assert record.reason == (f"{termination}: gamma 17" if told else str(termination))
    assert record.outcome == ("halted" if termination is Termination.HALTED else "bad")
    assert (record.process, record.barrier) == (None, None)
    assert comments(state) == [record.reason]
    assert (state.get_bad_saddle_count(), state.get_good_saddle_count()) == (1, 0)
    if Termination.of_number(termination.number) is termination:  # it is one of eOn's own
        silent = eon_result(bad(1, termination), index=1, reactant_con="")
        del silent["remark"]
        state.register_bad_saddle(silent)
        assert comments(state)[1] == str(termination)


def test_eons_list_of_reasons_is_no_longer_than_ours(state):
    beyond = {"termination_reason": Termination.OPTIMIZER_ERROR.number + 1}
    result = eon_result(bad(0, Termination.INIT), index=0, reactant_con="")
    with pytest.raises(IndexError):
        state.register_bad_saddle({**result, "results": {**result["results"], **beyond}})


def test_gammas_prefactors_and_frames_are_those_of_the_outcome(state):
    frame = KeptFrame(crystal(), None, "0_0", 0, Stage.SEARCH, 3, Kind.CANDIDATE, "0" * 64)
    graded = Graded(4.0, 1.0, 2.0, 3.0, frames=(frame,))
    rated = Rated(3e12, 4e12, "harmonic", "", atoms=32, of_atoms=32, force_calls=24)
    new, repeat = register(
        state,
        good(0, 0.5, graded=graded).with_rated(rated),
        good(1, 0.5).with_rated(rated),
    )
    gammas = (new.gamma_path, new.gamma_reactant, new.gamma_saddle, new.gamma_product)
    assert gammas == (4.0, 1.0, 2.0, 3.0)
    assert (new.rated, repeat.rated, new.force_calls) == (rated, None, 74)
    row = state.procs[new.process]
    assert (row["prefactor"], row["product_prefactor"]) == (3e12, 4e12)
    assert row["rate"] == 3e12 * np.exp(-row["barrier"] / state.statelist.kT)


def drawn(count, home, seed):
    """Searches that find some saddles again, shifted or moved by nearly as much as makes two of them, barriers likewise."""
    rng = np.random.default_rng(seed)
    kinds = [(rng.integers(len(home)), rng.normal(size=3)) for _ in range(4)]
    for index in range(count):
        atom, way = kinds[rng.integers(len(kinds))]
        outcome = good(index, 0.5 + 0.3 * rng.integers(2) + rng.choice([0.0, 9e-3, -9e-3]))
        saddle = home + rng.choice([0.0, 0.3]) * rng.normal(size=3)
        saddle[atom] += way / np.linalg.norm(way)
        farther = rng.integers(len(home))
        saddle[farther] += rng.choice([0.0, 0.0, 0.095, 0.105]) * np.eye(3)[rng.integers(3)]
        yield replace(
            outcome, found=replace(outcome.found, reactant_A=home, saddle_A=saddle, product_A=home)
        )


@pytest.mark.parametrize("fixed", [(), (5,)])
def test_repeats_are_those_that_eon_itself_counts(tmp_path, fixed):
    """The same searches by eOn's own `add_process`: table, counts and the list of searches are the same, to the last digit."""
    from ase.constraints import FixAtoms
    from eon.akmcstate import AKMCState

    atoms = crystal()
    atoms.set_cell(
        atoms.cell.array + np.array([[0, 0, 0], [0.7, 0, 0], [0.3, -0.4, 0]]), scale_atoms=True
    )
    atoms.set_constraint(FixAtoms(fixed))
    made = {}
    for name in ("ours", "eon"):
        root = tmp_path / name
        (root / "states").mkdir(parents=True)
        (root / "pos.con").write_text(to_con(atoms))
        (root / "config.ini").write_text(ini_text({"Main": {"job": "akmc", "temperature": 300.0}}))
        made[name] = StateList(root, config=eon_config(root)).get_state(0)
    ours, eons = made.values()
    eons.find_repeat = partial(AKMCState.find_repeat, eons)
    home = from_con(ours.reactant_con).positions
    records = []
    for index, outcome in enumerate(drawn(200, home, seed=1)):
        records.append(ours.register(outcome, index=index, superbasin=None).outcome)
        result = eon_result(outcome, index=index, reactant_con=eons.reactant_con)
        eons.add_process(result)
    assert len(set(records)) == 2
    assert records.count("repeat") > 50
    for state in made.values():
        state.statelist.flush()
    for name in ("processtable", "search_results.txt"):
        assert (Path(ours.path) / name).read_text() == (Path(eons.path) / name).read_text()
    assert dict(ours.info["MetaData"]) == dict(eons.info["MetaData"])


def test_a_table_is_written_at_a_commit_and_before_it_is_read(state):
    register(state, good(0, 0.5))
    path, states = Path(state.proctable_path), state.statelist
    before = path.read_text()
    register(state, good(1, 0.5), good(2, 0.5))
    assert path.read_text() == before
    again = states.StateClass(state.path, 0, states, config=state.config)
    again.load_process_table()
    assert [row["repeats"] for row in again.procs.values()] == [2]
    assert path.read_text() != before
    register(state, good(3, 0.5), good(4, 0.7, atom=3))
    assert len(path.read_text().splitlines()) == 3
    register(state, good(5, 0.5))
    states.flush()
    assert sorted(int(line.split()[8]) for line in path.read_text().splitlines()[1:]) == [0, 4]


def test_whether_it_is_new_is_told_before_it_is_registered(state):
    for outcome, new in (
        (good(0, 0.5), True),
        (good(1, 0.5), False),
        (good(2, 3.0, atom=9), False),
        (good(3, 0.1, atom=9), True),
        (bad(4, Termination.BAD_BARRIER), False),
    ):
        assert state.is_new(outcome) is new
        assert (register(state, outcome)[0].outcome == "new") is new


def test_a_state_without_an_energy_takes_the_first_ones(state):
    assert state.get_energy() is None
    assert state.is_new(good(0, 0.5))
    register(state, good(0, 0.5))
    assert state.get_energy() == ENERGY_EV
    shifted = good(1, 0.5)
    found = replace(shifted.found, saddle_eV=ENERGY_EV + 0.7, reactant_eV=ENERGY_EV + 0.2)
    assert state.is_new(replace(shifted, found=found)), "0.7 above the state's energy"


@settings(max_examples=30, deadline=None)
@given(positions=places(st.floats(-1e6, 1e6)), mode=places())
def test_eons_files_hold_every_bit(positions, mode):
    atoms = crystal()[:SIZE]
    base = good(0, 0.5)
    found = replace(
        base.found, reactant_A=positions, saddle_A=positions, product_A=positions, mode=mode
    )
    result = eon_result(replace(base, found=found), index=0, reactant_con=to_con(atoms))
    assert np.array_equal(from_con(result["saddle.con"].getvalue()).positions, positions)
    assert result["mode.dat"].getvalue().split("\n")[0].count("\t") == 2
    assert np.array_equal(fileio.load_mode(result["mode.dat"]), mode)
    results = fileio.parse_results(result["results.dat"])
    assert results == result["results"]
    assert results["potential_energy_saddle"] == found.saddle_eV


def test_an_outcome_without_a_result_is_never_registered(state):
    with pytest.raises(ValueError, match="search 0_0 has no result: client crashed"):
        register(state, SearchOutcome("0_0", "random", End.CRASHED))
    assert state.get_bad_saddle_count() == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 1.0), min_size=6, max_size=6))
def test_a_skewed_cell_is_the_same_after_any_number_of_hops(numbers):
    """The product of a process is the next state: last digits of a cell must not wander."""
    cell = np.zeros((3, 3))
    cell[np.tril_indices(3)] = np.multiply(numbers, [7.0, 3.0, 7.0, 3.0, 3.0, 7.0])
    atoms = crystal()[:SIZE]
    atoms.set_cell(cell)
    base = good(0, 0.5)
    con = first = to_con(atoms)
    for _ in range(4):
        places = {
            name: getattr(base.found, name)[:SIZE]
            for name in ("reactant_A", "saddle_A", "product_A", "mode")
        }
        outcome = replace(base, found=replace(base.found, **places))
        con = eon_result(outcome, index=0, reactant_con=con)["product.con"].getvalue()
        assert con.splitlines()[2:4] == first.splitlines()[2:4]
