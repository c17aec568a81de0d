"""One worker process of a crew: joins the run's scheduler, and runs one search at a time.

work(connection, "node1:4711:0", mark, None)       # in a process of its own; never returns
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin

from mlip_kmc.evaluate.client import cancel_all_jobs, cancel_jobs
from mlip_kmc.ground.scratch import remove_own_folders
from mlip_kmc.workers.crew import NO_SCHEDULER
from mlip_kmc.workers.dask_settings import configure_dask
from mlip_kmc.workers.keys import Connection

PLUGIN_NAME = "mlip-kmc-canceller"
_CONNECT_S = 15.0


class Canceller(WorkerPlugin):  # type: ignore[misc]
    """Ends the client of a search that is taken back, and all of them when the worker goes."""

    def __init__(self, *, prefix: str) -> None:
        self._prefix = prefix

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Called by dask at each change of a task."""
        if start == "executing" and finish == "released" and str(key).startswith(self._prefix):
            cancel_jobs([str(key)])

    def teardown(self, worker: Any) -> None:  # noqa: ARG002
        """Called by dask when the worker ends."""
        cancel_all_jobs()


def work(connection: Connection, name: str, mark: Path, interface: str | None) -> None:
    """One worker process: join, and run one search at a time until the scheduler goes; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the crew ends its members
    _end_with_parent()
    configure_dask()
    result = asyncio.run(_work(connection, name, mark, interface))
    remove_own_folders()
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
    return NO_SCHEDULER


_leaving: set[asyncio.Task[Any]] = set()  # the loop keeps weak references only


def _leave(worker: Any) -> None:
    """Close the worker gracefully: dask runs its searches elsewhere, and counts no death of a worker against them."""
    cancel_all_jobs()
    task = asyncio.ensure_future(worker.close_gracefully(reason="leaving"))
    _leaving.add(task)


@lru_cache(maxsize=1)
def _end_with_parent() -> None:
    """The kernel's signal at a parent's death is the fork server's here; the crew's own end is seen by its sentinel."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(0)
