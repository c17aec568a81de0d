"""Hessians by symmetry against all displacements: exact where it holds, few displacements, nothing merged where it does not."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms

from mlip_kmc.model.isometry import Isometry, site_symmetry
from mlip_kmc.model.rates import Plan, dense_hessian, symmetrised
from mlip_kmc.model.structure import fixed_atoms

from ..morse import forces_of, half_way, vacancy

STEP_A = 1e-4
"""The error of a central difference grows with its square, and depends on the direction: 1e-8 of the Hessian here."""


def by_symmetry(atoms, forces, *, columns=None):
    """The Hessian and its plan."""
    free = np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms))
    plan = Plan.of(site_symmetry(atoms), free=free, columns=columns)
    rest = forces(atoms.positions)
    changes = []
    for move in plan.moves:
        places = atoms.positions.copy()
        places[move.atom] += STEP_A * move.vector
        changes.append(forces(places) - rest)
    return plan.hessian(np.array(changes), step_A=STEP_A), plan


def slab():
    atoms = fcc111("Cu", (2, 2, 3), a=3.6, vacuum=6.0)
    atoms.pbc = True
    atoms.set_constraint(FixAtoms(indices=range(4)))
    return atoms


def alloy():
    """L1_2 with a vacancy: two kinds of atoms, one of them with a heavier isotope."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    atoms.symbols[::4] = "Au"
    del atoms[0]
    return atoms


def wire():
    return Atoms(
        "Cu4", cell=[9, 8, 9.6], pbc=True, positions=[[0, 0, z] for z in (0, 2.4, 4.8, 7.2)]
    )


@pytest.mark.parametrize(
    ("atoms", "displacements", "evaluations"),
    [(vacancy(), 5, 7), (half_way(), 15, 29), (slab(), 2, 4), (alloy(), 5, 7), (wire(), 1, 1)],
    ids=["vacancy", "saddle", "slab", "alloy", "wire"],
)  # fmt: skip
def test_it_is_the_dense_hessian(atoms, displacements, evaluations):
    forces = forces_of(atoms)
    found, plan = by_symmetry(atoms, forces)
    exact = dense_hessian(forces, atoms.positions, free=plan.free, step_A=STEP_A)
    print(len(plan.operations), plan.displacements, len(plan.moves), np.abs(found - exact).max())
    assert np.abs(found - exact).max() < 1e-6 * np.abs(exact).max()
    assert (plan.displacements, len(plan.moves)) == (displacements, evaluations)


def test_a_vacancy_of_255_atoms_takes_24_displacements_and_its_saddle_110():
    """Of 765, which take 1530 evaluations."""
    counts = []
    for atoms in (vacancy(4), half_way(4)):
        plan = Plan.of(site_symmetry(atoms), free=np.arange(len(atoms)))
        counts.append((len(plan.operations), plan.displacements, len(plan.moves)))
    assert counts == [(48, 24, 45), (8, 110, 219)]


def test_some_columns_only():
    """Those of the twelve atoms around a vacancy."""
    atoms = vacancy()
    forces = forces_of(atoms)
    distances = np.linalg.norm((atoms.positions + 3.6) % 7.2 - 3.6, axis=1)
    near = np.flatnonzero(distances < 2.6)
    found, plan = by_symmetry(atoms, forces, columns=near)
    assert (len(near), plan.displacements) == (12, 1)
    whole, _ = by_symmetry(atoms, forces)
    wanted = np.add.outer(3 * near, np.arange(3)).ravel()
    assert np.abs(found - whole[:, wanted]).max() < 1e-6


def test_what_a_relaxation_left_is_taken_off():
    atoms = vacancy()
    exact = atoms.positions.copy()
    atoms.rattle(0.002, seed=1)
    operations = site_symmetry(atoms)
    assert len(operations) == 48
    mean = symmetrised(atoms.positions, operations, cell_A=atoms.cell.array)
    off = mean - exact
    again = symmetrised(mean, operations, cell_A=atoms.cell.array)
    assert np.abs(again - mean).max() < 1e-12
    assert np.abs(off - off.mean(axis=0)).max() < 0.002
    assert symmetrised(atoms.positions, operations[:5], cell_A=atoms.cell.array) is None, "no group"


def test_operations_of_another_structure_are_refused():
    atoms = vacancy()
    atoms.set_cell(atoms.cell.array * [1, 1, 1.01], scale_atoms=True)
    turned = Isometry(np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0]]), np.arange(len(atoms)), 0.0)
    assert (
        symmetrised(atoms.positions, [*site_symmetry(atoms), turned], cell_A=atoms.cell.array)
        is None
    )


def isotope(atoms):
    masses = atoms.get_masses()
    masses[5] += 2.0
    atoms.set_masses(masses)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda atoms: atoms.positions.__setitem__((5, 0), atoms.positions[5, 0] + 0.05), 8),
        (lambda atoms: atoms.set_cell(atoms.cell.array * [1, 1, 1.001], scale_atoms=True), 16),
        (isotope, 8),
        (lambda atoms: atoms.set_constraint(FixAtoms(indices=[5])), 8),
        (lambda atoms: atoms.symbols.__setitem__(5, "Ni"), 8),
    ],
    ids=["an atom off", "a strained cell", "an isotope", "a fixed atom", "a solute"],
)  # fmt: skip
def test_almost_symmetric(change, most):
    """The Hessian is that of all displacements; masses count after it, so an isotope must leave its mark on the plan."""
    atoms = vacancy()
    change(atoms)
    forces = forces_of(atoms)
    found, plan = by_symmetry(atoms, forces)
    assert len(plan.operations) <= most, "the vacancy has 48"
    exact = dense_hessian(forces, atoms.positions, free=plan.free, step_A=STEP_A)
    assert np.abs((found + found.T) / 2 - exact).max() < 1e-6 * np.abs(exact).max()
