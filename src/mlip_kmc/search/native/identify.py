"""What a place on the landscape is known as: the state's own minimum, or a saddle that was registered before.

State(landscape, minimum, 0.1, 0.01).is_reached_from(point)      # going down from there ends in the minimum
KnownSaddles(positions).nearest(positions, anchored=False)     # (index, distance in A)
"""

from dataclasses import dataclass, field, replace

import numpy as np

from mlip_kmc.model.atom_path import without_drift
from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.landscape import Array, Landscape, Point
from mlip_kmc.search.native.region import Region
from mlip_kmc.search.outcome import Beyond, KnownSaddle, Termination

EARLY_STOP_A = 0.4
"""Nearer than this to a known saddle, with negative curvature, no climb of 36 ended elsewhere; of those below 0.8 A six did."""
_MARGIN = 3.0
"""Of the change of the energy that is still expected, before a saddle is told to be out of the window."""


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
        elsewhere_A: (K,) how far an atom that is not among the N is moved at least; None: there is none.
    """

    positions_A: Array
    elsewhere_A: Array | None = None

    def within(self, region: Region) -> "KnownSaddles":
        """Those of the whole structure, as a search in a region of it knows them."""
        moved = self.positions_A - np.asarray(region.home.positions)
        moved[:, region.indices] = 0.0
        return KnownSaddles(
            np.stack([region.part(positions) for positions in self.positions_A]),
            np.sqrt(np.square(moved).sum(axis=2).max(axis=1)),
        )

    def nearest(self, positions: Array, *, anchored: bool) -> tuple[int, float]:
        """The index of the nearest one, and the largest distance of an atom from its place there, A; -1 where there is none."""
        if len(self.positions_A) == 0:
            return -1, float("inf")
        moved = positions - self.positions_A
        if not anchored:
            moved = moved - moved.mean(axis=1, keepdims=True)
        farthest = np.sqrt(np.square(moved).sum(axis=2).max(axis=1))
        if self.elsewhere_A is not None:
            farthest = np.maximum(farthest, self.elsewhere_A)
        index = int(np.argmin(farthest))
        return index, float(farthest[index])


@dataclass
class Identification:
    """Tells while a climb goes on where it will end; asked at every point of negative curvature.

    Attributes:
        landscape: that is climbed. minimum: the state's.
        saddles: that are known; None where the search was given none.
        within_A: so near to one of them the climb is on its way there.
        audited: it goes on to its end all the same.
        window_eV: saddles further above the state are of no use; None: all are.
        window_audited: one that is sure to be beyond goes on to its end all the same.
        known: what it is on its way to. beyond: what becomes of one that is sure to end out of the window.
    """

    landscape: Landscape
    minimum: Point
    saddles: KnownSaddles | None = None
    within_A: float = EARLY_STOP_A
    audited: bool = False
    window_eV: float | None = None
    window_audited: bool = False
    known: KnownSaddle | None = field(default=None, init=False)
    beyond: Beyond | None = field(default=None, init=False)

    def __call__(self, point: Point, model: HessianModel, slope: Array) -> Termination | None:
        """What ends the climb; None: it goes on."""
        if self.known is None and self.beyond is None and self.saddles is not None:
            index, distance_A = self._nearest(self.saddles, point)
            if distance_A < self.within_A:
                self.known = KnownSaddle(index, distance_A, audited=self.audited)
                if not self.audited:
                    return Termination.KNOWN_SADDLE
        if self.window_eV is None or self.known is not None or self.beyond is not None:
            return None
        sure = self._height(point) - _MARGIN * model.expected_change(slope)
        if not sure > self.window_eV:
            return None
        self.beyond = Beyond(audited=self.window_audited)
        return None if self.window_audited else Termination.OUT_OF_WINDOW

    def _height(self, point: Point) -> float:
        return point.energy_eV - self.minimum.energy_eV

    def is_out(self, saddle: Point) -> bool:
        """A saddle is out of the window."""
        return self.window_eV is not None and not self._height(saddle) <= self.window_eV

    def audit(self, saddle: Point | None, *, same_A: float) -> None:
        """Note whether an audited climb ended at the saddle that it was told to be on its way to, or out of the window.

        Args:
            saddle: where it ended; None where that is none.
            same_A: within which two saddles are one.
        """
        if self.beyond is not None and self.beyond.audited:
            self.beyond = replace(self.beyond, confirmed=saddle is None or self.is_out(saddle))
        if self.known is None or self.saddles is None or not self.audited:
            return
        index, distance_A = (-1, 0.0) if saddle is None else self._nearest(self.saddles, saddle)
        confirmed = index == self.known.index and distance_A <= same_A
        self.known = replace(self.known, confirmed=confirmed)

    def _nearest(self, saddles: KnownSaddles, point: Point) -> tuple[int, float]:
        positions = self.landscape.positions_of(point.place)
        return saddles.nearest(positions, anchored=self.landscape.anchored)
