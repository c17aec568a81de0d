"""Saddles beside each other: what is in doubt, how it is told, and what is registered then."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mlip_kmc.akmc import eon_adapter
from mlip_kmc.akmc.completing import is_complete
from mlip_kmc.akmc.queue import JobTemplate, SearchQueue, SearchStart
from mlip_kmc.akmc.twins import TWIN, Doubt, TwinDesk, doubt_of
from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.structure import to_con
from mlip_kmc.search.outcome import ForceCalls, SearchOutcome, Termination, ToldApart

from .test_classes import BARRIER_EV, hop, tree, vacancy

FORCE = 0.01
INI = ini_text(
    {"Optimizer": {"converged_force": 1e-3}, "Saddle Search": {"converged_force": FORCE}}
)


class Cluster:
    """Runs nothing; a test says what comes back."""

    def __init__(self):
        self.sent, self.done = {}, []

    def submit(self, task, *, first=False):
        self.sent[task.name] = task

    def wait(self, timeout_s):
        found, self.done = self.done, []
        return found

    def cancel(self, names):
        return len([self.sent.pop(name, None) for name in names])


class Run:
    """State 0 of a vacancy, its searches and what tells them apart."""

    def __init__(self, folder):
        self.states_root = folder / "eon"
        self.states = tree(self.states_root, vacancy())
        self.state, self.cluster = self.states.get_state(0), Cluster()
        template = JobTemplate(
            files={"config.ini": INI}, links={}, time_limit_s=60.0, evidence=folder / "evidence"
        )
        self.queue = SearchQueue(
            cluster=self.cluster,
            template=template,
            spool=folder / "spool",
            twins=TwinDesk(self.cluster, FORCE),
        )
        self.index = 0

    def is_new(self, outcome):
        return self.state.is_new(outcome)

    def doubt(self, outcome):
        return doubt_of(outcome.found, state=self.state)

    def registered(self, outcome):
        self.index += 1
        return self.state.register(outcome, index=self.index - 1, superbasin=None)

    def finds(self, aside, *, ends=None, **more):
        """A search of the first hop finds its saddle so far aside; `ends`: where convergence puts it, and the known one."""
        name = f"0_{self.index}"
        start = SearchStart(name, kind="random", files={"config.ini": INI})
        self.queue.submit([start], reactant_con=to_con(vacancy()))
        self.cluster.done = [hop(vacancy(), name=name, aside=aside, **more)]
        outcome = self._taken()
        if outcome is None:
            asked = [one for one in self.cluster.sent if TWIN in one and one.startswith(name)]
            self.cluster.done = [
                came_back(one, place) for one, place in zip(asked, ends, strict=True)
            ]
            outcome = self._taken()
        return self.registered(outcome)

    def _taken(self):
        self.queue.accept(0.0)
        return self.queue.take(
            lambda _: True, ready=lambda done: is_complete(done, queue=self.queue, place=self)
        )


def came_back(name, aside):
    """A saddle that was converged further; `aside` None: it was not."""
    if aside is None:
        calls = ForceCalls(30, 20)
        ended = Termination.TOTAL_ITERATIONS
        return SearchOutcome(name, TWIN, End.FINISHED, termination=ended, force_calls=calls)
    return hop(vacancy(), name=name, aside=aside, kind=TWIN)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_saddles_that_converge_to_one_are_a_repeat_and_the_known_one_is_kept(run):
    first = run.finds(0.0)
    again = run.finds(0.13, ends=(0.061, 0.06))
    assert (again.outcome, again.process, again.twin) == ("repeat", first.process, "same")
    assert again.force_calls == 3 * 50
    assert list(run.state.settled) == [first.process]
    beside = run.finds(0.14)  # not 0.1 A from where the known one is
    assert (beside.outcome, beside.twin, beside.force_calls) == ("repeat", None, 50)
    other_side = run.finds(-0.12, ends=(0.06,))  # the known one is not converged once more
    assert (other_side.outcome, other_side.twin, other_side.force_calls) == ("repeat", "same", 100)
    later = eon_adapter.StateList(run.states_root, config=run.states.config).get_state(0)
    assert np.array_equal(later.settled[first.process], run.state.settled[first.process])


def test_saddles_that_stay_apart_stay_two(run):
    first = run.finds(0.0)
    other = run.finds(0.3, ends=(0.29, 0.01))
    assert (other.outcome, other.twin) == ("new", "other")
    assert other.process != first.process
    assert run.finds(0.29).process == other.process
    assert len(run.state.procs) == 2


@pytest.mark.parametrize("ends", [(None, 0.0), (0.13, None), (0.9, 0.0)])
def test_what_does_not_converge_beside_where_it_was_stays_two(run, ends):
    run.finds(0.0)
    assert run.finds(0.13, ends=ends).twin == "unsure"
    assert len(run.state.procs) == 2


def test_both_are_converged_to_a_hundredth_of_the_force(run):
    run.finds(0.0)
    run.finds(0.13, ends=(0.06, 0.06))
    further = [task for name, task in run.cluster.sent.items() if TWIN in name]
    assert [task.name for task in further] == ["0_1.twin-0", "0_1.twin-1"]
    for task in further:
        assert (
            "converged_force = 0.0001" in task.job.files["config.ini"].split("[Saddle Search]")[1]
        )
        assert task.settling is None


@pytest.mark.parametrize("change", [{"barrier_eV": BARRIER_EV + 0.011}, {"aside": 0.51}])
def test_another_barrier_or_a_saddle_far_away_is_in_no_doubt(run, change):
    run.finds(0.0)
    assert not run.doubt(hop(vacancy(), **{"aside": 0.2, **change}))


def test_another_product_is_in_no_doubt(run):
    run.finds(0.0)
    found = hop(vacancy(), aside=0.2).found
    product = found.product_A.copy()
    product[5] += [0.0, 0.0, 0.6]
    assert run.doubt(SimpleNamespace(found=found))
    assert not run.doubt(SimpleNamespace(found=replace(found, product_A=product)))


def test_a_saddle_beside_its_own_image_is_converged_before_its_images_are_made(run):
    found, image = (hop(vacancy(), aside=aside).found for aside in (0.08, -0.08))
    assert doubt_of(found, state=run.state, images=[image]) == Doubt(own=True)
    nearer = hop(vacancy(), aside=-0.01).found
    assert not doubt_of(found, state=run.state, images=[nearer])


def test_a_worker_that_dies_twice_stops_the_run(run):
    run.finds(0.0)
    desk = TwinDesk(run.cluster, FORCE)
    search = next(iter(run.cluster.sent.values()))
    found = hop(vacancy(), aside=0.13).found
    desk.ask("0_7", found, run.doubt(SimpleNamespace(found=found)), search=search)
    for _ in range(2):
        assert desk.waiting("0_7")
        for name in ("0_7.twin-0", "0_7.twin-1"):
            desk.take(SearchOutcome(name, TWIN, End.TIMED_OUT, message="too long"))
    with pytest.raises(SearchesFailedError, match=r"search\.time_limit_min"):
        desk.answer("0_7")


def test_a_repeat_is_compared_once(run, monkeypatch):
    run.finds(0.0)
    compared = []
    real = run.state.find_repeat
    monkeypatch.setattr(run.state, "find_repeat", lambda *asked: compared.append(1) or real(*asked))
    assert run.finds(0.02).outcome == "repeat"
    assert len(compared) == 1


def test_what_was_told_counts_in_an_audit(run):
    first = run.finds(0.0)
    outcome = replace(
        hop(vacancy(), aside=0.13), told_apart=ToldApart("same", process=first.process)
    )
    assert run.state.known_as(outcome) == first.process


def test_a_saddle_that_lies_beside_none_is_compared_once_while_it_waits():
    desk, asked = TwinDesk(Cluster(), FORCE), []

    def doubt(**keys):
        asked.append(Doubt(**keys))
        return asked[-1]

    assert not desk.doubt_once("0_1", doubt)
    assert not desk.doubt_once("0_1", doubt)
    assert len(asked) == 1
    assert desk.doubt_once("0_2", lambda: doubt(own=True))
    assert desk.doubt_once("0_2", lambda: doubt(own=True))
    assert len(asked) == 3, "one that may be another is not forgotten"
    desk.forget("0_1")
    assert not desk.doubt_once("0_1", doubt)
    assert len(asked) == 4, "another search of that name"
