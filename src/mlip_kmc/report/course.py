"""How the present state's searches go: what `status --watch` shows beside the status.

Example:
    status, course = read_watched(Path("my-run"))
    course.confidences[-1], course.searches_left, course.next_step_s

What is left is told by the formula of the confidence, as if no further search found a new process: the least to be expected.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlip_kmc.model.records import OUTCOMES, Registered, SearchRecord
from mlip_kmc.report.curves import curves_of
from mlip_kmc.report.status import RunStatus, status_of
from mlip_kmc.store.view import RunView

_RECENT = 200
_USEFUL = (Registered.NEW, Registered.REPEAT)


@dataclass(frozen=True)
class Course:
    """Of the present state, under the present potential.

    Attributes:
        confidences: after each of its searches. wanted: where it is left; None where that is unknown.
        force_calls: over all registered searches of the run, by outcome, in the order of `OUTCOMES`.
        searches_left: until the confidence is reached, if none of them finds a new process; 0 where it is reached, None where
            that cannot be told.
        search_wall_s: wall time a registered search, by the last ones and the workers at work; None where none are.
    """

    confidences: tuple[float, ...]
    wanted: float | None
    force_calls: Mapping[str, int]
    searches_left: int | None
    search_wall_s: float | None

    @property
    def next_step_s(self) -> float | None:
        """Wall time to the next KMC step; None where it cannot be told."""
        if self.searches_left is None or self.search_wall_s is None:
            return None
        return self.searches_left * self.search_wall_s

    @classmethod
    def of(cls, view: RunView, *, workers: int) -> Self:
        """From a view with the present state; `workers` are those that search now."""
        states = tuple(state for state in view.states if state.number == view.numbers.state)
        curve = curves_of(states, view.searches, view.settings, view.starts, epoch=view.since).get(
            view.numbers.state
        )
        wanted, scheme = view.settings.confidence, view.settings.confidence_scheme
        here = [one for one in view.searches_now if one.state == view.numbers.state]
        useful = None
        if wanted is not None and curve is not None and curve.tally is not None:
            useful = curve.tally.searches_to(wanted, scheme=scheme)
        return cls(
            confidences=curve.values if curve else (),
            wanted=wanted,
            force_calls=_force_calls(view.searches),
            searches_left=_searches_left(useful, here[-_RECENT:]),
            search_wall_s=_search_wall_s(view.searches[-_RECENT:], workers),
        )


def read_watched(run_dir: Path) -> tuple[RunStatus, Course]:
    """Look at a run; its time grows with the present state's process table, but not with the number of states.

    Raises:
        RunStateError: it is no run directory, or nothing was committed yet.
    """
    with RunView.read(run_dir, detail="present") as view:
        status = status_of(view, now_s=time.time())
        return status, Course.of(view, workers=status.busy)


def _force_calls(searches: Sequence[SearchRecord]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for record in searches:
        counts[record.outcome] += record.force_calls
    return {outcome: counts[outcome] for outcome in OUTCOMES if counts[outcome]}


def _searches_left(useful: int | None, recent: Sequence[SearchRecord]) -> int | None:
    """As many as give so many useful ones, by the part of the last ones that were."""
    found = sum(record.outcome in _USEFUL for record in recent)
    if useful is None or not found:
        return useful if useful == 0 else None
    return -(-useful * len(recent) // found)


def _search_wall_s(recent: Sequence[SearchRecord], workers: int) -> float | None:
    if not recent or not workers:
        return None
    return sum(record.seconds for record in recent) / len(recent) / workers
