"""LAMMPS' data files and dumps: boxes of every kind, type labels, image flags; types become elements only where that is said.

Example:
    read_data(Path("cu.data"), species=("Cu", "Ni"))
    read_dump(Path("last.dump"), species=("Cu", "Ni"))

Formats: https://docs.lammps.org/read_data.html, https://docs.lammps.org/dump.html, https://docs.lammps.org/Howto_triclinic.html.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.lammpsrun import read_lammps_dump_text

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.cell import Array
from mlip_kmc.model.structure.elements import elements_of
from mlip_kmc.model.structure.notes import UNUSED, Unused
from mlip_kmc.model.structure.text import text_of_file
from mlip_kmc.model.structure.types import ADVICE, elements_of_types, species_of_types

_SECTION = re.compile(r"[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)*")
_COUNT = re.compile(r"(\d+)\s+(atoms|atom types)")
_SIDES = {
    "xlo xhi": 2,
    "ylo yhi": 2,
    "zlo zhi": 2,
    "xy xz yz": 3,
    "avec": 3,
    "bvec": 3,
    "cvec": 3,
    "abc origin": 3,
}
_SIDE = re.compile(r"(.*?)\s+(" + "|".join(name.replace(" ", r"\s+") for name in _SIDES) + ")")
_STYLES = {"atomic": 1, "charge": 1, "molecular": 2, "bond": 2, "angle": 2, "full": 2}
"""Column of the type, from 0; the position is the last three before image flags."""
_WIDTHS = {"atomic": 5, "charge": 6, "molecular": 6, "bond": 6, "angle": 6, "full": 7}
_USED = {"Atoms", "Masses", "Atom Type Labels"}
_UNITS = re.compile(r"\bunits = (\w+)")
_PLACES = {"x", "y", "z", "xs", "ys", "zs", "xu", "yu", "zu", "xsu", "ysu", "zsu"}
_DUMP_USED = {"id", "type", "element", *_PLACES}
_IN_ANGSTROM = ("metal", "real")


@dataclass
class _Data:
    """A data file's header and sections, as text."""

    counts: dict[str, int] = field(default_factory=dict)
    sides: dict[str, list[float]] = field(default_factory=dict)
    sections: dict[str, list[tuple[list[str], str]]] = field(default_factory=dict)
    style: str = ""


def read_data(path: Path, *, species: Sequence[str] = ()) -> Atoms:
    """A data file of `read_data`, in units in which lengths are in A; atoms in the order of their ids.

    Args:
        path: the file.
        species: elements of types 1, 2, ...; where empty, type labels or masses say.

    Raises:
        StructureError: it is not whole, or does not say which elements its types are.
    """
    text = text_of_file(path)
    _check_units(text.split("\n", 1)[0])
    data = _parsed(text)
    rows = [words for words, _ in data.sections.get("Atoms", [])]
    wanted = data.counts.get("atoms", 0)
    if len(rows) != wanted or not rows:
        raise StructureError(f"it has {len(rows)} of {wanted} atoms in its section Atoms")
    column, flags = _columns(data, rows)
    labels = _labels(data)
    numbers = _numbers([row[column] for row in rows], labels)
    masses = _masses(data, labels)
    count = data.counts.get("atom types", max(numbers))
    comments = {
        number: text for number, text in _comments(data, labels).items() if len(text.split()) == 1
    }
    elements = species_of_types(
        count, species=species, labels={**comments, **labels}, masses=masses
    )
    cell = _cell(data)
    end = -3 if flags else None
    places = np.array([[float(word) for word in row[:end][-3:]] for row in rows])
    if flags:
        places += np.array([[int(word) for word in row[-3:]] for row in rows]) @ cell
    order = np.argsort([int(row[0]) for row in rows], kind="stable")
    atoms = Atoms(
        elements_of_types(np.array(numbers)[order].tolist(), elements),
        positions=places[order],
        cell=cell,
        pbc=True,
    )
    if set(numbers) <= set(masses):
        atoms.set_masses([masses[numbers[index]] for index in order])
    unused = (
        *(("charges",) if data.style in ("charge", "full") else ()),
        *(("molecules",) if _STYLES[data.style] == 2 else ()),
        *(name for name in data.sections if name not in _USED),
    )
    atoms.info[UNUSED] = Unused(names=unused)
    return atoms


