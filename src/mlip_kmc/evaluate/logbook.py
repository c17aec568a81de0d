"""What a process evaluates, noted before each call in a file that outlives the process.

    logbook = Logbook(folder / "last-call")
    logbook.note(structure)
    Noted.read(folder / "last-call")         # Noted(calls=17, structure=...): by whoever finds the process dead, or waits for it

It lies in scratch and is written without fsync: what it must outlive is the process, not the machine.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlip_kmc.driver.standalone import (
    DriverError,
    Structure,
    packed_question,
    unpacked_question,
)

LAST_CALL = "last-call"
"""The file's name, in a folder of the process."""
_HEAD = struct.Struct("<QQ")


class Logbook:
    """Writes the notes of one process."""

    def __init__(self, path: Path) -> None:
        """Begin the file."""
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._calls = 0

    def note(self, structure: Structure) -> None:
        """A call of this structure begins."""
        self._calls += 1
        body = packed_question(structure, {})
        os.pwrite(self._file, _HEAD.pack(self._calls, len(body)) + body, 0)


@dataclass(frozen=True)
class Noted:
    """What a process noted last.

    Attributes:
        calls: how many it began. structure: of the last; None where there was none, or it was not written whole.
    """

    calls: int = 0
    structure: Structure | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it; nothing where there is nothing."""
        try:
            data = path.read_bytes()
        except OSError:
            return cls()
        if len(data) < _HEAD.size:
            return cls()
        calls, length = _HEAD.unpack_from(data)
        try:
            structure, _ = unpacked_question(data[_HEAD.size : _HEAD.size + length])
        except DriverError:
            return cls(calls)
        return cls(calls, structure)
