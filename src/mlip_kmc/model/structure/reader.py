"""One structure out of a file of any format, which is told by its content where that is plain, and else by its name.

Example:
    read_structure(Path("vacancy.xyz"))
    read_structure(Path("cu.data"), file_format="lammps-data", species=("Cu", "Ni"))
"""

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from mlip_kmc.ground.container import binding
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.cif import read_cif
from mlip_kmc.model.structure.con import read_con
from mlip_kmc.model.structure.elements import element_of
from mlip_kmc.model.structure.lammps import read_data, read_dump
from mlip_kmc.model.structure.notes import FILE, UNUSED, Unused
from mlip_kmc.model.structure.text import text_of_file
from mlip_kmc.model.structure.types import ADVICE
from mlip_kmc.model.structure.vasp import read_poscar
from mlip_kmc.model.structure.xyz import read_last

_READABLE = "give a whole file of a format that ASE reads"
_HEAD_BYTES = 65536
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"
_POSCAR = re.compile(
    rf"[^\n]*\n\s*(?:{_NUMBER}\s*?){{1,3}}\r?\n(?:\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}[^\n]*\n){{3}}"
    r"(?:[ \t]*[A-Z][^\n]*\n)?[ \t]*\d[\d \t]*(?:!?[^\n]*)\r?\n[ \t]*(?!Direct configuration)[sSdDcCkK]"
)
_SIGNS = (
    ("lammps-dump-text", re.compile(r"ITEM: (TIMESTEP|UNITS|TIME)\b")),
    ("extxyz", re.compile(r"\s*\d+[ \t]*\r?\n[^\n]*\b(Lattice|Properties)\s*=")),
    ("con", re.compile(r"(?:[^\n]*\n){10}Coordinates of Component\b", re.IGNORECASE)),
)
"""Formats and what their files begin with."""
_PARTS = (
    (
        "lammps-data",
        re.compile(r"^\s*\d+\s+atoms\b", re.MULTILINE),
        re.compile(r"^[^\n#]*\s(xlo\s+xhi|avec)\b", re.MULTILINE),
    ),
    (
        "cif",
        re.compile(r"^data_", re.MULTILINE | re.IGNORECASE),
        re.compile(r"^_cell_length_a\b", re.MULTILINE | re.IGNORECASE),
    ),
)
"""Formats and what their files hold, both of them."""
_READERS: dict[str, Callable[[Path, Sequence[str]], Atoms]] = {
    "con": lambda path, _: read_con(text_of_file(path)),
    "eon": lambda path, _: read_con(text_of_file(path)),
    "extxyz": lambda path, species: read_last(path, species=species),
    "xyz": lambda path, species: read_last(path, species=species),
    "vasp": lambda path, species: read_poscar(path, species=species),
    "cif": lambda path, _: read_cif(path),
    "lammps-data": lambda path, species: read_data(path, species=species),
    "lammps-dump-text": lambda path, species: read_dump(path, species=species),
}
_BY_TYPE = ("lammps-data", "lammps-dump-text", "lammps-dump-binary", "vasp", "extxyz", "xyz")
_USED_ARRAYS = {"numbers", "positions", "masses", "tags", "occupancy", "spacegroup_kinds"}


def read_structure(
    path: Path, *, file_format: str | None = None, species: Sequence[str] = ()
) -> Atoms:
    """Read the last frame of any file that ASE or eOn's `.con` reader understands.

    Args:
        path: the file.
        file_format: `con`, or ASE's name of its format; None: told by its content and name.
        species: elements of LAMMPS' types 1, 2, ..., which are no elements.

    Raises:
        StructureError: the file is missing, empty or not readable, or does not say which elements its atoms are.
    """
    if not path.is_file():
        raise StructureError(
            f"there is no structure file {path}; {binding(path) or 'correct structure.file'}"
        )
    named = [element_of(symbol, where="structure.species") for symbol in species]
    kind = _known(file_format) if file_format is not None else None
    try:
        found = _read(path, kind or format_of(path), named)
    except StructureError as error:
        raise StructureError(f"{path}: {error}") from error
    except OSError as error:
        raise StructureError(
            f"cannot read a structure from {path}: {error.strerror or _reason(error)}; {_READABLE}"
        ) from error
    except Exception as error:  # ASE's readers raise anything
        raise StructureError(
            f"cannot read a structure from {path}: {_reason(error)}; {_READABLE}"
        ) from error
    if not isinstance(found, Atoms) or len(found) == 0:
        raise StructureError(f"{path} holds no atoms; {_READABLE}")
    found.info[FILE] = str(path)
    return found


def format_of(path: Path) -> str:
    """The name of a file's format, by its content where that is plain, and else by its name.

    Raises:
        StructureError: neither says it.
    """
    if path.suffix == ".con":
        return "con"
    try:
        head = text_of_file(path, most=_HEAD_BYTES)
    except StructureError:
        head = ""
    for name, sign in _SIGNS:
        if sign.match(head):
            return name
    for name, *parts in _PARTS:
        if all(part.search(head) for part in parts):
            return str(name)
    by_name = _format_by_name(path)
    if _POSCAR.match(head) and not (by_name or "").startswith("vasp-"):
        return "vasp"
    if by_name is None:
        raise StructureError(
            "its format is clear neither from its content nor from its name; set structure.format, as "
            f"lammps-data or extxyz; or {_READABLE}"
        )
    return by_name


def _format_by_name(path: Path) -> str | None:
    try:
        found = str(filetype(str(path.absolute())))
    except UnknownFileTypeError:
        return None
    return (
        found if found in ioformats else None
    )  # ASE gives the name's ending back where it knows no better


def _known(name: str) -> str:
    if name == "con" or (name in ioformats and ioformats[name].can_read):
        return name
    near = difflib.get_close_matches(name, [*ioformats, "con"], n=1)
    raise StructureError(
        f"structure.format: ASE reads no format {name!r}"
        + (
            f"; did you mean {near[0]}?"
            if near
            else "; `ase info --formats` lists those that it reads"
        )
    )


def _read(path: Path, kind: str, species: Sequence[str]) -> Atoms:
    if species and kind not in _BY_TYPE:
        raise StructureError(
            f"structure.species names types of atoms, but the format {kind} has elements: leave it out"
        )
    if kind in _READERS:
        return _READERS[kind](path, species)
    if kind == "lammps-dump-binary" and not species:
        raise StructureError(f"it has types of atoms and no elements; {ADVICE}")
    more = {"specorder": list(species)} if species else {}
    found = ase.io.read(
        path.absolute(), index=-1, do_not_split_by_at_sign=True, format=kind, **more
    )
    if isinstance(found, Atoms):
        results = {} if found.calc is None else found.calc.results
        found.info[UNUSED] = Unused(
            names=tuple(name for name in (*found.arrays, *results) if name not in _USED_ARRAYS)
        )
    return found


def _reason(error: Exception) -> str:
    """The first line of what an exception says, or its kind where it says nothing."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return f"it names {error.args[0]!r}, where an element (as Cu) or a known key belongs"
    return said[0] if said else type(error).__name__
