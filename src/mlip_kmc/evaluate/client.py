"""One eOn client job in a scratch directory of its own.

    job = ClientJob(name="check", files={"pos.con": "...", "config.ini": "..."}, links={}, time_limit_s=600)
    done = run_job(job, reader=texts_of("results.dat"))
    done.end, done.found["results.dat"]

Who wants more of the directory than texts gives a reader of its own: it looks at the client while it runs, and turns what the
client left into typed values. Runs in a worker's thread. A cancelled job's process group is gone when `run_job` returns.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mlip_kmc.driver.standalone import END_FILE, TOO_NEAR
from mlip_kmc.ground.errors import EXIT_HALTED
from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs import Finished, Program, ProgramEnd
from mlip_kmc.ground.programs.logs import evaluation_error, evaluation_timed_out
from mlip_kmc.ground.scratch import PLACE, make, remove
from mlip_kmc.potential.minimum_distance import TooNear, comes_too_near, too_near_in

RESULTS_FILE = "results.dat"
Found = TypeVar("Found")
_Read_co = TypeVar("_Read_co", covariant=True)
NAME_FILE = "search.txt"
"""In a job's directory: its name, which a driver gives to the structures that it keeps."""
_running: dict[str, set[threading.Event]] = {}
"""By tag; for a moment there are two of one, where a worker in this process replaces another."""
_taken_back: set[str] = set()
_lock = threading.Lock()


class End(StrEnum):
    """How a client job ended."""

    FINISHED = "finished"
    EVALUATION_ERROR = "evaluation error"
    CRASHED = "client crashed"
    KILLED_WORKERS = "its workers died"
    TIMED_OUT = "ended at a time limit"
    HALTED = "halted on extrapolation"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class ClientJob:
    """What one `eonclient` needs.

    Attributes:
        name: unique in the run.
        files: texts to write into its directory, by name.
        links: files to link there, by name.
        time_limit_s: then it is ended; time in which its worker was stopped does not count.
        evidence: where the directory is kept if the client fails, or None.
    """

    name: str
    files: Mapping[str, str]
    links: Mapping[str, Path]
    time_limit_s: float
    evidence: Path | None = None


@dataclass(frozen=True)
class Ended:
    """How a client ended.

    Attributes:
        end: see `End`. message: more of that.
        near: where LAMMPS saw atoms nearer than they may be; None where it never did.
        is_too_near: it was halted because atoms were too near, which LAMMPS or the driver saw.
    """

    end: End
    message: str = ""
    near: TooNear | None = None
    is_too_near: bool = False


@dataclass(frozen=True)
class ClientDone(Generic[Found]):
    """What came of one client job.

    Attributes:
        end: how it ended; message: more of that.
        found: what the reader made of its directory.
        seconds: it took.
    """

    end: End
    message: str
    found: Found
    seconds: float


class Reader(Protocol[_Read_co]):
    """Looks at a client's directory while it runs, and reads it when it has ended."""

    def crossed(self) -> bool:
        """Is there a reason to end the client now?"""

    def read(self, ended: Ended) -> tuple[Ended, _Read_co]:
        """What the client left, and how the job ended in view of that; never raises for what the client wrote."""

    def explains(self, ended: Ended) -> bool:
        """What was read tells all of this end: the directory is no further evidence."""


@dataclass(frozen=True)
class TextReader:
    """Reads the texts of some files; none where the client did not do its work.

    Attributes:
        directory: the client's.
        names: of the files.
    """

    directory: Path
    names: tuple[str, ...]

    def crossed(self) -> bool:
        """Nothing is watched."""
        return False

    def read(self, ended: Ended) -> tuple[Ended, dict[str, str]]:
        """The texts of those that are there, by name."""
        return ended, texts_in(self.directory, self.names) if ended.end is End.FINISHED else {}

    def explains(self, ended: Ended) -> bool:  # noqa: ARG002 - texts are those of a good end
        """No failure."""
        return False


def texts_of(*names: str) -> Callable[[Path], TextReader]:
    """A reader of these files, for `run_job`."""
    return lambda directory: TextReader(directory, names)


def texts_in(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """The texts of those files that are there, by name; what is no UTF-8 is replaced."""
    return {
        name: (directory / name).read_text(encoding="utf-8", errors="replace")
        for name in names
        if (directory / name).is_file()
    }


def parse_results(text: str) -> dict[str, float | str]:
    """eOn's `results.dat`: one `value key` a line; numbers become floats."""
    found: dict[str, float | str] = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) >= 2:
            try:
                found[parts[1]] = float(parts[0])
            except ValueError:
                found[parts[1]] = parts[0]
    return found


def run_job(
    job: ClientJob, *, reader: Callable[[Path], Reader[Found]], tag: str = ""
) -> ClientDone[Found]:
    """Run one client job to its end; never raises for what the client does.

    A job that failed while this process was stopped (SIGSTOP, Slurm's suspend) is run again.

    Args:
        job: what to run.
        reader: makes the reader of its directory, before the client starts.
        tag: by which `cancel_jobs` knows it; the same search, tried again, has another. Default: the job's name.
    """
    with cancellable(tag or job.name) as cancelled:
        while True:
            done, slept = _run(job, reader, cancelled)
            # time limits of eOn's own ran on while everything was stopped: that is no fault of the search
            if not slept or done.end not in (End.TIMED_OUT, End.EVALUATION_ERROR, End.CRASHED):
                return done


