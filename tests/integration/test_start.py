"""State 0: minimised, reported, and refused where it is no state."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read

from mlip_kmc.akmc import start
from mlip_kmc.akmc.start import _forces_by, prepare_start
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.rates import Lowest, dense_hessian, lowest_eigenvalue, lowest_of
from mlip_kmc.model.structure import prepare
from mlip_kmc.potential import AcePotential, BuiltinPotential

from .conftest import EXAMPLE

ACE = AcePotential.read(EXAMPLE / "cu.yace")


def vacancy():
    return prepare(
        read(EXAMPLE / "vacancy.xyz"), elements=ACE.elements, cutoff_A=ACE.cutoff_A
    ).atoms


def test_the_report_says_what_python_ace_says(tmp_path):
    given = vacancy()
    minimum, report = prepare_start(given, ACE, evidence=tmp_path)
    minimum.calc = calculator_of(ACE)
    assert report.energy == pytest.approx(minimum.get_potential_energy(), abs=1e-8)
    assert report.largest_force_eV_per_A == pytest.approx(
        np.linalg.norm(minimum.get_forces(), axis=1).max(), abs=1e-6
    )
    assert report.largest_force_eV_per_A < 1e-3
    assert report.pressure_GPa == pytest.approx(
        -minimum.get_stress()[:3].mean() * 160.2177, abs=2e-3
    )
    assert report.largest_displacement_A == pytest.approx(
        np.linalg.norm(minimum.positions - given.positions, axis=1).max(), abs=1e-9
    )
    assert np.linalg.norm((minimum.positions - given.positions).mean(axis=0)) < 1e-9
    assert report.lowest_eigenvalue_eV_per_A2 > 0.1


def test_iterations_and_the_whole_hessian_have_one_lowest_eigenvalue():
    atoms = bulk("Cu", "fcc", a=3.59, cubic=True).repeat(3)
    del atoms[0]
    forces, free = _forces_by(calculator_of(ACE), atoms), np.arange(len(atoms))
    rigid = np.tile(np.eye(3), (len(free), 1)) / np.sqrt(len(free))
    whole = lowest_of(dense_hessian(forces, atoms.positions, free=free, step_A=1e-3), rigid=rigid)
    found = lowest_eigenvalue(forces, atoms.positions, free=free, rigid=rigid)
    assert found.converged
    assert found.eV_per_A2 == pytest.approx(whole.eV_per_A2, rel=0.02)


def test_a_saddle_is_refused(tmp_path):
    """Half-way into the vacancy, by symmetry, the forces along the hop vanish: minimising stays on the ridge."""
    atoms = vacancy()
    hole = np.zeros(3)
    distances = atoms.cell.scaled_positions(atoms.positions)
    vectors = (distances - np.round(distances)) @ atoms.cell.array
    hopper = int(np.argmin(np.linalg.norm(vectors - hole, axis=1)))
    atoms.positions[hopper] -= vectors[hopper] / 2
    with pytest.raises(StructureError, match="rests on a saddle"):
        prepare_start(atoms, ACE, evidence=tmp_path)


def test_a_structure_that_explodes_is_refused(tmp_path):
    atoms = vacancy()
    atoms.positions[:40] += np.random.default_rng(1).normal(0, 0.8, (40, 3))
    with pytest.raises(StructureError, match=r"explodes|come to rest|rests on a saddle"):
        prepare_start(atoms, ACE, evidence=tmp_path)


def test_fixed_atoms_stay(tmp_path):
    from ase.constraints import FixAtoms

    atoms = vacancy()
    atoms.set_constraint(FixAtoms(indices=range(10)))
    minimum, report = prepare_start(atoms, ACE, evidence=tmp_path)
    np.testing.assert_allclose(minimum.positions[:10], atoms.positions[:10], atol=1e-12)
    assert report.lowest_eigenvalue_eV_per_A2 > 0


def test_a_built_in_potential_is_reported_too(tmp_path):
    atoms = bulk("Al", "fcc", a=4.05, cubic=True).repeat(3)
    del atoms[0]
    prepared = prepare(atoms, elements=None, cutoff_A=None)
    _, report = prepare_start(prepared.atoms, BuiltinPotential.named("eam_al"), evidence=tmp_path)
    assert report.lowest_eigenvalue_eV_per_A2 > 0.1
    assert report.energy_drop > 0


@pytest.mark.parametrize(
    "unknown",
    [
        Lowest(float("nan"), float("inf"), 7, converged=False),
        Lowest(float("nan"), 0.0, 7, converged=True),
        Lowest(0.3, 0.2, 400, converged=False),
    ],
)
def test_what_is_not_shown_to_be_a_minimum_is_refused_unless_told_otherwise(
    tmp_path, monkeypatch, unknown
):
    monkeypatch.setattr(start, "_stability", lambda *_: unknown)
    with pytest.raises(
        StructureError,
        match=r"could not be told: after \d+ products .* structure.allow_unknown_stability",
    ):
        prepare_start(vacancy(), ACE, evidence=tmp_path)
    _, report = prepare_start(vacancy(), ACE, evidence=tmp_path, allow_unknown_stability=True)
    assert report.lowest_eigenvalue_eV_per_A2 is None


def test_a_saddle_is_one_before_the_iterations_have_converged(tmp_path, monkeypatch):
    monkeypatch.setattr(start, "_stability", lambda *_: Lowest(-0.5, 0.4, 3, converged=False))
    with pytest.raises(StructureError, match="rests on a saddle"):
        prepare_start(vacancy(), ACE, evidence=tmp_path, allow_unknown_stability=True)
