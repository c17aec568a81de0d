"""Starts of a run's process, and the minimisation before the first."""

from dataclasses import dataclass, field
from typing import Any

from mlip_kmc.model.records.json_line import JsonLine


@dataclass(frozen=True)
class Start(JsonLine):
    """One start of a run's process: the first, or one that continued it.

    Attributes:
        number: from 1.
        time_s: when, in seconds since 1970.
        host: where. pid: its process there.
        version: of mlip-kmc.
        workers: searches at a time.
        temperature_K: from here on.
        kmc_step: how many KMC steps were done before.
        searches: how many searches were registered before; None in runs of earlier versions.
        changes: settings that differ from the start before, by dotted key: (old, new).
    """

    number: int
    time_s: float
    host: str
    pid: int
    version: str
    workers: int
    temperature_K: float
    kmc_step: int
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    searches: int | None = None


@dataclass(frozen=True)
class Minimised(JsonLine):
    """The minimisation of the given structure under the run's own potential, which gives state 0.

    Attributes:
        energy: energy after the minimisation, eV.
        energy_drop: decrease of the energy, eV.
        largest_displacement_A: largest displacement of an atom.
        largest_force_eV_per_A: largest force on a free atom after the minimisation.
        pressure_GPa: residual pressure, positive when the cell pushes outward.
        lowest_eigenvalue_eV_per_A2: lowest eigenvalue of the Hessian (without masses, free rigid motions projected out); None
            where it could not be determined and `structure.allow_unknown_stability` accepts that.
        force_calls: number of force calls of the minimisation.
        gamma: the largest extrapolation grade of an atom in state 0; None where gamma is unknown.
    """

    energy: float
    energy_drop: float
    largest_displacement_A: float
    largest_force_eV_per_A: float
    pressure_GPa: float
    lowest_eigenvalue_eV_per_A2: float | None
    force_calls: int
    gamma: float | None = None
