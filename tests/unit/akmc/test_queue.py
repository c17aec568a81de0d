"""What is registered is a search's own end; whatever else ends one makes it run again, or stops the run."""

import io
import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest

pytest.importorskip("eon")

from mlip_kmc.akmc.queue import JobTemplate, OrderedCommunicator
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.ground.files import sealed
from mlip_kmc.search.client import ClientDone, End
from mlip_kmc.search.watch import Graded


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


@pytest.fixture
def communicator(tmp_path, cluster):
    template = JobTemplate(files={}, links={}, time_limit_s=60.0, evidence=tmp_path / "evidence")
    return OrderedCommunicator(
        SimpleNamespace(path_scratch=str(tmp_path)),
        cluster=cluster,
        template=template,
        spool=tmp_path / "spool",
    )


def submit(communicator, *names):
    communicator.submit_jobs(
        [{"id": name, "type": "random"} for name in names], {"pos.con": (io.StringIO("x"), 0o644)}
    )


def results(communicator):
    return list(communicator.get_results(None, lambda _: True))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (End.TIMED_OUT, "search 0_0 reached a time limit twice: too long; if it does"),
        (End.CRASHED, "the eOn client died twice in search 0_0: too long"),
    ],
)
def test_a_search_that_did_not_come_to_its_end_is_made_again_once(
    communicator, cluster, end, words
):
    submit(communicator, "0_0", "0_1")
    cluster.done = [ClientDone(name="0_0", end=end, message="too long")]
    assert not communicator.accept(0.0)
    assert cluster.submitted == [("0_0", False), ("0_1", False), ("0_0", True)]
    cluster.done = [ClientDone(name="0_0", end=end, message="too long")]
    assert communicator.accept(0.0)
    for _ in range(2):  # it keeps its place
        with pytest.raises(SearchesFailedError, match=words):
            results(communicator)
    assert communicator.pending == ["0_0", "0_1"]


def test_a_search_whose_workers_died_stops_the_run_and_keeps_its_input(
    communicator, cluster, tmp_path
):
    submit(communicator, "0_0")
    cluster.done = [
        ClientDone(name="0_0", end=End.KILLED_WORKERS, message="3 workers died while they ran it")
    ]
    assert communicator.accept(0.0)
    with pytest.raises(
        SearchesFailedError,
        match="search 0_0 has no result: 3 workers died while they ran it; give",
    ):
        results(communicator)
    assert (tmp_path / "evidence" / "0_0" / "pos.con").read_text() == "x"


def test_only_results_are_kept_for_their_turn(communicator, cluster, tmp_path):
    submit(communicator, *(f"0_{index}" for index in range(5)))
    ends = (End.FINISHED, End.HALTED, End.KILLED_WORKERS, End.EVALUATION_ERROR)
    cluster.done = [
        ClientDone(name=f"0_{index}", end=end) for index, end in enumerate(ends, start=1)
    ]
    assert not communicator.accept(0.0)
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["0_1.json", "0_2.json"]


@pytest.mark.parametrize(
    "end", ["given up at its time limit", "its workers died", "ended at a time limit"]
)
def test_what_an_earlier_version_took_for_a_result_is_made_again(
    communicator, cluster, tmp_path, end
):
    body = {
        "name": "0_0",
        "end": end,
        "files": {},
        "seconds": 1.0,
        "message": "",
        "graded": asdict(Graded()),
    }
    (tmp_path / "spool" / "0_0.json").write_bytes(sealed(json.dumps(body).encode()))
    submit(communicator, "0_0")
    assert cluster.submitted == [("0_0", False)]
    assert communicator.damage == []
