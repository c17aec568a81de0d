"""Does the energy go smoothly through the distances where something is switched: the cutoff, and the baseline's two ends?

check = cutoff_check(cutoffs_of(potential), calculator=calculator)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlip_kmc.evaluate.smoothness import largest_jump
from mlip_kmc.release.gate import LIMITS, Check, Verdict, measured


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
            verdict=Verdict.PASSED,
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


def _worst(found: Mapping[str, float]) -> str:
    return max(found, key=lambda name: np.inf if np.isnan(found[name]) else found[name])
