"""What the last generation holds of the live tree, and what has changed since.

Example:
    tree = CommittedTree(live, contents)
    mended = tree.restore(manifest.folders, files, manifest.texts)     # the live tree follows a generation
    change = tree.changed(["states/0"])                  # stored, durably, but for its texts
    manifest = Manifest(..., folders=change.listings, texts=change.texts)
    tree.accept(change)                                  # once the manifest is written

A text that has changed since the last generation will probably change again before the next: the manifest holds it, as it holds
listings. What the next generation still has of these becomes an object then.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlip_kmc.ground.files import storage_errors
from mlip_kmc.store.contents import Contents, described, listed
from mlip_kmc.store.live_tree import LiveTree, Stamp, folder_of, stamp_of
from mlip_kmc.store.whole import digest_or_none, sha256

_LONGEST_TEXT = 1_000_000
"""In bytes; what is longer is an object."""


@dataclass(frozen=True)
class TreeChange:
    """A tree that is stored and no generation's yet.

    Attributes:
        folders: digests of all files, by folder and name.
        listings: digests of the folders' listings.
        stamps: of the files that were looked at.
        texts: contents that the manifest is to hold, by their digests.
        places: how many files and listings have each of these.
        replaced: contents that the last generation has and this one has not in the same place.
    """

    folders: dict[str, dict[str, str]]
    listings: dict[str, str]
    stamps: dict[str, Stamp]
    texts: dict[str, str]
    places: dict[str, int]
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
        self._texts: dict[str, str] = {}
        self._places: dict[str, int] = {}

    def restore(
        self, listings: Mapping[str, str], files: Mapping[str, str], texts: Mapping[str, str]
    ) -> list[str]:
        """Make the live tree that of a whole generation; answer what of its stored contents had to be mended.

        Args:
            listings: digests of the folders' listings.
            files: digests of the files; each is there, stored or live.
            texts: of the generation.
        """
        mended = []
        contents, root = self._contents, self._live.root
        with storage_errors(root):
            for folder, digest in listings.items():
                if digest not in texts:
                    text = contents.listing(folder, digest, texts)
                    name = f"the listing of {described(folder)}"
                    mended += contents.mend(text, digest, name=name)
            self._live.clear(keep=files)
            for name, digest in files.items():
                live = root / name
                live.parent.mkdir(parents=True, exist_ok=True)
                if digest in texts:
                    if digest_or_none(live) != digest:
                        live.write_bytes(texts[digest].encode())
                else:
                    if digest_or_none(live) != digest:
                        shutil.copyfile(contents.path(digest), live)
                    mended += contents.mend(live.read_bytes(), digest, name=name)
                self._stamps[name] = stamp_of(live)
            contents.settle()
        self._listings, self._folders, self._texts = dict(listings), {}, dict(texts)
        self._places = Counter(
            digest for digest in (*files.values(), *listings.values()) if digest in texts
        )
        for name, digest in files.items():
            self._folders.setdefault(folder_of(name), {})[name] = digest
        return mended

    def changed(self, touched: Iterable[str]) -> TreeChange:
        """Store what is there now; texts are left to the manifest.

        Args:
            touched: files or folders below the live root that may have changed since the last generation.

        Raises:
            StorageError: it could not be made durable.
        """
        folders, listings = dict(self._folders), dict(self._listings)
        stamps: dict[str, Stamp] = {}
        texts: dict[str, str] = {}
        added: list[str] = []
        replaced: list[str] = []
        with storage_errors(self._contents.folder):
            for folder, found in self._live.present(touched).items():
                known = folders.get(folder, {})
                now: dict[str, str] = {}
                for name, path in found.items():
                    stamps[name] = stamp_of(path)
                    if name in known and self._stamps.get(name) == stamps[name]:
                        now[name] = known[name]
                    else:
                        data = path.read_bytes()
                        now[name] = self._stored(data, texts if name in known else None)
                if now != known:
                    added += _not_in(known, now)
                    replaced += _not_in(now, known)
                    replaced += [listings[folder]] if folder in listings else []
                    folders[folder] = now
                    listings[folder] = self._stored(listed(now), texts if known else None)
                    added.append(listings[folder])
            places = self._kept(texts, added, replaced)
            self._contents.settle()
        return TreeChange(folders, listings, stamps, texts, places, tuple(replaced))

    def _stored(self, data: bytes, texts: dict[str, str] | None) -> str:
        """Store a content, in `texts` if that may be; answer its digest."""
        digest = sha256(data)
        if texts is not None and len(data) <= _LONGEST_TEXT and not self._contents.has(digest):
            try:
                texts[digest] = data.decode()
            except UnicodeDecodeError:
                pass
            else:
                return digest
        return self._contents.keep(data)

    def _kept(
        self, texts: Mapping[str, str], added: Iterable[str], replaced: Iterable[str]
    ) -> dict[str, int]:
        """Texts of the last generation that this one still has somewhere become objects; answer the places of this one's.

        Args:
            texts: of this generation.
            added: a content for each file and listing that has another one now.
            replaced: what they had before.
        """
        places = Counter(self._places)
        places.update(added)
        places.subtract(replaced)
        for digest, text in self._texts.items():
            if digest not in texts and places[digest] > 0:
                self._contents.keep(text.encode())
        return {digest: max(places[digest], 1) for digest in texts}

    def accept(self, change: TreeChange) -> None:
        """A generation holds it now."""
        self._folders, self._listings = change.folders, change.listings
        self._texts, self._places = change.texts, change.places
        self._stamps.update(change.stamps)

    def used(self) -> set[str]:
        """Digests of all contents and listings of the last generation."""
        files = {digest for files in self._folders.values() for digest in files.values()}
        return files | set(self._listings.values())


def _not_in(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Contents of `other` that `one` has not in the same place."""
    return [digest for name, digest in other.items() if one.get(name) != digest]
