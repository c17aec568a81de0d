"""The record beside a potential, `cu.record.json`: its files by digest, and the recipe and training set they were made from.

Example:
    record = read_record(record_path(Path("cu.yace")))          # None where there is none
    record.digests.asi, record.training.smallest_distance_A     # '0ad5f8...', {'Cu-Cu': 1.3021}

A `.asi` does not name the potential that it was made for, so the record holds the digests of all three files. `mlip-kmc potential
record FILE.yace` writes a record; docs/potential-record.md explains its keys.
"""

import json
import shlex
from collections.abc import Iterable
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlip_kmc.config.explain import explain
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.files import read_at_most, write_durably
from mlip_kmc.ground.json_text import JsonError, read_json
from mlip_kmc.potential.baseline import Pairs

if TYPE_CHECKING:
    from ase import Atoms

FORMAT = 1
"""Value of `PotentialRecord.format`; it is raised when a key changes its meaning."""
_LARGEST_BYTES = 1_000_000
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Counts = dict[str, Annotated[int, Field(ge=0)]]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    """Base of the record and its parts: frozen, and nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Digests(_Section):
    """The sha256 of each file of the potential."""

    yace: Digest
    yaml: Digest | None = None
    """Null where the potential has no B-basis."""
    asi: Digest | None = None
    """Null where the potential has no active set."""


class Recipe(_Section):
    """The program that made the potential."""

    name: str
    versions: dict[str, str] = {}
    """Package: version."""


class Training(_Section):
    """The set of structures that the potential was fitted to."""

    structures: Annotated[int, Field(ge=1)]
    atoms: Annotated[int, Field(ge=1)]
    smallest_distance_A: dict[str, Positive]
    """By pair, as `Cu-Ni` (elements sorted): the shortest distance of two such atoms. Pairs beyond the cutoff are left out."""

    @classmethod
    def of(cls, structures: Iterable["Atoms"], *, cutoff_A: float) -> Self:
        """Count the structures and atoms of a training set, and find its shortest distances.

        Args:
            structures: periodic or not.
            cutoff_A: pairs farther apart than this are left out.
        """
        import numpy as np

        from mlip_kmc.model.structure import neighbours

        count, atoms, smallest = 0, 0, dict[str, float]()
        for structure in structures:
            count, atoms = count + 1, atoms + len(structure)
            symbols = np.array(structure.get_chemical_symbols())
            pairs = list(combinations_with_replacement(sorted(set(symbols)), 2))
            # only what is nearer than what is known; a list of fewer pairs takes a fraction of the time
            reach_A = max(
                (smallest.get("-".join(pair), cutoff_A) for pair in pairs), default=cutoff_A
            )
            first, second, distance = neighbours(structure, reach_A)
            for pair in pairs:
                found = distance[(symbols[first] == pair[0]) & (symbols[second] == pair[1])]
                if len(found):
                    smallest["-".join(pair)] = min(
                        smallest.get("-".join(pair), np.inf), float(found.min())
                    )
        rounded = {pair: round(smallest[pair], 4) for pair in sorted(smallest)}
        return cls(structures=count, atoms=atoms, smallest_distance_A=rounded)


class HeldOutErrors(_Section):
    """Errors on structures that the potential was not fitted to."""

    structures: Annotated[int, Field(ge=1)]
    energy_rmse_eV_per_atom: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    force_rmse_eV_per_A: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PotentialRecord(_Section):
    """The record of a potential."""

    format: Literal[1] = 1
    elements: tuple[str, ...]
    """In the order of the `.yace`."""
    cutoff_A: Positive
    functions: Counts
    """Of the `.yace`, by the element at their centre."""
    basis_functions: Counts | None = None
    """Of the B-basis, by the element at their centre: the size of a linear active set."""
    digests: Digests
    recipe: Recipe | None = None
    training: Training | None = None
    test_errors: HeldOutErrors | None = None
    baseline: Pairs | None = None
    """By pair, `Cu-Ni`: the repulsion that was subtracted from the training energies and forces; null where none was."""

    def to_json(self) -> bytes:
        """The file's content: the same record gives the same bytes."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False)
        return f"{text}\n".encode()


def record_path(yace: Path) -> Path:
    """Path of the record of a `.yace`."""
    return yace.with_suffix(".record.json")


def read_record(path: Path) -> PotentialRecord | None:
    """Read a record; None where the file does not exist.

    Raises:
        PotentialError: the file cannot be read, or is not a valid record.
    """
    try:
        raw = read_json(read_at_most(path, _LARGEST_BYTES))
        known = not isinstance(raw, dict) or raw.get("format", FORMAT) == FORMAT
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PotentialError(
            f"cannot read the potential's record {path}: {error.strerror}", advice=advice(path)
        ) from error
    except JsonError as error:
        raise PotentialError(
            f"the potential's record {path} is damaged or truncated: {error}", advice=advice(path)
        ) from error
    if not known:
        raise PotentialError(
            (
                f"the potential's record {path} has a format that is not {FORMAT}: it was written by another version "
                "of mlip-kmc"
            ),
            advice=advice(path),
        )
    try:
        return PotentialRecord.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        said = explain(error, PotentialRecord)[0]
        raise PotentialError(
            f"the potential's record {path} is not a whole one: {said}", advice=advice(path)
        ) from error


def advice(record: Path, *, restored: str = "it") -> str:
    """What to do about a record that is of no use; `restored` is the object that may be restored."""
    yace = record.with_name(record.name.removesuffix(".record.json") + ".yace")
    return f"restore {restored}, or write a new one with `mlip-kmc potential record --force {shlex.quote(str(yace))}`"


def check_digests(
    path: Path, record: PotentialRecord, files: dict[str, tuple[Path | None, str | None]]
) -> None:
    """Refuse files that are not those of the record.

    Args:
        path: path of the record.
        record: the record.
        files: for `yace`, `yaml` and `asi` the path and the sha256 of the file in use; None and None where none is.

    Raises:
        PotentialError: a file differs from the record, is missing, or is not in the record.
    """
    for kind, (file, digest) in files.items():
        expected = getattr(record.digests, kind)
        if digest == expected:
            continue
        if file is None:
            raise PotentialError(
                (
                    f"the .{kind} file {path.name.removesuffix('.record.json')}.{kind} that the record {path} names "
                    f"({short(expected)}) is not in use"
                ),
                advice=advice(path, restored="the file"),
            )
        wanted = (
            f"the record {path} is of {short(expected)}"
            if expected
            else f"the record {path} knows of none"
        )
        raise PotentialError(
            f"{file} is {short(str(digest))}, but {wanted}",
            advice=advice(path, restored="the file"),
        )


def short(digest: str) -> str:
    """A digest shortened for reading."""
    return f"sha256 {digest[:12]}..."


def write_record(path: Path, record: PotentialRecord) -> None:
    """Write the record durably, in one step.

    Raises:
        StorageError: the file could not be made durable.
    """
    write_durably(path, record.to_json())
