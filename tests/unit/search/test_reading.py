"""What eOn's client leaves is read once: a whole search, or one that found nothing, for one clear reason."""

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.config import GammaSection
from mlip_kmc.evaluate.client import ClientJob, End, Ended
from mlip_kmc.model.atom_path import wrap
from mlip_kmc.model.frames import Kind, Stage
from mlip_kmc.model.structure import to_con
from mlip_kmc.potential.minimum_distance import NEAR_FRAMES, TooNear
from mlip_kmc.potential.side_channel import GRADES
from mlip_kmc.search import watch as watch_module
from mlip_kmc.search.outcome import ForceCalls, Termination
from mlip_kmc.search.reading import SearchReader, read_search
from mlip_kmc.search.task import SearchTask
from mlip_kmc.search.watch import Watch

FINISHED = Ended(End.FINISHED)
RESULTS = """\
0 termination_reason
13743408 random_seed
LAMMPS potential_type
111 total_force_calls
42 force_calls_minimization
69 force_calls_saddle
-3.742887160779e+02 potential_energy_saddle
-3.750795296876e+02 potential_energy_reactant
-3.750795317014e+02 potential_energy_product
7.908136097016e-01 barrier_reactant_to_product
8.167517266582e-01 displacement_saddle_distance
0 force_calls_prefactors
1.000000000000e+13 prefactor_reactant_to_product
2.000000000000e+13 prefactor_product_to_reactant
"""


def crystal():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    del atoms[0]
    atoms.rattle(0.05, seed=1)
    return atoms


def moved(atoms, seed, shift=0.0):
    """Rattled, drifted, and wrapped into the cell as the client does."""
    other = atoms.copy()
    other.positions += np.random.default_rng(seed).normal(0.0, 0.1, atoms.positions.shape) + shift
    other.wrap()
    return other


def task_of(atoms, **more):
    job = ClientJob(name="0_17", files={"pos.con": to_con(atoms)}, links={}, time_limit_s=1.0)
    return SearchTask(job, **more)


def left(atoms, **changes):
    mode = np.random.default_rng(5).normal(size=atoms.positions.shape).tolist()
    return {
        "results.dat": RESULTS,
        "reactant.con": to_con(moved(atoms, 1)),
        "saddle.con": to_con(moved(atoms, 2, shift=0.3)),
        "product.con": to_con(moved(atoms, 3)),
        "mode.dat": "".join("\t".join(f"{value:.17g}" for value in row) + "\n" for row in mode),
        **changes,
    }


def test_a_good_search_is_typed():
    atoms = crystal()
    outcome, points = read_search(task_of(atoms, kind="recycling"), FINISHED, left(atoms))
    assert (outcome.name, outcome.kind, outcome.end) == ("0_17", "recycling", End.FINISHED)
    assert (outcome.termination, outcome.reason) == (Termination.GOOD, "")
    assert outcome.force_calls == ForceCalls(saddle=69, minimization=42, prefactors=0)
    assert outcome.force_calls.total == 111
    assert (outcome.barrier_eV, outcome.saddle_distance_A) == (0.7908136097016, 0.8167517266582)
    found = outcome.found
    energies = (found.reactant_eV, found.saddle_eV, found.product_eV)
    assert energies == (-375.0795296876, -374.2887160779, -375.0795317014)
    assert (found.forward_per_s, found.back_per_s) == (1e13, 2e13)
    assert found.provenance["random_seed"] == 13743408.0
    assert found.provenance["potential_type"] == "LAMMPS"
    assert found.mode.shape == (31, 3)
    assert list(points) == [Stage.SADDLE, Stage.PRODUCT]


@pytest.mark.parametrize(("seeds", "back"), [((0.0, 0.0), True), ((0.0, 0.3), False), ((0.3, 0.0), False)])  # fmt: skip
def test_a_search_both_sides_of_which_lead_back_is_told(seeds, back):
    """eOn's client calls it not connected, and gives it no barrier."""
    atoms = crystal()
    atoms.set_constraint(FixAtoms(indices=[0]))
    ends = [atoms.copy() for _ in seeds]
    for end, shift in zip(ends, seeds, strict=True):
        end.positions[5] += [shift, 0.05, 0.0]
    results = RESULTS.replace("0 termination", "6 termination").replace(
        "7.908136097016e-01 barrier", "0.0 barrier"
    )
    texts = left(
        atoms,
        **{"results.dat": results, "reactant.con": to_con(ends[0]), "product.con": to_con(ends[1])},
    )
    outcome, points = read_search(task_of(atoms), FINISHED, texts)
    assert (outcome.termination, outcome.led_back) == (Termination.NOT_CONNECTED, back)
    assert outcome.barrier_eV == pytest.approx(0.79081360, abs=1e-7), "how high it was"
    assert (outcome.reason, points) == ("Not Connected", {})
    texts["product.con"] = ""
    assert not read_search(task_of(atoms), FINISHED, texts)[0].led_back


