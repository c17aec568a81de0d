"""Durable files: when a function here returns, its content survives a kill and a power cut.

Example:
    write_durably(path, b"...")        # temporary file, fsync, rename, fsync of the directory
    append_durably(path, b"...")       # append, fsync
    unsealed(sealed(b"..."))           # b"..."; None if a bit has changed
    sha256_of(path)

A failed fsync is fatal (the kernel may have dropped the pages: a second fsync that succeeds proves nothing). Some file systems
(CIFS, sshfs and other FUSE ones) cannot sync a directory, set permissions, make links or reserve room at all: that is left out
there, and that names may be lost in a power cut is said once.
"""

import errno
import hashlib
import io
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from mlip_kmc.ground.container import binding
from mlip_kmc.ground.errors import StorageError

_log = logging.getLogger(__name__)
_AGAIN = "run the same command again"
_REASONS = {
    errno.ENOSPC: ("the disk is full", f"make room and {_AGAIN}"),
    errno.EDQUOT: ("the disk quota is exhausted", f"make room and {_AGAIN}"),
    errno.EFBIG: (
        "the file is larger than this process may write",
        f"raise the limit (ulimit -f) and {_AGAIN}",
    ),
    errno.EROFS: ("the file system is read-only", "choose another {place}"),
    errno.EACCES: ("permission denied", "choose another {place} or change its permissions"),
    errno.EPERM: ("permission denied", "choose another {place} or change its permissions"),
    errno.EEXIST: ("there is a file of that name, not a directory", "choose another {place}"),
    errno.ENOTDIR: ("a part of the path is a file, not a directory", "choose another {place}"),
    errno.ENOENT: ("a part of the path is missing", "make it, or choose another {place}"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter {place}"),
    errno.ELOOP: ("the path is a loop of links", "choose another {place}"),
    errno.EMFILE: ("too many files are open", f"raise the limit (ulimit -n) and {_AGAIN}"),
    errno.EIO: ("the storage reports an input/output error", "check the disk before you go on"),
}
"""By error number: what is wrong, and what to do."""
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system answers that does not know an operation: nothing was tried, so nothing has failed."""
_unsynced: set[int] = set()
"""Devices whose directories cannot be synced, of which that was said."""


_place: ContextVar[str] = ContextVar("place", default="directory")


@contextmanager
def place_named(place: str) -> Iterator[None]:
    """Inside the block, in this thread, advice to write elsewhere names `place`, the option that sets the directory."""
    token = _place.set(place)
    try:
        yield
    finally:
        _place.reset(token)


@contextmanager
def storage_errors(path: Path, *, place: str | None = None) -> Iterator[None]:
    """Turn an OSError inside the block into one StorageError about `path`.

    Args:
        path: the file or directory that is written.
        place: the option by which the user chooses another directory; None: that of `place_named`.
    """
    try:
        yield
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else str(error)
        reason, advice = _REASONS.get(error.errno or 0, (said, f"correct that and {_AGAIN}"))
        failure = StorageError(
            f"cannot write {path}: {reason}",
            advice=advice.format(place=place or _place.get()),
        )
        failure.full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise failure from error


def fsync_directory(directory: Path) -> None:
    """Make the names in `directory` durable (after a rename, a creation or a removal), as far as its file system can."""
    if syncs_directories(directory):
        return
    device = directory.stat().st_dev
    if device not in _unsynced:
        _unsynced.add(device)
        _log.warning("%s", UNSYNCED.format(directory=directory))


UNSYNCED = (
    "the file system of {directory} cannot sync a directory: after a power cut the last files may be missing there, and the "
    "run goes back to an earlier commit"
)


def syncs_directories(directory: Path) -> bool:
    """Sync a directory; False where its file system cannot sync one.

    Raises:
        OSError: the sync failed.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT | {errno.EBADF}:
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def write_durably(
    path: Path, data: bytes, *, mode: int = 0o644, sync_directory: bool = True
) -> None:
    """Replace the content of `path` in one step: readers see the old content or the new one, also after a crash.

    Args:
        path: the file; its directory must exist.
        data: the whole content.
        mode: the permissions of the new file.
        sync_directory: False where the caller syncs the directory once for several files.

    Raises:
        StorageError: the content could not be made durable. The file then has its old content or, if only the sync of the
            directory failed, the new one.
    """
    with _replacing(path, mode=mode, sync_directory=sync_directory) as stream:
        stream.write(data)


def create_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with all of `data`, or fail; a file that another process has created is never replaced.

    Raises:
        StorageError: the file exists, or the content could not be made durable.
    """
    with storage_errors(path):
        if path.exists():
            raise StorageError(
                f"{path} was written by another process; two runs are at work in one directory: stop one of them"
            )
    with _replacing(path, mode=mode, place=_link) as stream:
        stream.write(data)


def _link(temporary: Path, path: Path) -> None:
    """Give the temporary file its final name, unless that name exists."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if not no_links(error):
            raise
        temporary.replace(path)
    else:
        temporary.unlink()


def no_links(error: OSError) -> bool:
    """Is it what a file system answers that knows no hard links?"""
    return error.errno in _CANNOT | {errno.EPERM, errno.EMLINK}


def write_whole(path: Path, data: bytes) -> None:
    """Replace the content of `path` in one step, without a sync: for content that is soon replaced again.

    Raises:
        StorageError: the file could not be written; it has its old content.
    """
    with _replacing(path, durable=False) as stream:
        stream.write(data)


@contextmanager
def durable_stream(path: Path) -> Iterator[IO[str]]:
    """A text stream that becomes `path`, whole and durable, when the block ends without an error."""
    with _replacing(path) as binary:
        stream = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        yield stream
        stream.flush()
        stream.detach()  # `_replacing` closes it


@contextmanager
def _replacing(
    path: Path,
    *,
    mode: int = 0o644,
    sync_directory: bool = True,
    durable: bool = True,
    place: Callable[[Path, Path], object] = Path.replace,
) -> Iterator[IO[bytes]]:
    """A temporary file beside `path`. It is moved to `path` (synced if `durable`) when the block ends without an error."""
    with storage_errors(path):
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                _set_mode(stream.fileno(), mode)
                if durable:
                    os.fsync(stream.fileno())
            place(Path(temporary), path)
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                Path(temporary).unlink(missing_ok=True)
            raise
        if durable and sync_directory:
            fsync_directory(path.parent)


def _set_mode(descriptor: int, mode: int) -> None:
    """The permissions of a file of ours; where the file system has none, those that it shows stay."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def append_durably(path: Path, data: bytes, *, size: int | None = None) -> None:
    """Append `data` to `path`, which is created if missing, and sync it.

    Args:
        path: the file.
        data: what is added.
        size: the committed length of the file, bytes; anything after it, left by a failed attempt, is cut off first.

    Raises:
        StorageError: the data could not be made durable; the file is cut back to its old length, so no partial line stays.
    """
    with storage_errors(path):
        created = not path.exists()
        with path.open("ab", buffering=0) as stream:
            if size is not None and os.fstat(stream.fileno()).st_size > size:
                os.ftruncate(stream.fileno(), size)
            size = os.fstat(stream.fileno()).st_size
            try:
                _write_all(stream.fileno(), data)
                os.fsync(stream.fileno())
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(stream.fileno(), size)
                raise
        if created:
            fsync_directory(path.parent)


def append_whole(path: Path, data: bytes) -> None:
    """Append `data` to a file that is there: all of it, or nothing; not synced, see `syncing.py`.

    Raises:
        StorageError: the data could not be written; the file is cut back to its old length.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, data)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def make_directory(path: Path, *, mode: int = 0o777) -> Path:
    """Create `path` and its parents durably, and return `path`.

    Args:
        path: the directory; one that exists is left as it is.
        mode: permissions of `path` itself, less the umask.
    """
    with storage_errors(path):
        missing = [entry for entry in (path, *path.parents) if not entry.exists()]
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        for entry in missing:
            fsync_directory(entry.parent)
    return path


