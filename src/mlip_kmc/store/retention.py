"""Bounds the size of folders that are kept only to investigate failures.

Example:
    prune(run / "evidence", limit_MB=200.0)
"""

import shutil
from pathlib import Path

from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import storage_errors

_MEGABYTE = 1e6


def prune(folder: Path, *, limit_MB: float) -> list[str]:
    """Remove the oldest entries of a folder until it fits.

    Args:
        folder: its entries are folders or files; it may be missing.
        limit_MB: largest size that is kept.

    Returns:
        names of the removed entries, oldest first.
    """
    try:
        with storage_errors(folder):
            entries = sorted(
                (entry.lstat().st_mtime, entry.name, _size(entry)) for entry in folder.iterdir()
            )
    except StorageError:
        return []  # missing, or an entry was removed meanwhile: the next call prunes
    total = sum(size for _, _, size in entries)
    gone = []
    for _, name, size in entries:
        if total <= limit_MB * _MEGABYTE:
            break
        if (folder / name).is_dir():
            shutil.rmtree(folder / name, ignore_errors=True)
        else:
            (folder / name).unlink(missing_ok=True)
        total -= size
        gone.append(name)
    return gone


def _size(entry: Path) -> int:
    if not entry.is_dir():
        return entry.lstat().st_size
    return sum(
        path.lstat().st_size for path in entry.rglob("*") if path.is_file() or path.is_symlink()
    )
