"""Kinetic Monte Carlo on given rates: which process, and after how long. Pure: numbers in, numbers out.

Example:
    rng = step_generator(seed=1, step=0)
    index, residence_s = draw_step([1e9, 2e9], rng)

The rejection-free algorithm of Bortz, Kalos and Lebowitz, J. Comput. Phys. 17, 10 (1975).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_DISPLACEMENT_STREAM = 1
_KMC_STREAM = 2


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
        ValueError: there is no positive rate, or one that is not a finite number.
    """
    rates = np.asarray(rates_per_s, dtype=np.float64)
    if rates.size == 0 or not np.isfinite(rates).all() or (rates < 0).any() or rates.sum() <= 0:
        raise ValueError("a KMC step needs finite rates, one of them positive")
    cumulative = np.cumsum(rates)
    total = float(cumulative[-1])
    index = int(np.searchsorted(cumulative, rng.random() * total, side="right"))
    index = min(index, int(np.flatnonzero(rates)[-1]))  # the product may round up to the total
    return index, draw_time(1.0 / total, rng)


def draw_time(mean_s: float, rng: np.random.Generator) -> float:
    """An exponentially distributed time in s of the given mean."""
    return float(-mean_s * np.log1p(-rng.random()))
