"""Cells: the restricted triclinic form that eOn and LAMMPS want, short vectors, lengths and angles, and minimum images."""

import numpy as np
import numpy.typing as npt

from mlip_kmc.ground.errors import StructureError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
_LARGEST_TILT = 0.5 + 1e-6
"""Of the edge below it; that of a hexagonal or a primitive cubic cell, one half, stays."""
_FLATTEST = 0.01
"""Least volume over the product of the vectors' lengths: `.con` and LAMMPS lose digits, and LAMMPS time, below it."""


def restricted_triclinic(cell: Array) -> tuple[Array, Array]:
    """The lower triangular cell with a positive diagonal, and Q with `cell = lower @ Q`.

    Args:
        cell: (3, 3), rows are vectors, in A.
    """
    upper_q, upper_r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(upper_r))
    lower = (upper_r * signs[:, None]).T
    rotation = (upper_q * signs).T
    if np.allclose(rotation, np.eye(3), atol=1e-14, rtol=0):
        return cell * np.tri(3), np.eye(3)
    return np.tril(lower), rotation


def in_place(cell: Array, *, least_width: float = 0.0) -> tuple[Array, Array]:
    """A restricted triclinic cell of the same lattice, and Q with `lattice of cell = lattice of the result @ Q`.

    Its vectors are those of `cell`, turned, as far as they are short: a tilt beyond half an edge is reduced by whole edges, as
    LAMMPS' Howto_triclinic does; eOn finds wrong images in a cell with larger ones. The vectors are replaced by shortest ones
    (Minkowski's) where they enclose a cell that is nearly flat, or narrower than `least_width`, and those do not.

    Args:
        cell: (3, 3), rows are vectors, in A; right-handed.
        least_width: wanted, in A.
    """
    lower, rotation = restricted_triclinic(cell)
    lower = _with_small_tilts(lower)
    flatness = float(np.linalg.det(lower) / np.prod(np.linalg.norm(lower, axis=1)))
    if flatness >= _FLATTEST and width(lower) >= least_width:
        return lower, rotation
    from ase.geometry import minkowski_reduce

    short = minkowski_reduce(lower @ rotation)[0]
    other, turned = restricted_triclinic(short * np.sign(np.linalg.det(short)))
    return (other, turned) if width(other) > width(lower) * (1 + 1e-9) else (lower, rotation)


def _with_small_tilts(lower: Array) -> Array:
    cell = lower.copy()
    for row, column in ((1, 0), (2, 1), (2, 0)):
        tilt = cell[row, column] / cell[column, column]
        if abs(tilt) > _LARGEST_TILT:
            cell[row] -= np.rint(tilt) * cell[column]
    return cell


def width(cell: Array) -> float:
    """The least distance, in A, between opposite faces of a cell (3, 3)."""
    return float((1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)).min())


def lengths_and_angles(cell: Array) -> tuple[list[float], list[float]]:
    """Lengths in A and angles in degrees (alpha, beta, gamma) of a restricted triclinic cell (3, 3).

    Raises:
        StructureError: it is not restricted triclinic.
    """
    lengths = np.linalg.norm(cell, axis=1)
    if not (np.abs(np.triu(cell, 1)).max() <= 1e-8 and np.diag(cell).min() > 0):
        raise StructureError(
            "a .con file holds a cell with a along x and b in the xy plane; prepare() rotates to it"
        )
    angles = []
    for first, second in ((1, 2), (0, 2), (0, 1)):
        # arccos alone would lose half the digits of small angles
        across = float(np.linalg.norm(np.cross(cell[first], cell[second])))
        along = float(cell[first] @ cell[second])
        angles.append(90.0 if along == 0.0 else float(np.degrees(np.arctan2(across, along))))
    return [float(length) for length in lengths], angles


def from_lengths_and_angles(lengths: list[float], angles_degree: list[float]) -> Array:
    """Restricted triclinic cell (3, 3), rows are vectors; exact zeros for right angles.

    Raises:
        StructureError: they make no cell.
    """
    cosines = [
        0.0 if angle == 90.0 else float(np.cos(np.radians(angle))) for angle in angles_degree
    ]
    cos_alpha, cos_beta, cos_gamma = cosines
    sin_gamma = 1.0 if cos_gamma == 0.0 else float(np.sin(np.radians(angles_degree[2])))
    a, b, c = lengths
    cy = (cos_alpha - cos_beta * cos_gamma) / sin_gamma if sin_gamma > 0.0 else 1.0
    cz_squared = 1.0 - cos_beta**2 - cy**2
    if not (
        cz_squared > 0.0 and min(lengths) > 0.0 and np.isfinite([*lengths, *angles_degree]).all()
    ):
        raise StructureError(
            f"the lengths {lengths} and angles {angles_degree} of the .con file make no cell; correct them"
        )
    cz = np.sqrt(cz_squared)
    return np.array(
        [[a, 0, 0], [b * cos_gamma, b * sin_gamma, 0], [c * cos_beta, c * cy, c * cz]], dtype=float
    )


def into_cell(positions: Array, cell: Array) -> Array:
    """(N, 3) positions at their images inside the cell (3, 3)."""
    fractional = positions @ np.linalg.inv(cell)
    return np.asarray((fractional - np.floor(fractional)) @ cell, dtype=np.float64)


def with_images(
    positions: Array, owners: Indices, cell: Array, *, margin_A: float
) -> tuple[Array, Indices]:
    """Positions in the cell and those of their images that lie within a margin around it, with the owner of each.

    Args:
        positions: (N, 3).
        owners: (N,) what each is called.
        cell: (3, 3).
        margin_A: at most the cell's width.
    """
    inside = into_cell(positions, cell)
    fractional = inside @ np.linalg.inv(cell)
    margin = margin_A * np.linalg.norm(np.linalg.inv(cell), axis=0)
    images, kept = [], []
    for offset in np.ndindex(3, 3, 3):
        shift = np.asarray(offset, dtype=np.float64) - 1.0
        moved = fractional + shift
        near = ((moved > -margin) & (moved < 1.0 + margin)).all(axis=1)
        images.append(inside[near] + shift @ cell)
        kept.append(owners[near])
    return np.concatenate(images), np.concatenate(kept)


def minimum_image(vectors: Array, cell: Array) -> Array:
    """(N, 3) difference vectors at their minimum image in a periodic cell (3, 3), also for skewed cells."""
    from ase.geometry import find_mic, minkowski_reduce

    # ASE's shortcut for short vectors is wrong in a cell that is not reduced
    found: Array = find_mic(vectors, minkowski_reduce(cell)[0], pbc=True)[0]
    return found


def next_image_A(vectors: Array, cell: Array) -> Array:  # noqa: N802 - a unit
    """(N,) by how much the second nearest periodic image of each vector is longer, in A.

    Args:
        vectors: (N, 3) at their minimum image.
        cell: (3, 3), also skewed.
    """
    from ase.geometry import minkowski_reduce

    steps = np.array([step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)]) - 1
    others = np.linalg.norm(vectors[:, None] + steps @ minkowski_reduce(cell)[0], axis=2)
    found: Array = others.min(axis=1) - np.linalg.norm(vectors, axis=1)
    return found
