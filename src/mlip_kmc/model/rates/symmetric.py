"""Hessians by symmetry: which displacements must be evaluated, and the whole matrix from the forces that they cause.

Example:
    plan = Plan.of(site_symmetry(atoms), free=free)           # a fcc vacancy of 255 atoms: 24 displacements in place of 765
    plan.moves[0].atom, plan.moves[0].vector                  # displace it so, and evaluate forces
    hessian = plan.hessian(changes, step_A=5e-3)              # (3 n, 3 n) in eV/A^2

A rigid operation g = {R|t} that takes a structure onto itself takes what a displacement causes onto what the displaced image
causes: H[g i, g j] = R H[i, j] R^T (Maradudin and Vosko, Rev. Mod. Phys. 40, 1 (1968)). So of each set of equivalent atoms one
is displaced, and of that in as few directions as the operations that leave it in place need to make three independent ones. Where
one of them turns a direction around, one sign of the displacement gives the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.structure import minimum_image

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
_Direction = tuple[tuple[float, ...], tuple[int, ...]]

INDEPENDENT = 0.15
"""The least singular value over the largest of directions that count as independent: below it errors would be magnified."""
_SAME = 1e-6
"""A direction comes back, or is turned around, to so much."""
_DIRECTIONS = np.array(
    [
        direction
        for order in (1, 2, 3)
        for direction in product((0, 1, -1), repeat=3)
        if sum(map(abs, direction)) == order and next(filter(None, direction)) > 0
    ]
    + [(1, 2, 3), (3, 1, 2)],
    dtype=np.float64,
)
"""Along the axes, between them, and two in general position, for sites whose axes are not the coordinates'."""


class Operation(Protocol):
    """A rigid operation that takes a structure onto itself: see `mlip_kmc.model.isometry.Isometry`."""

    @property
    def rotation(self) -> Array:
        """(3, 3) orthogonal, of column vectors."""

    @property
    def mapping(self) -> Indices:
        """(N,) atom i comes to stand where atom `mapping[i]` stands."""


@dataclass(frozen=True)
class Move:
    """One atom displaced.

    Attributes:
        atom: its index.
        direction: a unit vector.
        sign: 1 or -1.
    """

    atom: int
    direction: tuple[float, ...]
    sign: int = 1

    @property
    def vector(self) -> Array:
        """(3,) with its sign."""
        return self.sign * np.array(self.direction)


