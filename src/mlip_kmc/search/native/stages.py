"""One search: its stages in order, with the force calls of each, and what they come to.

stages = Stages(start, settings, forces=calls, descend=True, start_energy_eV=2.0)
result = stages.run()                  # a Result; `stages.force_calls` says what it took, also where a call ended it
"""

from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np

from mlip_kmc.evaluate.agreement import free_atoms
from mlip_kmc.model.rates import is_free_cluster
from mlip_kmc.search.native.climb import Climb, Climbed, Limits
from mlip_kmc.search.native.connect import Connected, Connection
from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.identify import EARLY_STOP_A, Identification, KnownSaddles, State
from mlip_kmc.search.native.landscape import Array, Forces, Landscape, Point
from mlip_kmc.search.native.minimise import MinimiseEnd, minimise
from mlip_kmc.search.native.springs import SpringMetric
from mlip_kmc.search.native.start import Settings, Start
from mlip_kmc.search.native.walker import Ground
from mlip_kmc.search.outcome import Beyond, ForceCalls, KnownSaddle, Termination


@dataclass(frozen=True)
class Result:
    """What the stages came to.

    Attributes:
        termination: why they ended.
        reactant: the state's minimum. climbed: where the climb ended; None where it did not begin.
        product: of a search that found a process.
        led_back: both sides of the saddle are the state.
        known: the known saddle that the climb was on its way to. beyond: what became of it where it was sure to end out of the
            window.
    """

    termination: Termination
    reactant: Point
    climbed: Climbed | None = None
    product: Point | None = None
    led_back: bool = False
    known: KnownSaddle | None = None
    beyond: Beyond | None = None


@dataclass(frozen=True)
class Told:
    """What a search is told of what its run knows already.

    Attributes:
        saddles: of the state, registered before a fixed search; None: it is told of none.
        within_A: so near to one of them, with negative curvature, a climb ends there: its largest distance of an atom.
        audited: it is run to its end all the same.
        window_eV: saddles further above the state are of no use; None: all are.
        window_audited: one that is sure to be beyond is run to its end all the same.
    """

    saddles: KnownSaddles | None = None
    within_A: float = EARLY_STOP_A
    audited: bool = False
    window_eV: float | None = None
    window_audited: bool = False


