"""The active set of a fitted potential: made anew of what the fit rests on, or carried on from the old one.

    made = new_active_set(Path("new.yaml"), structures, shares)        # the training set is there
    made = carried_on(old, structures)                                 # it is not: the old active set stands for it

Only environments that the fit was made to reproduce may enter: of the training set structures that count at least half (what is
far above the hull is there against holes, and would make gamma blind to what is unusual), and of labels the atoms of the core. A
correction keeps the basis functions, so the rows that the old active set rests on are rows of the new potential as well.
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
        inverses: by element, (n, n). atoms: how many were looked at. largest_gamma: of these.
    """

    inverses: Mapping[str, Array]
    atoms: int
    largest_gamma: float


def chosen_atoms(structure: LabelledStructure, share: float) -> npt.NDArray[np.bool_]:
    """(N,) which atoms may enter the active set."""
    whole = np.asarray(structure.force_weights) >= 1.0
    enters = structure.role is Role.LABEL or share >= HALF
    return np.asarray(whole & enters)


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
    made = make_active_set(basis, [one.atoms for one in structures], chosen_atoms=masks)
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
        old: of the present potential.
        structures: those that are no labels are passed over.
        projector: of the same functions.

    Raises:
        PotentialError: the result is no active set of the labels.
    """
    labels = [one for one in structures if one.role is Role.LABEL]
    rows: dict[str, list[Array]] = {element: [] for element in projector.elements}
    for one in labels:
        mask = chosen_atoms(one, 1.0)
        evaluated = projector.evaluate(one.atoms, full=old.full)
        for symbol, row, wanted in zip(
            one.atoms.get_chemical_symbols(), evaluated.rows, mask, strict=True
        ):
            if wanted:
                rows[symbol].append(row)
    inverses, largest = {}, 0.0
    for index, element in enumerate(projector.elements):
        inverse = np.asarray(old.inverses[element], dtype=np.float64)
        if rows[element]:
            pool = Pool(size=len(inverse))
            pool.add(np.array(rows[element]) @ inverse, owner=0)
            inverse = inverse @ pool.inverse
            largest = max(largest, float(np.abs(np.array(rows[element]) @ inverse).max()))
        # a full set's rows hold the embedding's slope, which is its prefactor where it is linear
        embedding = projector.pyace.map_embedding_specifications[index]
        inverses[element] = np.ascontiguousarray(
            inverse * (float(embedding.FS_parameters[0]) if old.full else 1.0)
        )
    if not largest <= _LARGEST:
        raise PotentialError(
            f"the active set {old.active_set} cannot be carried on: a gamma of {plain(largest)} is left among the labels, which "
            "should be 1; make it again with mlip-kmc potential activeset from the training set"
        )
    return Made(inverses=inverses, atoms=sum(map(len, rows.values())), largest_gamma=largest)
