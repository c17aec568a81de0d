"""Fixed atoms: eOn holds an atom as a whole or not at all.

Example:
    fixed_atoms(atoms)                 # sorted indices
    constrain(atoms, flags)            # (N, 3) True where a coordinate is fixed -> one FixAtoms, or a refusal
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian, FixedLine, FixedPlane, FixScaled

from mlip_kmc.ground.errors import StructureError

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]


def fixed_atoms(atoms: Atoms) -> Indices:
    """Sorted indices of the atoms that are fixed, by FixAtoms, or along all three directions.

    Raises:
        StructureError: another constraint, an atom fixed along some directions, one that is not there, or nothing is free.
    """
    fixed: set[int] = set()
    for constraint in atoms.constraints:
        mask = _mask(constraint)
        indices = [int(index) for index in constraint.get_indices()]
        if any(not -len(atoms) <= index < len(atoms) for index in indices):
            raise StructureError(
                f"the structure fixes atoms that it does not have: it has {len(atoms)}; correct its constraints"
            )
        whole = [index % len(atoms) for index in indices]
        if mask is not None and mask.any() and not mask.all() and whole:
            raise StructureError(partly_fixed(whole[0], mask))
        if mask is None or mask.all():
            fixed.update(whole)
    if fixed and len(fixed) == len(atoms):
        raise StructureError("all atoms of the structure are fixed; free those that may move")
    return np.array(sorted(fixed), dtype=np.int64)


def _mask(constraint: Any) -> Flags | None:
    """(3,) True along fixed directions; None for FixAtoms."""
    if isinstance(constraint, FixAtoms):
        return None
    if isinstance(constraint, FixCartesian | FixScaled):
        return np.broadcast_to(np.asarray(constraint.mask, dtype=bool), (3,))
    indices = (
        [int(index) for index in constraint.get_indices()]
        if hasattr(constraint, "get_indices")
        else []
    )
    kind = type(constraint).__name__
    if isinstance(constraint, FixedLine | FixedPlane) and indices:
        raise StructureError(
            f"atom {indices[0]} (from 0) may move along some directions only ({kind}), but eOn holds an atom as "
            "a whole or not at all: fix it by FixAtoms, or free it"
        )
    which = f" (atoms {', '.join(map(str, indices[:4]))})" if indices else ""
    raise StructureError(
        f"the structure has a constraint {kind}{which}, but eOn knows only FixAtoms: fix these atoms as a "
        "whole, or take it out of the file"
    )


def partly_fixed(index: int, fixed: Flags) -> str:
    """The message on an atom that is fixed along some directions only.

    Args:
        index: from 0.
        fixed: (3,) True where it is.
    """
    flags = " ".join("F" if flag else "T" for flag in fixed)
    return (
        f"atom {index} (from 0) is fixed along some directions only ({flags}, where T moves), but eOn holds an atom as a "
        "whole or not at all: write F F F or T T T for it"
    )


def constrain(atoms: Atoms, fixed: Flags) -> None:
    """Give a structure the constraint that its file's flags mean.

    Args:
        atoms: changed in place.
        fixed: (N, 3) True where a coordinate is fixed.

    Raises:
        StructureError: an atom is fixed along some directions only.
    """
    partly = np.flatnonzero(fixed.any(axis=1) & ~fixed.all(axis=1))
    if len(partly):
        raise StructureError(partly_fixed(int(partly[0]), fixed[partly[0]]))
    atoms.set_constraint(FixAtoms(mask=fixed.all(axis=1)) if fixed.any() else None)
