"""What a container does not see of this machine: a folder that is not bound looks like one that is not there.

Example:
    unseen_folder(Path("/data/cu/cu.yace"))      # /data/cu: nothing of this machine is bound there; None outside of a container
    binding(Path("/data/cu/cu.yace"))            # 'the container does not see /data/cu of this machine: bind it ...', or ''

Apptainer lays its own file systems below the folders that it binds: the image's, and with --containall one in memory for /tmp and
the home directory. What lies on one of them is the container's own, and gone when it ends.
"""

import contextlib
import errno
import sys
from pathlib import Path

_MARK = Path("/.singularity.d")
"""Every image of Apptainer has it."""
_OWN = (Path("/"), _MARK, Path("/dev"), Path("/etc/passwd"), Path("/etc/resolv.conf"))
"""On the file systems that Apptainer makes: the image's, and the session's in memory."""


def unseen_folder(path: Path) -> Path | None:
    """The folder to bind where a path leads to nothing that this container sees of the machine; None outside of a container.

    Args:
        path: a file, or a directory, which may not be there. What belongs to the image is seen.
    """
    if not _MARK.is_dir():
        return None
    path = path.absolute()
    there = next((parent for parent in (path, *path.parents) if _exists(parent)), Path("/"))
    if there.is_relative_to(sys.prefix) or there.stat().st_dev not in _own_devices():
        return None
    return path if path.is_dir() else path.parent


def _own_devices() -> set[int]:
    found = set()
    for path in _OWN:
        with contextlib.suppress(OSError):
            found.add(path.stat().st_dev)
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def binding(path: Path) -> str:
    """Advice on a path that is not there; empty where the container sees what is around it, or there is no container."""
    folder = unseen_folder(path)
    if folder is None:
        return ""
    return (
        f"the container does not see {folder} of this machine: bind it (apptainer exec --bind {folder} ..., or "
        f"MLIP_KMC_BIND={folder} for slurm/mlip-kmc)"
    )


def binding_for(error: BaseException) -> str:
    """The same of the file that an error's cause says is not there or cannot be made."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOENT, errno.EROFS):
            named = cause.filename
            return binding(Path(named)) if isinstance(named, str) else ""
        cause = cause.__cause__
    return ""
