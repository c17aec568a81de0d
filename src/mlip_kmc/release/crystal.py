"""Properties of a cubic crystal under a potential: lattice constant, elastic constants, vacancy formation energy.

Example:
    crystal = CubicCrystal.relaxed(Crystal(formula="Cu", lattice="fcc", a_A=3.6), calculator)
    crystal.a_A, crystal.elastic_GPa(), crystal.vacancy_eV(cutoff_A=5.0)

Elastic constants are central differences of the stress (strain 1e-3), atoms relaxed where the lattice leaves them free. The
vacancy is relaxed at the crystal's volume: E(N - 1) - (N - 1) E(N) / N.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.build import bulk
from ase.optimize import BFGS
from scipy.optimize import minimize_scalar

from mlip_kmc.ground.constants import GPA_PER_EV_A3
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.release.settings import Crystal

Array = npt.NDArray[np.float64]
STRAIN = 1e-3
_RIGID = ("sc", "bcc", "fcc", "rocksalt", "cesiumchloride")
"""Lattices in which every atom is a centre of inversion, and stays where it is under strain."""
_FORCE_EV_PER_A = 1e-4
_MOST_STEPS = 300
_LEAST_REPEATS = 3


class ElasticConstants(NamedTuple):
    """In GPa."""

    C11: float
    C12: float
    C44: float


@dataclass(frozen=True)
class CubicCrystal:
    """A crystal at its lattice constant.

    Attributes:
        atoms: the conventional cell.
        a_A: its lattice constant.
        calculator: what evaluates it (energy eV, forces eV/A, stress eV/A^3).
        rigid: strain moves no atom against another.
    """

    atoms: Atoms
    a_A: float
    calculator: Any
    rigid: bool

    @classmethod
    def relaxed(cls, wanted: Crystal, calculator: Any) -> Self:
        """At the lattice constant of least energy, near the given one.

        Raises:
            PotentialError: there is none within 10 %.
        """
        cell = bulk(wanted.formula, wanted.lattice, a=wanted.a_A, cubic=True)

        def energy(a_A: float) -> float:
            scaled = cell.copy()
            scaled.set_cell(cell.cell.array * (a_A / wanted.a_A), scale_atoms=True)
            scaled.calc = calculator
            return float(scaled.get_potential_energy()) / len(scaled)

        lowest_A, highest_A = 0.9 * wanted.a_A, 1.1 * wanted.a_A
        found = float(
            minimize_scalar(
                energy, bounds=(lowest_A, highest_A), method="bounded", options={"xatol": 1e-7}
            ).x
        )
        if not lowest_A + 1e-3 < found < highest_A - 1e-3:
            raise PotentialError(
                f"the potential has no {wanted.lattice} {wanted.formula} with a lattice constant within 10 % of "
                f"{wanted.a_A:g} A; correct release.references.crystal"
            )
        cell.set_cell(cell.cell.array * (found / wanted.a_A), scale_atoms=True)
        return cls(atoms=cell, a_A=found, calculator=calculator, rigid=wanted.lattice in _RIGID)

    def elastic_GPa(self) -> ElasticConstants:  # noqa: N802 - a unit
        """C11, C12 and C44."""
        along, shear = np.zeros((3, 3)), np.zeros((3, 3))
        along[0, 0] = STRAIN
        shear[1, 2] = shear[2, 1] = STRAIN / 2.0
        stretched = (self._stress(along) - self._stress(-along)) / (2.0 * STRAIN) * GPA_PER_EV_A3
        sheared = (self._stress(shear) - self._stress(-shear)) / (2.0 * STRAIN) * GPA_PER_EV_A3
        return ElasticConstants(
            C11=float(stretched[0]),
            C12=float((stretched[1] + stretched[2]) / 2.0),
            C44=float(sheared[3]),
        )

    def vacancy_eV(self, *, cutoff_A: float) -> float:  # noqa: N802 - a unit
        """Formation energy of a vacancy in a cell that is at least twice the cutoff wide.

        Raises:
            PotentialError: it does not relax.
        """
        repeats = max(_LEAST_REPEATS, int(np.ceil(2.0 * cutoff_A / self.a_A)))
        whole = self.atoms.repeat(repeats)
        whole.calc = self.calculator
        energy = float(whole.get_potential_energy())
        defect = whole.copy()
        del defect[0]
        defect.calc = self.calculator
        self._relax(defect)
        return float(defect.get_potential_energy()) - (len(whole) - 1) / len(whole) * energy

    def _stress(self, strain: Array) -> Array:
        """(6,) in eV/A^3, in Voigt's order."""
        strained = self.atoms.copy()
        strained.set_cell(self.atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        strained.calc = self.calculator
        if not self.rigid:
            self._relax(strained)
        return np.asarray(strained.get_stress(), dtype=np.float64)

    @staticmethod
    def _relax(atoms: Atoms) -> None:
        if not BFGS(atoms, logfile=None).run(fmax=_FORCE_EV_PER_A, steps=_MOST_STEPS):
            raise PotentialError(
                f"a strained crystal or a vacancy does not relax in {_MOST_STEPS} steps under the potential"
            )
