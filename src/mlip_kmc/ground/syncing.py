"""Files made durable in a thread of its own, in groups: nobody waits for the disk.

syncer = Syncer()
syncer.soon(path)                  # after each change of a file
syncer.check()                     # raises if a sync has failed

Between two groups it rests, so that many changes are few syncs: a power cut takes what came meanwhile, a kill nothing.
"""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import fsync_directory, storage_errors

_REST_S = 0.05


class Syncer:
    """Syncs files and their names; what changes while it does, or rests, is synced together next."""

    def __init__(self) -> None:
        """Nothing is to be synced."""
        self._lock = threading.Lock()
        self._due: set[Path] = set()
        self._at_work = False
        self._failed: StorageError | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="syncer")

    def soon(self, path: Path) -> None:
        """A file was made or appended to: sync it, and its name.

        Raises:
            StorageError: as of `check`.
        """
        self.check()
        with self._lock:
            self._due.add(path)
            idle, self._at_work = not self._at_work, True
        if idle:
            self._thread.submit(self._work)

    def check(self) -> None:
        """See whether all went well so far.

        Raises:
            StorageError: a sync failed, so nothing that was written since the one before is sure to be there.
        """
        if self._failed is not None:
            raise self._failed

    def wait(self) -> None:
        """Come back when nothing is left to sync, or it failed; for tests."""
        while self._at_work:
            self._thread.submit(lambda: None).result()

    def _work(self) -> None:
        while True:
            with self._lock:
                due, self._due = self._due, set()
                if not due or self._failed is not None:
                    self._at_work = False
                    return
            try:
                for path in sorted(due):
                    _sync(path)
                for folder in {path.parent for path in due}:
                    with storage_errors(folder):
                        fsync_directory(folder)
            except StorageError as error:
                self._failed = error
            else:
                time.sleep(_REST_S)


def _sync(path: Path) -> None:
    with storage_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # it is not wanted any more
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
