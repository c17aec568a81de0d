"""Vacancies in a crystal of a pair potential that is written down here, and forces that no symmetry of the structure knows of."""

import numpy as np
from ase.build import bulk

EQUILIBRIUM_A = 2.55


def forces_of(atoms, *, springs=None):
    """Forces of a Morse potential between atoms within 5 A, all images counted, smooth at its end; and springs of single atoms.

    Args:
        springs: eV/A^2 by atom, which no symmetry of the structure knows of.
    """
    cell = atoms.cell.array
    places = np.array(atoms.positions)
    reach = [
        int(np.ceil(5.0 / height)) for height in 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    ]
    images = np.array([
        [i, j, k]
        for i in range(-reach[0], reach[0] + 1)
        for j in range(-reach[1], reach[1] + 1)
        for k in range(-reach[2], reach[2] + 1)
    ]) @ cell  # fmt: skip
    kinds = 1.0 + 0.1 * (atoms.numbers - atoms.numbers.min())

    def pairs_within(reach_A):
        apart = places[None] - places[:, None] + images[:, None, None]
        square = np.einsum("ijkx,ijkx->ijk", apart, apart)
        image, first, second = np.nonzero(square < reach_A**2)
        away = (first != second) | images[image].any(axis=1)
        return images[image[away]], first[away], second[away]

    near, every = pairs_within(7.0), pairs_within(np.inf)

    def forces(positions):
        moved_A = np.linalg.norm(positions - places, axis=1).max()
        image, first, second = near if moved_A < 1.0 else every
        apart = positions[second] - positions[first] + image
        r = np.sqrt(np.einsum("ix,ix->i", apart, apart))
        here = r < 5
        apart, r, first, second = apart[here], r[here], first[here], second[here]
        fade, fading = (r - 5) ** 2 / 4, (r - 5) / 2
        e = np.exp(-1.4 * (r - EQUILIBRIUM_A))
        value, slope = 0.3 * (e**2 - 2 * e), 0.3 * -2.8 * (e**2 - e)
        pull = (slope * fade + value * fading) * np.sqrt(kinds[first] * kinds[second]) / r
        found = np.stack(
            [np.bincount(first, pull * along, len(places)) for along in apart.T], axis=1
        )
        for atom, spring in (springs or {}).items():
            found[atom] -= spring * (positions[atom] - places[atom])
        return found

    return forces


def vacancy(n=2, *, a=3.6):
    atoms = bulk("Cu", "fcc", a=a, cubic=True).repeat(n)
    del atoms[0]
    return atoms


def half_way(n=2, *, a=3.6):
    """A neighbour of the vacancy half way into it."""
    atoms = bulk("Cu", "fcc", a=a, cubic=True).repeat(n)
    near = min(range(1, len(atoms)), key=lambda other: atoms.get_distance(0, other, mic=True))
    atoms.positions[near] = atoms.get_distance(0, near, mic=True, vector=True) / 2
    del atoms[0]
    return atoms
