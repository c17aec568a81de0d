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
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from mlip_kmc.config import scratch_directory
from mlip_kmc.files import storage_errors
from mlip_kmc.potential.minimum_distance import comes_too_near, too_near_in
from mlip_kmc.programs import Program, ProgramEnd
from mlip_kmc.searches.watch import Graded, Watch, Watched, near_frames

PROCESS_SEARCH_FILES = ("results.dat", "reactant.con", "saddle.con", "product.con", "mode.dat")
# what eOn's LAMMPS worker logs when LAMMPS itself failed, as opposed to a search that went nowhere
_EVALUATION_ERROR = re.compile(rb"worker reported an evaluation error|worker died during force eval|send to worker failed"
                               rb"|worker force eval timed out|LAMMPS potential requested but|pace_driver: ")
_DRIVER_HALT = re.compile(rb"^pace_driver: halt: (.*)$", re.MULTILINE)
NAME_FILE = "search.txt"
"""In a job's directory: its name, which a driver gives to the structures that it keeps."""
_running: dict[str, threading.Event] = {}
_taken_back: set[str] = set()
_lock = threading.Lock()


class End(StrEnum):
    """How a client job ended."""

    FINISHED = "finished"
    EVALUATION_ERROR = "evaluation error"
    CRASHED = "client crashed"
    KILLED_WORKERS = "its workers died"
    TIMED_OUT = "given up at its time limit"
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
        time_limit_s: then it is ended.
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
    """What came back from one client job; `graded` says what was seen of gamma and distances."""

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

    Args:
        job: what to run.
        tag: by which `cancel_jobs` knows it; the same search, tried again, has another. Default: the job's name.
    """
    with cancellable(tag or job.name) as cancelled:
        return _run(job, cancelled)


@contextlib.contextmanager
def cancellable(tag: str) -> Iterator[threading.Event]:
    """A running job, by its tag: the event is set when `cancel_jobs` or `cancel_all_jobs` means it."""
    cancelled = threading.Event()
    with _lock:
        _running[tag] = cancelled
        if tag in _taken_back:
            _taken_back.discard(tag)
            cancelled.set()
    try:
        yield cancelled
    finally:
        with _lock:
            _running.pop(tag, None)


def _run(job: ClientJob, cancelled: threading.Event) -> ClientDone:
    started = time.monotonic()
    scratch = scratch_directory()
    with storage_errors(scratch, place="MLIP_KMC_SCRATCH"):
        directory = Path(tempfile.mkdtemp(prefix=f"mlip-kmc-{job.name}-", dir=scratch))
    try:
        with storage_errors(directory, place="MLIP_KMC_SCRATCH"):
            for name, text in job.files.items():
                (directory / name).write_text(text, encoding="utf-8")
            (directory / NAME_FILE).write_text(job.name, encoding="utf-8")
            for name, target in job.links.items():
                (directory / name).symlink_to(target)
        watched = Watched(job.watch, directory, search=job.name) if job.watch else None
        finished = Program.find("eonclient").run([], cwd=directory, time_limit_s=job.time_limit_s, cancelled=cancelled,
                                                 look=partial(_crossed, watched, directory))
        end, message = _judge(directory, finished.end, finished.returncode, finished.tail())
        near = too_near_in(directory)
        if near and end is not End.CANCELLED:  # whatever became of the search after that
            end, message = End.HALTED, near
        files = {name: (directory / name).read_text(encoding="utf-8") for name in job.returns
                 if end is End.FINISHED and (directory / name).is_file()}
        ended_well = parse_results(files.get("results.dat", "")).get("termination_reason") == 0
        graded = watched.judge(files if ended_well else {}) if watched and end is not End.CANCELLED else Graded()
        if graded.halt:  # whatever became of the search after that
            end, message = End.HALTED, graded.halt
        if end is End.HALTED:
            near_ones = near_frames(directory, search=job.name, digest=job.watch.digest if job.watch else "0" * 64)
            files, graded = {}, replace(graded, halt=message, frames=(*graded.frames, *near_ones))
        frames_tell = end is End.HALTED and job.watch is not None
        if end not in (End.FINISHED, End.CANCELLED) and not frames_tell and job.evidence is not None:
            _keep(directory, job.evidence)
        files = job.distil(files) if job.distil is not None and end is End.FINISHED else files
        return ClientDone(name=job.name, end=end, files=files, message=message, seconds=time.monotonic() - started,
                          graded=graded)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def cancel_jobs(tags: Iterable[str]) -> None:
    """End the running jobs of these tags in this process (a dask worker's threads), also those that are about to begin."""
    with _lock:
        for tag in tags:
            if tag in _running:
                _running[tag].set()
            else:
                _taken_back.add(tag)


def cancel_all_jobs() -> None:
    """End every running job in this process."""
    with _lock:
        for cancelled in _running.values():
            cancelled.set()


def _crossed(watched: Watched | None, directory: Path) -> bool:
    """Has gamma crossed its threshold, or have atoms come too near?"""
    return (watched is not None and watched.crossed()) or comes_too_near(directory)


def _judge(directory: Path, end: ProgramEnd, returncode: int, tail: str) -> tuple[End, str]:
    """Tell a failed evaluation, a dead client and a client that did its work apart."""
    if end in (ProgramEnd.CANCELLED, ProgramEnd.STOPPED):
        return (End.CANCELLED if end is ProgramEnd.CANCELLED else End.HALTED), ""
    told = _told(directory, tail)
    if told is not None:
        return told
    if end is ProgramEnd.TIMED_OUT:
        return End.TIMED_OUT, "it took longer than its time limit"
    if returncode != 0 or not (directory / "results.dat").is_file():
        how = f"ended by signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
        last = tail.splitlines()[-1] if tail else "it wrote nothing"
        return End.CRASHED, f"{how}: {last}"
    return End.FINISHED, ""


def _told(directory: Path, tail: str) -> tuple[End, str] | None:
    """What the logs say of the potential: a driver's halt, or an evaluation that failed."""
    log = b""
    for path in (*directory.glob("*.log"), directory / "stdout.txt", directory / "stderr.txt"):
        with contextlib.suppress(OSError):
            log += path.read_bytes()
    halted = _DRIVER_HALT.search(log)
    if halted is not None:
        return End.HALTED, halted.group(1).decode(errors="replace")
    found = _EVALUATION_ERROR.search(log)
    if found is None:
        return None
    lammps = [line for line in (tail + "\n" + log.decode(errors="replace")).splitlines()
              if "ERROR" in line or line.startswith("pace_driver: ")]
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
