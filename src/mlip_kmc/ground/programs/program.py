"""One outside program: found once, run in its own process group, ended with its children.

Example:
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
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs.awake import AwakeClock
from mlip_kmc.ground.programs.logs import cannot_start

KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "PYTHONPATH")
_TAIL_BYTES = 4096
_LOOK_S = 0.1
"""How often a cancellation is looked for."""
_LONGEST_WAIT_S = 1.0
"""How often the limit is looked at: it counts the time in which this process is awake."""
_CANNOT_START = (126, 127)
"""setpriv's exit codes when it cannot start what it guards."""


class ProgramEnd(enum.Enum):
    """How a program came to its end."""

    EXITED = "exited"
    TIMED_OUT = "timed out"
    CANCELLED = "cancelled"
    STOPPED = "stopped by what it wrote"


@dataclass(frozen=True)
class Finished:
    """A program that has ended, with its standard output and error in files of its directory.

    Attributes:
        end: how. returncode: its exit code; negative: a signal.
        stdout, stderr: what it wrote.
        slept_s: how long this process was stopped meanwhile, and the program perhaps with it.
    """

    end: ProgramEnd
    returncode: int
    stdout: Path
    stderr: Path
    slept_s: float = 0.0

    def tail(self) -> str:
        """The end of what it wrote, standard error first."""
        parts = []
        for path in (self.stderr, self.stdout):
            with contextlib.suppress(OSError):
                text = _end_of(path).decode(errors="replace").strip()
                if text:
                    parts.append(text)
        return "\n".join(parts)

    def last_line(self) -> str:
        """The last line that it wrote: of standard error, else of standard output; empty where it wrote nothing."""
        for path in (self.stderr, self.stdout):
            with contextlib.suppress(OSError):
                if text := _end_of(path).decode(errors="replace").strip():
                    return text.splitlines()[-1].strip()
        return ""


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
            raise ProgramError(
                f"the program {name} is not on PATH; run inside the image (apptainer exec image.sif)"
            )
        guard = shutil.which("setpriv")
        # absolute: a program runs in a directory of its own, where a relative entry of PATH leads nowhere
        return cls(
            name=name, path=str(Path(path).absolute()), guard=guard and str(Path(guard).absolute())
        )

    @classmethod
    def of_python(cls) -> "Program":
        """The Python that runs this."""
        return cls(name="python3", path=sys.executable, guard=None)

    def run(
        self,
        arguments: list[str],
        *,
        cwd: Path,
        time_limit_s: float,
        cancelled: threading.Event | None = None,
        look: Callable[[], bool] | None = None,
        stdin: Path = Path(os.devnull),
        keep: tuple[str, ...] = (),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> Finished:
        """Run in `cwd`, in a process group of its own that is ended, whole, at the limit or when cancelled.

        Args:
            arguments: of the program.
            cwd: its directory.
            time_limit_s: then it is ended; time in which this process was stopped does not count.
            cancelled: set it, and the program is ended.
            look: asked ten times a second; the program is ended when it answers True.
            stdin: what it reads.
            keep: names of more environment variables that it may see.
            variables: environment variables that it gets besides.

        Raises:
            ProgramError: the program cannot be started.
            StorageError: its output cannot be kept in `cwd`.
        """
        stdout, stderr = cwd / "stdout.txt", cwd / "stderr.txt"
        guard = [self.guard, "--pdeathsig", "KILL", "--"] if self.guard else []
        kept = {name: os.environ[name] for name in (*KEPT_ENVIRONMENT, *keep) if name in os.environ}
        with _files_for(stdout, stderr) as (out, err), stdin.open("rb") as given:
            try:
                process = subprocess.Popen(
                    [*guard, self.path, *arguments],
                    cwd=cwd,
                    env={**kept, "OMP_NUM_THREADS": "1", **variables},
                    stdin=given,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramError(f"cannot start {self.name}: {error.strerror}") from error
            clock = AwakeClock()
            end = _wait(process, clock, time_limit_s=time_limit_s, cancelled=cancelled, look=look)
        finished = Finished(
            end=end,
            returncode=process.returncode,
            stdout=stdout,
            stderr=stderr,
            slept_s=clock.slept_s,
        )
        if self.guard and finished.returncode in _CANNOT_START:
            fault = cannot_start(_end_of(stderr).decode(errors="replace"), guard=self.guard)
            if fault is not None:
                raise ProgramError(f"cannot start {self.name}: {fault}")
        return finished


@contextlib.contextmanager
def _files_for(stdout: Path, stderr: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with storage_errors(stdout):
        out = stdout.open("wb")
    with out:
        with storage_errors(stderr):
            err = stderr.open("wb")
        with err:
            yield out, err


def _end_of(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _TAIL_BYTES))
        return stream.read(_TAIL_BYTES)


def _wait(
    process: subprocess.Popen[bytes],
    clock: AwakeClock,
    *,
    time_limit_s: float,
    cancelled: threading.Event | None,
    look: Callable[[], bool] | None,
) -> ProgramEnd:
    """Wait for the end, the limit or the cancellation; the process group is gone afterwards."""
    ended = threading.Event()

    def watch() -> None:
        # without reaping: until then the group's number cannot go to another process
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ended.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        return _first_of(ended, cancelled, look, clock, time_limit_s=time_limit_s)
    finally:  # also when this thread is interrupted
        clock.now()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        watcher.join()
        process.wait()


def _first_of(
    ended: threading.Event,
    cancelled: threading.Event | None,
    look: Callable[[], bool] | None,
    clock: AwakeClock,
    *,
    time_limit_s: float,
) -> ProgramEnd:
    longest = _LONGEST_WAIT_S if cancelled is None and look is None else _LOOK_S
    while not ended.wait(max(0.0, min(longest, time_limit_s - clock.now()))):
        if cancelled is not None and cancelled.is_set():
            return ProgramEnd.CANCELLED
        if look is not None and look():
            return ProgramEnd.STOPPED
        if not clock.now() < time_limit_s:
            return ProgramEnd.TIMED_OUT
    return ProgramEnd.EXITED
