"""Orbits: the processes of a state that are images of each other by its symmetry, made from the one that a search found.

    images = images_of(outcome.found, atoms=state, symmetry=site_symmetry(state))      # 11 more hops of a fcc vacancy
    desk = OrbitDesk(cluster, recipe=recipe)
    desk.ask("0_17", images, atoms=state)
    desk.answer("0_17")                    # Checked(images=..., evaluations=11), or None: not yet

A structure has a symmetry within a tolerance only, so each image is checked: its saddle is evaluated once, on a worker. One whose
energy differs by more than a meV, or where more force is left than the saddle's convergence and the tolerance explain, is left
to the searches, which find it like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.rows import SAME_A
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.isometry import Isometry
from mlip_kmc.model.structure import minimum_image, moved_con, to_con
from mlip_kmc.search.outcome import FoundProcess
from mlip_kmc.search.points import CheckRecipe, PointsOutcome, PointsTask
from mlip_kmc.workers.cluster import SearchCluster

_BY_CHANCE = (End.CRASHED, End.KILLED_WORKERS, End.TIMED_OUT)


def images_of(
    found: FoundProcess, *, atoms: Atoms, symmetry: Sequence[Isometry]
) -> tuple[FoundProcess, ...]:
    """The distinct images of a process, without itself.

    Args:
        found: in the frame of `atoms`.
        atoms: the state, at rest.
        symmetry: its operations.
    """
    cell, home = np.asarray(atoms.cell.array), np.asarray(atoms.positions)
    saddle = minimum_image(found.saddle_A - found.reactant_A, cell)
    product = saddle + minimum_image(found.product_A - found.saddle_A, cell)
    known, images = [saddle], []
    for operation in symmetry:
        there = operation.displaced(saddle)
        if any(np.linalg.norm(there - other, axis=1).max() < SAME_A for other in known):
            continue
        known.append(there)
        images.append(
            replace(
                found,
                reactant_A=home,
                saddle_A=home + there,
                product_A=home + operation.displaced(product),
                mode=operation.displaced(found.mode),
            )
        )
    return tuple(images)


@dataclass(frozen=True)
class Checked:
    """Images that hold, and how many evaluations it took to tell."""

    images: tuple[FoundProcess, ...] = ()
    evaluations: int = 0


@dataclass
class OrbitDesk:
    """Images that are being checked, and those that are.

    Attributes:
        cluster: where they are evaluated.
        recipe: how.
    """

    cluster: SearchCluster
    recipe: CheckRecipe
    _asked: dict[str, tuple[FoundProcess, ...]] = field(default_factory=dict)
    _tasks: dict[str, PointsTask] = field(default_factory=dict)
    _done: dict[str, PointsOutcome] = field(default_factory=dict)
    _retried: set[str] = field(default_factory=set)

    def ask(self, name: str, images: Sequence[FoundProcess], *, atoms: Atoms) -> None:
        """Have the images of a search's process checked.

        Args:
            name: of the search, `state_index`.
            images: of what it found.
            atoms: the state.
        """
        if name in self._asked:
            return
        self._asked[name] = tuple(images)
        if images:
            con = to_con(atoms)
            structures = [moved_con(con, image.saddle_A) for image in images]
            self._submit(self.recipe.task(f"{name}.orbit", structures, atoms=len(atoms)))

    def _submit(self, task: PointsTask) -> None:
        self._tasks[task.name] = task
        self.cluster.submit(task, first=True)

    def take(self, done: PointsOutcome) -> None:
        """Take what came back, where it is still wanted."""
        if done.name not in self._tasks:
            return
        if done.end in (End.CRASHED, End.TIMED_OUT) and done.name not in self._retried:
            self._retried.add(done.name)
            self.cluster.submit(self._tasks[done.name], first=True)
            return
        del self._tasks[done.name]
        self._done[done.name] = done

    def waiting(self, name: str) -> bool:
        """Asked, and not there yet."""
        return f"{name}.orbit" in self._tasks

    def answer(self, name: str) -> Checked | None:
        """The images that hold; None where they are not asked for, or not checked yet.

        Raises:
            SearchesFailedError: they could not be evaluated, for no reason of their own.
        """
        images = self._asked.get(name)
        if images is None or self.waiting(name):
            return None
        if not images:
            return Checked()
        done = self._done[f"{name}.orbit"]
        if done.end in _BY_CHANCE:
            del self._asked[name], self._done[f"{name}.orbit"]
            raise SearchesFailedError(
                f"the saddles that follow by symmetry from search {name} were not evaluated ({done.end}: {done.message}); the "
                f"directory is kept at {self.recipe.evidence / f'{name}.orbit'}; the same command tries again"
            )
        expected = self.recipe.expected(images[0].saddle_eV)
        held = [
            image
            for image, point in zip(images, done.points, strict=False)
            if not expected.fault(point)
        ]
        return Checked(tuple(held), evaluations=len(done.points))

    def forget(self, name: str) -> None:
        """A search is registered, or no longer wanted."""
        self._asked.pop(name, None)
        task = f"{name}.orbit"
        if self._tasks.pop(task, None) is not None:
            self.cluster.cancel([task])
        self._done.pop(task, None)
