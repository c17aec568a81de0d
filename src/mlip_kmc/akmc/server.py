"""The server of a run, one tick at a time: what is registered, when a KMC step is made, what is cancelled, when to stop.

    server = open_server(config, directory=directory, checkpoints=checkpoints, cluster=cluster, setup=setup, saved=saved)
    server.begin()
    while (stop := server.tick(timeout_s=1.0)) is None:
        print(server.progress())

A tick takes in finished searches, registers those whose turn it is, perhaps makes one KMC step, and submits new searches. A
generation is committed with each step and end, and otherwise from time to time (`intervals.py`): what is registered meanwhile
is in the spool, and registered again from there after a kill. States, process tables and confidence are behind
`ports.States`: eOn's (`eon_states.py`), or invented ones in tests.

Long because the tick's decisions stand side by side: what is registered, stepped, cancelled, committed, and why it ends.
"""

import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from importlib import metadata
from itertools import groupby
from typing import Any

from mlip_kmc.akmc.ahead import Ahead
from mlip_kmc.akmc.completing import is_complete
from mlip_kmc.akmc.intervals import Intervals
from mlip_kmc.akmc.kept import FrameKeeper
from mlip_kmc.akmc.ledger import Ledger, halted_before, halted_by, halted_for_repair, hopeless
from mlip_kmc.akmc.ports import Place, States, Workers
from mlip_kmc.akmc.queue import SearchQueue, search_of
from mlip_kmc.akmc.setup import Setup
from mlip_kmc.akmc.step import event_of, timed_departure
from mlip_kmc.config import Config
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.ground.wording import done, gone, plain
from mlip_kmc.model.kinetics import step_generator
from mlip_kmc.model.records import Progress, Registered, RunNumbers, Start
from mlip_kmc.search.outcome import SearchOutcome

_AHEAD = 6
LEAST_AHEAD = 24


@cache
def _version() -> str:
    """The installed program's; its metadata are a file that is parsed whole."""
    return metadata.version("mlip-kmc")


