"""Structures that are evaluated where they are: their energies, and the largest force on a free atom.

    task = PointsTask(job, structures=(con, other), atoms=255)
    task.run().points                   # (Point(energy_eV=..., force_eV_per_A=...), ...); fewer where one could not be evaluated

What follows from symmetry rests on such an evaluation, on the same workers as searches: by the potential that stays loaded there,
or by eOn's client where that alone evaluates it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.by_eon import evaluation_of
from mlip_kmc.evaluate.client import ClientJob, End, run_job, texts_of
from mlip_kmc.evaluate.points import Points, PointsJob, run_points
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import Array, fixed_atoms, from_con
from mlip_kmc.search.outcome import ForceCalls, SearchOutcome, Termination

_LEFT = "min.con"
CLASS = "class"
"""The kind of what recognises a state, in place of a search."""
_ENERGY_TOLERANCE_EV = 1e-3
_FORCES = 5.0
"""So many times the force to which saddles are converged may be left: on a stiffness of 5 eV/A^2 it costs 0.25 meV."""


@dataclass(frozen=True)
class Point:
    """One evaluation: energy, and the largest force on an atom that is not fixed."""

    energy_eV: float
    force_eV_per_A: float


@dataclass(frozen=True)
class PointsOutcome:
    """What came of a `PointsTask`.

    Attributes:
        name: of its task.
        end: how its last client ended. message: more of that.
        seconds: it took where it ran.
        points: in the order of the structures, up to the first that could not be evaluated.
    """

    name: str
    end: End
    message: str = ""
    seconds: float = 0.0
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class PointsTask:
    """Evaluations of structures of the same atoms.

    Attributes:
        job: the client's, without `pos.con`.
        structures: `.con` texts.
        atoms: in each.
        recipe: of the potential; None: eOn's client evaluates it.
    """

    job: ClientJob
    structures: tuple[str, ...]
    atoms: int
    recipe: Recipe | None = None

    @property
    def name(self) -> str:
        """Unique in the run."""
        return self.job.name

    def run(self, *, tag: str = "") -> PointsOutcome:
        """Evaluate them, here and now; never raises for what the potential does.

        Args:
            tag: by which `cancel_jobs` knows it.
        """
        return self._by_client(tag) if self.recipe is None else self._here(self.recipe, tag)

    @property
    def in_child(self) -> bool:
        """It evaluates where it runs."""
        return self.recipe is not None

    def _here(self, recipe: Recipe, tag: str) -> PointsOutcome:
        atoms = [from_con(con) for con in self.structures]
        points = Points(
            np.asarray(atoms[0].numbers, dtype=np.int64),
            np.asarray(atoms[0].cell.array, dtype=np.float64),
            bases=tuple(np.asarray(one.positions, dtype=np.float64) for one in atoms),
        )
        for base in range(len(atoms)):
            points = points.at_rest(base)
        job = PointsJob(self.name, points, recipe, self.job.time_limit_s, self.job.evidence)
        done = run_points(job, tag=tag)
        found = zip(done.energies_eV, done.forces_eV_per_A, atoms, strict=False)
        seen = tuple(Point(energy, _largest(forces, one)) for energy, forces, one in found)
        return PointsOutcome(self.name, done.end, done.message, done.seconds, seen)

    def _by_client(self, tag: str) -> PointsOutcome:
        points: list[Point] = []
        seconds = 0.0
        for con in self.structures:
            job = replace(self.job, files={**self.job.files, "pos.con": con})
            done = run_job(job, reader=texts_of(_LEFT), tag=tag)
            seconds += done.seconds
            if done.end is not End.FINISHED:
                return PointsOutcome(self.name, done.end, done.message, seconds, tuple(points))
            try:
                found = evaluation_of(done.found.get(_LEFT, ""), atoms=self.atoms)
            except PotentialError as error:
                return PointsOutcome(
                    self.name, End.EVALUATION_ERROR, str(error), seconds, tuple(points)
                )
            force = _largest(found.forces_eV_per_A, from_con(con))
            points.append(Point(found.energy_eV, force))
        return PointsOutcome(self.name, End.FINISHED, "", seconds, tuple(points))

    def without_result(self, end: End, message: str = "") -> PointsOutcome:
        """What is handed back where no worker could answer."""
        return PointsOutcome(self.name, end, message)

    def died(self, message: str) -> PointsOutcome:
        """What is handed back where its evaluations end each process that makes them."""
        return self.without_result(End.EVALUATION_ERROR, message)


def _largest(forces: Array, atoms: Atoms) -> float:
    """On an atom that is not fixed; forces on the others are there, too."""
    free = np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms))
    return float(np.linalg.norm(forces[free], axis=1).max())


@dataclass(frozen=True)
class Expected:
    """What an evaluation must give, for what follows from symmetry to hold.

    Attributes:
        energy_eV: within `energy_tolerance_eV`.
        most_force_eV_per_A: on any free atom.
    """

    energy_eV: float
    energy_tolerance_eV: float
    most_force_eV_per_A: float

    def fault(self, point: Point) -> str:
        """What differs, in words; empty where it holds."""
        off = abs(point.energy_eV - self.energy_eV)
        if not off <= self.energy_tolerance_eV:
            return f"its energy is {1e3 * off:.3g} meV from what was expected"
        if not point.force_eV_per_A <= self.most_force_eV_per_A:
            return f"a force of {point.force_eV_per_A:.3g} eV/A is left"
        return ""


@dataclass(frozen=True)
class RecognitionTask:
    """The evaluation by which a state is recognised: it takes the place of the state's first search.

    Attributes:
        points: the state's structure. expected: of it.
        reactant_con: that structure.
    """

    points: PointsTask
    expected: Expected
    reactant_con: str

    @property
    def job(self) -> ClientJob:
        """The client's."""
        return self.points.job

    @property
    def whole_job(self) -> ClientJob:
        """As of `ProcessSearch`: nothing is made where it runs."""
        return self.job

    @property
    def name(self) -> str:
        """Of the search whose place it takes, `state_index`."""
        return self.points.name

    def run(self, *, tag: str = "") -> SearchOutcome:
        """Evaluate, here and now.

        Args:
            tag: by which `cancel_jobs` knows it.
        """
        done = self.points.run(tag=tag)
        if done.end not in (End.FINISHED, End.HALTED):
            return replace(self.without_result(done.end, done.message), seconds=done.seconds)
        fault = self.expected.fault(done.points[0]) if done.points else done.message
        return SearchOutcome(
            name=self.name,
            kind=CLASS,
            end=End.FINISHED,
            message=fault,
            seconds=done.seconds,
            termination=Termination.NOT_RECOGNISED if fault else Termination.RECOGNISED,
            force_calls=ForceCalls(checks=1),
        )

    def without_result(self, end: End, message: str = "") -> SearchOutcome:
        """What is handed back where no worker could answer."""
        return SearchOutcome(name=self.name, kind=CLASS, end=end, message=message)

    @property
    def in_child(self) -> bool:
        """It evaluates where it runs."""
        return self.points.in_child

    def died(self, message: str) -> SearchOutcome:
        """What is handed back where its evaluation ends each process that makes it: no known state does."""
        told = self.without_result(End.FINISHED, message)
        return replace(told, termination=Termination.NOT_RECOGNISED)


