"""Rows of barriers: the height of a labelled saddle above its labelled minimum, as one residual of a fit.

    rows = barrier_rows(structures, known={"0_3-saddle": found, "0-minimum": other}, weight=30.0)
    [(row.saddle, row.matrix, row.target) for row in rows]

A fit weighs energies an atom, which it knows to a share of a meV: of 65 atoms these are tens of meV. A barrier is a difference of
two whole energies, so it has a residual of its own, whose weight does not fall with the number of atoms.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.model.structure import Array


@dataclass(frozen=True)
class KnownEnergy:
    """What the basis and the oracle say of a whole structure.

    Attributes:
        row: (n,) of its energy, eV a unit of coefficient.
        target_eV: the oracle's energy less all that does not depend on the coefficients.
    """

    row: Array
    target_eV: float


@dataclass(frozen=True)
class BarrierRow:
    """A weighted residual.

    Attributes:
        saddle: index of the saddle among the structures.
        matrix: (1, n). target: (1,).
    """

    saddle: int
    matrix: Array
    target: Array


def takes_part(structures: Sequence[LabelledStructure]) -> set[str]:
    """Names of all saddles and minima whose barriers can be fitted: both energies count whole, and are of the same atoms."""
    return {name for saddle, minimum in _pairs(structures) for name in (saddle.name, minimum.name)}


def barrier_rows(
    structures: Sequence[LabelledStructure], *, known: Mapping[str, KnownEnergy], weight: float
) -> Iterator[BarrierRow]:
    """One for each saddle.

    Args:
        structures: of the fit, in its order.
        known: by name, of all that `takes_part`.
        weight: of 1 eV.
    """
    if not weight > 0.0:
        return
    places = {one.name: index for index, one in enumerate(structures)}
    for saddle, minimum in _pairs(structures):
        above, below = known[saddle.name], known[minimum.name]
        yield BarrierRow(
            saddle=places[saddle.name],
            matrix=(above.row - below.row)[None, :] * weight,
            target=np.array([(above.target_eV - below.target_eV) * weight]),
        )


def _pairs(
    structures: Sequence[LabelledStructure],
) -> Iterator[tuple[LabelledStructure, LabelledStructure]]:
    """Saddles with their minima."""
    by_name = {one.name: one for one in structures}
    for saddle in structures:
        minimum = by_name.get(saddle.minimum)
        if minimum is not None and _comparable(saddle, minimum):
            yield saddle, minimum


def _comparable(one: LabelledStructure, other: LabelledStructure) -> bool:
    whole = all(each.energy_eV is not None and each.energy_weight == 1.0 for each in (one, other))
    return whole and bool(sorted(one.atoms.numbers) == sorted(other.atoms.numbers))
