"""A run's records as files that other programs read: extended XYZ, CSV and Parquet.

Example:
    export(result, rotation=np.eye(3), directory=run / "results")

Written: `trajectory.xyz` (one frame a KMC state: unwrapped, in the order and orientation of the given structure, with each atom's
displacement from state 0 in A), `processes.xyz` (saddle and product of every process), and the tables (see `tables`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlip_kmc.ground.files import durable_stream, make_directory
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.records import EonResult, Event
from mlip_kmc.model.structure import extended_xyz, fixed_atoms, read_structure
from mlip_kmc.store.tables import write_tables

Array = npt.NDArray[np.float64]

_ARRAYS = ("displacement", "gamma")
Gammas = Callable[[Atoms], Array | None]
"""The extrapolation grade (N,) of each atom of a structure; None where it is unknown."""


def export(
    result: EonResult,
    *,
    rotation: Array,
    directory: Path,
    gammas: Gammas | None = None,
    parquet: bool = False,
) -> None:
    """Write all files anew.

    Args:
        result: the run.
        rotation: (3, 3); `user vectors = eOn vectors @ rotation`.
        directory: where to; made if missing.
        gammas: evaluates the extrapolation grade of the atoms of each state, for the trajectory; None: it has none.
        parquet: tables as Parquet, too.
    """
    make_directory(directory)
    write_tables(result, directory=directory, parquet=parquet)
    _frames(directory / "trajectory.xyz", trajectory(result, rotation=rotation, gammas=gammas))
    _frames(directory / "processes.xyz", _process_frames(result, rotation))


def trajectory(
    result: EonResult, *, rotation: Array, gammas: Gammas | None = None
) -> Iterator[Atoms]:
    """State 0 and the state after every event: original atom order, unwrapped, in the user's orientation.

    Arrays of a frame: `displacement` (N, 3) from state 0, in A, and `gamma` (N,) where it is known.
    """
    states = _States.of(result, gammas)
    start = states.atoms(0)
    cell = np.asarray(start.cell.array)
    path = AtomPath.start(cell, start.get_chemical_symbols(), anchored=bool(start.constraints))
    first = path.unwrapped(states.positions(0))
    for event in (None, *result.events):
        state, info = 0, dict[str, Any]({"step": 0, "time_s": 0.0, "state": 0})
        if event is not None:
            path = path.changed(event.mapping, event.images, event.drift_A, event.turn)
            state, info = event.product, _info(event)
        here = path.unwrapped(states.positions(state))
        frame = _frame(start, here, rotation, states.energies[state], info)
        frame.set_array("displacement", (here - first) @ rotation)
        gamma = states.gamma(state)
        if gamma is not None:
            frame.set_array("gamma", gamma[path.mapping])
        yield frame


def _info(event: Event) -> dict[str, Any]:
    return {
        "step": event.step + 1,
        "time_s": event.time_s,
        "state": event.product,
        "barrier_eV": event.barrier,
        **({"temperature_K": event.temperature_K} if event.temperature_K else {}),
        **({"relabelled": "T"} if event.relabelled else {}),
    }


@dataclass(frozen=True)
class _States:
    """Structures of a run's states, each read and evaluated once."""

    files: Mapping[int, Path]
    energies: Mapping[int, float | None]
    gammas: Gammas | None
    _read: dict[int, Array] = field(default_factory=dict)
    _known: dict[int, Array | None] = field(default_factory=dict)

    @classmethod
    def of(cls, result: EonResult, gammas: Gammas | None) -> "_States":
        return cls(
            files={state.number: state.structure for state in result.states},
            energies={state.number: state.energy for state in result.states},
            gammas=gammas,
        )

    def atoms(self, state: int) -> Atoms:
        return read_structure(self.files[state])

    def positions(self, state: int) -> Array:
        """(N, 3) in A, in the state's own order."""
        if state not in self._read:
            self._read[state] = np.asarray(self.atoms(state).positions)
        return self._read[state]

    def gamma(self, state: int) -> Array | None:
        """(N,) in the state's own order."""
        if self.gammas is not None and state not in self._known:
            self._known[state] = self.gammas(self.atoms(state))
        return self._known.get(state)


def _process_frames(result: EonResult, rotation: Array) -> Iterator[Atoms]:
    for state in result.states:
        for process in state.processes:
            named: tuple[tuple[str, Path, float], ...] = (
                ("saddle", process.saddle, process.saddle_energy),
                ("product", process.product_structure, process.product_energy),
            )
            for kind, path, energy in named:
                if path.is_file():
                    atoms = read_structure(path)
                    yield _frame(
                        atoms,
                        np.asarray(atoms.positions),
                        rotation,
                        energy,
                        {
                            "kind": kind,
                            "state": state.number,
                            "process": process.process,
                            "barrier_eV": process.barrier,
                        },
                    )


def _frame(
    like: Atoms, positions: Array, rotation: Array, energy: float | None, info: dict[str, Any]
) -> Atoms:
    frame = Atoms(
        like.get_chemical_symbols(),
        positions=positions @ rotation,
        cell=like.cell.array @ rotation,
        pbc=True,
    )
    frame.set_constraint(like.constraints)
    frame.info.update(info)
    if energy is not None:
        frame.calc = SinglePointCalculator(frame, energy=energy)
    return frame


def _frames(path: Path, frames: Iterable[Atoms]) -> None:
    with durable_stream(path) as stream:
        for frame in frames:
            stream.write(_frame_text(frame))


def _frame_text(frame: Atoms) -> str:
    fixed = fixed_atoms(frame)
    moves = np.ones(len(frame), dtype=bool)
    moves[fixed] = False
    energy = {} if frame.calc is None else {"energy": repr(float(frame.calc.results["energy"]))}
    more = {name: frame.arrays[name] for name in _ARRAYS if name in frame.arrays}
    return extended_xyz(
        frame,
        keys={**{name: str(value) for name, value in frame.info.items()}, **energy},
        columns={**({"move_mask": moves} if len(fixed) else {}), **more},
    )
