"""What a hop changed: near and far, over the cell's faces, with and without held atoms."""

import numpy as np
import pytest
from ase.build import bulk
from ase.constraints import FixAtoms

from mlip_kmc.model.surroundings import change_of, moving_atoms

RADIUS_A, TOLERANCE_A = 4.0, 0.05


def chain(held=False):
    atoms = bulk("Cu", cubic=True, a=3.6) * (6, 2, 2)
    if held:
        atoms.set_constraint(FixAtoms([0]))
    return atoms


def changed(atoms, moved):
    return change_of(atoms, atoms.positions + moved, radius_A=RADIUS_A, tolerance_A=TOLERANCE_A)


def moves(atoms, atom, by):
    moved = np.zeros((len(atoms), 3))
    moved[atom] = by
    return moved


def test_near_is_within_the_radius_of_where_the_atom_was_or_is():
    atoms = chain()
    found = changed(atoms, moves(atoms, 0, [-2.0, 0.0, 0.0]))
    assert found.changed.tolist() == [0]
    here = atoms.get_distances(0, range(len(atoms)), mic=True)
    there = atoms.copy()
    there.positions[0] -= [2.0, 0.0, 0.0]
    here_too = there.get_distances(0, range(len(atoms)), mic=True)
    expected = np.flatnonzero((here <= RADIUS_A) | (here_too <= RADIUS_A))
    assert found.near.tolist() == expected.tolist()
    assert 0 < len(expected) < len(atoms) / 2


def test_a_common_shift_is_no_change_but_where_an_atom_is_held():
    shift = np.tile([0.06, 0.0, 0.0], (96, 1))
    assert changed(chain(), shift + moves(chain(), 5, [1.0, 0, 0])).changed.tolist() == [5]
    assert len(changed(chain(held=True), shift).changed) == 96


def test_periodic_images_do_not_matter():
    atoms = chain()
    whole = np.tile(atoms.cell.array[0], (96, 1))
    assert changed(atoms, whole + moves(atoms, 7, [0.3, 0, 0])).changed.tolist() == [7]


@pytest.mark.parametrize(("by", "spared"), [(0.049, True), (0.051, False), (np.nan, False)])
def test_a_far_atom_that_moved_just_above_the_tolerance_is_a_change(by, spared):
    """Strain: atom 48 is far from the hop, and beside the process that would be carried over."""
    atoms = chain()
    moved = moves(atoms, 0, [1.0, 0, 0]) + moves(atoms, 48, [by, 0, 0])
    assert changed(atoms, moved).spares(np.array([50, 51])) is spared


def test_a_process_without_moving_atoms_is_nowhere():
    atoms = chain()
    found = changed(atoms, moves(atoms, 0, [1.0, 0, 0]))
    assert not found.spares(moving_atoms(np.zeros((96, 3)), np.zeros((96, 3))))
    saddle = moves(atoms, 48, [0.3, 0, 0])
    assert moving_atoms(saddle, 2 * saddle).tolist() == [48]
    assert moving_atoms(saddle, np.full((96, 3), np.nan)).tolist() == list(range(96))
