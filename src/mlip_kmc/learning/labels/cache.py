"""Labels by content: the same structure, asked of the same oracle, is labelled once.

    cache = LabelCache(Path("labels-cache"))
    cache.put(atoms, label, oracle=oracle.digest)
    cache.get(atoms, oracle=oracle.digest)        # the Label, or None

An entry's name is the sha256 of the structure and the oracle; what it holds begins with its own sha256. An entry that is torn,
or that is of another structure or oracle than its name says, counts as none and is made anew. Only sound answers come here.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.ground.files import make_directory, sealed, unsealed, write_durably
from mlip_kmc.learning.labels.faults import Label, LabelError, as_label
from mlip_kmc.model.structure import extended_xyz

_FORMAT = 1


@dataclass(frozen=True)
class LabelCache:
    """A folder of labels."""

    folder: Path

    def get(self, atoms: Atoms, *, oracle: str) -> Label | None:
        """The label of a structure; None where there is none that is whole."""
        key = _key(atoms, oracle)
        try:
            text = unsealed(self._path(key).read_bytes())
            raw = json.loads(text) if text is not None else None
            if raw is None or raw["format"] != _FORMAT or raw["key"] != key:
                return None
            energy_eV, forces = as_label(raw["energy_eV"], raw["forces_eV_per_A"], atoms=len(atoms))
        except (OSError, ValueError, KeyError, TypeError, LabelError):
            return None
        return Label(energy_eV, forces)

    def put(self, atoms: Atoms, label: Label, *, oracle: str) -> None:
        """Keep a label.

        Raises:
            StorageError: it could not be made durable.
        """
        key = _key(atoms, oracle)
        raw = {
            "format": _FORMAT,
            "key": key,
            "oracle": oracle,
            "energy_eV": label.energy_eV,
            "forces_eV_per_A": np.asarray(label.forces_eV_per_A, dtype=float).tolist(),
        }
        path = self._path(key)
        make_directory(path.parent)
        write_durably(path, sealed((json.dumps(raw) + "\n").encode()))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.label"


def _key(atoms: Atoms, oracle: str) -> str:
    text = extended_xyz(
        Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    )
    return hashlib.sha256(f"{oracle}\n{text}".encode()).hexdigest()
