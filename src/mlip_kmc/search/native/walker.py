"""A landscape with its metric: points, curvatures along directions, and steps of bounded length.

ground = Ground(landscape, metric, rigid=rigid)
ground.curvature_along(point, direction)          # H v, in the metric's coordinates, for one force call
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.landscape import Array, Landscape, Point, largest_of
from mlip_kmc.search.native.springs import SpringMetric

APART_A = 5e-3
"""The largest move of an atom in a finite difference of forces."""
_TOLD_EV = 1e-4
"""Energies that change less tell nothing of a prediction."""
_WELL, _BADLY = 1.5, 4.0
"""A ratio of actual and predicted change within the first, or beyond the second."""
_GROWS, _SHRINKS = 1.5, 0.6
_FLOOR = 1e-3
"""Over the mean curvature: what is softer is taken for so stiff in a step."""
_TRIES, _HALVINGS, _SLACK = 4, 40, 1.05
_SOFTEST = 1e-3
"""Of all curvatures, in units of eV/A^2 and of the springs: below, a landscape is flat and steps are as long as they may be."""


@dataclass(frozen=True)
class Ground:
    """What a search walks on.

    Attributes:
        landscape: of the free atoms. metric: of its vectors.
        rigid: (3 n, k) orthonormal in the metric's coordinates: motions that cost no energy, which nothing follows.
    """

    landscape: Landscape
    metric: SpringMetric
    rigid: Array

    @classmethod
    def of(cls, landscape: Landscape, metric: SpringMetric, *, turns: bool = False) -> "Ground":
        """With the motions that cost no energy: translations where nothing is fixed, and rotations of a free cluster."""
        moves = _rigid(landscape, turns=turns)
        scaled = [metric.scaled(move) for move in moves]
        size = 3 * len(landscape.free)
        rigid = np.linalg.qr(np.column_stack(scaled))[0] if scaled else np.zeros((size, 0))
        return cls(landscape, metric, rigid)

    def slope(self, point: Point) -> Array:
        """The gradient in the metric's coordinates."""
        return self.without_rigid(self.metric.gradient(point.gradient))

    def without_rigid(self, scaled: Array) -> Array:
        """A vector without its part along rigid motions."""
        return scaled - self.rigid @ (self.rigid.T @ scaled)

    def moved(self, point: Point, scaled: Array) -> Point:
        """The point at a step in the metric's coordinates."""
        return self.landscape.point(point.place + self.metric.step_of(scaled))

    def length_A(self, scaled: Array) -> float:  # noqa: N802 - a unit
        """The largest move of an atom in a step."""
        return largest_of(self.metric.step_of(scaled))

    def curvature_along(self, point: Point, direction: Array) -> Array:
        """The Hessian's product with a direction, both in the metric's coordinates; a one-sided difference, one force call."""
        apart = APART_A / self.length_A(direction)
        there = self.moved(point, apart * direction)
        return (self.slope(there) - self.slope(point)) / apart

    def stiffness(self, point: Point) -> float:
        """The mean curvature, estimated along one direction that follows from nothing but the size; one force call."""
        drawn = np.random.default_rng(0).normal(size=len(point.place))
        direction = self.without_rigid(drawn)
        direction = direction / max(float(np.linalg.norm(direction)), 1e-300)
        return max(abs(float(direction @ self.curvature_along(point, direction))), _SOFTEST)


def _rigid(landscape: Landscape, *, turns: bool) -> list[Array]:
    """Directions (3 n,) of rigid motions."""
    if landscape.anchored:
        return []
    places = landscape.frame_A - landscape.frame_A.mean(axis=0)
    axes = np.eye(3)
    shifts = [np.tile(axis, len(places)) for axis in axes]
    rotations = [np.cross(axis, places).ravel() for axis in axes] if turns else []
    moving = [move for move in rotations if float(np.linalg.norm(move)) > 0.0]
    return [*shifts, *moving]


@dataclass(frozen=True)
class Trust:
    """How far an atom may move in a step, by how well the last one was predicted.

    Attributes:
        radius_A: now. longest_A, shortest_A: between which it stays.
    """

    radius_A: float
    longest_A: float
    shortest_A: float = 0.02

    def after(self, change_eV: float, *, predicted: float, moved_A: float) -> "Trust":
        """What it is after a step.

        Args:
            change_eV: of the energy.
            predicted: the same, by the model.
            moved_A: the largest move of an atom.
        """
        if not abs(predicted) > _TOLD_EV:
            return self
        ratio = change_eV / predicted
        if 1.0 / _WELL < ratio < _WELL:
            return replace(self, radius_A=min(_GROWS * self.radius_A, self.longest_A))
        if 1.0 / _BADLY < ratio < _BADLY:
            return self
        return replace(self, radius_A=max(_SHRINKS * min(self.radius_A, moved_A), self.shortest_A))


def bounded_step(
    model: HessianModel, slope: Array, *, ground: Ground, longest_A: float, climb: bool
) -> tuple[Array, float]:
    """A quasi-Newton step in which no atom moves further than it may: up along the lowest mode, down along all others.

    Both parts are bounded apart, then their sum is: along a soft mode a climb would otherwise leave its valley behind.

    Args:
        model: of the Hessian.
        slope: the gradient, in the same coordinates.
        ground: what is walked on.
        longest_A: the largest move of an atom.
        climb: False: down along all.

    Returns:
        the step, and the change of the energy that the model predicts.
    """
    step = _down(model, slope, ground=ground, longest_A=longest_A, leave=1 if climb else 0)
    if climb:
        value, mode = model.lowest
        up = (float(mode @ slope) / max(abs(value), _FLOOR * model.curvature)) * mode
        step = step + _bounded(up, ground, longest_A)
    step = _bounded(step, ground, longest_A)
    return step, float(slope @ step + 0.5 * step @ model.times(step))


def _bounded(step: Array, ground: Ground, longest_A: float) -> Array:
    moved = ground.length_A(step)
    return step if moved <= longest_A else step * (longest_A / moved)


def _down(
    model: HessianModel, slope: Array, *, ground: Ground, longest_A: float, leave: int
) -> Array:
    """Down along all but the lowest `leave` directions, shifted until it is short enough."""
    known = model.vectors.T @ slope
    outside = slope - model.vectors @ known
    known[:leave] = 0.0
    far = float(outside @ outside)
    # down also where the landscape bends down, as far as it bends: Dauphin et al., arXiv:1406.2572
    stiffness = np.maximum(np.abs(model.values), _FLOOR * model.curvature)

    def length(by: float) -> float:
        inside = np.square(known / (stiffness + by)).sum()
        return float(np.sqrt(inside + far / (model.curvature + by) ** 2))

    def step_with(by: float) -> Array:
        inside = known / (stiffness + by)
        return np.asarray(-(model.vectors @ inside) - outside / (model.curvature + by))

    shift, step = 0.0, step_with(0.0)
    for _ in range(_TRIES):
        moved = ground.length_A(step)
        if not moved > _SLACK * longest_A:
            break
        shift = _shift_for(length, shift, wanted=length(shift) * longest_A / moved)
        step = step_with(shift)
    return step


def _shift_for(length: Callable[[float], float], shift: float, *, wanted: float) -> float:
    """The shift with which a step has the wanted length: it falls with the shift."""
    low, width = shift, 1.0
    while length(shift + width) > wanted:
        width *= 4.0
    high = shift + width
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if length(middle) > wanted else (low, middle)
    return high
