"""What is registered is a search's own end; whatever else ends one makes it run again, or stops the run."""

import json

import numpy as np
import pytest

from mlip_kmc.akmc.prefactors import Rest
from mlip_kmc.akmc.queue import JobTemplate, SearchQueue, SearchStart
from mlip_kmc.akmc.spool import Spool, records_in
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.ground.files import sealed
from mlip_kmc.model.records import Rated
from mlip_kmc.search.hessian import HessianOutcome
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, Termination


class Cluster:
    """Notes what is submitted, and hands back what a test put there."""

    def __init__(self):
        self.submitted, self.done = [], []

    def submit(self, job, *, first=False):
        self.submitted.append((job.name, first))

    def wait(self, timeout_s):
        assert timeout_s == 0.0
        found, self.done = self.done, []
        return found


@pytest.fixture
def cluster():
    return Cluster()


def make_queue(tmp_path, cluster):
    template = JobTemplate(files={}, links={}, time_limit_s=60.0, evidence=tmp_path / "evidence")
    return SearchQueue(cluster=cluster, template=template, spool=tmp_path / "spool")


@pytest.fixture
def queue(tmp_path, cluster):
    return make_queue(tmp_path, cluster)


def spooled(tmp_path):
    (path,) = (tmp_path / "spool").iterdir()
    return [record.name for record in records_in(path.read_bytes())]


def submit(queue, *names):
    starts = [SearchStart(name, kind="random", files={"config.ini": name}) for name in names]
    queue.submit(starts, reactant_con="x")


def results(queue):
    found = []
    while (done := queue.take(lambda _: True, ready=lambda _: True)) is not None:
        found.append(done)
    return found


def outcome(name, end, **more):
    termination = {End.FINISHED: Termination.NOT_CONNECTED, End.HALTED: Termination.HALTED}
    return SearchOutcome(name, "random", end, termination=termination.get(end), **more)


def good(name):
    places = np.zeros((2, 3))
    found = FoundProcess(-2.0, -1.0, -2.0, 1e12, 1e12, places, places, places, places)
    return SearchOutcome(name, "random", End.FINISHED, termination=Termination.GOOD, found=found)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End.TIMED_OUT, "search 0_0 reached a time limit twice: too long; if it does"),
        (End.CRASHED, "the program that makes search 0_0 died twice: too long"),
    ],
)
def test_a_search_that_did_not_come_to_its_end_is_made_again_once(queue, cluster, end, words):
    submit(queue, "0_0", "0_1")
    cluster.done = [outcome("0_0", end, message="too long")]
    assert not queue.accept(0.0)
    assert cluster.submitted == [("0_0", False), ("0_1", False), ("0_0", True)]
    cluster.done = [outcome("0_0", end, message="too long")]
    assert queue.accept(0.0)
    for _ in range(2):  # it keeps its place
        with pytest.raises(SearchesFailedError, match=words):
            results(queue)
    assert queue.pending == ["0_0", "0_1"]


def test_a_search_whose_workers_died_stops_the_run_and_keeps_its_input(queue, cluster, tmp_path):
    submit(queue, "0_0")
    cluster.done = [outcome("0_0", End.KILLED_WORKERS, message="3 workers died while they ran it")]
    assert queue.accept(0.0)
    with pytest.raises(
        SearchesFailedError,
        match="search 0_0 has no result: 3 workers died while they ran it; give",
    ):
        results(queue)
    assert (tmp_path / "evidence" / "0_0" / "pos.con").read_text() == "x"


def test_only_results_are_kept_for_their_turn(queue, cluster, tmp_path):
    submit(queue, *(f"0_{index}" for index in range(5)))
    ends = (End.FINISHED, End.HALTED, End.KILLED_WORKERS, End.EVALUATION_ERROR)
    cluster.done = [outcome(f"0_{index}", end) for index, end in enumerate(ends, start=1)]
    assert not queue.accept(0.0)
    assert spooled(tmp_path) == ["0_1", "0_2"]


