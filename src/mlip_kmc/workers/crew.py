"""What joins a run from another process or node: searches at a time, each in a process of its own.

    Crew(run_dir, slots=4).serve(patience_s=600.0)       # until the run ends; what happens is logged

A process of its own for each slot, so that whatever kills one takes one search with it. They are forked from one process
that has imported everything (`member.py`), and share its memory; the one that watches over them has not.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from importlib import metadata
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from mlip_kmc.ground.environment import node_name, scratch_directory
from mlip_kmc.ground.errors import ProgramError, RunStateError, StorageError
from mlip_kmc.ground.files import sha256_of, storage_errors
from mlip_kmc.ground.programs import AwakeClock, check_cpu
from mlip_kmc.ground.scratch import PLACE, make, remove, sweep
from mlip_kmc.ground.wording import counted
from mlip_kmc.workers.keys import Connection, connection_file

NO_SCHEDULER = 3
"""Exit code of a worker that found no run at its addresses."""
LEAST_SCRATCH_BYTES = 200_000_000
"""What a search directory and its logs may need, with room to spare."""
_log = logging.getLogger(__name__)
_POLL_S = 0.5
_LONGEST_LOOK_S = 5.0
_RETRY_S = 3.0
_LEAVE_S = 10.0
_RAPID_S = 60.0
_MOST_RAPID_DEATHS = 5


@dataclass
class Crew:
    """The worker processes of one node.

    Attributes:
        run_dir: of the run to work for.
        slots: searches at a time.
        interface: the network interface to be reached on, or None.
        stop: set it, and the crew leaves.
    """

    run_dir: Path
    slots: int
    interface: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _members: dict[int, ForkServerProcess] = field(default_factory=dict)
    _deaths: deque[float] = field(default_factory=deque)
    _not_before: float = 0.0

    def serve(self, *, patience_s: float) -> None:
        """Work until the run ends.

        Args:
            patience_s: how long it waits for a run that has not begun, or whose process died; time in which this process was
                stopped does not count, as the run may have been stopped with it.

        Raises:
            ProgramError: worker processes die again and again, or this processor lacks instructions.
            RunStateError: this node's image or files are not the run's.
            StorageError: there is no room for a search.
        """
        check_cpu()
        _check_scratch()
        file = connection_file(self.run_dir)
        joined: Connection | None = None
        clock, last_seen = AwakeClock(longest_gap_s=_LONGEST_LOOK_S), 0.0
        try:
            while not self.stop.wait(_POLL_S):
                there = Connection.read(file)
                if there is None and joined is not None:
                    _log.info("the run has ended")
                    return
                if there is not None and there != joined:
                    self._stop_members()
                    self._check(there)
                    searches = counted(self.slots, "search")
                    _log.info("joining the run at %s, %s at a time", there.addresses[0], searches)
                    joined = there
                now = clock.now()
                if joined is not None and self._start_missing(joined):
                    last_seen = now
                if now - last_seen > patience_s:
                    _log.info("no run in %s for %g min", self.run_dir, patience_s / 60)
                    return
        finally:
            self._stop_members()

    def _check(self, connection: Connection) -> None:
        if connection.version != metadata.version("mlip-kmc"):
            raise RunStateError(
                f"the run is of mlip-kmc {connection.version}, this worker of {metadata.version('mlip-kmc')}; "
                "run workers from the run's own image"
            )
        for name, digest in connection.files.items():
            try:
                same = sha256_of(Path(name)) == digest
            except OSError as error:
                raise RunStateError(
                    f"this node cannot read {name}, which the searches need: {error.strerror}; bind its folder "
                    "into the container"
                ) from error
            if not same:
                raise RunStateError(
                    f"{name} has another content here than where the run is; give all nodes the same files"
                )

    def _start_missing(self, connection: Connection) -> bool:
        """Start the members that are missing; True while any of them is connected or on its way."""
        now = time.monotonic()
        for slot, member in list(self._members.items()):
            if member.exitcode is None:
                continue
            del self._members[slot]
            if member.exitcode not in (0, NO_SCHEDULER):
                sweep(scratch_directory())
                self._note_death(member.exitcode, now)
            self._not_before = now + _RETRY_S
        if now >= self._not_before:
            for slot in range(self.slots):
                if slot not in self._members:
                    self._members[slot] = self._start_member(connection, slot)
        return any(
            member.is_alive() and (Path(self._marks) / str(slot)).exists()
            for slot, member in self._members.items()
        )

    def _note_death(self, exitcode: int, now: float) -> None:
        self._deaths.append(now)
        while self._deaths and now - self._deaths[0] > _RAPID_S * self.slots:
            self._deaths.popleft()
        how = (
            f"signal {signal.Signals(-exitcode).name}" if exitcode < 0 else f"exit code {exitcode}"
        )
        _log.info("a worker process died (%s); it is started again", how)
        if len(self._deaths) >= _MOST_RAPID_DEATHS * self.slots:
            raise ProgramError(
                f"worker processes on {_machine()} died {len(self._deaths)} times in a short time, the "
                f"last by {how}; check the node's memory and scratch, then start its worker again"
            )

    @property
    def _marks(self) -> str:
        """A private folder in which each member leaves a file when it is connected."""
        if not hasattr(self, "_marks_made"):
            self._marks_made = str(make("worker"))
        return self._marks_made

    def _start_member(self, connection: Connection, slot: int) -> ForkServerProcess:
        mark = Path(self._marks) / str(slot)
        mark.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "mlip_kmc.workers.member"])
        name = f"{_machine()}:{os.getpid()}:{slot}"
        member = context.Process(
            target=_work, args=(connection, name, mark, self.interface), name=name, daemon=True
        )
        member.start()
        return member

    def _stop_members(self) -> None:
        """Stop all members: ask first."""
        for member in self._members.values():
            with contextlib.suppress(ProcessLookupError):
                member.terminate()
        deadline = time.monotonic() + _LEAVE_S
        for member in self._members.values():
            member.join(max(0.0, deadline - time.monotonic()))
            if member.is_alive():
                member.kill()
                member.join()
        self._members.clear()
        sweep(scratch_directory())
        if hasattr(self, "_marks_made"):
            remove(Path(self._marks_made))
            del self._marks_made


def _machine() -> str:
    """This node, by Slurm's name of it where there is one."""
    return node_name() or socket.gethostname()


def machine_of(name: str) -> str:
    """The machine of a worker of that name."""
    return name.split(":", 1)[0]


def _check_scratch() -> None:
    scratch = scratch_directory()
    with storage_errors(scratch, place=PLACE):
        left = os.statvfs(scratch)
    if left.f_bavail * left.f_frsize < LEAST_SCRATCH_BYTES:
        raise StorageError(
            f"{scratch} on {_machine()} has {left.f_bavail * left.f_frsize / 1e6:.0f} MB left, a search "
            f"may need {LEAST_SCRATCH_BYTES / 1e6:.0f} MB; set MLIP_KMC_SCRATCH to a larger node-local folder"
        )


def _work(connection: Connection, name: str, mark: Path, interface: str | None) -> None:
    """In a process of its own, which has all imported that this one need not."""
    from mlip_kmc.workers.member import work

    work(connection, name, mark, interface)
