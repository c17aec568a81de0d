"""Outcomes that were computed before the run asked for them.

    foresight = Foresight(cluster)              # takes the cluster's place for the run's own tasks
    foresight.early.submit(task)                # of a state that the run will probably come to
    foresight.submit(task)                      # later, the run's own: the outcome is there, or on its way
    foresight.drop()                            # what nobody asked for

What a task comes to follows from the task alone. So a task that is equal in every value, by a digest of all of them, has the
outcome that is there; one that differs in anything is computed. Whether something was computed early decides when, never what.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from mlip_kmc.search.outcome import SearchOutcome
from mlip_kmc.workers.task import Task, TaskOutcome, TaskRunner
from mlip_kmc.workers.under_name import UnderName, named


@dataclass
class _Begun:
    """A task that was begun early.

    Attributes:
        name: of the task itself. digest: of its values.
        outcome: what it came to, under its own name; None while it runs.
        wanted: the run has asked for it.
    """

    name: str
    digest: str
    outcome: TaskOutcome | None = None
    wanted: bool = False


class Early:
    """What computes for a state that the run may come to; outcomes stay for the run."""

    def __init__(self, foresight: "Foresight") -> None:
        """`foresight` makes it."""
        self._foresight = foresight
        self.inbox: list[TaskOutcome] = []

    def submit(self, task: Task, *, first: bool = False) -> None:  # noqa: ARG002 - nothing goes before the run's own
        """Queue a task behind the run's own."""
        self._foresight.begin(task)

    def wait(self, timeout_s: float) -> list[TaskOutcome]:  # noqa: ARG002 - the run waits
        """What has come back up to now."""
        found, self.inbox = self.inbox, []
        return found

    def cancel(self, names: Iterable[str]) -> int:
        """Take tasks back; what the run has asked for goes on."""
        wanted = set(names)
        return self._foresight.end(wanted.__contains__)


class Foresight:
    """The run's cluster, which knows some outcomes before.

    Attributes:
        early: where tasks go that the run has not asked for.
        used: tasks that the run asked for after they were begun. unused: those that it did not ask for.
        unused_calls: force calls of the latter, as far as they came back.
    """

    def __init__(self, cluster: TaskRunner) -> None:
        """Take up a cluster."""
        self._cluster = cluster
        self._begun: dict[str, _Begun] = {}
        self._by_digest: dict[str, str] = {}
        self._as: dict[str, str] = {}
        self._ready: list[TaskOutcome] = []
        self._count = 0
        self.early = Early(self)
        self.used = self.unused = self.unused_calls = 0

    # -- for the run

    def submit(self, task: Task, *, first: bool = False) -> None:
        """Run a task, or take what it came to."""
        found = self._by_digest.pop(digest_of(task), None) if self._by_digest else None
        if found is None:
            self._cluster.submit(task, first=first)
            return
        begun = self._begun[found]
        begun.wanted, self.used = True, self.used + 1
        if begun.outcome is not None:
            self._ready.append(named(begun.outcome, task.name))
            del self._begun[found]
        else:
            self._as[found] = task.name

    def wait(self, timeout_s: float) -> list[TaskOutcome]:
        """What has come back; waits up to `timeout_s` for the first."""
        found, self._ready = self._ready, []
        for done in self._cluster.wait(0.0 if found else timeout_s):
            if done.name in self._begun:
                found += self._came_back(done)
            else:
                found.append(done)
        return found

    def _came_back(self, done: TaskOutcome) -> list[TaskOutcome]:
        begun = self._begun[done.name]
        outcome = named(done, begun.name)
        self.early.inbox.append(outcome)
        if begun.wanted:
            del self._begun[done.name]
            return [named(done, self._as.pop(done.name))]
        begun.outcome = outcome
        return []

    def cancel(self, names: Iterable[str]) -> int:
        """End tasks, or take them back; answer how many of them had been started."""
        wanted = set(names)
        there = [done for done in self._ready if done.name in wanted]
        self._ready = [done for done in self._ready if done.name not in wanted]
        begun = [early for early, name in self._as.items() if name in wanted]
        for early in begun:
            del self._as[early], self._begun[early]
        return len(there) + self._cluster.cancel([*wanted, *begun])

    # -- for what is computed early

    def begin(self, task: Task) -> None:
        """Queue a task that the run has not asked for."""
        self._count += 1
        early, digest = f"{task.name}~{self._count}", digest_of(task)
        self._begun[early] = _Begun(task.name, digest)
        self._by_digest[digest] = early
        self._cluster.submit(UnderName(task, early))

    def end(self, which: Callable[[str], bool] = bool) -> int:
        """Take back early tasks that the run has not asked for; answer how many of them had been started.

        Args:
            which: of them, by the name of the task itself; all.
        """
        names = [
            early for early, begun in self._begun.items() if not begun.wanted and which(begun.name)
        ]
        done = [early for early in names if self._begun[early].outcome is not None]
        started = len(done) + self._cluster.cancel([early for early in names if early not in done])
        for early in names:
            begun = self._begun.pop(early)
            self._by_digest.pop(begun.digest, None)
            if isinstance(begun.outcome, SearchOutcome):
                self.unused_calls += begun.outcome.force_calls.total
        self.unused += started
        return started

    def drop(self) -> None:
        """The run has gone elsewhere: nothing of what is left will be asked for."""
        self.end()
        self.early.inbox.clear()

    @property
    def open(self) -> int:
        """Early tasks that the run has not asked for."""
        return sum(not begun.wanted for begun in self._begun.values())


def digest_of(task: Any) -> str:
    """Digest (sha256) of all values of a task, whatever it is made of."""
    found = hashlib.sha256()
    _feed(found, task)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found.update(
            f"<{value.dtype}{value.shape}>".encode() + np.ascontiguousarray(value).tobytes()
        )
    elif is_dataclass(value) and not isinstance(value, type):
        found.update(f"<{type(value).__qualname__}>".encode())
        for entry in fields(value):
            _feed(found, getattr(value, entry.name))
    elif isinstance(value, Mapping):
        for key in sorted(value, key=repr):
            _feed(found, key)
            _feed(found, value[key])
    elif isinstance(value, frozenset | set):
        _feed(found, sorted(value, key=repr))
    elif isinstance(value, list | tuple):
        found.update(f"<{len(value)}>".encode())
        for entry in value:
            _feed(found, entry)
    elif isinstance(value, bytes):
        found.update(f"<b{len(value)}>".encode() + value)
    else:
        text = value.value if isinstance(value, Enum) else value
        found.update(f"<{type(value).__qualname__}:{len(repr(text))}>{text!r}".encode())
