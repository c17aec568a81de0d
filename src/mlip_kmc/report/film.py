"""The trajectory as a film: the atoms after each KMC step, unwrapped, and the hops that make the defect's path.

Example:
    film = film_of(view.states, view.events)          # None where no step is made
    film.scene["frames"][3]["time_s"]

Frames hold what changed since the one before. A long run gives at most so many of them, at equal numbers of steps.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.records import Event, StateRecord
from mlip_kmc.model.structure import fixed_atoms, read_structure

Array = npt.NDArray[np.float64]

MOST_FRAMES = 240
MOST_ATOMS = 700
_CHANGED_A = 0.04
_HOP_A = 0.8
_SURROUNDINGS_A = 6.0


@dataclass(frozen=True)
class FilmHop:
    """An atom that went far between two frames.

    Attributes:
        step: KMC steps made. species: its symbol. start_A, end_A: (3,) unwrapped, to a hundredth of an A.
    """

    step: int
    species: str
    start_A: tuple[float, ...]
    end_A: tuple[float, ...]


@dataclass(frozen=True)
class Film:
    """The viewer's scene `film`, as JSON values."""

    scene: dict[str, Any]

    @property
    def cell(self) -> Array:
        """(3, 3), in A."""
        return np.array(self.scene["cell"], dtype=np.float64).reshape(3, 3) / 100

    @property
    def hops(self) -> tuple[FilmHop, ...]:
        """All of them, in their order."""
        species = self.scene["species"]
        return tuple(
            FilmHop(
                frame["step"],
                species[atom],
                tuple(one / 100 for one in places[:3]),
                tuple(one / 100 for one in places[3:]),
            )
            for frame in self.scene["frames"]
            for atom, *places in frame["hops"]
        )


@dataclass(frozen=True)
class _Frame:
    """After so many events: (N, 3) unwrapped positions, simulated time, state, and the barrier of the last of them."""

    step: int
    time_s: float
    state: int
    positions: Array
    barrier_eV: float | None = None


def film_of(states: Sequence[StateRecord], events: Sequence[Event]) -> Film | None:
    """The film of a run; None where no step is made, or structures are missing."""
    files = {state.number: state.structure for state in states}
    wanted = {0, *(event.product for event in events)}
    if not events or not all(number in files and files[number].is_file() for number in wanted):
        return None
    stride = math.ceil(len(events) / MOST_FRAMES)
    start = read_structure(files[0])
    frames = list(_frames(states, events, stride))
    kept = _kept(frames)
    fixed = set(map(int, fixed_atoms(start)))
    symbols = start.get_chemical_symbols()
    scene = {
        "title": "The trajectory",
        "cell": hundredths(np.asarray(start.cell.array)),
        "species": [symbols[atom] for atom in kept],
        "at": hundredths(frames[0].positions[kept]),
        "fixed": [index for index, atom in enumerate(kept) if atom in fixed],
        "frames": list(_changes(frames, kept)),
        "left_out": len(start) - len(kept),
        "stride": stride,
    }
    return Film(scene)


def _frames(
    states: Sequence[StateRecord], events: Sequence[Event], stride: int
) -> Iterator[_Frame]:
    files = {state.number: state.structure for state in states}
    read: dict[int, Array] = {}

    def positions(state: int) -> Array:
        if state not in read:
            read[state] = np.asarray(read_structure(files[state]).positions)
        return read[state]

    start = read_structure(files[0])
    path = AtomPath.start(
        np.asarray(start.cell.array),
        start.get_chemical_symbols(),
        anchored=bool(start.constraints),
    )
    yield _Frame(0, 0.0, 0, path.unwrapped(positions(0)))
    for count, event in enumerate(events, start=1):
        path = path.changed(event.mapping, event.images, event.drift_A, event.turn)
        if count % stride == 0 or count == len(events):
            yield _Frame(
                count,
                event.time_s,
                event.product,
                path.unwrapped(positions(event.product)),
                event.barrier if stride == 1 and not event.relabelled else None,
            )


def _kept(frames: Sequence[_Frame]) -> list[int]:
    """All atoms of a small system; of a large one those that hop and those that are near to where they were."""
    first = frames[0].positions
    if len(first) <= MOST_ATOMS:
        return list(range(len(first)))
    farthest = np.zeros(len(first))
    nearest = np.full(len(first), np.inf)
    for before, after in pairwise(frames):
        moved = np.linalg.norm(after.positions - before.positions, axis=1)
        farthest = np.maximum(farthest, moved)
        for place in after.positions[moved > _HOP_A][:8]:
            nearest = np.minimum(nearest, np.linalg.norm(after.positions - place, axis=1))
    order = np.lexsort((nearest, farthest <= _HOP_A))
    near = [
        int(atom) for atom in order if farthest[atom] > _HOP_A or nearest[atom] < _SURROUNDINGS_A
    ]
    return sorted(near[:MOST_ATOMS])


def _changes(frames: Sequence[_Frame], kept: list[int]) -> Iterator[dict[str, Any]]:
    shown = frames[0].positions[kept].copy()
    yield {"step": 0, "time_s": 0.0, "state": 0, "changed": [], "at": [], "hops": []}
    for before, frame in pairwise(frames):
        here = frame.positions[kept]
        changed = np.flatnonzero(np.linalg.norm(here - shown, axis=1) > _CHANGED_A)
        shown[changed] = here[changed]
        hopped = np.flatnonzero(np.linalg.norm(here - before.positions[kept], axis=1) > _HOP_A)
        yield {
            "step": frame.step,
            "time_s": frame.time_s,
            "state": frame.state,
            **({} if frame.barrier_eV is None else {"barrier_eV": round(frame.barrier_eV, 4)}),
            "changed": list(map(int, changed)),
            "at": hundredths(here[changed]),
            "hops": [
                [int(atom), *hundredths(before.positions[kept][atom]), *hundredths(here[atom])]
                for atom in hopped
            ],
        }


def hundredths(lengths: Array) -> list[int]:
    """Whole hundredths, flat."""
    return [int(one) for one in np.rint(100 * np.asarray(lengths)).ravel()]
