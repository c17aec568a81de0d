"""Following every atom through a run: eOn may return a known state with atoms permuted or wrapped.

Example:
    path = AtomPath.start(cell, species, anchored=False)
    path = path.follow(state=..., reactant=..., saddle=..., product=..., reached=...)     # (N, 3) positions
    path.unwrapped(reached)                                                   # continuous, in the original order

Positions in A, cells are (3, 3) with vectors as rows, periodic in all three directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.structure.cell import into_cell, minimum_image, next_image_A, with_images
from mlip_kmc.model.turning import Turned, turned_match

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MATCH_A = 0.5
"""Two atoms of the same species nearer than this are the same atom; eOn's own comparison is tighter."""
AMBIGUOUS_A = 0.1
"""Where two images of an atom are as near as this to equal in distance, nothing tells which of them it went to."""
_FAR_A = 0.5
_TURNED_A = 0.2
"""As `MATCH_A`, of a free cluster; twice eOn's own."""


def match_atoms(
    here: Array, there: Array, cell: Array, species: Sequence[str], *, tolerance_A: float = MATCH_A
) -> Indices:
    """Which atom of `there` stands where each atom of `here` does, up to lattice vectors.

    Args:
        here: (N, 3) positions.
        there: (N, 3) positions in another order.
        cell: (3, 3).
        species: N symbols, the same for both orders' positions at matching species.
        tolerance_A: the largest distance of a pair.

    Returns:
        (N,) indices into `there`: a permutation.

    Raises:
        RunStateError: an atom has no partner, or two have the same.
    """
    direct = np.linalg.norm(wrap(there - here, cell), axis=1)
    if direct.max() < tolerance_A:
        return np.arange(len(here), dtype=np.int64)
    from scipy.spatial import cKDTree  # few of the processes that import this come here

    found = np.full(len(here), -1, dtype=np.int64)
    kinds = np.asarray(species)
    for kind in dict.fromkeys(species):
        members = np.flatnonzero(kinds == kind)
        images, owners = with_images(there[members], members, cell, margin_A=tolerance_A)
        distance, nearest = cKDTree(images).query(into_cell(here[members], cell))
        if not distance.max() < tolerance_A:
            raise RunStateError(
                f"an atom is {distance.max():.3f} A from its place in the state it should be in; the trajectory cannot "
                "be followed: report this with the run directory"
            )
        found[members] = owners[nearest]
    if len(np.unique(found)) != len(found):
        raise RunStateError(
            "two atoms claim one place; the trajectory cannot be followed: report this with the run directory"
        )
    return found


def wrap(vectors: Array, cell: Array) -> Array:
    """(N, 3) difference vectors at their minimum image; exact for vectors short against a skewed cell's height."""
    fractional = vectors @ np.linalg.inv(cell)
    return np.asarray(vectors - np.round(fractional) @ cell, dtype=np.float64)


@dataclass(frozen=True)
class Hop:
    """What a process does to its atoms.

    Attributes:
        moved: (N, 3) displacements, product less reactant.
        ambiguous: whether an atom moves by about half the cell from a minimum to the saddle: it may have gone the other way.
    """

    moved: Array
    ambiguous: bool

    @classmethod
    def through(cls, saddle: Array, *, reactant: Array, product: Array, cell: Array) -> "Hop":
        """Follow a process from its reactant through its saddle: a hop of half the cell has two images, its halves have one.

        Args:
            saddle: (N, 3) positions, each atom in any periodic image.
            reactant: likewise, in the same order.
            product: likewise.
            cell: (3, 3).
        """
        up, open_up = _leg(saddle - reactant, cell)
        down, open_down = _leg(product - saddle, cell)
        return cls(up + down, open_up or open_down)


