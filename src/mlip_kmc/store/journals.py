"""Append-only journals: a manifest says how much of each counts.

Example:
    journal = Journal(run / "journal", "events")
    journal.append(event.to_json())
    end = journal.flush()                                  # durable; it counts once a manifest holds `end`
    committed(run / "journal", "events", end).decode().splitlines()
"""

import hashlib
import os
from pathlib import Path

from mlip_kmc.ground.files import append_durably, storage_errors
from mlip_kmc.store.manifest import JournalEnd
from mlip_kmc.store.whole import NotWholeError, bytes_or_none, sha256

JOURNALS = ("events", "searches", "starts", "refreshes")


def path_of(folder: Path, name: str) -> Path:
    """Where a journal lies."""
    return folder / f"{name}.jsonl"


def committed(folder: Path, name: str, end: JournalEnd) -> bytes:
    """What counts of a journal.

    Raises:
        NotWholeError: it is lost, torn or altered.
    """
    path = path_of(folder, name)
    data = (bytes_or_none(path, at_most=end.length) or b"") if end.length else b""
    if len(data) != end.length or sha256(data) != end.sha256:
        raise NotWholeError(f"the journal of {name} ({path}) is torn or altered")
    return data


class Journal:
    """A journal that one process writes."""

    def __init__(self, folder: Path, name: str) -> None:
        """Nothing of it counts before `cut`."""
        self.name = name
        self.path = path_of(folder, name)
        self._length, self._digest = 0, hashlib.sha256()
        self._waiting: list[bytes] = []

    @property
    def has_bytes(self) -> bool:
        """There is something in its file, whether it counts or not."""
        return self.path.exists() and self.path.stat().st_size > 0

    @property
    def count(self) -> int:
        """How many records there are, with those that wait."""
        return len(self.records()) + len(self._waiting)

    def append(self, line: str) -> None:
        """Add a record, which waits for `flush`."""
        self._waiting.append(line.encode() + b"\n")

    def records(self) -> list[str]:
        """Those that are durable."""
        if not self._length:
            return []
        with self.path.open("rb") as stream:
            return stream.read(self._length).decode().splitlines()

    def flush(self) -> JournalEnd:
        """Make the waiting records durable; they count once a manifest says so."""
        if self._waiting:
            data = b"".join(self._waiting)
            append_durably(self.path, data, size=self._length)
            self._length += len(data)
            self._digest.update(data)
            self._waiting = []
        return JournalEnd(length=self._length, sha256=self._digest.hexdigest())

    def cut(self, length: int) -> None:
        """Go back to what a manifest says: nothing else is left in the file, and nothing waits."""
        self._length, self._digest, self._waiting = length, hashlib.sha256(), []
        if not self.path.exists():
            return
        with storage_errors(self.path), self.path.open("r+b") as stream:
            self._digest.update(stream.read(length))
            if stream.seek(0, os.SEEK_END) != length:
                stream.truncate(length)
                os.fsync(stream.fileno())
