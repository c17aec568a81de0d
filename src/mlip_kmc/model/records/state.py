"""States and their process tables."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process: one row of a state's process table.

    Attributes:
        state: number of the reactant state.
        process: number of the process in the table of that state, from 0.
        product: number of the product state; None before the run has visited it.
        barrier: energy of the saddle above the reactant, eV.
        prefactor: 1/s.
        rate: prefactor x exp(-barrier / kT), 1/s.
        saddle_energy: eV.
        product_energy: eV.
        repeats: number of later searches that found the process again.
        saddle: file of the saddle structure, in eOn's `.con` format.
        product_structure: file of the product structure, in eOn's `.con` format.
        gamma_saddle: the largest extrapolation grade of an atom at the saddle, from the search that found the process; None
            where gamma is unknown.
        gamma_product: the same in the product.
        gamma_path: the largest extrapolation grade among the evaluated force calls of that search.
        prefactor_kind: `constant`, `harmonic`, or `eon` (computed by eOn, in runs before version 0.2).
        epoch: number of the epoch of the search that found the process or its reverse; None where neither is known.
        barrier_error: bound of the error of a low barrier, eV (docs/low-barriers.md); None where the barrier is not low.
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
    barrier_error: float | None = None


@dataclass(frozen=True)
class StateRecord:
    """A state: a local minimum that the run has visited.

    Attributes:
        number: number of the state, from 0.
        energy: eV; None where eOn has not noted it.
        good: number of registered good searches from this state.
        bad: number of registered bad searches from this state.
        structure: file of the minimised structure, in eOn's `.con` format.
        processes: the state's process table.
        orbits: numbers of processes that are images of each other by the state's symmetry, as far as the run noted that.
    """

    number: int
    energy: float | None
    good: int
    bad: int
    structure: Path
    processes: tuple[Process, ...]
    orbits: tuple[tuple[int, ...], ...] = ()
