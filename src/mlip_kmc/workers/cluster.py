"""The workers that run searches: a dask cluster, in this process or joined from other nodes.

Example:
    with SearchCluster.local(workers=2) as cluster:
        cluster.submit(task)
        for done in cluster.wait(timeout_s=1.0):
            ...

    with SearchCluster.joined(file=connection_file(run_dir), files={...}) as cluster:   # `mlip-kmc worker RUN` joins
        ...

The local cluster uses dask's in-process transport: no port, no socket, nothing left behind when the process dies. The
joined one listens on one port, with TLS and certificates asked of both sides.

Tasks wait here, in order, and only as many are with dask as workers can run at once (short ones in parcels, `parcels.py`):
what is taken back was mostly never sent, and a worker that dies takes only what it ran. In this process, where no worker dies,
one more is with dask, so that a thread which is done goes on at once.

Workers come back: in this process a worker that dask has lost is replaced; one of another process starts itself again
(`workers/crew.py`). `lost` is true when no search can come back any more.
"""

import contextlib
import logging
import queue
import secrets
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from distributed import Client, LocalCluster

from mlip_kmc.evaluate.apart import end_children
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.workers.attendance import Attendance, Roll, Silence
from mlip_kmc.workers.dask_settings import configure_dask
from mlip_kmc.workers.keys import Connection, Keys, addresses_of
from mlip_kmc.workers.member import PLUGIN_NAME, Canceller
from mlip_kmc.workers.parcels import Parcel, Parcels, Sizes, Waiting
from mlip_kmc.workers.post import Post, ended_of
from mlip_kmc.workers.task import Task, TaskOutcome, run_in_turn, run_task

MOST_DEATHS = 3
"""A search whose worker died so often is given up: it, not the node, is to blame."""
SILENT_S = 60.0
"""A worker without a heartbeat for this time is given up: its node is dead, or asleep."""
_KEY = "search-"


