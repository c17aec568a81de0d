"""The tick: order, determinism, nothing lost, whatever finishes when, dies, or is full."""

import json
import math
import os
import random
from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlip_kmc.akmc.queue import SearchQueue
from mlip_kmc.ground.errors import SearchesFailedError, StorageError
from mlip_kmc.ground.syncing import Syncer

from .invented import InventedPlace, KilledError, World

TICKS = int(os.environ.get("MLIP_KMC_TICKS", "10000"))
STEPS = 40
"""Of the undisturbed run that others are compared with; a disturbed run starts over once it has as many."""
KINDS = {
    "states": {},
    "superbasins": {"superbasins": True},
    "halts": {"halts": True},
}
_references = {}


@pytest.fixture(autouse=True)
def _quick_spool(monkeypatch):
    """Durability has tests of its own."""
    monkeypatch.setattr(Syncer, "soon", lambda syncer, path: None)


def reference(kind, seed):
    """Events and searches of an undisturbed run with one worker."""
    if (kind, seed) not in _references:
        world = World(seed, slots=1, **KINDS[kind])
        _references[kind, seed] = world.run(STEPS)
        world.close()
    return _references[kind, seed]


def compare(world, kind, seed):
    """What is committed is the beginning of the undisturbed run, line by line."""
    events, searches = reference(kind, seed)
    assert world.events == events[: len(world.events)]
    assert world.searches == searches[: len(world.searches)]
    times = [parsed(line)["time_s"] for line in world.events]
    assert times == sorted(set(times)), "the clock goes on"
    pending = world.store.durable["state"]["numbers"]["pending"]
    assert len(set(pending)) == len(pending)
    records = map(parsed, world.searches)
    assert {f"{record['state']}_{record['index']}" for record in records}.isdisjoint(pending)


@cache
def parsed(line):
    return json.loads(line)


def disturb(world, chance):
    """One thing that happens to a run."""
    what = chance.random()
    if what < 0.55:
        world.finish(chance.randrange(100))
    elif what < 0.60:
        world.finish(chance.randrange(100), crash=True)
    elif what < 0.92:
        world.tick()
    elif what < 0.94:
        world.kill()
    elif what < 0.97:
        world.store.fault = chance.choice(["before", "after", "full"])
    elif what < 0.99:
        world.work(chance.choice([1, 2, 3, 8, 50]))
    else:
        world.server.drain()
        world.tick()
        world.kill()


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_ticks_with_all_that_can_happen(kind):
    chance, ticks, seed, commits, starts = random.Random(7), 0, 0, 0, 0  # noqa: S311
    while ticks < TICKS / len(KINDS):
        seed += 1
        world = World(seed, due=chance.choice([1.0, 0.3, 0.0]), **KINDS[kind])
        try:
            while world.server.numbers.steps < STEPS and not world.server.halt:
                before = world.store.durable["state"]
                disturb(world, chance)
                if world.store.durable["state"] is not before:
                    commits += 1
                    compare(world, kind, seed)
            ticks, starts = ticks + world.ticks, starts + world.starts
        finally:
            world.close()
    print(
        f"{kind}: {ticks} ticks, {commits} commits, {starts} starts of {seed} runs; order and digits held"
    )
    assert commits > TICKS / 50
    assert starts > TICKS / 50


class TickMachine(RuleBasedStateMachine):
    """The same by hypothesis, which finds the shortest way to a fault."""

    @initialize(
        kind=st.sampled_from(sorted(KINDS)),
        seed=st.integers(1, 5),
        due=st.sampled_from([1.0, 0.3, 0.0]),
    )
    def begin(self, kind, seed, due):
        self.kind, self.seed = kind, seed
        self.world = World(seed, due=due, **KINDS[kind])

    @rule(number=st.integers(0, 9), crash=st.booleans())
    def finish(self, number, crash):
        self.world.finish(number, crash=crash)

    @rule()
    def tick(self):
        if self.world.server.numbers.steps < STEPS:
            self.world.tick()

    @rule()
    def work_on(self):
        """Much that is uneventful."""
        for _ in range(20):
            self.finish(0, crash=False)
            self.tick()

    @rule()
    def kill(self):
        self.world.kill()

    @rule(fault=st.sampled_from(["before", "after", "full"]))
    def fault(self, fault):
        self.world.store.fault = fault

    @rule(slots=st.sampled_from([0, 1, 2, 8, 50]))
    def work(self, slots):
        self.world.work(slots)

    @rule()
    def drain(self):
        self.world.server.drain()

    @invariant()
    def what_is_committed_is_right(self):
        if hasattr(self, "world"):
            compare(self.world, self.kind, self.seed)

    def teardown(self):
        if hasattr(self, "world"):
            self.world.close()


TestTicks = TickMachine.TestCase
TestTicks.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


class InAnyOrder(SearchQueue):
    """A queue that hands over whatever has finished."""

    @property
    def turn(self):
        return next(iter(self._finished), None)


