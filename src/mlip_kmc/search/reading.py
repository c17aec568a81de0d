"""What eOn's client leaves of a process search, read once: where the search ran.

    reader = SearchReader(task, directory)
    reader.crossed()                     # while it runs
    ended, outcome = reader.read(ended)  # a SearchOutcome

A file that is missing, torn or of another structure makes a search that found nothing, with one reason.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.client import RESULTS_FILE, End, Ended, parse_results, texts_in
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.atom_path import Hop, without_drift, wrap
from mlip_kmc.model.frames import KeptFrame, Stage
from mlip_kmc.model.records import HaltKind
from mlip_kmc.model.structure import from_con
from mlip_kmc.search.outcome import (
    Array,
    ForceCalls,
    FoundProcess,
    Graded,
    SearchOutcome,
    Termination,
)
from mlip_kmc.search.watch import NO_POTENTIAL, Watch, Watched, near_frames

_POINTS = {
    Stage.REACTANT: "reactant.con",
    Stage.SADDLE: "saddle.con",
    Stage.PRODUCT: "product.con",
}
_MODE = "mode.dat"
_FILES = (RESULTS_FILE, *_POINTS.values(), _MODE)
_ENERGIES = ("potential_energy_reactant", "potential_energy_saddle", "potential_energy_product")
_PREFACTORS = ("prefactor_reactant_to_product", "prefactor_product_to_reactant")
_BARRIER, _DISTANCE = "barrier_reactant_to_product", "displacement_saddle_distance"
_REASON = "termination_reason"
_CALLS = ("force_calls_saddle", "force_calls_minimization", "force_calls_prefactors")
_TYPED = {*_ENERGIES, *_PREFACTORS, *_CALLS, _BARRIER, _DISTANCE, _REASON}
_SAME_A = 0.1
"""As eOn compares structures: the largest displacement of an atom."""

Results = Mapping[str, float | str]


class Task(Protocol):
    """What of a search's task reading needs; see `SearchTask`."""

    @property
    def name(self) -> str:
        """Of the search."""

    @property
    def kind(self) -> str:
        """Where its displacement comes from."""

    @property
    def watch(self) -> Watch | None:
        """What gamma is watched for."""

    @property
    def reactant_con(self) -> str:
        """Of the state that is searched."""


class _DamagedError(Exception):
    """A file of the client's is not what it should be; the message says how."""


class _NotFiniteError(Exception):
    """An energy is no finite number: it would pass every comparison that looks for what is too large."""


@dataclass(frozen=True)
class SearchReader:
    """Looks at a process search while it runs, and reads it when it has ended.

    Attributes:
        task: the search's.
        directory: where it runs.
    """

    task: Task
    directory: Path

    @cached_property
    def _watched(self) -> Watched | None:
        watch = self.task.watch
        return Watched(watch, self.directory, search=self.task.name) if watch else None

    def crossed(self) -> bool:
        """Has gamma crossed its threshold?"""
        return self._watched is not None and self._watched.crossed()

    def read(self, ended: Ended) -> tuple[Ended, SearchOutcome]:
        """What the search came to; whatever became of it after gamma or distances crossed a limit, it was halted there."""
        texts = texts_in(self.directory, _FILES) if ended.end is End.FINISHED else {}
        outcome, points = read_search(self.task, ended, texts)
        graded = self._graded(ended, points)
        if graded.halt:
            ended = replace(ended, end=End.HALTED, message=graded.halt)
        elif ended.end is End.HALTED:
            graded = replace(
                graded,
                halt=ended.message,
                halt_kind=HaltKind.TOO_NEAR if ended.is_too_near else HaltKind.EXTRAPOLATION,
                frames=(*graded.frames, *self._near(ended)),
            )
        if ended.end is End.HALTED:
            outcome = SearchOutcome(
                name=self.task.name,
                kind=self.task.kind,
                end=End.HALTED,
                message=ended.message,
                termination=Termination.HALTED,
            )
        return ended, replace(outcome, graded=graded)

    def explains(self, ended: Ended) -> bool:
        """Frames tell of a halt where gamma is watched."""
        return ended.end is End.HALTED and self.task.watch is not None

    def _graded(self, ended: Ended, points: Mapping[Stage, Atoms]) -> Graded:
        if self._watched is None or ended.end in (End.CANCELLED, End.TIMED_OUT):
            return Graded()
        return self._watched.judge(points, until=ended.near.step if ended.near else None)

    def _near(self, ended: Ended) -> tuple[KeptFrame, ...]:
        if ended.near is None:
            return ()
        digest = self.task.watch.digest if self.task.watch else NO_POTENTIAL
        return near_frames(self.directory, search=self.task.name, digest=digest)


def read_search(
    task: Task, ended: Ended, texts: Mapping[str, str]
) -> tuple[SearchOutcome, dict[Stage, Atoms]]:
    """What a client's files say.

    Args:
        task: the search's.
        ended: how its client ended.
        texts: of its files, by name; none unless it finished.

    Returns:
        the outcome, without gamma; and saddle and product as the client wrote them, where the search ended well.
    """
    outcome = SearchOutcome(name=task.name, kind=task.kind, end=ended.end, message=ended.message)
    if ended.end is not End.FINISHED:
        return outcome, {}
    results = parse_results(texts.get(RESULTS_FILE, ""))
    points: dict[Stage, Atoms] = {}
    try:
        termination = _termination(results)
        outcome = replace(
            outcome,
            barrier_eV=_number(results, _BARRIER),
            saddle_distance_A=_number(results, _DISTANCE),
            force_calls=ForceCalls(*(_count(results, key) for key in _CALLS)),
        )
        if termination is not Termination.GOOD:
            climbed = _number(results, _ENERGIES[1]) - _number(results, _ENERGIES[0])
            barrier = outcome.barrier_eV or (climbed if math.isfinite(climbed) else 0.0)
            return replace(
                outcome,
                termination=termination,
                barrier_eV=barrier,
                led_back=_led_back(termination, texts, task),
            ), {}
        start = from_con(task.reactant_con)
        points = {stage: _structure(texts, name, start) for stage, name in _POINTS.items()}
        found = _found(results, points, start=start, mode=_mode(texts, len(start)))
    except _NotFiniteError:
        outcome = replace(outcome, termination=Termination.NOT_FINITE)
    except _DamagedError as error:
        outcome = replace(outcome, termination=Termination.DAMAGED, message=str(error))
    else:
        outcome = replace(outcome, termination=Termination.GOOD, found=found)
    return outcome, {stage: points[stage] for stage in (Stage.SADDLE, Stage.PRODUCT) if points}


