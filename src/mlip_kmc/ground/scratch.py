"""Temporary folders that a kill does not leave behind for ever: each process has one of its own, and the next one sweeps.

Example:
    with temporary("check") as folder:          # in the scratch directory; gone after the block
        ...
    path = make("0_17")
    remove(path)

A process' own folder is `mlip-kmc.BOOT.XXXXXXXX`, BOOT being the first digits of the kernel's boot id. In it the file `owner` is
locked (flock) as long as the process lives: the kernel lets go however it ends. When nothing is in it any more it goes. A
process sweeps a directory when it first makes a folder there: own folders of this user whose lock is free, and whose boot is

- this machine's present one: the lock is that kernel's, and it says that the process is gone, or
- an earlier one, on a file system that belongs to one machine alone.

Of other machines' folders, on a shared file system, nothing is known: they are left to those machines. The same holds where
the file system knows no locks.
"""

import atexit
import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.ground.environment import scratch_directory
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import storage_errors

PLACE = "MLIP_KMC_SCRATCH"
_OWNER = "owner"
_NAME = re.compile(r"^mlip-kmc\.([0-9a-f]{8})\.[a-z0-9_]{8}$")
_ONE_MACHINE = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs", "jfs"})
"""File systems that one machine mounts at a time."""
_TRIES = 100
_BEING_MADE_S = 60.0
"""How long a folder without an owner's file is left alone: its process may just be making it."""


@dataclass(frozen=True)
class _Own:
    """This process' folder in a directory.

    Attributes:
        path: of the folder. lock: an open file whose lock says that the process lives.
    """

    path: Path
    lock: int

    @property
    def there(self) -> bool:
        """Nobody has removed it: some systems clear /tmp of what is old."""
        try:
            os.utime(self.path / _OWNER)
        except OSError:
            return False
        return True


_own: dict[tuple[int, Path], _Own] = {}
_swept: set[tuple[int, Path]] = set()
_making = threading.Lock()


def boot_id() -> str:
    """The kernel's name of this machine's present boot.

    Raises:
        StorageError: /proc is not mounted.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError as error:
        raise StorageError(f"cannot read /proc: {error.strerror}; mount it") from error


def file_system_of(path: Path) -> str:
    """The type of the file system that holds a path, by the longest mount point above it; empty where not known."""
    try:
        mounts = [
            line.split()[1:3]
            for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        ]
    except OSError:
        return ""
    real = path.resolve()
    above = [(len(point), kind) for point, kind in mounts if real.is_relative_to(point)]
    return max(above)[1] if above else ""


def make(name: str, *, parent: Path | None = None) -> Path:
    """A new empty folder, open to this user alone, that goes at the latest when a later process sweeps.

    Args:
        name: how its name begins.
        parent: where this process has its own folder; None: the scratch directory.

    Raises:
        ConfigError: MLIP_KMC_SCRATCH names no directory. StorageError: the folder cannot be made.
    """
    where = (parent or scratch_directory()).absolute()
    with storage_errors(where, place=PLACE), _making:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_own_folder(where)))


def remove(folder: Path) -> None:
    """Remove what `make` made, and this process' own folder if that was all in it; what cannot be removed is left to a sweep."""
    shutil.rmtree(folder, ignore_errors=True)
    key = (os.getpid(), folder.parent.parent)
    with _making:
        own = _own.get(key)
        if own is not None and own.path == folder.parent and _is_empty(own.path):
            _give_up(key)


@contextlib.contextmanager
def temporary(name: str, *, parent: Path | None = None) -> Iterator[Path]:
    """`make`, and removed after the block."""
    folder = make(name, parent=parent)
    try:
        yield folder
    finally:
        remove(folder)


def remove_own_folders() -> None:
    """Remove this process' own folders; Python does so at a usual end."""
    with _making:
        for key in [key for key in _own if key[0] == os.getpid()]:
            _give_up(key)


def _give_up(key: tuple[int, Path]) -> None:
    own = _own.pop(key)
    with contextlib.suppress(OSError):  # a sweep of another process removes what is empty already
        _remove(own.path)
    os.close(own.lock)


def _own_folder(parent: Path) -> Path:
    key = (os.getpid(), parent)
    if key in _own and not _own[key].there:
        _give_up(key)
    if key not in _own:
        _own[key] = _new(parent)
    if key not in _swept:
        _swept.add(key)
        sweep(parent)
    return _own[key].path


def _new(parent: Path) -> _Own:
    """Make and lock it; whoever sweeps just now may have taken it for a dead one's, then another is made."""
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=f"mlip-kmc.{boot_id()[:8]}.", dir=parent))
        try:
            lock = os.open(
                path / _OWNER, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except FileNotFoundError:
            continue
        if _locked(lock) and os.fstat(lock).st_nlink:
            return _Own(path=path, lock=lock)
        os.close(lock)
    raise StorageError(
        f"cannot make a folder of our own in {parent}: something removes it at once; choose another {PLACE}"
    )


def _locked(lock: int) -> bool:
    """False where another process has it; a file system without locks has none to lose."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def sweep(parent: Path) -> list[Path]:
    """Remove what killed processes of this user left in a directory.

    Returns:
        what is gone.
    """
    present = boot_id()[:8]
    gone = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(parent):
            found = _NAME.match(entry.name)
            if found is None or not _is_ours(entry):
                continue
            alone = found.group(1) == present or file_system_of(parent) in _ONE_MACHINE
            if alone and _sweep_one(Path(entry.path)):
                gone.append(Path(entry.path))
    return gone


def _is_ours(entry: "os.DirEntry[str]") -> bool:
    facts = entry.stat(follow_symlinks=False)
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid()


def _sweep_one(path: Path) -> bool:
    """Remove a folder whose lock is free; True if it is gone."""
    try:
        lock = os.open(path / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:  # being made, or killed while it was: only what is empty and old goes
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _BEING_MADE_S:
                path.rmdir()
        return not path.exists()
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    except OSError:  # it lives, or nothing can be known
        return False
    finally:
        os.close(lock)
    return not path.exists()


def _is_empty(path: Path) -> bool:
    """But for the owner's file; also where it is gone."""
    try:
        return {entry.name for entry in path.iterdir()} <= {_OWNER}
    except OSError:
        return True


def _remove(path: Path) -> None:
    """Its content, and the owner's file last: while that is there a sweep that is killed is repeated by the next."""
    for entry in path.iterdir():
        if entry.name == _OWNER:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if _is_empty(path):
        (path / _OWNER).unlink(missing_ok=True)
        path.rmdir()


atexit.register(remove_own_folders)
