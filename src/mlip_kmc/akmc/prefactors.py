"""Harmonic prefactors of the processes that searches find, apart from the searches: one Hessian a state, two a process.

    desk = PrefactorDesk(cluster, recipe=recipe)
    desk.ask("0_17", outcome.found, reactant_con=con)    # submits what is not known yet
    desk.take(done)                                      # of what comes back from the cluster
    desk.answer("0_17")                                  # Rated(forward_per_s=..., ...), or None: not yet

A search that found a new process waits here for its turn to be registered, so that a process table never holds a rate that
changes later. Numbers follow from the structures alone: no outcome depends on workers, time, or what was asked before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms

from mlip_kmc.evaluate.client import End, keep_inputs
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.rates import FailureKind, Point, PrefactorFailure, Spectrum, prefactors
from mlip_kmc.model.records import Rated
from mlip_kmc.model.structure import Array, fixed_atoms, from_con
from mlip_kmc.search.hessian import HessianOutcome, HessianTask, hessian_task, moving_atoms
from mlip_kmc.search.outcome import FoundProcess
from mlip_kmc.workers.cluster import SearchCluster

_BY_CHANCE = (End.CRASHED, End.KILLED_WORKERS, End.TIMED_OUT)
"""Ends that say nothing of the structure: no rate may rest on them."""


@dataclass(frozen=True)
class PrefactorRecipe:
    """How Hessians are made.

    Attributes:
        files: texts of a job's directory: the client's `config.ini` and what the potential needs.
        links: files that it links.
        time_limit_s: of one Hessian.
        evidence: folder where directories of failed jobs are kept.
        most_atoms: in a Hessian.
        fallback_per_s: the prefactor of a process that has no harmonic one.
    """

    files: Mapping[str, str]
    links: dict[str, Path]
    time_limit_s: float
    evidence: Path
    most_atoms: int
    fallback_per_s: float


@dataclass(frozen=True)
class _Asked:
    """The jobs of one process, by its structures, and what its Hessians are made of."""

    jobs: Mapping[Point, str]
    atoms: int
    of: int


@dataclass
class PrefactorDesk:
    """Hessians that are wanted, and those that are known.

    Attributes:
        cluster: where they are made.
        recipe: how.
    """

    cluster: SearchCluster
    recipe: PrefactorRecipe
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _jobs: dict[str, HessianTask] = field(default_factory=dict)
    _done: dict[str, HessianOutcome] = field(default_factory=dict)
    _retried: set[str] = field(default_factory=set)

    def ask(self, name: str, found: FoundProcess, *, reactant_con: str) -> None:
        """Submit what a search's process needs.

        Args:
            name: of the search, `state_index`.
            found: its process.
            reactant_con: `.con` text of its state.
        """
        if name in self._asked:
            return
        reactant = from_con(reactant_con)
        places = {
            Point.REACTANT: reactant,
            Point.SADDLE: _moved(reactant, found.saddle_A),
            Point.PRODUCT: _moved(reactant, found.product_A),
        }
        moving = moving_atoms(*places.values(), most=self.recipe.most_atoms)
        free = len(reactant) - len(fixed_atoms(reactant))
        jobs = {point: f"{name}.{point}" for point in Point}
        if len(moving) == free:  # all processes of a state share its own Hessian
            jobs[Point.REACTANT] = f"{name.partition('_')[0]}.{Point.REACTANT}"
        self._asked[name] = _Asked(jobs, atoms=len(moving), of=free)
        for point, job in jobs.items():
            if job not in self._jobs and job not in self._done:
                self._jobs[job] = hessian_task(
                    job,
                    atoms=places[point],
                    moving=moving,
                    recipe=self.recipe.files,
                    links=self.recipe.links,
                    time_limit_s=self.recipe.time_limit_s,
                    evidence=self.recipe.evidence / job,
                )
                self.cluster.submit(self._jobs[job], first=True)

    def take(self, done: HessianOutcome) -> None:
        """Take what came back, where it is still wanted."""
        if done.name not in self._jobs:
            return
        if done.end in (End.CRASHED, End.TIMED_OUT) and done.name not in self._retried:
            self._retried.add(done.name)
            self.cluster.submit(self._jobs[done.name], first=True)
            return
        job = self._jobs.pop(done.name)
        if done.end is End.KILLED_WORKERS:
            keep_inputs(job.job, done.message)
        self._done[done.name] = done

    def waiting(self, name: str) -> bool:
        """Asked, and not all there."""
        return name in self._asked and any(
            job not in self._done for job in self._asked[name].jobs.values()
        )

    def answer(self, name: str) -> Rated | None:
        """A search's prefactors; None where they are not asked for or not all there.

        Raises:
            SearchesFailedError: a Hessian could not be made, for no reason of its own.
        """
        if name not in self._asked or self.waiting(name):
            return None
        asked = self._asked[name]
        found = {point: self._done[job] for point, job in asked.jobs.items()}
        for point, done in found.items():
            if done.end in _BY_CHANCE:
                self._forget_failed(asked)
                raise SearchesFailedError(
                    f"the Hessian of the {point} of search {name} was not made ({done.end}: {done.message}); its directory is "
                    f"kept at {self.recipe.evidence / asked.jobs[point]}; the same command tries again; a larger "
                    "search.time_limit_min gives it more time, and a smaller prefactor.most_atoms, in a new run directory, less "
                    "to do"
                )
        calls = sum(
            self._done[job].force_calls for job in asked.jobs.values() if job.startswith(f"{name}.")
        )
        return self._rated(found, asked, calls)

    @property
    def running(self) -> int:
        """How many Hessians are made, or wait for a worker."""
        return len(self._jobs)

    def forget(self, name: str) -> None:
        """A search is registered, or no longer wanted: so are the Hessians that it asked for, but what is known of its state."""
        asked = self._asked.pop(name, None)
        jobs = asked.jobs.values() if asked else ()
        self.cluster.cancel([job for job in jobs if self._jobs.pop(job, None) is not None])
        for job in jobs:
            if job.startswith(f"{name}."):
                self._done.pop(job, None)

    def _forget_failed(self, asked: _Asked) -> None:
        for job in asked.jobs.values():
            self._done.pop(job, None)

    def _rated(self, found: Mapping[Point, HessianOutcome], asked: _Asked, calls: int) -> Rated:
        try:
            got = prefactors(*(_spectrum(found[point], point) for point in Point))
        except PrefactorFailure as failure:
            return Rated(
                forward_per_s=self.recipe.fallback_per_s,
                back_per_s=self.recipe.fallback_per_s,
                kind="constant",
                reason=str(failure),
                atoms=asked.atoms,
                of_atoms=asked.of,
                force_calls=calls,
            )
        return Rated(
            forward_per_s=got.forward_per_s,
            back_per_s=got.back_per_s,
            kind="harmonic",
            reason="",
            atoms=asked.atoms,
            of_atoms=asked.of,
            force_calls=calls,
        )


def _spectrum(done: HessianOutcome, point: Point) -> Spectrum:
    if done.spectrum is None:
        raise PrefactorFailure(FailureKind.NOT_EVALUATED, point, done.message)
    return done.spectrum


def _moved(atoms: Atoms, positions_A: Array) -> Atoms:
    """The same atoms elsewhere."""
    moved = atoms.copy()
    moved.positions = positions_A
    return moved
