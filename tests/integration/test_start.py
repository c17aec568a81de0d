"""State 0: minimised, reported, and refused where it is no state."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read

from mlip_kmc.eon.start import lowest_eigenvalue, prepare_start
from mlip_kmc.errors import StructureError
from mlip_kmc.potential import AcePotential, BuiltinPotential
from mlip_kmc.structure import prepare

from .conftest import EXAMPLE

ACE = AcePotential.read(EXAMPLE / "cu.yace")


def vacancy():
    return prepare(read(EXAMPLE / "vacancy.xyz"), elements=ACE.elements, cutoff_A=ACE.cutoff_A).atoms


def test_the_report_says_what_python_ace_says(tmp_path):
    given = vacancy()
    minimum, report = prepare_start(given, ACE, evidence=tmp_path)
    minimum.calc = ACE.calculator()
    assert report.energy == pytest.approx(minimum.get_potential_energy(), abs=1e-8)
    assert report.largest_force_eV_per_A == pytest.approx(np.linalg.norm(minimum.get_forces(), axis=1).max(), abs=1e-6)
    assert report.largest_force_eV_per_A < 1e-3
    assert report.pressure_GPa == pytest.approx(-minimum.get_stress()[:3].mean() * 160.2177, abs=2e-3)
    assert report.largest_displacement_A == pytest.approx(
        np.linalg.norm(minimum.positions - given.positions, axis=1).max(), abs=1e-9)
    assert np.linalg.norm((minimum.positions - given.positions).mean(axis=0)) < 1e-9
    assert report.lowest_eigenvalue_eV_per_A2 > 0.1


def test_the_lowest_eigenvalue_is_that_of_the_whole_hessian():
    atoms = bulk("Cu", "fcc", a=3.59, cubic=True).repeat(3)
    del atoms[0]
    calculator = ACE.calculator()
    atoms.calc = calculator
    rest, columns = atoms.positions.copy(), []
    for coordinate in range(3 * len(atoms)):
        forces = []
        for sign in (1, -1):
            atoms.positions = rest
            atoms.positions.ravel()[coordinate] += sign * 1e-3
            forces.append(atoms.get_forces().ravel())
        columns.append((forces[1] - forces[0]) / 2e-3)
    atoms.positions = rest
    values = np.linalg.eigvalsh((np.array(columns) + np.array(columns).T) / 2)
    assert sorted(np.abs(values).argsort()[:3].tolist()) == [0, 1, 2]
    found = lowest_eigenvalue(atoms, calculator, np.arange(len(atoms)))
    assert found == pytest.approx(values[3], rel=0.02)


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
