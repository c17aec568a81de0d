"""Where an ACE's radial functions end, and how much force and energy jump across a distance.

    largest_jump("Cu", "Cu", 5.0, calculator)       # eV/A, for each distance in cutoffs_of(potential)["Cu-Cu"]

Two atoms are taken across the distance in steps of 1e-4 A. A jump of the force shows in its second difference, one of the energy
in what the forces do not account for (Simpson's rule): both vanish, as the square of the step and faster, where nothing jumps.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential

STEP_A = 1e-4
_POINTS = 21
_OFFSET = 0.37
"""Of a step: no point lies on the distance itself."""


def cutoffs_of(potential: AcePotential) -> dict[str, tuple[float, ...]]:
    """In A, by pair of elements: where its own radial functions end; two where they differ by which of both is the centre.

    An alloy's pairs have cutoffs of their own: at the largest of all, most of them are zero already.

    Raises:
        PotentialError: python-ace cannot read it.
    """
    from mlip_kmc.potential.python_ace import ACECTildeBasisSet

    try:
        bonds = ACECTildeBasisSet(str(potential.yace)).map_bond_specifications
    except Exception as error:  # python-ace raises anything
        raise PotentialError(
            f"python-ace cannot read {potential.yace}: {error}; fit it again"
        ) from error
    found: dict[str, set[float]] = {}
    for (first, second), bond in bonds.items():
        pair = "-".join(sorted((potential.elements[first], potential.elements[second])))
        found.setdefault(pair, set()).add(float(bond.rcut))
    return {pair: tuple(sorted(found[pair])) for pair in sorted(found)}


def largest_jump(
    first: str,
    second: str,
    distance_A: float,
    calculator: Any,
    *,
    others: Iterable[Sequence[float]] = (),
) -> float:
    """In eV/A: how much force and energy of two atoms jump across a distance.

    Args:
        first: an element.
        second: the other's.
        distance_A: where.
        calculator: an ASE calculator.
        others: positions of more atoms of the first element.
    """
    places = distance_A + STEP_A * (np.arange(_POINTS) - _POINTS // 2 + _OFFSET)
    energies, forces = np.empty(_POINTS), np.empty(_POINTS)
    rest = list(others)
    for index, place in enumerate(places):
        atoms = Atoms(
            [first, second, *[first] * len(rest)], positions=[(0, 0, 0), (place, 0, 0), *rest]
        )
        energies[index], found = evaluated(atoms, calculator)
        forces[index] = found[1, 0]
    curvature = np.abs(np.diff(forces, 2))
    work = STEP_A / 3.0 * (forces[:-2] + 4.0 * forces[1:-1] + forces[2:])
    unaccounted = np.abs(energies[2:] - energies[:-2] + work) / (2.0 * STEP_A)
    return float(np.max([curvature, unaccounted]))
