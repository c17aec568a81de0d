"""Is the energy that of the atoms, and of nothing else? Rotated, moved, and with atoms of one element exchanged, it must stay.

Example:
    checks = symmetry_checks(atoms, calculator)

Forces must turn, stay and be exchanged with the atoms.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.spatial.transform import Rotation

from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.release.gate import LIMITS, Check, measured

Array = npt.NDArray[np.float64]
_SEED = 11
_TRIALS = 2
_UNIT = "eV, eV/A"


def symmetry_checks(atoms: Atoms, calculator: Any) -> tuple[Check, ...]:
    """Three checks: rotation, translation, permutation; the number is the largest difference of energy and force components.

    Args:
        atoms: periodic, not at a minimum, where all forces vanish.
        calculator: an ASE calculator of energy (eV) and forces (eV/A).
    """
    energy, forces = evaluated(atoms, calculator)

    def worst(trials: Iterator[tuple[Atoms, Array]]) -> float:
        differences = [0.0]
        for changed, expected in trials:
            found, new = evaluated(changed, calculator)
            differences += [abs(found - energy), float(np.abs(new - expected).max())]
        return float(np.max(differences))  # NaN, where there is one

    return (
        measured(
            "rotation",
            worst(_rotated(atoms, forces)),
            limit=LIMITS["rotation"],
            unit=_UNIT,
            about="energy and forces of the cell and its atoms turned at random",
        ),
        measured(
            "translation",
            worst(_moved(atoms, forces)),
            limit=LIMITS["translation"],
            unit=_UNIT,
            about="energy and forces of all atoms moved together, and wrapped",
        ),
        measured(
            "permutation",
            worst(_permuted(atoms, forces)),
            limit=LIMITS["permutation"],
            unit=_UNIT,
            about="energy and forces with the atoms in another order",
        ),
    )


def _rotated(atoms: Atoms, forces: Array) -> Iterator[tuple[Atoms, Array]]:
    for matrix in Rotation.random(_TRIALS, rng=np.random.default_rng(_SEED)).as_matrix():
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ matrix.T, scale_atoms=False)
        turned.positions = atoms.positions @ matrix.T
        yield turned, forces @ matrix.T


def _moved(atoms: Atoms, forces: Array) -> Iterator[tuple[Atoms, Array]]:
    for fraction in np.random.default_rng(_SEED).uniform(0.0, 1.0, (_TRIALS, 3)):
        moved = atoms.copy()
        moved.positions += fraction @ atoms.cell.array
        moved.wrap()
        yield moved, forces


def _permuted(atoms: Atoms, forces: Array) -> Iterator[tuple[Atoms, Array]]:
    rng = np.random.default_rng(_SEED)
    for _ in range(_TRIALS):
        order = rng.permutation(len(atoms))
        yield atoms[order], forces[order]
