"""Prefactors apart from searches, without programs: what is asked for, shared, tried again, and given up for the constant."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms

pytest.importorskip("eon")


from mlip_kmc.akmc.prefactors import PrefactorDesk, PrefactorRecipe, Rest
from mlip_kmc.evaluate.client import End, Ended
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.rates import Spectrum
from mlip_kmc.model.records import SearchRecord
from mlip_kmc.model.structure import fixed_atoms, from_con, to_con
from mlip_kmc.search.displaced import ForcesOutcome, HessianRecipe, PlanTask
from mlip_kmc.search.hessian import (
    HessianOutcome,
    SpectrumReader,
    hessian_task,
    moving_atoms,
    spectrum_of,
)
from mlip_kmc.search.outcome import FoundProcess

MINIMUM = Spectrum(
    modes=3,
    negative=0,
    lowest=0.1,
    softest=0.1,
    largest=1.0,
    log_positive=0.0,
    rotations=0,
    log_inertia=0.0,
)
SADDLE = Spectrum(
    modes=3,
    negative=1,
    lowest=-0.1,
    softest=0.1,
    largest=1.0,
    log_positive=0.0,
    rotations=0,
    log_inertia=0.0,
)


class Cluster:
    """Keeps what is submitted and cancelled."""

    def __init__(self):
        self.jobs, self.cancelled = {}, []

    def submit(self, job, *, first=False):
        assert first, "before the searches that wait"
        self.jobs[job.name] = job

    def cancel(self, names):
        self.cancelled += list(names)
        return 0


def structure():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    del atoms[0]
    return atoms


@pytest.fixture
def desk(tmp_path):
    recipe = PrefactorRecipe(
        hessians=HessianRecipe(
            files={"config.ini": "", "in.lammps": ""}, links={}, time_limit_s=9.0
        ),
        evidence=tmp_path,
        most_atoms=100,
        fallback_per_s=1e13,
    )
    return PrefactorDesk(Cluster(), recipe)


def ask(desk, name, *, atoms=None, rest=None):
    atoms = structure() if atoms is None else atoms
    places = dict.fromkeys(("reactant_A", "saddle_A", "product_A", "mode"), atoms.positions)
    found = FoundProcess(-1.0, 0.0, -0.9, 1e13, 1e13, **places)
    desk.ask(name, found, reactant_con=to_con(atoms), rest=rest)


def done(name, spectrum, *, end=End.FINISHED):
    return HessianOutcome(
        name=name,
        end=end,
        message="something" if end is not End.FINISHED else "",
        spectrum=spectrum if end is End.FINISHED else None,
        force_calls=12 if spectrum else 0,
    )


def test_a_process_takes_two_hessians_and_a_state_one(desk):
    ask(desk, "3_7")
    assert list(desk.cluster.jobs) == ["3.reactant", "3_7.saddle", "3_7.product"]
    assert desk.waiting("3_7")
    assert desk.answer("3_7") is None
    for name in ("3.reactant", "3_7.product", "3_7.saddle"):
        desk.take(done(name, SADDLE if name.endswith("saddle") else MINIMUM))
    found = desk.answer("3_7")
    assert (found.kind, found.reason, found.atoms, found.of_atoms, found.force_calls) == (
        "harmonic",
        "",
        31,
        31,
        24,
    )
    assert found.forward_per_s == pytest.approx(1.5633e13, rel=1e-4)
    assert found.back_per_s == found.forward_per_s
    desk.forget("3_7")
    ask(desk, "3_9")
    assert list(desk.cluster.jobs)[3:] == ["3_9.saddle", "3_9.product"]
    desk.take(done("3_11.saddle", SADDLE))  # of a search that is no longer wanted
    assert desk.waiting("3_9")


@pytest.mark.parametrize("side", ["reactant", "saddle", "product"])
@pytest.mark.parametrize("spoilt", [None, MINIMUM, SADDLE])
def test_a_failure_on_either_side_gives_both_directions_the_constant(desk, side, spoilt):
    right = SADDLE if side == "saddle" else MINIMUM
    if spoilt is right:
        return
    ask(desk, "0_1")
    for name in list(desk.cluster.jobs):
        desk.take(
            done(
                name,
                spoilt if name.endswith(side) else SADDLE if name.endswith("saddle") else MINIMUM,
            )
        )
    found = desk.answer("0_1")
    assert (found.forward_per_s, found.back_per_s, found.kind) == (1e13, 1e13, "constant")
    assert found.reason.startswith(f"{side}: ")


@pytest.mark.parametrize("end", [End.TIMED_OUT, End.KILLED_WORKERS, End.CRASHED])
def test_what_says_nothing_of_the_structure_decides_no_rate(desk, end):
    ask(desk, "0_1")
    for name in list(desk.cluster.jobs):
        desk.take(
            done(
                name,
                MINIMUM if name.endswith("reactant") else None,
                end=End.FINISHED if "reactant" in name else end,
            )
        )
    if end is not End.KILLED_WORKERS:  # once: a node's fault does not come back
        assert desk.waiting("0_1")
        for name in ("0_1.saddle", "0_1.product"):
            desk.take(done(name, None, end=end))
    with pytest.raises(
        SearchesFailedError,
        match=r"the saddle of search 0_1 was not made .* same command tries again",
    ):
        desk.answer("0_1")


def test_a_halt_is_an_answer(desk):
    ask(desk, "0_1")
    for name in list(desk.cluster.jobs):
        desk.take(
            done(
                name,
                SADDLE if name.endswith("saddle") else MINIMUM,
                end=End.HALTED if name.endswith("product") else End.FINISHED,
            )
        )
    assert desk.answer("0_1").reason == "product: forces could not be evaluated (something)"


def test_what_a_step_made_useless_is_taken_back(desk):
    ask(desk, "0_1")
    desk.take(done("0_1.saddle", SADDLE))
    desk.forget("0_1")
    assert sorted(desk.cluster.cancelled) == ["0.reactant", "0_1.product"]
    assert desk.running == 0
    desk.take(done("0_1.product", MINIMUM))
    assert desk.answer("0_1") is None


def test_states_of_one_class_share_their_hessian(desk):
    """It is always that of the class' first state, whichever of them asks first: its numbers do not depend on that."""
    first = structure()
    first.set_constraint(FixAtoms(indices=[11]))
    here = structure()
    here.set_constraint(FixAtoms(indices=[3]))
    rest = Rest(4, to_con(first))
    ask(desk, "3_7", atoms=here, rest=rest)
    assert list(desk.cluster.jobs) == ["4.reactant", "3_7.saddle", "3_7.product"]
    jobs = {name: job.job for name, job in desk.cluster.jobs.items()}
    assert jobs["4.reactant"].files["pos.con"] == to_con(first)
    assert jobs["3_7.saddle"].files["pos.con"] == to_con(here)
    for name in list(desk.cluster.jobs):
        desk.take(done(name, SADDLE if name.endswith("saddle") else MINIMUM))
    desk.forget("3_7")
    ask(desk, "5_0", atoms=here, rest=rest)
    assert list(desk.cluster.jobs)[3:] == ["5_0.saddle", "5_0.product"]
    ask(desk, "5_1", atoms=here, rest=rest)
    desk.forget("5_0")
    assert sorted(desk.cluster.cancelled) == ["5_0.product", "5_0.saddle"]
    for name in ("5_1.saddle", "5_1.product"):
        desk.take(done(name, SADDLE if name.endswith("saddle") else MINIMUM))
    assert desk.answer("5_1").kind == "harmonic"


