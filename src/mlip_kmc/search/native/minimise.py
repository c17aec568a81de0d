"""Down to a minimum, by quasi-Newton steps in the springs' metric with what a climb has learnt of the Hessian.

    minimised = minimise(ground, point, model=model, force_eV_per_A=1e-3, steps=1000)
    minimised.end is MinimiseEnd.CONVERGED

Each step is as long as the last predictions allow (Nocedal and Wright, Numerical Optimization, 2nd ed., ch. 4).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.landscape import Point
from mlip_kmc.search.native.walker import Ground, Trust, bounded_step

_FIRST_A, _LONGEST_A = 0.2, 0.5
_UPHILL_EV = 1e-7
"""Energies have no more digits."""


class MinimiseEnd(StrEnum):
    """How a minimisation ended."""

    CONVERGED = "converged"
    RECOGNISED = "recognised"
    STEPS = "steps"


@dataclass(frozen=True)
class Minimised:
    """Where a minimisation ended.

    Attributes:
        end: how. point: where. steps: it took.
    """

    end: MinimiseEnd
    point: Point
    steps: int


def minimise(
    ground: Ground,
    point: Point,
    *,
    model: HessianModel,
    force_eV_per_A: float,
    steps: int,
    recognised: Callable[[Point], bool] = lambda _: False,
) -> Minimised:
    """Go down from a point.

    Args:
        ground: what it walks on.
        point: where it starts.
        model: of the Hessian; it learns on.
        force_eV_per_A: the largest on an atom at a minimum.
        steps: so many at most.
        recognised: asked at each point; true where it is known where this leads.
    """
    trust = Trust(_FIRST_A, longest_A=_LONGEST_A)
    slope = ground.slope(point)
    for taken in range(steps + 1):
        if recognised(point):
            return Minimised(MinimiseEnd.RECOGNISED, point, taken)
        if point.force_eV_per_A <= force_eV_per_A:
            return Minimised(MinimiseEnd.CONVERGED, point, taken)
        if taken == steps:
            break
        step, predicted = bounded_step(
            model, slope, ground=ground, longest_A=trust.radius_A, climb=False
        )
        there = ground.moved(point, step)
        now = ground.slope(there)
        model.learn(step, now - slope)
        change = there.energy_eV - point.energy_eV
        trust = trust.after(change, predicted=predicted, moved_A=ground.length_A(step))
        if change <= _UPHILL_EV:  # else what was learnt is good, and the place is not
            point, slope = there, now
    return Minimised(MinimiseEnd.STEPS, point, steps)
