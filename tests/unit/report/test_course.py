"""What `status --watch` shows: the course of the confidence, calls by outcome, what is left to the next step."""

import json
import time

import pytest
from rich.console import Console

from mlip_kmc.cli.course import course_rows, sparkline
from mlip_kmc.cli.status import watched
from mlip_kmc.model.records import Live
from mlip_kmc.report.confidence import Tally
from mlip_kmc.report.course import read_watched
from mlip_kmc.report.status import read_status
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, event, search


@pytest.fixture
def run(tmp_path):
    """In state 1, after one step: a new process, ten repeats of it, eleven bad searches; wanted 0.99 by `old`."""
    return commit(
        tmp_path / "run",
        states=[State(processes=[(7, 0.8, 1, 3)], good=1), State(processes=[(9, 0.7, -1, 10)])],
        events=[event(0, time_s=1e-6)],
        searches=[
            search(0, outcome="new", process=7),
            search(0, state=1, outcome="new", process=9, barrier=0.7),
            *(search(1 + k, state=1, process=9, barrier=0.7) for k in range(10)),
            *(search(11 + k, state=1, outcome="bad", reason="no") for k in range(11)),
        ],
    )


def lives(run, busy=2):
    now = Live(
        time_s=time.time(), host="n7", pid=42, phase="searching", workers=4, busy=busy, waiting=0,
        interval_s=1e6,
    )  # fmt: skip
    (run / "live.json").write_text(now.to_json())


def test_the_present_state_alone_is_read(run):
    with RunView.read(run, detail="present") as view:
        assert [(state.number, len(state.processes)) for state in view.states] == [(1, 1)]
        assert not view.states[0].processes[0].saddle.exists()
    _, course = read_watched(run)
    assert course.confidences[:3] == (0, 0, 0.5)
    assert course.confidences[-1] == pytest.approx(0.9)
    assert dict(course.force_calls) == {"new": 200, "repeat": 1000, "bad": 1100}


def test_what_is_left(run):
    """100 repeats in a row are wanted, 10 are there; half of the searches here are of use; half a second each on two workers."""
    lives(run)
    status, course = read_watched(run)
    assert status.busy == 2
    assert course.searches_left == 180
    assert course.next_step_s == pytest.approx(180 * 0.5 / 2)
    lives(run, busy=0)
    assert read_watched(run)[1].next_step_s is None


def test_rows_of_the_table(run):
    lives(run)
    console = Console(width=200, highlight=False, markup=False, record=True)
    console.print(watched(run, console))
    text = " ".join(console.export_text().split())
    assert "over the last 22 searches here" in text
    assert "new 200 (9%), repeat 1000 (43%), bad 1100 (48%)" in text
    assert "in 45 s: at least 180 searches, if none finds a new process" in text
    status = json.loads(read_status(run).to_json())
    assert "next_step_s" not in status


def test_nothing_is_promised_before_the_first_find(tmp_path):
    run = commit(tmp_path / "run", searches=[search(0, outcome="bad", reason="no")])
    rows = dict(course_rows(read_watched(run)[1], running=True))
    assert rows["next step"].startswith("not known")


def test_a_sparkline():
    assert sparkline((0, 0.495, 0.99), top=0.99) == "▁▅█"
    assert sparkline((0.0, float("nan"), 2.0), top=1.0, marks="_.-=+*%#") == "_ #"
    assert len(sparkline((0.5,) * 100, top=1.0)) == 40


@pytest.mark.parametrize(
    ("scheme", "wanted", "left"),
    [("old", 0.99, 98), ("old", 0.5, 0), ("new", 0.99, None), ("sampling", 0.99, None)],
)
def test_searches_to_a_confidence(scheme, wanted, left):
    """With what is said to be left the confidence is reached, and with one search less it is not."""
    tally = Tally(repeats=2, counts={1: 3, 2: 1})
    found = tally.searches_to(wanted, scheme=scheme)
    if left is not None:
        assert found == left
        return

    def after(more):
        scaled = {process: count * (4 + more) / 4 for process, count in tally.counts.items()}
        return Tally(repeats=0, counts=scaled).value(scheme)

    assert after(found) >= wanted > after(found - 1)


def test_no_number_of_searches(tmp_path):
    assert Tally(repeats=0, counts={}).searches_to(0.9, scheme="new") is None
    assert Tally(repeats=0, counts={1: 10, 2: 0}).searches_to(0.9, scheme="sampling") is None
    assert Tally(repeats=1, counts={1: 2}).searches_to(float("nan"), scheme="old") is None