@dataclass
class Stages:
    """The stages of one search.

    Attributes:
        start: where it starts. settings: its limits. forces: what evaluates.
        descend: the start is a displacement, and is relaxed to `start_energy_eV` above the state before the climb.
        told: what ends a climb early.
        force_calls: of the stages so far.
    """

    start: Start
    settings: Settings
    forces: Forces
    descend: bool = True
    start_energy_eV: float = 2.0
    told: Told = field(default_factory=Told)
    force_calls: ForceCalls = field(default_factory=ForceCalls, init=False)

    @cached_property
    def landscape(self) -> Landscape:
        """Of the state's atoms."""
        reactant = self.start.reactant
        places = np.asarray(reactant.positions, dtype=np.float64)
        return Landscape(self.forces, frame_A=places, free=free_atoms(reactant))

    @cached_property
    def ground(self) -> Ground:
        """The landscape in the metric of the state's springs."""
        reactant, landscape = self.start.reactant, self.landscape
        metric = SpringMetric.of(
            landscape.frame_A,
            cell=np.asarray(reactant.cell.array, dtype=np.float64),
            free=landscape.free,
            centre=self.start.centre,
        )
        return Ground.of(landscape, metric, turns=is_free_cluster(reactant))

    def run(self) -> Result:
        """All of them, until one ends the search.

        Raises:
            NotFiniteError: a number is none. Whatever `forces` raises.
        """
        try:
            return self._run()
        finally:
            self._book()

    def _run(self) -> Result:
        reactant = self.landscape.point(self.landscape.place_of(self.landscape.frame_A))
        stiffness = self.ground.stiffness(reactant)
        relaxed = self._relaxed(reactant, stiffness)
        self._book(minimization=True)
        if relaxed is None:
            return Result(Termination.MINIMUM_NOT_CONVERGED, reactant)
        identify = self._identification(relaxed)
        climbed = self._climbed(relaxed, stiffness, identify)
        self._book()
        good = climbed.termination is Termination.GOOD
        identify.audit(climbed.point if good else None, same_A=self.settings.distance_A)
        ended = partial(Result, known=identify.known, beyond=identify.beyond)
        if not good:
            return ended(climbed.termination, relaxed, climbed)
        if identify.is_out(climbed.point):
            return ended(Termination.OUT_OF_WINDOW, relaxed, climbed)
        connected = self._connected(relaxed, climbed)
        self._book(minimization=True)
        termination = connected.termination
        if termination is Termination.GOOD and not climbed.point.energy_eV > relaxed.energy_eV:
            termination = Termination.NEGATIVE_BARRIER
        return ended(termination, relaxed, climbed, connected.product, connected.led_back)

    def _identification(self, reactant: Point) -> Identification:
        return Identification(
            self.landscape,
            reactant,
            saddles=self.told.saddles,
            within_A=self.told.within_A,
            audited=self.told.audited,
            window_eV=self.told.window_eV,
            window_audited=self.told.window_audited,
        )

    def _relaxed(self, reactant: Point, stiffness: float) -> Point | None:
        """The state's minimum: as it is, or where it was written with fewer digits, relaxed again."""
        ground, settings = self.ground, self.settings
        model = HessianModel.empty(len(reactant.place), curvature=stiffness)
        found = minimise(
            ground,
            reactant,
            model=model,
            force_eV_per_A=settings.minimum_force_eV_per_A,
            steps=settings.minimum_steps,
        )
        return None if found.end is MinimiseEnd.STEPS else found.point

    def converged(
        self, reactant: Point, saddle: Point, product: Point, *, model: HessianModel
    ) -> Result:
        """Saddle and product of a search elsewhere, converged here, where more atoms may move.

        Args:
            reactant: of the state, here.
            saddle: as it is here.
            product: likewise.
            model: of the Hessian at the saddle, in the coordinates of this ground.

        Raises:
            NotFiniteError: a number is none. Whatever `forces` raises.
        """
        try:
            return self._converged(reactant, saddle, product, model)
        finally:
            self._book(minimization=True)

    def _converged(
        self, reactant: Point, saddle: Point, product: Point, model: HessianModel
    ) -> Result:
        climb = Climb(self.ground, self._limits, reactant, model.curvature)
        climbed = climb.on(saddle, model=replace(model))
        self._book()
        if climbed.termination is not Termination.GOOD:
            return Result(climbed.termination, reactant, climbed)
        relaxed = minimise(
            self.ground,
            product,
            model=replace(model),
            force_eV_per_A=self.settings.saddle_force_eV_per_A,
            steps=self.settings.minimum_steps,
        )
        if relaxed.end is MinimiseEnd.STEPS:
            return Result(Termination.MINIMUM_NOT_CONVERGED, reactant, climbed)
        return Result(Termination.GOOD, reactant, climbed, relaxed.point)

    @property
    def _limits(self) -> Limits:
        return Limits(
            force_eV_per_A=self.settings.saddle_force_eV_per_A,
            start_energy_eV=self.start_energy_eV,
            max_energy_eV=self.settings.max_energy_eV,
            steps=self.settings.climb_steps,
        )

    def _climbed(self, reactant: Point, stiffness: float, identify: Identification) -> Climbed:
        landscape = self.landscape
        return Climb(self.ground, self._limits, reactant, stiffness, ends=identify).go(
            landscape.place_of(self.start.displaced_A),
            direction=landscape.place_of(self.start.direction),
            descend=self.descend,
        )

    def _connected(self, reactant: Point, climbed: Climbed) -> Connected:
        settings = self.settings
        state = State(self.landscape, reactant, settings.distance_A, settings.energy_eV)
        connection = Connection(
            self.ground, state, settings.minimum_force_eV_per_A, settings.minimum_steps
        )
        return connection.of(climbed)

    def _book(self, *, minimization: bool = False) -> None:
        """Count what was called since the last time for a stage."""
        new = self.landscape.calls - self.force_calls.total
        key = "minimization" if minimization else "saddle"
        now = {key: getattr(self.force_calls, key) + new}
        self.force_calls = replace(self.force_calls, **now)

    def positions_of(self, point: Point) -> Array:
        """(N, 3) of a point."""
        return self.landscape.positions_of(point.place)