def test_positions_are_next_to_the_state_and_without_drift():
    atoms = crystal()
    outcome, _ = read_search(task_of(atoms), FINISHED, left(atoms))
    noise = np.random.default_rng(2).normal(0.0, 0.1, atoms.positions.shape)
    assert outcome.found.saddle_A == pytest.approx(
        atoms.positions + noise - noise.mean(axis=0), abs=1e-9
    )


@pytest.mark.parametrize("way", [-1, 1])
def test_a_product_half_a_cell_away_lies_where_the_saddle_led(way):
    """Its two images are as near; other products keep every digit of the nearest one."""
    atoms = crystal()
    atoms.set_constraint(FixAtoms(indices=[5]))
    half = np.zeros((31, 3))
    half[0, 0] = way * atoms.cell[0, 0] / 2
    files = {}
    for name, part in (("reactant.con", 0.0), ("saddle.con", 0.5), ("product.con", 1.0)):
        other = atoms.copy()
        other.positions += part * half
        other.wrap()
        files[name] = to_con(other)
    found = read_search(task_of(atoms), FINISHED, left(atoms, **files))[0].found
    np.testing.assert_allclose(found.product_A - found.reactant_A, half, atol=1e-9)
    near = atoms.copy()
    near.positions[1] += [0.7, -0.3, 0.2]
    files = {name: to_con(near) for name in files}
    found = read_search(task_of(atoms), FINISHED, left(atoms, **files))[0].found
    moved_by = wrap(near.positions - atoms.positions, np.asarray(atoms.cell.array))
    assert (found.product_A == atoms.positions + moved_by).all()


def test_fixed_atoms_hold_the_frame():
    atoms = crystal()
    atoms.set_constraint(FixAtoms(indices=[0]))
    outcome, _ = read_search(task_of(atoms), FINISHED, left(atoms))
    noise = np.random.default_rng(2).normal(0.0, 0.1, atoms.positions.shape)
    free = outcome.found.saddle_A - atoms.positions
    assert free == pytest.approx(noise + 0.3, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"results.dat": ""}, "results.dat has no termination_reason"),
        ({"results.dat": "Success termination_reason\n"}, "results.dat has no termination_reason"),
        ({"results.dat": "nan termination_reason\n"}, "results.dat has no termination_reason"),
        (
            {"results.dat": RESULTS.replace("69 force", "nan force")},
            "results.dat has no number of force_calls_saddle",
        ),
        (
            {"results.dat": RESULTS.replace("1.000000000000e+13", "inf")},
            "results.dat has no finite prefactors",
        ),
        ({"saddle.con": ""}, "saddle.con is missing or empty"),
        ({"product.con": to_con(crystal()[:-1])}, "product.con has 30 atoms, not 31"),
        ({"reactant.con": to_con(crystal())[:700]}, "reactant.con: not a .con structure"),
        ({"mode.dat": ""}, "mode.dat is missing or empty"),
        ({"mode.dat": "1 2 3\n" * 30}, "mode.dat has not three numbers for each of 31 atoms"),
        ({"mode.dat": "1 2 3\n" * 30 + "1 2\n"}, "mode.dat is torn"),
        ({"mode.dat": "1 2 nan\n" * 31}, "mode.dat has numbers that are not finite"),
    ],
)
def test_damaged_files_find_nothing_for_one_reason(changes, said):
    atoms = crystal()
    outcome, _ = read_search(task_of(atoms), FINISHED, left(atoms, **changes))
    assert (outcome.termination, outcome.found) == (Termination.DAMAGED, None)
    assert outcome.reason.startswith(f"the client's files are damaged: {said}")
    assert "\n" not in outcome.reason


def test_other_elements_are_damage():
    atoms = crystal()
    other = atoms.copy()
    other.symbols[3] = "Al"
    outcome, _ = read_search(task_of(atoms), FINISHED, left(atoms, **{"saddle.con": to_con(other)}))
    assert outcome.reason == (
        "the client's files are damaged: saddle.con has other elements than the state"
    )


@pytest.mark.parametrize("name", ["reactant", "saddle", "product"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "none", None])
def test_an_energy_that_is_no_number_finds_nothing(name, value):
    atoms = crystal()
    key = f"potential_energy_{name}"
    lines = [line for line in RESULTS.splitlines() if key not in line]
    results = "\n".join([*lines, *([] if value is None else [f"{value} {key}"])])
    outcome, _ = read_search(task_of(atoms), FINISHED, left(atoms, **{"results.dat": results}))
    assert (outcome.termination, outcome.reason) == (
        Termination.NOT_FINITE,
        "energies that are no finite numbers",
    )


@pytest.mark.parametrize(
    ("number", "termination"),
    [
        (1, Termination.INIT),
        (8, Termination.BAD_BARRIER),
        (19, Termination.OPTIMIZER_ERROR),
        (20, Termination.OPTIMIZER_ERROR),
        (-1, Termination.OPTIMIZER_ERROR),
    ],
)
def test_a_bad_search_has_eons_reason_and_its_cost(number, termination):
    atoms = crystal()
    results = RESULTS.replace("0 termination_reason", f"{number} termination_reason")
    outcome, points = read_search(task_of(atoms), FINISHED, {"results.dat": results})
    assert (outcome.termination, outcome.found, points) == (termination, None, {})
    assert outcome.force_calls.total == 111