def _check_units(comment: str) -> None:
    units = _UNITS.search(comment)
    if units is not None and units.group(1) not in _IN_ANGSTROM:
        raise StructureError(
            f"it has LAMMPS' units {units.group(1)}; convert it to metal, in which lengths are in A"
        )


def _parsed(text: str) -> _Data:
    data, section = _Data(), ""
    for line in text.splitlines()[1:]:
        plain, _, comment = (part.strip() for part in line.partition("#"))
        if not plain:
            continue
        if _SECTION.fullmatch(plain):
            section = plain
            data.sections[section] = []
            if section == "Atoms":
                data.style = comment.split()[0] if comment else ""
        elif section:
            data.sections[section].append((plain.split(), comment))
        elif count := _COUNT.fullmatch(plain):
            data.counts[count.group(2)] = int(count.group(1))
        elif side := _SIDE.fullmatch(plain):
            name = " ".join(side.group(2).split())
            data.sides[name] = [float(word) for word in side.group(1).split()]
            if len(data.sides[name]) != _SIDES[name]:
                raise StructureError(
                    f"its line {plain!r} has not {_SIDES[name]} numbers before {name}"
                )
    return data


def _columns(data: _Data, rows: Sequence[Sequence[str]]) -> tuple[int, bool]:
    """The type's column, from 0, and whether image flags end each row; the style is filled in where the file says none."""
    width = {len(row) for row in rows}
    if len(width) != 1:
        raise StructureError("the rows of its section Atoms are not equally long")
    (columns,) = width
    if not data.style:
        data.style = _guessed(data, rows, columns)
    if data.style not in _STYLES:
        raise StructureError(
            f"its atoms have the style {data.style!r}, which is not read; use one of {', '.join(_STYLES)}"
        )
    least = _WIDTHS[data.style]
    if columns not in (least, least + 3):
        raise StructureError(
            f"its atoms have {columns} columns, but the style {data.style} has {least}, or {least + 3} with "
            "image flags"
        )
    return _STYLES[data.style], columns > least


def _guessed(data: _Data, rows: Sequence[Sequence[str]], columns: int) -> str:
    """The style by the number of columns; 6 and 9 are charge or molecular, which the third column tells apart."""
    alone = {5: "atomic", 8: "atomic", 7: "full", 10: "full"}.get(columns)
    if alone is not None:
        return alone
    count, labels = data.counts.get("atom types", 0), set(_labels(data).values())
    types = all(
        row[2] in labels or (row[2].isdecimal() and 1 <= int(row[2]) <= count) for row in rows
    )
    charges = any("." in row[2] or "-" in row[2] for row in rows)
    if columns in (6, 9) and types != charges:
        return "molecular" if types else "charge"
    raise StructureError(
        f"its atoms have {columns} columns, which fit no atom style; name the style in the file, as "
        "'Atoms # charge'"
    )


def _labels(data: _Data) -> dict[int, str]:
    return {int(words[0]): words[1] for words, _ in data.sections.get("Atom Type Labels", [])}


def _numbers(types: Sequence[str], labels: Mapping[int, str]) -> list[int]:
    by_label = {label: number for number, label in labels.items()}
    unknown = [name for name in types if not name.isdecimal() and name not in by_label]
    if unknown:
        raise StructureError(
            f"it has atoms of a type {unknown[0]!r}, which is neither a number nor one of its type labels"
        )
    return [by_label[name] if name in by_label else int(name) for name in types]


def _masses(data: _Data, labels: Mapping[int, str]) -> dict[int, float]:
    rows = [words for words, _ in data.sections.get("Masses", [])]
    return dict(
        zip(
            _numbers([words[0] for words in rows], labels),
            (float(words[1]) for words in rows),
            strict=True,
        )
    )


def _comments(data: _Data, labels: Mapping[int, str]) -> dict[int, str]:
    """What stands beside masses: many programs write the element there."""
    rows = [(words[0], comment) for words, comment in data.sections.get("Masses", []) if comment]
    return dict(
        zip(
            _numbers([first for first, _ in rows], labels),
            (comment for _, comment in rows),
            strict=True,
        )
    )


