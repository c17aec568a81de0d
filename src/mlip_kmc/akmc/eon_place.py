"""Where a run is, among states as eOn keeps them: a state, or the superbasin that holds it (`ports.Place`).

place = states.place(0, previous=-1)        # of `EonStates`
place.confidence, place.start("0_17"), place.register(outcome)
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlip_kmc.akmc.early import ended_early
from mlip_kmc.akmc.explorer import OrderedExplorer
from mlip_kmc.akmc.leaving import no_way_out
from mlip_kmc.akmc.ports import Departure
from mlip_kmc.akmc.prefactors import Rest
from mlip_kmc.akmc.queue import SearchStart, search_of
from mlip_kmc.akmc.twins import Doubt, doubt_of
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.kinetics import draw_step
from mlip_kmc.model.records import Registered, SearchRecord
from mlip_kmc.model.structure import attached_in
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome
from mlip_kmc.search.points import CLASS
from mlip_kmc.search.task import DISPLACED

if TYPE_CHECKING:
    from mlip_kmc.akmc.eon_states import EonStates


class EonPlace:
    """A state, or the superbasin that holds it; see `ports.Place`.

    Long because all that the server asks of a place rests on one explorer and the shortcuts beside it.
    """

    def __init__(
        self, explorer: OrderedExplorer, *, here: Any, basin: Any, states: "EonStates"
    ) -> None:
        """`here` is the state that the run is in; `explorer` searches it, or the superbasin's least known state."""
        self._explorer, self._here, self._basin, self._states = explorer, here, basin, states
        self._explorers = {explorer.state.number: explorer}
        self._kinship, self._early, self._reuse = states.kinship, states.early, states.reuse
        self._sharing = states.sharing

    @property
    def state(self) -> int:
        """That is searched."""
        return int(self._explorer.state.number)

    @property
    def states(self) -> Collection[int]:
        """Whose searches are wanted."""
        return self._basin.state_dict.keys() if self._basin else (self.state,)

    @property
    def superbasin(self) -> int | None:
        """Its number, or None."""
        return int(self._basin.id) if self._basin else None

    @property
    def least_known(self) -> int:
        """With the lowest confidence now."""
        return int(self._kinship.first_of(self._basin).number) if self._basin else self.state

    @property
    def confidence(self) -> float:
        """Of the state, or of the superbasin."""
        return self._explorer.confidence

    @property
    def confident(self) -> bool:
        """It is time for a KMC step."""
        waits = any(
            self._kinship.most(self._eon_state(number)) is not None for number in self.states
        )
        return not (waits or self._carried) and self._explorer.confident

    @property
    def _carried(self) -> int:
        """So many processes that were carried over, or that other runs know, wait to be converged."""
        state = self._explorer.state
        waiting = self._reuse.waiting(state) + self._sharing.waiting(state)
        return waiting if self._basin is None else 0

    @property
    def registered(self) -> int:
        """Searches of `state`."""
        return self._explorer.registered

    @property
    def still_needed(self) -> int:
        """Searches of `state`, probably."""
        return self._explorer.still_needed + self._carried

    @property
    def most(self) -> int | None:
        """Searches of `state`, while it is not told what it is."""
        state = self._explorer.state
        most = self._kinship.most(state)
        return self._sharing.most(state) if most is None and self._basin is None else most

    @property
    def processes(self) -> int:
        """Of `state`."""
        return int(self._explorer.state.get_unique_saddle_count())

    @property
    def shut_in(self) -> bool:
        """A superbasin that nothing within its states' thermal windows leads out of."""
        return self._basin is not None and not any(
            state.get_ratetable(self._basin) for state in self._basin.states
        )

    def reactant_con(self, state: int) -> str:
        """What its searches start from."""
        return self._explorer_of(state).reactant_con

    def start(self, name: str) -> SearchStart:
        """By eOn's displacements and recycling; or what tells whether the state is what it looks like."""
        number, index = search_of(name)
        explorer = self._explorer_of(number)
        state = self._eon_state(number)
        told = self._kinship.start(state, name, index=index)
        if told is None and self._basin is None:
            told = self._reuse.start(state, name, index=index)
            told = told or self._sharing.start(state, name, index=index)
        if told is None:
            return self._displaced(explorer, state, name, index)
        if told.expected is not None:
            return told
        return explorer.at(told)

    def _displaced(
        self, explorer: OrderedExplorer, state: Any, name: str, index: int
    ) -> SearchStart:
        """A search from a displacement, which knows where to start and which saddles are known; in a superbasin neither."""
        if self._basin is not None:
            return explorer.start(name)
        start = explorer.start(name, among=self._reuse.epicentres(state, index))
        if start.kind != DISPLACED or self._reuse.is_audit(state, index):
            return start
        return replace(start, told=self._early.told(state, index))

    def _explorer_of(self, number: int) -> OrderedExplorer:
        if number not in self._explorers:
            self._explorers[number] = self._states._explorer(  # noqa: SLF001 - the two are one
                self._eon_state(number),
                previous=self._explorer.previous_state,
                basin=self._basin,
            )
        return self._explorers[number]

    def _eon_state(self, number: int) -> Any:
        return self._basin.state_dict[number] if self._basin else self._explorer.state

    def is_new(self, outcome: SearchOutcome) -> bool:
        """By eOn's comparison of saddles and its thermal windows."""
        number, _ = search_of(outcome.name)
        return bool(self._eon_state(number).is_new(outcome))

    def rest(self, outcome: SearchOutcome) -> Rest:
        """Of the first state of its class."""
        return self._kinship.rest(self._eon_state(search_of(outcome.name)[0]))

    def doubt(self, outcome: SearchOutcome) -> Doubt:
        """Of saddles near each other that lead to one product."""
        if outcome.found is None:
            return Doubt()
        state = self._eon_state(search_of(outcome.name)[0])
        return doubt_of(outcome.found, state=state, images=self._kinship.images(state, outcome))

    def images(self, outcome: SearchOutcome) -> Sequence[FoundProcess]:
        """By the state's own symmetry."""
        number, _ = search_of(outcome.name)
        return self._kinship.images(self._eon_state(number), outcome)

    def register(self, outcome: SearchOutcome) -> SearchRecord:
        """In eOn's process table."""
        number, index = search_of(outcome.name)
        before = int(self._eon_state(number).get_repeats())
        record = self._registered(outcome, number, index)
        if self._basin is None:
            self._sharing.registered(self._eon_state(number), index=index, repeats_before=before)
        return record

    def _registered(self, outcome: SearchOutcome, number: int, index: int) -> SearchRecord:
        state = self._eon_state(number)
        if self._basin is None:
            outcome = self._reuse.as_counted(state, outcome, index=index)
        if ended_early(outcome):
            return self._early.register(state, outcome, index=index, superbasin=self._basin)
        found = self._kinship.register(state, outcome, index=index, superbasin=self._basin)
        found = self._early.note(state, outcome, found, index=index)
        if self._basin is None:
            found = self._reuse.note(state, outcome, found, index=index)
        explorer = self._explorer_of(number)
        if found.outcome == Registered.KNOWN:
            self._reuse.drop(state)
            explorer.read_stale()
            return found
        if outcome.kind == CLASS and self._basin is None:
            self._reuse.begin(state)  # it is not what it looked like
        stale = explorer.stale.of(index)
        return found if stale is None else replace(found, stale=stale.known)

    def no_way_out(self) -> str:
        """Of the superbasin."""
        return no_way_out(self._basin, sorted(self._basin.state_dict))

    def depart(self, path: AtomPath, rng: np.random.Generator) -> Departure:
        """Draw a process of the rate table, or a way out of the superbasin."""
        hops: float | None = None
        if self._basin is not None:
            way = self._states.leaving.draw(self._basin, entered=self._here, path=path, rng=rng)
            left, process, path = way.left, way.process, way.path
            time_s, rate_per_s, hops = way.time_s, 1.0 / way.mean_time_s, way.hops
        else:
            left = self._here
            process, rate_per_s, time_s = self._drawn(rng)
        reached = self._states.reached(left.number, process)
        return Departure(
            left=left.number,
            process=process,
            product=reached.number,
            time_s=time_s,
            rate_per_s=rate_per_s,
            barrier_eV=left.get_process(process)["barrier"],
            energy_eV=left.get_energy(),
            path=self._states.leaving.follow(path, left, process, reached),
            apart=len(path.mapping) - len(attached_in(reached.reactant_con)),
            superbasin=self.superbasin,
            hops=hops,
        )

    def drawn(self, rng: np.random.Generator) -> int | None:
        """Of the rate table as it is now."""
        if self._basin is not None or self.most is not None or self._carried:
            return None
        return self._drawn(rng)[0] if self._here.get_ratetable() else None

    def _drawn(self, rng: np.random.Generator) -> tuple[int, float, float]:
        """Process, its rate and the residence time."""
        table = self._here.get_ratetable()
        if not table:
            raise SearchesFailedError(
                f"state {self._here.number} has no process in its rate table although its confidence is reached; raise "
                "search.thermal_window_kT, or look into the state's search_results.txt"
            )
        index, residence_s = draw_step([row[1] for row in table], rng)
        return table[index][0], table[index][1], residence_s
