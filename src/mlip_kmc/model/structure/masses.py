"""Masses of atoms: eOn's `.con` holds one mass for each element.

Example:
    check_masses(atoms)              # StructureError where an element has atoms of two masses
"""

import numpy as np
from ase import Atoms

from mlip_kmc.ground.errors import StructureError


def check_masses(atoms: Atoms) -> None:
    """Refuse masses that eOn's `.con` cannot hold.

    Raises:
        StructureError: a mass is not a positive number, or two atoms of an element have different masses.
    """
    masses = atoms.get_masses()
    if not (np.isfinite(masses).all() and (masses > 0).all()):
        raise StructureError(
            "the structure has masses that are not positive numbers; correct or remove them"
        )
    symbols = np.array(atoms.get_chemical_symbols())
    for symbol in dict.fromkeys(symbols.tolist()):
        found = np.unique(masses[symbols == symbol])
        if len(found) > 1:
            raise StructureError(
                f"the structure has {symbol} atoms of the masses {found[0]} and {found[1]}, but eOn keeps one mass for "
                "each element: give all of them the same"
            )