def _cell(data: _Data) -> Array:
    """(3, 3) of a box, orthogonal, tilted, or general triclinic; atoms keep their places where the box is shifted."""
    sides = data.sides
    if {"avec", "bvec", "cvec"} <= set(sides):
        return np.array([sides["avec"], sides["bvec"], sides["cvec"]])
    if not {"xlo xhi", "ylo yhi", "zlo zhi"} <= set(sides):
        raise StructureError(
            "its header has no whole box (xlo xhi, ylo yhi, zlo zhi; or avec, bvec, cvec)"
        )
    x, y, z = (sides[name][1] - sides[name][0] for name in ("xlo xhi", "ylo yhi", "zlo zhi"))
    xy, xz, yz = sides.get("xy xz yz", [0.0, 0.0, 0.0])
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def read_dump(path: Path, *, species: Sequence[str] = ()) -> Atoms:
    """The last frame of a text dump.

    Args:
        path: the file.
        species: elements of types 1, 2, ...; where empty, the dump's column `element` says.

    Raises:
        StructureError: it is not whole, or does not say which elements its types are.
    """
    text = text_of_file(path)
    start = text.rfind("ITEM: TIMESTEP")
    units = re.findall(r"ITEM: UNITS\s+(\w+)", text)
    if units and units[-1] not in _IN_ANGSTROM:
        raise StructureError(
            f"it has LAMMPS' units {units[-1]}; convert it to metal, in which lengths are in A"
        )
    header, rows = _dump_rows(text[start:])
    if "id" in header:
        rows.sort(key=lambda row: int(row[header.index("id")]))
    places = [index for index, name in enumerate(header) if name in _PLACES]
    table = [f"ITEM: ATOMS element {' '.join(header[index] for index in places)}"]
    for symbol, row in zip(_dump_elements(header, rows, species), rows, strict=True):
        table.append(" ".join([symbol, *(row[index] for index in places)]))
    frame = text[start:].partition("ITEM: ATOMS")[0] + "\n".join([*table, ""])
    atoms: Atoms = read_lammps_dump_text(io.StringIO(frame), index=-1)
    atoms.info = {UNUSED: Unused(names=tuple(name for name in header if name not in _DUMP_USED))}
    return atoms


def _dump_rows(text: str) -> tuple[list[str], list[list[str]]]:
    """Names of the columns and words of each atom."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("ITEM: ATOMS")]
    counts = [
        lines[number + 1]
        for number, line in enumerate(lines[:-1])
        if line.startswith("ITEM: NUMBER OF ATOMS")
    ]
    if not starts or not counts:
        raise StructureError("its last frame is not whole")
    rows = [line.split() for line in lines[starts[0] + 1 :] if line.strip()]
    header = lines[starts[0]].split()[2:]
    if len(rows) != int(counts[0]) or any(len(row) != len(header) for row in rows):
        raise StructureError(f"its last frame has {len(rows)} of {counts[0]} whole rows of atoms")
    return header, rows


def _dump_elements(
    header: Sequence[str], rows: Sequence[Sequence[str]], species: Sequence[str]
) -> list[str]:
    if "element" in header:
        column = header.index("element")
        named = elements_of([row[column] for row in rows])
        if species and "type" in header:
            wanted = elements_of_types([row[header.index("type")] for row in rows], species)
            different = next(
                (
                    index
                    for index, pair in enumerate(zip(named, wanted, strict=True))
                    if pair[0] != pair[1]
                ),
                None,
            )
            if different is not None:
                raise StructureError(
                    f"atom {different} (from 0) is {named[different]} by its column element, but "
                    f"{wanted[different]} by structure.species; correct one of them"
                )
        return named
    if "type" not in header:
        raise StructureError(
            "its atoms have neither a column element nor a column type; dump id type element x y z"
        )
    if not species:
        types = sorted({row[header.index("type")] for row in rows})
        raise StructureError(
            f"it has no column element, and its types ({', '.join(types[:4])}) are no elements; {ADVICE}"
        )
    return elements_of_types([row[header.index("type")] for row in rows], species)
