"""The live tree, which eOn reads and writes: `eon/` of a run directory.

Example:
    tree = LiveTree(run / "eon")
    tree.present(["states/0"])            # {"states/0": {"states/0/info": PATH, ...}}
"""

import os
from collections.abc import Collection, Iterable
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
            names = found.setdefault(folder, {})
            inside = (
                (self.root / folder).rglob("*")
                if folder
                else (*self.root.glob("*"), *self.root.glob("*/*"))
            )
            for path in inside:
                name = path.relative_to(self.root).as_posix()
                if path.is_file() and not path.name.startswith(".") and folder_of(name) == folder:
                    names[name] = path
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


def folder_of(name: str) -> str:
    """The folder whose listing holds a file: each state has its own, the rest share one."""
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else ""


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is written anew."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
