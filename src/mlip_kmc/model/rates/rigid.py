"""Motions that cost no energy: translations where nothing holds the frame, rotations where nothing lies around.

Example:
    motions = rigid_motions(hessian, masses_u=masses, positions_A=places, held_A=np.empty((0, 3)))
    motions.vectors.shape[1], motions.log_inertia        # 3 for a crystal; 6, with its moments of inertia, for a free cluster

A rotation is found by what it does: a structure that can be turned freely has forces that stay zero when it is. A crystal, a
slab or a wire meets its images, and what it cannot turn about costs energy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FREE = 3e-3
"""A rotation is free whose restoring force is so small a part of the stiffest mode's; a bond across the boundary gives 1e-2 and
more, forces left over from a relaxation 1e-4 and less."""
_RANK = 1e-6


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
    free = _free(hessian, turned, axes)
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


def _free(hessian: Array, turned: Array, axes: Array) -> Array:
    """(3, k) orthonormal axes about which a turn costs nothing and moves something (a linear molecule has two)."""
    if turned.shape[1] == 0:
        return np.empty((3, 0))
    left, sizes, right = np.linalg.svd(turned, full_matrices=False)
    if not sizes[0] > 0:
        return np.empty((3, 0))
    real = sizes > _RANK * sizes[0]
    stiffest = float(np.linalg.norm(hessian, ord=2)) if len(hessian) <= 60 else _largest(hessian)
    _, pulls, mixed = np.linalg.svd(hessian @ left[:, real])
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
