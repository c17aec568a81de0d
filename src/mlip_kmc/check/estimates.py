"""From a few searches to many: how many a state takes, and how long. Pure: numbers in, numbers out.

Example:
    expected_searches("old", processes=12, confidence=0.99)      # 135: good ones, of 12 equally likely processes
    process_range(found=4, good=4)                               # Range(low=4, high=None): nothing came twice

Assumed throughout: a good search finds each of n processes equally often. Unequal shares take longer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_DOUBT = 0.1
"""Numbers of processes under which what was seen has less than this chance are ruled out."""
_MOST_PROCESSES = 5000
_REPEATS = 40
MISSING = 0.1
"""A part of the processes that a check may leave unseen: beyond, what it says of barriers is of a sample."""
_DEVIATIONS = 2.0
"""Ranges reach so many standard errors to either side."""


@dataclass(frozen=True)
class Range:
    """From low to high; high is None where nothing bounds it."""

    low: float
    high: float | None

    def times(self, other: "Range") -> "Range":
        """The range of products of positive quantities."""
        high = None if self.high is None or other.high is None else self.high * other.high
        return Range(self.low * other.low, high)


def coupon_collector(processes: int) -> float:
    """Expected draws until each of n equally likely processes was drawn once: n (1 + 1/2 + ... + 1/n)."""
    return processes * sum(1.0 / k for k in range(1, processes + 1))


def repeats_wanted(confidence: float) -> int:
    """Repeats in a row at which eOn's scheme `old` (1 - 1/repeats) reaches a confidence."""
    return max(1, math.ceil(round(1.0 / (1.0 - confidence), 9)))


def expected_searches(scheme: str, *, processes: int, confidence: float) -> float:
    """Expected number of good searches until a scheme of eOn's reaches its confidence.

    Args:
        scheme: `old`, `new` or `sampling`.
        processes: n, equally likely.
        confidence: below 1.
    """
    if scheme == "old":
        return _old(processes, repeats_wanted(confidence))
    if scheme == "new":  # the part found after m draws is 1 - exp(-m/n)
        return max(1.0, processes * math.log(1.0 / (1.0 - confidence)))
    return _sampling(processes, confidence)


def _old(processes: int, wanted: int) -> float:
    """With k known a draw is a repeat with chance k/n; its series ends with a new one, or when `wanted` are together."""
    total, reached = 1.0, 1.0
    for known in range(1, processes + 1):
        repeat = known / processes
        settled = repeat**wanted
        total += reached * (wanted if known == processes else (1.0 - settled) / (1.0 - repeat))
        reached *= 1.0 - settled
    return total