@dataclass(frozen=True)
class CheckRecipe:
    """How what follows from symmetry is checked.

    Attributes:
        files: texts of a job's directory: the client's `config.ini` and what the potential needs.
        links: files that it links.
        time_limit_s: of one evaluation.
        evidence: folder where directories of failed jobs are kept.
        converged_force_eV_per_A: of saddles, and of minima at least.
        recipe: of the potential; None: eOn's client evaluates it.
    """

    files: Mapping[str, str]
    links: Mapping[str, Path]
    time_limit_s: float
    evidence: Path
    converged_force_eV_per_A: float
    recipe: Recipe | None = None

    def expected(self, energy_eV: float) -> Expected:
        """What an evaluation must give."""
        return Expected(energy_eV, _ENERGY_TOLERANCE_EV, _FORCES * self.converged_force_eV_per_A)

    def task(self, name: str, structures: Sequence[str], *, atoms: int) -> PointsTask:
        """Evaluations of `.con` texts.

        Args:
            name: unique in the run.
            structures: to evaluate.
            atoms: in each.
        """
        job = ClientJob(
            name=name,
            files=self.files,
            links=self.links,
            time_limit_s=self.time_limit_s,
            evidence=self.evidence / name,
        )
        return PointsTask(job, tuple(structures), atoms, self.recipe)
