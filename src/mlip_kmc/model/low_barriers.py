"""Barriers for which transition-state theory does not hold: below a few kT, or below their own error.

Example:
    low = low_barriers([Barrier(0.05, None), Barrier(0.5, None)], kT_eV=0.02585)
    low.count, low.said                          # 1, '1 of 2 barriers below 3 kT (0.0776 eV), the lowest 0.05 eV: ...'

Transition-state theory takes it for granted that atoms come to rest in a state before they leave it, and that whoever crosses the
saddle stays beyond. Below a few kT neither is so (recrossing: D. Chandler, J. Chem. Phys. 68, 2959
(1978)): its rate is then an upper bound, and hops follow each other in one direction.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mlip_kmc.ground.wording import counted, plain

FEW_KT = 3.0
"""exp(3) = 20: an atom tries to leave twenty times before it does."""
MEANING = (
    "transition-state theory does not hold there: such rates are upper bounds, and times that they decide too short; lower the "
    "temperature, or take these states as one (superbasins), or use molecular dynamics"
)


@dataclass(frozen=True)
class Barrier:
    """One barrier.

    Attributes:
        height_eV: of the process.
        error_eV: bound of its error; None where it was not low enough to be asked for.
    """

    height_eV: float
    error_eV: float | None = None


@dataclass(frozen=True)
class LowBarriers:
    """What of a run's barriers is low.

    Attributes:
        count: processes below `limit_eV`. unsure: processes with a barrier below its own error. of: all processes.
        lowest_eV: of all; None where there is no process.
        limit_eV: `FEW_KT` kT; None where there is no temperature.
    """

    count: int
    unsure: int
    of: int
    lowest_eV: float | None
    limit_eV: float | None

    @property
    def counted(self) -> str:
        """In words; empty where no barrier is low."""
        parts = []
        if self.count and self.limit_eV is not None and self.lowest_eV is not None:
            parts.append(
                f"{self.count} of {counted(self.of, 'barrier')} below {FEW_KT:g} kT ({plain(self.limit_eV)} eV), the lowest "
                f"{plain(self.lowest_eV)} eV"
            )
        if self.unsure:
            parts.append(f"{self.unsure} of {counted(self.of, 'barrier')} below the own error")
        return "; ".join(parts)

    @property
    def said(self) -> str:
        """In words, with what it means; empty where no barrier is low."""
        return f"{self.counted}: {MEANING}" if self.counted else ""


def low_barriers(barriers: Iterable[Barrier], *, kT_eV: float | None) -> LowBarriers:
    """Count what is low.

    Args:
        barriers: of all processes.
        kT_eV: thermal energy; None where it is not known.
    """
    every = list(barriers)
    limit = None if kT_eV is None else FEW_KT * kT_eV
    return LowBarriers(
        count=0 if limit is None else sum(not one.height_eV >= limit for one in every),
        unsure=sum(one.error_eV is not None and not one.error_eV <= one.height_eV for one in every),
        of=len(every),
        lowest_eV=min((one.height_eV for one in every), default=None),
        limit_eV=limit,
    )
