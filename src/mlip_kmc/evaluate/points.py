"""Forces at many points of one structure, each with one atom displaced, by the run's potential in a process of its own.

    points = Points(numbers, cell_A, bases=(atoms.positions,)).displaced([(3, (0.005, 0, 0)), (3, (-0.005, 0, 0))])
    done = run_points(PointsJob("0_17.saddle.1", points, options=driven.recipe(), time_limit_s=600))
    done.forces_eV_per_A                     # (2, N, 3), or None and why

The potential is loaded once for all of them, by the driver's evaluator: LAMMPS for ACE, and any ASE calculator. A time limit, a
cancellation or a crash ends that process, not the worker.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlip_kmc.driver.standalone import FAILED, HALTED, MALFORMED, SCRIPT
from mlip_kmc.evaluate import points_child
from mlip_kmc.evaluate.client import End, cancellable, keep_directory
from mlip_kmc.evaluate.points_child import FORCES, POINTS, POTENTIAL
from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs import Finished, Program, ProgramEnd
from mlip_kmc.ground.scratch import PLACE, make, remove

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
_OF_THE_STRUCTURE = (MALFORMED, FAILED)
"""The driver's exit codes that say something of the structure; the others are of files, or of Python."""


@dataclass(frozen=True)
class Points:
    """Structures that differ from some whole one by the place of one atom.

    Attributes:
        numbers: (N,) of the elements.
        cell_A: (3, 3) rows are vectors.
        bases: whole structures, (N, 3) each.
        base, atom: (P,) of which structure, and which of its atoms is displaced; -1: none.
        step_A: (P, 3) by what.
    """

    numbers: Indices
    cell_A: Array
    bases: tuple[Array, ...]
    base: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    atom: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    step_A: Array = field(default_factory=lambda: np.empty((0, 3)))

    def __len__(self) -> int:
        """How many."""
        return len(self.atom)

    def at_rest(self, base: int) -> "Points":
        """With one more: a whole structure as it is."""
        return self.displaced([(-1, np.zeros(3))], base=base)

    def displaced(self, steps: Sequence[tuple[int, Array]], *, base: int = 0) -> "Points":
        """With more of them: atom and displacement in A each."""
        if not steps:
            return self
        return Points(
            self.numbers,
            self.cell_A,
            self.bases,
            base=np.append(self.base, np.full(len(steps), base)),
            atom=np.append(self.atom, [atom for atom, _ in steps]),
            step_A=np.vstack([self.step_A, [step for _, step in steps]]),
        )

    def part(self, which: slice) -> "Points":
        """Some of them."""
        return Points(
            self.numbers,
            self.cell_A,
            self.bases,
            base=self.base[which],
            atom=self.atom[which],
            step_A=self.step_A[which],
        )


@dataclass(frozen=True)
class PointsJob:
    """What is evaluated, and how.

    Attributes:
        name: unique in the run.
        points: where.
        options: the driver's, by which it knows the potential.
        time_limit_s: of all of it; then it is ended.
        evidence: where its directory is kept if it fails, or None.
    """

    name: str
    points: Points
    options: Mapping[str, str]
    time_limit_s: float
    evidence: Path | None = None


@dataclass(frozen=True)
class PointsDone:
    """What came of it.

    Attributes:
        end: how it ended; message: more of that.
        forces_eV_per_A: (P, N, 3), fixed atoms too; None where it did not finish.
        seconds: it took.
    """

    end: End
    message: str
    forces_eV_per_A: Array | None
    seconds: float


def run_points(job: PointsJob, *, tag: str = "") -> PointsDone:
    """Evaluate, here and now; never raises for what the evaluation does.

    Args:
        job: what to evaluate.
        tag: by which `cancel_jobs` knows it. Default: the job's name.
    """
    started = time.monotonic()
    directory = make(job.name)
    try:
        with cancellable(tag or job.name) as cancelled:
            _lay_out(job, directory)
            finished = Program.of_python().run(
                ["-P", points_child.__file__, str(SCRIPT.parents[1])],
                cwd=directory,
                time_limit_s=job.time_limit_s,
                cancelled=cancelled,
            )
        end, message = _ended(job, finished)
        forces = _forces(job, directory) if end is End.FINISHED else None
        if end is End.FINISHED and forces is None:
            end, message = End.EVALUATION_ERROR, "the evaluation gave no forces that are numbers"
        if end not in (End.FINISHED, End.CANCELLED) and job.evidence is not None:
            keep_directory(directory, job.evidence)
        return PointsDone(end, message, forces, time.monotonic() - started)
    finally:
        remove(directory)


def _lay_out(job: PointsJob, directory: Path) -> None:
    points = job.points
    with storage_errors(directory, place=PLACE):
        np.savez(
            directory / POINTS,
            numbers=points.numbers,
            cell=points.cell_A,
            bases=np.array(points.bases),
            base=points.base,
            atom=points.atom,
            step=points.step_A,
        )
        (directory / POTENTIAL).write_text(json.dumps(dict(job.options)), encoding="utf-8")


def _ended(job: PointsJob, finished: Finished) -> tuple[End, str]:
    code = finished.returncode
    if finished.end is ProgramEnd.CANCELLED:
        return End.CANCELLED, ""
    if finished.end is ProgramEnd.TIMED_OUT:
        return (
            End.TIMED_OUT,
            f"it took longer than its time limit of {job.time_limit_s / 60:g} min",
        )
    if code == 0:
        return End.FINISHED, ""
    said = finished.last_line() or "it wrote nothing"
    if code == HALTED:
        return End.HALTED, said
    if code in _OF_THE_STRUCTURE:
        return End.EVALUATION_ERROR, said
    how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
    return End.CRASHED, f"{how}: {said}"


def _forces(job: PointsJob, directory: Path) -> Array | None:
    try:
        found = np.load(directory / FORCES, allow_pickle=False)
    except (OSError, ValueError):
        return None
    right = found.shape == (len(job.points), len(job.points.numbers), 3)
    return found if right and np.isfinite(found).all() else None
