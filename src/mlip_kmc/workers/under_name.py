"""A task under another name: the same work, whose outcome is told apart from that of the task itself.

cluster.submit(UnderName(task, "7_0~1"))
"""

from dataclasses import dataclass, replace
from typing import Any

from mlip_kmc.evaluate.client import End
from mlip_kmc.workers.task import TaskOutcome


@dataclass(frozen=True)
class UnderName:
    """A task, and the name that it and its outcome have on the cluster.

    Attributes:
        task: any; its outcome is a dataclass with a `name`.
        name: unique in the run.
    """

    task: Any
    name: str

    @property
    def job(self) -> Any:
        """Of the task: its limits."""
        return self.task.job

    @property
    def in_child(self) -> bool:
        """It wants a child."""
        return bool(getattr(self.task, "in_child", False))

    def run(self, *, tag: str = "") -> TaskOutcome:
        """Run the task; see `Task`."""
        return self._named(self.task.run(tag=tag))

    def without_result(self, end: End, message: str = "") -> TaskOutcome:
        """See `Task`."""
        return self._named(self.task.without_result(end, message))

    def died(self, message: str) -> TaskOutcome:
        """See `evaluate.apart.Apart`."""
        return self._named(self.task.died(message))

    def _named(self, outcome: TaskOutcome) -> TaskOutcome:
        return named(outcome, self.name)


def named(outcome: TaskOutcome, name: str) -> TaskOutcome:
    """The same outcome under another name."""
    found: TaskOutcome = replace(outcome, name=name)  # type: ignore[type-var]
    return found
