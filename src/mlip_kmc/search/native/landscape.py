"""An energy landscape of the atoms that may move: flat vectors in, points with energy and gradient out, each call counted.

landscape = Landscape(forces, frame_A=positions, free=free_atoms(atoms))
point = landscape.point(landscape.place_of(positions))
point.energy_eV, point.gradient                 # eV, (3 n,) eV/A
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class Forces(Protocol):
    """What evaluates."""

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Energy in eV and forces (N, 3) in eV/A at positions (N, 3) in A; raises what ends the search."""


class NotFiniteError(Exception):
    """An energy or a force is no finite number: it would pass every comparison that looks for what is too large."""


class NotCalledError(Exception):
    """What evaluates ends the search before it evaluates."""


@dataclass(frozen=True)
class Point:
    """A place on the landscape.

    Attributes:
        place: (3 n,) coordinates of the free atoms, A.
        energy_eV: of the structure.
        gradient: (3 n,) of the energy, eV/A; without a net force where no atom is fixed.
        forces: (N, 3) on all atoms as they were evaluated, eV/A.
    """

    place: Array
    energy_eV: float
    gradient: Array
    forces: Array = field(default_factory=lambda: np.empty((0, 3)), repr=False)

    @property
    def force_eV_per_A(self) -> float:  # noqa: N802 - a unit
        """The largest on an atom."""
        return largest_of(self.gradient)


@dataclass
class Landscape:
    """Energies and gradients of the free atoms.

    Attributes:
        forces: what evaluates.
        frame_A: (N, 3) positions; where the fixed atoms are.
        free: indices of the atoms that may move.
        calls: of `forces` so far.
    """

    forces: Forces
    frame_A: Array
    free: Indices
    calls: int = field(default=0, init=False)

    @property
    def anchored(self) -> bool:
        """Fixed atoms hold the frame."""
        return len(self.free) < len(self.frame_A)

    def place_of(self, positions: Array) -> Array:
        """(3 n,) coordinates of the free atoms among positions (N, 3)."""
        return np.ascontiguousarray(positions[self.free], dtype=np.float64).ravel()

    def positions_of(self, place: Array) -> Array:
        """(N, 3) positions of all atoms."""
        positions = self.frame_A.copy()
        positions[self.free] = place.reshape(-1, 3)
        return positions

    def vectors_of(self, direction: Array) -> Array:
        """(N, 3) vectors of a direction (3 n,); zero for fixed atoms."""
        vectors = np.zeros_like(self.frame_A)
        vectors[self.free] = direction.reshape(-1, 3)
        return vectors

    def point(self, place: Array) -> Point:
        """Evaluate.

        Raises:
            NotFiniteError: what comes back is no number. Whatever `forces` raises.
        """
        self.calls += 1
        try:
            energy, forces = self.forces(self.positions_of(place))
        except NotCalledError:
            self.calls -= 1
            raise
        return self.known(place, energy_eV=energy, forces=forces)

    def known(self, place: Array, *, energy_eV: float, forces: Array) -> Point:
        """A point whose energy and forces (N, 3) are known without a call.

        Raises:
            NotFiniteError: one of them is no number.
        """
        gradient = -forces[self.free]
        if not (np.isfinite(energy_eV) and np.isfinite(gradient).all()):
            raise NotFiniteError
        if not self.anchored:
            gradient = gradient - gradient.mean(axis=0)
        return Point(place, float(energy_eV), gradient.ravel(), forces)


def largest_of(vector: Array) -> float:
    """The largest length of an atom's part of a vector (3 n,)."""
    return float(np.sqrt(np.square(vector.reshape(-1, 3)).sum(axis=1).max(initial=0.0)))
