"""Harmonic (Vineyard) prefactors of a process and of its reverse.

Example:
    found = prefactors(spectrum(...), spectrum(...), spectrum(...))      # reactant, saddle, product
    found.forward_per_s, found.back_per_s                                 # or a PrefactorFailure is raised

Vineyard, J. Phys. Chem. Solids 3, 121 (1957): the product of the frequencies of the reactant divided by the product of the real
frequencies of the saddle. A free rotation adds the square root of the ratio of the moments of inertia at saddle and reactant (the
classical partition function of a rotor).
"""

import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from mlip_kmc.ground.constants import ATOMIC_MASS_KG, ELEMENTARY_CHARGE_C
from mlip_kmc.model.rates.rigid import rigid_motions

Array = npt.NDArray[np.float64]

FREQUENCY_PER_S = math.sqrt(ELEMENTARY_CHARGE_C / ATOMIC_MASS_KG) * 1e10 / (2 * math.pi)
"""The frequency of an eigenvalue of 1 eV/(A^2 u)."""
SOFT = 1e-6
"""Eigenvalues below this fraction of the largest are within the error of finite differences of forces."""
LEAST_PER_S, MOST_PER_S = 1e9, 1e17
"""Range of prefactors for which harmonic theory is accepted."""


class Point(StrEnum):
    """One of the three structures of a process."""

    REACTANT = "reactant"
    SADDLE = "saddle"
    PRODUCT = "product"


class FailureKind(StrEnum):
    """Why a process has no harmonic prefactor."""

    NOT_EVALUATED = "forces could not be evaluated"
    NOT_FINITE = "its Hessian is not finite"
    NOT_A_MINIMUM = "it is no minimum"
    NOT_A_SADDLE = "it is no first-order saddle"
    SOFT_MODE = "a mode is too soft"
    OTHER_ROTATIONS = "it turns in another number of ways than the reactant"
    OUT_OF_RANGE = "the prefactor is out of range"


class PrefactorFailure(Exception):  # noqa: N818 - an outcome, not an error of the program
    """A process has no harmonic prefactor.

    Attributes:
        kind: the reason.
        point: the structure that it was found at.
        detail: the numbers that show it, in words.
    """

    def __init__(self, kind: FailureKind, point: Point, detail: str = "") -> None:
        """Keep the reason; the message is made of it."""
        super().__init__(f"{point}: {kind}{f' ({detail})' if detail else ''}")
        self.kind, self.point, self.detail = kind, point, detail


@dataclass(frozen=True)
class Spectrum:
    """Summary of the eigenvalues of a Hessian, without rigid motions that cost no energy.

    Attributes:
        modes: number of vibrations.
        negative: number of eigenvalues below zero among them.
        lowest, softest, largest: the lowest eigenvalue, the one nearest to zero, and the largest, eV/(A^2 u).
        log_positive: sum of ln of the positive eigenvalues in eV/(A^2 u).
        rotations: number of free rotations.
        log_inertia: ln of the product of their moments of inertia, u A^2.
        finite: false where the Hessian has infinite entries or entries that are not numbers; the other values are then unused.
    """

    modes: int
    negative: int
    lowest: float
    softest: float
    largest: float
    log_positive: float
    rotations: int
    log_inertia: float
    finite: bool = True

    def to_json(self) -> str:
        """One line of JSON with exact numbers."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Spectrum":
        """The spectrum from a line of `to_json`."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Prefactors:
    """Attempt frequencies in 1/s: of the process, and of its reverse."""

    forward_per_s: float
    back_per_s: float


def spectrum(hessian: Array, *, masses_u: Array, positions_A: Array, held_A: Array) -> Spectrum:
    """The spectrum of a Hessian, with motions that cost no energy projected out.

    Args:
        hessian: (3 n, 3 n), mass-weighted, eV/(A^2 u), of the n atoms that move.
        masses_u: (n,).
        positions_A: (n, 3), at rest; a cluster must not be cut by the cell's boundary.
        held_A: (m, 3) positions of the atoms that do not move.
    """
    if not np.isfinite(hessian).all():
        return Spectrum(len(hessian), 0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, finite=False)
    rigid = rigid_motions(hessian, masses_u=masses_u, positions_A=positions_A, held_A=held_A)
    inside = hessian - rigid.vectors @ (rigid.vectors.T @ hessian)
    inside = inside - (inside @ rigid.vectors) @ rigid.vectors.T
    away = (
        2.0 * float(np.linalg.norm(hessian)) + 1.0
    )  # beyond every eigenvalue: the rigid ones come last
    count = rigid.vectors.shape[1]
    values = np.linalg.eigvalsh((inside + inside.T) / 2 + away * rigid.vectors @ rigid.vectors.T)[
        : len(hessian) - count
    ]
    if len(values) == 0:
        return Spectrum(0, 0, 0.0, 0.0, 0.0, 0.0, rigid.rotations, rigid.log_inertia)
    return Spectrum(
        modes=len(values),
        negative=int((values < 0).sum()),
        lowest=float(values[0]),
        softest=float(np.abs(values).min()),
        largest=float(np.abs(values).max()),
        log_positive=float(np.log(values[values > 0]).sum()),
        rotations=rigid.rotations,
        log_inertia=rigid.log_inertia,
    )


def prefactors(reactant: Spectrum, saddle: Spectrum, product: Spectrum) -> Prefactors:
    """Prefactors of a process in both directions.

    Raises:
        PrefactorFailure: harmonic theory gives no prefactor for one direction. Then it is used for neither, because both rates
            must come from one theory to obey detailed balance.
    """
    for point, found in (
        (Point.REACTANT, reactant),
        (Point.SADDLE, saddle),
        (Point.PRODUCT, product),
    ):
        _check(point, found, negative=1 if point is Point.SADDLE else 0)
        if (found.rotations, found.modes) != (reactant.rotations, reactant.modes):
            raise PrefactorFailure(
                FailureKind.OTHER_ROTATIONS, point, f"{found.rotations}, not {reactant.rotations}"
            )
    return Prefactors(
        forward_per_s=_vineyard(reactant, saddle, Point.REACTANT),
        back_per_s=_vineyard(product, saddle, Point.PRODUCT),
    )


def _check(point: Point, found: Spectrum, *, negative: int) -> None:
    if not found.finite:
        raise PrefactorFailure(FailureKind.NOT_FINITE, point)
    if not found.softest > SOFT * found.largest:
        raise PrefactorFailure(FailureKind.SOFT_MODE, point, f"{found.softest:.1e} eV/(A^2 u)")
    if found.negative != negative:
        kind = FailureKind.NOT_A_SADDLE if negative else FailureKind.NOT_A_MINIMUM
        raise PrefactorFailure(
            kind,
            point,
            f"{found.negative} negative eigenvalues, lowest {found.lowest:.1e} eV/(A^2 u)",
        )


def _vineyard(minimum: Spectrum, saddle: Spectrum, point: Point) -> float:
    exponent = (
        minimum.log_positive - saddle.log_positive + saddle.log_inertia - minimum.log_inertia
    ) / 2
    found = FREQUENCY_PER_S * math.exp(min(exponent, 100.0))
    if not LEAST_PER_S <= found <= MOST_PER_S:
        raise PrefactorFailure(
            FailureKind.OUT_OF_RANGE,
            point,
            f"{found:.1e} per s, not {LEAST_PER_S:.0e} to {MOST_PER_S:.0e}",
        )
    return found
