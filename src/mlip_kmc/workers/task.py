"""What runs on workers: anything that can be sent to another process, run there, and come back as what came of it.

cluster.submit(task)             # a worker calls task.run(tag=...)
task.without_result(End.KILLED_WORKERS, "3 workers died while they ran it")
"""

from typing import Protocol

from mlip_kmc.evaluate.apart import Outcome as TaskOutcome
from mlip_kmc.evaluate.apart import run_anywhere
from mlip_kmc.evaluate.client import End

__all__ = ["Task", "TaskOutcome", "run_task"]


class Task(Protocol):
    """What a worker runs; it must survive pickling."""

    @property
    def name(self) -> str:
        """Unique in the run."""

    def run(self, *, tag: str = "") -> TaskOutcome:
        """Run it to its end; never raises for what its client does.

        Args:
            tag: by which `cancel_jobs` knows it.
        """

    def without_result(self, end: End, message: str = "") -> TaskOutcome:
        """What is handed back where no worker could answer."""


def run_task(task: Task, *, tag: str) -> TaskOutcome:
    """What dask has a worker do; what evaluates where it runs does so in a child of the worker."""
    return run_anywhere(task, tag=tag)
