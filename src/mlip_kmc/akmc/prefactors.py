"""Harmonic prefactors of the processes that searches find, apart from the searches: one Hessian a class of states, two a process.

    desk = PrefactorDesk(cluster, recipe=recipe)
    desk.ask("0_17", outcome.found, reactant_con=con)    # submits what is not known yet
    desk.take(done)                                      # of what comes back from the cluster
    desk.answer("0_17")                                  # Rated(forward_per_s=..., ...), or None: not yet

A search that found a new process waits here for its turn to be registered, so that a process table never holds a rate that
changes later. Numbers follow from the structures alone: no outcome depends on workers, time, or what was asked before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.desk import BY_CHANCE, Desk
from mlip_kmc.evaluate.client import End, keep_inputs
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.isometry import isometries
from mlip_kmc.model.rates import FailureKind, Point, PrefactorFailure, Spectrum, prefactors
from mlip_kmc.model.records import Rated
from mlip_kmc.model.structure import Array, fixed_atoms, from_con
from mlip_kmc.search.displaced import HessianPart, HessianRecipe, HessianWork, Task
from mlip_kmc.search.hessian import HessianOutcome, HessianTask, Indices, moving_atoms
from mlip_kmc.search.outcome import FoundProcess

_SAME_EV, _SAME_A = 1e-4, 0.01
"""Minima that differ by less are one, as near as their relaxations tell."""


@dataclass(frozen=True)
class PrefactorRecipe:
    """How prefactors are made.

    Attributes:
        hessians: how Hessians are.
        evidence: folder where directories of failed tasks are kept.
        most_atoms: in a Hessian.
        fallback_per_s: the prefactor of a process that has no harmonic one.
    """

    hessians: HessianRecipe
    evidence: Path
    most_atoms: int
    fallback_per_s: float


@dataclass(frozen=True)
class Rest:
    """A state's minimum, whose Hessian all of its processes share, and those of the states that are like it.

    Attributes:
        state: the number of the state; of a class its first one.
        con: `.con` text of that state.
    """

    state: int
    con: str


@dataclass(frozen=True)
class _Asked:
    """The Hessians of one process, by its structures, and what they are made of."""

    works: Mapping[Point, str]
    atoms: int
    of: int


@dataclass
class PrefactorDesk(Desk):
    """Hessians that are wanted, and those that are known.

    Attributes:
        recipe: how they are made.
    """

    recipe: PrefactorRecipe
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _works: dict[str, HessianWork] = field(default_factory=dict)
    _work_of: dict[str, HessianWork] = field(default_factory=dict)

    def ask(
        self, name: str, found: FoundProcess, *, reactant_con: str, rest: Rest | None = None
    ) -> None:
        """Submit what a search's process needs.

        Args:
            name: of the search, `state_index`.
            found: its process.
            reactant_con: `.con` text of its state.
            rest: of its state's class, which has the state's frequencies; None: the state is alone.
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
        of = dict.fromkeys(Point, moving)
        free = len(reactant) - len(fixed_atoms(reactant))
        works = {point: f"{name}.{point}" for point in Point}
        if (
            len(moving) == free
        ):  # all processes of a state share its own Hessian, and those of its class
            number, places[Point.REACTANT] = self._rest(name, reactant, rest)
            of[Point.REACTANT] = _free_atoms(places[Point.REACTANT])
            works[Point.REACTANT] = f"{number}.{Point.REACTANT}"
            if self._is_like(reactant, places[Point.PRODUCT], found):
                works[Point.PRODUCT] = works[Point.REACTANT]
        self._asked[name] = _Asked(works, atoms=len(moving), of=free)
        for point, work in works.items():
            if work not in self._works:
                self._works[work] = HessianWork.of(
                    work,
                    atoms=places[point],
                    moving=of[point],
                    recipe=self.recipe.hessians,
                    evidence=self.recipe.evidence / work,
                )
                self._submit(self._works[work], self._works[work].begin())

    def _rest(self, name: str, reactant: Atoms, rest: Rest | None) -> tuple[str, Atoms]:
        """What the state's own Hessian is known by, and the structure that it is made of: always the same one of a class."""
        if rest is None or self.recipe.hessians.by_index:
            return name.partition("_")[0], reactant
        return str(rest.state), from_con(rest.con)

    def _is_like(self, reactant: Atoms, product: Atoms, found: FoundProcess) -> bool:
        """The product is the state elsewhere, or turned: it has the same spectrum."""
        if self.recipe.hessians.by_index:
            return False
        if not abs(found.product_eV - found.reactant_eV) <= _SAME_EV:
            return False
        return bool(isometries(reactant, product, tolerance_A=_SAME_A, most=1))

    def take(self, done: HessianPart) -> None:
        """Take what came back, where it is still wanted."""
        task = self.tasks.get(done.name)
        if not self.came_back(done):
            return
        work = self._work_of.pop(done.name)
        if done.end is End.KILLED_WORKERS and isinstance(task, HessianTask):
            keep_inputs(task.job, done.message)
        following = work.take(done)
        if work.outcome is not None:
            self._end([work])
        self._submit(work, following)

    def _submit(self, work: HessianWork, tasks: Iterable[Task]) -> None:
        for task in tasks:
            self._work_of[task.name] = work
            self.send(task)

    def _end(self, works: Iterable[HessianWork]) -> None:
        """End all that still runs for Hessians that are there, or no longer wanted."""
        names = [name for name, of in self._work_of.items() if any(of is one for one in works)]
        for name in names:
            del self._work_of[name]
        self.take_back(names)

    def waiting(self, name: str) -> bool:
        """Asked, and not all there."""
        return name in self._asked and any(
            self._works[work].outcome is None for work in self._asked[name].works.values()
        )

    def answer(self, name: str) -> Rated | None:
        """A search's prefactors; None where they are not asked for or not all there.

        Raises:
            SearchesFailedError: a Hessian could not be made, for no reason of its own.
        """
        if name not in self._asked or self.waiting(name):
            return None
        asked = self._asked[name]
        found = {point: self._outcome(work) for point, work in asked.works.items()}
        for point, done in found.items():
            if done.end in BY_CHANCE:
                self._forget_all(asked)
                raise SearchesFailedError(
                    f"the Hessian of the {point} of search {name} was not made ({done.end}: {done.message}); its directory is "
                    f"kept at {self.recipe.evidence / asked.works[point]}; the same command tries again; a larger "
                    "search.time_limit_min gives it more time, and a smaller prefactor.most_atoms, in a new run directory, less "
                    "to do"
                )
        calls = sum(
            self._outcome(work).force_calls
            for work in asked.works.values()
            if work.startswith(f"{name}.")
        )
        return self._rated(found, asked, calls)

    def _outcome(self, work: str) -> HessianOutcome:
        found = self._works[work].outcome
        assert found is not None  # noqa: S101 - nothing is waited for
        return found

    @property
    def running(self) -> int:
        """How many Hessians are made, or wait for a worker."""
        return sum(work.outcome is None for work in self._works.values())

    def forget(self, name: str) -> None:
        """A search is registered, or no longer wanted: so are the Hessians that it asked for, but what is known of its state."""
        asked = self._asked.pop(name, None)
        others = {work for one in self._asked.values() for work in one.works.values()}
        wanted = set(asked.works.values()) - others if asked else set()
        for work in wanted & self._works.keys():
            if self._works[work].outcome is None or work.startswith(f"{name}."):
                self._end([self._works.pop(work)])

    def _forget_all(self, asked: _Asked) -> None:
        for work in asked.works.values():
            self._works.pop(work, None)

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


def _free_atoms(atoms: Atoms) -> Indices:
    return np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms))


def _spectrum(done: HessianOutcome, point: Point) -> Spectrum:
    if done.spectrum is None:
        raise PrefactorFailure(FailureKind.NOT_EVALUATED, point, done.message)
    return done.spectrum


def _moved(atoms: Atoms, positions_A: Array) -> Atoms:
    """The same atoms elsewhere."""
    moved = atoms.copy()
    moved.positions = positions_A
    return moved
