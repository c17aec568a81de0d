"""What workers tell of searches, as the scheduler hears it, and when dask is done with a task.

scheduler.add_plugin(Post(lambda key, outcome: ...), name="post")
await ended_of(future)                  # (End.CANCELLED, ""): what has not come by now runs again
"""

import pickle
from collections.abc import Callable
from typing import Any

from distributed import KilledWorker, SchedulerPlugin
from distributed.client import FutureCancelledError

from mlip_kmc.evaluate.client import End
from mlip_kmc.workers.task import OUTCOMES, TaskOutcome


class Post(SchedulerPlugin):  # type: ignore[misc]
    """Takes in outcomes, ahead of dask's word that their parcel is done: that comes after them on the same connection."""

    def __init__(self, came: Callable[[str, TaskOutcome], None]) -> None:
        """`came` is called for each outcome, in dask's thread, with its parcel's key."""
        self._came = came

    def log_event(self, topic: str, msg: Any) -> None:
        """Called by dask for each message of a topic."""
        if topic == OUTCOMES:
            key, packed = msg
            self._came(str(key), pickle.loads(packed))  # noqa: S301 - from a worker that showed a certificate of this start


async def ended_of(future: Any) -> tuple[End, str]:
    """Wait until dask is done with a task; what it returned, which is nothing, is not asked for.

    Returns:
        the end of what had not been told of by then, with the address of the worker that died, or what was raised.
    """
    try:
        await future._state.wait()  # noqa: SLF001 - `await future` would have the scheduler bring the result
        if future.status != "finished":
            await future
    except KilledWorker as error:
        return End.KILLED_WORKERS, str(error.last_worker.address)
    except FutureCancelledError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever a worker raises is the search's end, not the run's
        return End.CRASHED, f"{error}" or type(error).__name__
    return End.CANCELLED, ""
