"""The minima on both sides of a saddle: the state's own, which is told before its end, and the product.

connected = Connection(ground, state, force_eV_per_A=1e-3, steps=1000).of(climbed)
connected.termination, connected.reactant, connected.product
"""

from dataclasses import dataclass, replace

import numpy as np

from mlip_kmc.search.native.climb import Climbed
from mlip_kmc.search.native.identify import State
from mlip_kmc.search.native.landscape import Array, Point
from mlip_kmc.search.native.minimise import Minimised, MinimiseEnd, minimise
from mlip_kmc.search.native.walker import Ground
from mlip_kmc.search.outcome import Termination

OFFSET_A = 0.2
"""From the saddle, along its mode, as eOn's client begins: the length of the whole displacement."""


@dataclass(frozen=True)
class Connected:
    """What lies beside a saddle.

    Attributes:
        termination: `GOOD` where one side is the state and the other is not.
        reactant: the state's minimum, as it was known before.
        product: None where the saddle is not connected.
        led_back: both sides are the state.
    """

    termination: Termination
    reactant: Point
    product: Point | None = None
    led_back: bool = False


@dataclass(frozen=True)
class Connection:
    """How the sides of a saddle are relaxed.

    Attributes:
        ground: what is walked on. state: that was searched.
        force_eV_per_A: the largest on an atom at a minimum. steps: at most so many, a side.
    """

    ground: Ground
    state: State
    force_eV_per_A: float
    steps: int

    def of(self, climbed: Climbed) -> Connected:
        """Relax both sides; first that on which the state lies."""
        saddle, mode = climbed.point, climbed.mode / np.linalg.norm(climbed.mode)
        back = self.state.minimum.place - saddle.place
        towards = mode if float(mode @ back) >= 0.0 else -mode
        sides = []
        for direction in (towards, -towards):
            side = self._side(climbed, OFFSET_A * direction)
            if side.end is MinimiseEnd.STEPS:
                return self._failed(Termination.MINIMUM_NOT_CONVERGED)
            sides.append(side.point)
        ours = [self.state.is_same(point) for point in sides]
        if all(ours) or not any(ours):
            return self._failed(Termination.NOT_CONNECTED, led_back=all(ours))
        product = sides[ours.index(False)]
        return Connected(Termination.GOOD, self.state.minimum, product)

    def _side(self, climbed: Climbed, move: Array) -> Minimised:
        return minimise(
            self.ground,
            self.ground.landscape.point(climbed.point.place + move),
            force_eV_per_A=self.force_eV_per_A,
            steps=self.steps,
            model=replace(climbed.model),
            recognised=self.state.is_reached_from,
        )

    def _failed(self, termination: Termination, *, led_back: bool = False) -> Connected:
        return Connected(termination, self.state.minimum, led_back=led_back)
