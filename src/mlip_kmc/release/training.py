"""Sets of labelled structures: read, told apart by a fingerprint, and compared with the potential.

Example:
    labelled = LabelledSet.read((Path("train.xyz"),))
    labelled.fingerprint, labelled.errors(calculator)

Extended XYZ with `energy` (eV) and `forces` (eV/A) of every structure; a key `group` names what kind it is. The fingerprint is
the sha256 over the sorted sha256s of the structures, each written in one canonical way, so that neither their order nor the way
they were printed counts.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.ground.errors import PotentialError, StructureError
from mlip_kmc.ground.files import sha256_of
from mlip_kmc.model.structure import extended_xyz, read_frames, text_of

Array = npt.NDArray[np.float64]
ANY_GROUP = "all"
"""Structures without a group are of this one; a limit of it holds for all groups that have none of their own."""
_DIGITS = 8
"""After the point, in the canonical text: A, eV, eV/A."""


@dataclass(frozen=True)
class Labelled:
    """A structure with its energy in eV and forces (N, 3) in eV/A.

    Attributes:
        force_weights: (N,), of a box that a campaign cut out; what has none was not fitted to. Empty: all count.
        energy_weight: likewise, of the energy.
    """

    atoms: Atoms
    energy_eV: float
    forces: Array
    group: str
    force_weights: tuple[float, ...] = ()
    energy_weight: float = 1.0

    def of_those_that_count(self, forces: Array) -> Array:
        """Rows (N, 3) of those atoms whose forces count, one after the other."""
        if not self.force_weights:
            return np.ravel(forces)
        return np.ravel(forces[np.array(self.force_weights) > 0.0])

    def canonical(self) -> str:
        """One text for the same structure, however it was written."""
        rows = np.hstack([self.atoms.positions, self.forces])
        numbers = [*self.atoms.cell.array.ravel().tolist(), self.energy_eV]
        lines = [" ".join("TF"[not flag] for flag in self.atoms.pbc), _row(numbers)]
        lines += [
            f"{symbol} {_row(row)}"
            for symbol, row in zip(self.atoms.get_chemical_symbols(), rows.tolist(), strict=True)
        ]
        return "\n".join([*lines, ""])

    def geometry(self) -> tuple[object, ...]:
        """What is equal for structures whose atoms are in the same places, to 1e-6 A."""
        places = np.round(np.vstack([self.atoms.cell.array, self.atoms.positions]), 6) + 0.0
        return tuple(self.atoms.pbc.tolist()), self.atoms.numbers.tobytes(), places.tobytes()


@dataclass(frozen=True)
class SetErrors:
    """Root mean square errors.

    Attributes:
        structures: how many.
        energy_eV_per_atom: of the energies per atom.
        force_eV_per_A: of the force components.
    """

    structures: int
    energy_eV_per_atom: float
    force_eV_per_A: float


@dataclass(frozen=True)
class LabelledSet:
    """A set.

    Attributes:
        structures: in the order of the files.
        files: sha256 by name.
    """

    structures: tuple[Labelled, ...]
    files: dict[str, str]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Self:
        """Read extended XYZ files.

        Raises:
            StructureError: one cannot be read, holds nothing, or a structure has no energy or forces.
        """
        structures: list[Labelled] = []
        files: dict[str, str] = {}
        for path in paths:
            if path.name in files:
                raise StructureError(
                    f"there are two files named {path.name}; give them different names"
                )
            structures += _read(path)
            files[path.name] = sha256_of(path)
        return cls(structures=tuple(structures), files=files)

    @property
    def atoms(self) -> int:
        """How many in all."""
        return sum(len(one.atoms) for one in self.structures)

    @property
    def fingerprint(self) -> str:
        """Of the whole set."""
        digests = sorted(
            hashlib.sha256(one.canonical().encode()).hexdigest() for one in self.structures
        )
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def shared_with(self, other: Self) -> int:
        """How many structures (cell, elements, positions) another set has, too, whatever their labels are."""
        theirs = {one.geometry() for one in other.structures}
        return sum(one.geometry() in theirs for one in self.structures)

    def errors(self, calculator: Any) -> dict[str, SetErrors]:
        """By group, in the order of appearance; of what counts in a fit, or, where nothing of a group does, of all of it.

        Args:
            calculator: the potential's.

        Raises:
            PotentialError: what it gives is not finite.
        """
        found = defaultdict(list)
        for one in self.structures:
            probe = one.atoms.copy()
            probe.calc = calculator
            energy = (float(probe.get_potential_energy()) - one.energy_eV) / len(probe)
            forces = np.asarray(probe.get_forces()) - one.forces
            if not (np.isfinite(energy) and np.isfinite(forces).all()):
                raise PotentialError(
                    f"the potential's energy or forces for a structure of the group {one.group} are not finite"
                )
            found[one.group].append((one, energy, forces))
        return {group: _errors(rows) for group, rows in found.items()}

    def to_xyz(self) -> bytes:
        """The set as one extended XYZ file, which reads as the same set."""
        return "".join(
            extended_xyz(
                one.atoms,
                keys={
                    "energy": repr(one.energy_eV),
                    **(
                        {}
                        if one.energy_weight == 1.0
                        else {"energy_weight": repr(one.energy_weight)}
                    ),
                    "group": one.group,
                },
                columns={
                    "forces": one.forces,
                    **({"force_weight": np.array(one.force_weights)} if one.force_weights else {}),
                },
            )
            for one in self.structures
        ).encode()


def _errors(rows: Sequence[tuple[Labelled, float, Array]]) -> SetErrors:
    counting = [energy for one, energy, _ in rows if one.energy_weight > 0.0]
    forces = np.concatenate([one.of_those_that_count(forces) for one, _, forces in rows])
    return SetErrors(
        structures=len(rows),
        energy_eV_per_atom=_rms(np.array(counting or [energy for _, energy, _ in rows])),
        force_eV_per_A=_rms(
            forces if len(forces) else np.concatenate([forces.ravel() for *_, forces in rows])
        ),
    )


def _read(path: Path) -> list[Labelled]:
    try:
        frames = read_frames(path)
    except Exception as error:  # ASE raises anything, its own OSErrors, too
        if isinstance(error, OSError) and error.strerror:
            raise StructureError(
                f"cannot read the set {path}: {error.strerror}; name an extended XYZ file"
            ) from error
        raise StructureError(
            f"{path} is no extended XYZ: {str(error).strip() or type(error).__name__}"
        ) from error
    return [
        _labelled(atoms, f"structure {number} (from 1) of {path}")
        for number, atoms in enumerate(frames, start=1)
    ]


def _labelled(atoms: Atoms, where: str) -> Labelled:
    results = dict(getattr(atoms.calc, "results", {}))
    energy, forces = results.get("energy"), results.get("forces")
    if energy is None or forces is None:
        raise StructureError(
            f"{where} has no energy and forces (keys energy, forces); give the labels that were fitted"
        )
    bare = Atoms(
        atoms.get_chemical_symbols(),
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
    )
    found = Labelled(
        atoms=bare,
        energy_eV=float(energy),
        forces=np.asarray(forces, dtype=np.float64),
        group=_group(text_of(atoms, "group") or ""),
        **_weights(atoms, where),
    )
    if not (
        np.isfinite(found.energy_eV)
        and np.isfinite(found.forces).all()
        and np.isfinite(bare.positions).all()
    ):
        raise StructureError(f"{where} has numbers that are not finite")
    return found


def _weights(atoms: Atoms, where: str) -> dict[str, Any]:
    """What a campaign writes beside the labels of boxes that it cut out."""
    try:
        return {
            "force_weights": tuple(map(float, atoms.arrays.get("force_weight", ()))),
            "energy_weight": float(text_of(atoms, "energy_weight") or 1.0),
        }
    except (TypeError, ValueError) as error:
        raise StructureError(
            f"{where} has weights that are no numbers (energy_weight, force_weight); correct or remove them"
        ) from error


def _group(given: str) -> str:
    """The name as the file has it, on one line; `all` where there is none."""
    return (
        "".join(character if character.isprintable() else " " for character in given).strip()[:1000]
        or ANY_GROUP
    )


def _row(numbers: Sequence[float]) -> str:
    return " ".join(
        f"{number:.{_DIGITS}f}" for number in (round(number, _DIGITS) + 0.0 for number in numbers)
    )


def _rms(values: Array) -> float:
    return float(f"{np.sqrt(np.mean(np.square(values))):.3g}")
