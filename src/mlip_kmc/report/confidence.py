"""How a state's confidence grew, search by search: eOn's formulas replayed on the journal.

Example:
    curve = confidence_curve(searches_of_state, processes_of_state, scheme="old", window_eV=20 * 500 / 11604.5)
    curve[-1]

Nr: repeats in a row without a new process, of processes in the rate table. Nf, Ns: processes in the rate table that searches
found, and searches that found one of them. p_i: a process' own share of these searches.

    old        1 - 1/Nr
    new        1 + (Nf/Ns) W(-exp(-Ns/Nf) Ns/Nf), W: Lambert's, principal branch
    sampling   mean over the processes of 1 - (1 - p_i)^Ns; 0 below ten searches

Source: `AKMCState.get_confidence` of eOn 3.6.0; `old` is that of Xu and Henkelman, J. Chem. Phys. 129, 114104 (2008).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from scipy.special import lambertw

from mlip_kmc.model.records import Process, SearchRecord

_COUNTED = ("random", "dynamics")
_FEWEST = 10


def confidence_curve(
    searches: Sequence[SearchRecord],
    processes: Sequence[Process],
    *,
    scheme: str,
    window_eV: float,
    windows_eV: Mapping[int, float] = MappingProxyType({}),
) -> tuple[float, ...]:
    """The confidence after each registered search of one state.

    Args:
        searches: of that state, in the order they were registered.
        processes: its table now; those that no search found are reverse processes, known before the first search.
        scheme: `old`, `new` or `sampling`.
        window_eV: thermal window in eV above the lowest barrier.
        windows_eV: other windows, by the search from which on they hold: there the temperature changed, and counts begin anew.

    Returns:
        one value a search. Where superbasins are on, eOn also leaves out processes that stay inside one; this does not.
    """
    found = {record.process for record in searches if record.outcome == "new"}
    barriers = {
        process.process: process.barrier for process in processes if process.process not in found
    }
    lowest = min(barriers.values(), default=float("inf"))
    counts: dict[int, int] = {}
    repeats = 0
    curve = []
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
        curve.append(
            _value(scheme, repeats, {process: counts.get(process, 0) for process in relevant})
        )
    return tuple(curve)


def _value(scheme: str, repeats: int, counts: Mapping[int, int]) -> float:
    searches = sum(counts.values())
    if scheme == "new":
        found = max(sum(count > 0 for count in counts.values()), 1)
        if searches < 1:
            return 0.0
        ratio = searches / found
        return max(0.0, float(1.0 + np.real(lambertw(-np.exp(-ratio) * ratio)) / ratio))
    if scheme == "sampling":
        if searches < _FEWEST:
            return 0.0
        shares = np.array(list(counts.values()), dtype=np.float64) / searches
        return float(np.mean(1.0 - (1.0 - shares) ** searches))
    return max(0.0, 1.0 - 1.0 / repeats) if repeats else 0.0
