"""When a state's rate table was whole: evaluations until the missed share of the rate was below a limit, by a run's own records.

    until(ours(run / "journal" / "searches.jsonl", table), table, missed=0.01)         # evaluations, searches

What a run misses is measured against its own last table: what neither it nor anything else found is in `bench/accuracy.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mlip_kmc.model.records import SearchRecord, read_lines

Found = tuple[float, tuple[int, ...]]
"""Evaluations of a search, and the processes that it was the first to find."""


def rates_of(state: Path) -> dict[int, float]:
    """Rates by process, as eOn keeps them.

    Args:
        state: the state's folder.
    """
    rows = [line.split() for line in (state / "processtable").read_text().splitlines()[1:]]
    return {int(row[0]): float(row[7]) for row in rows}


def by_us(searches: Path) -> Iterator[Found]:
    """Of state 0.

    Args:
        searches: the run's journal of them.
    """
    for record in read_lines(searches, SearchRecord):
        if record.state == 0:
            new = record.outcome == "new" and record.process is not None
            found = (record.process, *record.images) if new and record.process is not None else ()
            yield float(record.force_calls), found


def by_eon(state: Path) -> Iterator[Found]:
    """Of a state that eOn's server searched.

    Args:
        state: its folder.
    """
    for line in (state / "search_results.txt").read_text().splitlines():
        row = line.split()
        if len(row) > 2 and row[0].isdecimal() and row[1] != "reverse":
            good = row[7].startswith("good-")
            yield float(row[4]) + float(row[5]), (int(row[7][5:]),) if good else ()


def until(found: Iterable[Found], rates: dict[int, float], *, missed: float) -> tuple[float, float]:
    """Evaluations until the missed share of the rate is at most `missed`, and of all searches; NaN where it never is."""
    spent = known = 0.0
    whole, enough = sum(rates.values()), float("nan")
    for calls, processes in found:
        spent += calls
        known += sum(rates.get(process, 0.0) for process in processes)
        if not enough >= 0 and 1 - known / whole <= missed:
            enough = spent
    return enough, spent
