"""One eOn client job in a scratch directory of its own.

    job = ClientJob(name="0_17", files={"pos.con": "...", "config.ini": "..."}, links={}, returns=("results.dat",),
                    time_limit_s=600)
    done = run_job(job)
    done.end, done.results()["potential_energy_saddle"]

Runs in a worker's thread. A cancelled job's process group is gone when `run_job` returns.
"""

import contextlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import chain
from pathlib import Path

from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs import Finished, Program, ProgramEnd
from mlip_kmc.ground.scratch import PLACE, make, remove
from mlip_kmc.potential.minimum_distance import comes_too_near, too_near_in
from mlip_kmc.search.watch import Graded, Watch, Watched, near_frames

PROCESS_SEARCH_FILES = ("results.dat", "reactant.con", "saddle.con", "product.con", "mode.dat")
# what eOn's LAMMPS worker logs when LAMMPS itself failed, as opposed to a search that went nowhere
_EVALUATION_ERROR = re.compile(
    rb"worker reported an evaluation error|worker died during force eval|send to worker failed"
    rb"|LAMMPS potential requested but|pace_driver: "
)
# its worker had not answered after 90 s: it hangs, or was stopped, and the client with it; the client then goes on, with a wall
_EVALUATION_TIMED_OUT = b"worker force eval timed out"
_DRIVER_HALT = re.compile(rb"^pace_driver: halt: (.*)$", re.MULTILINE)
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
        returns: files to bring back.
        time_limit_s: then it is ended; time in which its worker was stopped does not count.
        evidence: where the directory is kept if the client fails, or None.
        watch: what gamma is watched for, or None.
        distil: makes of the files that come back, where the job ran, those that travel; None: they travel as they are.
    """

    name: str
    files: dict[str, str]
    links: dict[str, Path]
    returns: tuple[str, ...]
    time_limit_s: float
    evidence: Path | None = None
    watch: Watch | None = None
    distil: Callable[[Mapping[str, str]], dict[str, str]] | None = None


@dataclass(frozen=True)
class ClientDone:
    """What came back from one client job.

    Attributes:
        name: the job's. end: how it ended; message: more of that.
        files: what it brought back, by name.
        seconds: it took.
        graded: what was seen of gamma and distances.
    """

    name: str
    end: End
    files: dict[str, str] = field(default_factory=dict)
    message: str = ""
    seconds: float = 0.0
    graded: Graded = field(default_factory=Graded)

    def results(self) -> dict[str, float | str]:
        """`results.dat` as a mapping: eOn writes `value key` lines."""
        return parse_results(self.files.get("results.dat", ""))


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


def run_job(job: ClientJob, *, tag: str = "") -> ClientDone:
    """Run one client job to its end; never raises for what the client does.

    A job that failed while this process was stopped (SIGSTOP, Slurm's suspend) is run again.

    Args:
        job: what to run.
        tag: by which `cancel_jobs` knows it; the same search, tried again, has another. Default: the job's name.
    """
    with cancellable(tag or job.name) as cancelled:
        while True:
            done, slept = _run(job, cancelled)
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


def _run(job: ClientJob, cancelled: threading.Event) -> tuple[ClientDone, bool]:
    """The job's end, and whether this process was stopped meanwhile."""
    started = time.monotonic()
    directory = make(job.name)
    try:
        with storage_errors(directory, place=PLACE):
            for name, text in job.files.items():
                (directory / name).write_text(text, encoding="utf-8")
            (directory / NAME_FILE).write_text(job.name, encoding="utf-8")
            for name, target in job.links.items():
                (directory / name).symlink_to(target)
        watched = Watched(job.watch, directory, search=job.name) if job.watch else None
        finished = Program.find("eonclient").run(
            [],
            cwd=directory,
            time_limit_s=job.time_limit_s,
            cancelled=cancelled,
            look=partial(_crossed, watched, directory),
        )
        end, message = _judge(job, directory, finished)
        judged = end not in (
            End.CANCELLED,
            End.TIMED_OUT,
        )  # the latter is run again: then the same will be seen, and in time
        near = too_near_in(directory)
        if near and judged:  # whatever became of the search after that
            end, message = End.HALTED, str(near)
        files = {
            name: (directory / name).read_text(encoding="utf-8")
            for name in job.returns
            if end is End.FINISHED and (directory / name).is_file()
        }
        ended_well = parse_results(files.get("results.dat", "")).get("termination_reason") == 0
        until = near.step if near else None
        graded = (
            watched.judge(files if ended_well else {}, until=until)
            if watched and judged
            else Graded()
        )
        if graded.halt:  # whatever became of the search after that
            end, message = End.HALTED, graded.halt
        if end is End.HALTED:
            digest = job.watch.digest if job.watch else "0" * 64
            near_ones = (
                near_frames(directory, search=job.name, digest=digest)
                if near and not graded.halt
                else ()
            )
            files, graded = {}, replace(graded, halt=message, frames=(*graded.frames, *near_ones))
        frames_tell = end is End.HALTED and job.watch is not None
        if (
            end not in (End.FINISHED, End.CANCELLED)
            and not frames_tell
            and job.evidence is not None
        ):
            _keep(directory, job.evidence)
        files = job.distil(files) if job.distil is not None and end is End.FINISHED else files
        done = ClientDone(
            name=job.name,
            end=end,
            files=files,
            message=message,
            seconds=time.monotonic() - started,
            graded=graded,
        )
        return done, finished.slept_s > 0
    finally:
        remove(directory)


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


def _crossed(watched: Watched | None, directory: Path) -> bool:
    """Has gamma crossed its threshold, or have atoms come too near?"""
    return (watched is not None and watched.crossed()) or comes_too_near(directory)


def _judge(job: ClientJob, directory: Path, finished: Finished) -> tuple[End, str]:
    """Tell a failed evaluation, a time limit, a dead client and a client that did its work apart."""
    if finished.end is ProgramEnd.CANCELLED:
        return End.CANCELLED, ""
    log = _log_of(directory)
    if _EVALUATION_TIMED_OUT in log:  # before all else: from there on the search went another way
        return End.TIMED_OUT, "one force call took longer than the 90 s that eOn waits for LAMMPS"
    if finished.end is ProgramEnd.STOPPED:
        return End.HALTED, ""
    told = _told(log, finished.tail())
    if told is None and finished.end is ProgramEnd.TIMED_OUT:
        told = End.TIMED_OUT, f"it took longer than its time limit of {job.time_limit_s / 60:g} min"
    return told or _left(directory, finished)


def _left(directory: Path, finished: Finished) -> tuple[End, str]:
    """A client that ended by itself, and whether it did its work."""
    if finished.returncode == 0 and (directory / "results.dat").is_file():
        return End.FINISHED, ""
    code = finished.returncode
    how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    return End.CRASHED, f"{how}: {finished.last_line() or 'it wrote nothing'}"


def _log_of(directory: Path) -> bytes:
    """All that a client and its potential wrote."""
    log = b""
    for path in (*directory.glob("*.log"), directory / "stdout.txt", directory / "stderr.txt"):
        with contextlib.suppress(OSError):
            log += path.read_bytes()
    return log


def _told(log: bytes, tail: str) -> tuple[End, str] | None:
    """What the log says of the potential: a driver's halt, or an evaluation that failed."""
    halted = _DRIVER_HALT.search(log)
    if halted is not None:
        return End.HALTED, halted.group(1).decode(errors="replace")
    found = _EVALUATION_ERROR.search(log)
    if found is None:
        return None
    lammps = [
        line
        for line in (tail + "\n" + log.decode(errors="replace")).splitlines()
        if "ERROR" in line or line.startswith("pace_driver: ")
    ]
    return End.EVALUATION_ERROR, (lammps[0] if lammps else found.group().decode()).strip()


def keep_inputs(job: ClientJob, message: str) -> None:
    """Keep what a search was given, where nothing came back from it."""
    if job.evidence is None:
        return
    with contextlib.suppress(OSError):
        job.evidence.mkdir(parents=True, exist_ok=True)
        for name, text in {**job.files, "why.txt": f"{message}\n"}.items():
            (job.evidence / name).write_text(text, encoding="utf-8")


def _keep(directory: Path, evidence: Path) -> None:
    """Copy a failed job's directory into the run, links resolved to their names only."""
    with contextlib.suppress(OSError):
        evidence.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(evidence, ignore_errors=True)
        shutil.copytree(directory, evidence, symlinks=True)