def test_what_did_not_finish_has_no_result():
    for end in (End.CRASHED, End.TIMED_OUT, End.CANCELLED, End.EVALUATION_ERROR):
        outcome, _ = read_search(task_of(crystal()), Ended(end, "why"), {})
        assert (outcome.end, outcome.message) == (end, "why")
        assert (outcome.termination, outcome.reason) == (None, "")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["results.dat", "reactant.con", "saddle.con", "product.con", "mode.dat"]),
    st.floats(0, 1),
    st.binary(max_size=3),
)
def test_whatever_is_torn_nothing_raises(name, share, tail):
    atoms = crystal()
    files = left(atoms)
    files[name] = files[name][: int(share * len(files[name]))] + tail.decode(errors="replace")
    outcome, _ = read_search(task_of(atoms), FINISHED, files)
    assert outcome.termination in Termination
    assert (outcome.found is None) == bool(outcome.reason)


def test_a_search_whose_atoms_came_too_near_was_halted_there(tmp_path):
    atoms = crystal()
    rows = "".join(
        f"{index + 1} {x!r} {y!r} {z!r}\n"
        for index, (x, y, z) in enumerate(atoms.positions.tolist())
    )
    (tmp_path / "pos.con").write_text(to_con(atoms))
    (tmp_path / NEAR_FRAMES).write_text(
        f"ITEM: TIMESTEP\n7\nITEM: NUMBER OF ATOMS\n{len(atoms)}\nITEM: BOX BOUNDS pp pp pp\n0 7.2\n0 7.2\n0 7.2\n"
        f"ITEM: ATOMS id x y z\n{rows}"
    )
    near = TooNear(step=7, pair="Cu-Cu", minimum_A=2.0)
    reader = SearchReader(task_of(atoms), tmp_path)
    ended, outcome = reader.read(Ended(End.HALTED, str(near), near))
    assert (ended.end, outcome.termination) == (End.HALTED, Termination.HALTED)
    assert outcome.reason == "halted: Cu-Cu atoms came nearer than 2 A at force call 7"
    assert outcome.graded.halt == str(near)
    assert [(frame.kind, frame.step) for frame in outcome.graded.frames] == [(Kind.EVIDENCE, 7)]
    assert not reader.explains(ended), "no gamma is watched: the directory is the evidence"


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A search that ended well, with gamma 20 at its saddle."""
    atoms = crystal()
    monkeypatch.setattr(
        watch_module,
        "gammas_of",
        lambda atoms, _: np.full(len(atoms), atoms.info.get("gamma", 20.0)),
    )
    watch = Watch(
        thresholds=GammaSection(select=3.0, halt=15.0, every=10),
        basis=tmp_path / "cu.yaml",
        active_set=tmp_path / "cu.asi",
        digest="1" * 64,
        max_energy_eV=20.0,
    )
    for name, text in {**left(atoms), "pos.con": to_con(atoms)}.items():
        (tmp_path / name).write_text(text)
    return SearchReader(task_of(atoms, watch=watch), tmp_path)


def test_gamma_at_the_saddle_halts_what_ended_well(watched):
    ended, outcome = watched.read(FINISHED)
    assert (ended.end, ended.message) == (End.HALTED, "gamma 20 at the saddle")
    assert (outcome.termination, outcome.found) == (Termination.HALTED, None)
    assert [frame.stage for frame in outcome.graded.frames] == [Stage.SADDLE, Stage.PRODUCT]
    assert watched.explains(ended)


def test_gamma_of_damaged_structures_is_not_asked_for(watched):
    (watched.directory / "saddle.con").write_text("torn")
    ended, outcome = watched.read(FINISHED)
    assert (ended.end, outcome.termination) == (End.FINISHED, Termination.DAMAGED)
    assert outcome.graded.gamma_saddle is None


def test_a_crossing_on_the_way_halts_whatever_became_of_the_search(watched):
    (watched.directory / GRADES).write_text("0 0.6 -10.0\n10 16.0 -9.0\n20 16.0 -9.0\n")
    assert watched.crossed()
    for end in (End.FINISHED, End.CRASHED, End.HALTED):
        ended, outcome = watched.read(Ended(end, "why"))
        assert (ended.end, outcome.reason) == (End.HALTED, "halted: gamma 16 at force call 10")
    for end in (End.CANCELLED, End.TIMED_OUT):  # it runs again: then the same will be seen
        ended, outcome = watched.read(Ended(end, "why"))
        assert (ended.end, outcome.termination) == (end, None)


def test_gammas_that_are_no_numbers_are_unknown(watched, monkeypatch):
    monkeypatch.setattr(watch_module, "gammas_of", lambda atoms, _: np.full(len(atoms), np.nan))
    ended, outcome = watched.read(FINISHED)
    assert (ended.end, ended.message) == (End.HALTED, "gamma nan at the saddle")
    assert {frame.gamma for frame in outcome.graded.frames} == {None}
