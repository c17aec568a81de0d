"""The same structure, however it is written down."""

import time

import numpy as np
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.learning.duplicates import duplicates_of, fingerprint

TRICLINIC = np.array([[11.0, 0, 0], [4.5, 10.2, 0], [-3.0, 4.0, 9.5]])


def same_structure(first, second):
    return duplicates_of([first, second]) == [None, 0]


def structure(seed=0, *, cell=None, symbols=None):
    """Copper and nickel, with a vacancy, rattled."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    del atoms[0]
    atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
    numbers = rng.choice([28, 29], len(atoms)) if symbols is None else symbols
    atoms.set_atomic_numbers(numbers)
    if cell is not None:
        atoms.set_cell(cell, scale_atoms=True)
    return atoms


def rewritten(atoms, rng, *, shift=True, wrap=True, permute=True, displaced_A=0.0):
    other = atoms[rng.permutation(len(atoms))] if permute else atoms.copy()
    vectors = rng.normal(size=(len(other), 3))
    other.positions += displaced_A * vectors / np.linalg.norm(vectors, axis=1)[:, None]
    if shift:
        other.positions += rng.uniform(-20, 20, 3)
    if wrap:
        other.positions += rng.integers(-2, 3, (len(other), 3)) @ other.cell.array
    return other


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cell=st.sampled_from([None, TRICLINIC]),
    shift=st.booleans(),
    wrap=st.booleans(),
    permute=st.booleans(),
    displaced_A=st.floats(0, 0.009),
)
def test_permuted_translated_wrapped_and_displaced_copies_are_the_same(  # noqa: PLR0917
    seed, cell, shift, wrap, permute, displaced_A
):
    atoms = structure(seed % 7, cell=cell)
    other = rewritten(
        atoms,
        np.random.default_rng(seed),
        shift=shift,
        wrap=wrap,
        permute=permute,
        displaced_A=displaced_A,
    )
    assert same_structure(atoms, other)
    assert same_structure(other, atoms)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), displaced_A=st.floats(0.03, 0.5))
def test_one_displaced_atom_is_another_structure(seed, displaced_A):
    rng = np.random.default_rng(seed)
    atoms = structure(seed % 7)
    other = rewritten(atoms, rng)
    vector = rng.normal(size=3)
    other.positions[rng.integers(len(other))] += displaced_A * vector / np.linalg.norm(vector)
    assert not same_structure(atoms, other)


def test_other_elements_cells_and_numbers_of_atoms_are_others():
    atoms = structure()
    swapped = atoms.copy()
    first, second = (int(np.flatnonzero(atoms.numbers == number)[0]) for number in (28, 29))
    swapped.numbers[[first, second]] = swapped.numbers[[second, first]]
    assert not same_structure(atoms, swapped)
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array * 1.001, scale_atoms=True)
    assert not same_structure(atoms, strained)
    assert not same_structure(atoms, atoms[1:])


def test_a_perfect_crystal_has_many_ways_to_meet_itself():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    other = atoms.copy()
    other.positions += [1.8, 1.8, 0]
    assert same_structure(atoms, other)


def test_a_rotated_copy_is_no_duplicate():
    atoms = structure(symbols=[29] * 107)
    turned = atoms.copy()
    turned.positions = turned.positions[:, [1, 2, 0]]
    assert not same_structure(atoms, turned)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), displaced_A=st.floats(0, 0.2))
def test_the_fingerprint_never_tells_near_structures_apart(seed, displaced_A):
    rng = np.random.default_rng(seed)
    atoms = structure(seed % 7)
    other = rewritten(atoms, rng, displaced_A=displaced_A)
    one, two = fingerprint(atoms), fingerprint(other)
    assert np.abs(one.columns - two.columns).max() <= 2 * displaced_A + 1e-9


def test_small_cells_and_molecules():
    dimer = Atoms("Cu2", positions=[(0, 0, 0), (2.2, 0, 0)])
    assert same_structure(dimer, Atoms("Cu2", positions=[(7.2, 5, 5), (5, 5, 5)]))
    assert not same_structure(dimer, Atoms("Cu2", positions=[(0, 0, 0), (2.3, 0, 0)]))
    assert same_structure(bulk("Cu", a=3.6), bulk("Cu", a=3.6))
    assert not same_structure(bulk("Cu", a=3.6), bulk("Cu", a=3.7))


def test_each_names_the_first_that_it_repeats():
    first, second = structure(1), structure(2)
    rng = np.random.default_rng(0)
    found = duplicates_of(
        [first, rewritten(first, rng), second, rewritten(second, rng), rewritten(first, rng)]
    )
    assert found == [None, 0, None, 2, 0]


def test_many_are_told_apart_quickly():
    begin = time.perf_counter()
    assert duplicates_of([structure(seed, symbols=[29] * 107) for seed in range(60)]) == [None] * 60
    assert time.perf_counter() - begin < 20
