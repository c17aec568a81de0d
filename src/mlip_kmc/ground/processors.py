"""How many processors this process may use: the least of its affinity, Slurm's number and the quota of its cgroups.

Example:
    found = processors()
    found.count, found.decided_by        # 1, 'SLURM_CPUS_PER_TASK'

Slurm's task/none sets no affinity, and a cgroup's quota (`docker run --cpus`, Kubernetes' limits, systemd's CPUQuota) never does:
more searches than processors then only slow each other down. The quota is in the kernel's cgroup-v2.rst (cpu.max) and, of version
1, in sched-bwc.rst (cpu.cfs_quota_us).
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlip_kmc.ground.environment import slurm_processors

_PROC = Path("/proc/self")
_AFFINITY, _QUOTA = "the affinity of this process", "the CPU quota of its cgroup"


@dataclass(frozen=True)
class Processors:
    """What this process may use.

    Attributes:
        count: of processors, at least 1; a quota of one and a half is one.
        decided_by: what allows the fewest, in words, or the name of Slurm's variable.
    """

    count: int
    decided_by: str


def processors(proc: Path = _PROC) -> Processors:
    """The least that is allowed, and by what.

    Args:
        proc: of this process, with `cgroup` and `mountinfo`.
    """
    allowed = {_AFFINITY: len(os.sched_getaffinity(0)), **slurm_processors()}
    quota = cpu_quota(proc)
    if quota is not None:
        allowed[_QUOTA] = max(1, int(quota))
    decided_by = min(allowed, key=lambda name: allowed[name])
    return Processors(count=allowed[decided_by], decided_by=decided_by)


def cpu_quota(proc: Path = _PROC) -> float | None:
    """Processors that the cgroups of this process and their parents allow; None where there is no limit, or none can be read."""
    found = [quota for folder in _groups(proc) if (quota := _quota_in(folder)) is not None]
    return min(found, default=None)


def _groups(proc: Path) -> Iterator[Path]:
    """Folders of the cgroups with the controller `cpu`, from this process's up to the mount."""
    try:
        lines = (proc / "cgroup").read_text("utf-8").splitlines()
        own = [line.split(":", 2) for line in lines if line.count(":") >= 2]
        mounts = (proc / "mountinfo").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in mounts:
        left, _, right = line.partition(" - ")
        mount, kinds = left.split(), right.split()
        if len(mount) < 5 or len(kinds) < 3:
            continue
        for _, controllers, path in own:
            if _can_limit(controllers, kind=kinds[0], options=kinds[2]):
                below = _below(path, root=_plain(mount[3]))
                yield from (Path(_plain(mount[4])) / part for part in (below, *below.parents))


def _can_limit(controllers: str, *, kind: str, options: str) -> bool:
    """Does a line of /proc/self/cgroup belong to a mount, and to what limits processors?"""
    if kind == "cgroup2":
        return controllers == ""
    return kind == "cgroup" and "cpu" in controllers.split(",") and "cpu" in options.split(",")


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)


def _below(path: str, *, root: str) -> PurePosixPath:
    """The group's path below the mount; the mount itself where the group is not in what is mounted (a container's)."""
    with contextlib.suppress(ValueError):
        below = PurePosixPath(path).relative_to(root)
        if ".." not in below.parts:
            return below
    return PurePosixPath()


def _quota_in(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (folder / "cpu.max").read_text("ascii").split()
        return float(quota) / float(period) if quota != "max" else None
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (
            (folder / f"cpu.cfs_{name}_us").read_text("ascii") for name in ("quota", "period")
        )
        return float(quota) / float(period) if float(quota) > 0 else None
    return None
