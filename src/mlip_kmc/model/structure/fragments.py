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
    from ase.neighborlist import (
        neighbor_list,  # these bring much of SciPy, which few processes need
    )
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    radii = covalent_radii[atoms.numbers]
    reach_A = np.maximum(LEAST_LINK_A / 2, LINK_RADII * radii)  # of a pair, the sum
    first, second = neighbor_list("ij", atoms, reach_A)
    size = len(atoms)
    links = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(size, size))
    count, parts = connected_components(links, directed=False)
    if count == 1:
        return np.empty(0, dtype=np.int64)
    largest = int(np.argmax(np.bincount(parts)))
    return np.flatnonzero(parts != largest).astype(np.int64)


@lru_cache(maxsize=64)
def attached_in(con: str) -> tuple[int, ...]:
    """Indices of the atoms of a structure, given as `.con` text, that have not left the rest."""
    atoms = from_con(con)
    return tuple(sorted({*range(len(atoms))} - {*atoms_apart(atoms).tolist()}))
