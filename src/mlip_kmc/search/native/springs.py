"""Springs between neighbours: a metric in which a crystal's Hessian is near the identity.

    metric = SpringMetric.of(positions, cell=cell, free=free)
    scaled = metric.scaled(step)                  # a displacement (3 n,) in the metric's coordinates
    metric.step_of(scaled), metric.gradient(g)    # and back; a gradient (3 n,) in the same coordinates

With P = L L^T the stiffness matrix of the springs, a displacement x becomes L^T x and a gradient g becomes L^-1 g. Stationary
points and the number of their negative modes are those of the landscape (Sylvester's law of inertia); what changes is how many
steps lead there. The idea, for minima, is of Packwood et al., J. Chem. Phys. 144, 164109 (2016); theirs has no directions. Ours
has: a spring of stiffness exp(-A (r/r0 - 1)) along the bond and a tenth of it across. Measured on a vacancy in copper: a
condition number of 3 in place of 17.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mlip_kmc.driver.standalone.short_range import near_pairs
from mlip_kmc.search.native.landscape import Indices

Array = npt.NDArray[np.float64]

MOST_ATOMS = 600
"""With springs; of more, those nearest to what is displaced. A Cholesky factor of so many takes 0.1 s, once a search."""
_DECAY = 6.0
_REACH = 1.6
"""Of the distance of nearest neighbours."""
_ACROSS = 0.1
"""A spring's stiffness across its bond, over that along it."""
_HELD = 0.1
"""What holds every atom to its place, over a spring of nearest neighbours: translations must not be soft without end."""
_NEAREST_A = 3.5
_FARTHEST_A = 14.0
_AROUND_A = 12.0
"""Beyond the atoms that have springs: these reach their neighbours, whose stiffness depends on the distance of theirs."""


@dataclass(frozen=True)
class SpringMetric:
    """A metric of flat vectors (3 n,).

    Attributes:
        chosen: components of the vectors that springs join.
        factor: lower Cholesky factor of the springs' stiffness, of those components.
        rest: the root of the stiffness of all other components.
        stiffest: the largest eigenvalue of the stiffness.
    """

    chosen: Indices
    factor: Array
    rest: float
    stiffest: float

    @classmethod
    def of(cls, positions: Array, *, cell: Array, free: Indices, centre: int = 0) -> Self:
        """The springs of a structure.

        Args:
            positions: (N, 3) in A.
            cell: (3, 3), rows are vectors.
            free: indices of the atoms that move.
            centre: index of the atom about which the structure is displaced.
        """
        # a sixth of a second, and the run's own process has no springs
        from scipy.linalg import cholesky

        moving = _nearest(positions, cell, free, centre)
        around = _around(positions, cell, free[moving], centre)
        stiffness = _stiffness(positions[around], cell)(np.searchsorted(around, free[moving]))
        order = np.argsort(moving)
        chosen = (3 * moving[order][:, None] + np.arange(3)).ravel()
        within = (3 * order[:, None] + np.arange(3)).ravel()
        matrix = stiffness[np.ix_(within, within)]
        diagonal = float(np.median(np.diag(matrix))) if len(matrix) else 1.0
        return cls(
            chosen=chosen,
            factor=cholesky(matrix, lower=True),
            rest=float(np.sqrt(diagonal)),
            stiffest=float(np.abs(matrix).sum(axis=1).max(initial=1.0)),
        )

    def scaled(self, step: Array) -> Array:
        """A displacement (3 n,) in the metric's coordinates."""
        found = step * self.rest
        found[self.chosen] = self.factor.T @ step[self.chosen]
        return found

    def step_of(self, scaled: Array) -> Array:
        """The displacement (3 n,) in A of one in the metric's coordinates."""
        return self._solved(scaled, transposed=True)

    def gradient(self, gradient: Array) -> Array:
        """A gradient (3 n,) in the metric's coordinates."""
        return self._solved(gradient, transposed=False)

    def _solved(self, vector: Array, *, transposed: bool) -> Array:
        # the routine itself: `solve_triangular` looks at what it is given for longer than this takes
        from scipy.linalg.lapack import dtrtrs

        found = vector / self.rest
        upper = self.factor.T  # in the order of columns, as LAPACK wants it
        found[self.chosen], fault = dtrtrs(
            upper, vector[self.chosen], lower=0, trans=int(not transposed)
        )
        if fault:
            raise np.linalg.LinAlgError(f"the springs' matrix is singular: trtrs says {fault}")
        return found


