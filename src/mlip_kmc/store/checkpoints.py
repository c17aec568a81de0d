"""Durable state of a run: generations, each written whole before it counts.

    with RunDirectory(path) as directory:              # locked
        store = Checkpoints(directory)
        saved = store.restore(digest)                  # the newest whole generation, or None; the live tree follows it
        store.append("events", event.to_json())
        store.commit(state, identity=digest, touched=["states/0"])   # durable when it returns

Layout of a run directory:

    generations/00000042.json   manifest: digests of the folders, lengths and digests of the journals, the run's numbers
    objects/ab/cdef...          by sha256: contents of files, and listings of folders (name -> sha256)
    journal/events.jsonl ...    append-only records; a manifest says how much of each counts
    eon/                        the live tree that eOn reads and writes; after a kill it is made anew from a manifest
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import (
    append_durably,
    create_durably,
    fsync_directory,
    make_directory,
    sealed,
    storage_errors,
    unsealed,
    write_durably,
)
from mlip_kmc.store.claim import Claim

FORMAT = 2
KEPT = 3
JOURNALS = ("events", "searches", "starts")
_MANIFEST = re.compile(r"^(\d{8})\.json$")
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}


class RunDirectory:
    """A run's directory, used by one process at a time; made for its user alone, who may open it to others."""

    def __init__(self, path: Path) -> None:
        """Take note of the path; `with` takes the claim."""
        self.path = path.absolute()
        self.claim: Claim | None = None

    def __enter__(self) -> Self:
        make_directory(self.path, mode=0o700)
        claim = Claim(self.path)
        claim.take()
        self.claim = claim
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.claim is not None:
            self.claim.release()


@dataclass
class Saved:
    """A generation's own numbers.

    Attributes:
        number: of the generation.
        state: what the run committed: any JSON values.
        damage: what was found damaged on the way to it, and what was done, one line each.
    """

    number: int
    state: dict[str, Any]
    damage: tuple[str, ...] = ()


@dataclass
class _Journal:
    path: Path
    length: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    waiting: list[bytes] = field(default_factory=list)


