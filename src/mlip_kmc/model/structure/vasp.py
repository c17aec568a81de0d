"""VASP's POSCAR and CONTCAR: ASE reads them; the flags of selective dynamics are read here, by VASP's own rule.

A flag is a Fortran logical: the first letter after an optional dot, T or F in either case (`f`, `.FALSE.`, `False`). ASE takes
every other text than `F` for `moves`. Format: https://www.vasp.at/wiki/index.php/POSCAR.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.vasp import read_vasp

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.constraints import constrain
from mlip_kmc.model.structure.notes import UNUSED, Unused
from mlip_kmc.model.structure.text import text_of_file

_LOGICAL = re.compile(r"\.?([TtFf])")


class _Named(io.StringIO):
    """Text with its file's name: ASE looks beside it for the elements of old files, which name none."""

    name = ""


def read_poscar(path: Path, *, species: Sequence[str] = ()) -> Atoms:
    """A POSCAR or CONTCAR, with its fixed atoms.

    Args:
        path: the file.
        species: elements in the order of the counts, where the file names none (VASP 4).

    Raises:
        StructureError: a flag is missing or no logical, or an atom is fixed along some directions only.
    """
    lines = text_of_file(path).splitlines()
    if species and len(lines) > 5 and _is_counts(lines[5]):
        lines.insert(5, " ".join(species))
    flags = _flags(lines)
    stream = _Named("\n".join([*lines, ""]))
    stream.name = str(path)
    atoms: Atoms = read_vasp(stream)
    atoms.set_constraint()
    if flags is not None:
        constrain(atoms, flags)
    atoms.info[UNUSED] = Unused(names=("velocities",) if atoms.has("momenta") else ())
    return atoms


def _is_counts(line: str) -> bool:
    return "".join(line.split()[:1]).isdecimal()


def _flags(lines: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]] | None:
    """(N, 3) True where a coordinate is fixed; None without selective dynamics."""
    switch = 6 if _is_counts(lines[5]) else 7
    if lines[switch].strip()[:1].lower() != "s":
        return None
    counts = [int(word) for word in lines[switch - 1].partition("!")[0].split()]
    fixed = np.zeros((sum(counts), 3), dtype=bool)
    for index in range(len(fixed)):
        number = switch + 2 + index
        words = [word for word in re.split(r"[\s,]+", lines[number].strip()) if word][3:6]
        logicals = [_LOGICAL.match(word) for word in words]
        where = f"atom {index} (from 0; line {number + 1})"
        if len(words) < 3:
            raise StructureError(
                f"{where} has {len(words)} of the three flags of selective dynamics; write T T T or F F F"
            )
        for axis, (word, logical) in enumerate(zip(words, logicals, strict=True)):
            if logical is None:
                raise StructureError(
                    f"{where} has {word!r} for a flag of selective dynamics; write T or F"
                )
            fixed[index, axis] = logical.group(1) in "Ff"
    return fixed
