"""Room on the run directory's disk: one rule for starting, for going on, and for going on after a pause.

require_room(run_dir)                                       # StorageError, of the kind that a pause mends
wait_for_room(error, run_dir=run_dir, limit_min=None, ...)  # True when there is room again
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import has_room
from mlip_kmc.ground.wording import size

ROOM_BYTES = 50_000_000
"""A run goes on only with so much: a commit takes less, and a disk that is nearly full is filled by others."""
_POLL_S = 5.0
_log = logging.getLogger(__name__)
_ADVICE = "make room and run the same command again"


def require_room(run_dir: Path) -> None:
    """Can a run write into its directory for a while? It is tried, because a quota shows in no other way.

    Raises:
        StorageError: it cannot.
    """
    if not has_room(run_dir, probe_bytes=ROOM_BYTES):
        error = StorageError(
            f"there is no room for {size(ROOM_BYTES)} in {run_dir}, which a run needs to start and to go on",
            advice=_ADVICE,
        )
        error.full = True
        raise error


def wait_for_room(
    error: StorageError,
    *,
    run_dir: Path,
    limit_min: float | None,
    stop: threading.Event,
    drain: threading.Event,
    beat: Callable[[str], None],
) -> bool:
    """Wait until there is room; False when that takes longer than it may, or the run is to stop.

    Args:
        error: what did not fit.
        run_dir: of the run.
        limit_min: of the wait; None: none.
        stop: the run is to stop.
        drain: likewise, when its searches have ended.
        beat: takes the run's phase, for `status`.
    """
    deadline = math.inf if limit_min is None else time.monotonic() + limit_min * 60
    _log.info("paused: %s; it goes on when there are %s", error.fault, size(ROOM_BYTES))
    while time.monotonic() < deadline and not drain.is_set():
        beat("paused: the disk is full")
        if stop.wait(
            _POLL_S
        ):  # also before the first look: there may seem to be room where writing fails again
            return False
        if has_room(run_dir, probe_bytes=ROOM_BYTES):
            _log.info("there is room again: the run goes on from its last commit")
            return True
    return False
