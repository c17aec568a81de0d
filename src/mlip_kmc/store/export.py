"""A run's records as files that other programs read: extended XYZ and CSV.

Example:
    export(result, rotation=np.eye(3), directory=run / "results")

Written: `trajectory.xyz` (one frame a KMC state: unwrapped, in the order and orientation of the given structure),
`events.csv`, `processes.csv`, `states.csv`, and `processes.xyz` (saddle and product of every process).
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mlip_kmc.ground.files import durable_stream, make_directory
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.records import EonResult
from mlip_kmc.model.structure import extended_xyz, fixed_atoms, read_structure

Array = npt.NDArray[np.float64]

_EVENTS = {
    "step": "step",
    "reactant": "reactant",
    "process": "process",
    "product": "product",
    "step_time_s": "step_time_s",
    "time_s": "time_s",
    "barrier_eV": "barrier",
    "rate_per_s": "rate",
    "energy_eV": "energy",
    "superbasin": "superbasin",
    "temperature_K": "temperature_K",
    "epoch": "epoch",
    "time_rest_s": "time_rest_s",
}
"""Columns of a table: name, and the record's attribute."""
_PROCESSES = {
    "state": "state",
    "process": "process",
    "product": "product",
    "barrier_eV": "barrier",
    "prefactor_per_s": "prefactor",
    "rate_per_s": "rate",
    "saddle_energy_eV": "saddle_energy",
    "product_energy_eV": "product_energy",
    "repeats": "repeats",
    "gamma_saddle": "gamma_saddle",
    "gamma_product": "gamma_product",
    "gamma_path": "gamma_path",
    "prefactor_kind": "prefactor_kind",
    "epoch": "epoch",
    "barrier_error_eV": "barrier_error",
}
_STATES = ("state", "energy_eV", "processes", "good_searches", "bad_searches")


def export(result: EonResult, *, rotation: Array, directory: Path) -> None:
    """Write all files anew.

    Args:
        result: the run.
        rotation: (3, 3); `user vectors = eOn vectors @ rotation`.
        directory: where to; made if missing.
    """
    make_directory(directory)
    processes = (process for state in result.states for process in state.processes)
    for name, columns, records in (
        ("events.csv", _EVENTS, result.events),
        ("processes.csv", _PROCESSES, processes),
    ):
        _table(directory / name, tuple(columns), map(attrgetter(*columns.values()), records))
    _table(
        directory / "states.csv",
        _STATES,
        ((s.number, s.energy, len(s.processes), s.good, s.bad) for s in result.states),
    )
    _frames(directory / "trajectory.xyz", trajectory(result, rotation=rotation))
    _frames(directory / "processes.xyz", _process_frames(result, rotation))


def trajectory(result: EonResult, *, rotation: Array) -> Iterator[Atoms]:
    """State 0 and the state after every event: original atom order, unwrapped, in the user's orientation."""
    structures = {state.number: state.structure for state in result.states}
    energies = {state.number: state.energy for state in result.states}
    cache: dict[int, Array] = {}

    def positions(state: int) -> Array:
        if state not in cache:
            cache[state] = np.asarray(read_structure(structures[state]).positions)
        return cache[state]

    start = read_structure(structures[0])
    cell = np.asarray(start.cell.array)
    path = AtomPath.start(cell, start.get_chemical_symbols(), anchored=bool(start.constraints))
    yield _frame(
        start,
        path.unwrapped(positions(0)),
        rotation,
        energies[0],
        {"step": 0, "time_s": 0.0, "state": 0},
    )
    for event in result.events:
        path = path.changed(event.mapping, event.images, event.drift_A, event.turn)
        yield _frame(
            start,
            path.unwrapped(positions(event.product)),
            rotation,
            energies[event.product],
            {
                "step": event.step + 1,
                "time_s": event.time_s,
                "state": event.product,
                "barrier_eV": event.barrier,
                **({"temperature_K": event.temperature_K} if event.temperature_K else {}),
            },
        )


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


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with durable_stream(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _frames(path: Path, frames: Iterable[Atoms]) -> None:
    with durable_stream(path) as stream:
        for frame in frames:
            stream.write(_frame_text(frame))


def _frame_text(frame: Atoms) -> str:
    fixed = fixed_atoms(frame)
    moves = np.ones(len(frame), dtype=bool)
    moves[fixed] = False
    energy = {} if frame.calc is None else {"energy": repr(float(frame.calc.results["energy"]))}
    return extended_xyz(
        frame,
        keys={**{name: str(value) for name, value in frame.info.items()}, **energy},
        columns={"move_mask": moves} if len(fixed) else {},
    )
