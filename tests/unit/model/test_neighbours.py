"""Pairs of near atoms, against ASE's own list of them."""

import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from mlip_kmc.model.structure import atoms_apart, neighbours


def those_of_ase(atoms, reach_A):
    first, second, distance = neighbor_list("ijd", atoms, reach_A)
    order = np.lexsort((distance, second, first))
    return first[order], second[order], distance[order]


def same(atoms, reach_A):
    found, wanted = neighbours(atoms, reach_A), those_of_ase(atoms, reach_A)
    assert all(one.dtype == other.dtype for one, other in zip(found, wanted, strict=True))
    np.testing.assert_array_equal(found[0], wanted[0])
    # two images at one distance, but for rounding, may come in either order
    np.testing.assert_array_equal(found[1], wanted[1])
    np.testing.assert_allclose(found[2], wanted[2], rtol=0, atol=1e-9)
    return len(found[0])


@pytest.mark.parametrize("seed", range(60))
def test_cells_of_any_shape_periodic_or_not_atoms_outside_of_them(seed):
    chance = np.random.default_rng(seed)
    cell = np.diag(chance.uniform(2.0, 9.0, 3)) + chance.uniform(-2.0, 2.0, (3, 3)) * (seed % 3 > 0)
    count = int(chance.integers(1, 30))
    atoms = Atoms(
        f"Cu{count}",
        positions=chance.uniform(-1.5, 2.5, (count, 3)) @ cell,
        cell=cell,
        pbc=chance.integers(0, 2, 3).astype(bool) if seed % 2 else True,
    )
    same(atoms, float(chance.uniform(0.5, 7.0)))


def test_an_atom_has_its_own_images_for_neighbours():
    assert same(bulk("Cu", a=3.6), 3.0) == 12
    assert same(bulk("Cu", a=3.6), 6.0) > 12


def test_without_a_cell():
    assert same(molecule("CH3CH2OH"), 1.7) == 2 * 8  # its bonds


def test_a_pair_at_the_reach_is_none():
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (2.5, 0, 0)], cell=[9, 9, 9], pbc=True)
    assert same(atoms, 2.5) == 0
    assert same(atoms, np.nextafter(2.5, 3)) == 2


def test_a_reach_may_be_tiny():
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (0, 0, 1e-5)], cell=[9, 9, 9], pbc=True)
    assert [same(atoms, reach_A) for reach_A in (1e-4, 1e-6, 0.0)] == [2, 0, 0]


def test_a_chain_is_one_part_however_long_and_in_any_order():
    order = np.random.default_rng(1).permutation(2000)
    places = np.zeros((2000, 3))
    places[order, 0] = np.arange(2000) * 4.0
    atoms = Atoms("Cu2000", positions=places, cell=[20_000, 50, 50], pbc=True)
    assert len(atoms_apart(atoms)) == 0
    atoms.positions[order[700], 1] += 20.0  # which cuts it
    assert sorted(atoms_apart(atoms)) == sorted(order[:701])


def test_it_imports_no_scipy():
    code = (
        "import sys; from mlip_kmc.model.structure import atoms_apart; from ase import Atoms;"
        "print(len(atoms_apart(Atoms('Cu', cell=[3, 3, 3], pbc=True))), *(name for name in sys.modules if 'scipy.s' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]
