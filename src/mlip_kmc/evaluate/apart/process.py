"""The parent's side of one child: started, given tasks, watched, ended.

child = Child.start()
child.run(task, tag="search-0_17-18", cancelled=event)     # DiedError: it died meanwhile
child.stop()
"""

import os
import pickle
import select
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast

from mlip_kmc.evaluate.apart.task import Apart, Death, Outcome
from mlip_kmc.evaluate.apart.wire import Kind, receive, send
from mlip_kmc.evaluate.client import End
from mlip_kmc.evaluate.logbook import LAST_CALL, Noted
from mlip_kmc.ground.environment import scratch_directory
from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.ground.programs import AwakeClock, Background, Program
from mlip_kmc.ground.scratch import make, remove, sweep

_CHILD = "mlip_kmc.evaluate.apart.child"
_LOOK_S = 0.1
_GRACE_S = 5.0
"""So long a cancelled task may take to end: then its child is ended."""
_MARGIN_S = 60.0
"""Over a task's own limit, between two evaluations."""
_STUCK_S = 60.0
"""A message that takes longer does not come any more."""
_LAST_WORDS = 2000
LOG = "child.log"


class DiedError(Exception):
    """The child died while it ran a task."""

    def __init__(self, death: Death) -> None:
        """With what is known of that."""
        super().__init__(death.how)
        self.death = death


@dataclass
class Child:
    """A running child.

    Attributes:
        folder: of what it writes: its log, its last call, temporary files.
    """

    folder: Path
    _process: Background
    _connection: socket.socket
    _calls: int = field(default=0, init=False)

    @classmethod
    def start(cls) -> Self:
        """Start it; it is given its first task while it still loads.

        Raises:
            ProgramError, StorageError: it cannot be started.
        """
        folder = make("child")
        here, there = socket.socketpair()
        here.settimeout(_STUCK_S)
        try:
            with there:
                process = Background.start(
                    Program.of_python(),
                    ["-P", "-m", _CHILD, str(folder)],
                    log=folder / LOG,
                    more=os.environ,
                    stdin=there.fileno(),
                )
        except BaseException:
            here.close()
            remove(folder)
            raise
        return cls(folder, process, here)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """It can be given a task."""
        return self._connection.fileno() >= 0 and self._process.ended() is None

    def run(self, task: Apart, *, tag: str, cancelled: threading.Event) -> Outcome:
        """Have it run a task.

        Args:
            task: what to run.
            tag: by which the child knows it.
            cancelled: set, and the task is ended.

        Raises:
            DiedError: it died. ProgramError: the task raised, which none may.
        """
        self._calls = Noted.read(self.folder / LAST_CALL).calls
        try:
            send(self._connection, Kind.RUN, pickle.dumps((tag, task)))
            return self._answer(task, tag, cancelled)
        except OSError as error:
            raise DiedError(self._end()) from error

    def _answer(self, task: Apart, tag: str, cancelled: threading.Event) -> Outcome:
        clock, watch = AwakeClock(), _Progress(self.folder / LAST_CALL)
        leaves_at: float | None = None
        while True:
            if self._readable():
                found = self._taken()
                if found is not None:
                    return found
            now = clock.now()
            if cancelled.is_set() and leaves_at is None:
                leaves_at = now + _GRACE_S
                send(self._connection, Kind.CANCEL, tag.encode())
            if leaves_at is not None and not now <= leaves_at:
                self._end()
                return task.without_result(End.CANCELLED)
            if not watch.still_s(now) <= task.job.time_limit_s + _MARGIN_S:
                self._end()
                limit_min = task.job.time_limit_s / 60
                return task.without_result(
                    End.TIMED_OUT,
                    f"one evaluation took longer than its time limit of {limit_min:g} min",
                )

    def _readable(self) -> bool:
        look = select.poll()
        look.register(self._connection, select.POLLIN)
        return bool(look.poll(1e3 * _LOOK_S))

    def _taken(self) -> Outcome | None:
        """The outcome; None where it said something else."""
        kind, body = receive(self._connection)
        if kind is Kind.DONE:
            return cast("Outcome", pickle.loads(body))  # noqa: S301 - from our own child
        if kind is Kind.FAILED:
            raise ProgramError(body.decode(errors="replace").strip())
        return None

    def _end(self) -> Death:
        """End it, if it has not ended; how it died."""
        code = self._process.ended(_LOOK_S)
        self.stop(keep_folder=True)
        noted = Noted.read(self.folder / LAST_CALL)
        if code is None:
            code = self._process.ended() or 0
        return Death(code, self._said(), max(noted.calls - self._calls, 0), noted.structure)

    def _said(self) -> str:
        try:
            text = (self.folder / LOG).read_bytes()[-_LAST_WORDS:].decode(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def stop(self, *, keep_folder: bool = False) -> None:
        """End it, and remove what it wrote."""
        self._connection.close()
        self._process.stop()
        if not keep_folder:
            remove(self.folder)
            sweep(scratch_directory())  # it may have been killed, and has folders of its own


@dataclass
class _Progress:
    """Sees whether evaluations go on.

    Attributes:
        last_call: the file of the child's notes.
    """

    last_call: Path
    _looked_s: float = field(default=0.0, init=False)
    _changed_s: float = field(default=0.0, init=False)
    _calls: int = field(default=-1, init=False)

    def still_s(self, now: float) -> float:
        """Seconds since an evaluation began; it looks once a second."""
        if self._calls < 0 or now - self._looked_s >= 1.0:
            self._looked_s = now
            calls = Noted.read(self.last_call).calls
            if calls != self._calls:
                self._calls, self._changed_s = calls, now
        return now - self._changed_s
