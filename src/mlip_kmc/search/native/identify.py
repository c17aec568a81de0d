"""What a place on the landscape is known as: the state's own minimum, or a saddle that was registered before.

State(ground, minimum).is_reached_from(point)      # going down from there ends in the minimum
KnownSaddles(positions).nearest(positions, anchored=False)     # (index, distance in A)
"""

from dataclasses import dataclass

import numpy as np

from mlip_kmc.model.atom_path import without_drift
from mlip_kmc.search.native.landscape import Array, Landscape, Point


@dataclass(frozen=True)
class State:
    """The minimum that is searched, and what counts as the same.

    Attributes:
        landscape: that it lies on. minimum: it.
        distance_A: the largest displacement of an atom. energy_eV: the largest difference.
    """

    landscape: Landscape
    minimum: Point
    distance_A: float
    energy_eV: float

    def distance_of(self, point: Point) -> float:
        """The largest distance of an atom from its place in the minimum, A; a drift of the whole does not count."""
        moved = self.landscape.vectors_of(point.place - self.minimum.place)
        left = without_drift(moved, anchored=self.landscape.anchored)
        return float(np.linalg.norm(left, axis=1).max())

    def is_same(self, point: Point) -> bool:
        """Is a minimum this one? As eOn compares structures, index by index."""
        near = self.distance_of(point) <= self.distance_A
        return near and abs(point.energy_eV - self.minimum.energy_eV) <= self.energy_eV

    def is_reached_from(self, point: Point) -> bool:
        """Is a point on its way down to the minimum so near that where it ends is this state?

        It is within the distance and the energy by which states are the same, and the forces pull towards the minimum: what it
        could miss is a minimum that counts as the same state.
        """
        towards = self.minimum.place - point.place
        return self.is_same(point) and float(point.gradient @ towards) <= 0.0


@dataclass(frozen=True)
class KnownSaddles:
    """Saddles of a state that were registered before a search began.

    Attributes:
        positions_A: (K, N, 3), next to the state's own.
    """

    positions_A: Array

    def nearest(self, positions: Array, *, anchored: bool) -> tuple[int, float]:
        """The index of the nearest one, and the largest distance of an atom from its place there, A; -1 where there is none."""
        if len(self.positions_A) == 0:
            return -1, float("inf")
        moved = positions - self.positions_A
        if not anchored:
            moved = moved - moved.mean(axis=1, keepdims=True)
        farthest = np.sqrt(np.square(moved).sum(axis=2).max(axis=1))
        index = int(np.argmin(farthest))
        return index, float(farthest[index])
