"""Masses: eOn keeps one for each element."""

import numpy as np
from ase import Atoms

from mlip_kmc.ground.errors import StructureError


def check_masses(atoms: Atoms) -> None:
    """Refuse masses that eOn's `.con` cannot hold.

    Raises:
        StructureError: one is no positive number, or an element has several.
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
