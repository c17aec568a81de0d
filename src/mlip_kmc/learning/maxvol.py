"""MaxVol, carried on from an active set that is there already: which rows replace which, so that the volume grows.

    pool = Pool(size=3)                       # the present active set: three rows
    gain = pool.add(coordinates, owner=0)     # (m, 3): rows b of a structure as b A^-1; answers the growth of log |det|
    pool.gammas_of(other)                     # (m,): extrapolation grades under the active set as it is now

Rows are kept as coordinates in the present active set (b A^-1), where that set itself is the unit matrix: A, whose inverse alone
the `.asi` holds, and which is badly conditioned, is never needed. python-ace's own `maxvol` starts anew from rows that it has all
of; this one starts from a set whose other rows are gone. Goreinov et al., "How to find a good submatrix" (2010).
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TOLERANCE = 1.001
"""Coefficients up to here change no row: python-ace's own value."""
TIES = 1e-9
"""Numbers that differ by less, relatively, are equal: rounding must not decide between symmetric structures."""
PRESENT = -1
"""The owner of the present active set's rows."""
_SWAPS_A_COLUMN = 50
_ROUNDS = 20


@dataclass
class Pool:
    """Rows to choose from, and those of them that are the active set.

    Attributes:
        size: how many rows the active set has.
        inside: (size, size) coordinates of the active set. inside_owners: whose rows they are.
        outside: (m, size) coordinates of the other rows. outside_owners: whose rows they are.
        inverse: of `inside`: takes coordinates to those under the active set as it is now.
    """

    size: int
    inside: Array = field(init=False)
    outside: Array = field(init=False)
    inside_owners: npt.NDArray[np.int64] = field(init=False)
    outside_owners: npt.NDArray[np.int64] = field(init=False)
    inverse: Array = field(init=False)

    def __post_init__(self) -> None:
        self.inside = np.eye(self.size)
        self.inverse = np.eye(self.size)
        self.outside = np.empty((0, self.size))
        self.inside_owners = np.full(self.size, PRESENT, dtype=np.int64)
        self.outside_owners = np.empty(0, dtype=np.int64)

    def gammas_of(self, coordinates: Array) -> Array:
        """Extrapolation grade (m,) of rows (m, size)."""
        grades: Array = np.abs(coordinates @ self.inverse).max(axis=1, initial=0.0)
        return grades

    def gain_of(self, coordinates: Array) -> float:
        """By how much log |det| would grow if these rows were added: only rows with gamma > 1 are tried, which is quick."""
        now = coordinates @ self.inverse
        now = now[~(np.abs(now).max(axis=1, initial=0.0) <= TOLERANCE)]
        return swaps_of(now)[1] if len(now) else 0.0

    def add(self, coordinates: Array, *, owner: int) -> float:
        """Add rows (m, size); those that make the volume larger enter the active set. Answers the growth of log |det|."""
        self.outside = np.vstack([self.outside, coordinates])
        self.outside_owners = np.concatenate(
            [self.outside_owners, np.full(len(coordinates), owner, dtype=np.int64)]
        )
        before = _log_volume(self.inside)
        for _ in range(_ROUNDS):
            if not self._exchange():
                break
            self.inverse = np.asarray(
                np.linalg.inv(self.inside), dtype=np.float64
            )  # afresh: updates lose digits
        return _log_volume(self.inside) - before

    def _exchange(self) -> bool:
        swaps, _ = swaps_of(self.outside @ self.inverse)
        for row, column in swaps:
            for inside, outside in (
                (self.inside, self.outside),
                (self.inside_owners, self.outside_owners),
            ):
                inside[column], outside[row] = outside[row].copy(), inside[column].copy()
        return bool(swaps)


def swaps_of(coordinates: Array) -> tuple[list[tuple[int, int]], float]:
    """Which row takes the place of which column's row of the active set, one after the other, and the growth of log |det|.

    The row that leaves takes the place of the one that enters, so it may come back.

    Args:
        coordinates: (m, n) of the rows outside, under the active set.
    """
    now = coordinates.copy()
    swaps: list[tuple[int, int]] = []
    growth = 0.0
    while now.size and len(swaps) < _SWAPS_A_COLUMN * now.shape[1]:
        row, column = first_largest(np.abs(now))
        pivot = now[row, column]
        if not abs(pivot) > TOLERANCE:
            break
        step = now[row] / pivot
        step[column] -= 1 / pivot
        leaving = -step
        leaving[column] += 1.0
        now -= np.outer(now[:, column], step)
        now[row] = leaving
        growth += float(np.log(abs(pivot)))
        swaps.append((row, column))
    return swaps, growth


def first_largest(values: Array) -> tuple[int, ...]:
    """Index of the first of the largest values, ties counted as equal."""
    enough = values >= values.max() * (1 - TIES)
    return tuple(map(int, np.unravel_index(int(np.argmax(enough)), values.shape)))


def _log_volume(rows: Array) -> float:
    return float(np.linalg.slogdet(rows)[1])