class Checkpoints:
    """Generations of one run directory; `root` is the live tree below it."""

    def __init__(self, directory: RunDirectory, *, root: str = "eon") -> None:
        """Make the folders."""
        self._base = directory.path
        self._claim = directory.claim
        self.root = self._base / root
        if (
            not (self._base / "generations").exists()
            and self.root.is_dir()
            and any(self.root.iterdir())
        ):
            raise RunStateError(
                f"{self.root} is there already and no part of a run; choose another --dir"
            )
        self._generations = make_directory(self._base / "generations")
        self._objects = make_directory(self._base / "objects")
        make_directory(self._base / "journal")
        make_directory(self.root)
        self._journals = {
            name: _Journal(self._base / "journal" / f"{name}.jsonl") for name in JOURNALS
        }
        self._folders: dict[str, dict[str, str]] = {}
        self._listings: dict[str, str] = {}
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._superseded: list[tuple[int, str]] = []
        self._number = 0

    # -- reading

    def restore(
        self,
        identity: str,
        *,
        difference: Callable[[dict[str, Any]], str] = lambda _: (
            "physics, structure or potential differ"
        ),
    ) -> Saved | None:
        """Make the live tree and the journals those of the newest whole generation.

        Args:
            identity: digest of what decides the run; a generation with another is refused.
            difference: says how a generation's state differs from what is wanted now.

        Returns:
            the generation, or None where nothing was ever committed.

        Raises:
            RunStateError: generations exist but none is whole, or they belong to another configuration.
        """
        found = [_MANIFEST.match(path.name) for path in self._generations.iterdir()]
        numbers = sorted((int(match.group(1)) for match in found if match), reverse=True)
        reasons: list[str] = []
        for number in numbers:
            try:
                manifest = self._read_manifest(number)
                if manifest["identity"] != identity:
                    raise RunStateError(
                        f"the run directory {self._base} belongs to another configuration "
                        f"({difference(manifest['state'])}); choose another --dir, or run it with its own configuration"
                    )
                files = self._files_of(manifest)
                self._check(manifest, files)
            except _NotWholeError as error:
                reasons.append(f"generation {number} is damaged: {error}")
                continue
            damage = [
                f"{reason}; generation {number} is taken, and what came after it is made again"
                for reason in reasons
            ]
            damage += self._make_live(manifest, files)
            self._number = number
            return Saved(number=number, state=manifest["state"], damage=(*damage, *self._sweep()))
        if reasons:
            raise RunStateError(
                f"no generation in {self._generations} is whole ({'; '.join(reasons)}); restore it from a backup"
            )
        self._begin_anew()
        return None

    def _begin_anew(self) -> None:
        """Nothing was ever committed: what a kill left before the first generation goes.

        That one says only that the run starts: records of anything else are of generations that were lost.
        """
        for name, journal in self._journals.items():
            if name != "starts" and journal.path.exists() and journal.path.stat().st_size:
                raise RunStateError(
                    f"the generations of {self._base} are gone, but {journal.path} has records; restore "
                    f"{self._generations} from a backup, or choose another --dir"
                )
        self._clear_live({})
        for journal in self._journals.values():
            self._truncate(journal, 0)
        self._sweep()

    def _read_manifest(self, number: int) -> dict[str, Any]:
        path = self._generations / f"{number:08d}.json"
        text = unsealed(_bytes_or_none(path) or b"")
        if text is None:
            raise _NotWholeError(f"{path.name} is torn or altered")
        manifest: dict[str, Any] = json.loads(text)
        if manifest.get("format") != FORMAT:
            raise RunStateError(
                f"{path} has the format {manifest.get('format')}, this mlip-kmc reads and writes {FORMAT}; continue the run with "
                f"the version that {self._journals['starts'].path} names, or start anew in another --dir"
            )
        return manifest

    def _files_of(self, manifest: dict[str, Any]) -> dict[str, str]:
        """Every file of a generation with its digest."""
        files: dict[str, str] = {}
        for folder, digest in manifest["folders"].items():
            files.update(json.loads(self._listing(folder, digest)))
        return files

    def _listing(self, folder: str, digest: str) -> bytes:
        """A folder's listing; where it is lost, it is made anew from the live files, if they are still those that it named."""
        text = _bytes_or_none(self._object(digest))
        if text is None or hashlib.sha256(text).hexdigest() != digest:
            present = self._present([folder]).get(folder, {})
            text = _listed({name: _digest_or_none(path) or "" for name, path in present.items()})
        if hashlib.sha256(text).hexdigest() != digest:
            raise _NotWholeError(
                f"the listing of {folder or 'the top'} ({self._object(digest)}) is lost"
            )
        return text

    def _check(self, manifest: dict[str, Any], files: dict[str, str]) -> None:
        for name, digest in files.items():
            live = self.root / name
            if _digest_or_none(live) != digest and _digest_or_none(self._object(digest)) != digest:
                raise _NotWholeError(f"the content of {name} ({self._object(digest)}) is lost")
        for name, committed in manifest["journals"].items():
            length = committed["length"]
            data = (_bytes_or_none(self._journals[name].path) or b"")[:length]
            if len(data) != length or hashlib.sha256(data).hexdigest() != committed["sha256"]:
                raise _NotWholeError(
                    f"the journal of {name} ({self._journals[name].path}) is torn or altered"
                )

    def _make_live(self, manifest: dict[str, Any], files: dict[str, str]) -> list[str]:
        """The live tree and the journals of a whole generation; answer what of its stored contents had to be mended."""
        mended = []
        with storage_errors(self.root):
            for folder, digest in manifest["folders"].items():
                mended += self._mend(
                    digest, self._listing(folder, digest), f"the listing of {folder or 'the top'}"
                )
            self._clear_live(files)
            for name, digest in files.items():
                live = self.root / name
                if _digest_or_none(live) != digest:
                    live.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(self._object(digest), live)
                mended += self._mend(digest, live.read_bytes(), name)
                self._stamps[name] = _stamp(live)
        self._listings = dict(manifest["folders"])
        self._folders = {}
        for name, digest in files.items():
            self._folders.setdefault(_folder_of(name), {})[name] = digest
        for name, committed in manifest["journals"].items():
            self._truncate(self._journals[name], committed["length"])
        return mended

    def _mend(self, digest: str, data: bytes, what: str) -> list[str]:
        """Store a content again whose stored copy is lost or damaged."""
        path = self._object(digest)
        if _digest_or_none(path) == digest:
            return []
        path.unlink(missing_ok=True)
        self._keep(data, digest)
        return [f"the stored copy of {what} ({path}) was damaged; it is made anew from {self.root}"]

    def _clear_live(self, files: dict[str, str]) -> None:
        """Remove what a generation does not know."""
        with storage_errors(self.root):
            for folder, _, names in os.walk(self.root, topdown=False):
                for name in names:
                    path = Path(folder) / name
                    if path.relative_to(self.root).as_posix() not in files:
                        path.unlink()
                if Path(folder) != self.root and not any(Path(folder).iterdir()):
                    Path(folder).rmdir()

    def _truncate(self, journal: _Journal, length: int) -> None:
        journal.length, journal.digest, journal.waiting = length, hashlib.sha256(), []
        if not journal.path.exists():
            return
        with storage_errors(journal.path), journal.path.open("r+b") as stream:
            journal.digest.update(stream.read(length))
            if stream.seek(0, os.SEEK_END) != length:
                stream.truncate(length)
                os.fsync(stream.fileno())

    # -- writing

    def append(self, name: str, line: str) -> None:
        """Add a record to a journal; it counts from the next commit on."""
        self._journals[name].waiting.append(line.encode() + b"\n")

    def records(self, name: str) -> list[str]:
        """The committed records of a journal."""
        journal = self._journals[name]
        if journal.length == 0:
            return []
        with journal.path.open("rb") as stream:
            return stream.read(journal.length).decode().splitlines()

    def commit(self, state: dict[str, Any], *, identity: str, touched: Iterable[str]) -> int:
        """Write a generation; when this returns, a power cut cannot take it away.

        Args:
            state: the run's own numbers, JSON values.
            identity: as in `restore`.
            touched: files or folders below the live root that may have changed since the last commit.

        Returns:
            the generation's number.

        Raises:
            StorageError: it could not be written; the last generation still holds.
            RunStateError: another process took the run directory over.
        """
        if self._claim is not None:
            self._claim.check()
        number = self._number + 1
        folders, listings = dict(self._folders), dict(self._listings)
        stamps: dict[str, tuple[int, int, int]] = {}
        replaced: list[str] = []
        with storage_errors(self._objects):
            for folder, found in self._present(touched).items():
                known = self._folders.get(folder, {})
                now: dict[str, str] = {}
                for name, path in found.items():
                    stamps[name] = _stamp(path)
                    now[name] = (
                        known[name]
                        if known.get(name) and self._stamps.get(name) == stamps[name]
                        else self._store(path)
                    )
                if now != known:
                    replaced += [
                        digest for name, digest in known.items() if now.get(name) != digest
                    ]
                    replaced += [listings[folder]] if folder in listings else []
                    folders[folder] = now
                    listings[folder] = self._store_bytes(_listed(now))
        journals = {name: self._flush(journal) for name, journal in self._journals.items()}
        manifest = {
            "format": FORMAT,
            "identity": identity,
            "number": number,
            "state": state,
            "journals": journals,
            "folders": listings,
        }
        text = json.dumps(manifest, separators=(",", ":")).encode()
        create_durably(self._generations / f"{number:08d}.json", sealed(text))
        self._folders, self._listings, self._number = folders, listings, number
        self._stamps.update(stamps)
        self._retire(number, replaced)
        return number

    def _present(self, touched: Iterable[str]) -> dict[str, dict[str, Path]]:
        """The files that are there now, of every folder that holds a touched place; by folder and name."""
        found: dict[str, dict[str, Path]] = {}
        for folder in {
            _folder_of(place if (self.root / place).is_file() else f"{place}/") for place in touched
        }:
            names = found.setdefault(folder, {})
            inside = (
                (self.root / folder).rglob("*")
                if folder
                else (*self.root.glob("*"), *self.root.glob("*/*"))
            )
            for path in inside:
                name = path.relative_to(self.root).as_posix()
                if path.is_file() and not path.name.startswith(".") and _folder_of(name) == folder:
                    names[name] = path
        return found

    def _store(self, path: Path) -> str:
        return self._store_bytes(path.read_bytes())

    def _store_bytes(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self._keep(data, digest)
        return digest

    def _flush(self, journal: _Journal) -> dict[str, Any]:
        """Make the waiting records durable; they count once a manifest says so."""
        if journal.waiting:
            data = b"".join(journal.waiting)
            append_durably(journal.path, data, size=journal.length)
            journal.length += len(data)
            journal.digest.update(data)
            journal.waiting = []
        return {"length": journal.length, "sha256": journal.digest.hexdigest()}

    def _object(self, digest: str) -> Path:
        return self._objects / digest[:2] / digest[2:]

    def _keep(self, data: bytes, digest: str) -> None:
        path = self._object(digest)
        if path.exists():
            return
        make_directory(path.parent)
        write_durably(path, data, mode=0o444)

    def _retire(self, number: int, replaced: list[str]) -> None:
        """Drop the generation that is now one too old, and contents that no kept generation can need.

        Contents may be shared by files of the same text, so one that is still in use stays.
        """
        self._superseded += [(number, digest) for digest in replaced]
        oldest = self._generations / f"{number - KEPT:08d}.json"
        oldest.unlink(missing_ok=True)
        due = [digest for since, digest in self._superseded if since <= number - KEPT + 1]
        if len(due) >= 256:
            self._superseded = [entry for entry in self._superseded if entry[0] > number - KEPT + 1]
            recent = {digest for _, digest in self._superseded}
            used = {digest for files in self._folders.values() for digest in files.values()} | set(
                self._listings.values()
            )
            for digest in set(due) - used - recent:
                self._object(digest).unlink(missing_ok=True)

    def _sweep(self) -> list[str]:
        """Remove contents and temporary files that no generation names (left by kills); answer what was wrong with older ones."""
        used: set[str] = set()
        dropped = []
        with storage_errors(self._generations):
            for entry in sorted(path.name for path in self._generations.iterdir()):
                match = _MANIFEST.match(entry)
                if (
                    match is None
                    or not self._number - KEPT < (number := int(match.group(1))) <= self._number
                ):
                    (self._generations / entry).unlink(missing_ok=True)
                    continue
                try:
                    manifest = self._read_manifest(number)
                    used.update(manifest["folders"].values(), self._files_of(manifest).values())
                except _NotWholeError as error:
                    dropped.append(
                        f"generation {number} is damaged: {error}; it is not needed, and removed"
                    )
                    (self._generations / entry).unlink(missing_ok=True)
        with storage_errors(self._objects):
            for folder in self._objects.iterdir():
                for path in folder.iterdir():
                    if folder.name + path.name not in used:
                        path.unlink()
            fsync_directory(self._generations)
        return dropped


class _NotWholeError(Exception):
    """A generation cannot be used; an older one may."""


def _folder_of(name: str) -> str:
    """The folder whose listing holds a file: each state has its own, the rest share one."""
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else ""


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _listed(files: dict[str, str]) -> bytes:
    """A folder's listing: the same for the same files."""
    return json.dumps(dict(sorted(files.items())), separators=(",", ":")).encode()


def _bytes_or_none(path: Path) -> bytes | None:
    """A file's content; None where it is lost. What another attempt may read is an error: it must not count as lost."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in _LOST:
            return None
        raise RunStateError(
            f"cannot read {path}: {error.strerror}; correct that and run the same command again"
        ) from error


def _digest_or_none(path: Path) -> str | None:
    data = _bytes_or_none(path)
    return None if data is None else hashlib.sha256(data).hexdigest()