class Server:
    """The run between two commits.

    Long because each of the tick's decisions rests on the same few things: the place, the queue, the ledger.

    Attributes:
        config: the run's. setup: what it is made of.
        changes: settings that differ from the last start, by dotted key: (old, new).
    """

    def __init__(
        self,
        config: Config,
        *,
        setup: Setup,
        states: States,
        queue: SearchQueue,
        ledger: Ledger,
        workers: Workers,
        keeper: FrameKeeper,
        changes: dict[str, tuple[Any, Any]],
        after_commit: Callable[[], object] = lambda: None,
        searches: int | None = None,
        early: Ahead | None = None,
        intervals: Intervals | None = None,
    ) -> None:
        """Go on from the ledger; `opening.open_server` puts the parts together.

        Args:
            config: the run's.
            setup: what it is made of.
            states: as they are at the ledger's generation.
            queue: of searches, empty.
            ledger: of the run.
            workers: who runs searches.
            keeper: writes down frames worth labelling.
            changes: see above.
            after_commit: what is done after a commit that registered something.
            searches: so many searches of the present state and no KMC step; None: a run.
            early: searches the next state while workers are spare; None: nobody does.
            intervals: between commits; usual ones where None.
        """
        self.config, self.setup, self.changes = config, setup, changes
        self._states, self._queue, self._ledger, self._workers = states, queue, ledger, workers
        self._keeper, self._after_commit = keeper, after_commit
        self._wanted_searches, self._early = searches, early
        self._intervals = intervals or Intervals()
        self._registered: list[str] = []  # since the last commit
        self._begun, self._capacity_begun_s = time.monotonic(), workers.capacity_s()
        self._draining = False
        self._earlier = ledger.numbers
        self._shut_in = 0  # searches, since this start, of a superbasin that nothing leads out of
        self._place = self._present_place()
        if self._hopeless:  # started again all the same: it gets another series
            ledger.numbers = replace(ledger.numbers, bad_in_a_row=0)
        ledger.numbers = halted_before(
            ledger.numbers, gamma=setup.minimised.gamma, thresholds=config.gamma
        )
        queue.keep_spooled(self._is_to_come)
        wanted = self._place.states
        if not self.halt and not self._place.confident:
            self._submit([name for name in ledger.numbers.pending if search_of(name)[0] in wanted])

    def _is_to_come(self, name: str) -> bool:
        """A search was submitted before this start, and is not registered: in the generation it is pending, or unknown."""
        (state, index), place = search_of(name), self._place
        if state not in place.states or (state == place.state and index < place.registered):
            return False
        return name in self._ledger.numbers.pending or self._queue.finished(name)

    def _present_place(self) -> Place:
        numbers = self._ledger.numbers
        return self._states.place(numbers.state, previous=numbers.previous)

    # -- one tick

    def tick(self, timeout_s: float) -> str | None:
        """Go on by what has finished; wait for it up to `timeout_s`, and register for no longer.

        Returns:
            why the run is done, or None.

        Raises:
            SearchesFailedError: searching on makes no sense.
            StorageError: the generation could not be written.
        """
        if (reason := self._finished()) is not None:
            return reason
        if self._closed:
            raise SearchesFailedError(f"{self._place.no_way_out()}; run it again to search on")
        came, deadline = False, time.monotonic() + timeout_s
        while not self._leaves_off and not (came and time.monotonic() >= deadline):
            self._retarget()
            self._submit(self._due())
            if not self._queue.accept(0.0 if came else timeout_s):
                break
            came = self._register() or came
        step = self._wanted_searches is None and self._place.confident and not self.halt
        if (
            step and self._ledger.numbers.to_repair
        ):  # what those searches would have found is not known
            self._ledger.numbers = halted_for_repair(self._ledger.numbers)
            step = False
        if step:
            try:
                self._step()
            except SearchesFailedError:
                self._commit()  # what the step would have rested on counts
                raise
        if step or self.halt or (self._registered and (self._leaves_off or self._intervals.over)):
            self._commit()
        if step:
            self._queue.keep_spooled(set(self._queue.pending).__contains__)
        else:
            self._go_ahead()
        return self._finished()

    def _go_ahead(self) -> None:
        """Where this state has all the searches that it needs, workers without one search the next state."""
        if self._early is None or self._leaves_off or self._draining:
            return
        workers, enough = self._workers, len(self._queue) >= self._place.still_needed
        room = workers.slots - workers.running - workers.waiting if enough else 0
        registered = sum(self._ledger.outcomes.values())
        self._early.go_on(
            self._place, numbers=self._ledger.numbers, room=room, registered=registered
        )

    @property
    def _leaves_off(self) -> bool:
        """Nothing is registered before the next commit, or at all."""
        return bool(self._enough or self._hopeless or self._closed or self.halt)

    def _retarget(self) -> None:
        """In a superbasin, search the state that is least known now."""
        if self._place.superbasin is not None and self._place.least_known != self._place.state:
            self._place = self._present_place()

    def _due(self) -> list[str]:
        """Searches to submit now.

        In a superbasin, the search that follows each registration starts from the state that is least known then: so one is
        made at once, whatever workers there are, whether or not it may start now, and however many are wanted.
        """
        if self._place.superbasin is not None:
            return self._following(self.config.search.superbasin_lead, at_most=self._place.most)
        if self._draining:
            return []
        return self._following(self._ahead, at_most=self._most)

    @property
    def _most(self) -> int | None:
        """So many searches of the state are wanted at present, as far as that is known."""
        limits = [limit for limit in (self._wanted_searches, self._place.most) if limit is not None]
        return min(limits, default=None)

    @property
    def _ahead(self) -> int:
        """How many searches of one state may be unregistered at a time.

        Enough that no worker waits for a slow search whose turn it is; no more than the state will probably need, since a KMC
        step makes the rest useless. Where searches are counted, all of them are wanted.
        """
        slots = self._workers.slots
        ahead = max(_AHEAD * slots, LEAST_AHEAD)
        if self._wanted_searches is None:
            needed = max(2 * self._place.still_needed, LEAST_AHEAD)
            if self._early is not None:  # what is beyond that is better spent on the next state
                needed = self._place.still_needed
            ahead = min(_AHEAD * max(slots, 1), needed)
        return min(ahead, self.config.most_ahead or ahead)

    def _following(self, ahead: int, *, at_most: int | None) -> list[str]:
        """Names of the place's next searches, until `ahead` are not registered; at most `at_most` of the state in all."""
        state = self._place.state
        first = self._place.registered + self._queue.pending_of(state)
        end = first + max(ahead - len(self._queue), 0)
        return [
            f"{state}_{index}"
            for index in range(first, end if at_most is None else min(end, at_most))
        ]

    def _submit(self, names: list[str]) -> None:
        for state, of_state in groupby(names, key=lambda name: search_of(name)[0]):
            starts = [self._place.start(name) for name in of_state]
            self._queue.submit(starts, reactant_con=self._place.reactant_con(state))

    def _register(self) -> bool:
        """Register the search whose turn it is, if there is one; in a superbasin it decides which state is searched next."""
        try:
            outcome = self._queue.take(self._wanted, ready=self._rated)
        except SearchesFailedError:
            self._commit()  # what was registered before the failure counts
            raise
        if outcome is None:
            return False
        record = self._place.register(outcome)
        self._ledger.add_search(record)
        self._shut_in = self._shut_in + 1 if self._place.shut_in else 0
        if record.outcome == Registered.HALTED:
            self._ledger.numbers = halted_by(
                outcome, self._ledger.numbers, thresholds=self.config.gamma
            )
        self._keeper.keep(outcome, record)
        self._registered.append(outcome.name)
        if outcome.told_apart or (record.outcome == Registered.NEW and self._queue.completes):
            self._intervals.end()  # what was made for it is in no spool
        return True

    def _wanted(self, name: str) -> bool:
        return search_of(name)[0] in self._place.states

    def _rated(self, outcome: SearchOutcome) -> bool:
        """What a search found may be registered."""
        return is_complete(outcome, queue=self._queue, place=self._place)

    # -- KMC steps

    def _step(self) -> None:
        """One KMC step out of the present state or superbasin; searches of the states just left are cancelled."""
        numbers, path, kelvin = self._ledger.numbers, self._ledger.path, self.config.temperature_K
        rng = step_generator(seed=self.config.seed, step=numbers.steps)
        departure, clock = timed_departure(
            self._place, path=path, rng=rng, numbers=numbers, temperature_K=kelvin
        )
        event = event_of(
            departure,
            clock,
            path=path,
            numbers=numbers,
            temperature_K=kelvin,
            epoch=self._ledger.epoch,
        )
        self._states.moved(departure)
        if self._early is not None:
            self._early.moved(departure)
        self._ledger.add_event(event, path=departure.path, apart=departure.apart)
        for state in tuple(self._place.states):
            self._queue.cancel(state)
        self._queue.step()
        self._place = self._present_place()

    # -- commits

    def begin(self) -> None:
        """Commit that the run goes on from here, before any search; a run that is done stays as it is."""
        if not self.has_more_to_do:
            return
        store, numbers = self._ledger.store, self._ledger.numbers
        if not store.epochs or store.epochs[-1].identity != self.setup.identity:
            store.begin_epoch(self.setup.facts, inputs=self.setup.inputs)
        self._ledger.numbers = numbers = replace(numbers, starts=numbers.starts + 1)
        start = Start(
            number=numbers.starts,
            time_s=round(time.time(), 3),
            host=socket.gethostname(),
            pid=os.getpid(),
            version=_version(),
            workers=self._workers.slots,
            temperature_K=self.config.temperature_K,
            kmc_step=numbers.steps,
            changes=self.changes,
            searches=sum(self._ledger.outcomes.values()),
        )
        store.append("starts", start.to_json())
        self._commit()

    def settle(self) -> None:
        """Commit what is registered: the run ends, or this process does.

        Raises:
            StorageError: the generation could not be written.
        """
        if self._registered:
            self._commit()

    def _commit(self) -> None:
        earlier, workers, queue = self._earlier, self._workers, self._queue
        self._ledger.numbers = replace(
            self._ledger.numbers,
            pending=tuple(queue.pending),
            confidence=self._place.confidence,
            busy_s=earlier.busy_s + queue.busy_s,
            wall_s=earlier.wall_s + time.monotonic() - self._begun,
            capacity_s=earlier.capacity_s + workers.capacity_s() - self._capacity_begun_s,
            discarded=earlier.discarded + queue.discarded,
        )
        if self._early is not None:
            self._ledger.numbers = self._early.counted(self._ledger.numbers, earlier=earlier)
        state = {
            "numbers": asdict(self._ledger.numbers),
            "minimised": asdict(self.setup.minimised),
            "limits": self.config.limits(),
            "spool": queue.since,
        }
        with self._intervals.commit():
            self._ledger.store.commit(state, touched=self._states.written())
        registered, self._registered = self._registered, []
        self._states.committed()
        queue.forget(registered)
        if registered:
            self._after_commit()
        if self._hopeless:
            raise SearchesFailedError(
                hopeless(self._ledger, in_a_row=self.config.search.max_bad_in_a_row)
            )

    # -- where it is

    def _finished(self) -> str | None:
        if self._wanted_searches is not None:
            of = f"state {self._place.state}"
            return done(self._place.registered, "search", of=of) if self._enough else None
        stop, numbers = self.config.stop, self._ledger.numbers
        if stop.kmc_steps is not None and numbers.kmc_steps >= stop.kmc_steps:
            return done(numbers.kmc_steps, "KMC step")
        if stop.simulated_time_s is not None and numbers.time_s >= stop.simulated_time_s:
            return f"{plain(numbers.time_s, digits=6)} s of simulated time are done"
        if stop.desorbed_atoms is not None and numbers.left >= stop.desorbed_atoms:
            return gone(numbers.left)
        return None

    @property
    def _enough(self) -> bool:
        """The present state has had the searches that it needs."""
        if self._wanted_searches is None:
            return self._place.confident
        return self._place.registered >= self._wanted_searches

    @property
    def _hopeless(self) -> bool:
        return self._ledger.numbers.bad_in_a_row >= self.config.search.max_bad_in_a_row

    @property
    def _closed(self) -> bool:
        """The superbasin's states were searched for long, and nothing within their thermal windows leads out."""
        limit = self.config.search.max_bad_in_a_row * len(self._place.states)
        return self._place.superbasin is not None and self._shut_in >= limit

    @property
    def halt(self) -> str:
        """Why the run stops for extrapolation, in words; empty where it may go on."""
        return self._ledger.numbers.halt

    @property
    def numbers(self) -> RunNumbers:
        """Where the run is, in short."""
        return self._ledger.numbers

    @property
    def outcomes(self) -> Counter[str]:
        """Registered searches under the present potential, by outcome."""
        return self._ledger.now

    @property
    def damage(self) -> list[str]:
        """What this start found damaged besides generations, or made by a version that is not to be trusted, one line each."""
        unsound = self._ledger.unsound
        return [*self._queue.damage, *([unsound] if unsound else [])]

    @property
    def has_more_to_do(self) -> bool:
        """Searches or steps are wanted; a run that has not begun has more to do in any case."""
        return not self.numbers.starts or (self._finished() is None and not self.halt)

    def drain(self) -> None:
        """Start no more searches; those that run may finish."""
        self._draining = True
        if self._early is not None:
            self._early.drop()
        self._workers.hold()

    @property
    def drained(self) -> bool:
        """Nothing runs any more."""
        return self._workers.running == 0

    def progress(self) -> Progress:
        """Where the run is."""
        numbers, outcomes = self._ledger.numbers, self._ledger.outcomes
        return Progress(
            kmc_steps=numbers.kmc_steps,
            simulated_time_s=numbers.time_s,
            state=numbers.state,
            confidence=self._place.confidence,
            states=max(self._states.count, 1),
            processes=self._place.processes,
            searches_here=self._place.registered,
            good=outcomes[Registered.NEW],
            repeated=outcomes[Registered.REPEAT],
            high=outcomes[Registered.HIGH],
            bad=outcomes[Registered.BAD],
            halted=outcomes[Registered.HALTED],
            running=self._workers.running,
            last_event=self._ledger.last_event,
        )
