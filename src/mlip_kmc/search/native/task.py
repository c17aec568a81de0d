"""A process search of our own as a task: typed in, typed out, like `search.task.SearchTask`.

task = NativeSearch(job, setup=NativeSetup(recipe), watch=watch)
task.run()                      # a SearchOutcome; a worker does this
"""

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from ase import Atoms

from mlip_kmc.config.eon_options import with_converged_forces
from mlip_kmc.driver.standalone import DriverError
from mlip_kmc.evaluate.client import End, cancellable, keep_inputs
from mlip_kmc.evaluate.warm import Recipe, WarmEvaluator, let_go, warm
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.frames import Stage
from mlip_kmc.model.records import HaltKind
from mlip_kmc.search.native.calls import CallGrades, Calls, EndedError
from mlip_kmc.search.native.climb import Climbed
from mlip_kmc.search.native.landscape import NotFiniteError
from mlip_kmc.search.native.local import Found, LocalSearch, NotAtRestError, Plan, WholeSearch
from mlip_kmc.search.native.reference import Reference, references_of
from mlip_kmc.search.native.stages import Stages, Told
from mlip_kmc.search.native.start import Settings, Start
from mlip_kmc.search.outcome import FoundProcess, Graded, SearchOutcome, Termination
from mlip_kmc.search.reading import next_to
from mlip_kmc.search.settling import start_at
from mlip_kmc.search.task import DISPLACED, ProcessSearch

_SETTLING = "settling"


@dataclass(frozen=True)
class NativeSetup:
    """What all searches of a run by our own engine have in common.

    Attributes:
        recipe: of the potential.
        start_energy_eV: down to which a displaced structure is relaxed, above the state.
        region_A: the radius about what is displaced within which atoms may move first; None: all may.
        cutoff_A: of the potential; None where that is not known, and there are no regions.
    """

    recipe: Recipe
    start_energy_eV: float = 2.0
    region_A: float | None = None
    cutoff_A: float | None = None

    def plan(self, start: Start) -> Plan | None:
        """Where the regions of a search are; None: all of it is evaluated."""
        if self.region_A is None or self.cutoff_A is None:
            return None
        plan = Plan.of(start, radius_A=self.region_A, cutoff_A=self.cutoff_A)
        return None if plan.region(start.reactant).is_whole else plan


