"""Room on the disks: scratch, where searches run, and the run directory, where the run is kept."""

import contextlib
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.ground.container import binding, unseen_folder
from mlip_kmc.ground.environment import scratch_directory
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import UNSYNCED, syncs_directories
from mlip_kmc.ground.scratch import file_system_of
from mlip_kmc.ground.wording import counted, size
from mlip_kmc.store.claim import DEAD_AFTER_S, NO_LOCKS
from mlip_kmc.store.room import ROOM_BYTES

CONTAINALL_MB = 64.0
"""The size of the memory file system that `apptainer --containall` puts on /tmp."""
SEARCH_FIXED_MB = 0.3
"""Logs, tables and options of a search."""
SEARCH_STRUCTURES = 12
"""`.con` files in a search's directory, generously: a search of the example takes 0.18 MB at most where this gives 0.4."""
RUN_FREE_MB = 1000.0
"""A run keeps each process' structures and three generations: hundreds of states of hundreds of atoms are under this."""
FEWEST_FILES = 10_000
BIND_SCRATCH = (
    "bind a real disk as scratch: `apptainer exec --workdir /scratch/DIR ...`, or set MLIP_KMC_SCRATCH to a "
    "directory that is bound"
)


@dataclass(frozen=True)
class Disk:
    """A file system.

    Attributes:
        path: a directory on it. size_MB, free_MB: in 10^6 bytes. kind: as `tmpfs`; empty where not known.
        free_files: inodes; None where the file system does not count them.
    """

    path: Path
    size_MB: float
    free_MB: float
    kind: str = ""
    free_files: int | None = None


def disk_of(path: Path) -> Disk:
    """The file system that holds a path, or the nearest parent that exists."""
    there = next(
        parent for parent in (path.absolute(), *path.absolute().parents) if parent.is_dir()
    )
    facts = os.statvfs(there)
    return Disk(
        path=there,
        size_MB=facts.f_blocks * facts.f_frsize / 1e6,
        free_MB=facts.f_bavail * facts.f_frsize / 1e6,
        kind=file_system_of(there),
        free_files=facts.f_favail if facts.f_files else None,
    )


def search_room(con_bytes: int) -> float:
    """What one search keeps in scratch while it runs, from the size of the structure's `.con`."""
    return SEARCH_FIXED_MB + SEARCH_STRUCTURES * con_bytes / 1e6


def scratch(
    *, workers: int, con_bytes: int | None, look: Callable[[Path], Disk] | None = None
) -> tuple[list[Finding], Path]:
    """Where searches run, and whether all workers' searches fit there.

    Args:
        workers: searches at a time.
        con_bytes: size of the structure's `.con`; None where it could not be read.
        look: at a file system; `disk_of` where None.

    Raises:
        ConfigError: MLIP_KMC_SCRATCH names no directory.
        StorageError: it cannot be written.
    """
    where = scratch_directory()
    if not os.access(where, os.W_OK | os.X_OK):
        raise StorageError(
            f"cannot write to the scratch directory {where}; set MLIP_KMC_SCRATCH to one that can be written"
        )
    disk = (look or disk_of)(where)
    each_MB = None if con_bytes is None else search_room(con_bytes)
    needed_MB = None if each_MB is None else each_MB * workers
    text = f"{where}{f' ({disk.kind})' if disk.kind else ''}: {size(1e6 * disk.free_MB)} free"
    if each_MB is not None and needed_MB is not None:
        text += f"; {counted(workers, 'worker')} x {size(1e6 * each_MB)} a search = {size(1e6 * needed_MB)}"
    level, advice = Level.OK, ""
    if needed_MB is not None and disk.free_MB < needed_MB:
        level, advice = Level.FAIL, f"too small: {BIND_SCRATCH}, or ask for fewer workers"
    elif disk.kind == "tmpfs" and disk.size_MB <= CONTAINALL_MB * 1.1:  # 64 MiB are 67.1 MB
        level, advice = Level.WARN, f"the small memory disk of --containall: {BIND_SCRATCH}"
    elif needed_MB is not None and disk.free_MB < 4 * needed_MB:
        level, advice = Level.WARN, f"little to spare: {BIND_SCRATCH}"
    return [
        Finding(
            "scratch",
            level,
            text,
            advice=advice,
            exit_code=StorageError.exit_code if level is Level.FAIL else 0,
            values={
                "directory": str(where),
                "kind": disk.kind,
                "size_MB": disk.size_MB,
                "free_MB": disk.free_MB,
                "a_search_MB": each_MB,
                "workers": workers,
                "needed_MB": needed_MB,
            },
        )
    ], where


def run_disk(
    run_dir: Path, *, look: Callable[[Path], Disk] | None = None
) -> tuple[list[Finding], bool]:
    """Whether the run directory's disk has room, and may be written.

    Raises:
        StorageError: it cannot be written.
    """
    disk = (look or disk_of)(run_dir)
    if not os.access(disk.path, os.W_OK | os.X_OK):
        advice = binding(run_dir) or "choose another --dir"
        raise StorageError(
            f"cannot write to {disk.path}, where the run directory would be; {advice}"
        )
    needed_MB = ROOM_BYTES / 1e6
    few = disk.free_files is not None and disk.free_files < FEWEST_FILES
    text = (
        f"{run_dir}: {size(1e6 * disk.free_MB)}{f', {disk.free_files} files' if few else ''} free"
    )
    values: dict[str, Value] = {
        "directory": str(run_dir),
        "free_MB": disk.free_MB,
        "needed_MB": needed_MB,
        "free_files": disk.free_files,
    }
    if not disk.free_MB >= needed_MB:
        return [
            Finding(
                "run disk",
                Level.FAIL,
                text,
                values=values,
                exit_code=StorageError.exit_code,
                advice=(
                    f"a run starts, and goes on, only with {size(ROOM_BYTES)}: make room, or choose another --dir"
                ),
            )
        ], True
    tight = disk.free_MB < RUN_FREE_MB or few
    lacks = lacking(disk.path)
    to_do = ["a long run may fill it: make room, or choose another --dir"] if tight else []
    to_do += ["choose a --dir on another file system if that matters"] if lacks else []
    if own := unseen_folder(run_dir):
        text += f"; {own} is the container's own, and gone when it ends"
        to_do.append(binding(run_dir))
    return [
        Finding(
            "run disk",
            Level.WARN if to_do else Level.OK,
            "; ".join((text, *lacks.values())),
            values={**values, "lacks": tuple(lacks)},
            advice="; ".join(to_do),
        )
    ], True


def lacking(folder: Path) -> dict[str, str]:
    """What a folder's file system cannot do for a run, and what follows; nothing is written to find out.

    Args:
        folder: it exists; its locks are tried, shared and at once let go, on a file in it, if there is one.
    """
    found = {}
    with contextlib.suppress(OSError):
        if not syncs_directories(folder):
            found["directory sync"] = UNSYNCED.format(directory=folder)
    if not _has_locks(folder):
        found["file locks"] = (
            f"the file system of {folder} has no locks: a process that died is seen as dead after {DEAD_AFTER_S:g} s without "
            "a sign of life, also on its own node"
        )
    return found


def _has_locks(folder: Path) -> bool:
    """False only where the file system says so."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        plain = next(
            (entry.path for entry in entries if entry.is_file(follow_symlinks=False)), None
        )
        if plain is None:
            return True
        descriptor = os.open(plain, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in NO_LOCKS
        finally:
            os.close(descriptor)
    return True