def _nearest(positions: Array, cell: Array, free: Indices, centre: int) -> Indices:
    """Places in `free` of the atoms that have springs."""
    if len(free) <= MOST_ATOMS:
        return np.arange(len(free))
    return np.argsort(_distances(positions, cell, centre)[free], kind="stable")[:MOST_ATOMS]


def _around(positions: Array, cell: Array, atoms: Indices, centre: int) -> Indices:
    """Ascending indices of all atoms whose places the springs of some atoms depend on; of a small structure, of all."""
    if len(positions) <= MOST_ATOMS:
        return np.arange(len(positions))
    apart = _distances(positions, cell, centre)
    return np.flatnonzero(apart <= apart[atoms].max(initial=0.0) + _AROUND_A)


def _distances(positions: Array, cell: Array, centre: int) -> Array:
    """(N,) from an atom."""
    vectors = positions - positions[centre]
    vectors -= np.round(vectors @ np.linalg.inv(cell)) @ cell
    return np.asarray(np.linalg.norm(vectors, axis=1))


def _stiffness(positions: Array, cell: Array) -> Callable[[Indices], Array]:
    """Makes the (3 m, 3 m) stiffness matrix of some atoms, springs to all others included."""
    apart = _neighbour_distances(positions, cell)
    limit_A = float(_REACH * apart.max(initial=0.0))
    pairs = list(near_pairs(positions, cell, limit_A)) if limit_A > 0.0 else []

    def matrix(atoms: Indices) -> Array:
        place = np.full(len(positions), -1)
        place[atoms] = np.arange(len(atoms))
        blocks = np.zeros((len(atoms), len(atoms), 3, 3))
        for first, second, vectors, distances in pairs:
            ratio = distances / (0.5 * (apart[first] + apart[second]))
            within = ratio < _REACH
            joined = np.flatnonzero(within & (first != second))
            units = vectors[joined] / distances[joined, None]
            along = units[:, :, None] * units[:, None, :]
            springs = np.exp(-_DECAY * (ratio[joined] - 1.0))[:, None, None] * (
                (1.0 - _ACROSS) * along + _ACROSS * np.eye(3)
            )
            one, other = place[first[joined]], place[second[joined]]
            np.add.at(blocks, (one[one >= 0], one[one >= 0]), springs[one >= 0])
            np.add.at(blocks, (other[other >= 0], other[other >= 0]), springs[other >= 0])
            both = (one >= 0) & (other >= 0)
            np.add.at(blocks, (one[both], other[both]), -springs[both])
            np.add.at(blocks, (other[both], one[both]), -springs[both])
        found = blocks.transpose(0, 2, 1, 3).reshape(3 * len(atoms), 3 * len(atoms))
        return found + _HELD * np.eye(3 * len(atoms))

    return matrix


def _neighbour_distances(positions: Array, cell: Array) -> Array:
    """(N,) how far each atom's nearest neighbour is; of an atom without one, as far as was looked."""
    limit_A = _NEAREST_A
    while True:
        found = np.full(len(positions), np.inf)
        for first, second, _, distances in near_pairs(positions, cell, limit_A):
            others = first != second
            np.minimum.at(found, first[others], distances[others])
            np.minimum.at(found, second[others], distances[others])
        if np.isfinite(found).all() or limit_A >= _FARTHEST_A:
            return np.where(np.isfinite(found), found, _NEAREST_A)
        limit_A *= 2.0
