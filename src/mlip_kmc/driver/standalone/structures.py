"""A structure for ASE, and element symbols."""

from typing import Any

from .basics import MALFORMED, USAGE, DriverError, Structure


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


def carried_of(text: str) -> dict[str, Any]:
    """What `--ase-atoms` says: numbers of the elements, arrays by name, info by key; nothing for `{}`.

    Raises:
        DriverError: it is none of that.
    """
    from json import loads

    try:
        found = loads(text)
        if found and not {"numbers", "arrays", "info"} == found.keys():
            raise ValueError("it has numbers, arrays and info")
        for name, values in found.get("arrays", {}).items():
            if len(values) != len(found["numbers"]):
                raise ValueError(f"{name} has {len(values)} rows for {len(found['numbers'])} atoms")
    except (ValueError, TypeError, AttributeError) as error:
        raise DriverError(USAGE, f"--ase-atoms is not what it should be: {error}") from error
    return dict(found)


def equipped(atoms: Any, carried: dict[str, Any]) -> Any:
    """The atoms with what is carried for them, by index.

    Raises:
        DriverError: they are others than those that it is for.
    """
    if not carried:
        return atoms
    import numpy as np

    if atoms.numbers.tolist() != carried["numbers"]:
        raise DriverError(
            MALFORMED,
            "the structure has other atoms, or the same in another order, than those whose charges, tags, ... "
            "are known",
        )
    for name, values in carried["arrays"].items():
        atoms.set_array(name, np.array(values))
    atoms.info.update(carried["info"])
    return atoms
