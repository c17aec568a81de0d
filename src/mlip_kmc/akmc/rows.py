"""The rows of a state's process table as displacements of the state's own atoms, and how another state takes them over.

copied = Rows(state).take(Rows(known), operation)         # {process of the known state: process of the state}

eOn copies a reverse process from the state that the run came from, whose atoms may be permuted and wrapped: each row is brought
into the order of its own state first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from mlip_kmc.akmc.eon_files import mode_of
from mlip_kmc.akmc.state_files import text_of
from mlip_kmc.model.atom_path import match_atoms
from mlip_kmc.model.isometry import Isometry
from mlip_kmc.model.structure import Array, from_con, minimum_image, moved_con
from mlip_kmc.search.outcome import FoundProcess

SAME_A = 0.1
"""Saddles whose atoms are nearer than this, each to itself, are one: as eOn compares them."""
NEAR_A = 0.5
"""Saddles that are farther apart than this are two, however flat it is between them: F over a curvature of 0.02 eV/A^2."""
SAME_EV = 1e-2
"""As eOn's default of `energy_difference`."""


@dataclass(frozen=True)
class Row:
    """One process of a table.

    Attributes:
        process: its number. values: of the table.
        saddle, product: (N, 3) displacements in A of the state's atoms from its minimum.
        mode: (N, 3) at the saddle.
        results: text of its `results.dat`.
    """

    process: int
    values: Mapping[str, float]
    saddle: Array
    product: Array
    mode: Array
    results: str

    def turned(self, operation: Isometry) -> "Row":
        """The same process in another state."""
        return replace(
            self,
            saddle=operation.displaced(self.saddle),
            product=operation.displaced(self.product),
            mode=operation.displaced(self.mode),
        )

    def is_like(self, other: "Row") -> bool:
        """The same saddle, each atom at its own place."""
        apart = np.linalg.norm(self.saddle - other.saddle, axis=1).max()
        return bool(
            abs(self.values["barrier"] - other.values["barrier"]) <= SAME_EV and apart < SAME_A
        )

    def like_one_of(self, others: Iterable["Row"]) -> "Row | None":
        """The first of them that is like it; None where none is."""
        return next((other for other in others if self.is_like(other)), None)

    def beside(self, others: Iterable["Row"]) -> "Row | None":
        """The nearest of those that lead to the same product over a saddle of this barrier nearby; None where there is none."""
        near = {
            apart: other
            for other in others
            if (apart := self._apart_A(other)) < NEAR_A
            and _largest_A(self.product - other.product) < NEAR_A
            and abs(self.values["barrier"] - other.values["barrier"]) <= SAME_EV
        }
        return near[min(near)] if near else None

    def _apart_A(self, other: "Row") -> float:  # noqa: N802 - a unit
        return _largest_A(self.saddle - other.saddle)

    def as_one_of(self, others: Sequence["Row"], *, own: Sequence["Row"]) -> "Row | None":
        """The row of another table that this one is: like it, or beside it where no other row of its own table is nearer.

        Two saddles that a table has apart were told apart (`twins.py`); a flat one may be elsewhere in each of two tables.

        Args:
            others: the other table.
            own: its own table, in the same frame.
        """
        if (same := self.like_one_of(others)) is not None:
            return same
        other = self.beside(others)
        return other if other is not None and other.beside(own) is self else None


def _largest_A(vectors: Array) -> float:  # noqa: N802 - a unit
    """The length of the longest of (N, 3) vectors."""
    return float(np.linalg.norm(vectors, axis=1).max())


