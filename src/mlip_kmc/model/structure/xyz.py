"""Extended XYZ, read by ASE, with names kept as they are written.

Example:
    for atoms in read_frames(Path("train.xyz")):
        text_of(atoms, "group")            # '007', 'T' and '1e3' as in the file; None where the key is not there

ASE makes numbers and truth values of a key's words, quoted or not (`007` becomes 7, `T` True); the text is kept beside them.
Species and the mask of fixed atoms are read here: ASE takes a mask's unknown words for `fixed`, and one atom that is fixed along
one direction for a constraint of another kind on all.
"""

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.extxyz import key_val_str_to_dict, read_xyz

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.constraints import constrain
from mlip_kmc.model.structure.elements import elements_of
from mlip_kmc.model.structure.notes import FILE, KEYS, UNUSED, Unused
from mlip_kmc.model.structure.text import text_of_file
from mlip_kmc.model.structure.types import elements_of_types

_PLAIN = "species:S:1:pos:R:3"
_SPECIES, _MASK = "mlip_kmc.species", "mlip_kmc.mask"
_USED_COLUMNS = {"numbers", "positions", "masses", "occupancy"}
_USED_KEYS = {"Lattice", "Properties", "pbc", "occupancy"}
_MOVES = dict.fromkeys(("T", "True", "TRUE", "true", "1"), True) | dict.fromkeys(
    ("F", "False", "FALSE", "false", "0"), False
)
_LAMMPS = "Atoms. Timestep:"
"""So begin the comments of LAMMPS' `dump xyz`, which writes types where elements belong."""
_PAIR = re.compile(
    r"""
    (?P<key> "[^"]*" | '[^']*' | [^\s="'{}\[\]]+ )
    (?: \s*=\s* (?P<value> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | \{[^}]*\} | \[[^\]]*\] | \S* ) )?
""",
    re.VERBOSE,
)


def read_frames(path: Path) -> list[Atoms]:
    """All frames of an extended XYZ file.

    Raises:
        StructureError: it cannot be read, or an atom is of no known element.
    """
    return _read(path, slice(None), ())


def read_last(path: Path, *, species: Sequence[str] = ()) -> Atoms:
    """The last frame of an extended XYZ file.

    Args:
        path: the file.
        species: elements of types 1, 2, ..., where it is LAMMPS' `dump xyz`.

    Raises:
        StructureError: it cannot be read, or an atom is of no known element.
    """
    return _read(path, slice(-1, None), species)[-1]


def text_of(atoms: Atoms, key: str) -> str | None:
    """A key's words as the file has them; those of structures that are no extended XYZ as Python prints them."""
    words = atoms.info.get(KEYS)
    if isinstance(words, Mapping):
        return words.get(key)
    return str(atoms.info[key]) if key in atoms.info else None


def _read(path: Path, index: slice, species: Sequence[str]) -> list[Atoms]:
    try:
        found: list[Atoms] = list(
            read_xyz(io.StringIO(text_of_file(path)), index=index, properties_parser=_comment)
        )
    except KeyError as error:  # a species of ADF's dialect, which ASE reads by itself
        raise StructureError(
            f"it names {error} as an element; name elements by their symbols"
        ) from error
    if not found:
        raise StructureError("it holds no structure; give a whole file of a format that ASE reads")
    for atoms in found:
        _finish(atoms, species)
        atoms.info[FILE] = str(path)
    return found


def words(line: str) -> dict[str, str]:
    """A comment line's keys and their text; a key alone is T."""
    found = {}
    for match in _PAIR.finditer(line):
        value = match["value"]
        found[_bare(match["key"])] = "T" if value is None else _bare(value)
    return found


def _bare(text: str) -> str:
    """Without quotes or brackets around, and without what escapes."""
    inside = (
        text[1:-1] if len(text) > 1 and text[0] + text[-1] in ('""', "''", "{}", "[]") else text
    )
    return re.sub(r"\\(.)", r"\1", inside)


def _comment(line: str) -> dict[str, Any]:
    """ASE's parser of comment lines, with the text kept, and species and mask left to us."""
    info: dict[str, Any] = key_val_str_to_dict(line)
    columns = [*zip(*[iter(str(info.get("Properties", _PLAIN)).split(":"))] * 3, strict=False)]
    numbered = any(name == "Z" for name, _, _ in columns)
    renamed = {"move_mask": _MASK} | ({} if numbered else {"species": _SPECIES})
    info["Properties"] = ":".join(
        f"{renamed[name]}:S:{count}" if name in renamed else f"{name}:{kind}:{count}"
        for name, kind, count in columns
    )
    return info | {
        KEYS: {**words(line), "mlip_kmc.line": line} if line.startswith(_LAMMPS) else words(line)
    }


def _finish(atoms: Atoms, species: Sequence[str]) -> None:
    keys = dict(atoms.info.get(KEYS, {}))
    names = atoms.arrays.pop(_SPECIES, None)
    if names is not None:
        given = [str(name) for name in names.tolist()]
        types = keys.pop("mlip_kmc.line", "").startswith(_LAMMPS) and all(map(str.isdecimal, given))
        atoms.set_chemical_symbols(
            elements_of_types(given, species) if types else elements_of(given)
        )
        if "masses" not in atoms.arrays:
            atoms.set_masses("defaults")
    mask = atoms.arrays.pop(_MASK, None)
    if mask is not None:
        constrain(atoms, _fixed(mask))
    atoms.info[KEYS] = keys
    results = {} if atoms.calc is None else atoms.calc.results
    columns = [name for name in (*atoms.arrays, *results) if name not in _USED_COLUMNS]
    doubtful = tuple(name for name in columns if _two_valued(atoms.arrays.get(name)))
    unused = (
        *columns,
        *(
            key
            for key in keys
            if key not in _USED_KEYS and key not in results and key not in columns
        ),
    )
    atoms.info[UNUSED] = Unused(names=tuple(dict.fromkeys(unused)), doubtful=doubtful)


def _fixed(mask: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(N, 3) True where a coordinate is fixed, of a column `move_mask` of one or three words.

    Raises:
        StructureError: a word is neither T nor F, or there are two columns.
    """
    rows = mask.reshape(len(mask), -1)
    if rows.shape[1] not in (1, 3):
        raise StructureError(
            f"its move_mask has {rows.shape[1]} columns; give one, or three that are alike"
        )
    for index, row in enumerate(rows.tolist()):
        wrong = [word for word in row if word not in _MOVES]
        if wrong:
            raise StructureError(
                f"atom {index} (from 0) has {wrong[0]!r} in move_mask; write T where it moves, else F"
            )
    return ~np.array(
        [[_MOVES[word] for word in row] * (3 // len(row)) for row in rows.tolist()], dtype=bool
    )


def _two_valued(column: Any) -> bool:
    """May a column say which atoms are fixed? One of truth values, or of 0 and 1, that tells atoms apart."""
    if column is None or column.dtype.kind not in "biuO":
        return False
    values = {str(value) for value in column.ravel().tolist()}
    return len(values) == 2 and values <= set(_MOVES)
