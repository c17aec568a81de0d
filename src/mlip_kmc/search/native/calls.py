"""A search's force calls: each is counted, may end the search, and shows gamma and distances at the call itself.

forces = Calls(evaluator, atoms=reactant, cancelled=event, time_limit_s=7200.0, search="0_17")
landscape = Landscape(forces, frame_A=reactant.positions, free=free_atoms(reactant))
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.driver.standalone import HALTED, DriverError
from mlip_kmc.evaluate.client import End
from mlip_kmc.evaluate.warm import WarmEvaluator
from mlip_kmc.ground.programs import AwakeClock
from mlip_kmc.model.frames import KeptFrame, Kind, Stage
from mlip_kmc.potential.side_channel import KEPT, Frame, Grade
from mlip_kmc.search.native.landscape import Array, NotCalledError
from mlip_kmc.search.native.region import Region
from mlip_kmc.search.watch import NO_POTENTIAL, Watch, Watched, gammas_of, gammas_of_state, state_of


class EndedError(Exception):
    """The search ends at this call.

    Attributes:
        end: how. is_too_near: it was halted because atoms were too near.
    """

    def __init__(self, end: End, message: str = "", *, is_too_near: bool = False) -> None:
        """With more of it in words."""
        super().__init__(message)
        self.end, self.is_too_near = end, is_too_near


class NotBegunError(EndedError, NotCalledError):
    """The search ends before this call."""


class CallGrades(Watched):
    """Gamma of a search whose calls are made here: as `Watched`, from memory."""

    def __init__(self, watch: Watch, *, search: str, reactant_con: str) -> None:
        """Nothing is seen yet."""
        super().__init__(watch, Path(), search)
        self._reactant_con = reactant_con
        self.region: Region | None = None
        self._seen: list[Grade] = []
        self._frames_between: list[Frame] = []
        self._frames_beyond: list[Frame] = []

    @property
    def at_rest(self) -> Array:
        """(N,) gamma of the state itself."""
        return gammas_of_state(self._reactant_con, self.watch)

    def wanted(self, step: int) -> bool:
        """Is gamma looked at in this force call?"""
        return step % self.watch.thresholds.every == 0

    def see(self, step: int, *, energy_eV: float, positions: Array, gammas: Array) -> bool:
        """Take up the gamma of a force call; true where it is at or above `halt`."""
        largest = float(np.max(gammas))
        self._seen.append(Grade(step=step, gamma=largest, energy_eV=energy_eV))
        beyond = self.watch.thresholds.reaches_halt(largest)
        if beyond or self.watch.thresholds.reaches_select(largest):
            frames = self._frames_beyond if beyond else self._frames_between
            frames.append(Frame(step=step, positions=positions.copy(), gammas=gammas))
            del frames[:-KEPT]
        return beyond

    def crossed(self) -> bool:
        """Did a call reach `halt`?"""
        return bool(self._frames_beyond)

    def _gammas(self, atoms: Atoms) -> Array:
        region = self.region
        if region is None:
            return super()._gammas(atoms)
        part = region.atoms.copy()
        part.positions = region.part(atoms.positions)
        return region.gammas(gammas_of(part, self.watch), at_rest=self.at_rest)

    def _grades(self) -> list[Grade]:
        return self._seen

    def _between(self) -> list[Frame]:
        return self._frames_between

    def _beyond(self) -> list[Frame]:
        return self._frames_beyond

    def _start(self) -> str:
        return self._reactant_con


@dataclass
class Calls:
    """The force calls of one search: a callback for `Landscape`.

    Attributes:
        evaluator: that is called. atoms: the state's: elements, cell.
        region: a part of it that is evaluated in its place; positions are then of its atoms.
        cancelled: set, and the search ends at its next call.
        time_limit_s: of the whole search while this process is awake: a guard against what hangs.
        grades: what sees gamma; None where it is not watched.
        search: its name. digest: of what gives gamma.
        count: of calls so far. centres: of atoms that were evaluated in them. near: the frame in which atoms were too near.
    """

    evaluator: WarmEvaluator
    atoms: Atoms
    cancelled: threading.Event
    time_limit_s: float
    search: str
    grades: CallGrades | None = None
    region: Region | None = field(default=None, init=False)
    count: int = field(default=0, init=False)
    centres: int = field(default=0, init=False)
    near: tuple[KeptFrame, ...] = field(default=(), init=False)
    _now: Callable[[], float] = field(default_factory=lambda: AwakeClock().now)

    def enter(self, region: Region | None) -> None:
        """Evaluate a region from here on; None: the whole."""
        self.region = region
        if self.grades is not None:
            self.grades.region = region

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Evaluate.

        Raises:
            EndedError: it was cancelled, took too long, met a limit of gamma or distances, or could not be evaluated.
            LeftRegionError: the region is not enough for these positions.
        """
        region, atoms = self.region, self.atoms
        aloof: tuple[int, ...] = ()
        if region is not None:
            region.check(positions)
            atoms, aloof = region.atoms, region.aloof
        if self.cancelled.is_set():
            raise NotBegunError(End.CANCELLED)
        if not self._now() <= self.time_limit_s:
            limit_min = self.time_limit_s / 60
            raise NotBegunError(
                End.TIMED_OUT, f"it took longer than its time limit of {limit_min:g} min"
            )
        step, self.count = self.count, self.count + 1
        self.centres += len(atoms)
        graded = self.grades is not None and self.grades.wanted(step)
        try:
            answer = self.evaluator.evaluate(positions, atoms=atoms, graded=graded, aloof=aloof)
        except DriverError as error:
            raise self._failed(error, step, self._whole(positions)) from error
        forces = np.array(answer.forces).reshape(-1, 3)
        if self.grades is not None and graded and answer.gamma is not None:
            gammas = np.array(answer.gamma)
            if region is not None:
                gammas = region.gammas(gammas, at_rest=self.grades.at_rest)
            place = self._whole(positions)
            if self.grades.see(step, energy_eV=answer.energy, positions=place, gammas=gammas):
                raise EndedError(End.HALTED)
        return answer.energy, forces

    def _whole(self, positions: Array) -> Array:
        return positions if self.region is None else self.region.whole(positions)

    def _failed(self, error: DriverError, step: int, positions: Array) -> EndedError:
        if error.code != HALTED:
            return EndedError(End.EVALUATION_ERROR, str(error))
        atoms = self.atoms.copy()
        atoms.set_constraint()
        atoms.positions = positions
        if np.isfinite(positions).all():
            frame = KeptFrame(
                atoms=atoms,
                gammas=None,
                search=self.search,
                state=state_of(self.search),
                stage=Stage.SEARCH,
                step=step,
                kind=Kind.EVIDENCE,
                potential=self.grades.watch.digest if self.grades else NO_POTENTIAL,
            )
            self.near = (frame,)
        return EndedError(End.HALTED, f"{error} at force call {step}", is_too_near=True)