def hop():
    """A vacancy's: the product is the state elsewhere."""
    atoms = structure()
    near = int(np.argmin(np.linalg.norm(atoms.positions, axis=1)))
    product = atoms.positions.copy()
    product[near] = 0.0  # where no atom is
    places = {"reactant_A": atoms.positions, "product_A": product}
    places |= {"saddle_A": (atoms.positions + product) / 2, "mode": product - atoms.positions}
    return atoms, FoundProcess(-1.0, 0.0, -1.0, 1e13, 1e13, **places)


def test_a_product_that_is_the_state_elsewhere_needs_no_hessian_of_its_own(desk):
    atoms, found = hop()
    desk.ask("0_1", found, reactant_con=to_con(atoms))
    assert list(desk.cluster.jobs) == ["0.reactant", "0_1.saddle"]
    for name in list(desk.cluster.jobs):
        desk.take(done(name, SADDLE if name.endswith("saddle") else MINIMUM))
    rated = desk.answer("0_1")
    assert (rated.kind, rated.force_calls) == ("harmonic", 12)
    assert rated.back_per_s == rated.forward_per_s


@pytest.mark.parametrize("why", ["energy", "no number", "structure", "atoms that differ"])
def test_any_other_product_has_its_own(desk, why):
    atoms, found = hop()
    if why == "atoms that differ":
        hessians = replace(desk.recipe.hessians, by_index=True)
        desk.recipe = replace(desk.recipe, hessians=hessians)
    elif why == "structure":
        found.product_A[5] += [0.05, 0.0, 0.0]
    else:
        energy_eV = -0.999 if why == "energy" else float("nan")
        found = replace(found, product_eV=energy_eV)
    desk.ask("0_1", found, reactant_con=to_con(atoms))
    assert list(desk.cluster.jobs) == ["0.reactant", "0_1.saddle", "0_1.product"]


