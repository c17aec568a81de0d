"""The Hessian of one structure from the forces that displaced atoms cause, as tasks that workers share.

    work = HessianWork.of("0_17.saddle", atoms=saddle, moving=moving, recipe=recipe)
    for task in work.begin():
        cluster.submit(task)
    for done in cluster.wait(1.0):
        for task in work.take(done):
            cluster.submit(task)
    work.outcome                                     # a HessianOutcome, when all is there

First the structure's symmetry, then forces, in parts of the same size whatever there is of workers, then the spectrum. Where
symmetry turns out not to be right (`evaluated.py`), every atom is displaced. A potential that eOn alone evaluates has its whole
Hessian made by eOn's client.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.evaluate.apart import Outcome, run_anywhere
from mlip_kmc.evaluate.client import End
from mlip_kmc.evaluate.points import PointsJob, run_points
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.model.rates import Plan
from mlip_kmc.search.evaluated import (
    Evaluated,
    audits,
    free_of,
    plain_plan,
    points_of,
    symmetric_plan,
)
from mlip_kmc.search.hessian import (
    Doubt,
    HessianOutcome,
    HessianTask,
    held_but,
    hessian_task,
    spectrum_of_matrix,
)

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

PART = 256
"""Evaluations in a task: a fixed number, so that no result depends on how many workers there are."""


@dataclass(frozen=True)
class HessianRecipe:
    """How Hessians are made.

    Attributes:
        files: texts in the directory of eOn's client: its `config.ini` and what the potential needs.
        links: files that it links.
        time_limit_s: of one task.
        recipe: of the potential; None where eOn alone evaluates it.
        by_index: atoms of one element differ for the potential, so that no symmetry is looked for.
    """

    files: Mapping[str, str]
    links: Mapping[str, Path]
    time_limit_s: float
    recipe: Recipe | None = None
    by_index: bool = False


@dataclass(frozen=True)
class PlanOutcome:
    """What is to be displaced.

    Attributes:
        name: of its task. end, message, seconds: as of every task.
        plan: None where the task did not finish.
        positions_A: (N, 3) of the structure that is displaced.
    """

    name: str
    end: End
    message: str = ""
    seconds: float = 0.0
    plan: Plan | None = None
    positions_A: Array | None = None


@dataclass(frozen=True)
class ForcesOutcome:
    """Forces at some points.

    Attributes:
        name: of its task. end, message, seconds: as of every task.
        forces_eV_per_A: (P, N, 3); None where the task did not finish.
    """

    name: str
    end: End
    message: str = ""
    seconds: float = 0.0
    forces_eV_per_A: Array | None = None


@dataclass(frozen=True)
class PlanTask:
    """Looks for a structure's symmetry.

    Attributes:
        name: unique in the run.
        atoms: at rest; those that are not in the Hessian are fixed.
        by_index: look for none.
    """

    name: str
    atoms: Atoms
    by_index: bool = False

    def run(self, *, tag: str = "") -> PlanOutcome:  # noqa: ARG002 - there is nothing to end
        """Do it, here and now."""
        began = time.monotonic()
        plan, positions = symmetric_plan(self.atoms, by_index=self.by_index)
        seconds = time.monotonic() - began
        return PlanOutcome(
            self.name, End.FINISHED, seconds=seconds, plan=plan, positions_A=positions
        )

    def without_result(self, end: End, message: str = "") -> PlanOutcome:
        """What is handed back where no worker could answer."""
        return PlanOutcome(self.name, end, message)


@dataclass(frozen=True)
class ForcesTask:
    """Evaluates forces at some points."""

    job: PointsJob

    @property
    def name(self) -> str:
        """Unique in the run."""
        return self.job.name

    def run(self, *, tag: str = "") -> ForcesOutcome:
        """Do it, here and now; never raises for what the potential does.

        Args:
            tag: by which `cancel_jobs` knows it.
        """
        done = run_points(self.job, tag=tag)
        forces = np.array(done.forces_eV_per_A) if done.end is End.FINISHED else None
        return ForcesOutcome(self.name, done.end, done.message, done.seconds, forces)

    @property
    def in_child(self) -> bool:
        """It evaluates where it runs."""
        return True

    def without_result(self, end: End, message: str = "") -> ForcesOutcome:
        """What is handed back where no worker could answer."""
        return ForcesOutcome(self.name, end, message)

    def died(self, message: str) -> ForcesOutcome:
        """What is handed back where its evaluations end each process that makes them."""
        return self.without_result(End.EVALUATION_ERROR, message)


@dataclass(frozen=True)
class SpectrumTask:
    """Makes the matrix and its spectrum.

    Attributes:
        name: unique in the run.
        atoms: at rest; those that are not in the Hessian are fixed.
        evaluated: what the matrix follows from.
    """

    name: str
    atoms: Atoms
    evaluated: Evaluated

    def run(self, *, tag: str = "") -> HessianOutcome:  # noqa: ARG002 - there is nothing to end
        """Do it, here and now."""
        began = time.monotonic()
        matrix = self.evaluated.hessian()
        doubt = self.evaluated.doubt(matrix)
        found = spectrum_of_matrix(matrix, self.atoms) if doubt is None else None
        seconds = time.monotonic() - began
        return HessianOutcome(self.name, End.FINISHED, seconds=seconds, spectrum=found, doubt=doubt)

    def without_result(self, end: End, message: str = "") -> HessianOutcome:
        """What is handed back where no worker could answer."""
        return HessianOutcome(self.name, end, message)


HessianPart = HessianOutcome | PlanOutcome | ForcesOutcome
Task = HessianTask | PlanTask | ForcesTask | SpectrumTask


@dataclass
class HessianWork:
    """One Hessian on its way.

    Attributes:
        name: unique in the run.
        atoms: at rest; those that are not in the Hessian are fixed.
        recipe: how it is made.
        evidence: where directories of failed tasks are kept, or None.
        outcome: what came of it; None: not there yet.
        doubt: why symmetry was not taken for what it seemed; None where it was.
        calls: force calls so far.
    """

    name: str
    atoms: Atoms
    recipe: HessianRecipe
    evidence: Path | None = None
    outcome: HessianOutcome | None = None
    doubt: Doubt | None = None
    calls: int = 0
    _plan: Plan | None = None
    _audited: Array = field(default_factory=lambda: np.empty((0, 0, 3)))
    _parts: dict[str, Array | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        *,
        atoms: Atoms,
        moving: Indices,
        recipe: HessianRecipe,
        evidence: Path | None = None,
    ) -> "HessianWork":
        """Of the atoms `moving`; the others are held."""
        return cls(name, held_but(atoms, moving), recipe, evidence)

    def begin(self) -> list[Task]:
        """The first tasks."""
        if self.recipe.recipe is not None:
            return [PlanTask(f"{self.name}.plan", self.atoms, by_index=self.recipe.by_index)]
        return [
            hessian_task(
                self.name,
                atoms=self.atoms,
                moving=free_of(self.atoms),
                recipe=self.recipe.files,
                links=self.recipe.links,
                time_limit_s=self.recipe.time_limit_s,
                evidence=self.evidence,
            )
        ]

    def take(self, done: HessianPart) -> list[Task]:
        """Take what came of one of the tasks; answer what is to be done next."""
        if done.end is not End.FINISHED:
            self._finish(HessianOutcome(self.name, done.end, done.message))
        elif isinstance(done, PlanOutcome):
            assert done.plan is not None  # noqa: S101 - it finished
            assert done.positions_A is not None  # noqa: S101
            return self._forces(done.plan, done.positions_A)
        elif isinstance(done, ForcesOutcome):
            return self._gathered(done)
        elif done.doubt is not None:
            self.doubt = done.doubt
            return self._forces(plain_plan(self.atoms), np.asarray(self.atoms.positions))
        else:
            self.calls += done.force_calls
            self._finish(done)
        return []

    def here(self, *, run: Callable[[Task], Outcome] = run_anywhere) -> HessianOutcome:
        """Do all of it now, by one task after the other.

        Args:
            run: how a task is run.
        """
        tasks = self.begin()
        while self.outcome is None:
            tasks += self.take(cast("HessianPart", run(tasks.pop(0))))
        return self.outcome

    def _finish(self, outcome: HessianOutcome) -> None:
        self._parts = {}
        self.outcome = replace(outcome, name=self.name, force_calls=self.calls, doubt=self.doubt)

    def _forces(self, plan: Plan, positions_A: Array) -> list[Task]:
        assert self.recipe.recipe is not None  # noqa: S101 - else eOn's client makes it
        self._plan = plan
        self._audited = audits(plan, atoms=len(self.atoms), seed=self.name)
        points = points_of(self.atoms, plan, positions_A=positions_A, audited=self._audited)
        way = "forces" if self.doubt is None else "all-forces"
        tasks = [
            ForcesTask(
                PointsJob(
                    f"{self.name}.{way}-{number}",
                    points.part(slice(first, first + PART)),
                    recipe=self.recipe.recipe,
                    time_limit_s=self.recipe.time_limit_s,
                    evidence=self.evidence,
                )
            )
            for number, first in enumerate(range(0, len(points), PART))
        ]
        self._parts = dict.fromkeys((task.name for task in tasks), None)
        return list(tasks)

    def _gathered(self, done: ForcesOutcome) -> list[Task]:
        assert done.forces_eV_per_A is not None  # noqa: S101 - it finished
        assert self._plan is not None  # noqa: S101 - it made the task
        self.calls += len(done.forces_eV_per_A)
        self._parts[done.name] = done.forces_eV_per_A
        found = [forces for forces in self._parts.values() if forces is not None]
        if len(found) < len(self._parts):
            return []
        evaluated = Evaluated(self._plan, self._audited, np.concatenate(found))
        way = "spectrum" if self.doubt is None else "all-spectrum"
        return [SpectrumTask(f"{self.name}.{way}", self.atoms, evaluated)]
