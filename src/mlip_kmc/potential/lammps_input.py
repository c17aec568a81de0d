"""The `in.lammps` by which LAMMPS evaluates an ACE potential in a search directory.

    lammps_input(potential, ("Cu",), gamma=config.gamma)

File names never reach it: a search directory links the potential's files under fixed names.
"""

import re
from typing import TYPE_CHECKING

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential.minimum_distance import near_commands
from mlip_kmc.potential.side_channel import commands

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection
    from mlip_kmc.potential.ace import AcePotential

LINKED_NAME, LINKED_BASIS, LINKED_ACTIVE_SET = "potential.yace", "potential.yaml", "potential.asi"
_SYMBOL = re.compile(r"[A-Z][a-z]?")


def lammps_input(
    potential: "AcePotential", species: tuple[str, ...], *, gamma: "GammaSection | None" = None
) -> str:
    """The `in.lammps` of a search directory.

    Args:
        potential: that LAMMPS is to evaluate.
        species: elements in the order of LAMMPS' types.
        gamma: what is written beside the search where the potential knows gamma.
    """
    unknown = [
        symbol
        for symbol in species
        if symbol not in potential.elements or not _SYMBOL.fullmatch(symbol)
    ]
    if unknown or not species:
        names = ", ".join(map(repr, unknown)) or "a structure without atoms"
        raise PotentialError(
            f"{potential.yace} does not know {names}; it knows {', '.join(potential.elements)}",
            advice="use another structure or potential",
        )
    if potential.evaluator not in ("product", "recursive"):
        raise PotentialError(
            f"LAMMPS' pair_style pace has no evaluator {potential.evaluator!r}: product or recursive"
        )
    style, files = f"pace {potential.evaluator}", LINKED_NAME
    watched = gamma if potential.knows_gamma else None
    if watched is not None:
        style, files = "pace/extrapolation", f"{LINKED_BASIS} {LINKED_ACTIVE_SET}"
    styles, lines = potential.baseline.lammps(species) if potential.baseline else ([], [])
    overlay, name = ("hybrid/overlay ", f"{style.split()[0]} ") if styles else ("", "")
    return "\n".join(
        [
            f"pair_style {overlay}{' '.join([style, *styles])}",
            f"pair_coeff * * {name}{files} {' '.join(species)}",
            *lines,
            *near_commands(potential.minimum_distance_A, species),
            *(commands(watched) if watched is not None else []),
            "",
        ]
    )
