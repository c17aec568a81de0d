"""A Hessian as tasks: its parts in any order, what it costs, and potentials that know more than the structure's symmetry."""

import numpy as np
import pytest
from ase.constraints import FixAtoms

from mlip_kmc.evaluate.client import End
from mlip_kmc.evaluate.points import PointsDone
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.model.rates import dense_hessian
from mlip_kmc.search import displaced
from mlip_kmc.search.displaced import ForcesTask, HessianRecipe, HessianWork, PlanTask
from mlip_kmc.search.hessian import Doubt, spectrum_of_matrix

from ..morse import forces_of, half_way, vacancy

RECIPE = HessianRecipe(files={}, links={}, time_limit_s=9.0, recipe=Recipe({"potential": "here"}))


@pytest.fixture
def evaluator(monkeypatch):
    """Evaluates points in this process, by what a test puts there."""
    found = {}

    def run_points(job, *, tag=""):
        forces = tuple(found["forces"](places) for places in job.points.places())
        return PointsDone(found.get("end", End.FINISHED), "why", forces_eV_per_A=forces)

    monkeypatch.setattr(displaced, "run_points", run_points)
    return found


def here(task):
    """In this process, whatever the task wants."""
    return task.run()


def exact(atoms, forces):
    free = np.setdiff1d(
        np.arange(len(atoms)), atoms.constraints[0].index if atoms.constraints else []
    )
    return spectrum_of_matrix(dense_hessian(forces, atoms.positions, free=free), atoms)


def work_of(atoms, **changes):
    return HessianWork("0_1.saddle", atoms, RECIPE, **changes)


def same(found, wanted):
    """To 0.25 % of a prefactor: errors of finite steps depend on their direction."""
    return (
        found.log_positive == pytest.approx(wanted.log_positive, abs=5e-3)
        and (found.modes, found.negative) == (wanted.modes, wanted.negative)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("atoms", "calls"), [(vacancy(), 13), (half_way(), 35)], ids=["vacancy", "saddle"]
)
def test_symmetry_saves_evaluations(evaluator, atoms, calls):
    """Seven and 29 with one atom displaced, one at rest, four with all displaced, one of the structure as it was given."""
    evaluator["forces"] = forces = forces_of(atoms)
    done = work_of(atoms).here(run=here)
    assert (done.name, done.end, done.force_calls, done.doubt) == (
        "0_1.saddle",
        End.FINISHED,
        calls,
        None,
    )
    assert same(done.spectrum, exact(atoms, forces))


def test_parts_come_back_in_any_order(evaluator, monkeypatch):
    atoms = half_way()
    evaluator["forces"] = forces_of(atoms)
    whole = work_of(atoms).here(run=here)
    monkeypatch.setattr(displaced, "PART", 4)
    work = work_of(atoms)
    (plan,) = work.begin()
    parts = work.take(plan.run())
    assert [(part.name, len(part.job.points)) for part in parts] == [
        (f"0_1.saddle.forces-{number}", 4 if number < 8 else 3) for number in range(9)
    ]
    following = [task for part in reversed(parts) for task in work.take(part.run())]
    assert [task.name for task in following] == ["0_1.saddle.spectrum"]
    assert work.take(following[0].run()) == []
    assert work.outcome.spectrum == whole.spectrum


def hidden_spring(atoms):
    return forces_of(atoms, springs={17: 0.3})


def off_its_place(atoms):
    """Held where it is, 0.02 A from where symmetry has it."""
    atoms.positions[17] += [0.02, 0, 0]
    return forces_of(atoms, springs={17: 100.0})


def pulled(atoms):
    """Forces that are zero everywhere, but those of symmetry, and one atom's."""
    plain = forces_of(atoms)
    pull = np.zeros((len(atoms), 3))
    pull[17] = [0.1, 0, 0]
    return lambda positions: plain(positions) + pull


def one_way(atoms):
    """No energy has such forces: what an atom does to another, that does not do to it."""
    plain, rest = forces_of(atoms), atoms.positions.copy()
    apart = atoms.get_all_distances(mic=True)
    near = ((apart > 0.1) & (apart < 2.6)).astype(float)
    pulls = 0.05 * near.sum(axis=1)[:, None] * near
    return lambda positions: plain(positions) + pulls @ (positions - rest)


@pytest.mark.parametrize(
    ("forces_for", "doubt"),
    [
        (hidden_spring, Doubt.RESPONSE),
        (off_its_place, Doubt.NOT_AT_REST),
        (pulled, Doubt.FORCES),
        (one_way, Doubt.HALVES),
    ],
    ids=["a hidden spring", "an atom 0.02 A off", "one atom is pulled", "no energy"],
)
def test_what_symmetry_does_not_know_is_found_out(evaluator, forces_for, doubt):
    """Then every atom is displaced."""
    atoms = vacancy()
    evaluator["forces"] = forces = forces_for(atoms)
    work = work_of(atoms)
    done = work.here(run=here)
    assert done.doubt == doubt
    assert done.force_calls == 13 + 1 + 6 * 31
    assert same(done.spectrum, exact(atoms, forces))


def test_atoms_that_are_held_have_no_rows(evaluator):
    atoms = vacancy()
    evaluator["forces"] = forces = forces_of(atoms)
    moving = np.setdiff1d(np.arange(31), [5])
    work = HessianWork.of("0.reactant", atoms=atoms, moving=moving, recipe=RECIPE)
    done = work.here(run=here)
    held = atoms.copy()
    held.set_constraint(FixAtoms(indices=[5]))
    assert done.spectrum.modes == 90
    assert same(done.spectrum, exact(held, forces))
    assert done.force_calls < 6 * 30 / 2


def test_where_atoms_of_an_element_differ_no_symmetry_is_looked_for(evaluator):
    atoms = vacancy()
    evaluator["forces"] = forces_of(atoms)
    recipe = HessianRecipe(files={}, links={}, time_limit_s=9.0, recipe=Recipe({}), by_index=True)
    done = HessianWork("0.reactant", atoms, recipe).here(run=here)
    assert (done.force_calls, done.doubt) == (1 + 6 * 31, None)


@pytest.mark.parametrize("end", [End.HALTED, End.EVALUATION_ERROR, End.KILLED_WORKERS])
def test_a_part_that_fails_ends_it(evaluator, end):
    evaluator |= {"forces": forces_of(vacancy()), "end": end}
    done = work_of(vacancy()).here(run=here)
    assert (done.name, done.end, done.message, done.spectrum) == ("0_1.saddle", end, "why", None)


def test_a_structure_that_is_no_number_is_no_symmetric_one(evaluator):
    atoms = vacancy()
    evaluator["forces"] = lambda positions: np.full_like(positions, np.nan)
    done = work_of(atoms).here(run=here)
    assert done.doubt == Doubt.NOT_AT_REST
    assert not done.spectrum.finite


def test_what_eon_alone_evaluates_is_its_clients(evaluator):
    recipe = HessianRecipe(files={"config.ini": ""}, links={}, time_limit_s=9.0)
    (task,) = HessianWork("0.reactant", vacancy(), recipe).begin()
    assert not isinstance(task, PlanTask | ForcesTask)
    assert task.name == "0.reactant"
    assert sorted(task.job.files) == ["config.ini", "pos.con"]
