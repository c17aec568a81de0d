"""What names an element in a structure file: its symbol, in any case, or its atomic number.

Example:
    element_of("cu", where="atom 3 (from 0)")        # 'Cu'; '29' is copper, too
    element_of("Cu1", where="atom 3 (from 0)")       # StructureError: a label is no element

Types of LAMMPS and labels of sites are no elements: nobody can tell which they stand for.
"""

import re
from collections.abc import Sequence

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from mlip_kmc.ground.errors import StructureError

RULE = "an element is named by its symbol or its atomic number, as Cu or 29"
_LABEL = re.compile(r"([A-Za-z]{1,2})[^A-Za-z].*")
_ISOTOPES = {"D": 2.014, "T": 3.016}
_MASS_TOLERANCE = 0.01
"""In u: files have standard atomic weights with two decimals or more; calcium-40 is 0.015 from argon."""

_WEIGHED = {*range(1, 84), 90, 91, 92} - {43, 61}
"""Elements that have a standard atomic weight (IUPAC); polonium's longest-lived isotope is as heavy as bismuth."""


def element_of(given: str, *, where: str) -> str:
    """The symbol of the element that a name in a file stands for; X for no element stays.

    Args:
        given: the file's text.
        where: what has that name, for the message, as `atom 3 (from 0)`.

    Raises:
        StructureError: it names no element, or not without doubt.
    """
    name = given.strip()
    if name.isascii() and name.isdecimal():
        number = int(name[:9])
        if 0 < number < len(chemical_symbols):
            return str(chemical_symbols[number])
    symbol = name.capitalize()
    if symbol in atomic_numbers:
        return symbol
    raise StructureError(f"{where} is {given!r}, which is no element: {_advice(name)}")


def elements_of(names: Sequence[str]) -> list[str]:
    """The symbol of each atom's element.

    Raises:
        StructureError: one names no element; the first such atom is named.
    """
    known: dict[str, str] = {}
    for index, name in enumerate(names):
        if name not in known:
            known[name] = element_of(name, where=f"atom {index} (from 0)")
    return [known[name] for name in names]


def element_of_mass(mass: float) -> str | None:
    """The only element whose standard atomic weight, in u, is this mass; None for isotopes and anything else."""
    near = [
        number
        for number in np.flatnonzero(np.abs(atomic_masses - mass) <= _MASS_TOLERANCE).tolist()
        if number in _WEIGHED
    ]
    return str(chemical_symbols[near[0]]) if len(near) == 1 else None


def _advice(name: str) -> str:
    if name in _ISOTOPES:
        return f"write H, and {_ISOTOPES[name]} as the mass of all hydrogen atoms ({RULE})"
    label = _LABEL.fullmatch(name)
    symbol = label.group(1).capitalize() if label else ""
    if symbol in atomic_numbers:
        return f"write {symbol} if that is what it stands for ({RULE})"
    return f"correct it ({RULE})"
