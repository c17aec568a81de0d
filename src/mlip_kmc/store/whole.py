"""What is whole, what is lost, and what only cannot be read now.

Example:
    data = bytes_or_none(run / "generations" / "00000042.json")     # None: it is lost
    raise NotWholeError("00000042.json is torn or altered")         # an older generation may do
"""

import errno
import hashlib
from pathlib import Path

from mlip_kmc.ground.errors import RunStateError

_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}


class NotWholeError(Exception):
    """A generation cannot be used; an older one may."""


def bytes_or_none(path: Path, *, at_most: int = -1) -> bytes | None:
    """A file's content; None where it is lost.

    Args:
        path: of the file.
        at_most: so many bytes from its beginning; -1: all.

    Raises:
        RunStateError: it cannot be read now. What another attempt may read must not count as lost.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(at_most)
    except OSError as error:
        if error.errno in _LOST:
            return None
        raise RunStateError(
            f"cannot read {path}: {error.strerror}; correct that and run the same command again"
        ) from error


def digest_or_none(path: Path) -> str | None:
    """The sha256 of a file's content, as of `bytes_or_none`."""
    data = bytes_or_none(path)
    return None if data is None else sha256(data)


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()
