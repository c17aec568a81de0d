"""Which structures to label: the fewest whose rows bring the extrapolation grade of all the others under a threshold.

    choice = choose(candidates, inverses=grade.inverses, select=3.0)      # candidates: projections by element, one a structure
    [chosen.index for chosen in choice.chosen], choice.gammas_after.max()

Greedy D-optimal choice of whole structures: each time the one whose rows, taken into the active set by MaxVol, make its volume
grow most; then all gammas are computed anew, and it ends when none is at or above the threshold. Then those that later ones made
needless are dropped. Pure: the same numbers give the same choice, however many threads numpy has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlip_kmc.config import GammaSection
from mlip_kmc.learning.maxvol import TIES, Pool

Array = npt.NDArray[np.float64]
Rows = Mapping[str, Array]

USUAL = GammaSection()
"""The thresholds of a run that says nothing else."""


@dataclass(frozen=True)
class Chosen:
    """One structure to label.

    Attributes:
        index: of the candidate.
        gamma_before: its largest gamma under the present active set.
        gamma_then: after those chosen before it.
        log_volume: by how much it made the log |det| of the active set grow.
        rows: how many of its rows the active set took at that moment.
        largest_left: the largest gamma of all candidates after it.
    """

    index: int
    gamma_before: float
    gamma_then: float
    log_volume: float
    rows: int
    largest_left: float


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        chosen: in their order.
        gammas_before: (M,) largest gamma of each candidate under the present active set.
        gammas_after: (M,) after all that were chosen.
        complete: no gamma is left at or above the threshold; False where the budget ended it.
    """

    chosen: tuple[Chosen, ...]
    gammas_before: Array
    gammas_after: Array
    complete: bool


class _Active:
    """The active sets of all elements while structures are added."""

    def __init__(self, candidates: Sequence[Rows], inverses: Mapping[str, Array]) -> None:
        self.pools = {element: Pool(size=len(inverse)) for element, inverse in inverses.items()}
        self.coordinates = [
            {element: rows @ inverses[element] for element, rows in candidate.items() if len(rows)}
            for candidate in candidates
        ]

    @classmethod
    def again(cls, other: "_Active") -> "_Active":
        """The present active sets once more, nothing added."""
        fresh = cls([], {})
        fresh.pools = {element: Pool(size=pool.size) for element, pool in other.pools.items()}
        fresh.coordinates = other.coordinates
        return fresh

    def gammas(self) -> Array:
        return np.array(
            [
                max(
                    (
                        float(self.pools[element].gammas_of(rows).max())
                        for element, rows in candidate.items()
                    ),
                    default=0.0,
                )
                for candidate in self.coordinates
            ]
        )

    def gain(self, index: int) -> float:
        return sum(
            self.pools[element].gain_of(rows) for element, rows in self.coordinates[index].items()
        )

    def add(self, index: int) -> float:
        return sum(
            self.pools[element].add(rows, owner=index)
            for element, rows in self.coordinates[index].items()
        )

    def rows_of(self, index: int) -> int:
        return sum(int(np.sum(pool.inside_owners == index)) for pool in self.pools.values())


def choose(
    candidates: Sequence[Rows],
    *,
    inverses: Mapping[str, Array],
    select: float = USUAL.select,
    most: int | None = None,
) -> Choice:
    """Choose structures to label.

    Args:
        candidates: each structure's projections by element, (atoms, n).
        inverses: by element, the inverse of the present active set, (n, n).
        select: no gamma shall be left at or above it.
        most: the largest number of structures; None: no limit.

    Raises:
        ValueError: a threshold under 1, where no choice can end, or projections that are not finite.
    """
    if not select > 1.0:
        raise ValueError(
            f"the select threshold must be above 1, the grade of the active set itself (it is {select})"
        )
    if not all(np.isfinite(rows).all() for candidate in candidates for rows in candidate.values()):
        raise ValueError("projections must be finite numbers")
    if not all(np.isfinite(inverse).all() for inverse in inverses.values()):
        raise ValueError("the active set's inverse must be of finite numbers")
    present = _Active(candidates, inverses)
    order = _greedy(_Active.again(present), select=select, most=most)
    before, after, _ = _replayed(present, order)
    if len(order) > 1 and after.max() < select:
        order = _without_needless(present, order, select=select)
        before, after, _ = _replayed(present, order)
    return Choice(
        chosen=_replayed(present, order)[2],
        gammas_before=before,
        gammas_after=after,
        complete=bool(after.max(initial=0.0) < select),
    )


def gammas_after(
    candidates: Sequence[Rows], *, inverses: Mapping[str, Array], chosen: Iterable[int]
) -> Array:
    """Largest gamma of each candidate after some of them were chosen, in this order."""
    return _replayed(_Active(candidates, inverses), list(chosen))[1]


def _greedy(active: _Active, *, select: float, most: int | None) -> list[int]:
    order: list[int] = []
    while most is None or len(order) < most:
        gammas = active.gammas()
        # what was chosen is a label already; rows that it lost again may stay above the threshold
        open_ones = [
            index for index in np.flatnonzero(~(gammas < select)).tolist() if index not in order
        ]
        if not open_ones:
            break
        gains = np.array([active.gain(index) for index in open_ones])
        best = open_ones[int(np.argmax(gains >= gains.max() - TIES * max(1.0, abs(gains.max()))))]
        active.add(best)
        order.append(best)
    return order


def _without_needless(present: _Active, order: list[int], *, select: float) -> list[int]:
    """Drop structures, the first chosen first, without which all gammas stay under the threshold as well."""
    kept = list(order)
    for index in order:
        fewer = [other for other in kept if other != index]
        if fewer and _replayed(present, fewer)[1].max() < select:
            kept = fewer
    return kept


def _replayed(present: _Active, order: list[int]) -> tuple[Array, Array, tuple[Chosen, ...]]:
    """Gammas before and after structures are added in this order, and what each did."""
    active = _Active.again(present)
    before = gammas = active.gammas()
    chosen = []
    for index in order:
        then = float(gammas[index])
        growth = active.add(index)
        gammas = active.gammas()
        chosen.append(
            Chosen(
                index=index,
                gamma_before=float(before[index]),
                gamma_then=then,
                log_volume=growth,
                rows=active.rows_of(index),
                largest_left=float(gammas.max()),
            )
        )
    return before, gammas, tuple(chosen)
