"""The simulated time of a run, which keeps its precision when short steps follow long ones.

Example:
    clock = Clock().after(3.6e4).after(1e-12)
    clock.time_s, clock.rest_s                # 36000.0, 1e-12: what a double holds, and what it leaves out

The time is an unevaluated sum of two doubles (T. J. Dekker, Numer. Math. 18, 224 (1971); the exact error of one sum: D. E. Knuth,
The Art of Computer Programming 2, section 4.2.2). A sum of n steps has a relative error below n 2^-104.
"""

import math
from dataclasses import dataclass
from enum import StrEnum


class StepFault(StrEnum):
    """Why a KMC step has no time: what to do follows from that."""

    RATES = "a rate is negative or no finite number"
    TOO_SLOW = "its rates are too small for a residence time that is a finite number"
    TOO_FAST = "its rates are too large for a residence time that changes the clock"
    STANDS = "the simulated time is no finite number, and nothing can be added to it"


class NoStepError(ValueError):
    """A KMC step has no time that is a positive finite number and changes the clock.

    Attributes:
        fault: of which kind.
        numbers: rate and time that show it, in words.
    """

    def __init__(self, fault: StepFault, numbers: str) -> None:
        """The message is made of both."""
        super().__init__(f"{fault} ({numbers})")
        self.fault, self.numbers = fault, numbers


@dataclass(frozen=True)
class Clock:
    """A simulated time: `time_s + rest_s`, exactly.

    Attributes:
        time_s: the double that is nearest to it.
        rest_s: what that leaves out; at most half a unit in the last place of `time_s`.
    """

    time_s: float = 0.0
    rest_s: float = 0.0

    def after(self, step_s: float) -> "Clock":
        """The clock after a step.

        Args:
            step_s: residence time.

        Raises:
            NoStepError: the step is not a positive finite number, the sum is not finite, or the step is too short to change it.
        """
        if not (math.isfinite(self.time_s) and math.isfinite(self.rest_s)):
            raise NoStepError(StepFault.STANDS, f"it is {self.time_s:g} s")
        numbers = f"a step of {step_s:.6g} s at a simulated time of {self.time_s:.6g} s"
        if not step_s < math.inf:
            raise NoStepError(StepFault.TOO_SLOW, numbers)
        if not step_s > 0:
            raise NoStepError(StepFault.TOO_FAST, numbers)
        total, error = _sum(self.time_s, step_s)
        later = Clock(*_sum(total, error + self.rest_s))
        if not (math.isfinite(later.time_s) and math.isfinite(later.rest_s)):
            raise NoStepError(StepFault.TOO_SLOW, numbers)
        if later == self:
            raise NoStepError(StepFault.TOO_FAST, numbers)
        return later


def _sum(one: float, other: float) -> tuple[float, float]:
    """The nearest double to a sum, and its error: together they are the sum, exactly."""
    total = one + other
    back = total - one
    return total, (one - (total - back)) + (other - back)