class Forgetful(SearchQueue):
    """A queue that starts over after a stop without what was pending."""

    def submit(self, starts, *, reactant_con):
        super().submit(
            [start for start in starts if not start.name.endswith("3")], reactant_con=reactant_con
        )


@pytest.mark.parametrize("broken", [InAnyOrder, Forgetful])
def test_the_property_can_fail(broken):
    world = World(1, slots=8, queue=broken)
    chance = random.Random(3)  # noqa: S311

    def go_on():
        for _ in range(2000):
            disturb(world, chance)
            compare(world, "states", 1)

    with pytest.raises(AssertionError):
        go_on()
    world.close()


def test_workers_without_end_change_nothing():
    """All of one state's searches at once, the last one first."""
    world = World(2, slots=1000)
    while world.server.numbers.steps < 10:
        world.tick()
        while world.cluster.running:
            world.finish(-1)
    compare(world, "states", 2)
    assert len(world.events) == 10
    world.close()


def in_hand(world):
    """Names of the searches whose outcomes have come and are in no generation."""
    queue = world.server._queue
    return {*world.server._registered, *queue._finished}


@pytest.mark.parametrize(("slots", "seed"), [(1, 1), (8, 2), (50, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_between_registration_and_commit_loses_no_outcome(kind, slots, seed):
    """What came of a search is in the spool before it is registered, and registered again from there, in the same order."""
    world = World(seed, slots=slots, due=0.0, **KINDS[kind])
    chance, there, most, kills, steps = random.Random(seed), set(), 0, 0, 0  # noqa: S311
    while world.server.numbers.steps < 6 and not world.server.halt:
        world.finish(chance.randrange(100))
        world.tick()
        if steps < world.server.numbers.steps:  # the same state may be searched again
            steps, there = world.server.numbers.steps, set()
        assert world.cluster.asked.isdisjoint(there), "no search is made again"
        if chance.random() < 0.2:
            there = in_hand(world)
            world.kill()
            most, kills = max(most, len(there)), kills + 1
    assert kills > 3
    assert most >= 2
    compare(world, kind, seed)
    world.close()


def test_what_is_registered_is_committed_when_the_process_ends_and_not_again():
    world = World(1, due=0.0)
    while not world.server._registered:
        world.finish()
        world.tick()
    registered = len(world.server._registered)
    assert world.searches == []
    world.server.settle()
    assert len(world.searches) == registered
    state = world.store.durable["state"]
    world.server.settle()
    assert world.store.durable["state"] is state
    world.kill()
    world.run(3)
    compare(world, "states", 1)
    world.close()


@pytest.mark.parametrize("fault", ["full", "before"])
def test_a_commit_that_fails_loses_no_outcome(fault):
    world = World(1, due=0.0, slots=5)
    while len(world.server._registered) < 2:
        world.finish(-1)
        world.tick()
    there, world.store.fault = in_hand(world), fault
    with pytest.raises(StorageError if fault == "full" else KilledError):
        world.server.settle()
    world.kill()
    while not world.server.numbers.steps:
        world.tick()
        world.finish()
    assert world.cluster.asked.isdisjoint(there)
    world.run(STEPS)
    compare(world, "states", 1)
    world.close()


class Completing(SearchQueue):
    """New processes wait for something that no spool has."""

    completes = True


def test_a_process_whose_prefactors_and_images_are_in_no_spool_is_committed_at_once():
    world = World(1, due=0.0, queue=Completing)
    while not world.server.numbers.steps:
        world.finish()
        world.tick()
        new = [line for line in world.searches if parsed(line)["outcome"] == "new"]
        assert len(new) == sum(len(table["processes"]) for table in world._states.tables.values())
    world.close()


def test_what_finished_before_a_step_is_of_no_use_after_it():
    """Even where the step leads to the same state, which searches it anew by what is known then."""
    world = World(1, slots=50, due=0.0)
    while not world.server.numbers.steps:
        for _ in range(10):
            world.finish(-1)
        world.tick()
    spool = world.server._queue._spool
    assert spool._places == {}
    state = world.store.durable["state"]
    assert state["spool"] > 1
    assert state["numbers"]["pending"] == ()
    world.close()


def test_a_halt_stops_the_run_and_stays():
    for seed in range(1, 30):
        world = World(seed, **KINDS["halts"])
        world.run(STEPS)
        if world.server.halt:
            break
    assert "was halted: gamma 30" in world.server.halt or "halted" in world.server.halt
    searches = len(world.searches)
    world.kill()
    assert world.server.halt
    assert not world.server.has_more_to_do
    for _ in range(10):
        world.finish()
        world.tick()
    assert len(world.searches) == searches
    world.close()


def test_a_superbasin_without_a_way_out_in_the_window_is_not_searched_for_ever(monkeypatch):
    world = World(1, superbasins=True)
    world.config.search.max_bad_in_a_row = 3
    monkeypatch.setattr(InventedPlace, "_exits", lambda place: [])
    for _ in range(6):
        world.tick()
        world.finish()
    world.tick()
    assert len(world.searches) == 6, "three searches for each of two states"
    with pytest.raises(SearchesFailedError, match="no way out; run it again to search on"):
        world.server.tick(0.0)
    world.close()


@pytest.mark.parametrize("slots", [0, 1, 7, 2048])
@pytest.mark.parametrize("draining", [False, True])
def test_in_a_superbasin_each_registration_makes_one_search_whoever_works(slots, draining):
    """So which state it starts from follows from what was registered a fixed number of searches before."""
    world = World(1, superbasins=True, slots=slots)
    if draining:
        world.server.drain()
    world.tick()
    assert len(world.cluster.tasks) == world.config.search.superbasin_lead
    world.close()


def test_elsewhere_no_search_is_made_once_it_drains():
    world = World(1)
    world.server.drain()
    world.tick()
    assert world.cluster.tasks == {}
    world.close()


def test_an_event_that_only_relabels_counts_for_no_step():
    """`stop.kmc_steps` and all that is shown are of steps; events, and random numbers with them, are numbered on."""
    world = World(3, steps=3)
    ledger = world.server._ledger
    ledger.numbers = replace(ledger.numbers, steps=1, relabelled=1)  # as a refresh leaves them
    while world.server.has_more_to_do:
        world.tick()
        world.finish()
    assert (world.server.numbers.steps, world.server.numbers.kmc_steps) == (4, 3)
    assert [parsed(line)["step"] for line in world.events] == [1, 2, 3]
    assert world.server.progress().kmc_steps == 3
    assert world.server._finished() == "3 KMC steps are done"
    world.close()


def test_many_bad_searches_in_a_row_stop_the_run_and_a_new_start_tries_again():
    world = World(1)
    world.config.search.max_bad_in_a_row = 1
    reasons = []
    for _ in range(60):
        world.finish()
        try:
            world.tick()
        except SearchesFailedError as error:
            reasons.append(str(error))
            world.kill()
    assert reasons
    assert "1 bad searches in a row in state" in reasons[0]
    assert "1 x Not Connected" in reasons[0]
    assert world.server.numbers.steps > 0, "each start got another series"
    world.close()


def test_atoms_that_leave_are_counted_and_end_the_run_only_where_that_is_asked_for(caplog):
    """Each state but 0 has one more atom apart than state 0, which had one of its own."""
    world = World(1)
    world._states.apart = {0: 1} | dict.fromkeys(range(1, 100), 2)
    world.server._ledger.numbers = replace(world.server.numbers, apart=1, apart_at_start=1)
    world.run(3)
    assert world.server.numbers.left == (world.server.numbers.state != 0)
    assert "KMC step 1: 1 atom has left the rest" in caplog.text
    assert world.tick() is None
    world.config.stop.desorbed_atoms = 1
    while world.server.numbers.state == 0:
        world.finish()
        world.tick()
    assert world.tick() == "1 atom has left the rest (desorbed, evaporated) since state 0"
    world.config.stop.desorbed_atoms = 2
    assert world.tick() is None
    world.close()


@pytest.mark.parametrize(("time_s", "rate_per_s", "said"), [
    (math.inf, 1e-310, "rates are too small for a residence time that is a finite number"),
    (math.nan, 1.0, "rates are too small"),
    (0.0, 1e300, "rates are too large for a residence time that changes the clock"),
    (1.0, math.inf, "rates are too large"),
])  # fmt: skip
def test_a_step_without_a_time_is_refused_before_it_is_committed(
    monkeypatch, time_s, rate_per_s, said
):
    """Rate, temperature and advice are told; what was registered counts, and another start goes on from there."""
    world = World(1)
    world.run(3)
    events, depart = list(world.events), InventedPlace.depart
    monkeypatch.setattr(
        InventedPlace,
        "depart",
        lambda place, path, rng: replace(
            depart(place, path, rng), time_s=time_s, rate_per_s=rate_per_s
        ),
    )
    with pytest.raises(SearchesFailedError) as caught:
        world.run(4)
    assert world.events == events
    message = str(caught.value)
    for part in (said, "at temperature_K = 300", f"{rate_per_s:.6g} 1/s", "temperature_K"):
        assert part in message
    assert world.store.durable["state"]["numbers"]["pending"] == tuple(world.server._queue.pending)
    searches = list(world.searches)
    monkeypatch.setattr(InventedPlace, "depart", depart)
    world.kill()
    world.run(STEPS)
    assert world.searches[: len(searches)] == searches
    compare(world, "states", 1)
    world.close()


def test_the_clock_in_the_journal_is_the_exact_sum_of_its_steps():
    events = [parsed(line) for line in reference("states", 1)[0]]
    exact = Fraction(0)
    for event in events:
        exact += Fraction(event["step_time_s"])
        held = Fraction(event["time_s"]) + Fraction(event["time_rest_s"])
        assert abs(held - exact) <= exact * len(events) * Fraction(1, 2**104)
    assert any(event["time_rest_s"] for event in events)
