"""One outside program: found once, run in its own process group, ended with its children.

    eonclient = Program.find("eonclient")
    done = eonclient.run(["--help"], cwd=Path("."), time_limit_s=60)
    done.end, done.returncode, done.tail()
"""

import contextlib
import enum
import os
import shutil
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.errors import ProgramError

_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH")
_TAIL_BYTES = 4096


class ProgramEnd(enum.Enum):
    """How a program came to its end."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Finished:
    """A program that has ended, with its standard output and error in files of its directory."""

    end: ProgramEnd
    returncode: int
    stdout: Path
    stderr: Path

    def tail(self) -> str:
        """The end of what it wrote, standard error first."""
        parts = []
        for path in (self.stderr, self.stdout):
            with contextlib.suppress(OSError):
                text = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
                if text:
                    parts.append(text)
        return "\n".join(parts)


@dataclass(frozen=True)
class Program:
    """An executable file on this machine."""

    name: str
    path: str
    guard: str | None
    """`setpriv`, which has the kernel end the program when its parent dies."""

    @classmethod
    def find(cls, name: str) -> "Program":
        """Look the program up on PATH.

        Raises:
            ProgramError: it is not there.
        """
        path = shutil.which(name)
        if path is None:
            raise ProgramError(f"the program {name} is not on PATH; run inside the image (apptainer exec image.sif ...)")
        return cls(name=name, path=path, guard=shutil.which("setpriv"))

    def run(
        self, arguments: list[str], *, cwd: Path, time_limit_s: float, cancelled: threading.Event | None = None
    ) -> Finished:
        """Run in `cwd`, in a process group of its own that is ended, whole, at the limit or when cancelled.

        Raises:
            ProgramError: the program cannot be started.
        """
        stdout, stderr = cwd / "stdout.txt", cwd / "stderr.txt"
        command = [self.path, *arguments]
        if self.guard:
            command = [self.guard, "--pdeathsig", "KILL", "--", *command]
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        environment["OMP_NUM_THREADS"] = "1"
        with stdout.open("wb") as out, stderr.open("wb") as err:
            try:
                process = subprocess.Popen(
                    command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramError(f"cannot start {self.name}: {error.strerror}") from error
            end = _wait(process, time_limit_s=time_limit_s, cancelled=cancelled)
        return Finished(end=end, returncode=process.returncode, stdout=stdout, stderr=stderr)


def _wait(process: subprocess.Popen[bytes], *, time_limit_s: float, cancelled: threading.Event | None) -> ProgramEnd:
    """Wait for the end, the limit or the cancellation; the process group is gone afterwards."""
    waiter = threading.Event()
    thread = threading.Thread(target=lambda: (process.wait(), waiter.set()), daemon=True)
    thread.start()
    end = ProgramEnd.EXITED
    remaining = time_limit_s
    step = 0.1
    while not waiter.wait(min(step, max(remaining, 0.0)) if cancelled is not None else max(remaining, 0.0)):
        remaining -= step if cancelled is not None else remaining
        if cancelled is not None and cancelled.is_set():
            end = ProgramEnd.CANCELLED
        elif remaining <= 0:
            end = ProgramEnd.TIMED_OUT
        else:
            continue
        break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    thread.join()
    return end
