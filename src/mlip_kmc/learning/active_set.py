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

from mlip_kmc.evaluate.gamma import Extrapolation, Projector
from mlip_kmc.ground.constants import BOHR_A, EV_PER_KCAL_PER_MOL, EV_PER_KJ_PER_MOL, HARTREE_EV
from mlip_kmc.ground.errors import PotentialError, StructureError
from mlip_kmc.ground.files import write_durably
from mlip_kmc.ground.wording import counted, plain
from mlip_kmc.learning.spanning import (
    Span,
    chosen,
    completed,
    natural_scales,
    neighbours_never_met,
    span_of,
)
from mlip_kmc.model.structure import Array, read_frames, text_of
from mlip_kmc.potential.rank import Rank, inverse_of

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
_INDEPENDENT = "independent environment"
_IDENTITY = 1e-3
"""How far `active set x inverse` may be from 1, scaled: gamma then has three digits."""
_SPANNED = 1.1
"""A basis that the training set spans has no gamma in it beyond this; MaxVol ends at `TOLERANCE`."""


@dataclass(frozen=True)
class ActiveSetMade:
    """A new active set.

    Attributes:
        inverses: by element, the inverse (n, n).
        structures, atoms: how many were looked at. left_out: atoms not, because of their force errors.
        largest_gamma: of the atoms that were looked at.
        spans: by element, what its environments span.
    """

    inverses: Mapping[str, Array]
    structures: int
    atoms: int
    left_out: int
    largest_gamma: float
    spans: Mapping[str, Span]


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
            "extended XYZ, or give --trust-pickle if you trust who made it"
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
        raise StructureError(
            f"cannot read the pickled training set {path}: {_first_line(error)}"
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


def make_active_set(
    basis: Path,
    frames: Sequence[Atoms],
    *,
    forces: Sequence[Array] | None = None,
    most_force_error_eV_per_A: float | None = None,
    complete: bool = False,
) -> ActiveSetMade:
    """Choose the linear active set by python-ace's MaxVol.

    python-ace's own `compute_A_active_inverse` is a pseudo-inverse: of a set that does not span the basis it gives gammas that
    are small everywhere, and raises nothing. Here such a set is refused, or completed by small rows.

    Args:
        basis: the B-basis with its coefficients.
        frames: the training set, in A.
        forces: its forces (N, 3) in eV/A, needed for `most_force_error_eV_per_A`.
        most_force_error_eV_per_A: atoms whose force the potential misses by more are left out of the active set.
        complete: add small rows in the directions that the training set does not have.

    Raises:
        PotentialError: the basis cannot be read, or the training set does not span it.
        StructureError: the potential does not know an element.
    """
    projector = Projector(basis)
    rows, left_out = _rows(projector, frames, forces, most_force_error_eV_per_A)
    scales = natural_scales(projector)
    spans = {element: span_of(found, scales=scales[element]) for element, found in rows.items()}
    short = [element for element, span in spans.items() if not span.rank.full]
    if short and not complete:
        raise PotentialError(_does_not_span(projector, spans, rows))
    inverses, off = {}, 0.0
    for element, span in spans.items():
        active = completed(rows[element], span) if element in short else chosen(rows[element], span)
        inverses[element], residual = inverse_of(active)
        off = max(off, residual)
    largest = max(
        (
            float(np.abs(found @ inverses[element]).max(initial=0.0))
            for element, found in rows.items()
        ),
        default=0.0,
    )
    if not (largest <= _SPANNED and off <= _IDENTITY):
        raise PotentialError(
            f"the training set hardly spans the basis: active set and inverse multiply to 1 within {off:.1e} "
            f"only, and a gamma of {plain(largest)} is left in the set, which should be 1; add structures of "
            "other kinds, take a smaller basis, or give --complete"
        )
    return ActiveSetMade(
        inverses=inverses,
        structures=len(frames),
        atoms=sum(map(len, frames)),
        left_out=left_out,
        largest_gamma=largest,
        spans=spans,
    )


def _does_not_span(
    projector: Projector, spans: Mapping[str, Span], rows: Mapping[str, Array]
) -> str:
    """Which elements fall short, by how much, and what to add."""
    said = []
    for element, others in neighbours_never_met(projector, spans, rows).items():
        span = spans[element]
        never = "" if not others else f", none with a neighbour {' or '.join(others)}"
        said.append(
            f"{element}: {counted(span.environments, 'atom')}{never}, {counted(span.rank.independent, _INDEPENDENT)} "
            f"for {span.rank.functions} functions"
        )
    return (
        f"the training set does not span the basis ({'; '.join(said)}), and gamma would be too small everywhere; "
        "add structures in which these elements have other surroundings (strained, rattled by 0.1 A, other neighbours), take "
        "a smaller basis, or give --complete: gamma is then huge where the set says nothing"
    )


@dataclass(frozen=True)
class Support:
    """What an active set rests on, where its training set is there.

    Attributes:
        ranks: by element, the independent environments in the training set.
        atoms: by element, how many there are.
        largest_gamma: of all of them: 1 where the active set was made from this training set.
    """

    ranks: Mapping[str, Rank]
    atoms: Mapping[str, int]
    largest_gamma: float

    @property
    def belongs(self) -> bool:
        """Was the active set made from this training set, or from a part of it? Then no gamma is much above 1."""
        return self.largest_gamma <= _SPANNED

    @property
    def lines(self) -> list[str]:
        """An element each, in words."""
        return [
            f"{element}: {counted(self.atoms[element], 'atom')}, {counted(rank.independent, _INDEPENDENT)} for "
            f"{rank.functions} functions"
            for element, rank in self.ranks.items()
        ]


def support_of(grade: Extrapolation, frames: Sequence[Atoms]) -> Support:
    """What a training set gives to an active set.

    Args:
        grade: of the potential; a full active set is taken for a linear one, whose rows are the same environments.
        frames: the training set, in A.

    Raises:
        StructureError: the potential does not know an element.
    """
    rows, _ = _rows(grade.projector, frames, None, None)
    scales = natural_scales(grade.projector)
    if grade.full:
        largest = max(float(grade.gamma_of(atoms).max()) for atoms in frames)
    else:
        largest = max(
            float(np.abs(found @ grade.inverses[element]).max(initial=0.0))
            for element, found in rows.items()
        )
    return Support(
        ranks={
            element: span_of(found, scales=scales[element]).rank for element, found in rows.items()
        },
        atoms={element: len(found) for element, found in rows.items()},
        largest_gamma=largest,
    )


def _rows(
    projector: Projector,
    frames: Sequence[Atoms],
    forces: Sequence[Array] | None,
    most_error: float | None,
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
        for symbol, row, wanted in zip(
            atoms.get_chemical_symbols(), projections, keep, strict=True
        ):
            if wanted:
                rows[symbol].append(row)
    arrays = {
        element: np.array(found).reshape(len(found), projector.functions[element])
        for element, found in rows.items()
    }
    return arrays, left_out


def active_set_bytes(made: ActiveSetMade) -> bytes:
    """The content of the `.asi`: as python-ace writes it, the same for the same numbers."""
    stream = io.BytesIO()
    np.savez(
        stream,
        **{element: np.ascontiguousarray(inverse) for element, inverse in made.inverses.items()},  # type: ignore[arg-type]
    )
    return stream.getvalue()


def write_active_set(path: Path, made: ActiveSetMade, *, force: bool = False) -> None:
    """Write it durably.

    Raises:
        PotentialError: another active set is there, and `force` is not given.
        StorageError: it could not be made durable.
    """
    data = active_set_bytes(made)
    if path.exists() and not force and path.read_bytes() != data:
        raise PotentialError(
            f"{path} is there and holds another active set; give --force to replace it, or --output"
        )
    write_durably(path, data)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