@pytest.fixture
def parts(desk):
    """A desk whose potential the driver evaluates, with the saddle's plan made."""
    hessians = replace(desk.recipe.hessians, recipe=Recipe({"potential": "cu.yace"}))
    desk.recipe = replace(desk.recipe, hessians=hessians)
    ask(desk, "0_1")
    assert all(isinstance(task, PlanTask) for task in desk.cluster.jobs.values())
    desk.take(desk.cluster.jobs["0_1.saddle.plan"].run())
    return desk


def test_a_part_that_crashed_is_tried_once_more(parts):
    crashed = ForcesOutcome("0_1.saddle.forces-0", End.CRASHED, "signal 9")
    submitted = parts.cluster.jobs.pop(crashed.name)
    parts.take(crashed)
    assert parts.cluster.jobs[crashed.name] is submitted
    parts.take(crashed)
    for name in ("0.reactant.plan", "0_1.product.plan"):
        parts.take(replace(parts.cluster.jobs[name].run(), end=End.HALTED, message="near"))
    assert parts.running == 0
    with pytest.raises(SearchesFailedError, match=r"the saddle of search 0_1 .*signal 9"):
        parts.answer("0_1")
    parts.forget("0_1")
    ask(parts, "0_1")
    assert parts.running == 3


def test_parts_of_a_search_that_is_not_wanted_are_taken_back(parts):
    parts.forget("0_1")
    assert sorted(parts.cluster.cancelled) == [
        "0.reactant.plan", "0_1.product.plan", "0_1.saddle.forces-0"
    ]  # fmt: skip
    parts.take(ForcesOutcome("0_1.saddle.forces-0", End.FINISHED))
    assert parts.running == 0


def test_a_large_structure_is_rated_by_the_atoms_nearest_to_what_moves():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(3)
    atoms.set_constraint(FixAtoms(indices=[1]))
    saddle, product = atoms.copy(), atoms.copy()
    saddle.positions[50] += [0.9, 0, 0]
    product.positions[50] += [1.8, 0, 0]
    assert moving_atoms(atoms, saddle, product, most=107).tolist() == [0, *range(2, 108)]
    few = moving_atoms(atoms, saddle, product, most=13)
    assert 50 in few
    assert len(few) == 13
    distances = saddle.get_distances(50, few, mic=True)
    others = np.setdiff1d(np.arange(2, 108), few)
    assert distances.max() <= saddle.get_distances(50, others, mic=True).min() + 1e-6
    held = from_con(
        hessian_task(
            "0_0.saddle", atoms=saddle, moving=few, recipe={}, links={}, time_limit_s=1.0
        ).job.files["pos.con"]
    )
    assert np.setdiff1d(np.arange(108), fixed_atoms(held)).tolist() == few.tolist()


def test_where_a_worker_has_the_matrix_its_spectrum_is_made(tmp_path):
    task = hessian_task(
        "0_0.saddle",
        atoms=structure(),
        moving=np.array([3, 4]),
        recipe={},
        links={},
        time_limit_s=1.0,
    )
    matrix = np.diag([-0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
    text = "\n".join(" ".join(f"{value:g}" for value in row) for row in matrix)
    found = spectrum_of(text, task.atoms)
    assert (found.modes, found.negative, found.lowest, found.rotations) == (6, 1, -0.5, 0)
    assert found.log_positive == pytest.approx(np.log(120.0))
    for damaged in ("", "1 2", text.replace("4", "1_"), text.replace("4", "")):
        assert spectrum_of(damaged, task.atoms) is None
    assert not spectrum_of(f"{text[:-1]}nan", task.atoms).finite

    good = {"hessian.dat": text, "results.dat": "0 termination_reason\n13 force_calls\n"}
    for files, end, wanted, calls in (
        (good, End.FINISHED, found, 13),
        (good, End.CRASHED, None, 0),
        ({"results.dat": good["results.dat"]}, End.FINISHED, None, 13),
        ({**good, "results.dat": "11 termination_reason\n"}, End.FINISHED, None, 0),
        ({**good, "results.dat": "0 termination_reason\nnan force_calls"}, End.FINISHED, found, 0),
    ):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        assert SpectrumReader(tmp_path, task.atoms).read(Ended(end))[1] == (wanted, calls)


def test_a_record_keeps_where_its_prefactor_comes_from(desk):
    ask(desk, "0_1")
    for name in list(desk.cluster.jobs):
        desk.take(done(name, MINIMUM))
    record = SearchRecord(
        state=0,
        index=1,
        outcome="new",
        reason="",
        process=5,
        barrier=0.5,
        force_calls=9,
        seconds=1.0,
        rated=desk.answer("0_1"),
    )
    assert SearchRecord.from_json(record.to_json()) == record
    older = {key: value for key, value in json.loads(record.to_json()).items() if key != "rated"}
    assert SearchRecord.from_json(json.dumps(older)).rated is None
    assert Path(desk.recipe.evidence).is_dir()
