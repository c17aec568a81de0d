"""Whether the environments of a training set span a basis, and small rows for the directions that they leave out.

    span = span_of(rows, scales=scales)             # (m, n) projections of an element's atoms
    span.rank.independent, span.rank.functions      # 1, 35: a perfect crystal
    active = completed(rows, span)                   # (n, n): MaxVol's rows, and small ones that span the rest

Functions differ by ten orders of magnitude, and one that vanishes by symmetry in every structure of a set is 1e-30 and not zero.
So each is measured by what it comes to in structures without any symmetry (`natural_scales`). In these units a row has the length
1, and singular values below `rank.TOLERANCE` of the largest are rounding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from mlip_kmc.evaluate.gamma import Projector
from mlip_kmc.learning.maxvol import TOLERANCE
from mlip_kmc.potential.rank import Rank, rank_from

Array = npt.NDArray[np.float64]

SMALL = 1e-6
"""Of the small rows, in natural units: what is outside by a part x of what is usual has a gamma of about x / SMALL."""
_FIRM = 1e-10
"""Directions whose singular value is below this part of the largest get a small row, too, where a set is completed."""
_MOST_SWAPS = 5000
_PROBES, _PROBES_AN_ELEMENT = 24, 12


@dataclass(frozen=True)
class Scales:
    """What the functions of an element come to in structures without symmetry.

    Attributes:
        sizes: (n,) root mean squares, as powers of two: dividing by them loses no digit. signs: (n,) of their means.
    """

    sizes: Array
    signs: Array


@dataclass(frozen=True)
class Span:
    """What an element's environments span.

    Attributes:
        environments: how many there are.
        rank: how many of them are independent, of how many functions.
        scales: of the functions.
        values: singular values, the largest first. directions: (n, n) the directions that go with them, a row each, in natural
            units; the last ones, without a value, are those that no environment has.
    """

    environments: int
    rank: Rank
    scales: Scales
    values: Array
    directions: Array


def natural_scales(projector: Projector) -> dict[str, Scales]:
    """Those of every element of a basis; the same basis gives the same."""
    rows: dict[str, list[Array]] = {element: [] for element in projector.elements}
    for atoms in probes(projector.elements):
        for symbol, row in zip(
            atoms.get_chemical_symbols(), projector.evaluate(atoms).rows, strict=True
        ):
            rows[symbol].append(row)
    return {
        element: _scales(np.array(found).reshape(len(found), projector.functions[element]))
        for element, found in rows.items()
    }


def probes(elements: Sequence[str]) -> Iterator[Atoms]:
    """Eight atoms of any elements at about their bond lengths, displaced at random."""
    from ase.build import bulk  # brings much of SciPy

    rng = np.random.default_rng(20231)
    for number in range(_PROBES + _PROBES_AN_ELEMENT * len(elements)):
        symbols = [elements[number % len(elements)], *map(str, rng.choice(elements, 7))]
        bond_A = (
            2.0
            * float(np.mean([covalent_radii[atomic_numbers[symbol]] for symbol in symbols]))
            * rng.uniform(0.9, 1.4)
        )
        atoms = bulk("Cu", "fcc", a=bond_A * np.sqrt(2.0), cubic=True) * (2, 1, 1)
        atoms.set_chemical_symbols(symbols)
        atoms.positions += rng.normal(0.0, bond_A * rng.uniform(0.03, 0.15), (8, 3))
        yield atoms


def _scales(rows: Array) -> Scales:
    sizes = np.sqrt(np.mean(np.square(rows), axis=0))
    usual = float(np.median(sizes[sizes > 0.0])) if (sizes > 0.0).any() else 1.0
    sizes = np.where(sizes > 0.0, sizes, usual)
    return Scales(
        sizes=np.exp2(np.round(np.log2(sizes))), signs=np.where(rows.sum(axis=0) < 0.0, -1.0, 1.0)
    )


def span_of(rows: Array, *, scales: Scales) -> Span:
    """What rows (m, n) span.

    Args:
        rows: projections of an element's atoms.
        scales: of its functions.
    """
    functions = rows.shape[1]
    scaled = rows / scales.sizes
    lengths = np.linalg.norm(scaled, axis=1)
    scaled = scaled[lengths > 0.0] / lengths[lengths > 0.0, None]
    if len(scaled) > functions:
        scaled = np.asarray(np.linalg.qr(scaled, mode="r"), dtype=np.float64)
    _, values, directions = (
        np.linalg.svd(scaled) if len(scaled) else (None, np.zeros(0), np.eye(functions))
    )
    return Span(
        environments=len(rows),
        rank=rank_from(values, functions=functions),
        scales=scales,
        values=values,
        directions=directions,
    )


def chosen(rows: Array, span: Span) -> Array:
    """The active set (n, n) of a training set that spans the basis: python-ace's MaxVol."""
    return rows[_maxvol(rows / span.scales.sizes)]


def completed(rows: Array, span: Span) -> Array:
    """An active set (n, n) where some directions are missing: MaxVol's rows in those that are there, and small rows.

    A small row is one function alone, as large as `SMALL` of what is natural to it; which functions, a pivoted QR of the missing
    directions says. Rows are larger where the set's own rounding would make more than a tenth of them.
    """
    from scipy.linalg import qr

    scaled = rows / span.scales.sizes
    count = int(np.sum(span.values > _FIRM * span.values.max(initial=0.0)))
    seen, missing = span.directions[:count].T, span.directions[count:].T
    taken = scaled[_maxvol(scaled @ seen)] if count else scaled[:0]
    pivots = qr(missing.T, mode="r", pivoting=True)[1][: missing.shape[1]]
    left = np.abs(np.linalg.solve(missing[pivots].T, (scaled @ missing).T)).max(initial=0.0)
    small = np.zeros((len(pivots), rows.shape[1]))
    small[np.arange(len(pivots)), pivots] = (
        max(SMALL, 10.0 * float(left)) * span.scales.signs[pivots]
    )
    return np.vstack([taken, small]) * span.scales.sizes


def _maxvol(rows: Array) -> npt.NDArray[np.int64]:
    """Which of the rows (m, n), m >= n and of rank n, have the largest volume."""
    from pyace.maxvol import maxvol

    return np.asarray(
        maxvol(np.array(rows), tol=TOLERANCE, max_iters=_MOST_SWAPS)[0], dtype=np.int64
    )


def neighbours_never_met(
    projector: Projector, spans: Mapping[str, Span], rows: Mapping[str, Array]
) -> dict[str, list[str]]:
    """By element, those elements that none of its environments holds, though the basis has functions of them."""
    found: dict[str, list[str]] = {}
    for index, element in enumerate(projector.elements):
        functions = [*projector.pyace.basis_rank1[index], *projector.pyace.basis[index]]
        used = np.any(rows[element] != 0.0, axis=0)
        there = {
            int(mu)
            for function, one in zip(functions, used, strict=True)
            if one
            for mu in function.mus
        }
        known = {int(mu) for function in functions for mu in function.mus}
        if not spans[element].rank.full:
            found[element] = [projector.elements[mu] for mu in sorted(known - there)]
    return found
