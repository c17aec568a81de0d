"""A part of a large cell that is evaluated in place of the whole: atoms that may move, and all that their energies depend on.

    region = Region.about(atoms, centre_A=centre, radius_A=8.0, cutoff_A=5.0)
    region.is_whole                                # nothing would be left out
    region.atoms                                   # a structure of its own; atoms beyond `radius_A` are fixed
    region.whole(positions)                        # (N, 3): its positions among those of all atoms

The energy of an ACE potential is a sum over centres, each of which sees its neighbours within the cutoff. Atoms that stay within
R of a point change the energies of centres within R + cutoff alone, and those see atoms within R + 2 cutoff. So a cut-out of
these atoms has the forces of the whole cell on every atom within R, and its changes of the energy, and of the forces on all other
atoms, are those of the whole cell. Centres beyond R + cutoff have wrong energies that do not change: in vain, but counted.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Self

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.model.structure import fixed_atoms
from mlip_kmc.search.native.landscape import Array, Indices

Flags = npt.NDArray[np.bool_]

ROOM_A = 0.6
"""So far beyond the radius an atom that moves may get: cut-outs are larger by as much."""
_WORTH = 0.8
"""A cut-out of more than so many of the atoms is no gain over the whole cell."""


class LeftRegionError(Exception):
    """An atom moves out of the region: what is evaluated does not hold there."""


@dataclass(frozen=True)
class Region:
    """A cut-out.

    Attributes:
        home: the whole structure, at rest.
        indices: (M,) of the cut-out's atoms in it, ascending. shifts: (M, 3) lattice vectors that bring them together.
        atoms: the cut-out; all but those that may move are fixed.
        apart_A: (M,) how far each atom at rest is from the middle, of its images the nearest.
        centre_A: (3,) the middle. radius_A: atoms within it may move. cutoff_A: of the potential.
        directions: in so many of the cell's it leaves atoms out.
    """

    home: Atoms
    indices: Indices
    shifts: Array
    atoms: Atoms
    apart_A: Array
    centre_A: Array
    radius_A: float
    cutoff_A: float
    directions: int = 0

    @classmethod
    def about(cls, home: Atoms, *, centre_A: Array, radius_A: float, cutoff_A: float) -> Self:
        """The cut-out about a point; the whole where it would leave too little out to be worth it, or nothing in it may move.

        A direction of the cell that is too short for the cut-out and its image stays as it is, with all its atoms.

        Args:
            home: the whole structure, at rest; fixed atoms stay fixed.
            centre_A: (3,) the middle.
            radius_A: atoms within it may move.
            cutoff_A: of the potential.
        """
        reach_A = radius_A + ROOM_A + 2.0 * cutoff_A
        cell = np.asarray(home.cell.array, dtype=np.float64)
        widths = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
        cut = widths > 2.0 * reach_A
        places = np.asarray(home.positions, dtype=np.float64)
        shifts = _shifts(places, centre_A, cell, cut)
        apart = _distances(places + shifts - centre_A, cell, widths, cut, reach_A)
        indices = np.flatnonzero(apart <= reach_A)
        movable = np.setdiff1d(np.flatnonzero(apart <= radius_A), fixed_atoms(home))
        if not len(movable) or not len(indices) <= _WORTH * len(home):
            return cls.of_whole(home)
        atoms = home[indices]
        atoms.set_constraint(FixAtoms(np.flatnonzero(~np.isin(indices, movable))))
        atoms.positions = places[indices] + shifts[indices]
        room = np.where(cut, (2.0 * reach_A + cutoff_A) / widths, 1.0)  # no image sees another
        atoms.set_cell(cell * room[:, None])
        return cls(
            home,
            indices=indices,
            shifts=shifts[indices],
            atoms=atoms,
            apart_A=apart[indices],
            centre_A=centre_A,
            radius_A=radius_A,
            cutoff_A=cutoff_A,
            directions=int(cut.sum()),
        )

    @classmethod
    def of_whole(cls, home: Atoms) -> Self:
        """All atoms."""
        nowhere = np.zeros(3)
        return cls(
            home,
            indices=np.arange(len(home)),
            shifts=np.zeros((len(home), 3)),
            atoms=home,
            apart_A=np.zeros(len(home)),
            centre_A=nowhere,
            radius_A=np.inf,
            cutoff_A=np.inf,
        )

    @property
    def is_whole(self) -> bool:
        """It leaves nothing out."""
        return len(self.indices) == len(self.home)

    def check(self, positions: Array) -> None:
        """Refuse positions at which the cut-out is not the whole.

        Args:
            positions: (M, 3) of the cut-out.

        Raises:
            LeftRegionError: an atom got too far from the middle.
        """
        moved = np.linalg.norm(positions - self.atoms.positions, axis=1)
        places = np.linalg.norm(positions - self.centre_A, axis=1)
        farthest = np.minimum(self.apart_A + moved, places)[~(moved <= 0.0)].max(initial=0.0)
        if not farthest <= self.radius_A + ROOM_A:
            raise LeftRegionError

    @property
    def seeing(self) -> Indices:
        """Places in the cut-out of the centres that see what may move; each has all of its neighbours."""
        return np.flatnonzero(self.apart_A <= self.radius_A + ROOM_A + self.cutoff_A)

    @cached_property
    def aloof(self) -> tuple[int, ...]:
        """Places in the cut-out of all other centres: their energies are constants, and the cut-out's edge is in some."""
        return tuple(np.setdiff1d(np.arange(len(self.indices)), self.seeing).tolist())

    @property
    def held(self) -> Indices:
        """Places in the cut-out of the atoms that do not move."""
        return fixed_atoms(self.atoms)

    @property
    def frozen(self) -> Indices:
        """Those that would move in the whole cell."""
        return np.setdiff1d(
            self.held, np.flatnonzero(np.isin(self.indices, fixed_atoms(self.home)))
        )

    def part(self, positions: Array) -> Array:
        """(M, 3): those of the whole structure's positions (N, 3) that are the cut-out's."""
        return np.asarray(positions[self.indices] + self.shifts)

    def whole(self, positions: Array) -> Array:
        """(N, 3): the whole structure with the cut-out's positions (M, 3)."""
        found = np.array(self.home.positions, dtype=np.float64)
        found[self.indices] = positions - self.shifts
        return found

    def vectors(self, part: Array) -> Array:
        """(N, 3): vectors (M, 3) of the cut-out's atoms, and zero of all others."""
        found = np.zeros((len(self.home), 3))
        found[self.indices] = part
        return found

    def gammas(self, part: Array, *, at_rest: Array) -> Array:
        """(N,) of all atoms: of the centres that see what moves those of the cut-out, of all others those at rest.

        Args:
            part: (M,) of the cut-out.
            at_rest: (N,) of the whole structure at rest.
        """
        found = at_rest.copy()
        found[self.indices[self.seeing]] = part[self.seeing]
        return found


def _shifts(places: Array, centre_A: Array, cell: Array, cut: Flags) -> Array:
    """(N, 3) lattice vectors that bring each atom next to the centre, along the directions that are cut."""
    fractions = (places - centre_A) @ np.linalg.inv(cell)
    return np.asarray(-np.round(fractions) * cut @ cell)


def _distances(vectors: Array, cell: Array, widths: Array, cut: Flags, reach_A: float) -> Array:
    """(N,) lengths of the vectors, of all images along directions that are not cut the shortest."""
    fractions = vectors @ np.linalg.inv(cell)
    near = vectors - (np.round(fractions) * ~cut) @ cell
    images = [
        range(1) if one else _images(width, reach_A) for one, width in zip(cut, widths, strict=True)
    ]
    found = np.full(len(vectors), np.inf)
    for image in product(*images):
        found = np.minimum(found, np.linalg.norm(near + np.array(image) @ cell, axis=1))
    return found


def _images(width_A: float, reach_A: float) -> range:
    """Whole cells on both sides, of which one may have an atom within reach."""
    most = int(np.ceil(reach_A / width_A + 0.5))
    return range(-most, most + 1)
