"""Vacancies of a crystal, from its atoms alone: sites that the lattice around has and where no atom is.

Example:
    vacancies_near(anchor, positions=positions, cell=cell)         # (M, 3) places in A; (0, 3) where nothing is missing

An atom with a full shell of neighbours tells the vectors to them. Put at atoms that miss some, they point at what is missing. A
place counts as a vacancy if no atom is near it and at least three quarters of a full shell are around it: so the free sites of a
surface, which an adatom goes to, are none. Distances are geometry, no physics: nothing but pictures may rest on this.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from mlip_kmc.model.structure.cell import width, with_images

Array = npt.NDArray[np.float64]

SHELL = 1.25
"""Neighbours are atoms nearer than this many times the usual nearest distance."""
REACH_A = 11.0
_WHOLE_A = 4.0
_FREE = 0.78
_FULL = 0.75
_SAME = 0.4
_FEWEST = 12


def vacancies_near(
    anchor: Array, *, positions: Array, cell: Array, reach_A: float = REACH_A
) -> Array:
    """Places of vacancies around a place in a periodic cell.

    Args:
        anchor: (3,) in A.
        positions: (N, 3) atoms in A.
        cell: (3, 3), rows are vectors.
        reach_A: how far around is looked.

    Returns:
        (M, 3), in A, in the images nearest to the anchor.
    """
    middle = cell.sum(axis=0) / 2
    reach_A = min(reach_A, 1.5 * width(cell))  # as far as 27 cells have every image
    owners = np.arange(len(positions), dtype=np.int64)
    images, _ = with_images(
        positions - anchor + middle, owners, cell, margin_A=min(reach_A, width(cell))
    )
    images = images - middle
    away = np.linalg.norm(images, axis=1)
    order = np.flatnonzero(away < reach_A)
    inside = np.flatnonzero(away[order] < reach_A - _WHOLE_A)
    return vacancies(images[order], inside=inside) + anchor


def vacancies(positions: Array, *, inside: npt.NDArray[np.int64]) -> Array:
    """Places of vacancies of a cluster that was cut from a crystal.

    Args:
        positions: (N, 3) atoms in A, in one periodic image that is whole around what is looked at.
        inside: (K,) indices of atoms whose surroundings are whole: vacancies are looked for beside these.

    Returns:
        (M, 3), in A.
    """
    if len(inside) < _FEWEST:
        return np.empty((0, 3))
    tree = cKDTree(positions)
    nearest = float(np.median(tree.query(positions[inside], k=2)[0][:, 1]))
    shells = [
        [other for other in found if other != atom]
        for atom, found in zip(
            inside, tree.query_ball_point(positions[inside], SHELL * nearest), strict=True
        )
    ]
    sizes = np.array([len(shell) for shell in shells])
    full = int(np.bincount(sizes).argmax())
    whole = next((k for k, size in enumerate(sizes) if size == full), None)
    if whole is None or full < 4:
        return np.empty((0, 3))
    vectors = positions[shells[whole]] - positions[inside[whole]]
    lacking = positions[inside[sizes < full]]
    if not len(lacking):
        return np.empty((0, 3))
    places = (lacking[:, None, :] + vectors[None, :, :]).reshape(-1, 3)
    places = places[tree.query(places)[0] > _FREE * nearest]
    around = tree.query_ball_point(places, SHELL * nearest, return_length=True)
    return _merged(places[np.asarray(around) >= _FULL * full], _SAME * nearest)


def _merged(places: Array, apart: float) -> Array:
    """Means of places that are as near to each other."""
    found: list[Array] = []
    left = places
    while len(left):
        near = np.linalg.norm(left - left[0], axis=1) < apart
        found.append(left[near].mean(axis=0))
        left = left[~near]
    return np.array(found).reshape(-1, 3)
