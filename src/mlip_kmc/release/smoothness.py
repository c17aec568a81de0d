"""Does the energy go smoothly through the distances where something is switched: the cutoff, and the baseline's two ends?

Example:
    check = cutoff_check(cutoffs_of(potential), calculator=calculator)

Two atoms are taken across the distance in steps of 1e-4 A. A jump of the force shows in its second difference, one of the energy
in what the forces do not account for (Simpson's rule): both vanish, as the square of the step and faster, where nothing jumps.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential
from mlip_kmc.release.gate import LIMITS, Check, CheckVerdict, measured
from mlip_kmc.release.symmetry import evaluated

Array = npt.NDArray[np.float64]
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
    from pyace import ACECTildeBasisSet

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


def cutoff_check(cutoffs_A: Mapping[str, Sequence[float]], *, calculator: Any) -> Check:
    """Each pair of elements across its cutoffs, beside a third atom near to both, which makes it a matter of many bodies.

    Args:
        cutoffs_A: by pair of elements.
        calculator: an ASE calculator.
    """
    found = {}
    for name, distances in cutoffs_A.items():
        first, second = name.split("-")
        for distance_A in distances:
            third = [(0.45 * distance_A, 0.3 * distance_A, 0.0)]
            found[f"{name} at {distance_A:g} A"] = largest_jump(
                first, second, distance_A, calculator, others=third
            )
    pair = _worst(found)
    return measured(
        "cutoff",
        found[pair],
        limit=LIMITS["cutoff"],
        unit="eV/A",
        detail=f"worst for {pair}",
        about="jump of force and energy across the cutoffs of each pair of elements",
    )


def baseline_check(pairs: Mapping[str, tuple[float, float]], *, calculator: Any) -> Check:
    """Each pair across the two distances of its repulsion.

    Args:
        pairs: by pair of elements, where its switch begins and ends in A.
        calculator: ACE and baseline together.
    """
    about = "jump of force and energy where the baseline's switch begins and ends"
    if not pairs:
        return Check(
            name="baseline",
            about=about,
            verdict=CheckVerdict.PASSED,
            detail="the potential has no baseline",
        )
    found = {}
    for name, distances in pairs.items():
        first, second = name.split("-")
        for distance_A in distances:
            found[f"{name} at {distance_A:g} A"] = largest_jump(
                first, second, distance_A, calculator
            )
    pair = _worst(found)
    return measured(
        "baseline",
        found[pair],
        limit=LIMITS["baseline"],
        unit="eV/A",
        about=about,
        detail=f"worst for {pair}",
    )


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


def _worst(found: Mapping[str, float]) -> str:
    return max(found, key=lambda name: np.inf if np.isnan(found[name]) else found[name])
