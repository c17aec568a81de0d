"""What the last generation holds of the live tree, and what has changed since.

Example:
    tree = CommittedTree(live, contents)
    mended = tree.restore(manifest.folders, files)       # the live tree follows a generation
    change = tree.changed(["states/0"])                  # stored, durably
    manifest = Manifest(..., folders=change.listings)
    tree.accept(change)                                  # once the manifest is written
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlip_kmc.ground.files import storage_errors
from mlip_kmc.store.contents import Contents, described, listed
from mlip_kmc.store.live_tree import LiveTree, Stamp, folder_of, stamp_of
from mlip_kmc.store.whole import digest_or_none


@dataclass(frozen=True)
class TreeChange:
    """A tree that is stored and no generation's yet.

    Attributes:
        folders: digests of all files, by folder and name.
        listings: digests of the folders' listings.
        stamps: of the files that were looked at.
        replaced: contents that the last generation has and this one has not in the same place.
    """

    folders: dict[str, dict[str, str]]
    listings: dict[str, str]
    stamps: dict[str, Stamp]
    replaced: tuple[str, ...]


class CommittedTree:
    """Digests of the last generation's files; those that eOn has not touched since are not read again."""

    def __init__(self, live: LiveTree, contents: Contents) -> None:
        """Nothing is committed."""
        self._live = live
        self._contents = contents
        self._folders: dict[str, dict[str, str]] = {}
        self._listings: dict[str, str] = {}
        self._stamps: dict[str, Stamp] = {}

    def restore(self, listings: Mapping[str, str], files: Mapping[str, str]) -> list[str]:
        """Make the live tree that of a whole generation; answer what of its stored contents had to be mended.

        Args:
            listings: digests of the folders' listings.
            files: digests of the files; each is there, stored or live.
        """
        mended = []
        contents, root = self._contents, self._live.root
        with storage_errors(root):
            for folder, digest in listings.items():
                text = contents.listing(folder, digest)
                mended += contents.mend(text, digest, name=f"the listing of {described(folder)}")
            self._live.clear(keep=files)
            for name, digest in files.items():
                live = root / name
                if digest_or_none(live) != digest:
                    live.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(contents.path(digest), live)
                mended += contents.mend(live.read_bytes(), digest, name=name)
                self._stamps[name] = stamp_of(live)
            contents.settle()
        self._listings, self._folders = dict(listings), {}
        for name, digest in files.items():
            self._folders.setdefault(folder_of(name), {})[name] = digest
        return mended

    def changed(self, touched: Iterable[str]) -> TreeChange:
        """Store what is there now.

        Args:
            touched: files or folders below the live root that may have changed since the last generation.

        Raises:
            StorageError: it could not be made durable.
        """
        folders, listings = dict(self._folders), dict(self._listings)
        stamps: dict[str, Stamp] = {}
        replaced: list[str] = []
        with storage_errors(self._contents.folder):
            for folder, found in self._live.present(touched).items():
                known = folders.get(folder, {})
                now: dict[str, str] = {}
                for name, path in found.items():
                    stamps[name] = stamp_of(path)
                    same = name in known and self._stamps.get(name) == stamps[name]
                    now[name] = known[name] if same else self._contents.keep(path.read_bytes())
                if now != known:
                    replaced += [
                        digest for name, digest in known.items() if now.get(name) != digest
                    ]
                    replaced += [listings[folder]] if folder in listings else []
                    folders[folder] = now
                    listings[folder] = self._contents.keep(listed(now))
            self._contents.settle()
        return TreeChange(folders, listings, stamps, tuple(replaced))

    def accept(self, change: TreeChange) -> None:
        """A generation holds it now."""
        self._folders, self._listings = change.folders, change.listings
        self._stamps.update(change.stamps)

    def used(self) -> set[str]:
        """Digests of all contents and listings of the last generation."""
        files = {digest for files in self._folders.values() for digest in files.values()}
        return files | set(self._listings.values())
