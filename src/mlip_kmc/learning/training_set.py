"""Read a training set: structures in A, and the forces that they carry.

    frames = read_training(Path("train.xyz"))
    forces = [forces_of(atoms, "forces") for atoms in frames]

A training set is extended XYZ; a pickled one, as pacemaker keeps it, can run any program when it is read, so it is read only
where the caller says that its maker is trusted.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.ground.constants import BOHR_A, EV_PER_KCAL_PER_MOL, EV_PER_KJ_PER_MOL, HARTREE_EV
from mlip_kmc.ground.errors import StructureError, first_line
from mlip_kmc.model.structure import Array, read_frames, text_of

LENGTHS_A = {"A": 1.0, "bohr": BOHR_A, "nm": 10.0}
"""Units of length, in A."""
FORCES_EV_PER_A = {
    "eV/A": 1.0,
    "Ha/bohr": HARTREE_EV / BOHR_A,
    "Ry/bohr": HARTREE_EV / 2.0 / BOHR_A,
    "kcal/mol/A": EV_PER_KCAL_PER_MOL,
    "kJ/mol/nm": EV_PER_KJ_PER_MOL / 10.0,
}
"""Units of force, in eV/A."""


def read_training(
    path: Path,
    *,
    length_unit: str = "A",
    leave_out: Sequence[tuple[str, str]] = (),
    trust_pickle: bool = False,
) -> list[Atoms]:
    """The structures of a training set, in A.

    Args:
        path: extended XYZ; or, with `trust_pickle`, a pickled table of pacemaker's (its column `ase_atoms`).
        length_unit: of positions and cells, one of `LENGTHS_A`.
        leave_out: keys and values, as text; structures whose comment line has one of them are left out.
        trust_pickle: a pickle runs whatever its maker put in it.

    Raises:
        StructureError: it cannot be read, is a pickle that is not trusted, holds no structure, or nothing to leave out.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise StructureError(f"cannot read the training set {path}: {error.strerror}") from error
    text = _is_text(head)
    if not text and not trust_pickle:
        raise StructureError(
            f"{path} is not extended XYZ but binary, perhaps a pickle, which can run any program when it is read; convert it to "
            "extended XYZ, or, if you trust its maker, read it with `mlip-kmc potential activeset --trust-pickle`"
        )
    frames = _from_xyz(path) if text else _from_pickle(path, head)
    frames = _without(frames, leave_out, path=path)
    if not frames:
        raise StructureError(
            f"the training set {path} holds no structure"
            + (" besides those left out" if leave_out else "")
        )
    if length_unit != "A":
        for atoms in frames:
            atoms.set_cell(atoms.cell.array * LENGTHS_A[length_unit], scale_atoms=False)
            atoms.positions *= LENGTHS_A[length_unit]
    return frames


def _without(
    frames: Sequence[Atoms], leave_out: Sequence[tuple[str, str]], *, path: Path
) -> list[Atoms]:
    """The structures that no pair of key and value names; every pair must name one."""
    left = set[int]()
    for key, value in leave_out:
        matching = [index for index, atoms in enumerate(frames) if text_of(atoms, key) == value]
        if not matching:
            there = sorted({text for atoms in frames if (text := text_of(atoms, key)) is not None})
            told = (
                f"that key's values are {', '.join(there[:10])}"
                if there
                else f"none has the key {key}"
            )
            raise StructureError(
                f"--leave-out {key}={value} names no structure of {path}: {told}; correct it"
            )
        left.update(matching)
    return [atoms for index, atoms in enumerate(frames) if index not in left]


def _is_text(head: bytes) -> bool:
    """Pickles begin with 0x80, or, in protocol 0, with no number; packed ones with their packer's mark; XYZ with a number."""
    try:
        first = head.split(b"\n", 1)[0].decode("ascii").strip()
    except UnicodeDecodeError:
        return False
    return first.isdecimal() and b"\0" not in head


def _from_xyz(path: Path) -> list[Atoms]:
    try:
        return read_frames(path)
    except Exception as error:  # ASE's readers raise anything
        raise StructureError(f"cannot read {path} as extended XYZ: {first_line(error)}") from error


def _from_pickle(path: Path, head: bytes) -> list[Atoms]:
    import pandas as pd  # type: ignore[import-untyped]

    try:
        table = pd.read_pickle(path, compression="gzip" if head.startswith(b"\x1f\x8b") else None)  # noqa: S301 - trusted
        frames = list(table["ase_atoms"])
        for row, atoms in enumerate(frames):
            if "forces" in table and not isinstance(table["forces"].iloc[row], float):
                atoms.arrays["forces"] = np.array(table["forces"].iloc[row], dtype=float)
    except Exception as error:  # whatever is in it
        raise StructureError(
            f"cannot read the pickled training set {path}: {first_line(error)}"
        ) from error
    return frames


def forces_of(atoms: Atoms, key: str, *, unit: str = "eV/A") -> Array:
    """Forces (N, 3) in eV/A that a structure carries under a key of its own.

    Raises:
        StructureError: it has none of that name.
    """
    results: dict[str, Any] = getattr(
        atoms.calc, "results", {}
    )  # ASE moves `forces` and some others there
    found = atoms.arrays.get(key, results.get(key))
    if found is None or np.shape(found) != (len(atoms), 3):
        there = ", ".join(sorted({*atoms.arrays, *results} - {"numbers", "positions"})) or "none"
        raise StructureError(
            f"a structure of the training set has no forces of the name {key!r} (it has {there})"
        )
    forces: Array = np.asarray(found, dtype=float) * FORCES_EV_PER_A[unit]
    return forces