def test_outcomes_are_handed_over_in_the_order_of_submission(queue, cluster):
    submit(queue, "0_0", "0_1", "0_2")
    cluster.done = [outcome("0_2", End.FINISHED), outcome("0_1", End.FINISHED, seconds=2.0)]
    assert not queue.accept(0.0)
    assert results(queue) == []
    cluster.done = [outcome("0_0", End.FINISHED, seconds=1.0)]
    assert queue.accept(0.0)
    assert [done.name for done in results(queue)] == ["0_0", "0_1", "0_2"]
    assert (queue.busy_s, queue.pending) == (3.0, [])


def test_what_waited_for_its_turn_survives_a_stop(queue, cluster, tmp_path):
    Spool(tmp_path / "spool").keep(good("0_1"))
    queue = make_queue(tmp_path, cluster)
    submit(queue, "0_0", "0_1")
    assert cluster.submitted == [("0_0", False)]
    cluster.done = [outcome("0_0", End.FINISHED)]
    assert queue.accept(0.0)
    assert [done.name for done in results(queue)] == ["0_0", "0_1"]
    queue.forget(["0_0", "0_1"])
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_damaged_spooled_outcome_is_said_and_made_again(queue, cluster, tmp_path):
    Spool(tmp_path / "spool").keep(good("0_0"))
    (path,) = (tmp_path / "spool").iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    queue = make_queue(tmp_path, cluster)
    submit(queue, "0_0")
    assert cluster.submitted == [("0_0", False)]
    assert queue.damage == [f"the finished search 0_0 ({path}) was damaged; it is made again"]


class Desk:
    """Answers with prefactors once they are there."""

    def __init__(self):
        self.asked, self.taken, self.there = [], [], None

    def ask(self, name, found, *, reactant_con, rest):
        self.asked.append((name, found.saddle_eV, reactant_con, rest))

    def take(self, done):
        self.taken.append(done.name)

    def waiting(self, name):
        return bool(self.asked) and self.there is None

    def answer(self, name):
        return self.there

    def forget(self, name):
        self.there = None


def test_a_new_process_waits_for_its_prefactors_and_is_kept_meanwhile(tmp_path, cluster):
    desk = Desk()
    template = JobTemplate(files={}, links={}, time_limit_s=60.0, evidence=tmp_path / "evidence")
    queue = SearchQueue(
        cluster=cluster,
        template=template,
        spool=tmp_path / "spool",
        desk=desk,
    )
    submit(queue, "0_0")
    cluster.done = [good("0_0")]
    assert queue.accept(0.0)
    assert not queue.rated(queue.look("0_0"), lambda: Rest(4, "y"))
    assert desk.asked == [("0_0", -1.0, "x", Rest(4, "y"))]
    assert spooled(tmp_path) == ["0_0"]
    cluster.done = [HessianOutcome("0_0.saddle", End.FINISHED, seconds=4.0)]
    assert not queue.accept(0.0)
    assert (desk.taken, queue.busy_s) == (["0_0.saddle"], 4.0)
    desk.there = Rated(2e12, 3e12, "harmonic", "", atoms=2, of_atoms=2, force_calls=24)
    assert queue.ready
    assert queue.rated(queue.look("0_0"), lambda: Rest(4, "y"))
    (done,) = results(queue)
    assert (done.found.forward_per_s, done.found.back_per_s, done.rated) == (
        2e12,
        3e12,
        desk.there or done.rated,
    )
    assert done.force_calls.prefactors == 24


def test_what_an_earlier_version_spooled_is_made_again(queue, cluster, tmp_path):
    body = {"name": "0_0", "end": "finished", "files": {}, "seconds": 1.0, "message": ""}
    (tmp_path / "spool" / "0_0.json").write_bytes(sealed(json.dumps(body).encode()))
    queue = make_queue(tmp_path, cluster)
    submit(queue, "0_0")
    assert cluster.submitted == [("0_0", False)]
    assert queue.damage == []
    queue.keep_spooled({"0_0"}.__contains__)
    assert list((tmp_path / "spool").iterdir()) == []
