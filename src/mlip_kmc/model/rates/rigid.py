"""Motions that cost no energy: translations where nothing holds the frame, rotations where nothing lies around.

Example:
    motions = rigid_motions(hessian, masses_u=masses, positions_A=places, held_A=np.empty((0, 3)))
    motions.vectors.shape[1], motions.log_inertia        # 3 for a crystal; 6, with its moments of inertia, for a free cluster

A rotation is found by what it does: a structure that can be turned freely has forces that stay zero when it is. A crystal, a
slab or a wire meets its images, and what it cannot turn about costs energy.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

Array = npt.NDArray[np.float64]

FREE = 3e-3
"""A rotation is free whose restoring force is so small a part of the stiffest mode's; a bond across the boundary gives 1e-2 and
more, forces left over from a relaxation 1e-4 and less."""
_RANK = 1e-6
_OPEN_SIDES = 2
"""What has fewer gaps around it, a crystal or a slab, turns about nothing; a wire turns about its axis."""
_GAP_A = 2.5
"""Narrower than any cutoff: what turns is decided by the forces."""
_POWERS = 8
"""Of the Hessian, for its stiffest mode: a tolerance needs no more."""


@dataclass(frozen=True)
class RigidMotions:
    """Rigid motions of a structure that cost no energy.

    Attributes:
        vectors: (3 n, k) orthonormal in mass-weighted coordinates.
        rotations: how many of them turn it; 2 for a free linear molecule, 3 for another free cluster.
        log_inertia: ln of the product of the moments of inertia (u A^2) about the free axes; 0 without any.
    """

    vectors: Array
    rotations: int
    log_inertia: float


def rigid_motions(
    hessian: Array, *, masses_u: Array, positions_A: Array, held_A: Array
) -> RigidMotions:
    """What a structure can do freely.

    Args:
        hessian: (3 n, 3 n), mass-weighted, eV/(A^2 u).
        masses_u: (n,) of the atoms that move.
        positions_A: (n, 3) of those; a cluster must not be cut by the cell's boundary.
        held_A: (m, 3) of the atoms that do not.
    """
    stiffest = float(np.linalg.norm(hessian, ord=2)) if len(hessian) <= 60 else _largest(hessian)
    return _motions(
        lambda vectors: hessian @ vectors,
        stiffest=stiffest,
        masses_u=masses_u,
        positions_A=positions_A,
        held_A=held_A,
    )


def rigid_directions(
    product: Callable[[Array], Array], *, positions_A: Array, held_A: Array, cell_A: Array
) -> Array:
    """(3 n, k) orthonormal motions that cost no energy, without masses, of a Hessian that is known by its products only.

    Rotations are asked about where there is a gap around the structure, so that a crystal takes no product.

    Args:
        product: of the Hessian in eV/A^2 and a vector (3 n,).
        positions_A: (n, 3) of the atoms that move; a cluster must not be cut by the cell's boundary.
        held_A: (m, 3) of the atoms that do not.
        cell_A: (3, 3) rows are vectors.
    """

    def products(vectors: Array) -> Array:
        return np.column_stack([product(vector) for vector in vectors.T])

    masses = np.ones(len(positions_A))
    shifts = np.tile(np.eye(3), (len(masses), 1)) / np.sqrt(len(masses))
    translations: Array = shifts if len(held_A) == 0 else shifts[:, :0]
    if gaps(np.vstack([positions_A, held_A]), cell_A) < _OPEN_SIDES:
        return translations
    vector = np.random.default_rng(0).normal(size=3 * len(masses))
    for _ in range(_POWERS):
        vector /= max(float(np.linalg.norm(vector)), 1e-300)
        vector = product(vector)
    stiffest = float(np.linalg.norm(vector))
    if not np.isfinite(stiffest):
        return translations
    return _motions(
        products, stiffest=stiffest, masses_u=masses, positions_A=positions_A, held_A=held_A
    ).vectors


def is_free_cluster(atoms: Atoms) -> bool:
    """Is nothing fixed, and a gap on all sides? Then states that differ by a rotation are one."""
    if atoms.constraints:
        return False
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    return gaps(gathered(np.asarray(atoms.positions, dtype=np.float64), cell), cell) == 3


def gaps(positions_A: Array, cell_A: Array) -> int:
    """In how many of the cell's directions there is a gap around a structure.

    Args:
        positions_A: (N, 3), `gathered`.
        cell_A: (3, 3) rows are vectors.
    """
    scaled = np.linalg.solve(cell_A.T, positions_A.T).T
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell_A), axis=0)
    return int(((1.0 - np.ptp(scaled, axis=0)) * heights > _GAP_A).sum())


def _motions(
    products: Callable[[Array], Array],
    *,
    stiffest: float,
    masses_u: Array,
    positions_A: Array,
    held_A: Array,
) -> RigidMotions:
    """As `rigid_motions`; `products` gives those of the Hessian with columns (3 n, m)."""
    roots = np.sqrt(np.repeat(masses_u, 3))
    shifts = np.tile(np.eye(3), (len(masses_u), 1)) * roots[:, None]
    translations = (
        shifts / np.linalg.norm(shifts, axis=0) if len(held_A) == 0 else np.empty((len(roots), 0))
    )
    axes, origin = _axes(masses_u, positions_A, held_A)
    turned = (
        np.column_stack([np.cross(axis, positions_A - origin).ravel() * roots for axis in axes.T])
        if axes.shape[1]
        else np.empty((len(roots), 0))
    )
    free = _free(products, turned, axes, stiffest=stiffest)
    turns = (
        turned @ np.linalg.lstsq(axes, free, rcond=None)[0]
        if free.shape[1]
        else np.empty((len(roots), 0))
    )
    unit = np.linalg.qr(turns)[0] if turns.shape[1] else turns
    log_inertia = float(np.linalg.slogdet(turns.T @ turns)[1]) if turns.shape[1] else 0.0
    return RigidMotions(np.hstack([translations, unit]), turns.shape[1], log_inertia)


def _axes(masses_u: Array, positions_A: Array, held_A: Array) -> tuple[Array, Array]:
    """(3, k) orthonormal axes that the atoms which are held allow turns about, and a point that stays."""
    if len(held_A) == 0:
        return np.eye(3), np.asarray(np.average(positions_A, axis=0, weights=masses_u))
    arms = held_A - held_A[0]
    if not (np.abs(arms) > 1e-6).any():
        return np.eye(3), np.asarray(held_A[0])
    _, sizes, along = np.linalg.svd(arms, full_matrices=False)
    line = len(sizes) == 1 or not sizes[1] > _RANK * sizes[0]
    return (along[:1].T if line else np.empty((3, 0))), np.asarray(held_A[0])


def _free(
    products: Callable[[Array], Array], turned: Array, axes: Array, *, stiffest: float
) -> Array:
    """(3, k) orthonormal axes about which a turn costs nothing and moves something (a linear molecule has two)."""
    if turned.shape[1] == 0:
        return np.empty((3, 0))
    left, sizes, right = np.linalg.svd(turned, full_matrices=False)
    if not sizes[0] > 0:
        return np.empty((3, 0))
    real = sizes > _RANK * sizes[0]
    _, pulls, mixed = np.linalg.svd(products(left[:, real]))
    pulls = np.concatenate([pulls, np.zeros(int(real.sum()) - len(pulls))])
    costless = mixed[pulls <= FREE * stiffest]
    about = axes @ (right[real].T / sizes[real]) @ costless.T
    return np.linalg.qr(about)[0] if about.shape[1] else np.empty((3, 0))


def _largest(hessian: Array) -> float:
    """The largest eigenvalue's size, by a few powers: a tolerance needs no more."""
    vector = np.random.default_rng(0).normal(size=len(hessian))
    for _ in range(20):
        vector = hessian @ vector
        vector /= max(float(np.linalg.norm(vector)), 1e-300)
    return float(np.linalg.norm(hessian @ vector))


def gathered(positions_A: Array, cell_A: Array) -> Array:
    """Positions in whose cell the largest gap of each direction lies at the boundary: what is a cluster is whole.

    Args:
        positions_A: (N, 3).
        cell_A: (3, 3) rows are vectors.
    """
    scaled = np.linalg.solve(cell_A.T, positions_A.T).T
    scaled -= np.floor(scaled)
    for axis in range(3):
        places = np.sort(scaled[:, axis])
        gaps = np.diff(np.concatenate([places, places[:1] + 1.0]))
        cut = places[int(np.argmax(gaps))]
        scaled[:, axis] -= np.where(scaled[:, axis] > cut, 1.0, 0.0)
    return np.asarray(scaled @ cell_A)
