"""Orbits: the processes of a state that are images of each other by its symmetry, made from the one that a search found.

    images = images_of(outcome.found, atoms=state, symmetry=site_symmetry(state))      # 11 more hops of a fcc vacancy
    desk = OrbitDesk(cluster, recipe=recipe)
    desk.ask("0_17", images, search=task)
    desk.answer("0_17")                    # Checked(images=..., evaluations=11), or None: not yet

A structure has a symmetry within a tolerance only, so each image is checked: its saddle is evaluated once, on a worker. Where
more force is left than the saddle's convergence and the tolerance explain, a search that starts there converges it again. One
that is no saddle of the same energy then, near its place, is left to the searches, which find it like any other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.desk import BY_CHANCE, Desk
from mlip_kmc.akmc.rows import SAME_A
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.isometry import Isometry
from mlip_kmc.model.structure import minimum_image, moved_con
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome
from mlip_kmc.search.points import CheckRecipe, Point, PointsOutcome
from mlip_kmc.search.task import ProcessSearch

IMAGE = "image"
"""The kind of a search that converges an image again."""


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
    """Images that hold, and how many evaluations it took to tell.

    Attributes:
        images: that hold. evaluations: those of searches that converged some of them again, too.
        again: so many of `images` were converged again. left: so many more do not hold.
    """

    images: tuple[FoundProcess, ...] = ()
    evaluations: int = 0
    again: int = 0
    left: int = 0


@dataclass
class _Asked:
    """The images of one process, the search that found it, and what came back of them."""

    images: tuple[FoundProcess, ...]
    search: ProcessSearch
    points: PointsOutcome | None = None
    again: dict[str, SearchOutcome] = field(default_factory=dict)

    @property
    def orbit(self) -> str:
        """The name of the evaluations."""
        return f"{self.search.name}.orbit"

    def image(self, place: int) -> str:
        """The name of the search that converges an image again."""
        return f"{self.search.name}.{IMAGE}-{place}"

    @property
    def names(self) -> list[str]:
        """Of all that may be out."""
        return [self.orbit, *map(self.image, range(len(self.images)))]


@dataclass
class OrbitDesk(Desk):
    """Images that are being checked, and those that are.

    Attributes:
        recipe: how.
    """

    recipe: CheckRecipe
    _asked: dict[str, _Asked] = field(default_factory=dict)

    def ask(self, name: str, images: Sequence[FoundProcess], *, search: ProcessSearch) -> None:
        """Have the images of a search's process checked.

        Args:
            name: of the search, `state_index`.
            images: of what it found.
            search: that search.
        """
        if name in self._asked:
            return
        asked = self._asked[name] = _Asked(tuple(images), search)
        if images:
            con = search.reactant_con
            structures = [moved_con(con, image.saddle_A) for image in images]
            atoms = len(images[0].saddle_A)
            self.send(self.recipe.task(asked.orbit, structures, atoms=atoms))

    def take(self, done: PointsOutcome | SearchOutcome) -> None:
        """Take what came back, where it is still wanted."""
        if not self.came_back(done):
            return
        asked = self._asked[done.name.partition(".")[0]]
        if isinstance(done, SearchOutcome):
            asked.again[done.name] = done
            return
        asked.points = done
        for place, (image, point) in enumerate(zip(asked.images, done.points, strict=False)):
            if self._pulls(image, point):
                self.send(asked.search.from_saddle(image, name=asked.image(place), kind=IMAGE))

    def _pulls(self, image: FoundProcess, point: Point) -> bool:
        """Forces are left on an image: the saddle is beside it."""
        most = self.recipe.expected(image.saddle_eV).most_force_eV_per_A
        return math.isfinite(point.force_eV_per_A) and not point.force_eV_per_A <= most

    def waiting(self, name: str) -> bool:
        """Asked, and not there yet."""
        return name in self._asked and any(task in self.tasks for task in self._asked[name].names)

    def answer(self, name: str) -> Checked | None:
        """The images that hold; None where they are not asked for, or not checked yet.

        Raises:
            SearchesFailedError: they could not be evaluated, for no reason of their own.
        """
        asked = self._asked.get(name)
        if asked is None or self.waiting(name):
            return None
        if asked.points is None:
            return Checked()
        came: list[PointsOutcome | SearchOutcome] = [asked.points, *asked.again.values()]
        for done in came:
            if done.end in BY_CHANCE:
                del self._asked[name]
                raise SearchesFailedError(
                    f"the saddles that follow by symmetry from search {name} were not evaluated ({done.end}: {done.message}); "
                    f"the directory is kept at {self.recipe.evidence / done.name}; the same command tries again"
                )
        return self._checked(asked, asked.points)

    def _checked(self, asked: _Asked, points: PointsOutcome) -> Checked:
        expected = self.recipe.expected(asked.images[0].saddle_eV)
        held, again = [], []
        for place, (image, point) in enumerate(zip(asked.images, points.points, strict=False)):
            found = asked.again.get(asked.image(place))
            if found is not None:
                again += _same_process(image, found, within_eV=expected.energy_tolerance_eV)
            elif not expected.fault(point):
                held.append(image)
        calls = sum(found.force_calls.total for found in asked.again.values())
        return Checked(
            images=(*held, *again),
            evaluations=len(points.points) + calls,
            again=len(again),
            left=len(asked.images) - len(held) - len(again),
        )

    def forget(self, name: str) -> None:
        """A search is registered, or no longer wanted."""
        if (asked := self._asked.pop(name, None)) is not None:
            self.take_back(asked.names)


def _same_process(
    image: FoundProcess, outcome: SearchOutcome, *, within_eV: float
) -> list[FoundProcess]:
    """The image where a search put it that started there; nothing where that is another process, or none."""
    found = outcome.found
    if found is None:
        return []
    moved = max(
        float(np.linalg.norm(found.saddle_A - image.saddle_A, axis=1).max()),
        float(np.linalg.norm(found.product_A - image.product_A, axis=1).max()),
    )
    off_eV = max(abs(found.saddle_eV - image.saddle_eV), abs(found.product_eV - image.product_eV))
    if not (moved < SAME_A and off_eV <= within_eV):
        return []
    return [replace(image, saddle_A=found.saddle_A, product_A=found.product_A, mode=found.mode)]
