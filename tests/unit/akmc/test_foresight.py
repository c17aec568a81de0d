"""Outcomes that were computed before the run asked: taken where all of a task is equal, and for nothing else."""

from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from mlip_kmc.akmc.foresight import Foresight, digest_of
from mlip_kmc.evaluate.client import End
from mlip_kmc.search.outcome import ForceCalls, SearchOutcome
from mlip_kmc.workers.under_name import UnderName


@dataclass(frozen=True)
class Search:
    """A task whose outcome follows from its values."""

    name: str
    start: float = 0.0

    def run(self, *, tag=""):
        return SearchOutcome(
            self.name,
            "random",
            End.FINISHED,
            barrier_eV=self.start,
            force_calls=ForceCalls(7, 0, 0),
        )

    def without_result(self, end, message=""):
        return SearchOutcome(self.name, "random", end, message=message)


@dataclass
class Workers:
    """A cluster that runs what it is told to."""

    tasks: dict = field(default_factory=dict)
    runs: int = 0
    done: list = field(default_factory=list)

    def submit(self, task, *, first=False):
        self.tasks[task.name] = task

    def run(self, count=100):
        for name in list(self.tasks)[:count]:
            self.done.append(self.tasks.pop(name).run())
            self.runs += 1

    def wait(self, timeout_s):
        found, self.done = self.done, []
        return found

    def cancel(self, names):
        wanted = set(names)
        gone = [name for name in wanted if self.tasks.pop(name, None) is not None]
        self.done = [done for done in self.done if done.name not in wanted]
        return len(gone)


@pytest.fixture
def workers():
    return Workers()


@pytest.fixture
def foresight(workers):
    return Foresight(workers)


def test_what_was_computed_is_taken_once(foresight, workers):
    foresight.early.submit(Search("7_0", 0.5))
    workers.run()
    assert foresight.wait(0.0) == []
    assert foresight.early.wait(0.0) == [Search("7_0", 0.5).run()]
    foresight.submit(Search("7_0", 0.5))
    assert workers.tasks == {}
    assert foresight.wait(0.0) == [Search("7_0", 0.5).run()]
    assert (foresight.used, foresight.unused, foresight.open) == (1, 0, 0)
    foresight.submit(Search("7_0", 0.5))
    assert list(workers.tasks) == ["7_0"]


def test_what_still_runs_is_waited_for(foresight, workers):
    foresight.early.submit(Search("7_0"))
    foresight.submit(Search("7_0"))
    assert foresight.wait(0.0) == []
    workers.run()
    assert foresight.wait(0.0) == [Search("7_0").run()]
    assert foresight.early.wait(0.0) == [Search("7_0").run()]
    assert workers.runs == 1


def test_a_task_that_differs_in_anything_is_computed(foresight, workers):
    foresight.early.submit(Search("7_0", 0.5))
    workers.run()
    foresight.wait(0.0)
    foresight.submit(Search("7_0", np.nextafter(0.5, 1)))
    workers.run()
    assert [done.barrier_eV for done in foresight.wait(0.0)] == [np.nextafter(0.5, 1)]
    foresight.drop()
    assert (foresight.used, foresight.unused, foresight.unused_calls) == (0, 1, 7)


def test_what_was_dropped_never_comes_back(foresight, workers):
    foresight.early.submit(Search("7_0"))
    foresight.early.submit(Search("7_1"))
    workers.run(1)
    foresight.wait(0.0)
    foresight.drop()
    assert workers.tasks == {}
    assert (foresight.unused, foresight.open) == (2, 0)
    foresight.submit(Search("7_0"))
    workers.run()
    assert foresight.wait(0.0) == [Search("7_0").run()]
    assert foresight.early.wait(0.0) == []


@pytest.mark.parametrize("runs_before", [True, False])
def test_what_the_run_takes_back_never_comes(foresight, workers, runs_before):
    foresight.early.submit(Search("7_0"))
    if runs_before:
        workers.run()
        foresight.wait(0.0)
    foresight.submit(Search("7_0"))
    assert foresight.cancel(["7_0"]) == 1
    workers.run()
    assert foresight.wait(0.0) == []


def test_only_what_nobody_asked_for_is_taken_back(foresight, workers):
    foresight.early.submit(Search("7_0"))
    foresight.early.submit(Search("7_1"))
    foresight.early.submit(Search("8_0"))
    foresight.submit(Search("7_0"))
    assert foresight.end(lambda name: name.startswith("7_")) == 1
    workers.run()
    assert [done.name for done in foresight.wait(0.0)] == ["7_0"]
    assert foresight.open == 1


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Values:
    array: np.ndarray = field(default_factory=lambda: np.arange(6.0))
    texts: dict = field(default_factory=lambda: {"a": "1", "b": "2"})
    places: frozenset = frozenset({3, 1, 2})
    path: Path = Path("/a/b")
    colour: Colour = Colour.RED
    nothing: object = None
    flag: bool = True


def test_equal_values_have_one_digest():
    one = Values()
    other = Values(texts={"b": "2", "a": "1"}, places=frozenset({2, 3, 1}))
    assert digest_of(one) == digest_of(other)
    assert digest_of(UnderName(one, "x")) != digest_of(UnderName(one, "y"))


@pytest.mark.parametrize(
    "change",
    [
        {"array": np.arange(6.0).reshape(2, 3)},
        {"array": np.arange(6)},
        {"array": np.nextafter(np.arange(6.0), 9.0)},
        {"texts": {"a": "12", "b": ""}},
        {"texts": {"a1": "", "b": "2"}},
        {"places": frozenset({1, 2})},
        {"path": Path("/a/c")},
        {"nothing": 0},
        {"flag": 1},
    ],
)
def test_any_other_value_has_another_digest(change):
    assert digest_of(replace(Values(), **change)) != digest_of(Values())


def test_a_task_under_another_name_is_the_same_work():
    task = UnderName(Search("7_0", 0.5), "7_0~1")
    assert task.run() == replace(Search("7_0", 0.5).run(), name="7_0~1")
    assert task.without_result(End.CRASHED, "why").message == "why"
    assert not task.in_child
