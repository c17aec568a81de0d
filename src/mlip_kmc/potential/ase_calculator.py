"""Any ASE calculator as a potential: code that the user names, and that runs with the user's rights.

Example:
    potential = AsePotential(name="ase.calculators.emt:EMT", arguments={})
    potential.recipe()["ase"]                        # what the driver makes

Its elements and cutoff are not known, so a structure is not checked against them; gamma is unknown.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

from ase import Atoms

from mlip_kmc.ground.files import sha256_of
from mlip_kmc.model.structure import carried


@dataclass(frozen=True)
class AsePotential:
    """A calculator by its class.

    Attributes:
        name: `module:Class`.
        arguments: keyword arguments of the class.
        python_path: folders with Python packages, looked into after those that Python knows.
        atoms: what it may read of the structure besides elements, positions and cell: see `model.structure.attributes`.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    python_path: tuple[Path, ...] = ()
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
        found = {"ase": self.name, "ase-arguments": json.dumps(self.arguments, sort_keys=True)}
        if self.python_path:
            found["python-path"] = os.pathsep.join(map(str, self.python_path))
        if self.atoms:
            found["ase-atoms"] = self._atoms_text()
        return found

    def origin(self) -> dict[str, str]:
        """Where its code comes from: the class, the file of its module, that file's sha256, and the user's own folders.

        The module is looked for as Python will do it, and nothing of it is run. Other files of it are not looked at.
        """
        found = {"calculator": self.name}
        file = self._file()
        if file is not None:
            found |= {"calculator_file": str(file), "calculator_sha256": sha256_of(file)}
        if self.python_path:
            found["python_path"] = os.pathsep.join(map(str, self.python_path))
        return found

    def _file(self) -> Path | None:
        path, file = [*sys.path, *map(str, self.python_path)], None
        for name in accumulate(self.name.partition(":")[0].split("."), "{}.{}".format):
            spec = PathFinder.find_spec(name, path)
            if spec is None:
                return None
            path, file = list(spec.submodule_search_locations or []), spec.origin
        return Path(file) if file and Path(file).is_file() else None

    def _atoms_text(self) -> str:
        return json.dumps(self.atoms, sort_keys=True)
