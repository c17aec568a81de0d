"""Atoms that have left the rest: desorbed from a surface, or evaporated from a cluster.

Example:
    len(atoms_apart(atoms))          # 1, for an adatom 9 A above its surface
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii

from mlip_kmc.model.structure.con import from_con
from mlip_kmc.model.structure.neighbours import neighbours

Indices = npt.NDArray[np.int64]

LEAST_LINK_A = 4.5
"""Two atoms nearer than this belong together: farther than any bond, and than most adsorbed atoms are from their surface."""
LINK_RADII = 1.75
"""The same in sums of covalent radii, for large atoms."""


def atoms_apart(atoms: Atoms) -> Indices:
    """Atoms that no chain of near neighbours joins to the largest part of a structure.

    Args:
        atoms: N atoms; where its cell is periodic, images count.

    Returns:
        indices, ascending; none where all is one part. Of two parts of equal size, the one with the first atom stays.
    """
    radii = covalent_radii[atoms.numbers]
    reach_A = np.maximum(LEAST_LINK_A / 2, LINK_RADII * radii)  # of a pair, the sum
    first, second, distance_A = neighbours(atoms, float(2 * reach_A.max()))
    linked = distance_A < reach_A[first] + reach_A[second]
    parts = _parts(len(atoms), first[linked], second[linked])
    return np.flatnonzero(parts != np.argmax(np.bincount(parts))).astype(np.int64)


def _parts(size: int, first: Indices, second: Indices) -> Indices:
    """(N,) for each atom the first atom that chains of pairs, each given both ways, join it to: all of a part have the same."""
    parts = np.arange(size)
    while True:
        lowest = parts.copy()
        np.minimum.at(lowest, first, parts[second])
        # and what the atom there has found meanwhile: few rounds, however long a chain is
        lowest = lowest[lowest]
        if np.array_equal(lowest, parts):
            return parts
        parts = lowest


@lru_cache(maxsize=64)
def attached_in(con: str) -> tuple[int, ...]:
    """Indices of the atoms of a structure, given as `.con` text, that have not left the rest."""
    atoms = from_con(con)
    return tuple(sorted({*range(len(atoms))} - {*atoms_apart(atoms).tolist()}))
