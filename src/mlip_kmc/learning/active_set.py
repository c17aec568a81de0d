"""Make the active set `.asi` of a B-basis from a training set.

    frames = read_training(Path("train.xyz"))
    made = make_active_set(Path("cu.yaml"), frames)
    write_active_set(Path("cu.asi"), made)

MaxVol and projections are python-ace's own. A training set is extended XYZ; a pickled one, as pacemaker keeps it, can run any
program when it is read, so it is read only where the caller says that its maker is trusted.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.constants import BOHR_A, EV_PER_KCAL_PER_MOL, EV_PER_KJ_PER_MOL, HARTREE_EV
from mlip_kmc.errors import PotentialError, StructureError
from mlip_kmc.files import write_durably
from mlip_kmc.learning.maxvol import TOLERANCE
from mlip_kmc.potential.gamma import Projector
from mlip_kmc.structure import Array, read_frames, text_of
from mlip_kmc.wording import plain

LENGTHS_A = {"A": 1.0, "bohr": BOHR_A, "nm": 10.0}
"""Units of length, in A."""
FORCES_EV_PER_A = {"eV/A": 1.0, "Ha/bohr": HARTREE_EV / BOHR_A, "Ry/bohr": HARTREE_EV / 2.0 / BOHR_A,
                   "kcal/mol/A": EV_PER_KCAL_PER_MOL, "kJ/mol/nm": EV_PER_KJ_PER_MOL / 10.0}
"""Units of force, in eV/A."""
_MOST_SWAPS = 5000
_SPANNED = 1.1
"""A basis that the training set spans has no gamma in it beyond this; MaxVol ends at `TOLERANCE`."""


@dataclass(frozen=True)
class ActiveSetMade:
    """A new active set.

    Attributes:
        inverses: by element, the inverse (n, n).
        structures, atoms: how many were looked at. left_out: atoms not, because of their force errors.
        largest_gamma: of the atoms that were looked at.
    """

    inverses: Mapping[str, Array]
    structures: int
    atoms: int
    left_out: int
    largest_gamma: float


def read_training(
    path: Path, *, length_unit: str = "A", leave_out: Sequence[tuple[str, str]] = (), trust_pickle: bool = False
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
            "extended XYZ, or give --trust-pickle if you trust who made it"
        )
    frames = _from_xyz(path) if text else _from_pickle(path, head)
    frames = _without(frames, leave_out, path=path)
    if not frames:
        raise StructureError(f"the training set {path} holds no structure" + (" besides those left out" if leave_out else ""))
    if length_unit != "A":
        for atoms in frames:
            atoms.set_cell(atoms.cell.array * LENGTHS_A[length_unit], scale_atoms=False)
            atoms.positions *= LENGTHS_A[length_unit]
    return frames


def _without(frames: Sequence[Atoms], leave_out: Sequence[tuple[str, str]], *, path: Path) -> list[Atoms]:
    """The structures that no pair of key and value names; every pair must name one."""
    left = set[int]()
    for key, value in leave_out:
        matching = [index for index, atoms in enumerate(frames) if text_of(atoms, key) == value]
        if not matching:
            there = sorted({text for atoms in frames if (text := text_of(atoms, key)) is not None})
            told = f"that key's values are {', '.join(there[:10])}" if there else f"none has the key {key}"
            raise StructureError(f"--leave-out {key}={value} names no structure of {path}: {told}; correct it")
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
        raise StructureError(f"cannot read {path} as extended XYZ: {_first_line(error)}") from error


def _from_pickle(path: Path, head: bytes) -> list[Atoms]:
    import pandas as pd  # type: ignore[import-untyped]

    try:
        table = pd.read_pickle(path, compression="gzip" if head.startswith(b"\x1f\x8b") else None)  # noqa: S301 - trusted
        frames = list(table["ase_atoms"])
        for row, atoms in enumerate(frames):
            if "forces" in table and not isinstance(table["forces"].iloc[row], float):
                atoms.arrays["forces"] = np.array(table["forces"].iloc[row], dtype=float)
    except Exception as error:  # whatever is in it
        raise StructureError(f"cannot read the pickled training set {path}: {_first_line(error)}") from error
    return frames


def forces_of(atoms: Atoms, key: str, *, unit: str = "eV/A") -> Array:
    """Forces (N, 3) in eV/A that a structure carries under a key of its own.

    Raises:
        StructureError: it has none of that name.
    """
    results: dict[str, Any] = getattr(atoms.calc, "results", {})  # ASE moves `forces` and some others there
    found = atoms.arrays.get(key, results.get(key))
    if found is None or np.shape(found) != (len(atoms), 3):
        there = ", ".join(sorted({*atoms.arrays, *results} - {"numbers", "positions"})) or "none"
        raise StructureError(f"a structure of the training set has no forces of the name {key!r} (it has {there})")
    forces: Array = np.asarray(found, dtype=float) * FORCES_EV_PER_A[unit]
    return forces


def make_active_set(
    basis: Path, frames: Sequence[Atoms], *, forces: Sequence[Array] | None = None, most_force_error_eV_per_A: float | None = None
) -> ActiveSetMade:
    """Choose the linear active set by python-ace's MaxVol.

    Args:
        basis: the B-basis with its coefficients.
        frames: the training set, in A.
        forces: its forces (N, 3) in eV/A, needed for `most_force_error_eV_per_A`.
        most_force_error_eV_per_A: atoms whose force the potential misses by more are left out of the active set.

    Raises:
        PotentialError: the basis cannot be read, or the training set does not span it.
        StructureError: the potential does not know an element.
    """
    from pyace.activelearning import compute_A_active_inverse, compute_active_set

    projector = Projector(basis)
    rows, left_out = _rows(projector, frames, forces, most_force_error_eV_per_A)
    for element, found in rows.items():
        if len(found) < projector.functions[element]:
            raise PotentialError(f"the training set has {len(found)} atoms of {element} to choose from, but the basis has "
                                 f"{projector.functions[element]} functions of it; add structures")
    numbered = dict(enumerate(rows.values()))
    try:
        inverses = compute_A_active_inverse(compute_active_set(numbered, tol=TOLERANCE, max_iters=_MOST_SWAPS))
    except Exception as error:  # python-ace raises anything
        raise PotentialError(f"MaxVol finds no active set ({_first_line(error)}); add structures of other kinds") from error
    largest = max(float(np.abs(numbered[number] @ inverse).max()) for number, inverse in inverses.items())
    if not largest <= _SPANNED:
        raise PotentialError(f"the training set does not span the basis (a gamma of {plain(largest)} is left in it, which "
                             "should be 1); add structures of other kinds, or take a smaller basis")
    return ActiveSetMade(inverses={element: inverses[number] for number, element in enumerate(rows)}, structures=len(frames),
                         atoms=sum(map(len, frames)), left_out=left_out, largest_gamma=largest)


def _rows(
    projector: Projector, frames: Sequence[Atoms], forces: Sequence[Array] | None, most_error: float | None
) -> tuple[dict[str, Array], int]:
    """By element, all atoms' projections (m, n); and how many atoms were left out."""
    rows: dict[str, list[Array]] = {element: [] for element in projector.elements}
    left_out = 0
    for index, atoms in enumerate(frames):
        projections, predicted, _ = projector.evaluate(atoms)
        keep = np.ones(len(atoms), dtype=bool)
        if most_error is not None and forces is not None:
            keep = np.linalg.norm(predicted - forces[index], axis=1) <= most_error
        left_out += int(np.sum(~keep))
        for symbol, row, wanted in zip(atoms.get_chemical_symbols(), projections, keep, strict=True):
            if wanted:
                rows[symbol].append(row)
    arrays = {element: np.array(found).reshape(len(found), projector.functions[element]) for element, found in rows.items()}
    return arrays, left_out


def active_set_bytes(made: ActiveSetMade) -> bytes:
    """The content of the `.asi`: as python-ace writes it, the same for the same numbers."""
    stream = io.BytesIO()
    np.savez(stream, **{element: np.ascontiguousarray(inverse) for element, inverse in made.inverses.items()})  # type: ignore[arg-type]
    return stream.getvalue()


def write_active_set(path: Path, made: ActiveSetMade, *, force: bool = False) -> None:
    """Write it durably.

    Raises:
        PotentialError: another active set is there, and `force` is not given.
        StorageError: it could not be made durable.
    """
    data = active_set_bytes(made)
    if path.exists() and not force and path.read_bytes() != data:
        raise PotentialError(f"{path} is there and holds another active set; give --force to replace it, or --output")
    write_durably(path, data)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
