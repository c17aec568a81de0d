"""The sign of life of a running process: `live.json` in the run directory, written every few seconds, for `status`.

Example:
    with Pulse(directory.path, workers=2) as pulse:
        pulse.beat("searching", busy=2, waiting=10)

The file is not durable, and the run does not depend on it: if it cannot be written, the run goes on.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import write_whole
from mlip_kmc.model.records import Live

FILE = "live.json"
INTERVAL_S = 2.0


class Pulse:
    """Writes `live.json` from time to time, and removes it at a clean end."""

    def __init__(self, run_dir: Path, *, workers: int) -> None:
        """Keep the arguments; nothing is written before the first `beat`."""
        self._path = run_dir / FILE
        self._workers = workers
        self._last = (float("-inf"), "")

    def beat(
        self,
        phase: str,
        *,
        nodes: Mapping[str, int] | None = None,
        busy: int = 0,
        waiting: int = 0,
    ) -> None:
        """Write the sign of life, unless one of the same phase was written less than `INTERVAL_S` ago.

        Args:
            phase: the present activity, in words.
            nodes: number of searches at a time, by machine; None: the workers of this process.
            busy: number of searches that run.
            waiting: number of searches that wait for a worker.
        """
        now = time.monotonic()
        if phase == self._last[1] and now - self._last[0] < INTERVAL_S:
            return
        self._last = now, phase
        live = Live(
            time_s=round(time.time(), 3),
            host=socket.gethostname(),
            pid=os.getpid(),
            phase=phase,
            workers=self._workers if nodes is None else sum(nodes.values()),
            busy=busy,
            waiting=waiting,
            interval_s=INTERVAL_S,
            nodes=dict(nodes or {}),
        )
        text = live.to_json().encode()
        try:
            write_whole(self._path, text)
        except StorageError:
            with (
                contextlib.suppress(OSError),
                self._path.open("r+b") as stream,
            ):  # on a full disk the old file can still be overwritten
                stream.write(text)
                stream.truncate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
