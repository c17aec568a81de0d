"""What joins a run from another process or node: searches at a time, each in a process of its own.

Example:
    Crew(run_dir, slots=4, say=print).serve(patience_s=600.0)       # until the run ends

A process of its own for each slot, so that whatever kills one takes one search with it. They are forked from one process
that has imported everything, and share its memory.
"""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin

from mlip_kmc.evaluate.client import cancel_all_jobs, cancel_jobs
from mlip_kmc.ground.environment import node_name, scratch_directory
from mlip_kmc.ground.errors import ProgramError, RunStateError, StorageError
from mlip_kmc.ground.files import sha256_of, storage_errors
from mlip_kmc.ground.programs import AwakeClock, check_cpu
from mlip_kmc.ground.scratch import PLACE, leave, make, remove, sweep
from mlip_kmc.ground.wording import counted
from mlip_kmc.workers.dask_settings import settle
from mlip_kmc.workers.keys import Connection, connection_file

PLUGIN_NAME = "mlip-kmc-canceller"
LEAST_SCRATCH_BYTES = 200_000_000
"""What a search directory and its logs may need, with room to spare."""
_POLL_S = 0.5
_LONGEST_LOOK_S = 5.0
_RETRY_S = 3.0
_CONNECT_S = 15.0
_LEAVE_S = 10.0
_RAPID_S = 60.0
_MOST_RAPID_DEATHS = 5
_NO_SCHEDULER = 3


class Canceller(WorkerPlugin):  # type: ignore[misc]
    """Ends the client of a search that is taken back, and all of them when the worker goes."""

    def __init__(self, *, prefix: str) -> None:
        self._prefix = prefix

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """dask tells of each change of a task."""
        if start == "executing" and finish == "released" and str(key).startswith(self._prefix):
            cancel_jobs([str(key)])

    def teardown(self, worker: Any) -> None:  # noqa: ARG002
        """dask tells that the worker goes."""
        cancel_all_jobs()


@dataclass
class Crew:
    """The worker processes of one node.

    Attributes:
        run_dir: of the run to work for.
        slots: searches at a time.
        say: takes a line on what happens.
        interface: the network interface to be reached on, or None.
        stop: set it, and the crew leaves.
    """

    run_dir: Path
    slots: int
    say: Callable[[str], None]
    interface: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    _members: dict[int, ForkServerProcess] = field(default_factory=dict)
    _deaths: deque[float] = field(default_factory=deque)
    _not_before: float = 0.0

    def serve(self, *, patience_s: float) -> None:
        """Work until the run ends.

        Args:
            patience_s: so long it waits for a run that has not begun, or whose process died; time in which this process was
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
                    self.say("the run has ended")
                    return
                if there is not None and there != joined:
                    self._dismiss()
                    self._check(there)
                    self.say(
                        f"joining the run at {there.addresses[0]}, {counted(self.slots, 'search')} at a time"
                    )
                    joined = there
                now = clock.now()
                if joined is not None and self._keep_up(joined):
                    last_seen = now
                if now - last_seen > patience_s:
                    self.say(f"no run in {self.run_dir} for {patience_s / 60:g} min")
                    return
        finally:
            self._dismiss()

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

    def _keep_up(self, connection: Connection) -> bool:
        """Start the members that are missing; True while any of them is connected or on its way."""
        now = time.monotonic()
        for slot, member in list(self._members.items()):
            if member.exitcode is None:
                continue
            del self._members[slot]
            if member.exitcode not in (0, _NO_SCHEDULER):
                sweep(scratch_directory())
                self._note_death(member.exitcode, now)
            self._not_before = now + _RETRY_S
        if now >= self._not_before:
            for slot in range(self.slots):
                if slot not in self._members:
                    self._members[slot] = self._hire(connection, slot)
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
        self.say(f"a worker process died ({how}); it is started again")
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

    def _hire(self, connection: Connection, slot: int) -> ForkServerProcess:
        mark = Path(self._marks) / str(slot)
        mark.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        name = f"{_machine()}:{os.getpid()}:{slot}"
        member = context.Process(
            target=work, args=(connection, name, mark, self.interface), name=name, daemon=True
        )
        member.start()
        return member

    def _dismiss(self) -> None:
        """Let everybody go: ask first."""
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


def work(connection: Connection, name: str, mark: Path, interface: str | None) -> None:
    """One worker process: join, and run one search at a time until the scheduler goes; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the crew tells
    _end_with_parent()
    settle()
    result = asyncio.run(_work(connection, name, mark, interface))
    leave()
    os._exit(result)  # threads of searches must not hold it up


async def _work(connection: Connection, name: str, mark: Path, interface: str | None) -> int:
    for address in connection.addresses:
        worker = Worker(
            address,
            nthreads=1,
            name=name,
            security=connection.security(),
            memory_limit=0,
            nanny=None,
            local_directory=str(mark.parent / f"{mark.name}.dask"),
            death_timeout=_CONNECT_S,
            interface=interface,
        )
        try:
            async with asyncio.timeout(_CONNECT_S * 2):
                await worker
        except Exception:  # noqa: BLE001, S112 - dask's many ways to say that it cannot connect
            continue
        await asyncio.to_thread(mark.touch)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _leave, worker)
        await worker.finished()
        cancel_all_jobs()
        return 0
    return _NO_SCHEDULER


_leaving: set[asyncio.Task[Any]] = set()  # the loop keeps weak references only


def _leave(worker: Any) -> None:
    """Politely: what it ran is run elsewhere, and nobody is blamed."""
    cancel_all_jobs()
    task = asyncio.ensure_future(worker.close_gracefully(reason="leaving"))
    _leaving.add(task)


@lru_cache(maxsize=1)
def _end_with_parent() -> None:
    """The kernel's signal at a parent's death is the fork server's here; the crew's own end is told by its sentinel."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(0)
