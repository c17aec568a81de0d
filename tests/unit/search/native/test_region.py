"""Cut-outs of a large cell, with a many-body energy by numpy: forces and changes of the energy are those of the whole."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms

from mlip_kmc.driver.standalone.short_range import near_pairs
from mlip_kmc.search.native.identify import KnownSaddles
from mlip_kmc.search.native.local import Plan
from mlip_kmc.search.native.region import ROOM_A, LeftRegionError, Region
from mlip_kmc.search.native.start import Start

CUTOFF_A = 2.2
A = 2.0
"""Of an fcc crystal: 12 neighbours at 1.41 A, 6 at 2.0 A."""


def many_body(positions, atoms):
    """Energies of centres, and forces: each centre has the root of a sum over its neighbours, as an embedded atom does."""
    density, pairs = np.zeros(len(atoms)), list(near_pairs(positions, atoms.cell.array, CUTOFF_A))
    for first, second, _, distances in pairs:
        weights = (1.0 - distances / CUTOFF_A) ** 3
        np.add.at(density, first, weights)
        np.add.at(density, second, weights)
    slopes, forces = -0.5 / np.sqrt(density + 0.1), np.zeros_like(positions)
    for first, second, vectors, distances in pairs:
        falls = -3.0 * (1.0 - distances / CUTOFF_A) ** 2 / CUTOFF_A
        pulls = ((slopes[first] + slopes[second]) * falls / distances)[:, None] * vectors
        np.add.at(forces, first, pulls)
        np.add.at(forces, second, -pulls)
    return -np.sqrt(density + 0.1), forces


def crystal(cells, *, vacuum_A=0.0, skewed=False, fixed=False):
    atoms = bulk("Cu", a=A, cubic=True).repeat(cells)
    if skewed:
        atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.3, 1, 0], [0.1, 0.2, 1]], scale_atoms=True)
    atoms.positions += np.random.default_rng(0).normal(0.0, 0.05, atoms.positions.shape)
    if vacuum_A:
        atoms.cell[2, 2] += vacuum_A
    if fixed:
        atoms.set_constraint(FixAtoms(range(0, len(atoms), 3)))
    return atoms


CASES = {
    "on all sides": (crystal((7, 7, 7)), 1.6),
    "across an edge": (crystal((7, 7, 7)), 1.6),
    "skewed": (crystal((7, 7, 8), skewed=True), 1.6),
    "a rod": (crystal((11, 2, 3)), 1.6),
    "thinner than the cutoff": (crystal((11, 1, 2)), 1.6),
    "a plate": (crystal((9, 2, 9)), 1.9),
    "a slab": (crystal((8, 8, 2), vacuum_A=9.0), 1.7),
    "fixed atoms": (crystal((9, 9, 3), fixed=True), 1.9),
}


@pytest.mark.parametrize("name", CASES)
def test_forces_and_changes_of_the_energy_are_those_of_the_whole(name):
    atoms, radius_A = CASES[name]
    centre = atoms.positions[0 if name == "across an edge" else len(atoms) // 2 + 1]
    region = Region.about(atoms, centre_A=centre, radius_A=radius_A, cutoff_A=CUTOFF_A)
    assert not region.is_whole
    free = np.setdiff1d(np.arange(len(region.atoms)), region.held)
    assert len(free) > 2
    assert len(region.atoms) < 0.8 * len(atoms)
    energies, forces, wholes = [], [], []
    for seed in range(3):
        positions = region.atoms.positions.copy()
        moves = np.random.default_rng(seed).normal(0.0, 0.15, (len(free), 3))
        positions[free] += seed * 0.5 * np.clip(moves, -ROOM_A / 2, ROOM_A / 2)
        region.check(positions)
        own, pulled = many_body(positions, region.atoms)
        whole, all_pulled = many_body(region.whole(positions), atoms)
        assert region.part(region.whole(positions)) == pytest.approx(positions, abs=1e-12)
        assert own[region.seeing] == pytest.approx(whole[region.indices[region.seeing]], abs=1e-12)
        assert pulled[free] == pytest.approx(all_pulled[region.indices[free]], abs=1e-12)
        energies.append((own.sum(), whole.sum()))
        forces.append(pulled)
        wholes.append(all_pulled)
    for one, (own, whole) in enumerate(energies[1:], start=1):
        assert own - energies[0][0] == pytest.approx(whole - energies[0][1], abs=1e-11)
        changed = region.vectors(forces[one] - forces[0])
        assert changed == pytest.approx(wholes[one] - wholes[0], abs=1e-12)
    assert np.abs(wholes[2] - wholes[0]).max() > 0.1


def test_one_atom_less_is_felt():
    """The cut-out has no atom that is not needed: a thinner one is another landscape."""
    atoms, radius_A = CASES["on all sides"]
    centre = atoms.positions[7]
    region = Region.about(atoms, centre_A=centre, radius_A=radius_A, cutoff_A=CUTOFF_A)
    thin = Region.about(atoms, centre_A=centre, radius_A=radius_A, cutoff_A=0.4 * CUTOFF_A)
    found = [
        part.vectors(many_body(part.atoms.positions, part.atoms)[1]) for part in (region, thin)
    ]
    moving = region.indices[np.setdiff1d(np.arange(len(region.atoms)), region.held)]
    assert np.abs(found[0] - found[1])[moving].max() > 1e-4


def test_a_cell_that_is_too_small_is_taken_whole():
    atoms = crystal((5, 5, 5))
    region = Region.about(atoms, centre_A=atoms.positions[3], radius_A=2.0, cutoff_A=CUTOFF_A)
    assert region.is_whole
    assert region.atoms is atoms
    assert len(region.frozen) == 0
    moved = atoms.positions + 5.0
    region.check(moved)
    assert (region.whole(moved) == moved).all()


def test_a_region_in_which_nothing_may_move_is_the_whole():
    atoms = crystal((7, 7, 7))
    near = atoms.get_distances(0, range(len(atoms)), mic=True) < 3.0
    atoms.set_constraint(FixAtoms(np.flatnonzero(near)))
    region = Region.about(atoms, centre_A=atoms.positions[0], radius_A=1.6, cutoff_A=CUTOFF_A)
    assert region.is_whole


@pytest.mark.parametrize("move", [ROOM_A + 0.1, float("nan")])
def test_an_atom_may_not_leave(move):
    atoms, radius_A = CASES["on all sides"]
    region = Region.about(atoms, centre_A=atoms.positions[7], radius_A=radius_A, cutoff_A=CUTOFF_A)
    free = np.setdiff1d(np.arange(len(region.atoms)), region.held)
    farthest = free[np.argmax(region.apart_A[free])]
    out = region.atoms.positions[farthest] - region.centre_A
    positions = region.atoms.positions.copy()
    positions[farthest] += (radius_A + move - np.linalg.norm(out)) * out / np.linalg.norm(out)
    with pytest.raises(LeftRegionError):
        region.check(positions)
    inside = region.atoms.positions.copy()
    inside[farthest] = region.centre_A + 0.3
    region.check(inside)


def test_gamma_comes_from_the_centres_that_see_what_moves():
    atoms, radius_A = CASES["on all sides"]
    region = Region.about(atoms, centre_A=atoms.positions[7], radius_A=radius_A, cutoff_A=CUTOFF_A)
    at_rest = np.arange(float(len(atoms)))
    found = region.gammas(np.full(len(region.atoms), -1.0), at_rest=at_rest)
    apart = atoms.get_distances(7, range(len(atoms)), mic=True)
    seeing = apart <= radius_A + ROOM_A + CUTOFF_A
    assert (found[seeing] == -1.0).all()
    assert (found[~seeing] == at_rest[~seeing]).all()


def test_a_known_saddle_elsewhere_is_not_near():
    """Its atoms are outside the region, where all it shows is the state itself."""
    atoms, radius_A = CASES["on all sides"]
    region = Region.about(atoms, centre_A=atoms.positions[7], radius_A=radius_A, cutoff_A=CUTOFF_A)
    far = int(np.setdiff1d(np.arange(len(atoms)), region.indices)[0])
    saddles = np.stack([atoms.positions, atoms.positions])
    saddles[0, far] += [1.0, 0.0, 0.0]
    saddles[1, 7] += [0.0, 0.5, 0.0]
    known = KnownSaddles(saddles).within(region)
    index, distance_A = known.nearest(region.atoms.positions, anchored=True)
    assert (index, distance_A) == (1, pytest.approx(0.5))
    alone = KnownSaddles(saddles[:1]).within(region)
    assert alone.nearest(region.atoms.positions, anchored=True)[1] == pytest.approx(1.0)


def test_the_first_region_holds_all_that_is_displaced():
    atoms = Atoms("Cu20", positions=np.arange(20.0)[:, None] * [2.0, 0, 0], cell=[40, 30, 30])
    displaced = atoms.positions.copy()
    displaced[[19, 0, 1]] += [0.0, 0.4, 0.0]
    displaced[8] += [0.0, 0.01, 0.0]
    start = Start(atoms, displaced, displaced - atoms.positions)
    plan = Plan.of(start, radius_A=1.0, cutoff_A=2.5)
    assert plan.radius_A == pytest.approx(3.0)
    assert plan.centre_A[0] % 40.0 == pytest.approx(0.0)
    assert Plan.of(start, radius_A=5.0, cutoff_A=2.5).radius_A == 5.0
    region = plan.region(atoms)
    free = np.setdiff1d(np.arange(len(region.atoms)), region.held)
    assert sorted(region.indices[free]) == [0, 1, 19]
