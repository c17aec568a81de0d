"""The structure that a box is cut out of: what is asked of it again and again, computed once.

host = Host.of(atoms)
host.limits.of_all_A, host.axes[2].vacuum_A
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.learning.cutout.edges import Axis, axes_of
from mlip_kmc.learning.cutout.surroundings import Indices, Lookup, PairLimits
from mlip_kmc.model.structure import Array, shells

_SHELL = 1.5
"""Near neighbours: within this many nearest distances."""


@dataclass(frozen=True)
class Host:
    """A structure and what surrounds its atoms.

    Attributes:
        atoms: it. axes: of its cell.
        lookup: finds its atoms.
        limits: how near its atoms come to each other.
        shells: (N, 12) near neighbours of each atom, as of `shells`.
    """

    atoms: Atoms
    axes: tuple[Axis, ...]
    lookup: Lookup
    limits: PairLimits
    shells: Array

    @classmethod
    def of(cls, atoms: Atoms) -> Self:
        """That of a structure.

        Raises:
            StructureError: no two of its atoms are within 20 A.
        """
        limits = PairLimits.of(atoms)
        return cls(
            atoms=atoms,
            axes=axes_of(atoms),
            lookup=Lookup(atoms),
            limits=limits,
            shells=shells(atoms, radius_A=_SHELL * limits.of_all_A),
        )

    def together(self, indices: list[int]) -> Array:
        """(n, 3) places of atoms at their images nearest to the first of them."""
        first = self.atoms.positions[indices[0]]
        found: Array = first + self.lookup.vectors(self.atoms.positions[indices] - first)
        return found

    def strained(
        self, box: Atoms, index_of: Indices, *, tolerance_A: float
    ) -> npt.NDArray[np.bool_]:
        """(n,) whether a box's atom has other near neighbours than in this structure."""
        after = shells(box, radius_A=_SHELL * self.limits.of_all_A)
        within: npt.NDArray[np.bool_] = (
            np.abs(after - self.shells[index_of]).max(axis=1) <= tolerance_A
        )
        return ~within
