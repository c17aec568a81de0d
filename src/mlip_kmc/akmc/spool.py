"""Outcomes of searches that no generation holds yet, in files that survive a kill.

spool = Spool(run / "spool")
spool.keep(outcome)
spool.read("0_17")                # the same outcome, also after a restart; None where there is none, or it is damaged

Outcomes are appended to `outcomes-N.log`, each with its name, length and checksum, at once: what is there a kill cannot take.
A thread of its own syncs what has come since it began to sync last: for a power cut, all that arrives meanwhile is one group.
A file goes when none of its outcomes is wanted. Files are numbered: what was kept since a KMC step is in files from a number on.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.files import append_whole, write_whole
from mlip_kmc.ground.syncing import Syncer
from mlip_kmc.search.outcome import SearchOutcome
from mlip_kmc.search.outcome_file import DamagedOutcomeError, from_bytes, to_bytes

_LOG = "outcomes-{:08d}.log"
_IS_LOG = re.compile(r"^outcomes-(\d{8})\.log$")
_START = re.compile(r"^\d+_\d+\.job$")
_LEFT_OVER = re.compile(r"^(\..*\.tmp|\d+_\d+\.json)$")
"""What a kill left half, and outcomes of versions that wrote one file each."""
_HEAD = re.compile(rb"((\d+_\d+) (\d+)) ([0-9a-f]{8})\n")
"""A search's name, the length of its outcome's text, and their checksum; the text has one of its own."""
_RESULTS = (End.FINISHED, End.HALTED)
"""What is a search's own result, the same wherever and whenever it runs; nothing else is ever registered."""
_MOST_OUTCOMES, _MOST_BYTES = 64, 4_000_000
"""A file that holds so much is not appended to."""


@dataclass
class _Log:
    """A file of outcomes: bytes it has, outcomes it had, and the names of those that are wanted."""

    path: Path
    size: int = 0
    count: int = 0
    wanted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Record:
    """Where an outcome is: `at` and `length` are those of its text, after its head."""

    name: str
    at: int
    length: int


def records_in(data: bytes) -> Iterator[Record | int]:
    """Outcomes of a log, in order; at its end the byte from which on it makes no sense, if there is one."""
    at = 0
    while (head := _HEAD.match(data, at)) is not None and head[4] == _checksum(head[1]):
        record = Record(head[2].decode(), head.end(), int(head[3]))
        if record.at + record.length > len(data):
            break
        yield record
        at = record.at + record.length
    if at != len(data) or not data:
        yield at


def _checksum(text: bytes) -> bytes:
    return b"%08x" % crc32(text)


class NoSpool:
    """In place of a spool: nothing is kept."""

    damage: tuple[str, ...] = ()

    def begin(self) -> int:
        """As a spool's."""
        return 0

    def since(self, number: int, name: str) -> bool:  # noqa: ARG002
        """Nothing is there."""
        return False

    def keep(self, outcome: SearchOutcome) -> None:
        """Nothing is written."""

    def read(self, name: str) -> SearchOutcome | None:  # noqa: ARG002
        """Nothing is there."""
        return None

    def forget(self, names: Iterable[str]) -> None:
        """There is nothing to drop."""

    def keep_only(self, wanted: Callable[[str], bool]) -> None:
        """There is nothing to drop."""


