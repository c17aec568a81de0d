"""When what is registered is committed: so often that commits take a small share of the time, and nothing waits for long.

intervals = Intervals()
with intervals.commit():                 # measures what a commit takes
    store.commit(...)
intervals.over                           # True where the next one is due
intervals.end()                          # it is due now
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 0.005
"""The part of the time that commits may take, where the limits below leave it so."""
LEAST_S, MOST_S = 0.25, 2.0
"""Limits of the interval between two commits."""
_WEIGHT = 0.5
"""Of the last commit, in what one is taken to cost."""


class Intervals:
    """Between the commits of one start; a step, a halt and an end do not wait for them."""

    def __init__(
        self,
        *,
        share: float = SHARE,
        least_s: float = LEAST_S,
        most_s: float = MOST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A commit is due.

        Args:
            share: of the time that commits may take.
            least_s: shortest interval.
            most_s: longest one, whatever a commit takes.
            clock: seconds that go on.
        """
        self._share, self._least_s, self._most_s, self._clock = share, least_s, most_s, clock
        self._cost_s: float | None = None
        self._due_s = -math.inf

    @property
    def over(self) -> bool:
        """The next commit is due."""
        return self._clock() >= self._due_s

    def end(self) -> None:
        """It is due now."""
        self._due_s = -math.inf

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Around a commit: the next one is due after an interval that follows from how long the last ones took."""
        begun = self._clock()
        yield
        now = self._clock()
        before = now - begun if self._cost_s is None else self._cost_s
        self._cost_s = before + _WEIGHT * (now - begun - before)
        self._due_s = now + min(max(self._cost_s / self._share, self._least_s), self._most_s)
