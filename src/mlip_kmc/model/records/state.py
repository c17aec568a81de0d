"""States and their process tables."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A row of a state's process table; gammas are those of the search that found it, None where they are unknown.

    `prefactor_kind` is `constant`, `harmonic`, or `eon` (harmonic as eOn does it, of runs before version 0.2).
    `epoch` is that of the search that found the process, or of the one that found its reverse; None where neither is known.
    """

    state: int
    process: int
    product: int | None
    barrier: float
    prefactor: float
    rate: float
    saddle_energy: float
    product_energy: float
    repeats: int
    saddle: Path
    product_structure: Path
    gamma_saddle: float | None = None
    gamma_product: float | None = None
    gamma_path: float | None = None
    prefactor_kind: str = "constant"
    epoch: int | None = None


@dataclass(frozen=True)
class StateRecord:
    """A state: a minimum that the run has been in or found."""

    number: int
    energy: float | None
    good: int
    bad: int
    structure: Path
    processes: tuple[Process, ...]