@dataclass(frozen=True)
class NativeSearch(ProcessSearch):
    """A process search by our own engine; its texts are those that eOn's client would read.

    Attributes:
        setup: what all of them need.
        told: what ends its climb early.
    """

    setup: NativeSetup = field(kw_only=True)
    told: Told = field(default_factory=Told)

    def from_saddle(self, found: FoundProcess, *, name: str, kind: str) -> Self:
        """As of `ProcessSearch`; it is told of no saddle."""
        return replace(super().from_saddle(found, name=name, kind=kind), told=Told())

    def again(self, outcome: SearchOutcome, *, force_eV_per_A: float, tag: str) -> SearchOutcome:
        """As of `ProcessSearch`."""
        ini = with_converged_forces(self.job.files["config.ini"], force_eV_per_A)
        files, kind = {**self.job.files, "config.ini": ini}, self.kind
        if outcome.found is not None:
            files |= start_at(outcome.found, reactant_con=self.reactant_con)
            kind = _SETTLING
        again = replace(
            self, job=replace(self.job, files=files), kind=kind, settling=None, told=Told()
        )
        return replace(again.run(tag=tag), kind=self.kind)

    @property
    def in_child(self) -> bool:
        """It evaluates where it runs."""
        return True

    def died(self, message: str) -> SearchOutcome:
        """What is handed back where its evaluations end each process that makes them: a bad search."""
        keep_inputs(self.whole_job, message)
        told = self.without_result(End.FINISHED, message)
        return replace(told, termination=Termination.ENDED_PROCESS)

    def run_once(self, tag: str) -> SearchOutcome:
        """As of `ProcessSearch`."""
        began = time.monotonic()
        with cancellable(tag or self.name) as cancelled:
            try:
                evaluator = warm(self.setup.recipe)
                start = Start.of(self.reactant_con, self.job.files)
            except (DriverError, StructureError) as error:
                outcome = self.without_result(End.EVALUATION_ERROR, str(error))
            else:
                outcome = self._searched(start, evaluator, cancelled)
        if outcome.end is End.EVALUATION_ERROR:
            let_go()
            keep_inputs(self.job, outcome.message)
        return replace(outcome, seconds=time.monotonic() - began)

    def _searched(
        self, start: Start, evaluator: WarmEvaluator, cancelled: threading.Event
    ) -> SearchOutcome:
        calls = self._calls(start, evaluator, cancelled, grades=self._grades())
        search = self._search(start, calls)
        ended = EndedError(End.FINISHED)
        try:
            outcome = self._outcome(search.run(), start)
        except NotFiniteError:
            outcome = replace(self._finished(), termination=Termination.NOT_FINITE)
        except NotAtRestError:
            outcome = replace(self._finished(), termination=Termination.MINIMUM_NOT_CONVERGED)
        except EndedError as error:
            ended, outcome = error, self.without_result(error.end, str(error))
        outcome = self._graded(outcome, start, calls, ended)
        return replace(
            outcome,
            force_calls=search.force_calls,
            centres=calls.centres,
            region_A=search.radius_A,
            grown=tuple(search.grown),
        )

    def _calls(
        self,
        start: Start,
        evaluator: WarmEvaluator,
        cancelled: threading.Event,
        *,
        grades: CallGrades | None = None,
    ) -> Calls:
        return Calls(
            evaluator,
            atoms=start.reactant,
            cancelled=cancelled,
            time_limit_s=self.job.time_limit_s,
            search=self.name,
            grades=grades,
        )

    def _search(self, start: Start, calls: Calls) -> WholeSearch | LocalSearch:
        settings = Settings.of(self.job.files["config.ini"])
        stages = Stages(
            start,
            settings,
            forces=calls,
            descend=self.kind == DISPLACED,
            start_energy_eV=self.setup.start_energy_eV,
            told=self.told,
        )
        plan = self.setup.plan(start)
        if plan is None:
            return WholeSearch(stages)

        def rest() -> Reference | None:
            alone = self._calls(start, calls.evaluator, calls.cancelled)
            known = references_of(calls.evaluator)
            return known.of(start.reactant, self.reactant_con, alone, settings)

        return LocalSearch(stages, plan, calls, rest)

    def _grades(self) -> CallGrades | None:
        if self.watch is None:
            return None
        return CallGrades(self.watch, search=self.name, reactant_con=self.reactant_con)

    def _finished(self) -> SearchOutcome:
        return self.without_result(End.FINISHED)

    def _outcome(self, ended: Found, start: Start) -> SearchOutcome:
        result = ended.result
        reactant, climbed = result.reactant, result.climbed
        if climbed is None:
            return replace(self._finished(), termination=result.termination)
        moved = ended.vectors_of(climbed.point.place - reactant.place)
        return replace(
            self._finished(),
            termination=result.termination,
            led_back=result.led_back,
            known=result.known,
            beyond=result.beyond,
            barrier_eV=climbed.point.energy_eV - reactant.energy_eV,
            saddle_distance_A=float(np.linalg.norm(moved)),
            found=_found(ended, climbed, start),
        )

    def _graded(
        self, outcome: SearchOutcome, start: Start, calls: Calls, ended: EndedError
    ) -> SearchOutcome:
        """With what was seen of gamma and distances; what crossed a limit was halted there."""
        graded = Graded()
        if calls.grades is not None and ended.end not in (End.CANCELLED, End.TIMED_OUT):
            graded = calls.grades.judge(_points(outcome, start.reactant))
        if ended.is_too_near:
            graded = replace(
                graded,
                halt=str(ended),
                halt_kind=HaltKind.TOO_NEAR,
                frames=(*graded.frames, *calls.near),
            )
        if not graded.halt:
            return replace(outcome, graded=graded)
        halted = self.without_result(End.HALTED, graded.halt)
        return replace(halted, termination=Termination.HALTED, graded=graded)


def _points(outcome: SearchOutcome, reactant: Atoms) -> dict[Stage, Atoms]:
    """Saddle and product, where gamma is looked at in any case."""
    found = outcome.found
    if found is None:
        return {}
    points = {Stage.SADDLE: reactant.copy(), Stage.PRODUCT: reactant.copy()}
    points[Stage.SADDLE].positions = found.saddle_A
    points[Stage.PRODUCT].positions = found.product_A
    return points


def _found(ended: Found, climbed: Climbed, start: Start) -> FoundProcess | None:
    """The process; None where the search ended otherwise."""
    reactant, product = ended.result.reactant, ended.result.product
    if ended.result.termination is not Termination.GOOD or product is None:
        return None
    points = (reactant, climbed.point, product)
    places = next_to(start.reactant, *map(ended.positions_of, points))
    prefactor = ended.stages.settings.prefactor_per_s
    return FoundProcess(
        reactant_eV=reactant.energy_eV + ended.above_eV,
        saddle_eV=climbed.point.energy_eV + ended.above_eV,
        product_eV=product.energy_eV + ended.above_eV,
        forward_per_s=prefactor,
        back_per_s=prefactor,
        reactant_A=places[Stage.REACTANT],
        saddle_A=places[Stage.SADDLE],
        product_A=places[Stage.PRODUCT],
        mode=ended.vectors_of(climbed.mode / np.linalg.norm(climbed.mode)),
        provenance={"engine": "native", "climb_steps": float(climbed.steps)},
    )
