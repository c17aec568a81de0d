"""Rigid operations that take a structure onto another, or onto itself, atoms to atoms of the same kind.

Example:
    symmetry = site_symmetry(atoms)                  # a fcc vacancy: 48 operations, the identity first
    there = symmetry[7].displaced(saddle - atoms.positions)      # displacements of an equivalent saddle
    found = isometries(state, other)                 # ways in which another state is the same but for its place; () if it is not

An operation is a rotation, reflection or rotoinversion of the periodic lattice with any translation: it keeps the cell, fixed
atoms, masses and whatever else tells atoms apart. All that is found holds for every atom within `tolerance_A`: nothing rests on
a fingerprint alone. What a potential makes of it is for an evaluation to tell (`akmc/orbits.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.geometry import minkowski_reduce

from mlip_kmc.model.structure.attributes import ARRAYS
from mlip_kmc.model.structure.cell import into_cell, minimum_image, with_images
from mlip_kmc.model.structure.constraints import fixed_atoms

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

TOLERANCE_A = 0.03
"""The largest distance of an atom from its place; minima that are converged to 0.01 eV/A are as near as that."""
MOST = 4096
"""Operations that are looked for: a perfect crystal of many cells has more."""
_STRAIN = 1e-5
"""A lattice is as symmetric as its vectors' lengths and angles are equal to this: 1e-4 already moves barriers by a meV."""
_NEAR_A = 5.0
_FADE_A = 1.0
_SHELLS_A = np.arange(1.5, 4.6, 0.5)
_SHELL_WIDTH_A = 0.5
_TELLING = 8
_KINDS_APART_A = 1e4


@dataclass(frozen=True)
class Isometry:
    """A rigid operation that takes a structure onto another.

    Attributes:
        rotation: (3, 3) orthogonal, of column vectors: proper, or with a reflection.
        mapping: (N,) atom i comes to stand where atom `mapping[i]` of the other structure stands.
        deviation_A: the largest distance between the two.
    """

    rotation: Array
    mapping: Indices
    deviation_A: float

    def displaced(self, displacements: Array) -> Array:
        """(N, 3) displacements of the first structure's atoms, as those of the other's."""
        found = np.empty_like(displacements)
        found[self.mapping] = displacements @ self.rotation.T
        return found

    @property
    def is_identity(self) -> bool:
        """Nothing is turned, and every atom stays itself."""
        return bool(
            np.array_equal(self.mapping, np.arange(len(self.mapping)))
            and np.allclose(self.rotation, np.eye(3), atol=1e-9)
        )


def site_symmetry(atoms: Atoms, *, tolerance_A: float = TOLERANCE_A) -> tuple[Isometry, ...]:
    """The operations that take a structure onto itself, the identity first.

    Args:
        atoms: N, periodic.
        tolerance_A: the largest distance of an atom from where another was.
    """
    found = isometries(atoms, atoms, tolerance_A=tolerance_A)
    return tuple(sorted(found, key=lambda operation: not operation.is_identity))


def isometries(
    one: Atoms, other: Atoms, *, tolerance_A: float = TOLERANCE_A, most: int = MOST
) -> tuple[Isometry, ...]:
    """The operations that take one structure onto another; none where they are not the same.

    Two structures in cells that differ, were it by a strain of 1e-5, are not the same.

    Args:
        one: N atoms, periodic in three directions.
        other: likewise.
        tolerance_A: the largest distance of an atom from its place.
        most: to look for.

    Returns:
        in an order that follows from the structures alone.
    """
    cell = np.asarray(one.cell.array, dtype=np.float64)
    if len(one) != len(other) or not np.allclose(cell, other.cell.array, atol=1e-6, rtol=0):
        return ()
    ours, theirs = _kinds(one, other)
    if not np.array_equal(np.sort(ours), np.sort(theirs)):
        return ()
    telling, alike = _alike(one, other, ours, theirs, tolerance_A=tolerance_A)
    if not alike.any(axis=1).all():
        return ()
    places = _Places(other, theirs, tolerance_A=2 * tolerance_A)
    found = []
    for rotation, shift in _candidates(one, other, telling, alike, kinds=ours, places=places):
        operation = places.taken(one.positions @ rotation.T + shift, ours, rotation)
        if operation is None or not operation.deviation_A <= tolerance_A:
            continue
        found.append(operation)
        if len(found) == most:
            break
    return tuple(found)


