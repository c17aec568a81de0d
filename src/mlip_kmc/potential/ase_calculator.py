"""Any ASE calculator as a potential: code that the user names, and that runs with the user's rights.

Example:
    potential = AsePotential(name="ase.calculators.emt:EMT", arguments={})
    potential.recipe()["ase"]                        # what the driver makes

Its elements and cutoff are not known, so a structure is not checked against them; gamma is unknown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ase import Atoms

from mlip_kmc.model.structure import carried


@dataclass(frozen=True)
class AsePotential:
    """A calculator by its class.

    Attributes:
        name: `module:Class`.
        arguments: keyword arguments of the class.
        atoms: what it may read of the structure besides elements, positions and cell: see `model.structure.attributes`.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    elements: tuple[str, ...] | None = None
    cutoff_A: float | None = None
    warnings: tuple[str, ...] = ()
    atoms: Mapping[str, Any] = field(default_factory=dict)

    def of(self, atoms: Atoms) -> Self:
        """The same for one structure, whose charges, magnetic moments, ... the calculator is to see."""
        return replace(self, atoms=carried(atoms))

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key; files that its arguments name are not looked at."""
        return {
            "potential.ase": self.name,
            "potential.kwargs": json.dumps(self.arguments, sort_keys=True),
            **({"potential.atoms": self._atoms_text()} if self.atoms else {}),
        }

    def recipe(self) -> dict[str, str]:
        """The driver's options."""
        return {
            "ase": self.name,
            "ase-arguments": json.dumps(self.arguments, sort_keys=True),
            **({"ase-atoms": self._atoms_text()} if self.atoms else {}),
        }

    def _atoms_text(self) -> str:
        return json.dumps(self.atoms, sort_keys=True)
