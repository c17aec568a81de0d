"""Programs that a test starts, and that are gone when it ends, with all that they started."""

import contextlib
import subprocess
import sys
import time

import psutil

DEADLINE_S = 240


def until(condition, *, what):
    """What a condition answers as soon as that is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited for: {what}"
        time.sleep(0.05)
    return found


def descendants(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@contextlib.contextmanager
def running(command, **options):
    """A process in a session of its own, its output in one pipe."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )
    try:
        yield process
    finally:
        for left in [*descendants(process), process]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                left.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def started(*arguments, **options):
    """`mlip-kmc` with these arguments."""
    return running([sys.executable, "-m", "mlip_kmc", *arguments], **options)


def python(text, *arguments, **options):
    """A Python program that reads what the test writes."""
    return running([sys.executable, "-c", text, *arguments], stdin=subprocess.PIPE, **options)
