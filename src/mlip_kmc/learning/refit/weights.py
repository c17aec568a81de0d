"""How much each energy and each atom's forces count in a fit: less far above the hull, less where forces are large.

    heights = heights_above_hull(structures)        # (M,) eV an atom; NaN where the energy does not count
    weights = weights_of(structures[0], heights[0], section)

Weights multiply residuals. What is `energy_scale_eV` above the hull, or has a force of `force_scale_eV_per_A`, counts half, and
what is far beyond falls with the square: 1 / (1 + (x / scale)^2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.labelled import LabelledStructure, Role
from mlip_kmc.model.structure import Array

_ROUNDING_EV = 1e-9


@dataclass(frozen=True)
class Weights:
    """Those of one structure.

    Attributes:
        energy: of its energy an atom; 0 where it has none. forces: (N,) of each atom's three components.
        share: 1 on the hull, a half at `energy_scale_eV` above it.
    """

    energy: float
    forces: Array
    share: float


def weights_of(
    structure: LabelledStructure, height_eV_per_atom: float, section: RefitSection
) -> Weights:
    """The weights of a structure.

    Args:
        structure: labelled.
        height_eV_per_atom: above the hull; NaN where it is not known: the structure then counts whole.
        section: the configuration's.
    """
    share = (
        falling(height_eV_per_atom / section.energy_scale_eV)
        if np.isfinite(height_eV_per_atom)
        else 1.0
    )
    # a label counts like so many structures of the training set: the square of a residual's weight
    repeats = np.sqrt(section.label_weight) if structure.role is Role.LABEL else 1.0
    sizes = np.linalg.norm(structure.forces_eV_per_A, axis=1) / section.force_scale_eV_per_A
    forces = repeats * np.asarray(structure.force_weights) * falling(sizes)
    energy = (
        0.0
        if structure.energy_eV is None
        else float(repeats * section.energy_weight * structure.energy_weight * share)
    )
    return Weights(energy=energy, forces=np.asarray(forces), share=float(share))


def falling(ratio: Array | float) -> Array | float:
    """1 at 0, a half at 1, falling with the square."""
    return 1.0 / (1.0 + np.square(ratio))


def heights_above_hull(structures: Sequence[LabelledStructure]) -> Array:
    """(M,) energies an atom above the lower convex hull of the set itself, in eV; NaN where an energy does not count.

    Each composition's lowest energy is a corner of the hull or above it: with one element it is the lowest energy an atom.
    """
    counted = [
        index
        for index, one in enumerate(structures)
        if one.energy_eV is not None and one.energy_weight > 0.0
    ]
    heights = np.full(len(structures), np.nan)
    if not counted:
        return heights
    elements = sorted({symbol for i in counted for symbol in structures[i].atoms.symbols})
    shares = np.array([_composition(structures[i], elements) for i in counted])
    energies = np.array([_energy(structures[i]) for i in counted])
    kinds, which = np.unique(np.round(shares, 9), axis=0, return_inverse=True)
    which = which.reshape(-1)
    lowest = np.array([energies[which == kind].min() for kind in range(len(kinds))])
    hull = np.array([_hull_at(kind, kinds, lowest) for kind in range(len(kinds))])
    heights[counted] = np.maximum(energies - hull[which], 0.0)
    return heights


def _energy(structure: LabelledStructure) -> float:
    if structure.energy_eV is None:  # pragma: no cover - chosen by the caller
        raise StructureError(f"{structure.name} has no energy")
    return structure.energy_eV / len(structure.atoms)


def _composition(structure: LabelledStructure, elements: Sequence[str]) -> Array:
    symbols = np.array(structure.atoms.get_chemical_symbols())
    return np.array([float(np.mean(symbols == element)) for element in elements])


def _hull_at(kind: int, kinds: Array, lowest: Array) -> float:
    """The lowest mixture of compositions that has this one: a linear programme."""
    if len(kinds) == 1:
        return float(lowest[0])
    from scipy.optimize import linprog

    found = linprog(
        lowest,
        A_eq=np.vstack([kinds.T, np.ones(len(kinds))]),
        b_eq=np.append(kinds[kind], 1.0),
        bounds=(0.0, None),
        method="highs",
    )
    # rounding of the programme must not put the lowest structure above the hull
    value = float(found.fun) if found.status == 0 else float(lowest[kind])
    return float(lowest[kind]) if value > lowest[kind] - _ROUNDING_EV else value
