"""A label, and what may be wrong with it, each fault with a kind of its own.

raise LabelError(LabelFault.NOT_CONVERGED, "it did not converge")       # .kind is what a caller goes by
as_label(energy, forces, atoms=8)                                       # numbers, or a LabelError
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import Array


class LabelFault(StrEnum):
    """What is wrong with a label."""

    CRASHED = "crashed"
    """The program raised, or ended with another exit code than 0."""
    TIME_LIMIT = "time limit"
    NO_ANSWER = "no answer"
    """The file that it was to write is missing, torn, or holds no energy or no forces."""
    WRONG_SHAPE = "wrong shape"
    """Not three numbers of force an atom."""
    NOT_FINITE = "not finite"
    NOT_CONVERGED = "not converged"
    OTHER_ATOMS = "other atoms"
    """Other elements or another number of them, or an order that cannot be told."""
    MOVED = "moved"
    """Atoms or cell are elsewhere than asked."""
    ABSURD_FORCE = "absurd force"
    NET_FORCE = "net force"
    """Forces do not add up to zero: single ones are wrong."""
    OUTLIER = "outlier"
    """Forces that are far from the potential's where it is sure."""
    OTHER_ZERO = "other zero"
    """Energies are off by so much an atom that they have another zero than the training set."""
    JOB = "job"
    """The scheduler's job ended without an answer."""


class LabelError(PotentialError):
    """A label that is not to be used.

    Attributes:
        kind: what is wrong with it.
    """

    def __init__(self, kind: LabelFault, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Label:
    """What an oracle says.

    Attributes:
        energy_eV: as it gave it, on its own zero.
        forces_eV_per_A: (N, 3).
    """

    energy_eV: float
    forces_eV_per_A: Array


def as_label(energy: Any, forces: Any, *, atoms: int) -> tuple[float, Array]:
    """Energy and forces as numbers.

    Raises:
        LabelError: the forces are not (atoms, 3), the energy is not one number, or they are not finite.
    """
    try:
        table = np.array(forces, dtype=float)
        number = float(energy)
    except (TypeError, ValueError) as error:
        raise LabelError(
            LabelFault.WRONG_SHAPE,
            "its energy is not one number, or its forces are no table of numbers",
        ) from error
    if table.shape != (atoms, 3):
        raise LabelError(
            LabelFault.WRONG_SHAPE,
            f"its forces are of the shape {table.shape}, not ({atoms}, 3)",
        )
    if not (np.isfinite(number) and np.isfinite(table).all()):
        raise LabelError(LabelFault.NOT_FINITE, "its energy or its forces are not finite numbers")
    return number, table
