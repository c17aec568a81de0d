"""What outside programs write for people, read here because they say it in no other way.

    lammps_error(done.tail())                # 'ERROR: Unrecognized pair style ...'; None where there is none
    loop_times_s(text)                       # seconds a step, by `run`

The words are those of LAMMPS 4Feb2025 and of util-linux' setpriv.
"""

import re
from pathlib import Path

_LAMMPS_ERROR = "ERROR"
_LOOP = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps")


def lammps_error(text: str) -> str | None:
    """LAMMPS' first line of an error; None where it wrote none."""
    return next((line.strip() for line in text.splitlines() if _LAMMPS_ERROR in line), None)


def loop_times_s(text: str) -> list[float]:
    """Seconds a step takes, for each `run` of LAMMPS, in their order."""
    return [float(seconds) / int(steps) for seconds, steps in _LOOP.findall(text)]


def cannot_start(stderr: str, *, guard: str) -> str | None:
    """The line of the guard (setpriv) that could not start a program; None where the program itself wrote.

    Both end with the same exit codes: the guard's line begins with its own name.
    """
    begins = stderr.startswith(f"{Path(guard).name}: ")
    return stderr.splitlines()[0] if begins else None