class Rows:
    """The process table of one of eOn's states."""

    def __init__(self, state: Any) -> None:
        """`state` is a `RecordingState`."""
        self._state = state
        self._read: tuple[int, tuple[Row, ...]] = (-1, ())
        # by process: the digest of its texts, and its row
        self._parsed: dict[int, tuple[bytes, Row]] = {}

    @cached_property
    def _con(self) -> str:
        return str(self._state.reactant_con)

    def __iter__(self) -> Iterator[Row]:
        """Rows as they are now; read once as long as nothing in the state's folder changes."""
        if self._read[0] != self._state.version:
            self._state.load_process_table()
            rows = [self._row(key, dict(row)) for key, row in list(self._state.procs.items())]
            self._read = (self._state.version, tuple(rows))
        return iter(self._read[1])

    def of(self, process: int) -> Row:
        """The row of one process."""
        return self._row(process, dict(self._state.get_process(process)))

    def _row(self, process: int, values: dict[str, float]) -> Row:
        """The row of a process; parsed anew only where one of its texts has changed."""
        state = self._state
        paths = (
            state.proc_reactant_path(process),
            state.proc_saddle_path(process),
            state.proc_product_path(process),
            state.proc_mode_path(process),
            state.proc_results_path(process),
        )
        texts = [text_of(path) for path in paths]
        digest = sha256("\0".join(texts).encode()).digest()
        if process not in self._parsed or self._parsed[process][0] != digest:
            self._parsed[process] = digest, self._displacements(process, texts)
        return replace(self._parsed[process][1], values=values)

    def _displacements(self, process: int, texts: list[str]) -> Row:
        """A row without its values, from the texts of its three structures, its mode and its results."""
        reactant, saddle_con, product_con, mode_dat, results = texts
        home, own = from_con(self._con), from_con(reactant)
        cell = np.asarray(home.cell.array, dtype=np.float64)
        saddle, product = from_con(saddle_con).positions, from_con(product_con).positions
        order = match_atoms(
            np.asarray(own.positions), np.asarray(home.positions), cell, home.get_chemical_symbols()
        )
        up = minimum_image(saddle - own.positions, cell)
        down = minimum_image(product - saddle, cell)
        mode = np.loadtxt(mode_dat.splitlines(), ndmin=2)
        ordered = np.empty((3, *up.shape))
        ordered[:, order] = (up, up + down, mode)
        return Row(
            process=process,
            values={},
            saddle=ordered[0],
            product=ordered[1],
            mode=ordered[2],
            results=results,
        )

    def take(self, known: "Rows", operation: Isometry) -> dict[int, int]:
        """Take over the rows of a state that an operation takes to this one; what is there already stays.

        Args:
            known: the table of that state.
            operation: see above.

        Returns:
            the number that each process of `known` has here.
        """
        there, rows = list(self), [entry.turned(operation) for entry in known]
        copied = {}
        for row in rows:
            same = row.as_one_of(there, own=rows)
            copied[row.process] = self._added(row) if same is None else same.process
        self._carry_orbits(known, copied)
        return copied

    def settle(self, process: int, *, leads_to: int) -> None:
        """Bring a reverse process that eOn has just added into the order of this state's atoms; it may be there already.

        eOn copies it from a state whose atoms may be permuted, where a loop of exchanges led back to a known state, and compares
        structures index by index: it would be a second process, and its rate would count twice.

        Args:
            process: of the table.
            leads_to: the state that it leads to.
        """
        state = self._state
        row = self.of(process)
        same = row.like_one_of(
            other
            for other in self
            if other.process != process and other.values["product"] in (-1, leads_to)
        )
        if same is not None:
            state.merge_row(process, into=same.process)
            return
        own = from_con(text_of(state.proc_reactant_path(process))).positions
        home = from_con(self._con)
        off = minimum_image(own - home.positions, np.asarray(home.cell.array))
        if not np.linalg.norm(off, axis=1).max() < SAME_A:
            state.write_row(process, self._files(row))

    def _added(self, row: Row) -> int:
        return int(self._state.add_row(values=row.values, files=self._files(row)))

    def _files(self, row: Row) -> dict[str, str]:
        home = np.asarray(from_con(self._con).positions)
        return {
            "reactant.con": self._con,
            "saddle.con": moved_con(self._con, home + row.saddle),
            "product.con": moved_con(self._con, home + row.product),
            "mode.dat": mode_of(row.mode),
            "results.dat": row.results,
        }

    def add_images(self, images: tuple[FoundProcess, ...], *, of: int) -> tuple[int, ...]:
        """Give the images of a new process rows of their own.

        Args:
            images: of what a search found, in the frame of the state.
            of: the process that the search's own saddle became.

        Returns:
            their numbers, without those that the table had.
        """
        own = self.of(of)
        there, orbit, added = list(self), [of], []
        home = np.asarray(from_con(self._con).positions)
        for image in images:
            row = replace(
                own,
                saddle=image.saddle_A - home,
                product=image.product_A - home,
                mode=image.mode,
            )
            same = row.like_one_of(there)
            if same is None:
                added.append(self._added(row))
                orbit.append(added[-1])
            else:
                orbit.append(same.process)
        self._state.join_orbit(orbit)
        return tuple(added)

    def _carry_orbits(self, known: "Rows", copied: Mapping[int, int]) -> None:
        for orbit in known._state.orbits:  # noqa: SLF001 - another of its kind
            self._state.join_orbit([copied[process] for process in orbit if process in copied])
