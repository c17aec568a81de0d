"""Tasks that a new process waits for before it is registered: sent to the workers, once more where they die, taken back.

class OrbitDesk(Desk): ...
desk.send(task)
desk.came_back(done)              # True: it is there; False: nobody waits for it, or it is made once more
desk.take_back(["0_17.orbit"])
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mlip_kmc.evaluate.client import End
from mlip_kmc.workers.task import Task, TaskOutcome, TaskRunner

BY_CHANCE = (End.CRASHED, End.KILLED_WORKERS, End.TIMED_OUT)
"""Ends that say nothing of the structure: nothing may rest on them."""
_ONCE_MORE = (End.CRASHED, End.TIMED_OUT)


@dataclass
class Desk:
    """Tasks on their way.

    Attributes:
        cluster: where they run.
        tasks: those that are out, by name.
    """

    cluster: TaskRunner
    tasks: dict[str, Task] = field(default_factory=dict, init=False)
    _retried: set[str] = field(default_factory=set, init=False)

    def send(self, task: Task) -> None:
        """Have a task run before all searches that wait."""
        self.tasks[task.name] = task
        self.cluster.submit(task, first=True)

    def came_back(self, done: TaskOutcome) -> bool:
        """A task is done with; False where nobody waits for it, or where it is made once more, as its worker died.

        Args:
            done: what came of it.
        """
        if done.name not in self.tasks:
            return False
        if done.end in _ONCE_MORE and done.name not in self._retried:
            self._retried.add(done.name)
            self.cluster.submit(self.tasks[done.name], first=True)
            return False
        del self.tasks[done.name]
        return True

    def take_back(self, names: Iterable[str]) -> None:
        """End tasks that are out."""
        out = [name for name in names if self.tasks.pop(name, None) is not None]
        if out:
            self.cluster.cancel(out)
