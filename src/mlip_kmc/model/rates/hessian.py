"""Hessians from forces, and the lowest eigenvalue of one that is too large to write down.

Example:
    hessian = dense_hessian(forces, positions, free=np.arange(107), step_A=5e-3)
    found = lowest_eigenvalue(forces, positions, free=np.arange(107), rigid=translations)
    found.converged, found.eV_per_A2
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Forces = Callable[[Array], Array]
"""Forces (N, 3) in eV/A at positions (N, 3) in A."""

DENSE_SIZE = 30
"""Up to so many coordinates the whole Hessian takes fewer force calls than iterations do."""
MOST_PRODUCTS = 400
"""Products of Hessian and vector, two force calls each, before the iteration is given up; a metal takes 30 to 60."""
_STEADY = 4
"""So many iterations in a row must agree: a small residual may belong to the second lowest at first."""


@dataclass(frozen=True)
class Lowest:
    """What is known of the lowest eigenvalue.

    Attributes:
        eV_per_A2: the eigenvalue; where it did not converge, the lowest value so far, which is an upper bound; NaN where forces
            are no numbers.
        residual_eV_per_A2: an eigenvalue lies within so much of it.
        products: of Hessian and vector, two force calls each.
        converged: it may be relied on.
    """

    eV_per_A2: float
    residual_eV_per_A2: float
    products: int
    converged: bool


def dense_hessian(
    forces: Forces, positions_A: Array, *, free: Indices, step_A: float = 5e-3
) -> Array:
    """The Hessian of some atoms by central differences of forces, made symmetric.

    Args:
        forces: of all atoms.
        positions_A: (N, 3).
        free: indices of the atoms that are displaced, n of them; the others stay.
        step_A: of each coordinate. The error grows with its square.

    Returns:
        (3 n, 3 n) in eV/A^2.
    """
    columns = [
        _product(forces, positions_A, free, direction.reshape(-1, 3), step_A)
        for direction in np.eye(3 * len(free))
    ]
    found = np.column_stack(columns)
    return np.asarray((found + found.T) / 2)


def lowest_eigenvalue(
    forces: Forces,
    positions_A: Array,
    *,
    free: Indices,
    rigid: Array | Callable[[Callable[[Array], Array]], Array],
    step_A: float = 1e-3,
    accuracy: float = 1e-2,
    floor_eV_per_A2: float = 5e-4,
    most_products: int = MOST_PRODUCTS,
) -> Lowest:
    """Lowest eigenvalue of the Hessian of some atoms, rigid motions left out.

    Lanczos' iteration with every vector kept orthogonal to all before it, on central differences of forces; the whole Hessian
    where it is small. With as many products as there are coordinates it is exact.

    Args:
        forces: of all atoms.
        positions_A: (N, 3), at rest.
        free: indices of the n atoms that move.
        rigid: (3 n, k) orthonormal motions that are left out; k may be 0. Or what finds them, of a function that multiplies a
            vector (3 n,) by the Hessian.
        step_A: largest displacement of a coordinate.
        accuracy: relative, of the eigenvalue.
        floor_eV_per_A2: nearer than this nothing needs to be known.
        most_products: give up after so many.
    """
    size = 3 * len(free)

    times = partial(_times, forces, positions_A, free, step_A)
    rigid = rigid if isinstance(rigid, np.ndarray) else rigid(times)
    if size <= DENSE_SIZE:
        return lowest_of(dense_hessian(forces, positions_A, free=free, step_A=step_A), rigid=rigid)
    vector = _outside(rigid, np.random.default_rng(0).normal(size=size))
    basis = [vector / np.linalg.norm(vector)]
    diagonal: list[float] = []
    beside: list[float] = []
    steady, best = 0, Lowest(np.nan, np.inf, 0, converged=False)
    for count in range(1, min(most_products, size - rigid.shape[1]) + 1):
        following = _outside(rigid, times(basis[-1]))
        if not np.isfinite(following).all():
            return Lowest(np.nan, np.inf, count, converged=False)
        diagonal.append(float(basis[-1] @ following))
        for _ in range(2):  # once leaves what rounding brought in
            following = following - np.array(basis).T @ (np.array(basis) @ following)
        following = _outside(rigid, following)
        left = float(np.linalg.norm(following))
        value, residual = _lowest_of(diagonal, beside, left)
        good = residual <= max(accuracy * abs(value), floor_eV_per_A2)
        steady = steady + 1 if good else 0
        exhausted = count == size - rigid.shape[1] or not left > 1e-10 * max(map(abs, diagonal))
        best = Lowest(value, residual, count, converged=steady >= _STEADY or exhausted)
        if best.converged:
            break
        beside.append(left)
        basis.append(following / left)
    return best


def _times(
    forces: Forces, positions_A: Array, free: Indices, step_A: float, vector: Array
) -> Array:
    """(3 n,) the Hessian times a vector (3 n,), by a displacement of at most `step_A`."""
    scale = step_A / max(float(np.abs(vector).max()), 1e-300)
    return _product(forces, positions_A, free, vector.reshape(-1, 3), scale)


def _product(
    forces: Forces, positions_A: Array, free: Indices, direction: Array, scale: float
) -> Array:
    """(3 n,) the Hessian times a direction (n, 3), by a central difference over plus and minus `scale` times it."""
    ends = []
    for sign in (1, -1):
        moved = positions_A.copy()
        moved[free] += sign * scale * direction
        ends.append(np.asarray(forces(moved))[free].ravel())
    return np.asarray((ends[1] - ends[0]) / (2 * scale))


def _outside(rigid: Array, vector: Array) -> Array:
    return np.asarray(vector - rigid @ (rigid.T @ vector))


def lowest_of(hessian: Array, *, rigid: Array) -> Lowest:
    """Lowest eigenvalue of a whole Hessian (n, n) in eV/A^2, without the orthonormal motions (n, k) that are left out."""
    if not np.isfinite(hessian).all():
        return Lowest(np.nan, np.inf, len(hessian), converged=False)
    inside = np.eye(len(hessian)) - rigid @ rigid.T
    away = float(np.abs(hessian).sum()) + 1.0
    value = float(np.linalg.eigvalsh(inside @ hessian @ inside + away * rigid @ rigid.T)[0])
    return Lowest(value, 0.0, len(hessian), converged=True)


def _lowest_of(diagonal: list[float], beside: list[float], left: float) -> tuple[float, float]:
    """Lowest eigenvalue of the iteration's tridiagonal matrix, and how far the Hessian's may be from it."""
    from scipy.linalg import eigh_tridiagonal

    values, vectors = eigh_tridiagonal(
        np.array(diagonal), np.array(beside), select="i", select_range=(0, 0)
    )
    return float(values[0]), left * abs(float(vectors[-1, 0]))