def _leg(vectors: Array, cell: Array) -> tuple[Array, bool]:
    """(N, 3) vectors at their minimum image, and whether another image of one is about as near."""
    near = wrap(vectors, cell)
    far = ~(np.linalg.norm(near, axis=1) <= _FAR_A)
    if not far.any():
        return near, False
    near[far] = minimum_image(near[far], cell)
    return near, not next_image_A(near[far], cell).min() > AMBIGUOUS_A


def without_drift(displacement: Array, *, anchored: bool) -> Array:
    """(N, 3) displacements less their mean; unchanged where fixed atoms anchor the frame."""
    return (
        displacement
        if anchored
        else np.asarray(displacement - displacement.mean(axis=0), dtype=np.float64)
    )


def _turned(here: Array, there: Array, species: Sequence[str]) -> Turned:
    found = turned_match(here, there, species, tolerance_A=_TURNED_A)
    if found is None:
        raise RunStateError(
            "a free cluster is not, turned in any way, what it should be; its atoms cannot be followed: report this with the run "
            "directory"
        )
    return found


@dataclass(frozen=True)
class AtomPath:
    """Where every original atom is: `unwrapped = (positions of the state [mapping] + images @ cell) @ turn + drift`.

    Attributes:
        cell: (3, 3). species: N symbols in original order.
        anchored: fixed atoms hold the frame, so nothing is subtracted.
        mapping: (N,) index, in the present state's own order, of each original atom.
        images: (N, 3) whole cell vectors between an original atom and its place in the present state.
        drift_A: (3,) offset of the present state's frame; zero where fixed atoms hold it.
        turns: of a free cluster, whose states may be turned against each other; its positions are whole, and images zero.
        turn: (3, 3) rotation of the present state's frame; the identity where nothing turns.
        ambiguous: a process on the way may have moved an atom by another image: see `Hop`.
    """

    cell: Array
    species: tuple[str, ...]
    anchored: bool
    mapping: Indices
    images: Indices
    drift_A: Array
    ambiguous: bool = False
    turns: bool = False
    turn: Array = field(default_factory=lambda: np.eye(3))

    @classmethod
    def start(
        cls, cell: Array, species: Sequence[str], *, anchored: bool, turns: bool = False
    ) -> "AtomPath":
        """At state 0, where atoms have their original order."""
        size = len(species)
        return cls(
            cell=np.asarray(cell, dtype=np.float64),
            species=tuple(species),
            anchored=anchored,
            mapping=np.arange(size, dtype=np.int64),
            images=np.zeros((size, 3), dtype=np.int64),
            drift_A=np.zeros(3),
            turns=turns,
        )

    def unwrapped(self, state: Array) -> Array:
        """(N, 3) continuous positions of the original atoms.

        Args:
            state: (N, 3) the present state, in its own order.
        """
        whole = state[self.mapping] + self.images @ self.cell
        return np.asarray(whole @ self.turn + self.drift_A, dtype=np.float64)

    def follow(
        self, *, state: Array, reactant: Array, saddle: Array, product: Array, reached: Array
    ) -> "AtomPath":
        """Go through one event; nothing drifts where nothing is fixed.

        Args:
            state: (N, 3) the present state, in its own order.
            reactant: (N, 3) where the process starts, in its own order (eOn copies a process to its reverse, whose order
                may be another state's).
            saddle: (N, 3) its saddle, in the same order.
            product: (N, 3) where it ends, in the same order.
            reached: (N, 3) the state reached, in its own order.
        """
        if self.turns:
            return self._follow_turned(state, reactant, product, reached)
        to_process = match_atoms(state, reactant, self.cell, self._in_order_of(self.mapping))
        in_process = to_process[self.mapping]
        to_reached = match_atoms(product, reached, self.cell, self._in_order_of(in_process))
        mapping = to_reached[in_process]
        hop = Hop.through(saddle, reactant=reactant, product=product, cell=self.cell)
        jump = hop.moved[in_process]
        settle = wrap(reached[mapping] - product[in_process], self.cell)
        shift = without_drift(jump + settle, anchored=self.anchored)
        offset = self.unwrapped(state) + shift - reached[mapping]
        images = np.round((offset - self.drift_A) @ np.linalg.inv(self.cell)).astype(np.int64)
        residue = offset - images @ self.cell
        drift = np.zeros(3) if self.anchored else residue.mean(axis=0)
        ambiguous = self.ambiguous or hop.ambiguous
        return replace(self, mapping=mapping, images=images, drift_A=drift, ambiguous=ambiguous)

    def _follow_turned(
        self, state: Array, reactant: Array, product: Array, reached: Array
    ) -> "AtomPath":
        """Of a free cluster: the process may be turned against the state that it starts from, and against the one it ends in."""
        there = _turned(state, reactant, self._in_order_of(self.mapping))
        in_process = there.mapping[self.mapping]
        on = _turned(product, reached, self._in_order_of(in_process))
        mapping = on.mapping[in_process]
        turn = on.turn.T @ there.turn.T @ self.turn
        drift = self.unwrapped(state).mean(axis=0) - (reached[mapping] @ turn).mean(axis=0)
        return replace(self, mapping=mapping, images=0 * self.images, turn=turn, drift_A=drift)

    def then(self, other: "AtomPath") -> "AtomPath":
        """This path, followed by another that starts, at its `AtomPath.start`, in the state where this one ends."""
        return replace(
            self,
            mapping=other.mapping[self.mapping],
            images=self.images + other.images[self.mapping],
            drift_A=self.drift_A + other.drift_A @ self.turn,
            turn=other.turn @ self.turn,
            ambiguous=self.ambiguous or other.ambiguous,
        )

    def back(self) -> "AtomPath":
        """The path from the present state to where this one started."""
        mapping = np.argsort(self.mapping)
        return replace(
            self,
            species=tuple(self.symbols),
            mapping=mapping,
            images=-self.images[mapping],
            drift_A=-self.drift_A @ self.turn.T,
            turn=self.turn.T,
        )

    @property
    def drift(self) -> tuple[float, float, float]:
        """`drift_A` as numbers, for a record."""
        x, y, z = self.drift_A.tolist()
        return x, y, z

    @property
    def symbols(self) -> list[str]:
        """Species of the atoms in the order of the present state."""
        return self._in_order_of(self.mapping)

    def changes_to(
        self, other: "AtomPath"
    ) -> tuple[dict[str, int], dict[str, tuple[int, int, int]]]:
        """Mappings and images that differ in `other`, by original atom (as text, for JSON)."""
        mapped = {
            str(i): int(other.mapping[i]) for i in np.flatnonzero(self.mapping != other.mapping)
        }
        moved = np.flatnonzero((self.images != other.images).any(axis=1))
        images = zip(moved, other.images[moved], strict=True)
        return mapped, {str(i): (int(a), int(b), int(c)) for i, (a, b, c) in images}

    def changed(
        self,
        mapping: Mapping[str, int],
        images: Mapping[str, Sequence[int]],
        drift_A: Sequence[float],
        turn: Sequence[float] = (),
    ) -> "AtomPath":
        """The path after an event that was recorded by `changes_to`, with its drift and its turn (nine numbers, or none)."""
        new_mapping, new_images = self.mapping.copy(), self.images.copy()
        for atom, index in mapping.items():
            new_mapping[int(atom)] = index
        for atom, image in images.items():
            new_images[int(atom)] = image
        return replace(
            self,
            mapping=new_mapping,
            images=new_images,
            drift_A=np.array(drift_A, dtype=np.float64),
            turn=np.array(turn, dtype=np.float64).reshape(3, 3) if turn else np.eye(3),
        )

    def _in_order_of(self, mapping: Indices) -> list[str]:
        """Species by the index that `mapping` gives each original atom."""
        ordered = [""] * len(self.species)
        for original, index in enumerate(mapping):
            ordered[index] = self.species[original]
        return ordered
