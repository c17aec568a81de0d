"""The workers that run searches: a dask cluster inside this process, one thread a search.

    with SearchCluster(workers=2) as cluster:
        cluster.submit(job)
        for done in cluster.wait(timeout_s=1.0):
            ...

The local cluster uses dask's in-process transport: no port, no socket, nothing left behind when the process dies.
"""

import contextlib
import logging
import queue
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from mlip_kmc.searches.run import ClientDone, ClientJob, End, cancel_jobs, run_job


class SearchCluster:
    """Runs client jobs on `workers` threads and hands back what is done, in any order."""

    def __init__(self, *, workers: int) -> None:
        """Start the workers.

        Args:
            workers: how many clients run at a time; each uses one processor.
        """
        import dask
        from distributed import Client, LocalCluster
        from distributed.node import ServerNode

        ServerNode.start_http_server = lambda *_, **__: None  # no dashboard: it would listen to the whole network
        logging.getLogger("distributed").setLevel(logging.ERROR)
        dask.config.set({"distributed.worker.memory.terminate": False, "distributed.worker.memory.pause": False,
                         "distributed.worker.memory.spill": False, "distributed.worker.memory.target": False,
                         "distributed.admin.tick.limit": "1h"})
        self._cluster = LocalCluster(n_workers=1, threads_per_worker=workers, processes=False, dashboard_address=None,
                                     protocol="inproc", silence_logs=logging.ERROR)
        self._client = Client(self._cluster)
        self._futures: dict[str, Any] = {}
        self._done: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._submitted = 0

    def submit(self, job: ClientJob) -> None:
        """Queue a job; jobs start in the order of submission."""
        self._submitted += 1  # in the key: dask would answer a search that is tried again with its first result
        future = self._client.submit(run_job, job, key=f"search-{job.name}-{self._submitted}", pure=False, retries=2,
                                     priority=-self._submitted)
        self._futures[job.name] = future
        future.add_done_callback(lambda done, name=job.name: self._done.put((name, done)))

    def wait(self, timeout_s: float) -> list[ClientDone]:
        """What has come back; waits up to `timeout_s` for the first."""
        found = []
        try:
            found.append(self._collect(*(self._done.get(timeout=timeout_s) if timeout_s > 0 else self._done.get_nowait())))
            while True:
                found.append(self._collect(*self._done.get_nowait()))
        except queue.Empty:
            pass
        return [done for done in found if done is not None]

    def _collect(self, name: str, future: Any) -> ClientDone | None:
        if name not in self._futures or self._futures[name] is not future:
            return None  # it was taken back
        del self._futures[name]
        if future.status == "cancelled":
            return None
        if future.status == "error":
            return ClientDone(name=name, end=End.CRASHED, message=str(future.exception()))
        done: ClientDone = future.result()
        return done

    def cancel(self, names: Iterable[str]) -> None:
        """Take back queued jobs and end running ones; their results never come."""
        wanted = [name for name in names if name in self._futures]
        self._client.cancel([self._futures.pop(name) for name in wanted], force=True)
        cancel_jobs(wanted)

    def close(self) -> None:
        """End everything that runs and the workers."""
        self.cancel(list(self._futures))
        with contextlib.suppress(TimeoutError):
            self._client.close(timeout=5)
        with contextlib.suppress(TimeoutError):
            self._cluster.close(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
