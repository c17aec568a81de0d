"""What is near to what in a periodic structure: nearest atoms, nearest pairs, near neighbours.

lookup = Lookup(atoms)
distances, indices = lookup.nearest(points)       # of the atom that is nearest to each point
PairLimits.of(atoms).violations(box)              # pairs of the box that are nearer than any in the structure
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.geometry import complete_cell, find_mic, minkowski_reduce
from ase.neighborlist import neighbor_list
from scipy.spatial import cKDTree

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure import Array, neighbours

Indices = npt.NDArray[np.int64]

NEIGHBOURS_A = 4.0
"""Pairs of two elements that come nearer than this somewhere have a limit of their own; others have that of all pairs."""
_ROUNDING_A = 1e-6


class Lookup:
    """Finds the atom that is nearest to a point, images included."""

    def __init__(self, atoms: Atoms, *, margin_A: float = NEIGHBOURS_A) -> None:
        self.cell = np.asarray(complete_cell(atoms.cell), dtype=float)
        self.pbc = np.asarray(atoms.pbc, dtype=bool)
        self._inverse = np.linalg.inv(self.cell)
        self._reduced = minkowski_reduce(self.cell, self.pbc)[0]
        margins = margin_A * np.linalg.norm(self._inverse, axis=0)
        scaled, index = self._wrapped(atoms.positions), np.arange(len(atoms))
        for axis in np.flatnonzero(self.pbc):
            most = int(np.ceil(margins[axis]))
            images = [scaled + shift * np.eye(3)[axis] for shift in range(-most, most + 1)]
            scaled, index = np.vstack(images), np.tile(index, len(images))
            near = (scaled[:, axis] >= -margins[axis]) & (scaled[:, axis] <= 1 + margins[axis])
            scaled, index = scaled[near], index[near]
        self._index = index
        self._tree = cKDTree(scaled @ self.cell)

    def _wrapped(self, points: Array) -> Array:
        scaled: Array = np.asarray(points, dtype=float) @ self._inverse
        scaled[:, self.pbc] %= 1.0
        return scaled

    def nearest(self, points: Array) -> tuple[Array, Indices]:
        """Of each point (n, 3) in A: the distance to the nearest atom, and its index."""
        distances, found = self._tree.query(self._wrapped(points) @ self.cell)
        return np.asarray(distances, dtype=float), self._index[found]

    def vectors(self, vectors: Array) -> Array:
        """(n, 3) differences of positions at their minimum image."""
        found: Array = find_mic(vectors, self._reduced, self.pbc)[0]
        return found


def nearest_pair(atoms: Atoms) -> float:
    """The distance of the two nearest atoms, or of an atom and its own image.

    Raises:
        StructureError: no two atoms are within 20 A.
    """
    for radius_A in (NEIGHBOURS_A, 20.0):
        _, _, distances = neighbours(atoms, radius_A)
        if len(distances):
            return float(distances.min())
    raise StructureError("no two of its atoms are within 20 A: there is nothing to cut out")


@dataclass(frozen=True)
class PairLimits:
    """How near the atoms of a structure come to each other.

    Attributes:
        of_all_A: the nearest pair of all.
        by_pair_A: by two atomic numbers, the smaller first, where such pairs are neighbours.
    """

    of_all_A: float
    by_pair_A: Mapping[tuple[int, int], float]

    @classmethod
    def of(cls, atoms: Atoms) -> "PairLimits":
        """Those of a structure."""
        first, second, distances = neighbours(atoms, NEIGHBOURS_A)
        found: dict[tuple[int, int], float] = {}
        pairs = np.sort(np.column_stack([atoms.numbers[first], atoms.numbers[second]]), axis=1)
        for pair in np.unique(pairs, axis=0) if len(pairs) else ():
            alike = (pairs == pair).all(axis=1)
            found[int(pair[0]), int(pair[1])] = float(distances[alike].min())
        return cls(of_all_A=nearest_pair(atoms), by_pair_A=found)

    def _limits(self, numbers: Indices, first: Indices, second: Indices) -> Array:
        pairs = np.sort(np.column_stack([numbers[first], numbers[second]]), axis=1).tolist()
        return np.array([self.by_pair_A.get((a, b), self.of_all_A) for a, b in pairs], dtype=float)

    def violations(self, atoms: Atoms) -> tuple[Indices, Indices, Array, Array]:
        """Pairs that are nearer than any of the structure: their atoms, vectors between them (n, 3), and limits (n,), in A."""
        widest_A = max([self.of_all_A, *self.by_pair_A.values()])
        first, second, vectors, distances = neighbor_list("ijDd", atoms, widest_A)
        limits = self._limits(atoms.numbers, first, second)
        once = (first < second) | ((first == second) & _forward(vectors))
        near = once & ~(distances >= limits - _ROUNDING_A)
        return first[near], second[near], vectors[near], limits[near]


def _forward(vectors: Array) -> npt.NDArray[np.bool_]:
    """One of each vector and its opposite."""
    signs = np.sign(np.round(vectors, 9))
    return np.asarray((signs @ np.array([9.0, 3.0, 1.0])) > 0)
