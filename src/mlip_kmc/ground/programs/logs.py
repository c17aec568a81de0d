"""What outside programs write for people, read here because they say it in no other way.

    lammps_error(done.tail())                # 'ERROR: Unrecognized pair style ...'; None where there is none
    loop_times_s(text)                       # seconds a step, by `run`
    evaluation_timed_out(log), evaluation_error(log, tail=done.tail())      # of eOn's client

The words are those of eOn 3.6.0, LAMMPS 4Feb2025 and util-linux' setpriv. eOn's client passes on neither the exit code of a
driver nor an error of LAMMPS: it ends with an error of its own, or goes on with an energy wall.
"""

import re
from pathlib import Path

_LAMMPS_ERROR = "ERROR"
# what eOn's LAMMPS worker logs when LAMMPS itself failed, as opposed to a search that went nowhere
_EVALUATION_ERROR = re.compile(
    rb"worker reported an evaluation error|worker died during force eval|send to worker failed"
    rb"|LAMMPS potential requested but|pace_driver: "
)
# its worker had not answered after 90 s: it hangs, or was stopped, and the client with it; the client then goes on, with a wall
_EVALUATION_TIMED_OUT = b"worker force eval timed out"
_DRIVER = "pace_driver: "
_LOOP = re.compile(r"Loop time of (\S+) on \d+ procs for (\d+) steps")


def lammps_error(text: str) -> str | None:
    """LAMMPS' first line of an error; None where it wrote none."""
    return next((line.strip() for line in text.splitlines() if _LAMMPS_ERROR in line), None)


def loop_times_s(text: str) -> list[float]:
    """Seconds a step takes, for each `run` of LAMMPS, in their order."""
    return [float(seconds) / int(steps) for seconds, steps in _LOOP.findall(text)]


def evaluation_timed_out(log: bytes) -> bool:
    """Did eOn's client give up on LAMMPS after 90 s?"""
    return _EVALUATION_TIMED_OUT in log


def evaluation_error(log: bytes, *, tail: str) -> str | None:
    """Why the potential could not be evaluated, from the log of eOn's client; None where it could.

    Args:
        log: of the client and of its potential.
        tail: the end of what the client wrote, which goes before the log.
    """
    found = _EVALUATION_ERROR.search(log)
    if found is None:
        return None
    lines = (tail + "\n" + log.decode(errors="replace")).splitlines()
    named = (line for line in lines if _LAMMPS_ERROR in line or line.startswith(_DRIVER))
    return next(named, found.group().decode()).strip()


def cannot_start(stderr: str, *, guard: str) -> str | None:
    """The line of the guard (setpriv) that could not start a program; None where the program itself wrote.

    Both end with the same exit codes: the guard's line begins with its own name.
    """
    begins = stderr.startswith(f"{Path(guard).name}: ")
    return stderr.splitlines()[0] if begins else None