def sealed(text: bytes) -> bytes:
    """The text with its sha256 in a line before it; `unsealed` checks it."""
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def unsealed(data: bytes) -> bytes | None:
    """The text that `sealed` was given; None where the data is truncated or a bit has changed."""
    digest, _, text = data.partition(b"\n")
    return text if hashlib.sha256(text).hexdigest().encode() == digest else None


def has_room(directory: Path, *, probe_bytes: int) -> bool:
    """Whether `probe_bytes` can be written in a directory. A file of that size is made, since quotas cannot be asked for."""
    try:
        descriptor, name = tempfile.mkstemp(dir=directory, prefix=".room.", suffix=".tmp")
    except OSError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _take(stream.fileno(), probe_bytes)
            os.fsync(stream.fileno())
    except OSError:
        return False
    finally:
        with suppress(OSError):
            Path(name).unlink()
    return True


def _take(descriptor: int, count: int) -> None:
    """Have the file system set room aside; where it cannot, write."""
    try:
        os.posix_fallocate(descriptor, 0, count)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        block = bytes(1_000_000)
        for start in range(0, count, len(block)):
            _write_all(descriptor, block[: count - start])


def read_at_most(path: Path, most_bytes: int) -> bytes:
    """The content of a plain file of a bounded size; nothing is read from other kinds of files or larger ones.

    Args:
        path: the file. On a FIFO, a device or a directory the function fails at once; it does not wait.
        most_bytes: largest allowed size.

    Raises:
        OSError: the file cannot be read, is not a plain file, or is too large; `strerror` says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found, data = os.fstat(descriptor), b""
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, f"it is {kind_of(found.st_mode)}, not a file", str(path))
        if found.st_size <= most_bytes:
            with open(descriptor, "rb", closefd=False) as stream:
                data = stream.read(
                    found.st_size + 1
                )  # Python takes the memory for all that is asked for
        if max(found.st_size, len(data)) > most_bytes:  # it may have grown meanwhile
            raise OSError(errno.EFBIG, f"it is larger than {most_bytes} bytes", str(path))
    finally:
        os.close(descriptor)
    return data


def kind_of(mode: int) -> str:
    """The kind of a file in words, from its mode (`os.stat`)."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def why_no_file(path: Path) -> str | None:
    """The reason why a path that a user gave is not a readable file, as a clause; None where it is one."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        unseen = binding(path)
        return f"there is no file {path}{unseen and f'; {unseen}'}"
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    return None if stat.S_ISREG(mode) else f"{path} is {kind_of(mode)}, not a file"


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content, as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
