"""Time in which this process was awake, for limits on others that may have slept with it.

Example:
    clock = AwakeClock()
    deadline = clock.now() + 60.0
    while clock.now() < deadline and program.poll() is None:     # several times a second
        time.sleep(0.1)

A process that is stopped (SIGSTOP, Slurm's suspend, a paused virtual machine) finds at its first look that all time limits are
over, and has not yet read what came meanwhile. So a gap between two looks counts as no more than a look takes.
"""

import time
from collections.abc import Callable

LONGEST_GAP_S = 2.0


class AwakeClock:
    """Seconds since it was made, without the gaps in which nobody asked; for one thread.

    Attributes:
        slept_s: of gaps so far, what was not counted.
    """

    def __init__(
        self,
        *,
        longest_gap_s: float = LONGEST_GAP_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """It starts at 0.

        Args:
            longest_gap_s: what a gap between two questions counts at most; above the time between two of the caller's.
            monotonic: the clock beneath, in s.
        """
        self._longest_gap_s, self._monotonic = longest_gap_s, monotonic
        self._last, self._awake_s = monotonic(), 0.0
        self.slept_s = 0.0

    def now(self) -> float:
        """Seconds awake."""
        before, self._last = self._last, self._monotonic()
        gap = self._last - before
        counted = min(gap, self._longest_gap_s)
        self._awake_s += counted
        self.slept_s += gap - counted
        return self._awake_s
