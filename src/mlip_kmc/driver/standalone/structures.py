"""A structure for ASE, and element symbols."""

from typing import Any

from .basics import Structure


def symbols_of(numbers: list[int]) -> list[str]:
    """Chemical symbols."""
    from ase.data import chemical_symbols

    return [chemical_symbols[number] for number in numbers]


def atoms_of(structure: Structure) -> Any:
    """The structure as `ase.Atoms`, periodic."""
    import numpy as np
    from ase import Atoms

    return Atoms(
        numbers=np.array(structure.numbers),
        positions=np.array(structure.positions).reshape(-1, 3),
        cell=np.array(structure.cell).reshape(3, 3),
        pbc=True,
    )
