"""One of eOn's built-in potentials, named; for checks against eOn's published values.

Example:
    potential = BuiltinPotential.named("eam_al")
    potential.elements                     # ('Al',): eOn itself evaluates any element as if it were aluminium
    potential.check(prepared.atoms)        # the cell, where the potential asks for a certain one
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from mlip_kmc.ground.constants import BOHR_A
from mlip_kmc.ground.errors import PotentialError, StructureError
from mlip_kmc.model.structure import width

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection

_ORTHOGONAL = 1e-6
"""Largest off-diagonal component, in A, of a cell that counts as a box."""


@dataclass(frozen=True)
class _Rules:
    """What a built-in asks of a structure, as eOn 3.6.0's and rgpot's sources have it.

    Attributes:
        elements: those it has parameters for; None where it has one set for anything (reduced units).
        orthogonal: it takes the minimum image in a box, and reads nothing else of the cell.
        narrowest_A: by element that is there, the width below which it ends with an error.
        cutoff_A: where it takes the minimum image only: narrower cells than twice this lose neighbours without a word.
    """

    elements: tuple[str, ...] | None
    orthogonal: bool = False
    narrowest_A: Mapping[str, float] = field(default_factory=dict)
    cutoff_A: float | None = None


_EMT_RADII_BOHR = {
    "Al": 3.0,
    "Cu": 2.67,
    "Ag": 3.01,
    "Au": 3.0,
    "Ni": 2.6,
    "Pd": 2.87,
    "Pt": 2.9,
    "Mg": 1.7664 / BOHR_A,
    "H": 0.530015 / BOHR_A,
}
"""Neutral-sphere radii, as eOn's EMT (Jacobsen, Stoltze, Norskov, Surf. Sci. 366, 394 (1996)) has them."""
_EMT_WIDTHS_A = {
    symbol: radius * BOHR_A * 1.809 * (3**0.5 + 2.0) * 1.045 * 1.1
    for symbol, radius in _EMT_RADII_BOHR.items()
}
"""Twice the neighbour list's cutoff: between the third and the fourth shell, and what the list has in excess of it."""
_SILICON = _Rules(elements=("Si",))
# eOn potentials that need no files, no other program and no licence of their own, and that the image's eOn was built with (it has
# none for water)
_USABLE: Mapping[str, _Rules] = MappingProxyType(
    {
        "eam_al": _Rules(elements=("Al",)),
        "edip": _Rules(elements=("Si",), narrowest_A={"Si": 3.1213820}),
        "emt": _Rules(elements=tuple(_EMT_RADII_BOHR), narrowest_A=_EMT_WIDTHS_A),
        "fehe": _Rules(elements=("Fe", "He")),
        "lenosky_Si": _SILICON,
        "lj": _Rules(elements=None, orthogonal=True, cutoff_A=15.0),
        "ljcluster": _Rules(elements=None),
        "morse_pt": _Rules(elements=("Pt",), orthogonal=True, cutoff_A=9.5),
        "sw_si": _SILICON,
        "tersoff_si": _SILICON,
    }
)


@dataclass(frozen=True)
class BuiltinPotential:
    """A built-in potential of eOn; eOn knows its parameters.

    Attributes:
        eon_name: eOn's name of it.
        elements: those it has parameters for; None for anything.
        cutoff_A: where cells must be twice as wide; None where images are counted as they should be.
    """

    eon_name: str
    elements: tuple[str, ...] | None = None
    cutoff_A: float | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def named(cls, name: str) -> "BuiltinPotential":
        """The built-in of that name.

        Raises:
            PotentialError: eOn has no such built-in.
        """
        if name not in _USABLE:
            raise PotentialError(
                f"eOn has no built-in potential '{name}'; it has {', '.join(_USABLE)}"
            )
        rules = _USABLE[name]
        return cls(eon_name=name, elements=rules.elements, cutoff_A=rules.cutoff_A)

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key."""
        return {"potential.eon": self.eon_name}

    def described(self) -> str:
        """One line for people."""
        known = (
            "any element, in reduced units (1 eV, 1 A)"
            if self.elements is None
            else ", ".join(self.elements)
        )
        rules = _USABLE[self.eon_name]
        return f"eOn's built-in {self.eon_name}: {known}" + (
            "; cells with right angles only" if rules.orthogonal else ""
        )

    def check(self, atoms: Atoms) -> None:
        """Refuse a cell that it evaluates wrongly or not at all.

        Args:
            atoms: restricted triclinic.

        Raises:
            StructureError: one line that says what to change.
        """
        rules = _USABLE[self.eon_name]
        tilt = float(np.abs(np.tril(np.asarray(atoms.cell.array), -1)).max())
        if rules.orthogonal and not tilt <= _ORTHOGONAL:
            raise StructureError(
                f"eOn's built-in {self.eon_name} knows only cells with right angles, but this one is "
                f"tilted by {tilt:.3g} A; choose vectors of the same lattice that are at right angles, as of "
                "a cubic supercell"
            )
        wide = width(np.asarray(atoms.cell.array))
        least = max(
            (rules.narrowest_A.get(symbol, 0.0) for symbol in set(atoms.get_chemical_symbols())),
            default=0.0,
        )
        if not wide > least:
            raise StructureError(
                f"the cell is {wide:.3f} A wide, and eOn's built-in {self.eon_name} ends with an error below "
                f"{least:.3f} A; use a larger cell"
            )

    def job_files(
        self,
        species: tuple[str, ...],  # noqa: ARG002 - as AcePotential's
        *,
        gamma: "GammaSection | None" = None,  # noqa: ARG002 - as AcePotential's
    ) -> dict[str, str]:
        """Text files that a search directory needs: none."""
        return {}

    def job_links(self) -> dict[str, Path]:
        """Files that a search directory links: none."""
        return {}
