"""The live tree, which eOn reads and writes: `eon/` of a run directory.

Example:
    tree = LiveTree(run / "eon")
    tree.present(["states/0"])            # {"states/0": {"states/0/info": PATH, ...}}
"""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from mlip_kmc.ground.files import storage_errors

Stamp = tuple[int, int, int]


class LiveTree:
    """A view on the folder; it need not exist."""

    def __init__(self, root: Path) -> None:
        """`root` is eOn's own."""
        self.root = root

    def present(self, touched: Iterable[str]) -> dict[str, dict[str, Path]]:
        """The files that are there now, of every folder that holds a touched place; by folder and name.

        Args:
            touched: files or folders below the root.
        """
        found: dict[str, dict[str, Path]] = {}
        for folder in {
            folder_of(place if (self.root / place).is_file() else f"{place}/") for place in touched
        }:
            found[folder] = {
                name: self.root / name
                for name in _files(self.root, folder, deep=None if folder else 1)
                if folder_of(name) == folder
            }
        return found

    def clear(self, *, keep: Collection[str]) -> None:
        """Remove what is not named in `keep`, and folders that are empty then."""
        with storage_errors(self.root):
            for folder, _, names in os.walk(self.root, topdown=False):
                for name in names:
                    path = Path(folder) / name
                    if path.relative_to(self.root).as_posix() not in keep:
                        path.unlink()
                if Path(folder) != self.root and not any(Path(folder).iterdir()):
                    Path(folder).rmdir()


def _files(root: Path, folder: str, *, deep: int | None) -> Iterator[str]:
    """Names below the root of the files in a folder, and `deep` folders below it (None: in all of them); no hidden ones.

    The kinds of entries come with their names: thousands of states are not looked at one by one.
    """
    try:
        with os.scandir(root / folder) as entries:
            inside = [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in inside:
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_file():
            yield name
        elif deep != 0 and entry.is_dir(follow_symlinks=False):
            yield from _files(root, name, deep=None if deep is None else deep - 1)


def folder_of(name: str) -> str:
    """The folder whose listing holds a file: each state has its own, the rest share one."""
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else ""


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is written anew."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
