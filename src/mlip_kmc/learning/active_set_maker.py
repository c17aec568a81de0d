"""Make the active set `.asi` of a B-basis from a training set.

    frames = read_training(Path("train.xyz"))
    made = make_active_set(Path("cu.yaml"), frames)
    write_active_set(Path("cu.asi"), made)

MaxVol and projections are python-ace's own.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.evaluate.gamma import Extrapolation, Projector
from mlip_kmc.ground.errors import PotentialError
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
from mlip_kmc.model.structure import Array
from mlip_kmc.potential.rank import Rank, inverse_of

Mask = npt.NDArray[np.bool_]

_INDEPENDENT = "independent environment"
_ADVICE = (
    "add structures in which these elements have other surroundings (strained, rattled by 0.1 A, other neighbours), take "
    "a smaller basis, or give --complete: gamma is then huge where the set says nothing"
)
_IDENTITY = 1e-3
"""How far `active set x inverse` may be from 1, scaled: gamma then has three digits."""
_SPANNED = 1.1
"""A basis that the training set spans has no gamma in it beyond this; MaxVol ends at `TOLERANCE`."""


@dataclass(frozen=True)
class NewActiveSet:
    """A new active set.

    Attributes:
        inverses: by element, the inverse (n, n).
        structures, atoms: how many were looked at. left_out: atoms not, because of their force errors or as not chosen.
        largest_gamma: of the atoms that were looked at.
        spans: by element, what its environments span.
    """

    inverses: Mapping[str, Array]
    structures: int
    atoms: int
    left_out: int
    largest_gamma: float
    spans: Mapping[str, Span]


def make_active_set(
    basis: Path,
    frames: Sequence[Atoms],
    *,
    forces: Sequence[Array] | None = None,
    most_force_error_eV_per_A: float | None = None,
    complete: bool = False,
    chosen_atoms: Sequence[Mask] | None = None,
) -> NewActiveSet:
    """Choose the linear active set by python-ace's MaxVol.

    python-ace's own `compute_A_active_inverse` is a pseudo-inverse: of a set that does not span the basis it gives gammas that
    are small everywhere, and raises nothing. Here such a set is refused, or completed by small rows.

    Args:
        basis: the B-basis with its coefficients.
        frames: the training set, in A.
        forces: its forces (N, 3) in eV/A, needed for `most_force_error_eV_per_A`.
        most_force_error_eV_per_A: atoms whose force the potential misses by more are left out of the active set.
        complete: add small rows in the directions that the training set does not have.
        chosen_atoms: for each structure, (N,) which of its atoms are looked at; all where not given.

    Raises:
        PotentialError: the basis cannot be read, or the training set does not span it.
        StructureError: the potential does not know an element.
    """
    projector = Projector(basis)
    rows, left_out = _rows(
        projector, frames, forces, most_force_error_eV_per_A, chosen_atoms=chosen_atoms
    )
    scales = natural_scales(projector)
    spans = {element: span_of(found, scales=scales[element]) for element, found in rows.items()}
    short = [element for element, span in spans.items() if not span.rank.full]
    if short and not complete:
        raise PotentialError(_does_not_span(projector, spans, rows), advice=_ADVICE)
    inverses, off = {}, 0.0
    for element, span in spans.items():
        active = completed(rows[element], span) if element in short else chosen(rows[element], span)
        inverses[element], residual = inverse_of(active)
        off = max(off, residual)
    largest = _largest_gamma(rows, inverses)
    if not (largest <= _SPANNED and off <= _IDENTITY):
        raise PotentialError(
            f"the training set hardly spans the basis: active set and inverse multiply to 1 within {off:.1e} "
            f"only, and a gamma of {plain(largest)} is left in the set, which should be 1",
            advice="add structures of other kinds, take a smaller basis, or give --complete",
        )
    return NewActiveSet(
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
    """Which elements fall short, and by how much."""
    said = []
    for element, others in neighbours_never_met(projector, spans, rows).items():
        span = spans[element]
        never = "" if not others else f", none with a neighbour {' or '.join(others)}"
        said.append(
            f"{element}: {counted(span.environments, 'atom')}{never}, {counted(span.rank.independent, _INDEPENDENT)} "
            f"for {span.rank.functions} functions"
        )
    return f"the training set does not span the basis ({'; '.join(said)}), and gamma would be too small everywhere"


def _largest_gamma(rows: Mapping[str, Array], inverses: Mapping[str, Array]) -> float:
    return max(
        (
            float(np.abs(found @ inverses[element]).max(initial=0.0))
            for element, found in rows.items()
        ),
        default=0.0,
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
    largest = (
        max(float(grade.gamma_of(atoms).max()) for atoms in frames)
        if grade.full
        else _largest_gamma(rows, grade.inverses)
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
    *,
    chosen_atoms: Sequence[Mask] | None = None,
) -> tuple[dict[str, Array], int]:
    """By element, all atoms' projections (m, n); and how many atoms were left out."""
    rows: dict[str, list[Array]] = {element: [] for element in projector.elements}
    left_out = 0
    for index, atoms in enumerate(frames):
        projections, predicted, _ = projector.evaluate(atoms)
        keep = np.ones(len(atoms), dtype=bool)
        if most_error is not None and forces is not None:
            keep = np.linalg.norm(predicted - forces[index], axis=1) <= most_error
        if chosen_atoms is not None:
            keep &= chosen_atoms[index]
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


def active_set_bytes(made: NewActiveSet) -> bytes:
    """The content of the `.asi`: as python-ace writes it, the same for the same numbers."""
    return inverses_bytes(made.inverses)


def inverses_bytes(inverses: Mapping[str, Array]) -> bytes:
    """The same from the inverses (n, n) by element."""
    stream = io.BytesIO()
    np.savez(
        stream,
        **{element: np.ascontiguousarray(inverse) for element, inverse in inverses.items()},  # type: ignore[arg-type]
    )
    return stream.getvalue()


def write_active_set(path: Path, made: NewActiveSet, *, force: bool = False) -> None:
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
