"""eOn's `.con` format, written and read without loss, by readcon, which eOn uses itself.

Example:
    from_con(to_con(atoms)).positions == atoms.positions      # all true
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import readcon
from ase import Atoms

from mlip_kmc.ground.errors import StructureError, first_line
from mlip_kmc.model.structure.cell import Array, from_lengths_and_angles, lengths_and_angles
from mlip_kmc.model.structure.constraints import constrain, fixed_atoms
from mlip_kmc.model.structure.elements import elements_of
from mlip_kmc.model.structure.masses import check_masses
from mlip_kmc.model.structure.notes import UNUSED, Unused

_FREE = (False, False, False)
_ANGSTROM = ("angstrom", "ang", "a")
_SECTIONS = {
    "has_velocities": "velocities",
    "has_forces": "forces",
    "has_bonds": "bonds",
    "has_spreads": "spreads",
    "has_displacements": "displacements",
}


def to_con(atoms: Atoms, positions: Array | None = None, *, decimals: int | None = None) -> str:
    """Text of a `.con` file with exact numbers, fixed atoms, and the order of the atoms.

    The format groups atoms by species. The order is kept in the atom ids (from 1), by which eOn and `from_con` sort.

    Args:
        atoms: N atoms in a restricted triclinic cell.
        positions: (N, 3) in A; None: those of `atoms`.
        decimals: number of digits after the point, which loses bits of small coordinates; None: the shortest text that gives
            the same number when it is read.

    Raises:
        StructureError: the cell is not restricted triclinic, or the format cannot hold the atoms.
    """
    lengths, angles = lengths_and_angles(np.asarray(atoms.cell.array, dtype=float))
    return _text(
        atoms,
        atoms.positions if positions is None else positions,
        cell=(lengths, angles),
        decimals=decimals,
    )


def moved_con(con: str, positions: Array) -> str:
    """The `.con` text of the same atoms elsewhere; the cell's lengths and angles are the same to the last bit.

    `to_con` computes them from vectors, which `from_con` computed from such: in a skewed cell that changes last digits.

    Args:
        con: text of the format.
        positions: (N, 3) in A, in the order of the atom ids.

    Raises:
        StructureError: as of `from_con` and `to_con`.
    """
    frame = _last_frame(con)
    if dict(frame.metadata).get("lattice_vectors") is not None:
        return to_con(_from_frame(frame), positions)
    cell = [float(length) for length in frame.cell], [float(angle) for angle in frame.angles]
    return _text(_from_frame(frame), positions, cell=cell)


def _text(
    atoms: Atoms,
    positions: Array,
    *,
    cell: tuple[list[float], list[float]],
    decimals: int | None = None,
) -> str:
    fixed = set(fixed_atoms(atoms).tolist())
    places = np.asarray(positions, dtype=float)
    if places.shape != (len(atoms), 3) or not np.isfinite(places).all():
        raise StructureError(f"a .con file needs {len(atoms)} finite positions")
    check_masses(atoms)
    rows = zip(
        atoms.get_chemical_symbols(), places.tolist(), atoms.get_masses().tolist(), strict=True
    )
    frame = readcon.ConFrame(
        cell=cell[0],
        angles=cell[1],
        atoms=[
            readcon.Atom(
                symbol=symbol,
                x=x,
                y=y,
                z=z,
                fixed=[index in fixed] * 3,
                atom_id=index + 1,
                mass=mass,
            )
            for index, (symbol, (x, y, z), mass) in enumerate(rows)
        ],
        prebox_header=["mlip-kmc", ""],
    )
    text: str = readcon.write_con_string(
        [frame], **({} if decimals is None else {"precision": decimals})
    )
    return text


def from_con(text: str) -> Atoms:
    """Atoms of the last frame of `.con` text, in the order of their atom ids.

    The cell is the text's `lattice_vectors` where it has them, else a restricted triclinic cell from its lengths and angles. Its
    `pbc` is kept where it has one.

    Raises:
        StructureError: the text is not a `.con` file, or only some coordinates of an atom are fixed.
    """
    return _from_frame(_last_frame(text))


def read_con(text: str) -> Atoms:
    """As `from_con`, with a note of the sections of the text that are not used (`atoms.info`).

    Raises:
        StructureError: as `from_con`.
    """
    frame = _last_frame(text)
    atoms = _from_frame(frame)
    atoms.info[UNUSED] = Unused(
        names=tuple(name for has, name in _SECTIONS.items() if getattr(frame, has, False))
    )
    return atoms


def _last_frame(text: str) -> Any:
    try:
        frames = readcon.read_con_string(text)
    except Exception as error:  # readcon raises its own types
        raise StructureError(
            f"not a .con structure: {first_line(error)}; give a whole file that eOn or ASE wrote"
        ) from error
    if not frames:
        raise StructureError("the .con file holds no frame; give a whole one")
    return frames[-1]


def _from_frame(frame: Any) -> Atoms:
    entries = list(frame.atoms)
    ids = [entry.atom_id for entry in entries]
    if len(set(ids)) == len(ids):
        entries.sort(key=lambda entry: entry.atom_id)
    positions = np.array([[entry.x, entry.y, entry.z] for entry in entries], dtype=float).reshape(
        -1, 3
    )
    metadata = dict(frame.metadata)
    atoms = Atoms(
        elements_of([str(entry.symbol) for entry in entries]),
        positions=positions,
        cell=_cell(frame, metadata),
        pbc=_periodic(metadata),
    )
    if all(entry.mass for entry in entries):
        atoms.set_masses([entry.mass for entry in entries])
    constrain(
        atoms, np.array([entry.fixed or _FREE for entry in entries], dtype=bool).reshape(-1, 3)
    )
    return atoms


def _cell(frame: Any, metadata: Mapping[str, Any]) -> Array:
    unit = str(dict(metadata.get("units") or {}).get("length", "angstrom"))
    if unit.lower() not in _ANGSTROM:
        raise StructureError(f"the .con file has lengths in {unit!r}; give them in A (angstrom)")
    if metadata.get("lattice_vectors") is None:
        return from_lengths_and_angles(list(frame.cell), list(frame.angles))
    vectors = np.array(metadata["lattice_vectors"], dtype=float)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise StructureError(
            "the .con file's lattice_vectors are not three vectors of three finite numbers; correct them"
        )
    return vectors


def _periodic(metadata: Mapping[str, Any]) -> list[bool]:
    given = metadata.get("pbc")
    return [True] * 3 if given is None else [bool(flag) for flag in itertools.islice(given, 3)]
