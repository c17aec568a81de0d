"""Errors of a potential on labelled structures: each atom counts by its weight.

errors = errors_on(potential, test)
errors.force_rmse_eV_per_A, errors.energy_rmse_eV_per_atom      # the latter None where no energy counts
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlip_kmc.evaluate.agreement import unguarded
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.model.structure import Array
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline


@dataclass(frozen=True)
class Errors:
    """Root mean squares.

    Attributes:
        structures: how many.
        energy_rmse_eV_per_atom: of those energies that count; None where none does.
        force_rmse_eV_per_A: of the components of those forces that count; None where none does.
    """

    structures: int
    energy_rmse_eV_per_atom: float | None
    force_rmse_eV_per_A: float | None


def errors_on(potential: AcePotential, structures: Sequence[LabelledStructure]) -> Errors:
    """The errors of a potential, its baseline included, by python-ace; NaN where it gives no number.

    Raises:
        StructureError, PotentialError: it cannot evaluate a structure.
    """
    calculator = whole_calculator(potential)
    return errors_from(structures, [evaluated(one.atoms, calculator) for one in structures])


def errors_from(
    structures: Sequence[LabelledStructure], predictions: Sequence[tuple[float, Array]]
) -> Errors:
    """The errors of predicted energies in eV and forces (N, 3) in eV/A."""
    energies, squares, counts = [], 0.0, 0.0
    for one, (energy, forces) in zip(structures, predictions, strict=True):
        if one.energy_eV is not None and one.energy_weight > 0.0:
            energies.append((energy - one.energy_eV) / len(one.atoms))
        counting = np.asarray(one.force_weights) > 0.0
        weights = np.asarray(one.force_weights)[counting, None]
        squares += float(np.sum(weights * np.square(forces - one.forces_eV_per_A)[counting]))
        counts += 3.0 * float(weights.sum())
    return Errors(
        structures=len(structures),
        energy_rmse_eV_per_atom=float(np.sqrt(np.mean(np.square(energies)))) if energies else None,
        force_rmse_eV_per_A=float(np.sqrt(squares / counts)) if counts > 0.0 else None,
    )


def baseline_under(potential: AcePotential) -> Baseline | None:
    """What is added to the ACE: as configured, else as its record says that it was subtracted."""
    if potential.baseline is not None:
        return potential.baseline
    subtracted = potential.record.baseline if potential.record else None
    return Baseline(pairs=subtracted) if subtracted else None


def whole_calculator(potential: AcePotential) -> Any:
    """ACE and baseline, without least distances, by python-ace."""
    return calculator_of(replace(unguarded(potential), baseline=baseline_under(potential)))
