"""What a search starts from, and by which limits: read from the texts that eOn's client would read.

start = Start.of(reactant_con, files)          # displacement.con, direction.dat
settings = Settings.of(files["config.ini"])
settings.saddle_force_eV_per_A, settings.max_energy_eV
"""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.atom_path import wrap
from mlip_kmc.model.structure import from_con
from mlip_kmc.search.native.landscape import Array

_SADDLE, _OPTIMIZER, _COMPARISON = "Saddle Search", "Optimizer", "Structure Comparison"


@dataclass(frozen=True)
class Settings:
    """Limits of a search, by eOn's names of them where it has some.

    Attributes:
        saddle_force_eV_per_A, minimum_force_eV_per_A: the largest on an atom at a saddle, and at a minimum.
        max_energy_eV: of the climb, above the state.
        climb_steps, minimum_steps: at most.
        distance_A, energy_eV: within which two structures are one.
        prefactor_per_s: of every process, before it is rated.
    """

    saddle_force_eV_per_A: float
    minimum_force_eV_per_A: float
    max_energy_eV: float
    climb_steps: int
    minimum_steps: int
    distance_A: float
    energy_eV: float
    prefactor_per_s: float

    @classmethod
    def of(cls, ini: str) -> Self:
        """Those of a `config.ini` that our configuration wrote."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(ini)
        return cls(
            saddle_force_eV_per_A=parser.getfloat(_SADDLE, "converged_force"),
            minimum_force_eV_per_A=parser.getfloat(_OPTIMIZER, "converged_force"),
            max_energy_eV=parser.getfloat(_SADDLE, "max_energy"),
            climb_steps=parser.getint(_SADDLE, "max_iterations"),
            minimum_steps=parser.getint(_OPTIMIZER, "max_iterations", fallback=1000),
            distance_A=parser.getfloat(_COMPARISON, "distance_difference"),
            energy_eV=parser.getfloat(_COMPARISON, "energy_difference"),
            prefactor_per_s=parser.getfloat("Prefactor", "default_value"),
        )


@dataclass(frozen=True)
class Start:
    """Where a search starts.

    Attributes:
        reactant: the state. displaced_A: (N, 3) where the climb starts, next to it.
        direction: (N, 3) guess of the mode.
    """

    reactant: Atoms
    displaced_A: Array
    direction: Array

    @classmethod
    def of(cls, reactant_con: str, files: Mapping[str, str]) -> Self:
        """Read it.

        Raises:
            StructureError: the files are not of one structure.
        """
        if not {"displacement.con", "direction.dat"} <= files.keys():
            raise StructureError("a search has no displacement to start from")
        reactant = from_con(reactant_con)
        displaced = from_con(files["displacement.con"])
        rows = [line.split() for line in files["direction.dat"].splitlines() if line.strip()]
        try:
            direction = np.array(rows, dtype=np.float64)
        except ValueError as error:
            raise StructureError("direction.dat of a search is torn") from error
        if direction.shape != reactant.positions.shape or len(displaced) != len(reactant):
            raise StructureError(
                "the displacement or the direction of a search is of another structure"
            )
        cell = np.asarray(reactant.cell.array, dtype=np.float64)
        places = np.asarray(reactant.positions, dtype=np.float64)
        moved = wrap(np.asarray(displaced.positions, dtype=np.float64) - places, cell)
        return cls(reactant, places + moved, direction)

    @property
    def centre(self) -> int:
        """The atom that is displaced most."""
        moved = self.displaced_A - np.asarray(self.reactant.positions, dtype=np.float64)
        return int(np.argmax(np.linalg.norm(moved, axis=1)))
