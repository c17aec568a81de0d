"""Numerical rank of a matrix of projections, or of an active set from its inverse.

Example:
    rank_of_inverse(inverse)                  # Rank(functions=35, independent=1, condition=inf): blind in 34 directions
    rank_of_inverse(inverse).full             # False

python-ace inverts an active set by `numpy.linalg.pinv`, which sets directions within rounding of zero to zero. gamma does not
see these directions: an environment may differ there without limit. Functions and environments differ by many orders of
magnitude, so rows and columns are first scaled (Ruiz, RAL-TR-2001-034, 2001), which does not change the rank. Then singular
values are compared with the largest one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-13
"""Singular values below this fraction of the largest are rounding. Equal environments give 1e-15, training sets 1e-11."""
_NOTHING = 1e-18
"""Rows of an inverse below this fraction of its largest number are zero up to rounding; true rows reach down to 1e-8."""
_ROUNDS = 12


@dataclass(frozen=True)
class Rank:
    """The rank of the active set of an element.

    Attributes:
        functions: number of basis functions of the element (times densities, in a full set).
        independent: the numerical rank, which is the number of independent environments.
        condition: ratio of the largest to the smallest singular value of the scaled matrix; infinite where the rank is not full.
    """

    functions: int
    independent: int
    condition: float

    @property
    def full(self) -> bool:
        """True where the active set spans all directions."""
        return self.independent >= self.functions


def rank_of_inverse(inverse: Array) -> Rank:
    """The rank of an active set, from its inverse (n, n): functions by environments."""
    scaled = inverse / _or_one(np.abs(inverse).max(axis=0))
    scaled[np.abs(scaled).max(axis=1) < _NOTHING] = 0.0
    return rank_of(equilibrated(scaled)[0])


def rank_of(scaled: Array) -> Rank:
    """The rank of a scaled matrix (m, n), m environments of n functions."""
    return rank_from(
        np.asarray(np.linalg.svd(scaled, compute_uv=False), dtype=np.float64),
        functions=scaled.shape[1],
    )


def rank_from(values: Array, *, functions: int) -> Rank:
    """The rank from singular values in descending order."""
    largest = float(values[0]) if len(values) else 0.0
    independent = int(np.sum(values > TOLERANCE * largest)) if largest > 0.0 else 0
    full = independent >= functions > 0
    return Rank(
        functions=functions,
        independent=independent,
        condition=largest / float(values[functions - 1]) if full else float("inf"),
    )


def equilibrated(matrix: Array) -> tuple[Array, Array, Array]:
    """The matrix (m, n) scaled so that the largest entry of each row and column is 1, and the factors (m,) and (n,)."""
    scaled = matrix.copy()
    rows, columns = np.ones(scaled.shape[0]), np.ones(scaled.shape[1])
    for _ in range(_ROUNDS):
        by_row = _or_one(np.sqrt(np.abs(scaled).max(axis=1)))
        scaled /= by_row[:, None]
        rows /= by_row
        by_column = _or_one(np.sqrt(np.abs(scaled).max(axis=0)))
        scaled /= by_column
        columns /= by_column
    return scaled, rows, columns


def inverse_of(matrix: Array) -> tuple[Array, float]:
    """The inverse of a regular matrix, computed in scaled form, and the largest deviation of `matrix @ inverse` from 1.

    With A the matrix and A A^-1 = 1 + R, gamma is b A^-1 (1 + R), so R is its relative error. The product A^-1 A has an error
    that is larger by up to the condition number, and does not bound the error of gamma.
    """
    scaled, rows, columns = equilibrated(matrix)
    inverse = np.linalg.inv(scaled)
    off = float(np.abs(scaled @ inverse - np.eye(len(matrix))).max())
    return np.ascontiguousarray(columns[:, None] * inverse * rows), off


def _or_one(values: Array) -> Array:
    return np.where(values > 0.0, values, 1.0)
