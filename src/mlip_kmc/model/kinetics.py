"""Kinetic Monte Carlo on given rates: which process, and after how long. Pure: numbers in, numbers out.

Example:
    rng = step_generator(seed=1, step=0)
    index, residence_s = draw_step([1e9, 2e9], rng)

The rejection-free algorithm of Bortz, Kalos and Lebowitz, J. Comput. Phys. 17, 10 (1975).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.clock import NoStepError, StepFault

Array = npt.NDArray[np.float64]

_DISPLACEMENT_STREAM = 1
_KMC_STREAM = 2
_LEAST_DRAWN = 2.0**-54
"""In place of a zero that was drawn: half of the next larger number."""


def step_generator(*, seed: int, step: int) -> np.random.Generator:
    """The random stream of one KMC step: it depends on the run's seed and the step's number, and on nothing else."""
    return np.random.default_rng(np.random.SeedSequence([seed, _KMC_STREAM, step]))


def search_seed(*, seed: int, state: int, index: int) -> int:
    """The seed (32 bits) of one process search: from the run's seed, the state, and the search's number in it."""
    return int(
        np.random.SeedSequence([seed, _DISPLACEMENT_STREAM, state, index]).generate_state(1)[0]
    )


def draw_step(rates_per_s: Sequence[float], rng: np.random.Generator) -> tuple[int, float]:
    """Draw a process in proportion to its rate, and the residence time before it.

    Args:
        rates_per_s: rates of all processes out of the state, 1/s; finite, not negative, one at least positive.
        rng: where the two random numbers come from.

    Returns:
        the process' index and the residence time in s, exponential with mean `1 / sum(rates)`.

    Raises:
        NoStepError: a rate is negative or no finite number, or the residence time would be none that is positive and finite.
    """
    rates = np.asarray(rates_per_s, dtype=np.float64)
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise NoStepError(StepFault.RATES, f"rates from {rates.min():.6g} to {rates.max():.6g} 1/s")
    with np.errstate(over="ignore"):  # the sum is checked
        cumulative = np.cumsum(rates)
    total = float(cumulative[-1]) if rates.size else 0.0
    mean_s = mean_time(total)
    index = int(np.searchsorted(cumulative, rng.random() * total, side="right"))
    index = min(index, int(np.flatnonzero(rates)[-1]))  # the product may round up to the total
    return index, draw_time(mean_s, rng)


def mean_time(total_per_s: float) -> float:
    """Mean residence time in s of a total rate in 1/s.

    Raises:
        NoStepError: it is not a positive finite number.
    """
    if not total_per_s < math.inf:
        raise NoStepError(StepFault.TOO_FAST, "the sum of its rates is beyond 1.8e308 1/s")
    mean_s = 1.0 / total_per_s if total_per_s > 0 else math.inf
    if not mean_s < math.inf:
        raise NoStepError(StepFault.TOO_SLOW, f"a total rate of {total_per_s:.6g} 1/s")
    return mean_s


def draw_time(mean_s: float, rng: np.random.Generator) -> float:
    """An exponentially distributed time in s of the given mean; never zero, unless the mean is too short."""
    return float(-mean_s * np.log1p(-(rng.random() or _LEAST_DRAWN)))
