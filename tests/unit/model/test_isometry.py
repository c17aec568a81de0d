"""Symmetry operations against known groups, and against a potential that knows nothing of them."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc100, make_supercell
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from mlip_kmc.model.isometry import isometries, lattice_rotations, site_symmetry


def vacancy(cells=3, **keywords):
    atoms = bulk("Cu", cubic=True, **keywords) * (cells, cells, cells)
    del atoms[5]
    return atoms


def adatom():
    atoms = fcc100("Cu", (3, 3, 4), vacuum=7.0)
    add_adsorbate(atoms, "Cu", 1.7, "hollow")
    atoms.pbc = True
    return atoms


def turned_elsewhere(atoms, seed=1):
    """The same structure in another place of its cell, turned by an operation of its lattice, in another order."""
    rng = np.random.default_rng(seed)
    rotation = lattice_rotations(atoms.cell.array)[-1 - seed]
    other = atoms.copy()
    other.positions = atoms.positions @ rotation.T + rng.uniform(-5, 5, 3)
    other.wrap()
    return other[rng.permutation(len(atoms))]


def test_groups_that_are_known():
    assert len(site_symmetry(vacancy())) == 48  # m-3m
    assert len(site_symmetry(adatom())) == 8  # 4mm
    divacancy = vacancy()
    near = int(np.argsort(divacancy.get_distances(0, range(len(divacancy)), mic=True))[1])
    del divacancy[[0, near]]
    assert len(site_symmetry(divacancy)) < 48
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    assert len(site_symmetry(crystal)) == 48 * len(crystal)  # with translations
    hcp = bulk("Mg", "hcp") * (2, 2, 2)
    assert len(site_symmetry(hcp)) == 24 * 8  # P6_3/mmc has 24 a cell


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (np.diag([7.0, 7.0, 7.0]), 48),
        (np.diag([7.0, 7.0, 9.0]), 16),
        (np.diag([7.0, 8.0, 9.0]), 8),
        (np.array([[4.0, 0, 0], [2.0, 2 * np.sqrt(3), 0], [0, 0, 9]]), 24),
        (bulk("Cu").cell.array, 48),
        (np.array([[4.0, 0, 0], [1.0, 5, 0], [0.5, 0.7, 9]]), 2),
    ],
)
def test_holohedries(cell, count):
    found = lattice_rotations(cell)
    assert len(found) == count
    assert np.allclose(found[0], np.eye(3))
    for rotation in found:
        image = np.linalg.solve(cell.T, rotation @ cell.T)
        assert np.allclose(rotation @ rotation.T, np.eye(3))
        assert np.allclose(image, image.round(), atol=1e-6)


def test_the_operations_are_a_group_the_identity_first():
    symmetry = site_symmetry(adatom())
    assert symmetry[0].is_identity
    known = {operation.mapping.tobytes() for operation in symmetry}
    for one in symmetry:
        for other in symmetry:
            assert one.mapping[other.mapping].tobytes() in known


@pytest.mark.parametrize("build", [vacancy, adatom])
def test_a_potential_sees_no_difference(build):
    atoms = build()
    moved = np.random.default_rng(2).normal(0, 0.1, (len(atoms), 3))
    other = turned_elsewhere(atoms)
    operations = isometries(atoms, other)
    assert len(operations) == len(site_symmetry(atoms))

    def evaluated(structure, displacements):
        probe = structure.copy()
        probe.positions += displacements
        probe.calc = EMT()
        return probe.get_potential_energy(), probe.get_forces()

    energy, forces = evaluated(atoms, moved)
    for operation in operations[::11]:
        there, pulls = evaluated(other, operation.displaced(moved))
        assert there == pytest.approx(energy, abs=1e-9)
        assert np.allclose(operation.displaced(forces), pulls, atol=1e-9)


def test_a_structure_that_is_a_little_off_is_found_within_the_tolerance():
    atoms = vacancy()
    other = turned_elsewhere(atoms)
    other.rattle(0.004, seed=3)
    found = isometries(atoms, other)
    assert len(found) == 48
    assert 0.004 < max(operation.deviation_A for operation in found) < 0.03


def heavier(atoms):
    masses = atoms.get_masses()
    masses[7] += 2.0
    atoms.set_masses(masses)


def held(atoms):
    atoms.set_constraint(FixAtoms(indices=[7]))


def charged(atoms):
    atoms.set_initial_charges([1.0 if index == 7 else 0.0 for index in range(len(atoms))])


def alloyed(atoms):
    atoms.numbers[7] = 28


def shifted(atoms):
    atoms.positions[7] += (0.06, 0.0, 0.01)


def strained(atoms):
    atoms.set_cell(atoms.cell.array * [[1.0004], [1], [1]], scale_atoms=True)


@pytest.mark.parametrize("change", [heavier, held, charged, alloyed, shifted, strained])
def test_what_looks_the_same_and_is_not(change):
    """Each lowers the symmetry of a structure, and makes it another one than it was."""
    plain, changed = vacancy(), vacancy()
    change(changed)
    assert not isometries(plain, changed)
    assert not isometries(changed, plain)
    assert 1 <= len(site_symmetry(changed)) < 48


def test_a_defect_in_a_skewed_cell_keeps_its_symmetry():
    primitive = bulk("Cu") * (4, 4, 4)
    skewed = make_supercell(primitive, [[1, 0, 0], [1, 1, 0], [0, 1, 1]])
    del skewed[0]
    assert len(site_symmetry(skewed)) == 48


def test_other_atoms_other_cells_and_other_numbers_are_not_the_same():
    atoms = vacancy()
    assert not isometries(atoms, atoms[1:])
    assert not isometries(atoms, Atoms(atoms.symbols, atoms.positions, cell=atoms.cell * 1.001))
    assert len(isometries(atoms, atoms, most=5)) == 5
