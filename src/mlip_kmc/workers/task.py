"""What runs on workers: anything that can be sent to another process, run there, and come back as what came of it.

cluster.submit(task)             # a worker calls task.run(tag=...)
task.without_result(End.KILLED_WORKERS, "3 workers died while they ran it")
"""

import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from mlip_kmc.evaluate.apart import Outcome as TaskOutcome
from mlip_kmc.evaluate.apart import run_anywhere
from mlip_kmc.evaluate.client import End

__all__ = ["OUTCOMES", "Task", "TaskOutcome", "TaskRunner", "run_in_turn", "run_task"]
OUTCOMES = "mlip-kmc-outcomes"
"""The topic under which workers tell the scheduler what came of a task, with the key of the parcel that brought it."""


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


class TaskRunner(Protocol):
    """Where tasks run: `SearchCluster`, or what stands before it."""

    def submit(self, task: Task, *, first: bool = False) -> None:
        """Queue a task; `first` puts it before all others that wait."""

    def wait(self, timeout_s: float) -> Sequence[TaskOutcome]:
        """What has come back, in any order; waits up to `timeout_s` for the first."""

    def cancel(self, names: Iterable[str]) -> int:
        """End tasks, or take them back; answer how many of them had been started."""


def run_task(task: Task, *, tag: str) -> TaskOutcome:
    """What a worker does with a task; what evaluates where it runs does so in a child of the worker."""
    return run_anywhere(task, tag=tag)


def run_in_turn(tasks: Sequence[bytes], key: str, *, run: Callable[..., TaskOutcome]) -> None:
    """What dask has a worker do: run the tasks of a parcel one after the other, and tell of each when it ends.

    What comes of a task goes to the scheduler as a message, at once, and once; a result dask would hand on twice, and only at
    the end. A cancelled task ends the parcel: the rest was taken back, or this worker leaves.

    Args:
        tasks: pickled.
        key: of the parcel.
        run: runs one of them.
    """
    from distributed import (
        get_worker,
    )  # dask takes half a second to import, and is there where this runs

    worker = get_worker()
    for packed in tasks:
        done = run(pickle.loads(packed), tag=key)  # noqa: S301 - dask's own way; both sides showed certificates of this start
        if done.end is End.CANCELLED:
            return
        worker.log_event(OUTCOMES, (key, pickle.dumps(done)))
