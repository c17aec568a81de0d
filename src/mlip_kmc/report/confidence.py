"""How a state's confidence grew, search by search: eOn's formulas replayed on the journal.

Example:
    for tally in tallies_of(searches_of_state, processes_of_state, window_eV=20 * 500 / 11604.5):
        tally.value("old")                            # after this search
    tally.searches_to(0.99, scheme="old")             # useful searches that are left, if none finds anything new

Nr: repeats in a row without a new process, of processes in the rate table. Nf, Ns: processes in the rate table that searches
found, and searches that found one of them. p_i: a process' own share of these searches.

    old        1 - 1/Nr
    new        1 + (Nf/Ns) W(-exp(-Ns/Nf) Ns/Nf), W: Lambert's, principal branch
    sampling   mean over the processes of 1 - (1 - p_i)^Ns; 0 below ten searches

Source: `AKMCState.get_confidence` of eOn 3.6.0; `old` is that of Xu and Henkelman, J. Chem. Phys. 129, 114104 (2008).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy.special import lambertw

from mlip_kmc.model.records import Process, SearchRecord

_COUNTED = ("random", "dynamics")
_FEWEST = 10
_MOST_SEARCHES = 1_000_000


@dataclass(frozen=True)
class Tally:
    """What the formulas count in a state.

    Attributes:
        repeats: Nr. counts: by process of the rate table, the random searches that found it.
    """

    repeats: int
    counts: Mapping[int, int]

    def value(self, scheme: str) -> float:
        """The confidence."""
        return _value(scheme, self.repeats, self.counts)

    def searches_to(self, wanted: float, *, scheme: str) -> int | None:
        """How many more searches that find a process of the table lead to a confidence, if none finds a new process.

        They are taken to find the processes in the proportions of those before.

        Returns:
            their number; None where that cannot be told: no search has found a process of the table, or no number leads there.
        """
        total = sum(self.counts.values())
        if not total:
            return None

        def reached(more: int) -> bool:
            if scheme == "old":
                return 1.0 - 1.0 / max(self.repeats + more, 1) >= wanted
            factor = (total + more) / total
            return _of_counts(scheme, [factor * count for count in self.counts.values()]) >= wanted

        if not reached(_MOST_SEARCHES):
            return None
        low, high = -1, _MOST_SEARCHES
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) else (middle, high)
        return high


def tallies_of(
    searches: Sequence[SearchRecord],
    processes: Sequence[Process],
    *,
    window_eV: float,
    windows_eV: Mapping[int, float] = MappingProxyType({}),
) -> Iterator[Tally]:
    """What is counted after each registered search of one state.

    Args:
        searches: of that state, in the order they were registered.
        processes: its table now; those that no search found are reverse processes, known before the first search.
        window_eV: thermal window in eV above the lowest barrier.
        windows_eV: other windows, by the search from which on they hold: there the temperature changed, and counts begin anew.

    Yields:
        one tally a search. Where superbasins are on, eOn also leaves out processes that stay inside one; this does not.
    """
    found = {record.process for record in searches if record.outcome == "new"}
    barriers = {
        process.process: process.barrier for process in processes if process.process not in found
    }
    lowest = min(barriers.values(), default=float("inf"))
    counts: dict[int, int] = {}
    repeats = 0
    for index, record in enumerate(searches):
        if index in windows_eV:
            window_eV, counts, repeats = windows_eV[index], {}, 0
        if record.barrier is not None:
            lowest = min(lowest, record.barrier)
        if record.process is not None:
            known = barriers.setdefault(
                record.process, record.barrier if record.barrier is not None else lowest
            )
            counted = record.kind in _COUNTED
            counts[record.process] = counts.get(record.process, 0) + counted
            if record.outcome == "new":
                repeats = 0
            elif counted and known <= lowest + window_eV:
                repeats += 1
        relevant = [
            process for process, barrier in barriers.items() if barrier <= lowest + window_eV
        ]
        yield Tally(repeats, {process: counts.get(process, 0) for process in relevant})


def _value(scheme: str, repeats: int, counts: Mapping[int, int]) -> float:
    if scheme in ("new", "sampling"):
        return _of_counts(scheme, list(counts.values()))
    return max(0.0, 1.0 - 1.0 / repeats) if repeats else 0.0


def _of_counts(scheme: str, counts: Sequence[float]) -> float:
    """By `new`, or else by `sampling`."""
    searches = sum(counts)
    if scheme == "new":
        found = max(sum(count > 0 for count in counts), 1)
        if searches < 1:
            return 0.0
        ratio = searches / found
        return max(0.0, float(1.0 + np.real(lambertw(-np.exp(-ratio) * ratio)) / ratio))
    if searches < _FEWEST:
        return 0.0
    shares = np.array(counts, dtype=np.float64) / searches
    return float(np.mean(1.0 - (1.0 - shares) ** searches))
