"""The edges of a box that is cut out of a structure: vectors that carry the structure onto itself.

    axes = axes_of(atoms)                                    # with the width of vacuum, where there is some
    edge, was_cut = edge_of(atoms, axes, 0, spans=spans, lookup=Lookup(atoms), nearest_A=2.5)

Candidates are the differences between one atom near the low face of the box and all others. Each is tried on the atoms near
that face: a lattice vector carries nearly all of them onto atoms of their element. The shortest that is long enough is taken.
In a random alloy the place alone must be right, unless elements meet less often than by chance (two sublattices that change
roles). Without any, as in a glass, the edge is as long as is needed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell

from mlip_kmc.learning.cutout.surroundings import Lookup
from mlip_kmc.model.structure import Array

VACUUM_A = 5.0
"""A wider gap without atoms is vacuum."""
_CONE = float(np.cos(np.radians(20.0)))
_SAME = 0.35
"""Of the nearest distance: two places that are so near to each other are one."""
_FACE_A, _LEVEL_A = 4.0, 0.3
_ALIKE, _IN_PLACE, _LESS_THAN_CHANCE = 0.9, 0.95, 0.15
_MOST_SAMPLES, _MOST_TRIED, _LITTLE_LONGER = 150, 400, 1.5


@dataclass(frozen=True)
class Axis:
    """One edge of the structure's cell.

    Attributes:
        edge: (3,) in A.
        normal: (3,) unit vector, to the other two.
        height_A: of the cell along the normal.
        vacuum_A: width of the gap without atoms, along the normal; None where there is none.
        start: fractional coordinate of the middle of the gap.
    """

    edge: Array
    normal: Array
    height_A: float
    vacuum_A: float | None
    start: float


@dataclass(frozen=True)
class Span:
    """What a box must hold along the normal of an axis, from `low_A` to `high_A`."""

    low_A: float
    high_A: float

    @classmethod
    def of(cls, points: Array, axis: Axis, *, reach_A: float) -> "Span":
        """That of points (n, 3) with so much around."""
        heights = points @ axis.normal
        return cls(float(heights.min()) - reach_A, float(heights.max()) + reach_A)

    @property
    def width(self) -> float:
        """Its length, in A."""
        return self.high_A - self.low_A


def axes_of(atoms: Atoms) -> tuple[Axis, ...]:
    """The three axes of a structure."""
    cell = np.asarray(complete_cell(atoms.cell), dtype=float)
    scaled = atoms.positions @ np.linalg.inv(cell)
    volume = abs(float(np.linalg.det(cell)))
    found = []
    for number in range(3):
        across = np.cross(cell[(number + 1) % 3], cell[(number + 2) % 3])
        normal = across / np.linalg.norm(across) * np.sign(across @ cell[number])
        height_A = volume / float(np.linalg.norm(across))
        gap, start = _gap(scaled[:, number], periodic=bool(atoms.pbc[number]))
        found.append(
            Axis(
                edge=cell[number],
                normal=normal,
                height_A=height_A,
                vacuum_A=gap * height_A
                if not atoms.pbc[number] or gap * height_A > VACUUM_A
                else None,
                start=start,
            )
        )
    return tuple(found)


def _gap(values: Array, *, periodic: bool) -> tuple[float, float]:
    """The widest gap of fractional coordinates, and its middle."""
    if not periodic:
        return max(0.0, 1.0 - float(np.ptp(values))), float(values.min())
    ordered = np.sort(values % 1.0)
    gaps = np.diff(np.append(ordered, ordered[0] + 1.0))
    widest = int(np.argmax(gaps))
    return float(gaps[widest]), float(ordered[widest] + gaps[widest] / 2)


def edge_of(
    atoms: Atoms,
    axes: Sequence[Axis],
    number: int,
    *,
    spans: Sequence[Span],
    lookup: Lookup,
    nearest_A: float,
) -> tuple[Array, bool]:
    """The edge along an axis, and whether it is another than the structure's own."""
    axis, width_A = axes[number], spans[number].width
    if axis.vacuum_A is not None or not width_A < axis.height_A - nearest_A / 2:
        return axis.edge, False
    trial = _Trial(atoms, axes, number, spans=spans, lookup=lookup, nearest_A=nearest_A)
    by_chance = sum((n / len(atoms)) ** 2 for n in Counter(atoms.numbers.tolist()).values())
    in_place: Array | None = None
    for vector in trial.candidates():
        alike, placed, better = trial.matches(vector)
        if alike >= _ALIKE:
            return better, True
        if in_place is None and placed >= _IN_PLACE and alike >= by_chance - _LESS_THAN_CHANCE:
            in_place = better
    if in_place is not None:
        return in_place, True
    if axis.height_A <= _LITTLE_LONGER * width_A:
        return axis.edge, False
    return axis.edge * (width_A / axis.height_A), True


