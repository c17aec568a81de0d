"""What an ASE calculator may read of a structure besides elements, positions and cell: it travels with the atoms by their index.

Example:
    carry(user_atoms, prepared_atoms, rotation=rotation)     # initial charges, magnetic moments, tags, masses; keys of `info`
    carried(prepared_atoms)                                  # the same as JSON values; {} where there is nothing of it
    check_carried(user_atoms)                                # StructureError that names what a calculator would not be given

eOn knows elements, positions and masses. Atoms that differ in something else are not interchangeable: see `distinct`.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.ground.errors import StructureError

Array = npt.NDArray[np.float64]

ARRAYS = ("initial_charges", "initial_magmoms", "tags", "masses")
"""Of atoms: all that ASE itself hands to calculators."""
_OWN = "mlip_kmc."
_NOT_READ = {
    "numbers",
    "positions",
    "momenta",
    "occupancy",
    "spacegroup_kinds",
    "id",
    "type",
    "travel",
    "forces",
}
"""Columns that file formats leave, and that say nothing of a force."""
_NOTES = {"adsorbate_info", "comment", "occupancy", "spacegroup", "unit_cell", "scaled_positions"}
"""Keys of `info` that ASE's builders and readers leave."""


def carry(atoms: Atoms, prepared: Atoms, *, rotation: Array) -> None:
    """Copy what can be carried.

    Args:
        atoms: the user's.
        prepared: the same atoms turned; changed in place.
        rotation: (3, 3) Q with `user vectors = turned vectors @ Q`: magnetic moments that are vectors turn too.
    """
    for name in ARRAYS:
        if name != "masses" and name in atoms.arrays:
            values = np.array(atoms.arrays[name])
            prepared.set_array(name, values @ rotation.T if values.ndim == 2 else values)
    for key, value in atoms.info.items():
        if _usable(key) and _plain(value):
            prepared.info[key] = value


def carried(atoms: Atoms) -> dict[str, Any]:
    """What a calculator may read, as JSON values: `numbers`, `arrays` by name, `info` by key; {} where all is as elements say."""
    arrays = {
        name: atoms.arrays[name].tolist()
        for name in ARRAYS
        if name in atoms.arrays and not _is_default(atoms, name)
    }
    info = {key: value for key, value in atoms.info.items() if _usable(key) and _plain(value)}
    if not arrays and not info:
        return {}
    return {"numbers": atoms.numbers.tolist(), "arrays": arrays, "info": json.loads(_text(info))}


def distinct(given: Mapping[str, Any]) -> bool:
    """Do atoms of one element differ, in what `carried` answers?"""
    numbers = given.get("numbers", [])
    return any(
        len({(number, _text(value)) for number, value in zip(numbers, values, strict=True)})
        > len(set(numbers))
        for values in given.get("arrays", {}).values()
    )


def check_carried(atoms: Atoms) -> None:
    """Refuse what a calculator may read and would not be given.

    Raises:
        StructureError: a column of the atoms or a key of `info` that cannot be carried.
    """
    columns = [name for name in atoms.arrays if name not in _NOT_READ and name not in ARRAYS]
    keys = [str(key) for key, value in atoms.info.items() if _usable(key) and not _plain(value)]
    if columns or keys:
        named = ", ".join(
            [*(f"arrays['{name}']" for name in columns), *(f"info['{key}']" for key in keys)]
        )
        raise StructureError(
            f"the structure has {named}, which the ASE calculator might read and would not be given; take it out, or use "
            f"what is carried: {', '.join(ARRAYS)}, and numbers and words in info"
        )


def _usable(key: Any) -> bool:
    return isinstance(key, str) and not key.startswith(_OWN) and key not in _NOTES


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | np.bool_ | np.number)


def _is_default(atoms: Atoms, name: str) -> bool:
    """Is a column what ASE takes where it is not there?"""
    if name == "masses":
        return np.array_equal(atoms.get_masses(), Atoms(numbers=atoms.numbers).get_masses())
    return not np.any(atoms.arrays[name])


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=lambda number: number.item())
