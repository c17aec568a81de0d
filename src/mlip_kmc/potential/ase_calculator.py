"""Any ASE calculator as a potential: code that the user names, and that runs with the user's rights.

Example:
    potential = AsePotential(name="ase.calculators.emt:EMT", arguments={})
    potential.calculator().implemented_properties

Its elements and cutoff are not known, so a structure is not checked against them; gamma is unknown.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from mlip_kmc.ground.errors import PotentialError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class AsePotential:
    """A calculator by its class.

    Attributes:
        name: `module:Class`.
        arguments: keyword arguments of the class.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    elements: tuple[str, ...] | None = None
    cutoff_A: float | None = None
    warnings: tuple[str, ...] = ()

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key; files that its arguments name are not looked at."""
        return {
            "potential.ase": self.name,
            "potential.kwargs": json.dumps(self.arguments, sort_keys=True),
        }

    def recipe(self) -> dict[str, str]:
        """The driver's options."""
        return {"ase": self.name, "ase-arguments": json.dumps(self.arguments, sort_keys=True)}

    def calculator(self) -> Any:
        """The calculator (energy eV, forces eV/A).

        Raises:
            PotentialError: it cannot be imported or made.
        """
        module, _, kind = self.name.partition(":")
        try:
            return getattr(import_module(module), kind)(**self.arguments)
        except Exception as error:  # somebody else's code
            raise PotentialError(
                f"the ASE calculator {self.name} cannot be made: {type(error).__name__}: {error}; check that it "
                "is installed where mlip-kmc runs"
            ) from error
