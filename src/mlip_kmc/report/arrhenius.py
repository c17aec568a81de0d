"""Effective barriers: straight lines through logarithms of diffusion coefficients against 1/kT. Pure.

Example:
    found = fit([Point(kT_eV=0.043, value=1e-13, error=1e-14), Point(kT_eV=0.052, value=9e-13, error=5e-14)])
    found.barrier_eV, found.barrier_error_eV

ln D = ln D0 - E/kT by least squares, each point weighted with (D/error)^2, the inverse variance of ln D. The error is that of
propagation; where three points or more scatter by more than their errors say (chi^2 above its degrees of freedom), it is
larger by the root of that ratio (Birge, Phys. Rev. 40, 207 (1932)). Two points have no scatter to tell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A coefficient with its standard error, both in the same unit, at a kT in eV."""

    kT_eV: float
    value: float
    error: float

    @property
    def counts(self) -> bool:
        """It has a logarithm with an error."""
        return all(0 < number < math.inf for number in (self.kT_eV, self.value, self.error))


@dataclass(frozen=True)
class Arrhenius:
    """ln D = log_prefactor - barrier/kT, with D in the unit of the points.

    Attributes:
        barrier_eV, barrier_error_eV: effective barrier, and its standard error.
        log_prefactor, log_prefactor_error: natural logarithm of the prefactor, and its standard error.
        points: how many. scatter: chi^2 over its degrees of freedom; None for two points.
    """

    barrier_eV: float
    barrier_error_eV: float
    log_prefactor: float
    log_prefactor_error: float
    points: int
    scatter: float | None

    def at(self, kT_eV: float) -> float:
        """The line's value."""
        return math.exp(self.log_prefactor - self.barrier_eV / kT_eV)


def fit(points: Sequence[Point]) -> Arrhenius | None:
    """The line; None where fewer than two temperatures have a positive value with an error."""
    good = [point for point in points if point.counts]
    if len({point.kT_eV for point in good}) < 2:
        return None
    x = [-1 / point.kT_eV for point in good]
    y = [math.log(point.value) for point in good]
    weights = [(point.value / point.error) ** 2 for point in good]
    total = sum(weights)
    middle_x = sum(w * a for w, a in zip(weights, x, strict=True)) / total
    middle_y = sum(w * b for w, b in zip(weights, y, strict=True)) / total
    spread = sum(w * (a - middle_x) ** 2 for w, a in zip(weights, x, strict=True))
    slope = (
        sum(w * (a - middle_x) * (b - middle_y) for w, a, b in zip(weights, x, y, strict=True))
        / spread
    )
    start = middle_y - slope * middle_x
    scatter = None
    if len(good) > 2:
        rest = (w * (b - start - slope * a) ** 2 for w, a, b in zip(weights, x, y, strict=True))
        scatter = sum(rest) / (len(good) - 2)
    larger = math.sqrt(max(1.0, scatter or 0.0))
    return Arrhenius(
        barrier_eV=slope,
        barrier_error_eV=larger / math.sqrt(spread),
        log_prefactor=start,
        log_prefactor_error=larger * math.sqrt(1 / total + middle_x**2 / spread),
        points=len(good),
        scatter=scatter,
    )