class Spool:
    """A folder of outcomes, and of starts that cannot be made again (`explorer.py` writes those).

    Attributes:
        damage: outcomes that could not be used, one line each.
    """

    def __init__(self, folder: Path, *, first: int = 1) -> None:
        """Use a folder that is there.

        Args:
            folder: of the run.
            first: files that are made get this number or a larger one.
        """
        self._folder = folder
        self.damage: list[str] = []
        self._logs: dict[int, _Log] = {}
        self._places: dict[str, tuple[int, Record]] = {}
        self._last, self._open = first - 1, False
        self._syncer = Syncer()
        for path in sorted(folder.iterdir()):
            if number := _IS_LOG.match(path.name):
                self._last = max(self._last, int(number[1]))
                self._read_log(int(number[1]), path)

    def _read_log(self, number: int, path: Path) -> None:
        """Note what a file holds; nothing more is appended to it."""
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        log = self._logs[number] = _Log(path, size=len(data))
        for found in records_in(data):
            if isinstance(found, int):
                self.damage.append(
                    f"{path} is damaged from byte {found} on; finished searches that waited there are made again"
                )
            else:
                self._note(number, log, found)

    def _note(self, number: int, log: _Log, record: Record) -> None:
        self._drop(record.name)
        self._places[record.name] = number, record
        log.wanted.add(record.name)
        log.count += 1

    def keep(self, outcome: SearchOutcome) -> None:
        """Write an outcome, once; one that is no result of the search's own is made again after a stop.

        Raises:
            StorageError: it could not be written, or what was written before could not be made durable.
        """
        if outcome.end not in _RESULTS or outcome.name in self._places:
            return
        text = to_bytes(outcome)
        head = f"{outcome.name} {len(text)}".encode()
        head += b" " + _checksum(head) + b"\n"
        log = self._append(head + text)
        self._note(self._last, log, Record(outcome.name, log.size + len(head), len(text)))
        log.size += len(head) + len(text)
        self._open = log.count < _MOST_OUTCOMES and log.size < _MOST_BYTES
        self._syncer.soon(log.path)

    def begin(self) -> int:
        """Have a new file hold what is kept from now on; answer its number."""
        self._open = False
        return self._last + 1

    def since(self, number: int, name: str) -> bool:
        """Was the outcome of a search kept in the file of that number, or in a later one?"""
        return name in self._places and self._places[name][0] >= number

    def _append(self, data: bytes) -> _Log:
        """Write to the last file, or to a new one; after a failure to a new one in any case."""
        still_open, self._open = self._open, False
        if still_open:
            log = self._logs[self._last]
            append_whole(log.path, data)
            return log
        path = self._folder / _LOG.format(self._last + 1)
        write_whole(path, data)
        self._last += 1
        self._logs[self._last] = log = _Log(path)
        return log

    def read(self, name: str) -> SearchOutcome | None:
        """The outcome of a search, or None where it is to be made (again)."""
        if name not in self._places:
            return None
        number, record = self._places[name]
        path = self._logs[number].path
        try:
            with path.open("rb") as stream:
                stream.seek(record.at)
                outcome = from_bytes(stream.read(record.length))
        except (OSError, DamagedOutcomeError):
            self.damage.append(f"the finished search {name} ({path}) was damaged; it is made again")
            outcome = None
        if outcome is None or outcome.end not in _RESULTS:
            self._drop(name)  # it may be kept anew
            return None
        return outcome

    def _drop(self, name: str) -> None:
        number, _ = self._places.pop(name, (0, None))
        if number:
            self._logs[number].wanted.discard(name)

    def forget(self, names: Iterable[str]) -> None:
        """Drop searches, and the files that hold nothing else.

        Raises:
            StorageError: what was written before could not be made durable.
        """
        present = {path.name for path in self._folder.iterdir()}  # most have no start here
        for name in names:
            self._drop(name)
            if f"{name}.job" in present:
                (self._folder / f"{name}.job").unlink(missing_ok=True)
        self._sweep()
        self._syncer.check()

    def _sweep(self) -> None:
        for number, log in list(self._logs.items()):
            if not log.wanted:
                del self._logs[number]
                self._open = self._open and number != self._last
                log.path.unlink(missing_ok=True)

    def drop_outcomes(self) -> None:
        """Drop the outcomes, not the starts: the searches are made again by another engine."""
        for name in list(self._places):
            self._drop(name)
        self._sweep()

    def keep_only(self, wanted: Callable[[str], bool]) -> None:
        """Drop every search that is not wanted (left over by a stop or a step), and what a kill left half."""
        for name in [name for name in self._places if not wanted(name)]:
            self._drop(name)
        self._sweep()
        for path in self._folder.iterdir():
            start = _START.match(path.name) and not wanted(path.stem)
            if start or _LEFT_OVER.match(path.name):
                path.unlink(missing_ok=True)