def lattice_rotations(cell: Array) -> list[Array]:
    """(3, 3) rotations and rotoinversions, of column vectors, that take a lattice onto itself; the identity first.

    Args:
        cell: (3, 3), rows are vectors.
    """
    return [np.array(entry).reshape(3, 3) for entry in _lattice_rotations(tuple(cell.ravel()))]


@lru_cache(maxsize=16)
def _lattice_rotations(cell: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    basis = np.asarray(minkowski_reduce(np.array(cell).reshape(3, 3))[0], dtype=np.float64)
    steps = np.array([step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)]) - 1
    vectors = steps @ basis
    gram, scale = basis @ basis.T, float(np.trace(basis @ basis.T))
    lengths = (vectors**2).sum(axis=1)
    within = abs(lengths - np.diag(gram)[:, None]) < _STRAIN * scale
    rows = [np.flatnonzero(row) for row in within]
    found = []
    for first in rows[0]:
        for second in rows[1]:
            if not abs(vectors[first] @ vectors[second] - gram[0, 1]) < _STRAIN * scale:
                continue
            for third in rows[2]:
                image = vectors[[first, second, third]]
                if not np.abs(image @ image.T - gram).max() < _STRAIN * scale:
                    continue
                left, _, right = np.linalg.svd(np.linalg.solve(basis, image))
                found.append((left @ right).T)
    found.sort(key=lambda turn: (-round(float(np.trace(turn)), 6), *turn.ravel().round(6).tolist()))
    return tuple(tuple(turn.ravel().tolist()) for turn in found)


def _kinds(one: Atoms, other: Atoms) -> tuple[Indices, Indices]:
    """(N,) each: atoms with one number may take each other's place."""
    rows = []
    for atoms in (one, other):
        held = np.zeros(len(atoms))
        held[fixed_atoms(atoms)] = 1.0
        columns = [atoms.numbers, atoms.get_masses(), held]
        for name in ARRAYS:
            if name != "masses":
                values = np.asarray(atoms.arrays.get(name, np.zeros(len(atoms))), dtype=np.float64)
                columns += list(values.reshape(len(atoms), -1).T)
        rows.append(columns)
    width = max(map(len, rows))
    both = np.concatenate(
        [np.column_stack([*columns, *[np.zeros(len(columns[0]))] * (width - len(columns))])
         for columns in rows]
    )  # fmt: skip
    numbers = np.unique(both.round(9), axis=0, return_inverse=True)[1].ravel()
    return numbers[: len(one)], numbers[len(one) :]


def _alike(
    one: Atoms, other: Atoms, ours: Indices, theirs: Indices, *, tolerance_A: float
) -> tuple[Indices, npt.NDArray[np.bool_]]:
    """(M,) atoms of the first that have the fewest like them, and (M, N) may they be atom j of the other, by their neighbours?

    A sum over neighbours changes by about the root of the sum of its slopes squared, times what a distance may change by: twice
    the tolerance. Where atoms are off by more an operation is not found, and nothing wrong is.
    """
    here, slopes = _surroundings(one, ours)
    there = _surroundings(other, theirs)[0]
    allowed = 2.5 * tolerance_A * np.sqrt(slopes) + 0.02
    unusual = np.linalg.norm(here - np.median(here, axis=0), axis=1).round(3)
    telling = np.argsort(-unusual, kind="stable")[:_TELLING]
    near = np.abs(here[telling, None] - there) <= allowed[telling, None]
    alike = near.all(axis=2) & (ours[telling, None] == theirs)
    order = np.argsort(alike.sum(axis=1), kind="stable")
    return telling[order], alike[order]


def _surroundings(atoms: Atoms, kinds: Indices) -> tuple[Array, Array]:
    """(N, 2 shells) sums over neighbours, plain and by kind, and (N, 2 shells) sums of their slopes squared, in 1/A^2."""
    positions, cell = np.asarray(atoms.positions), np.asarray(atoms.cell.array)
    return _sums(positions.tobytes(), cell.tobytes(), tuple(kinds.tolist()))