@dataclass(frozen=True)
class Plan:
    """What is displaced, and what follows from it.

    Attributes:
        operations: of the structure, the identity among them.
        free: (n,) atoms of the Hessian, ascending; every operation takes them onto themselves.
        columns: (m,) those whose columns are wanted, likewise.
        moves: what must be evaluated, both signs beside each other where both are.
    """

    operations: tuple[Operation, ...]
    free: Indices
    columns: Indices
    moves: tuple[Move, ...]

    @classmethod
    def of(
        cls, operations: Sequence[Operation], *, free: Indices, columns: Indices | None = None
    ) -> "Plan":
        """The fewest displacements.

        Args:
            operations: of the structure, the identity among them, closed under products.
            free: atoms of the Hessian, ascending.
            columns: of these only; all where None.
        """
        wanted = free if columns is None else columns
        moves = [
            move
            for atom in _representatives(operations, wanted)
            for move in _moves_of(atom, operations)
        ]
        return cls(tuple(operations), free, wanted, tuple(moves))

    @property
    def displacements(self) -> int:
        """How many; a central difference takes two evaluations, or one where symmetry gives the other."""
        return sum(move.sign > 0 for move in self.moves)

    @property
    def reduces(self) -> bool:
        """There is a symmetry other than the identity."""
        return len(self.operations) > 1

    def hessian(self, changes: Array, *, step_A: float) -> Array:
        """The columns that are wanted, of all atoms of the Hessian.

        Args:
            changes: (moves, N, 3) forces of all N atoms after each move less those at rest, eV/A.
            step_A: by which atoms were displaced.

        Returns:
            (3 n, 3 m) in eV/A^2, as they come: not made symmetric.
        """
        found = np.full((len(self.free), 3, len(self.columns), 3), np.nan)
        at = {atom: number for number, atom in enumerate(self.columns.tolist())}
        for atom, numbers in self._by_atom.items():
            own = self._columns_of(atom, numbers, changes) / step_A
            for operation in self.operations:
                image = int(operation.mapping[atom])
                if not np.isnan(found[0, 0, at[image], 0]):
                    continue
                rotation, turned = operation.rotation, np.empty_like(own)
                turned[operation.mapping] = np.einsum("ab,nbc,dc->nad", rotation, own, rotation)
                found[:, :, at[image]] = turned[self.free]
        return found.reshape(3 * len(self.free), 3 * len(self.columns))

    @cached_property
    def _by_atom(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for number, move in enumerate(self.moves):
            found.setdefault(move.atom, []).append(number)
        return found

    def _columns_of(self, atom: int, numbers: list[int], changes: Array) -> Array:
        """(N, 3, 3) what a unit displacement of an atom does to all, by all images of its moves at once."""
        staying = [one for one in self.operations if one.mapping[atom] == atom]
        directions, responses = [], []
        for number in numbers:
            for one in staying:
                directions.append(one.rotation @ self.moves[number].vector)
                image = np.empty_like(changes[number])
                image[one.mapping] = -changes[number] @ one.rotation.T
                responses.append(image)
        solved = np.linalg.pinv(np.array(directions))  # (3, moves)
        return np.asarray(np.einsum("mna,dm->nad", np.array(responses), solved))


def _representatives(operations: Sequence[Operation], atoms: Indices) -> list[int]:
    """The first atom of each set of equivalent ones."""
    seen: set[int] = set()
    found = []
    for atom in atoms.tolist():
        if atom not in seen:
            found.append(atom)
            seen.update(int(one.mapping[atom]) for one in operations)
    return found


def _moves_of(atom: int, operations: Sequence[Operation]) -> Iterator[Move]:
    """Displacements whose images under what leaves the atom in place are three independent ones."""
    turns = [one.rotation for one in operations if one.mapping[atom] == atom]
    for direction, signs in _directions_for(tuple(tuple(turn.ravel().tolist()) for turn in turns)):
        yield from (Move(atom, direction, sign) for sign in signs)


@lru_cache(maxsize=1024)
def _directions_for(turns: tuple[tuple[float, ...], ...]) -> tuple[_Direction, ...]:
    """The fewest directions with their signs, and of those the ones with the fewest evaluations."""
    rotations = np.array(turns).reshape(-1, 3, 3)
    unit = _DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1)[:, None]
    images = np.einsum("gab,db->dga", rotations, unit)
    near = np.abs(images + unit[:, None]).max(axis=2) < _SAME
    signs = [(1,) if around else (1, -1) for around in near.any(axis=1)]
    for number in (1, 2, 3):
        good = [
            some
            for some in combinations(range(len(unit)), number)
            if _independent(images[list(some)].reshape(-1, 3))
        ]
        if good:
            best = min(good, key=lambda some: sum(len(signs[one]) for one in some))
            return tuple(((*unit[one].tolist(),), signs[one]) for one in best)
    raise AssertionError("the three axes are independent")


def _independent(vectors: Array) -> bool:
    sizes = np.linalg.svd(vectors, compute_uv=False)
    return len(sizes) == 3 and bool(sizes[2] > INDEPENDENT * sizes[0])


def symmetrised(
    positions_A: Array, operations: Sequence[Operation], *, cell_A: Array
) -> Array | None:
    """The mean of a structure's images: what a relaxation that stopped early would have come to.

    Args:
        positions_A: (N, 3).
        operations: that take the structure onto itself within a tolerance.
        cell_A: (3, 3) rows are vectors.

    Returns:
        (N, 3); None where the operations are no group, or do not fit the cell: then the mean is not symmetric.
    """
    total = np.zeros_like(positions_A)
    for one in operations:
        total += minimum_image(_image(positions_A, one, cell_A) - positions_A, cell_A)
    mean = positions_A + total / len(operations)
    off = max(
        float(np.abs(minimum_image(_image(mean, one, cell_A) - mean, cell_A)).max())
        for one in operations
    )
    return mean if off <= EXACT_A else None


EXACT_A = 1e-4
"""A structure made symmetric is so to this; cells are as symmetric as lengths equal to 1e-5."""


def _image(positions_A: Array, operation: Operation, cell_A: Array) -> Array:
    """Where the atoms are after an operation, in the structure's own order; the shift is the mean of all atoms'."""
    turned = np.empty_like(positions_A)
    turned[operation.mapping] = positions_A @ operation.rotation.T
    off = positions_A - turned
    shift = off[0] + minimum_image(off - off[0], cell_A).mean(axis=0)
    return np.asarray(turned + shift)