class _Trial:
    """Tries vectors on the atoms near one face."""

    def __init__(
        self,
        atoms: Atoms,
        axes: Sequence[Axis],
        number: int,
        *,
        spans: Sequence[Span],
        lookup: Lookup,
        nearest_A: float,
    ) -> None:
        self._atoms, self._axes, self._number = atoms, axes, number
        self._spans, self._lookup = spans, lookup
        self._near_A = _SAME * nearest_A
        cell = np.array([axis.edge for axis in axes])
        self._middle = (
            np.array([(span.low_A + span.high_A) / 2 for span in spans])
            @ np.linalg.inv(np.array([axis.normal for axis in axes])).T
        )
        self._relative = lookup.vectors(atoms.positions - self._middle)
        self._cell = cell
        self._samples = self._near_the_face()

    def _near_the_face(self) -> Array:
        """(m, 3) atoms near the low face of the box, those nearest to it first."""
        axis, span = self._axes[self._number], self._spans[self._number]
        depth = np.abs(self._relative @ axis.normal + span.width / 2)
        inside = depth <= _FACE_A
        for number, (other, its) in enumerate(zip(self._axes, self._spans, strict=True)):
            if number != self._number:
                inside &= np.abs(self._relative @ other.normal) <= its.width / 2 + _FACE_A
        order = np.argsort(depth[inside], kind="stable")[:_MOST_SAMPLES]
        self._indices = np.flatnonzero(inside)[order]
        found: Array = self._middle + self._relative[self._indices]
        return found

    def candidates(self) -> list[Array]:
        """Differences between atoms that are long enough, the shortest first."""
        if not len(self._indices):
            return []
        axis, width_A = self._axes[self._number], self._spans[self._number].width
        scaled = (self._atoms.positions - self._samples[0]) @ np.linalg.inv(self._cell)
        for number, other in enumerate(self._axes):
            if number == self._number:
                scaled[:, number] %= 1.0
            elif other.vacuum_A is None:
                scaled[:, number] -= np.round(scaled[:, number])
        vectors = scaled @ self._cell
        length, along = np.linalg.norm(vectors, axis=1), vectors @ axis.normal
        unit = axis.edge / np.linalg.norm(axis.edge)
        good = (along >= width_A) & (along < axis.height_A - self._near_A)
        good &= vectors @ unit >= _CONE * length
        for other in self._axes:
            if other.vacuum_A is not None:
                good &= np.abs(vectors @ other.normal) <= _LEVEL_A
        chosen = np.flatnonzero(good)
        chosen = chosen[
            np.lexsort([chosen, np.round(length[chosen], 3), np.round(along[chosen], 1)])
        ]
        return list(self._level(vectors[chosen[:_MOST_TRIED]]))

    def _level(self, vectors: Array) -> Array:
        """Without what leads out of the plane of a slab."""
        for other in self._axes:
            if other.vacuum_A is not None:
                vectors = vectors - np.outer(vectors @ other.normal, other.normal)
        return vectors

    def matches(self, vector: Array) -> tuple[float, float, Array]:
        """Shares of the atoms that meet one of their element, and any; and the vector that meets them best."""
        for _ in range(2):
            moved = self._samples + vector
            distances, met = self._lookup.nearest(moved)
            placed = distances <= self._near_A
            if not placed.any():
                return 0.0, 0.0, vector
            away = self._lookup.vectors(self._atoms.positions[met] - moved)
            vector = self._level((vector + away[placed].mean(axis=0))[None])[0]
        alike = placed & (self._atoms.numbers[met] == self._atoms.numbers[self._indices])
        return float(alike.mean()), float(placed.mean()), vector