def _sampling(processes: int, confidence: float) -> float:
    """By drawing: eOn's formula, the mean over found processes of 1 - (1 - share)^draws, has no simple expectation."""
    rng = np.random.default_rng(0)
    needed = []
    for _ in range(_REPEATS):
        counts = np.zeros(processes)
        draws = 0
        while (
            draws < 10 or _sampled(counts, draws) < confidence
        ):  # eOn's scheme is silent below ten
            block = max(1, processes // 10)
            counts += rng.multinomial(block, np.full(processes, 1.0 / processes))
            draws += block
        needed.append(draws)
    return float(np.mean(needed))


def _sampled(counts: np.ndarray[tuple[int], np.dtype[np.float64]], draws: int) -> float:
    found = counts[counts > 0]
    return float(1.0 - np.mean((1.0 - found / draws) ** draws))


def process_range(*, found: int, good: int, doubt: float = _DOUBT) -> Range:
    """How many processes there may be when `good` searches found `found` different ones.

    Numbers that would show so few, or so many, different ones with a chance below `doubt` are left out. All different:
    nothing bounds the number from above.
    """
    if good < 1 or found < 1:
        return Range(1, None)
    low = found
    while _chance(low, good)[found:].sum() < doubt and low < _MOST_PROCESSES:
        low += 1
    if found == good:
        return Range(low, None)
    inside, outside = low, low + 1
    while outside < _MOST_PROCESSES and _chance(outside, good)[: found + 1].sum() >= doubt:
        inside, outside = outside, 2 * outside
    while outside - inside > 1:
        middle = (inside + outside) // 2
        if _chance(middle, good)[: found + 1].sum() >= doubt:
            inside = middle
        else:
            outside = middle
    return Range(low, inside if inside < _MOST_PROCESSES else None)


def bounds(counted: Range, *, found: int) -> bool:
    """Whether at most a part `MISSING` of the processes can be unseen, were they equally likely."""
    return counted.high is not None and counted.high - found <= MISSING * counted.high


def good_searches_that_bound(processes: int) -> int:
    """The fewest good searches after which, with all of so many equally likely processes found, `bounds` holds.

    What would then be ruled out is one process more than may be unseen: fewer searches leave it a chance of `_DOUBT`.
    """
    beyond = math.floor(processes / (1.0 - MISSING)) + 1
    low, high = processes, processes
    while _chance(beyond, high)[: processes + 1].sum() >= _DOUBT:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _chance(beyond, middle)[: processes + 1].sum() >= _DOUBT:
            low = middle
        else:
            high = middle
    return high


def _chance(processes: int, draws: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Chance of 0, 1, ... draws different processes among `draws` of n equally likely ones (the occupancy distribution)."""
    chance = np.zeros(draws + 1)
    chance[0] = 1.0
    known = np.minimum(np.arange(draws + 1), processes) / processes
    for _ in range(draws):
        moved = chance * known
        moved[1:] += (chance * (1.0 - known))[:-1]
        chance = moved
    return chance


def share_range(*, part: int, whole: int) -> Range:
    """A share of which `part` in `whole` was seen (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)), two standard errors wide."""
    z2 = _DEVIATIONS**2
    share = part / whole
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    half = math.sqrt(z2 * (share * (1 - share) / whole + z2 / (4 * whole**2))) / (1 + z2 / whole)
    return Range(max(centre - half, 0.0), min(centre + half, 1.0))


def mean_range(values: Sequence[float]) -> Range:
    """Where the mean of positive quantities lies: two standard errors around theirs, never beyond what was seen."""
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) == 1:
        return Range(float(numbers[0]) / 2, float(numbers[0]) * 2)
    half = _DEVIATIONS * float(numbers.std(ddof=1)) / math.sqrt(len(numbers))
    mean = float(numbers.mean())
    return Range(max(mean - half, float(numbers.min())), min(mean + half, float(numbers.max())))


def searches_range(scheme: str, *, confidence: float, found: int, good: int, whole: int) -> Range:
    """Searches, good and bad, that a state takes to reach its confidence."""
    processes, share = process_range(found=found, good=good), share_range(part=good, whole=whole)
    low = (
        expected_searches(scheme, processes=int(processes.low), confidence=confidence) / share.high
        if share.high
        else 1.0
    )
    if processes.high is None or share.low <= 0:
        return Range(low, None)
    return Range(
        low,
        expected_searches(scheme, processes=int(processes.high), confidence=confidence) / share.low,
    )


@dataclass(frozen=True)
class Ratio:
    """A ratio of times measured in pairs.

    Attributes:
        middle: the median of the pairs' ratios. low, high: their least and greatest.
    """

    middle: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """All pairs agree on which of the two is the faster."""
        return self.low > 1.0 or self.high < 1.0


def ratio_of(times: Sequence[float], others: Sequence[float]) -> Ratio:
    """`times` over `others`, measured by turns: what slows the machine for a while slows both of a pair."""
    ratios = np.asarray(times, dtype=np.float64) / np.asarray(others, dtype=np.float64)
    return Ratio(middle=float(np.median(ratios)), low=float(ratios.min()), high=float(ratios.max()))


@dataclass(frozen=True)
class Barriers:
    """How barriers (eV) lie to each other, in kT.

    Attributes:
        lowest_kT: the lowest one.
        gap_kT: from it to the next; None where there is only one.
        lowest_back_kT: the lowest barrier back from a product.
        hidden: how many lie further above the lowest than the thermal window.
    """

    lowest_kT: float
    gap_kT: float | None
    lowest_back_kT: float
    hidden: int


def thermal_barriers(
    forward_eV: Sequence[float], back_eV: Sequence[float], *, kT_eV: float, window_kT: float
) -> Barriers:
    """Barriers and those back, of the same processes, in units of kT."""
    ordered = np.sort(np.asarray(forward_eV, dtype=np.float64)) / kT_eV
    return Barriers(
        lowest_kT=float(ordered[0]),
        gap_kT=float(ordered[1] - ordered[0]) if len(ordered) > 1 else None,
        lowest_back_kT=min(back_eV) / kT_eV,
        hidden=int((~(ordered <= ordered[0] + window_kT)).sum()),
    )
