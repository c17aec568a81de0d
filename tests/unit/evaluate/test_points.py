"""Forces at many points by a potential that stays loaded: the calculator's own numbers, and each way in which it may end."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from mlip_kmc.evaluate.client import End, cancel_jobs
from mlip_kmc.evaluate.points import Points, PointsJob, run_points
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.model.rates import dense_hessian
from mlip_kmc.search.displaced import HessianRecipe, HessianWork
from mlip_kmc.search.hessian import spectrum_of_matrix

from ..morse import half_way

BY_EMT = Recipe({"ase": "ase.calculators.emt:EMT"})
CALCULATORS = """
import numpy as np
from ase.calculators.calculator import Calculator

class Base(Calculator):
    implemented_properties = ("energy", "forces")
    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": self.forces_of(atoms)}

class Fails(Base):
    def forces_of(self, atoms):
        raise ValueError("no such thing")

class NotANumber(Base):
    def forces_of(self, atoms):
        return np.full((len(atoms), 3), np.nan)
"""


def copper():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    atoms.rattle(0.02, seed=1)
    return atoms


def points_of(atoms):
    other = atoms.positions + 0.01
    points = Points(atoms.numbers, atoms.cell.array, bases=(atoms.positions, other)).at_rest(0)
    points = points.displaced([(3, np.array([0.1, 0, 0])), (5, np.array([0, 0, -0.1]))])
    return points.at_rest(1)


def test_the_forces_are_the_calculators():
    atoms = copper()
    atoms.calc = EMT()
    done = run_points(PointsJob("points", points_of(atoms), recipe=BY_EMT, time_limit_s=60))
    assert (done.end, done.message, len(done.energies_eV)) == (End.FINISHED, "", 4)
    assert np.shape(done.forces_eV_per_A) == (4, 32, 3)
    wanted = [atoms.get_forces()]
    for atom, step in ((3, [0.1, 0, 0]), (5, [0, 0, -0.1])):
        moved = atoms.copy()
        moved.positions[atom] += step
        moved.calc = EMT()
        wanted.append(moved.get_forces())
    assert np.abs(np.array(done.forces_eV_per_A) - [*wanted, wanted[0]]).max() < 1e-9
    some = run_points(
        PointsJob("points", points_of(atoms).part(slice(2, 4)), recipe=BY_EMT, time_limit_s=60)
    )
    assert np.array_equal(some.forces_eV_per_A, done.forces_eV_per_A[2:])


@pytest.fixture
def calculators(tmp_path):
    (tmp_path / "mine.py").write_text(CALCULATORS)
    return lambda name: Recipe({"ase": f"mine:{name}", "python-path": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "end", "message"),
    [
        ("Fails", End.EVALUATION_ERROR, "no such thing"),
        ("NotANumber", End.EVALUATION_ERROR, "not finite"),
        ("Missing", End.CRASHED, "cannot be loaded"),
    ],
)
def test_each_end_has_its_kind(calculators, tmp_path, name, end, message):
    """What says something of the structure is an answer; what does not is tried again, and what is left of it is kept."""
    job = PointsJob(
        "points",
        points_of(copper()),
        recipe=calculators(name),
        time_limit_s=60,
        evidence=tmp_path / "kept",
    )
    done = run_points(job)
    assert (done.end, done.forces_eV_per_A) == (end, ())
    assert message in done.message
    assert (tmp_path / "kept" / "points.npz").is_file()


def test_atoms_that_are_too_near_halt_it():
    atoms = copper()
    recipe = Recipe({**BY_EMT.plain, "minimum-distance": "2.6"})
    done = run_points(PointsJob("points", points_of(atoms), recipe=recipe, time_limit_s=60))
    assert (done.end, done.forces_eV_per_A) == (End.HALTED, ())
    assert "2.6" in done.message


def test_it_ends_at_its_limit_and_when_it_is_taken_back():
    points = points_of(copper())
    done = run_points(PointsJob("points", points, recipe=BY_EMT, time_limit_s=-1.0))
    assert (done.end, done.energies_eV) == (End.TIMED_OUT, ())
    cancel_jobs(["it"])
    done = run_points(PointsJob("points", points, recipe=BY_EMT, time_limit_s=60), tag="it")
    assert (done.end, done.energies_eV) == (End.CANCELLED, ())


def test_a_whole_hessian_by_emt():
    """A saddle of a potential that counts many neighbours, and that symmetry must find its way through."""
    atoms = half_way()
    probe = atoms.copy()
    probe.calc = EMT()

    def forces(positions):
        probe.positions = positions
        return probe.get_forces()

    recipe = HessianRecipe(files={}, links={}, time_limit_s=60, recipe=BY_EMT)
    done = HessianWork("saddle", atoms, recipe).here(run=lambda task: task.run())
    exact = spectrum_of_matrix(
        dense_hessian(forces, atoms.positions, free=np.arange(31), step_A=2e-3), atoms
    )
    print(done.force_calls, done.spectrum.log_positive - exact.log_positive)
    assert (done.force_calls, done.doubt) == (35, None)
    assert done.spectrum.negative == exact.negative
    assert done.spectrum.log_positive == pytest.approx(exact.log_positive, abs=2e-3)