class SearchCluster:
    """Runs tasks and hands back what came of them, in any order.

    Long because tasks and workers share one lock: which tasks wait, which were sent, and who is there change together.
    """

    def __init__(
        self,
        cluster: LocalCluster,
        *,
        announced: Path | None = None,
        spare: int = 0,
        silent_s: float | None = None,
    ) -> None:
        """Take up a dask cluster; use `local` or `joined`."""
        self._cluster = cluster
        self._spare = spare
        self._replacements: list[Any] = []
        self._closing = False
        self._announced = announced
        self._client = Client(cluster)
        self._lock = threading.Lock()
        self._waiting, self._sent, self._sizes = Waiting(), Parcels(), Sizes()
        self._feeding = False
        # by name the number of its last submission, which is its turn: what is submitted again must not get an old result
        self._wanted: dict[str, int] = {}
        self._done: queue.SimpleQueue[tuple[int, TaskOutcome]] = queue.SimpleQueue()
        self._submitted = self._tries = 0
        self._deaths: Counter[str] = Counter()
        self._held = False
        self._attendance = Attendance(self._changed)
        self._client.sync(self._enroll)
        self._silence = None if silent_s is None else Silence(limit_s=silent_s)
        if self._silence is not None:
            self._client.loop.add_callback(self._silence.listen, cluster.scheduler)
        self._client.register_plugin(Canceller(prefix=_KEY), name=PLUGIN_NAME)

    @classmethod
    def local(cls, *, workers: int) -> Self:
        """Workers in this process; none is ever given up, and one that dask loses is replaced.

        Args:
            workers: how many clients run at a time; each uses one processor.
        """
        configure_dask()
        return cls(
            LocalCluster(
                n_workers=1,
                threads_per_worker=workers,
                processes=False,
                dashboard_address=None,
                protocol="inproc",
                silence_logs=logging.CRITICAL,
            ),
            spare=1,
        )

    @classmethod
    def joined(
        cls,
        *,
        file: Path,
        files: Mapping[str, str],
        interface: str | None = None,
        silent_s: float = SILENT_S,
    ) -> Self:
        """No worker yet; whoever reads `file` joins.

        Args:
            file: is written, with the keys of this start.
            files: sha256 of what searches read, by absolute path.
            interface: the network interface to listen on, as `ib0`; None: that of the default route.
            silent_s: a worker without a heartbeat for this time, while this process was awake, is given up.

        Raises:
            ProgramError: there is no such interface. StorageError: the file could not be written.
        """
        configure_dask()
        keys = Keys.make()
        where = {"interface": interface} if interface else {"host": "0.0.0.0"}  # noqa: S104 - TLS, certificates asked of both
        try:
            cluster = LocalCluster(
                n_workers=0,
                dashboard_address=None,
                protocol="tls://",
                security=keys.security(),
                silence_logs=logging.CRITICAL,
                **where,
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ProgramError(
                f"cannot listen for workers{f' on {interface}' if interface else ''}: {error}"
            ) from error
        found = cls(cluster, announced=file, silent_s=silent_s)
        Connection(
            start=secrets.token_hex(16),
            version=metadata.version("mlip-kmc"),
            credential=keys.worker,
            files=dict(files),
            addresses=addresses_of(cluster.scheduler.address),
        ).write(file)
        return found

    # -- tasks

    def submit(self, task: Task, *, first: bool = False) -> None:
        """Queue a task; tasks start in the order of submission.

        Args:
            task: what to run.
            first: before all others that wait.
        """
        with self._lock:
            self._submitted += 1
            self._wanted[task.name] = -self._submitted if first else self._submitted
            self._waiting.put(task, number=self._wanted[task.name])
        self._feed_soon()

    def wait(self, timeout_s: float) -> list[TaskOutcome]:
        """What has come back; waits up to `timeout_s` for the first."""
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(
                self._done.get(timeout=timeout_s) if timeout_s > 0 else self._done.get_nowait()
            )
            while True:
                found.append(self._done.get_nowait())
        with self._lock:
            wanted = [done for number, done in found if self._wanted.get(done.name) == number]
            for done in wanted:
                del self._wanted[done.name]
        return wanted

    def cancel(self, names: Iterable[str]) -> int:
        """Take back queued tasks and end running ones; what they came to is never handed back.

        Returns:
            how many of them had been started.
        """
        with self._lock:
            wanted = [name for name in names if self._wanted.pop(name, None) is not None]
            for name in wanted:
                self._waiting.drop(name)
                self._deaths.pop(name, None)
            begun = self._sent.begun(self.running).intersection(wanted)
            sent = self._sent.take_back(wanted)
        if sent:
            self._client.cancel(sent, force=True)
        self._feed_soon()
        return len(begun)

    def cancel_all(self) -> None:
        """Take back everything."""
        with self._lock:
            names = list(self._wanted)
        self.cancel(names)

    def hold(self) -> int:
        """Start nothing more.

        Returns:
            how many are running.
        """
        with self._lock:
            self._held = True
            spare = [self._sent.newest().future for _ in range(len(self._sent) - self.running)]
        if spare:
            self._client.cancel(spare, force=True)
        return self.running

    @property
    def running(self) -> int:
        """How many workers run a search: one of each parcel sent, without the newest where that is spare."""
        return min(len(self._sent), self.slots) if self._spare else len(self._sent)

    @property
    def waiting(self) -> int:
        """How many wait for a worker."""
        return len(self._waiting)

    # -- workers

    @property
    def slots(self) -> int:
        """Searches that can run at a time, now."""
        return self._attendance.roll().total

    @property
    def roll(self) -> Roll:
        """Who is there."""
        return self._attendance.roll()

    def capacity_s(self) -> float:
        """Slots times seconds so far: what the workers could have worked."""
        return self._attendance.capacity_s()

    @property
    def lost(self) -> bool:
        """dask's client has given up: no search comes back any more, and only another start helps."""
        return not self._closing and self._client.status in ("closing", "closed")

    # -- inside

    async def _enroll(self) -> None:
        """In dask's thread: keep the roll from now on, with those that are there already."""
        scheduler = self._cluster.scheduler
        scheduler.add_plugin(self._attendance, name="mlip-kmc-attendance")
        scheduler.add_plugin(Post(self._came), name="mlip-kmc-post")
        for address in scheduler.workers:
            await self._attendance.enter(scheduler, address)

    def _changed(self) -> None:
        """From dask's own thread: a worker came or went."""
        self._feed_soon()
        if self._spare and not self._closing and not self.slots:
            self._client.loop.add_callback(self._replace)

    async def _replace(self) -> None:
        """In dask's thread: another worker in this process, as the one that is gone."""
        if self.slots or self._closing:
            return
        (name, spec), *_ = self._cluster.worker_spec.items()
        options = {**spec["options"], "name": f"{name}:{len(self._replacements) + 1}"}
        worker = spec["cls"](self._cluster.scheduler.address, **options)
        self._replacements.append(worker)
        await worker

    def _feed_soon(self) -> None:
        """Have dask's thread feed the workers, once for all that is submitted or comes back meanwhile."""
        with self._lock:
            soon, self._feeding = self._feeding, True
        if not soon:
            self._client.loop.add_callback(self._feed)

    def _feed(self) -> None:
        """In dask's thread: send waiting tasks while workers have room, all at once: it costs dask as much as one."""
        with self._lock:
            self._feeding = False
            idle = self._held or self.lost or self._closing
            room = 0 if idle else self.slots + self._spare - len(self._sent)
            parcels = [self._parcel() for _ in range(max(room, 0)) if self._waiting]
            if not parcels:
                return
            keys = [parcel.key for parcel in parcels]
            futures = self._client.map(
                run_in_turn,
                [list(parcel.packed) for parcel in parcels],
                keys,
                run=run_task,
                key=keys,
                pure=False,
                retries=2,
                priority=-parcels[0].number,
            )
            for parcel, future in zip(parcels, futures, strict=True):
                self._sent.add(parcel, future)
        for key, future in zip(keys, futures, strict=True):
            self._client.loop.add_callback(self._bring, key, future)

    def _parcel(self) -> Parcel:
        """The next, of what waits; under the lock. In this process dask costs little, and a search is sent alone."""
        waiting = len(self._waiting)
        most = 1 if self._spare else self._sizes.most(waiting=waiting, slots=self.slots)
        self._tries += (
            1  # in the key: dask would answer a search that is tried again with its first result
        )
        return self._waiting.parcel(
            most, f"{_KEY}{{}}-{self._tries}", alone=lambda name: self._deaths[name] > 0
        )

    def _came(self, key: str, done: TaskOutcome) -> None:
        """In dask's thread: a search has come to its end."""
        with self._lock:
            found = self._sent.came(key, done.name)
            if found is None:
                return  # it was taken back
            self._deaths.pop(done.name, None)
            self._sizes.note(done.seconds)
        self._done.put((found[0], done))
        self._feed_soon()

    async def _bring(self, key: str, future: Any) -> None:
        """Wait for a parcel's end, in dask's thread; what has not come of it by then never comes."""
        end, message = await ended_of(future)
        with self._lock:
            parcel = self._sent.end(key)
            # the first of the others ran; the rest only waited behind it
            for index, (number, task) in enumerate(parcel.tasks.values() if parcel else ()):
                done = None if index else self._without_result(task, end, message)
                if done is None:
                    self._waiting.put(task, number=number)
                else:
                    self._deaths.pop(task.name, None)
                    self._done.put((number, done))
        self._feed_soon()

    def _without_result(self, task: Task, end: End, message: str) -> TaskOutcome | None:
        """What is handed back for a task that ran and did not come back; None where it runs again.

        It does where its worker left or dask lost it, and where the worker died; it is to blame where workers that were awake go
        on dying.
        """
        if end is End.KILLED_WORKERS:
            if self._silence is not None and not self._silence.explains(message):
                self._deaths[task.name] += 1
            if self._deaths[task.name] < MOST_DEATHS:
                return None
            message = f"{MOST_DEATHS} workers died while they ran it"
        return None if end is End.CANCELLED else task.without_result(end, message)

    def close(self) -> None:
        """End everything that runs, and the workers; once."""
        if self._closing:
            return
        self._closing = True
        if self._announced is not None:
            self._announced.unlink(
                missing_ok=True
            )  # first: workers that see it gone do not wait for another start
        self.cancel_all()
        with contextlib.suppress(TimeoutError):
            self._client.sync(self._dismiss, callback_timeout=5)
        with contextlib.suppress(TimeoutError):
            self._client.close(timeout=5)
        with contextlib.suppress(TimeoutError):
            self._cluster.close(timeout=10)
        end_children()

    async def _dismiss(self) -> None:
        for worker in self._replacements:
            await worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
