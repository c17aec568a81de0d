"""Structures with the energy and forces that an oracle gave them: one durable extended XYZ file for a set.

Example:
    structures = read_labelled(Path("gen-001/train.xyz"))
    structures[0].forces_eV_per_A, structures[0].force_weights    # (N, 3), (N,)
    write_labelled(Path("set.xyz"), structures)                    # the same set again is the same file, byte by byte

A file has the columns `forces` and, where not every atom counts alike, `force_weight`, and the keys `energy` (left out where only
forces count), `energy_weight`, `name`, `role` and `oracle`; numbers have all their digits. It is read by ASE, too, and by what
reads ASE's extended XYZ.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.ground.errors import StructureError, first_line
from mlip_kmc.ground.files import write_durably
from mlip_kmc.model.structure import Array, extended_xyz, read_frames, text_of

_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,200}", re.ASCII)


class Role(StrEnum):
    """What a labelled structure is there for."""

    TRAINING = "training"
    """Of the set that the potential was fitted to before the campaign."""
    LABEL = "label"
    """Labelled by the campaign's oracle."""
    ANCHOR = "anchor"
    """Labelled by the old potential: it holds a correction to zero where the old potential is right."""


@dataclass(frozen=True)
class LabelledStructure:
    """A structure, and what an oracle says of it.

    Attributes:
        name: names the structure in its set; letters, digits and `_ . + -`.
        atoms: positions and cell in A; nothing else of it is used.
        forces_eV_per_A: (N, 3).
        energy_eV: of the whole structure; None where it is not known or must not count.
        force_weights: (N,) from 0 to 1: weight of each atom's forces; 1 in the core of a cut-out, 0 in its buffer.
        energy_weight: from 0 to 1: weight of the energy; 1 for a whole structure, 0 for a cut-out.
        role: see `Role`.
        oracle: sha256 of the oracle's settings; empty where they are not known.
        minimum: of a saddle: name of the labelled minimum that its barrier is counted from; empty for all others.
    """

    name: str
    atoms: Atoms
    forces_eV_per_A: Array
    energy_eV: float | None
    force_weights: Array
    energy_weight: float = 1.0
    role: Role = Role.LABEL
    oracle: str = ""
    minimum: str = ""

    @classmethod
    def whole(
        cls,
        name: str,
        atoms: Atoms,
        *,
        energy_eV: float | None,
        forces_eV_per_A: Array,
        role: Role = Role.LABEL,
        oracle: str = "",
    ) -> "LabelledStructure":
        """A structure of which every atom and the energy count."""
        return cls(
            name=name,
            atoms=atoms,
            forces_eV_per_A=np.asarray(forces_eV_per_A, dtype=float),
            energy_eV=energy_eV,
            force_weights=np.ones(len(atoms)),
            energy_weight=0.0 if energy_eV is None else 1.0,
            role=role,
            oracle=oracle,
        )


def labelled_text(structures: Iterable[LabelledStructure]) -> str:
    """The content of a set's file.

    Raises:
        StructureError: a number is not finite, a weight is not within 0 and 1, or a name cannot be written.
    """
    return "".join(_text(structure) for structure in structures)


def write_labelled(path: Path, structures: Iterable[LabelledStructure]) -> None:
    """Write a set durably.

    Raises:
        StructureError: see `labelled_text`. StorageError: it could not be made durable.
    """
    write_durably(path, labelled_text(structures).encode())


def read_labelled(
    path: Path,
    *,
    energy_key: str = "energy",
    forces_key: str = "forces",
    role: Role = Role.TRAINING,
) -> tuple[LabelledStructure, ...]:
    """A set: ours, or anybody's extended XYZ with energies and forces, whose structures are then whole and of this `role`.

    Raises:
        StructureError: it cannot be read, a structure has no forces, or a number is not finite.
    """
    try:
        frames = read_frames(path)
    except Exception as error:  # ASE's readers raise anything
        raise StructureError(
            f"cannot read the labelled structures {path}: {first_line(error)}"
        ) from error
    return tuple(
        _structure(atoms, index, path=path, keys=(energy_key, forces_key), role=role)
        for index, atoms in enumerate(frames)
    )


def _text(structure: LabelledStructure) -> str:
    weights = np.asarray(structure.force_weights, dtype=float)
    for name in filter(None, (structure.name or " ", structure.minimum)):
        if not _NAME.fullmatch(name):
            raise StructureError(
                f"a labelled structure's name has letters, digits and _ . + - (it is {name[:40]!r})"
            )
    if not (((weights >= 0) & (weights <= 1)).all() and 0 <= structure.energy_weight <= 1):
        raise StructureError(f"the weights of {structure.name} are not within 0 and 1")
    if structure.energy_eV is not None and not np.isfinite(structure.energy_eV):
        raise StructureError(f"the energy of {structure.name} is not finite")
    keys = {} if structure.energy_eV is None else {"energy": repr(float(structure.energy_eV))}
    keys |= {
        "energy_weight": repr(float(structure.energy_weight)),
        "name": f"name_{structure.name}",
    }
    keys |= {"role": str(structure.role)}
    keys |= {"oracle": f"sha256:{structure.oracle}"} if structure.oracle else {}
    keys |= {"minimum": f"name_{structure.minimum}"} if structure.minimum else {}
    columns = {"forces": np.asarray(structure.forces_eV_per_A, dtype=float)}
    columns |= {} if (weights == 1).all() else {"force_weight": weights}
    return extended_xyz(structure.atoms, keys=keys, columns=columns)


def _structure(
    atoms: Atoms, index: int, *, path: Path, keys: tuple[str, str], role: Role
) -> LabelledStructure:
    results: dict[str, Any] = getattr(atoms.calc, "results", {})
    forces = atoms.arrays.get(keys[1], results.get(keys[1]))
    energy = atoms.info.get(keys[0], results.get(keys[0]))
    if forces is None or np.shape(forces) != (len(atoms), 3) or not np.isfinite(forces).all():
        raise StructureError(
            f"structure {index + 1} of {path} has no finite forces of the name {keys[1]!r}"
        )
    if energy is not None and not np.isfinite(energy):
        raise StructureError(f"structure {index + 1} of {path} has an energy that is not finite")
    bare = Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    name = (text_of(atoms, "name") or f"name_{path.stem}-{index}").removeprefix("name_")
    known_role = text_of(atoms, "role")
    return LabelledStructure(
        name=name,
        atoms=bare,
        forces_eV_per_A=np.array(forces, dtype=float),
        energy_eV=None if energy is None else float(energy),
        force_weights=np.array(atoms.arrays.get("force_weight", np.ones(len(atoms))), dtype=float),
        energy_weight=float(atoms.info.get("energy_weight", 0.0 if energy is None else 1.0)),
        role=Role(known_role) if known_role in tuple(Role) else role,
        oracle=(text_of(atoms, "oracle") or "").removeprefix("sha256:"),
        minimum=(text_of(atoms, "minimum") or "").removeprefix("name_"),
    )
