"""Energies and forces at many points by a potential that stays loaded, in the process that asks.

    points = Points(numbers, cell_A, bases=(atoms.positions,)).displaced([(3, (0.005, 0, 0)), (3, (-0.005, 0, 0))])
    done = run_points(PointsJob("0_17.saddle.1", points, recipe=recipe, time_limit_s=600))
    done.forces_eV_per_A                     # (2, N, 3), or None and why

The potential is loaded once for all of them, by the driver's evaluator: LAMMPS for ACE, and any ASE calculator. A time limit or a
cancellation ends it at its next evaluation. What may end the process is run apart (`apart`).
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.driver.standalone import FAILED, HALTED, MALFORMED, DriverError
from mlip_kmc.evaluate.client import End, cancellable
from mlip_kmc.evaluate.warm import Recipe, let_go, warm
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import storage_errors
from mlip_kmc.ground.programs import AwakeClock

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
POINTS = "points.npz"
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

    @property
    def atoms(self) -> Atoms:
        """Their elements and cell."""
        return Atoms(numbers=self.numbers, cell=self.cell_A, positions=self.bases[0], pbc=True)

    def places(self) -> Iterator[Array]:
        """(N, 3) of each."""
        for base, atom, step in zip(self.base, self.atom, self.step_A, strict=True):
            places = self.bases[base].copy()
            if atom >= 0:
                places[atom] += step
            yield places

    def write(self, path: Path) -> None:
        """All of them, as numpy's arrays by name.

        Raises:
            StorageError: it cannot be written.
        """
        with storage_errors(path):
            np.savez(
                path,
                numbers=self.numbers,
                cell=self.cell_A,
                bases=np.array(self.bases),
                base=self.base,
                atom=self.atom,
                step=self.step_A,
            )


@dataclass(frozen=True)
class PointsJob:
    """What is evaluated, and how.

    Attributes:
        name: unique in the run.
        points: where.
        recipe: of the potential.
        time_limit_s: of all of it; then it is ended.
        evidence: where the points are kept if it fails, or None.
    """

    name: str
    points: Points
    recipe: Recipe
    time_limit_s: float
    evidence: Path | None = None


@dataclass(frozen=True)
class PointsDone:
    """What came of it.

    Attributes:
        end: how it ended; message: more of that.
        energies_eV: of those that were evaluated before it ended.
        forces_eV_per_A: (N, 3) of each of them, fixed atoms too.
        seconds: it took.
    """

    end: End
    message: str
    energies_eV: tuple[float, ...] = ()
    forces_eV_per_A: tuple[Array, ...] = ()
    seconds: float = 0.0


def run_points(job: PointsJob, *, tag: str = "") -> PointsDone:
    """Evaluate, here and now; never raises for what the evaluation does.

    Args:
        job: what to evaluate.
        tag: by which `cancel_jobs` knows it. Default: the job's name.
    """
    started, clock = time.monotonic(), AwakeClock()
    energies, forces = [], []
    end, message = End.FINISHED, ""
    with cancellable(tag or job.name) as cancelled:
        try:
            evaluator, atoms = warm(job.recipe), job.points.atoms
            for places in job.points.places():
                if cancelled.is_set():
                    end = End.CANCELLED
                    break
                if not clock.now() <= job.time_limit_s:
                    limit_min = job.time_limit_s / 60
                    end = End.TIMED_OUT
                    message = f"it took longer than its time limit of {limit_min:g} min"
                    break
                answer = evaluator.evaluate(places, atoms=atoms)
                energies.append(answer.energy)
                forces.append(np.array(answer.forces).reshape(-1, 3))
        except DriverError as error:
            end, message = end_of(error), str(error)
            let_go()
    if end not in (End.FINISHED, End.CANCELLED) and job.evidence is not None:
        keep_points(job, message)
    return PointsDone(end, message, tuple(energies), tuple(forces), time.monotonic() - started)


def end_of(error: DriverError) -> End:
    """How a task ends whose evaluation failed so."""
    if error.code == HALTED:
        return End.HALTED
    return End.EVALUATION_ERROR if error.code in _OF_THE_STRUCTURE else End.CRASHED


def keep_points(job: PointsJob, message: str) -> None:
    """Keep what was to be evaluated, where it failed; a full disk keeps nothing."""
    assert job.evidence is not None  # noqa: S101 - the caller looked
    with contextlib.suppress(OSError, StorageError):
        job.evidence.mkdir(parents=True, exist_ok=True)
        job.points.write(job.evidence / POINTS)
        (job.evidence / "why.txt").write_text(f"{message}\n", encoding="utf-8")
