"""From a displaced structure to a saddle point: first down, until it is near the states' energies, then up along the lowest mode.

    climbed = Climb(ground, limits, reactant=point, stiffness=1.4).go(place, direction=direction)
    climbed.termination, climbed.point, climbed.mode, climbed.curvature

A displacement that is large enough to lead somewhere is mostly noise of high energy: a climb from there wanders among saddles far
above what a rate table takes. Steepest descent takes the stiff part of it off in a few steps and leaves the soft part, which
leads to the low saddles. Then the steps follow the lowest eigenvector of a Hessian that is learnt on the way (Cerjan and
Miller, J. Chem. Phys. 75, 2800 (1981)); one force call more is spent on its curvature where that is not surely negative.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.landscape import Array, Point, largest_of
from mlip_kmc.search.native.walker import Ground, Trust, bounded_step
from mlip_kmc.search.outcome import Termination

_LONGEST_A, _SHORTEST_A = 0.2, 0.03
"""Between these lies the longest move of an atom in a step."""
_MOST_DOWN = 20
"""Steps of descent; what is still higher then climbs from there."""
_DOWN = 0.7
"""A step of descent is the force over so much of the stiffest spring."""
_SURELY = 0.05
"""Over the mean curvature: a lowest one that is not so far below zero is looked at again."""
_FIRST_TURNS, _TURNS = 3, 1
"""Force calls for the lowest mode at most, before the climb and when it is looked at again."""
_SETTLED = 0.3
"""Over the mean curvature: what the Hessian's product with a mode may have across the mode."""
_LONG_AGO = 10
"""Steps after which the curvature is looked at again in any case."""


@dataclass(frozen=True)
class Limits:
    """When a climb ends.

    Attributes:
        force_eV_per_A: the largest on an atom at a saddle.
        start_energy_eV: down to which the displaced structure is relaxed, above the reactant.
        max_energy_eV: above the reactant, from which it is given up.
        steps: so many at most.
    """

    force_eV_per_A: float
    start_energy_eV: float
    max_energy_eV: float
    steps: int


@dataclass(frozen=True)
class Climbed:
    """Where a climb ended.

    Attributes:
        termination: `GOOD` at a saddle.
        point: there. mode: (3 n,) of the lowest curvature, in A, without a length of its own.
        curvature: along it, over the springs' stiffness; negative at a saddle.
        steps: of the climb.
        model: what it learnt of the Hessian.
    """

    termination: Termination
    point: Point
    mode: Array
    curvature: float
    steps: int
    model: HessianModel


@dataclass
class Climb:
    """One climb.

    Attributes:
        ground: what it walks on. limits: when it ends.
        reactant: the state's minimum. stiffness: the mean curvature there, in the metric's coordinates.
        ends: asked at each step of negative curvature; what it names ends the climb.
        looks: spends force calls on the curvature along the lowest mode.
    """

    ground: Ground
    limits: Limits
    reactant: Point
    stiffness: float
    ends: Callable[[Point, HessianModel, Array], Termination | None] = lambda *_: None
    looks: bool = True

    def go(self, place: Array, *, direction: Array, descend: bool = True) -> Climbed:
        """Climb.

        Args:
            place: (3 n,) the displaced structure.
            direction: (3 n,) the guess of the mode, where it does not descend.
            descend: False where the start is a saddle that was known before.
        """
        point = self.ground.landscape.point(place)
        if descend:
            point = self._down(point)
            direction = point.place - self.reactant.place
        model = HessianModel.empty(len(place), curvature=self.stiffness)
        first = self.ground.without_rigid(self.ground.metric.scaled(direction))
        self._learned(model, point, first / max(float(np.linalg.norm(first)), 1e-300))
        self._look(model, point, most=_FIRST_TURNS)
        return self._up(point, model)

    def on(self, point: Point, *, model: HessianModel) -> Climbed:
        """Climb on from where another climb ended, along the mode that it has looked at."""
        self.looks = False
        return self._up(point, model)

    def _down(self, point: Point) -> Point:
        step = 1.0 / (_DOWN * self.stiffness * self.ground.metric.stiffest)
        for _ in range(_MOST_DOWN):
            if not self._height(point) > self.limits.start_energy_eV:
                break
            move = -step * point.gradient
            move *= min(1.0, _LONGEST_A / max(largest_of(move), 1e-300))
            point = self.ground.landscape.point(point.place + move)
        return point

    def _height(self, point: Point) -> float:
        return point.energy_eV - self.reactant.energy_eV

    def _look(self, model: HessianModel, point: Point, *, most: int) -> None:
        """Learn the curvature along the lowest mode, and turn it until it is one, for at most so many force calls."""
        for _ in range(most):
            direction = model.lowest[1]
            if not self._learned(model, point, direction) > _SETTLED * model.curvature:
                break

    def _learned(self, model: HessianModel, point: Point, direction: Array) -> float:
        """Learn the curvature along a direction, for one force call; how far the direction is from an eigenvector."""
        change = self.ground.without_rigid(self.ground.curvature_along(point, direction))
        model.learn(direction, change)
        return float(np.linalg.norm(change - float(direction @ change) * direction))

    def _up(self, point: Point, model: HessianModel) -> Climbed:
        trust, since = Trust(_LONGEST_A, longest_A=_LONGEST_A, shortest_A=_SHORTEST_A), 0
        for taken in range(self.limits.steps + 1):
            converged = point.force_eV_per_A <= self.limits.force_eV_per_A
            if self._doubts(model) or (self.looks and (since >= _LONG_AGO or converged)):
                self._look(model, point, most=_TURNS)
                since = 0
            lowest, mode = model.lowest
            termination = self._ended(point, model, converged=converged and lowest < 0.0)
            if termination is not None or taken == self.limits.steps:
                told = termination or Termination.TOTAL_ITERATIONS
                return Climbed(told, point, self.ground.metric.step_of(mode), lowest, taken, model)
            point, trust = self._step(point, model, trust)
            since += 1
        raise AssertionError("a loop that returns")

    def _doubts(self, model: HessianModel) -> bool:
        """The lowest curvature is not surely negative."""
        return not model.lowest[0] <= -_SURELY * model.curvature

    def _ended(self, point: Point, model: HessianModel, *, converged: bool) -> Termination | None:
        if converged:
            return Termination.GOOD
        if not self._height(point) <= self.limits.max_energy_eV:
            return Termination.HIGH_ENERGY
        if model.lowest[0] < 0.0:
            return self.ends(point, model, self.ground.slope(point))
        return None

    def _step(self, point: Point, model: HessianModel, trust: Trust) -> tuple[Point, Trust]:
        """The next point, and how far an atom may move then."""
        slope = self.ground.slope(point)
        step, predicted = bounded_step(
            model, slope, ground=self.ground, longest_A=trust.radius_A, climb=True
        )
        there = self.ground.moved(point, step)
        model.learn(step, self.ground.slope(there) - slope)
        change = there.energy_eV - point.energy_eV
        return there, trust.after(change, predicted=predicted, moved_A=self.ground.length_A(step))
