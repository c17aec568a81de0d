"""Which known minima a product may be, without a comparison with each of them.

    minima = Minima(same_A=0.1, permuted=True)
    minima.put(7, energy_eV=-3.1, positions_A=positions)
    minima.like(product_A, cell, reached_from=7, energy_eV=-3.1, within_eV=0.01, shifted=True)   # numbers of states, in order

A long run has thousands of states of the same energy, and eOn compares each new product with all of them, atom by atom. Here all
are looked at in a few operations on arrays. A state is left out only where eOn's comparison (`eon.atoms.match`) says no for
certain. After the shift that eOn makes, that is where the product's atom that has just moved, or the one that is farthest from
its place, stands where none of the state's does; and where the state's atom that is nearest to the place which was left stands
where none of the product's does.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.structure import Array

Floats = npt.NDArray[np.float32]

_ROUNDING_A = 1e-3
_HALF = 0.5 - 1e-4
"""Half a cell away an atom may be on either side, as rounding has it."""
_AT_A_TIME = 1_000_000
"""Coordinates."""


class Minima:
    """Energies and places of the minima of a run's states, by number."""

    def __init__(self, *, same_A: float, permuted: bool) -> None:
        """None is known.

        Args:
            same_A: an atom is where another one was.
            permuted: like atoms may take each other's places.
        """
        self._same_A, self._permuted = same_A + _ROUNDING_A, permuted
        self._row_of: dict[int, int] = {}
        self._numbers = np.zeros(0, dtype=np.int64)
        self._energies = np.zeros(0)
        self._places = np.zeros((0, 0, 3), dtype=np.float32)

    def __contains__(self, number: int) -> bool:
        return number in self._row_of

    def put(self, number: int, *, energy_eV: float, positions_A: Array) -> None:
        """A state's minimum is there.

        Args:
            number: of the state.
            energy_eV: of the minimum.
            positions_A: (N, 3).
        """
        row = self._row_of.setdefault(number, len(self._row_of))
        if row >= len(self._numbers):
            room = max(64, 2 * row)
            self._numbers = np.resize(self._numbers, room)
            self._energies = np.resize(self._energies, room)
            places = np.zeros((room, *positions_A.shape), dtype=np.float32)
            places[:row] = self._places[:row] if row else places[:0]
            self._places = places
        self._numbers[row], self._energies[row] = number, energy_eV
        self._places[row] = positions_A

    def forget(self, number: int) -> None:
        """A state's minimum or its energy is another one now."""
        row = self._row_of.get(number)
        if row is None:
            return
        last = len(self._row_of) - 1
        for values in (self._numbers, self._energies, self._places):
            values[row] = values[last]
        self._row_of[int(self._numbers[row])] = row
        del self._row_of[number]

    def like(
        self,
        positions_A: Array,
        cell: Array,
        *,
        reached_from: int,
        energy_eV: float,
        within_eV: float,
        shifted: bool,
    ) -> list[int]:
        """The states that may have this minimum, in the order of their numbers.

        Args:
            positions_A: (N, 3) of a product.
            cell: (3, 3), rows are vectors.
            reached_from: the number of the state whose product it is, atom by atom; it is known.
            energy_eV: of the minimum.
            within_eV: energies that differ by less may be equal.
            shifted: all atoms together may be elsewhere.
        """
        count = len(self._row_of)
        rows = np.flatnonzero(np.abs(self._energies[:count] - energy_eV) < within_eV)
        product = _Product(positions_A, cell, self._places[self._row_of[reached_from]])
        found: list[int] = []
        for part in _parts(rows, len(positions_A)):
            kept = part[self._may_be(self._places[part], product, shifted=shifted)]
            found += self._numbers[kept].tolist()
        return sorted(found)

    def _may_be(
        self, there: Floats, product: "_Product", *, shifted: bool
    ) -> npt.NDArray[np.bool_]:
        """(S,) may states with these (S, N, 3) places be the product?"""
        off = product.wrapped(product.places - there)
        unsure = ~(np.abs(off) <= _HALF).all(axis=(1, 2))
        if shifted:
            shift = off.mean(axis=1, keepdims=True)
            off = _wrapped(off - shift)
            there = there + shift @ product.cell
        if not self._permuted:
            near = product.longest_A(off) <= self._same_A
            return np.asarray(near | unsure) if shifted else near
        near = np.ones(len(there), dtype=bool)
        farthest = np.einsum("snc,snc->sn", off, off).argmax(axis=1)
        for point in (product.places[product.mover][None], product.places[farthest]):
            rest = np.flatnonzero(near)
            places = point[:, None] if len(point) == 1 else point[rest, None]
            near[rest] = product.apart_A(there[rest] - places).min(axis=1) <= self._same_A
        rest = np.flatnonzero(near)
        nearest = product.apart_A(there[rest] - product.left).argmin(axis=1)
        atoms = there[rest, nearest][:, None]
        near[rest] = product.apart_A(product.places - atoms).min(axis=1) <= self._same_A
        return np.asarray(near | unsure) if shifted else near


class _Product:
    """A product: its atoms, which of them came farthest, and the place that it left."""

    def __init__(self, positions_A: Array, cell: Array, before: Floats) -> None:
        self.places = np.asarray(positions_A, dtype=np.float32)
        self.cell = np.asarray(cell, dtype=np.float32)
        self._inverse = np.asarray(np.linalg.inv(cell), dtype=np.float32)
        self.mover = int(self.apart_A(self.places - before).argmax())
        self.left = before[self.mover]

    def wrapped(self, vectors: Floats) -> Floats:
        """(..., 3) fractions of the cell's vectors, of the image that eOn takes."""
        return _wrapped(vectors @ self._inverse)

    def apart_A(self, vectors: Floats) -> Floats:  # noqa: N802 - a unit
        """(...) lengths of (..., 3) vectors."""
        return np.asarray(np.linalg.norm(self.wrapped(vectors) @ self.cell, axis=-1))

    def longest_A(self, fractions: Floats) -> Floats:  # noqa: N802 - a unit
        """(S,) the largest length of (S, N, 3) vectors."""
        return np.asarray(np.linalg.norm(fractions @ self.cell, axis=-1).max(axis=-1))


def _wrapped(fractions: Floats) -> Floats:
    return np.asarray(fractions - np.rint(fractions))


def _parts(rows: npt.NDArray[np.int64], atoms: int) -> Iterator[npt.NDArray[np.int64]]:
    """Rows, as many at a time as fit into memory that is small."""
    width = max(_AT_A_TIME // max(atoms, 1), 1)
    for start in range(0, len(rows), width):
        yield rows[start : start + width]
