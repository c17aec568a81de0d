"""What the environment says: the only reader of its variables, besides what a subprocess inherits.

Example:
    scratch_directory()      # where searches run
    slurm_processors()       # {'SLURM_CPUS_PER_TASK': 4, 'SLURM_CPUS_ON_NODE': 8}
"""

import os
import re
from pathlib import Path

from mlip_kmc.ground.container import binding
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.wording import shown


def runtime_directories() -> list[Path]:
    """Where a socket may lie, best first: XDG_RUNTIME_DIR, the scratch directory, /tmp."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(named).absolute()] if named else []), scratch_directory(), Path("/tmp")]  # noqa: S108 - a private one is made in it


def slurm_processors() -> dict[str, int]:
    """How many processors Slurm gave to what runs here, by the variable that says so; empty outside of a job.

    SLURM_CPUS_ON_NODE is all that the job or step has on this node. A step of several tasks here shares it among them; a job's
    script and an interactive shell are alone.
    """
    if not os.environ.get("SLURM_JOB_ID"):
        return {}
    found = {
        name: int(os.environ[name])
        for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
        if re.fullmatch(r"0*[1-9][0-9]{0,6}", os.environ.get(name, ""), re.ASCII)
    }
    tasks = re.findall(r"(\d+)(?:\(x\d+\))?", os.environ.get("SLURM_STEP_TASKS_PER_NODE", ""))
    if "SLURM_CPUS_ON_NODE" in found and tasks:
        most = max(1, *map(int, tasks))
        found["SLURM_CPUS_ON_NODE"] = max(1, found["SLURM_CPUS_ON_NODE"] // most)
    return found


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

    Empty, as a command substitution that failed leaves it, it is not set.

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
            f"SOURCE_DATE_EPOCH must be whole seconds since 1970, of the years 1980 to 2107 (it is {shown(given)}); "
            "correct or unset it"
        )
    return int(given)


def settle() -> None:
    """Put in order, once and before any work, what libraries and other Pythons read of the environment.

    A SOURCE_DATE_EPOCH that is none is refused, and an empty one unset: libraries end on both with a traceback. Pythons that this
    one starts do not look for modules in the present folder, where `random.py` may be anything.

    Raises:
        ConfigError: see `source_date_epoch`.
    """
    if source_date_epoch() is None:
        os.environ.pop("SOURCE_DATE_EPOCH", None)
    os.environ["PYTHONSAFEPATH"] = "1"


def scratch_directory() -> Path:
    """Where searches run: MLIP_KMC_SCRATCH, else the job's scratch, else the system's temporary folder.

    Raises:
        ConfigError: MLIP_KMC_SCRATCH names no directory.
    """
    named = os.environ.get("MLIP_KMC_SCRATCH")
    if named and not Path(named).is_dir():
        advice = binding(Path(named) / "x") or "create it or unset the variable"
        raise ConfigError(f"MLIP_KMC_SCRATCH names no directory: {named!r}; {advice}")
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
