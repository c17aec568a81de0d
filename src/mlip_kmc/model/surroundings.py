"""What of a structure a hop changed, and what it left as it was.

    change = change_of(before, after.positions, radius_A=6.0, tolerance_A=0.05)
    change.near                                   # atoms within the radius of one that moved
    change.spares(moving_atoms(saddle, product))  # does a process take place among atoms that have seen nothing of it?

A process whose moving atoms are all further than the radius from every atom that moved has the surroundings that it had.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.model.structure.cell import into_cell, minimum_image, with_images
from mlip_kmc.model.structure.constraints import fixed_atoms

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOVES_A = 0.2
"""An atom that a process takes so far, at its saddle or in its product, takes part in it."""


@dataclass(frozen=True)
class Change:
    """The difference of two structures of the same atoms, in the same order.

    Attributes:
        changed: indices of atoms that moved by more than the tolerance.
        near: indices of atoms within the radius of such an atom, where it was or where it is; those themselves.
    """

    changed: Indices
    near: Indices

    def spares(self, moving: Indices) -> bool:
        """None of these atoms is near what changed; False where there are none, as nothing tells where that is."""
        return bool(len(moving)) and not np.isin(moving, self.near).any()


def change_of(before: Atoms, after_A: Array, *, radius_A: float, tolerance_A: float) -> Change:
    """What moved from one structure to another in the same cell.

    Where no atom is fixed a common shift is no change: the median of all displacements, which one hop does not move.

    Args:
        before: N atoms, periodic.
        after_A: (N, 3) positions of the same atoms; their periodic images do not matter.
        radius_A: as far as an atom sees.
        tolerance_A: a smaller displacement is none; one that is no number is a change.
    """
    cell, home = np.asarray(before.cell.array), np.asarray(before.positions)
    moved = minimum_image(after_A - home, cell)
    if not len(fixed_atoms(before)):
        moved = moved - np.median(moved, axis=0)
    changed = np.flatnonzero(~(np.linalg.norm(moved, axis=1) <= tolerance_A))
    if not len(changed):
        return Change(changed, changed)
    places = np.concatenate([home[changed], home[changed] + moved[changed]])
    return Change(changed, _within(places, home, cell, radius_A))


def _within(places: Array, home: Array, cell: Array, radius_A: float) -> Indices:
    """(M,) atoms within the radius of one of the places, at any of its periodic images."""
    from scipy.spatial import cKDTree  # few of the processes that import this come here

    images, _ = with_images(places, np.arange(len(places)), cell, margin_A=radius_A)
    distance, _ = cKDTree(images).query(into_cell(home, cell))
    return np.flatnonzero(distance <= radius_A)


def moving_atoms(saddle: Array, product: Array) -> Indices:
    """Indices of the atoms that take part in a process.

    Args:
        saddle: (N, 3) displacements in A from the state to the saddle.
        product: (N, 3) likewise, to the product.
    """
    farthest = np.maximum(np.linalg.norm(saddle, axis=1), np.linalg.norm(product, axis=1))
    return np.flatnonzero(~(farthest < MOVES_A))