@contextlib.contextmanager
def cancellable(tag: str) -> Iterator[threading.Event]:
    """A running job, by its tag: the event is set when `cancel_jobs` or `cancel_all_jobs` means it."""
    cancelled = threading.Event()
    with _lock:
        _running.setdefault(tag, set()).add(cancelled)
        if tag in _taken_back:
            _taken_back.discard(tag)
            cancelled.set()
    try:
        yield cancelled
    finally:
        with _lock:
            _running[tag].discard(cancelled)
            if not _running[tag]:
                del _running[tag]


def _run(
    job: ClientJob, reader: Callable[[Path], Reader[Found]], cancelled: threading.Event
) -> tuple[ClientDone[Found], bool]:
    """What came of the job, and whether this process was stopped meanwhile."""
    started = time.monotonic()
    directory = make(job.name)
    try:
        _lay_out(job, directory)
        look = reader(directory)
        finished = Program.find("eonclient").run(
            [],
            cwd=directory,
            time_limit_s=job.time_limit_s,
            cancelled=cancelled,
            look=lambda: look.crossed() or comes_too_near(directory),
        )
        ended, found = look.read(_ended(job, directory, finished))
        failed = ended.end not in (End.FINISHED, End.CANCELLED)
        if failed and job.evidence is not None and not look.explains(ended):
            keep_directory(directory, job.evidence)
        seconds = time.monotonic() - started
        return ClientDone(ended.end, ended.message, found, seconds), finished.slept_s > 0
    finally:
        remove(directory)


def _lay_out(job: ClientJob, directory: Path) -> None:
    """Write what the client reads."""
    with storage_errors(directory, place=PLACE):
        for name, text in job.files.items():
            (directory / name).write_text(text, encoding="utf-8")
        (directory / NAME_FILE).write_text(job.name, encoding="utf-8")
        for name, target in job.links.items():
            (directory / name).symlink_to(target)


def _ended(job: ClientJob, directory: Path, finished: Finished) -> Ended:
    """How the client ended; atoms that came too near halted it, whatever became of it after that."""
    ended = _judge(job, directory, finished)
    near = too_near_in(directory)
    # what reached a time limit is run again: then the same will be seen, and in time
    if near is not None and ended.end not in (End.CANCELLED, End.TIMED_OUT):
        return Ended(End.HALTED, str(near), near, is_too_near=True)
    return replace(ended, near=near)


def cancel_jobs(tags: Iterable[str]) -> None:
    """End the running jobs of these tags in this process (a dask worker's threads), also those that are about to begin."""
    with _lock:
        for tag in tags:
            for cancelled in _running.get(tag, ()):
                cancelled.set()
            if tag not in _running:
                _taken_back.add(tag)


def cancel_all_jobs() -> None:
    """End every running job in this process."""
    with _lock:
        for cancelled in chain.from_iterable(_running.values()):
            cancelled.set()


def _judge(job: ClientJob, directory: Path, finished: Finished) -> Ended:
    """Tell a failed evaluation, a time limit, a dead client and a client that did its work apart."""
    if finished.end is ProgramEnd.CANCELLED:
        return Ended(End.CANCELLED)
    log = _log_of(directory)
    if evaluation_timed_out(log):  # before all else: from there on the search went another way
        return Ended(
            End.TIMED_OUT, "one force call took longer than the 90 s that eOn waits for LAMMPS"
        )
    if finished.end is ProgramEnd.STOPPED:
        return Ended(End.HALTED)
    ended = _driver_halt(directory) or _evaluation_error(log, finished.tail())
    if ended is None and finished.end is ProgramEnd.TIMED_OUT:
        limit_min = job.time_limit_s / 60
        return Ended(End.TIMED_OUT, f"it took longer than its time limit of {limit_min:g} min")
    return ended or _left(directory, finished)


def _left(directory: Path, finished: Finished) -> Ended:
    """A client that ended by itself, and whether it did its work."""
    if finished.returncode == 0 and (directory / RESULTS_FILE).is_file():
        return Ended(End.FINISHED)
    code = finished.returncode
    how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    return Ended(End.CRASHED, f"{how}: {finished.last_line() or 'it wrote nothing'}")


def _log_of(directory: Path) -> bytes:
    """All that a client and its potential wrote."""
    log = b""
    for path in (*directory.glob("*.log"), directory / "stdout.txt", directory / "stderr.txt"):
        with contextlib.suppress(OSError):
            log += path.read_bytes()
    return log


def _driver_halt(directory: Path) -> Ended | None:
    """The halt that a driver left in the client's directory; None where none halted."""
    try:
        code, kind, line, *_ = (directory / END_FILE).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):  # none ended badly, or one was killed while it wrote
        return None
    if code != str(EXIT_HALTED):
        return None
    return Ended(End.HALTED, line, is_too_near=kind == TOO_NEAR)


def _evaluation_error(log: bytes, tail: str) -> Ended | None:
    """What the log has of an evaluation that failed."""
    failed = evaluation_error(log, tail=tail)
    return None if failed is None else Ended(End.EVALUATION_ERROR, failed)


def keep_inputs(job: ClientJob, message: str) -> None:
    """Keep what a search was given, where nothing came back from it."""
    if job.evidence is None:
        return
    with contextlib.suppress(OSError):
        job.evidence.mkdir(parents=True, exist_ok=True)
        for name, text in {**job.files, "why.txt": f"{message}\n"}.items():
            (job.evidence / name).write_text(text, encoding="utf-8")


def keep_directory(directory: Path, evidence: Path) -> None:
    """Copy a failed job's directory into the run, links resolved to their names only."""
    with contextlib.suppress(OSError):
        evidence.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(evidence, ignore_errors=True)
        shutil.copytree(directory, evidence, symlinks=True)
