"""What the environment says: the only reader of its variables, besides what a subprocess inherits.

Example:
    scratch_directory()      # where searches run
    processors()             # how many this process may use
"""

import os
from pathlib import Path

from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.wording import shown


def runtime_directories() -> list[Path]:
    """Where a socket may lie, best first: XDG_RUNTIME_DIR, the scratch directory, /tmp."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(named).absolute()] if named else []), scratch_directory(), Path("/tmp")]  # noqa: S108 - a private one is made in it


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def node_name() -> str:
    """Slurm's name of this node; empty outside of Slurm."""
    return os.environ.get("SLURMD_NODENAME", "")


def job_name() -> str:
    """Slurm's name of this job, with its restarts; empty outside of Slurm."""
    job, restarts = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_RESTART_COUNT", "")
    return f"{job}, restart {restarts}" if job and restarts else job


REASON_FILE = "MLIP_KMC_REASON_FILE"


def reason_file() -> Path | None:
    """MLIP_KMC_REASON_FILE: where a command that fails writes its message, for the program that started it; None: nowhere."""
    named = os.environ.get(REASON_FILE)
    return Path(named) if named else None


def source_date_epoch() -> int | None:
    """SOURCE_DATE_EPOCH: seconds since 1970 that stand for now in what must come out the same again; None where it is not set.

    Raises:
        ConfigError: it is no whole number of seconds between 1980 and 2107, which a zip can hold.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return None
    if (
        not given.isascii()
        or not given.isdecimal()
        or not 315532800 <= int(given[:12]) < 4354819200
    ):
        raise ConfigError(
            f"SOURCE_DATE_EPOCH must be whole seconds since 1970, of the years 1980 to 2107 (it is {shown(given)})"
        )
    return int(given)


def scratch_directory() -> Path:
    """Where searches run: MLIP_KMC_SCRATCH, else the job's scratch, else the system's temporary folder.

    Raises:
        ConfigError: MLIP_KMC_SCRATCH names no directory.
    """
    named = os.environ.get("MLIP_KMC_SCRATCH")
    if named and not Path(named).is_dir():
        raise ConfigError(
            f"MLIP_KMC_SCRATCH names no directory: {named!r}; create it or unset the variable"
        )
    for name in ("MLIP_KMC_SCRATCH", "SLURM_TMPDIR", "TMPDIR"):
        if os.environ.get(name) and Path(os.environ[name]).is_dir():
            return Path(os.environ[name]).absolute()
    return Path("/tmp")  # noqa: S108 - a private directory is made in it


def relay_directory() -> Path | None:
    """MLIP_KMC_RELAY: where a script outside of the container takes requests to the scheduler; None: there is none."""
    named = os.environ.get("MLIP_KMC_RELAY")
    return Path(named) if named else None


def slurm_scripts() -> Path | None:
    """MLIP_KMC_LIB: the folder of the job scripts; None where it is not named."""
    named = os.environ.get("MLIP_KMC_LIB")
    return Path(named).absolute() if named else None