def _led_back(termination: Termination, texts: Mapping[str, str], task: Task) -> bool:
    """Both sides of where a search ended lead back to the state that it started from."""
    if termination is not Termination.NOT_CONNECTED:
        return False
    start = from_con(task.reactant_con)
    try:
        ends = [
            _structure(texts, _POINTS[stage], start) for stage in (Stage.REACTANT, Stage.PRODUCT)
        ]
    except _DamagedError:
        return False
    cell = np.asarray(start.cell.array, dtype=np.float64)
    moved = (
        without_drift(wrap(end.positions - start.positions, cell), anchored=bool(start.constraints))
        for end in ends
    )
    return all(float(np.linalg.norm(vectors, axis=1).max()) <= _SAME_A for vectors in moved)


def _found(
    results: Results, points: Mapping[Stage, Atoms], *, start: Atoms, mode: Array
) -> FoundProcess:
    energies = [_number(results, key, missing=math.nan) for key in _ENERGIES]
    if not all(math.isfinite(value) for value in (*energies, _number(results, _BARRIER))):
        raise _NotFiniteError
    prefactors = [_number(results, key, missing=math.nan) for key in _PREFACTORS]
    if not all(math.isfinite(value) for value in prefactors):
        raise _DamagedError(f"{RESULTS_FILE} has no finite prefactors")
    places = next_to(start, *(points[stage].positions for stage in _POINTS))
    return FoundProcess(
        reactant_eV=energies[0],
        saddle_eV=energies[1],
        product_eV=energies[2],
        forward_per_s=prefactors[0],
        back_per_s=prefactors[1],
        reactant_A=places[Stage.REACTANT],
        saddle_A=places[Stage.SADDLE],
        product_A=places[Stage.PRODUCT],
        mode=mode,
        provenance={key: value for key, value in results.items() if key not in _TYPED},
    )


def next_to(start: Atoms, reactant: Array, saddle: Array, product: Array) -> dict[Stage, Array]:
    """(N, 3) positions next to those of a state, the product by way of the saddle; without drift where nothing is fixed."""
    anchored = bool(start.constraints)
    cell = np.asarray(start.cell.array, dtype=np.float64)
    near = wrap(reactant - start.positions, cell)
    hop = Hop.through(saddle, reactant=reactant, product=product, cell=cell)
    direct = wrap(product - start.positions, cell)
    images = np.round(
        (near + hop.moved - direct) @ np.linalg.inv(cell)
    )  # nearly always 0, which changes no digit
    moved = {
        Stage.REACTANT: near,
        Stage.SADDLE: wrap(saddle - start.positions, cell),
        Stage.PRODUCT: direct + images @ cell,
    }
    return {
        stage: start.positions + without_drift(displacement, anchored=anchored)
        for stage, displacement in moved.items()
    }


def _termination(results: Results) -> Termination:
    number = results.get(_REASON)
    if not isinstance(number, float) or not number.is_integer():
        raise _DamagedError(f"{RESULTS_FILE} has no {_REASON}")
    return Termination.of_number(int(number))


def _number(results: Results, key: str, *, missing: float = 0.0) -> float:
    """A number; where the client wrote another word in its place, none."""
    value = results.get(key, missing)
    return value if isinstance(value, float) else math.nan


def _count(results: Results, key: str) -> int:
    value = _number(results, key)
    if not math.isfinite(value):
        raise _DamagedError(f"{RESULTS_FILE} has no number of {key}")
    return int(value)


def _structure(texts: Mapping[str, str], name: str, start: Atoms) -> Atoms:
    """A structure of the client's, with the state's atoms."""
    if not texts.get(name):
        raise _DamagedError(f"{name} is missing or empty")
    try:
        atoms = from_con(texts[name])
    except StructureError as error:
        raise _DamagedError(f"{name}: {error}") from error
    if len(atoms) != len(start):
        raise _DamagedError(f"{name} has {len(atoms)} atoms, not {len(start)}")
    if not np.array_equal(atoms.numbers, start.numbers):
        raise _DamagedError(f"{name} has other elements than the state")
    if not np.isfinite(atoms.positions).all():
        raise _DamagedError(f"{name} has positions that are no finite numbers")
    return atoms


def _mode(texts: Mapping[str, str], count: int) -> Array:
    if not texts.get(_MODE):
        raise _DamagedError(f"{_MODE} is missing or empty")
    try:
        mode = np.array([line.split() for line in texts[_MODE].splitlines()], dtype=np.float64)
    except ValueError as error:
        raise _DamagedError(f"{_MODE} is torn") from error
    if mode.shape != (count, 3):
        raise _DamagedError(f"{_MODE} has not three numbers for each of {count} atoms")
    if not np.isfinite(mode).all():
        raise _DamagedError(f"{_MODE} has numbers that are not finite")
    return mode
