"""A run's states and saddles as a chemiscope data set: a map of what was found beside the structures, with units.

Example:
    json.dumps(dataset(report).as_json())          # chemiscope.org and the Python package chemiscope open it

The format is that of chemiscope 1.1 (Fraux, Cersonsky and Ceriotti, J. Open Source Softw. 5, 2117 (2020)). Each state comes
as its minimum, followed by a saddle of each kind of its processes; states that are like an earlier one (docs/symmetry.md) are not
repeated. Positions are in eOn's cell; atoms have their displacement from the minimum.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.structure import read_structure
from mlip_kmc.report.kinds import Kind
from mlip_kmc.report.pictures import Motion
from mlip_kmc.report.state_kinds import state_kinds
from mlip_kmc.report.states import grouped, together
from mlip_kmc.report.summary import Report

Array = npt.NDArray[np.float64]

MOST_ATOMS = 1_000_000
"""All atoms of all structures together: what a browser still opens."""
_ABOUT = {
    "point": ("", "in the order of the data set: each state, then its saddles"),
    "energy": ("eV", "above state 0"),
    "barrier": ("eV", "of the process; 0 for a minimum"),
    "rate": ("1/s", "of all processes of the kind; 0 for a minimum"),
    "farthest": ("Å", "the farthest that an atom is from its place in the minimum"),
    "kind": ("", "minimum or saddle"),
    "state": ("", "its number, or that of the state that the process starts from"),
    "equal": ("", "processes of the kind, or states that are like this one, with itself"),
    "gamma": ("", "largest extrapolation grade of an atom"),
}
"""Units and meanings of the properties of structures."""
_MAP = {
    "x": {"property": "point"},
    "y": {"property": "energy"},
    "symbol": "kind",
    "color": {"property": "state"},
}


@dataclass(frozen=True)
class Point:
    """A structure.

    Attributes:
        species: N symbols. positions: (N, 3), cell: (3, 3), in A. displacement: (N,) lengths from the minimum, in A.
        values: of the properties, by name, but for its place; gamma may be NaN where it is unknown.
    """

    species: Sequence[str]
    positions: Array
    cell: Array
    displacement: Array
    values: dict[str, float | str]


@dataclass(frozen=True)
class DataSet:
    """Points of a run; left_out: states without room."""

    name: str
    points: tuple[Point, ...]
    left_out: int

    @property
    def _farthest(self) -> float:
        farthest = (float(point.displacement.max()) for point in self.points)
        return round(max(farthest, default=0.0), 4) or 1.0

    def as_json(self) -> dict[str, Any]:
        """The data set as JSON values, all of them finite; a property that some points lack is left out."""
        columns = {
            name: [float(place) if name == "point" else one.values[name] for place, one in enumerate(self.points)]
            for name in _ABOUT
        }  # fmt: skip
        whole = {
            name: values
            for name, values in columns.items()
            if all(isinstance(value, str) or math.isfinite(value) for value in values)
        }
        properties = {
            name: {"target": "structure", "values": values, "description": _ABOUT[name][1], **_units(_ABOUT[name][0])}
            for name, values in whole.items()
        }  # fmt: skip
        # without a range of its own, chemiscope 1.1 fails on a structure whose atoms all have the same number
        colour = {"property": "displacement", "min": 0.0, "max": self._farthest}
        lengths = [round(float(one), 4) for point in self.points for one in point.displacement]
        properties["displacement"] = {
            "target": "atom",
            "values": lengths,
            "units": "Å",
            "description": "of the atom from its place in the minimum",
        }
        return {
            "meta": {
                "name": f"aKMC run {self.name}",
                "description": "States and saddles that an adaptive kinetic Monte Carlo run has found, by mlip-kmc.",
            },
            "structures": [_structure(point) for point in self.points],
            "properties": properties,
            "environments": [
                {"structure": place, "center": atom, "cutoff": _CUTOFF_A}
                for place, point in enumerate(self.points)
                for atom in range(len(point.species))
            ],
            "settings": {
                "target": "structure",
                "map": _MAP,
                "structure": [{"unitCell": True, "keepOrientation": True, "color": colour}],
            },
        }  # fmt: skip


_CUTOFF_A = 4.0


def _units(name: str) -> dict[str, str]:
    """Of a property; none where there is no unit, as chemiscope would write a stroke before it."""
    return {"units": name} if name else {}


def dataset(report: Report) -> DataSet:
    """All states that the run was in, with their kinds of processes, as far as there is room."""
    points: list[Point] = []
    groups = grouped(report)
    room = MOST_ATOMS
    for done, (number, alike) in enumerate(groups):
        found = tuple(_points(report, number, alike))
        room -= sum(len(point.species) for point in found)
        if room < 0 and points:
            return DataSet(report.name, tuple(points), left_out=len(groups) - done)
        points += found
    return DataSet(report.name, tuple(points), left_out=0)


def _points(report: Report, number: int, alike: tuple[int, ...]) -> Iterator[Point]:
    by_number = {state.state: state for state in report.numbers.states}
    records = {state.number: state for state in report.view.states}
    record, first = records[number], records[0]
    state = together(by_number[number], [by_number[other] for other in alike])
    if record.energy is None or first.energy is None or not record.structure.is_file():
        return
    level = record.energy - first.energy
    atoms = read_structure(record.structure)
    yield Point(
        species=atoms.get_chemical_symbols(),
        positions=np.asarray(atoms.positions),
        cell=np.asarray(atoms.cell.array),
        displacement=np.zeros(len(atoms)),
        values={
            "energy": level,
            "barrier": 0.0,
            "rate": 0.0,
            "farthest": 0.0,
            "kind": "minimum",
            "state": float(number),
            "equal": 1.0 + len(alike),
            "gamma": _gamma_of_minimum(report, number),
        },
    )
    processes = {row.process: row for row in record.processes}
    for kind in state_kinds(state, record):
        motion = Motion.read(processes[kind.lead.process])
        if motion is not None:
            yield _saddle(kind, motion, level_eV=level)


def _gamma_of_minimum(report: Report, number: int) -> float:
    """Of state 0 as it was minimised; of another as the processes that lead there have it."""
    known = [
        row.gamma_product
        for state in report.view.states
        for row in state.processes
        if row.product == number and row.gamma_product is not None
    ]
    own = report.grade.state_0 if number == 0 else None
    return own if own is not None else max(known, default=math.nan)


def _saddle(kind: Kind, motion: Motion, *, level_eV: float) -> Point:
    row, lengths = kind.lead, np.linalg.norm(motion.saddle, axis=1)
    return Point(
        species=motion.species,
        positions=motion.positions + motion.saddle,
        cell=motion.cell,
        displacement=lengths,
        values={
            "energy": level_eV + row.barrier_eV,
            "barrier": row.barrier_eV,
            "rate": kind.rate_per_s,
            "farthest": float(lengths.max()),
            "kind": "saddle",
            "state": float(row.state),
            "equal": float(kind.count),
            "gamma": math.nan if row.gamma_saddle is None else row.gamma_saddle,
        },
    )


def _structure(point: Point) -> dict[str, Any]:
    x, y, z = np.round(point.positions, 5).T.tolist()
    return {
        "size": len(point.species),
        "names": list(point.species),
        "x": x,
        "y": y,
        "z": z,
        "cell": np.round(point.cell, 6).ravel().tolist(),
    }
