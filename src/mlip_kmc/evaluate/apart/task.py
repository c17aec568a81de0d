"""What a task must have to run in a child, and what is known of a child that died."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mlip_kmc.driver.standalone import Structure
from mlip_kmc.evaluate.client import End

_FROM_OUTSIDE = frozenset(
    {
        signal.SIGKILL,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGXCPU,
        signal.SIGBUS,
    }
)
"""Signals by which a machine, or a person, ends a process; the others come of what it does itself."""


class Outcome(Protocol):
    """What came of a task."""

    @property
    def name(self) -> str:
        """Of its task."""

    @property
    def end(self) -> End:
        """How it ended."""

    @property
    def seconds(self) -> float:
        """It took where it ran."""


class Job(Protocol):
    """What is known of every job."""

    @property
    def time_limit_s(self) -> float:
        """A guard against what hangs."""

    @property
    def evidence(self) -> Path | None:
        """Where is kept what is left of it if it fails."""


@runtime_checkable
class Apart(Protocol):
    """A task that evaluates in the process where it runs; it and its outcome survive pickling."""

    @property
    def name(self) -> str:
        """Unique in the run."""

    @property
    def job(self) -> Job:
        """Its limits."""

    @property
    def in_child(self) -> bool:
        """It wants a child; one whose programs are processes of their own does not."""

    def run(self, *, tag: str = "") -> Outcome:
        """Run it to its end; never raises for what the potential does."""

    def without_result(self, end: End, message: str = "") -> Outcome:
        """What is handed back where no child could answer."""

    def died(self, message: str) -> Outcome:
        """What is handed back where its evaluations end each process that makes them."""


@dataclass(frozen=True)
class Death:
    """How a child ended while it ran a task.

    Attributes:
        code: its exit code; negative: a signal. said: its last words, or empty.
        calls: how many evaluations of the task it had begun. structure: of the last of them.
    """

    code: int
    said: str = ""
    calls: int = 0
    structure: Structure | None = None

    @property
    def is_its_own(self) -> bool:
        """It came of an evaluation, and will so again: neither the machine nor a person ended the process."""
        return self.calls > 0 and self.code != 0 and -self.code not in _FROM_OUTSIDE

    @property
    def how(self) -> str:
        """In words."""
        how = f"exit code {self.code}"
        if self.code < 0:
            how = f"signal {signal.Signals(-self.code).name}"
        when = f"in evaluation {self.calls}" if self.calls else "before any evaluation"
        return f"{how} {when}" + (f": {self.said}" if self.said else "")
