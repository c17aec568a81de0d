"""A program that runs beside ours, and ends when we do: its standard input is a pipe whose other end we hold.

Example:
    server = Background.start(Program.of_python(), ["-m", "mlip_kmc", "serve", ...], log=folder / "server.log")
    server.ended()                       # its exit code, or None while it runs
    server.stop()
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs.program import KEPT_ENVIRONMENT, Program

_GRACE_S = 5.0


class Background:
    """A running program.

    The kernel's signal at a parent's death would come when the thread that started it ends; a pipe closes with the process.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, name: str) -> None:
        self._process = process
        self.name = name

    @classmethod
    def start(
        cls,
        program: Program,
        arguments: list[str],
        *,
        log: Path,
        more: Mapping[str, str] | None = None,
        stdin: int = subprocess.PIPE,
    ) -> Self:
        """Start it, in a process group of its own.

        Args:
            program: it must end by itself when its standard input ends.
            arguments: what it gets.
            log: its standard output and error are appended there.
            more: environment variables that it gets besides `KEPT_ENVIRONMENT`.
            stdin: a descriptor that it reads in place of the pipe, and whose other end the caller holds.

        Raises:
            ProgramError: it cannot be started. StorageError: the log cannot be written.
        """
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", **(more or {})}
        with storage_errors(log):
            stream = log.open("ab")
        with stream:
            try:
                process = subprocess.Popen(
                    [program.path, *arguments],
                    env=environment,
                    stdin=stdin,
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
            except OSError as error:
                raise ProgramError(f"cannot start {program.name}: {error.strerror}") from error
        return cls(process, name=program.name)

    @property
    def pid(self) -> int:
        """Its process, and its group."""
        return self._process.pid

    def ended(self, wait_s: float = 0.0) -> int | None:
        """Its exit code (negative: a signal), or None while it runs."""
        try:
            return self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ask it to end, and make it."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if self.ended(_GRACE_S) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