@lru_cache(maxsize=8)
def _sums(positions: bytes, cell: bytes, kind_of: tuple[int, ...]) -> tuple[Array, Array]:
    """As of `_surroundings`: a known state is compared with many others."""
    from ase.neighborlist import neighbor_list  # few of the processes that import this come here

    kinds = np.array(kind_of)
    atoms = Atoms(
        numbers=np.ones(len(kinds)),
        positions=np.frombuffer(positions).reshape(-1, 3),
        cell=np.frombuffer(cell).reshape(3, 3),
        pbc=True,
    )
    first, second, distance = neighbor_list("ijd", atoms, _NEAR_A)
    inside = np.clip((_NEAR_A - distance) / _FADE_A, 0.0, 1.0)
    fade = inside**2 * (3 - 2 * inside)
    fading = -6 * inside * (1 - inside) / _FADE_A
    weights = np.sqrt(2.0 + kinds[second])  # no sum of one kind is a sum of others
    sums, slopes = [], []
    for shell in _SHELLS_A:
        off = (distance - shell) / _SHELL_WIDTH_A
        bell = np.exp(-(off**2))
        value, slope = bell * fade, bell * (fading - 2 * off / _SHELL_WIDTH_A * fade)
        for weight in (np.ones(len(distance)), weights):
            sums.append(np.bincount(first, weight * value, minlength=len(atoms)))
            slopes.append(np.bincount(first, (weight * slope) ** 2, minlength=len(atoms)))
    return np.column_stack(sums), np.column_stack(slopes)


def _candidates(
    one: Atoms,
    other: Atoms,
    telling: Indices,
    alike: npt.NDArray[np.bool_],
    *,
    kinds: Indices,
    places: "_Places",
) -> Iterator[tuple[Array, Array]]:
    """Rotations and shifts that take the most telling atoms of the first onto atoms of the other."""
    anchor, probes = int(telling[0]), telling[1:]
    images = np.flatnonzero(alike[0])
    targets = np.asarray(other.positions)[images]
    offsets = minimum_image(one.positions[probes] - one.positions[anchor], one.cell.array)
    for rotation in lattice_rotations(np.asarray(one.cell.array)):
        turned = offsets @ rotation.T
        points = (targets[:, None] + turned[None]).reshape(-1, 3)
        owners = places.owners(points, np.tile(kinds[probes], len(images)))
        owners = owners.reshape(len(images), -1)
        near = (owners >= 0) & alike[np.arange(1, len(telling)), owners]
        for image in np.flatnonzero(near.all(axis=1)):
            yield rotation, targets[image] - rotation @ one.positions[anchor]


class _Places:
    """Where a structure's atoms are, with their periodic images."""

    def __init__(self, atoms: Atoms, kinds: Indices, *, tolerance_A: float) -> None:
        """Positions within `tolerance_A` of an atom of the same kind are its."""
        from scipy.spatial import cKDTree  # few of the processes that import this come here

        self._cell = np.asarray(minkowski_reduce(atoms.cell.array)[0], dtype=np.float64)
        self._positions, self._tolerance_A = np.asarray(atoms.positions), tolerance_A
        images, self._owners = with_images(
            self._positions, np.arange(len(atoms)), self._cell, margin_A=tolerance_A
        )
        self._tree = cKDTree(np.column_stack([images, kinds[self._owners] * _KINDS_APART_A]))

    def _nearest(self, points: Array, kinds: Indices) -> tuple[Array, Indices]:
        inside = np.column_stack([into_cell(points, self._cell), kinds * _KINDS_APART_A])
        distance, found = self._tree.query(inside, distance_upper_bound=self._tolerance_A)
        return distance, found

    def owners(self, points: Array, kinds: Indices) -> Indices:
        """(M,) the atom of that kind that is there; -1 where there is none."""
        distance, nearest = self._nearest(points, kinds)
        there = np.isfinite(distance)
        return np.where(there, self._owners[np.where(there, nearest, 0)], -1)

    def taken(self, points: Array, kinds: Indices, rotation: Array) -> Isometry | None:
        """The operation that puts all atoms to these points; None where they are not the structure's."""
        distance, nearest = self._nearest(points, kinds)
        if not np.isfinite(distance).all():
            return None
        mapping = self._owners[nearest]
        if len(np.unique(mapping)) != len(mapping):
            return None
        off = minimum_image(points - self._positions[mapping], self._cell)
        off -= off.mean(axis=0)  # the shift came from one atom
        return Isometry(rotation, mapping, float(np.linalg.norm(off, axis=1).max()))
