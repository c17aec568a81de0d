"""What runs on workers: anything that can be sent to another process, run there, and come back as what came of it.

cluster.submit(task)             # a worker calls task.run(tag=...)
task.without_result(End.KILLED_WORKERS, "3 workers died while they ran it")
"""

from typing import Protocol

from mlip_kmc.evaluate.client import End


class Outcome(Protocol):
    """What came of a task."""

    @property
    def name(self) -> str:
        """Of its task."""

    @property
    def end(self) -> End:
        """How its client ended; one that was cancelled runs again elsewhere."""

    @property
    def seconds(self) -> float:
        """It took where it ran."""


class Task(Protocol):
    """What a worker runs; it must survive pickling."""

    @property
    def name(self) -> str:
        """Unique in the run."""

    def run(self, *, tag: str = "") -> Outcome:
        """Run it to its end; never raises for what its client does.

        Args:
            tag: by which `cancel_jobs` knows it.
        """

    def without_result(self, end: End, message: str = "") -> Outcome:
        """What is handed back where no worker could answer."""


def run_task(task: Task, *, tag: str) -> Outcome:
    """What dask has a worker do."""
    return task.run(tag=tag)
