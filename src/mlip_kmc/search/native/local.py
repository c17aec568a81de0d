"""A search in a region of a large cell, and what it found converged in the whole: its cost does not grow with the cell.

    plan = Plan.of(start, radius_A=6.0, cutoff_A=5.0)
    local = LocalSearch(stages, plan, calls, rest=lambda: reference)
    found = local.run()                 # a Found: stages and result in the last region
    local.grown                         # why the region was too small, a reason each time

Stages run in a region (`region.py`) about what is displaced. The forces that saddle and product leave on all other atoms are
known: those of the whole cell. Where one is larger than a search leaves on any atom, both are converged further in a wider
region, and again, until none is, or until the barrier moves no more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
from ase import Atoms

from mlip_kmc.model.atom_path import wrap
from mlip_kmc.model.records import Grown
from mlip_kmc.search.native.calls import Calls
from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.identify import State
from mlip_kmc.search.native.landscape import Array, Landscape, Point
from mlip_kmc.search.native.reference import Reference
from mlip_kmc.search.native.region import LeftRegionError, Region
from mlip_kmc.search.native.stages import Result, Stages, Told
from mlip_kmc.search.native.start import Start
from mlip_kmc.search.outcome import ForceCalls, Termination

MOVED_EV = 5e-3
"""A barrier that moves by more where more atoms may move was not yet that of the whole cell."""
_GROWS, _GROWS_A = 1.3, 2.0
"""A wider region has a radius so many times larger; of a small one, by a shell of neighbours at least."""
_LEFT = 5.0
"""So many times the force to which a search converges may be left on an atom that is held; `points.py` allows as much."""
_DISPLACED_A = 0.05
"""Atoms that a start displaces by more belong to the region; what others are displaced by is left out."""
_EDGE_A = 1.0
"""So far beyond them a region goes at least."""


@dataclass(frozen=True)
class Found:
    """Where a search ended.

    Attributes:
        region: the last. stages, result: in it.
        above_eV: what is added to energies in it for those of the whole cell.
    """

    region: Region
    stages: Stages
    result: Result
    above_eV: float

    def positions_of(self, point: Point) -> Array:
        """(N, 3) of a point."""
        return self.region.whole(self.stages.positions_of(point))

    def vectors_of(self, direction: Array) -> Array:
        """(N, 3) vectors of a direction (3 n,)."""
        return self.region.vectors(self.stages.landscape.vectors_of(direction))


@dataclass(frozen=True)
class Plan:
    """Where the regions of a search are.

    Attributes:
        moved_A: (N, 3) what its start displaces each atom by.
        centre_A: (3,) the middle of what is displaced.
        radius_A: of the first region. cutoff_A: of the potential.
    """

    moved_A: Array
    centre_A: Array
    radius_A: float
    cutoff_A: float

    @classmethod
    def of(cls, start: Start, *, radius_A: float, cutoff_A: float) -> Self:
        """About what a start displaces; with a larger radius where that reaches further.

        Args:
            start: of the search.
            radius_A: wanted.
            cutoff_A: of the potential.
        """
        state = start.reactant
        moved = start.displaced_A - np.asarray(state.positions, dtype=np.float64)
        chosen = np.flatnonzero(~(np.linalg.norm(moved, axis=1) <= _DISPLACED_A))
        chosen = np.union1d(chosen, [start.centre])
        middle = state.positions[start.centre]
        cell = np.asarray(state.cell.array, dtype=np.float64)
        places = middle + wrap(state.positions[chosen] - middle, cell)
        centre = np.asarray(places.mean(axis=0), dtype=np.float64)
        farthest = float(np.linalg.norm(places - centre, axis=1).max())
        return cls(moved, centre, max(radius_A, farthest + _EDGE_A), cutoff_A)

    def region(self, state: Atoms, *, radius_A: float | None = None) -> Region:
        """A region of a state at rest; the first, or one of another radius."""
        return Region.about(
            state,
            centre_A=self.centre_A,
            radius_A=self.radius_A if radius_A is None else radius_A,
            cutoff_A=self.cutoff_A,
        )


class NotAtRestError(Exception):
    """The state that is searched does not come to rest in the whole cell."""


@dataclass
class WholeSearch:
    """A search in which all atoms may move.

    Attributes:
        stages: of it.
        grown, radius_A: as of `LocalSearch`: nothing.
    """

    stages: Stages
    grown: tuple[Grown, ...] = ()
    radius_A: float | None = None

    @property
    def force_calls(self) -> ForceCalls:
        """So far."""
        return self.stages.force_calls

    def run(self) -> Found:
        """Search.

        Raises:
            NotFiniteError: a number is none. EndedError: as of `Calls`.
        """
        region = Region.of_whole(self.stages.start.reactant)
        return Found(region, self.stages, self.stages.run(), 0.0)


@dataclass
class LocalSearch:
    """A search in regions.

    Attributes:
        stages: of a search in which all atoms may move. plan: of regions. calls: what evaluates.
        rest: makes the state at rest; None where it does not come to rest.
        grown: why regions were too small, so far. radius_A: of the last; None: all atoms may move.
    """

    stages: Stages
    plan: Plan
    calls: Calls
    rest: Callable[[], Reference | None]
    grown: list[Grown] = field(default_factory=list, init=False)
    radius_A: float | None = field(default=None, init=False)
    _made: list[Stages] = field(default_factory=list, init=False)

    @property
    def force_calls(self) -> ForceCalls:
        """So far, in all regions."""
        each = [stages.force_calls for stages in self._made]
        return ForceCalls(
            saddle=sum(calls.saddle for calls in each),
            minimization=sum(calls.minimization for calls in each),
        )

    def run(self) -> Found:
        """Search, in wider regions where one is too small.

        Raises:
            NotAtRestError: the state does not come to rest. NotFiniteError: a number is none. EndedError: as of `Calls`.
        """
        radius_A = self.plan.radius_A
        while True:
            region = self._region(radius_A)
            try:
                found = self._searched(region)
                if found.result.termination is not Termination.GOOD:
                    return found
                return self._confirmed(found)
            except LeftRegionError:
                self.grown.append(Grown.LEFT)
            except _OtherError as error:
                self.grown.append(Grown.OTHER)
                radius_A = error.radius_A
            radius_A = _larger(radius_A)

    @cached_property
    def _reference(self) -> Reference:
        found = self.rest()
        if found is None:
            raise NotAtRestError
        return found

    def _region(self, radius_A: float) -> Region:
        return self.plan.region(self._reference.atoms, radius_A=radius_A)

    def _stages_in(self, region: Region, told: Told) -> Stages:
        """Stages whose calls evaluate the region from here on."""
        self.calls.enter(None if region.is_whole else region)
        self.radius_A = None if region.is_whole else region.radius_A
        start = _start_in(region, self.plan.moved_A, self.stages.start.direction)
        stages = replace(self.stages, start=start, told=told)
        self._made.append(stages)
        return stages

    def _searched(self, region: Region) -> Found:
        told = self.stages.told
        if told.saddles is not None and not region.is_whole:
            told = replace(told, saddles=told.saddles.within(region))
        stages = self._stages_in(region, told)
        return self._found(region, stages, stages.run())

    def _found(self, region: Region, stages: Stages, result: Result) -> Found:
        above_eV = 0.0 if region.is_whole else self._reference.energy_eV - result.reactant.energy_eV
        return Found(region, stages, result, above_eV)

    def _confirmed(self, found: Found) -> Found:
        """The same process where more and more atoms may move, until that changes its barrier no more."""
        force = self.stages.settings.saddle_force_eV_per_A
        while not self._left_eV_per_A(found) <= force:
            before, found = found, self._wider(found)
            moved_eV = abs(_barrier(found) - _barrier(before))
            if not moved_eV * max(1.0, _to_come(before.region, found.region)) <= MOVED_EV:
                self.grown.append(Grown.BARRIER)
                continue
            if not self._left_eV_per_A(found) <= _LEFT * force:
                continue
            break
        return found

    def _left_eV_per_A(self, found: Found) -> float:  # noqa: N802 - a unit
        """The largest force of the whole cell on an atom that the region holds, at the saddle or the product."""
        region, reactant, climbed = found.region, found.result.reactant, found.result.climbed
        frozen = region.frozen
        at_rest = self._reference.forces[region.indices] - reactant.forces
        points = [point for point in (climbed and climbed.point, found.result.product) if point]
        left = [np.linalg.norm((at_rest + point.forces)[frozen], axis=1) for point in points]
        return float(max(forces.max(initial=0.0) for forces in left))

    def _wider(self, found: Found) -> Found:
        """In a wider region.

        Raises:
            _OtherError: there, it is another process.
        """
        before, region = found.result, self._region(_larger(found.region.radius_A))
        assert before.climbed is not None  # noqa: S101 - it ended well
        assert before.product is not None  # noqa: S101
        stages = self._stages_in(region, Told())
        landscape = stages.landscape
        reactant = landscape.point(landscape.place_of(landscape.frame_A))
        saddle, product = (
            _known(point, found, reactant, region, landscape)
            for point in (before.climbed.point, before.product)
        )
        model = _carried(before.climbed.model, found, region, stages)
        result = stages.converged(reactant, saddle, product, model=model)
        wider = self._found(region, stages, replace(result, known=before.known))
        if not _is_same(wider, saddle, product):
            raise _OtherError(found.region.radius_A)
        return wider


def _larger(radius_A: float) -> float:
    return max(_GROWS * radius_A, radius_A + _GROWS_A)


def _to_come(region: Region, wider: Region) -> float:
    """How much a barrier moves yet where all atoms may move, over how much it moved from one region to the next.

    The error of a boundary that is held falls as the strain energy of an elastic dipole beyond it: as the radius to the power of
    the directions in which there is a beyond.
    """
    if wider.is_whole:
        return 0.0
    return float(1.0 / ((wider.radius_A / region.radius_A) ** wider.directions - 1.0))


def _start_in(region: Region, moved_A: Array, direction: Array) -> Start:
    """A start of the whole, in a region: atoms that it holds are not displaced."""
    free = np.ones((len(region.atoms), 1))
    free[region.held] = 0.0
    places = np.asarray(region.atoms.positions, dtype=np.float64)
    return Start(
        region.atoms,
        places + free * moved_A[region.indices],
        free * direction[region.indices],
    )


class _OtherError(Exception):
    """What was found in a region of some radius is not found in a wider one."""

    def __init__(self, radius_A: float) -> None:
        super().__init__()
        self.radius_A = radius_A


def _barrier(found: Found) -> float:
    climbed = found.result.climbed
    return np.nan if climbed is None else climbed.point.energy_eV - found.result.reactant.energy_eV


def _is_same(wider: Found, saddle: Point, product: Point) -> bool:
    """Saddle and product are where they were, as eOn compares structures, and the saddle is above the state."""
    result, settings = wider.result, wider.stages.settings
    if result.termination is not Termination.GOOD or not _barrier(wider) > 0.0:
        return False
    assert result.climbed is not None  # noqa: S101 - it ended well
    assert result.product is not None  # noqa: S101
    landscape = wider.stages.landscape
    return all(
        State(landscape, before, settings.distance_A, np.inf).is_same(now)
        for now, before in ((result.climbed.point, saddle), (result.product, product))
    )


def _known(
    point: Point, found: Found, reactant: Point, region: Region, landscape: Landscape
) -> Point:
    """What a point of another region is in this one: what it changed is the same, on every atom."""
    before = found.result.reactant
    changed = found.region.vectors(point.forces - before.forces)[region.indices]
    return landscape.known(
        landscape.place_of(region.part(found.positions_of(point))),
        energy_eV=reactant.energy_eV + (point.energy_eV - before.energy_eV),
        forces=reactant.forces + changed,
    )


def _carried(model: HessianModel, found: Found, region: Region, stages: Stages) -> HessianModel:
    """What is known of a Hessian, in the coordinates of a wider region: springs are the same, so directions stay orthonormal."""
    here, there = found.stages.ground.metric, stages.ground
    columns = []
    for vector in model.vectors.T:
        vectors = found.vectors_of(here.step_of(vector))[region.indices]
        columns.append(there.metric.scaled(there.landscape.place_of(vectors)))
    return HessianModel(model.curvature, model.values, np.linalg.qr(np.column_stack(columns))[0])
