"""Are two structures the same up to the order of their atoms, a translation, and small displacements?

    duplicates_of(structures, tolerance_A=0.02)    # [None, 0, None, ...]: the earlier one that each repeats

First a fingerprint that neither order nor translation changes: each atom's distances to its nearest neighbours, sorted. When no
atom moves by more than d, no distance changes by more than 2 d, and sorting never makes differences larger: structures whose
fingerprints differ by more are no duplicates, and atoms whose distances do cannot be each other. What the fingerprint cannot tell
apart is laid on each other: the atom with the fewest of its like is brought onto each of them, the other atoms must then meet one
of their element each, and the mean displacement is taken off before the largest is compared. Rotated and mirrored copies are not
duplicates here; the choice of structures sees them anyway, because gamma does not change when a structure is turned.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.spatial import cKDTree

from mlip_kmc.model.structure import minimum_image, shells

Array = npt.NDArray[np.float64]

TOLERANCE_A = 0.02
_CELL_A = 1e-6
_RADIUS_A = 4.5
_ROUNDING_A = 1e-9


@dataclass(frozen=True)
class Fingerprint:
    """What neither the order of atoms nor a translation changes.

    Attributes:
        composition: atoms by element, sorted.
        cell: (3, 3) in A.
        distances: (N, 12) of each atom to its nearest neighbours, sorted, in A; farther ones count as 4.5 A away.
        columns: the same with each column sorted within each element.
    """

    composition: tuple[tuple[str, int], ...]
    cell: Array
    distances: Array
    columns: Array


def fingerprint(atoms: Atoms) -> Fingerprint:
    """The fingerprint of a structure; cells smaller than the radius are allowed."""
    distances = shells(atoms, radius_A=_RADIUS_A)
    symbols = np.array(atoms.get_chemical_symbols())
    return Fingerprint(
        composition=tuple(sorted(Counter(symbols.tolist()).items())),
        cell=np.asarray(atoms.cell.array, dtype=float),
        distances=distances,
        columns=np.vstack(
            [np.sort(distances[symbols == symbol], axis=0) for symbol in np.unique(symbols)]
        ),
    )


def duplicates_of(
    structures: Sequence[Atoms], *, tolerance_A: float = TOLERANCE_A
) -> list[int | None]:
    """For each structure the first earlier one, no duplicate itself, that it repeats; None where there is none.

    The same up to permutation, translation, and displacements of at most `tolerance_A` once the mean is taken off.
    """
    prints = [fingerprint(atoms) for atoms in structures]
    found: list[int | None] = []
    for index, atoms in enumerate(structures):
        earlier = (other for other in range(index) if found[other] is None)
        found.append(
            next(
                (
                    other
                    for other in earlier
                    if _same(structures[other], prints[other], atoms, prints[index], tolerance_A)
                ),
                None,
            )
        )
    return found


def _same(
    first: Atoms, one: Fingerprint, second: Atoms, two: Fingerprint, tolerance_A: float
) -> bool:
    if one.composition != two.composition or bool((first.pbc != second.pbc).any()):
        return False
    if not np.linalg.norm(one.cell - two.cell, axis=1).max() <= _CELL_A:
        return False
    if not np.abs(one.columns - two.columns).max() <= 2 * tolerance_A + _ROUNDING_A:
        return False
    return any(
        _meets(first, second, shift, tolerance_A)
        for shift in _shifts(first, one, second, two, tolerance_A)
    )


def _shifts(
    first: Atoms, one: Fingerprint, second: Atoms, two: Fingerprint, tolerance_A: float
) -> list[Array]:
    """Translations that bring one atom of `first`, the one with the fewest of its like, onto one of `second`."""
    symbols, others = (
        np.array(first.get_chemical_symbols()),
        np.array(second.get_chemical_symbols()),
    )
    within_A = 2 * tolerance_A + _ROUNDING_A
    alike = [
        np.flatnonzero((others == symbol) & (np.abs(two.distances - row).max(axis=1) <= within_A))
        for symbol, row in zip(symbols, one.distances, strict=True)
    ]
    anchor = int(np.argmin([len(indices) for indices in alike]))
    return [second.positions[index] - first.positions[anchor] for index in alike[anchor]]


def _meets(first: Atoms, second: Atoms, shift: Array, tolerance_A: float) -> bool:
    """Does each atom of `first`, shifted, meet its own atom of `second`?"""
    apart = np.empty((len(first), 3))
    symbols, others = (
        np.array(first.get_chemical_symbols()),
        np.array(second.get_chemical_symbols()),
    )
    cell = np.asarray(second.cell.array, dtype=float)
    for symbol in np.unique(symbols):
        mine, theirs = np.flatnonzero(symbols == symbol), np.flatnonzero(others == symbol)
        partners = _partners(
            first.positions[mine] + shift,
            second.positions[theirs],
            cell,
            second.pbc,
            2 * tolerance_A,
        )
        if partners is None:
            return False
        apart[mine] = _vectors(
            second.positions[theirs[partners]] - first.positions[mine] - shift, cell, second.pbc
        )
    apart -= apart.mean(axis=0)
    return bool(np.linalg.norm(apart, axis=1).max() <= tolerance_A)


def _partners(
    points: Array, others: Array, cell: Array, pbc: Array, within_A: float
) -> npt.NDArray[np.int64] | None:
    """For each point the nearest of the others, each taken once and within a distance; None where that is not so."""
    if not pbc.all():
        distances, nearest = cKDTree(others).query(points)
    else:
        distances, nearest = _periodic_nearest(points, others, cell, within_A)
    taken = np.asarray(nearest, dtype=np.int64)
    if not (distances <= within_A).all() or len(np.unique(taken)) != len(points):
        return None
    return taken


def _periodic_nearest(
    points: Array, others: Array, cell: Array, within_A: float
) -> tuple[Array, npt.NDArray[np.int64]]:
    """As of a tree of the others and of those of their images that a wrapped point can meet."""
    inverse = np.linalg.inv(cell)
    margins = within_A * np.linalg.norm(inverse, axis=0)
    scaled = (others @ inverse) % 1.0
    images, indices = [scaled], [np.arange(len(others))]
    for axis in range(3):
        all_images, all_indices = np.vstack(images), np.concatenate(indices)
        for sign, near in (
            (1.0, all_images[:, axis] <= margins[axis]),
            (-1.0, all_images[:, axis] >= 1 - margins[axis]),
        ):
            moved = all_images[near].copy()
            moved[:, axis] += sign
            images.append(moved)
            indices.append(all_indices[near])
    distances, nearest = cKDTree(np.vstack(images) @ cell).query(((points @ inverse) % 1.0) @ cell)
    return np.asarray(distances), np.concatenate(indices)[nearest]


def _vectors(vectors: Array, cell: Array, pbc: Array) -> Array:
    return minimum_image(vectors, cell) if pbc.all() else vectors
