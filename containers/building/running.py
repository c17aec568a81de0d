"""Run one program of a build: its output in a log, its progress shown, its processor time counted."""

import os
import resource
import signal
import subprocess
import time

from building.failure import BuildError

_LOOK_EVERY_S = 0.5
_LINES_OF_A_FAILED_LOG = 40


def run_logged(command, *, log, show=lambda: None, environment=None, what):
    """Run to the end; (seconds, processor seconds of all its processes).

    Args:
        command: words.
        log: file that receives its output.
        show: called twice a second meanwhile.
        environment: more variables for it.
        what: it is doing, for the error.

    Raises:
        BuildError: it cannot be started or fails; the log's last lines go before.
    """
    begin, used = time.monotonic(), _used()
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise BuildError(f"cannot start {command[0]}: {error.strerror}") from error
        try:
            while process.poll() is None:
                show()
                time.sleep(_LOOK_EVERY_S)
        finally:
            if process.poll() is None:
                _end(process)
    if process.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[
            -_LINES_OF_A_FAILED_LOG:
        ]
        raise BuildError(
            "\n".join(
                [
                    f"{what} failed (exit code {process.returncode}); the last lines of {log}:",
                    *lines,
                ]
            )
        )
    return time.monotonic() - begin, _used() - used


def _used():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _end(process):
    """End it and all it started: politely, then not."""
    for number, wait_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
            process.wait(wait_s)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        else:
            return
