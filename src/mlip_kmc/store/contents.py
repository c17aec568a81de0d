"""Contents of files, and listings of folders, by their sha256: `objects/` of a run directory.

Example:
    contents = Contents(run / "objects", live=LiveTree(run / "eon"))
    files = contents.files(manifest.folders, manifest.texts)             # {"states/0/info": "ab12...", ...}
    path, data = contents.find("states/0/info", files["states/0/info"], manifest.texts)

Texts are contents that a generation's manifest holds itself; all others are objects.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from mlip_kmc.ground.files import fsync_directory, storage_errors, write_durably
from mlip_kmc.store.live_tree import LiveTree
from mlip_kmc.store.whole import NotWholeError, bytes_or_none, digest_or_none, sha256

_DUE = 256
"""Contents are removed so many at a time: what is still in use has to be gathered for it."""


class Contents:
    """A view on the folder; reading makes nothing.

    Where a stored content is lost, the live tree's is as good, if it is still the same.
    """

    def __init__(self, folder: Path, *, live: LiveTree) -> None:
        """Nothing is touched yet."""
        self.folder = folder
        self._live = live
        self._superseded: list[tuple[int, str]] = []
        self._unsynced: set[Path] = set()

    def path(self, digest: str) -> Path:
        """Where a content is stored."""
        return self.folder / digest[:2] / digest[2:]

    # -- reading

    def find(self, name: str, digest: str, texts: Mapping[str, str]) -> tuple[Path | None, bytes]:
        """Where a file's content lies, whole (None: in the manifest), and the content itself.

        Args:
            name: of the file, below the live tree.
            digest: of the content.
            texts: of the generation.

        Raises:
            NotWholeError: it is lost.
        """
        if digest in texts:
            return None, texts[digest].encode()
        for path in (self.path(digest), self._live.root / name):
            data = bytes_or_none(path)
            if data is not None and sha256(data) == digest:
                return path, data
        raise NotWholeError(f"the content of {name} ({self.path(digest)}) is lost")

    def listing(self, folder: str, digest: str, texts: Mapping[str, str]) -> bytes:
        """A folder's listing; where it is lost, it is made anew from the live files, if they are still those that it named.

        Raises:
            NotWholeError: it is lost.
        """
        if digest in texts:
            return texts[digest].encode()
        text = bytes_or_none(self.path(digest))
        if text is None or sha256(text) != digest:
            present = self._live.present([folder]).get(folder, {})
            text = listed({name: digest_or_none(path) or "" for name, path in present.items()})
        if sha256(text) != digest:
            raise NotWholeError(f"the listing of {described(folder)} ({self.path(digest)}) is lost")
        return text

    def files(self, folders: Mapping[str, str], texts: Mapping[str, str]) -> dict[str, str]:
        """Every file of these folders with its digest.

        Args:
            folders: digests of their listings.
            texts: of the generation.

        Raises:
            NotWholeError: a listing is lost.
        """
        found: dict[str, str] = {}
        for folder, digest in folders.items():
            found.update(json.loads(self.listing(folder, digest, texts)))
        return found

    # -- writing

    def has(self, digest: str) -> bool:
        """There is an object with this content."""
        return self.path(digest).exists()

    def keep(self, data: bytes) -> str:
        """Store a content; answer its digest. It is durable after `settle`, which syncs each folder once for many of them."""
        digest = sha256(data)
        path = self.path(digest)
        if not path.exists():
            if not path.parent.exists():
                path.parent.mkdir()
                self._unsynced.add(self.folder)
            write_durably(path, data, mode=0o444, sync_directory=False)
            self._unsynced.add(path.parent)
        return digest

    def settle(self) -> None:
        """Make what was kept durable.

        Raises:
            OSError: it could not be.
        """
        for folder in sorted(self._unsynced):
            fsync_directory(folder)
            self._unsynced.discard(folder)

    def mend(self, data: bytes, digest: str, *, name: str) -> list[str]:
        """Store a content again whose stored copy is lost or damaged; answer what was mended, in words.

        Args:
            data: the content.
            digest: of it.
            name: what it is, in words.
        """
        path = self.path(digest)
        if digest_or_none(path) == digest:
            return []
        path.unlink(missing_ok=True)
        self.keep(data)
        return [
            f"the stored copy of {name} ({path}) was damaged; it is made anew from {self._live.root}"
        ]

    def supersede(self, digests: Iterable[str], *, by: int) -> None:
        """Note contents that generation `by` no longer has."""
        self._superseded += [(by, digest) for digest in digests]

    def retire(self, *, before: int, used: Callable[[], set[str]]) -> None:
        """Drop contents that were superseded by a generation up to `before`, once there are many.

        Args:
            before: the oldest generation that is kept.
            used: answers digests in the present one: files of the same text share a content, so it may still be in use.
        """
        due = {digest for since, digest in self._superseded if since <= before}
        if len(due) < _DUE:
            return
        self._superseded = [entry for entry in self._superseded if entry[0] > before]
        for digest in due - used() - {digest for _, digest in self._superseded}:
            self.path(digest).unlink(missing_ok=True)

    def sweep(self, *, used: Collection[str]) -> None:
        """Drop all contents and temporary files but those in use."""
        with storage_errors(self.folder):
            for folder in self.folder.iterdir():
                for path in folder.iterdir():
                    if folder.name + path.name not in used:
                        path.unlink()


def listed(files: Mapping[str, str]) -> bytes:
    """A folder's listing: the same for the same files."""
    return json.dumps(dict(sorted(files.items())), separators=(",", ":")).encode()


def described(folder: str) -> str:
    """A folder in words."""
    return folder or "the top"
