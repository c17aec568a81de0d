"""The active set of a fitted potential: carried on from the old one, or, with other functions, made of what the fit rests on.

    made = carried_on(old, structures, projector=projector)            # the functions are the same
    made = new_active_set(Path("new.yaml"), structures, shares)        # they are not

A row does not depend on coefficients: while the functions stay, those that the old active set rests on are rows of the new
potential as well, and labels are added as the selection foresaw when it chose them, in the order of their names. MaxVol on all
rows anew would end in another of its many solutions, with other gammas where nothing was learnt.

Only environments that the fit was made to reproduce may enter: of labels the atoms of the core, and of a training set structures
that count at least half (what is far above the hull is there against holes, and would make gamma blind to what is unusual).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlip_kmc.evaluate.gamma import Extrapolation, Projector
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import plain
from mlip_kmc.learning.active_set_maker import make_active_set
from mlip_kmc.learning.maxvol import Pool
from mlip_kmc.model.labelled import LabelledStructure, Role
from mlip_kmc.model.structure import Array

HALF = 0.5
_LARGEST = 1.1
"""The grade of environments that the active set was made of: 1, and what MaxVol's tolerance and rounding add."""


@dataclass(frozen=True)
class Made:
    """An active set.

    Attributes:
        inverses: by element, (n, n).
        atoms: how many were looked at; where a set is carried on, those of labels.
        largest_gamma: of these.
    """

    inverses: Mapping[str, Array]
    atoms: int
    largest_gamma: float


def chosen_atoms(structure: LabelledStructure, share: float) -> npt.NDArray[np.bool_]:
    """(N,) which atoms may enter the active set."""
    whole = np.asarray(structure.force_weights) == 1.0
    relevant = structure.role is Role.LABEL or share >= HALF
    return np.asarray(whole & relevant)


def new_active_set(
    basis: Path, structures: Sequence[LabelledStructure], shares: Sequence[float]
) -> Made:
    """An active set of structures.

    Args:
        basis: the fitted B-basis.
        structures: all that it was fitted to.
        shares: (M,) how much each counts for its energy, see `weights`.

    Raises:
        PotentialError: they do not span the basis.
    """
    masks = [chosen_atoms(*pair) for pair in zip(structures, shares, strict=True)]
    try:
        made = make_active_set(basis, [one.atoms for one in structures], chosen_atoms=masks)
    except PotentialError as error:
        raise PotentialError(
            error.fault,
            advice="add structures of other kinds to the training set, or take a smaller basis",
        ) from error
    return Made(
        inverses=made.inverses,
        atoms=made.atoms - made.left_out,
        largest_gamma=made.largest_gamma,
    )


def carried_on(
    old: Extrapolation, structures: Sequence[LabelledStructure], *, projector: Projector
) -> Made:
    """The old active set, with the rows of labels that make its volume larger.

    Args:
        old: of the present potential; a linear one.
        structures: those that are no labels are passed over.
        projector: of the same functions.

    Raises:
        PotentialError: the result is no active set of the labels.
    """
    pools = {element: Pool(size=len(inverse)) for element, inverse in old.inverses.items()}
    seen: dict[str, list[Array]] = {element: [] for element in old.inverses}
    labels = [one for one in structures if one.role is Role.LABEL]
    for number, one in enumerate(labels):
        evaluated = projector.evaluate(one.atoms)
        for element, rows in _rows_of(one, evaluated.rows).items():
            seen[element].append(rows)
            pools[element].add(rows @ old.inverses[element], owner=number)
    inverses, largest = {}, 0.0
    for element in projector.elements:
        inverse = np.asarray(old.inverses[element] @ pools[element].inverse, dtype=np.float64)
        for rows in seen[element]:
            largest = max(largest, float(np.abs(rows @ inverse).max()))
        inverses[element] = np.ascontiguousarray(inverse)
    if not largest <= _LARGEST:
        raise PotentialError(
            f"the active set {old.active_set} cannot be carried on: a gamma of {plain(largest)} is left among the labels, which "
            "should be 1; make it again with mlip-kmc potential activeset from the training set"
        )
    atoms = sum(len(rows) for found in seen.values() for rows in found)
    return Made(inverses=inverses, atoms=atoms, largest_gamma=largest)


def _rows_of(label: LabelledStructure, rows: Sequence[Array]) -> dict[str, Array]:
    """By element, the rows (m, n) of the atoms that may enter."""
    mask, symbols = chosen_atoms(label, 1.0), label.atoms.get_chemical_symbols()
    return {
        element: np.array(found)
        for element in sorted(set(symbols))
        if (
            found := [
                row
                for row, symbol, enters in zip(rows, symbols, mask, strict=True)
                if enters and symbol == element
            ]
        )
    }
