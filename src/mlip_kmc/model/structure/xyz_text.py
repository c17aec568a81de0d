"""Extended XYZ, written: the one writer of the package; every number has all its digits, so the same atoms give the same bytes.

    extended_xyz(atoms, keys={"energy": repr(-3.5)}, columns={"forces": forces})

The standalone driver, which must do without this package, has a writer of its own for the frames that it keeps; a test holds
that both write the same bytes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.ground.errors import StructureError

_BARE = re.compile(r"[A-Za-z0-9_.:+-]+")


def extended_xyz(
    atoms: Atoms,
    *,
    keys: Mapping[str, str] | None = None,
    columns: Mapping[str, npt.NDArray[Any]] | None = None,
) -> str:
    """One frame.

    Args:
        atoms: positions and cell in A; of nothing else in it anything is written.
        keys: of the comment line, as text; quoted where it has other characters than a word.
        columns: more of them by name, (N,) or (N, k), real numbers or truth values.

    Raises:
        StructureError: there are no atoms, a number is not finite, or a column's length is another.
    """
    cell = np.asarray(atoms.cell.array, dtype=float)
    blocks = {"pos": np.asarray(atoms.positions, dtype=float), **(columns or {})}
    _check(blocks, cell, len(atoms))
    lattice = " ".join(map(repr, cell.ravel().tolist()))
    periodic = " ".join(map(_word, np.asarray(atoms.pbc).tolist()))
    properties = ":".join(["species:S:1", *_properties(blocks)])
    said = "".join(f" {key}={_quoted(value)}" for key, value in (keys or {}).items())
    tables = [block.reshape(len(atoms), -1).tolist() for block in blocks.values()]
    rows = (
        " ".join([symbol, *(_word(value) for part in parts for value in part)])
        for symbol, *parts in zip(atoms.get_chemical_symbols(), *tables, strict=True)
    )
    head = f'Lattice="{lattice}" Properties={properties} pbc="{periodic}"{said}'
    return "\n".join([str(len(atoms)), head, *rows, ""])


def _check(blocks: Mapping[str, npt.NDArray[Any]], cell: npt.NDArray[np.float64], n: int) -> None:
    for name, block in blocks.items():
        if len(block) != n or block.ndim > 2:
            raise StructureError(f"{n} atoms have {name} of the shape {block.shape}")
    finite = all(np.isfinite(block).all() for block in blocks.values())
    if n == 0 or not finite or not np.isfinite(cell).all():
        raise StructureError(
            f"a frame needs atoms, and finite numbers in its cell and {', '.join(blocks)}"
        )


def _properties(blocks: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    for name, block in blocks.items():
        yield f"{name}:{'L' if block.dtype == bool else 'R'}:{1 if block.ndim == 1 else block.shape[1]}"


def _word(value: float | bool) -> str:  # noqa: FBT001 - a cell of a table
    return "FT"[value] if isinstance(value, bool) else repr(float(value))


def _quoted(value: str) -> str:
    """A value of the comment line."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return value if _BARE.fullmatch(value) else f'"{escaped}"'
