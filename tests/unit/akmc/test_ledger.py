"""What a generation says of a run, across versions."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from mlip_kmc.akmc.ledger import Ledger, halted_before, halted_by, halted_for_repair, numbers_from
from mlip_kmc.config import GammaSection
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.frames import Kind
from mlip_kmc.model.records import Epoch, HaltKind, RunNumbers

from ..synthetic import search


def test_an_older_versions_numbers_are_completed():
    older = {
        key: value
        for key, value in asdict(RunNumbers(steps=3)).items()
        if key not in ("capacity_s", "discarded", "halt_kind")
    }
    assert numbers_from(older) == RunNumbers(steps=3)


def test_a_newer_versions_are_refused_with_the_way_on():
    with pytest.raises(
        RunStateError,
        match=r"a newer mlip-kmc, which notes something; continue it with that version",
    ):
        numbers_from({**asdict(RunNumbers()), "something": 1})


def test_utilisation_is_of_the_workers_there_were():
    numbers = RunNumbers(steps=10, wall_s=8640.0, busy_s=90.0, capacity_s=100.0)
    assert numbers.utilisation(workers=7) == pytest.approx(0.9)
    assert numbers.events_a_day == pytest.approx(100.0)
    assert RunNumbers(wall_s=100.0, busy_s=150.0).utilisation(workers=2) == pytest.approx(0.75)
    assert RunNumbers().utilisation(workers=2) is None
    assert RunNumbers().events_a_day is None
    relabelled = RunNumbers(steps=11, relabelled=1, wall_s=8640.0)  # which is no step
    assert (relabelled.kmc_steps, relabelled.events_a_day) == (10, pytest.approx(100.0))


def test_a_halt_that_an_older_version_noted_as_text_is_read_and_of_no_known_kind():
    older = asdict(RunNumbers(halt="search 0_3 was halted: gamma 17 at force call 24"))
    del older["halt_kind"]
    found = numbers_from(older)
    assert found.halt == older["halt"]
    assert HaltKind.of(found.halt_kind) is HaltKind.UNKNOWN
    assert HaltKind.of("a kind of tomorrow") is HaltKind.UNKNOWN


def test_a_halt_keeps_its_kind_until_on_halt_is_continue():
    near = RunNumbers(halt="search 0_3 was halted", halt_kind="too near")
    stop, going_on = GammaSection(on_halt="stop"), GammaSection(on_halt="continue")
    assert halted_before(near, gamma=1.0, thresholds=stop) == near
    assert halted_before(near, gamma=None, thresholds=going_on) == RunNumbers()
    for gamma in (15.0, float("nan")):  # state 0 itself is outside
        found = halted_before(RunNumbers(), gamma=gamma, thresholds=going_on)
        assert found.halt.startswith("gamma ")
        assert found.halt_kind == HaltKind.EXTRAPOLATION


def halted(kind):
    frame = SimpleNamespace(kind=kind)
    graded = SimpleNamespace(frames=(frame,), halt_kind=HaltKind.EXTRAPOLATION)
    return SimpleNamespace(name="0_7", reason="halted: gamma 20", graded=graded)


def test_a_run_for_repair_stops_after_so_many_halts_that_labels_can_help():
    thresholds = GammaSection(on_halt="repair", repair_after=2)
    once = halted_by(halted(Kind.HALT), RunNumbers(), thresholds=thresholds)
    assert (once.to_repair, once.halt) == (1, "")
    assert halted_by(halted(Kind.EVIDENCE), once, thresholds=thresholds) == once
    twice = halted_by(halted(Kind.HALT), once, thresholds=thresholds)
    assert twice.halt == "search 0_7 was halted: gamma 20"
    assert "1 search halted" in halted_for_repair(once).halt
    at_once = halted_by(halted(Kind.EVIDENCE), RunNumbers(), thresholds=GammaSection())
    assert at_once.halt_kind == HaltKind.EXTRAPOLATION
    assert not halted_by(
        halted(Kind.HALT), RunNumbers(), thresholds=GammaSection(on_halt="continue")
    ).halt


def test_searches_under_the_present_potential_are_counted_by_themselves():
    """Two epochs of the first potential, which halted twice; one of the second, read from the journal and added to."""

    def epoch(number, potential):
        return Epoch.of({"potential.ace": potential, "seed": number}, inputs={}, number=number)

    class Store:
        epochs = (epoch(0, "a"), epoch(1, "a"), epoch(2, "b"))

        def records(self, name):
            made = [
                replace(search(index, outcome=outcome), epoch=number)
                for index, (number, outcome) in enumerate(
                    [(0, "halted"), (1, "halted"), (1, "new"), (2, "new")]
                )
            ]
            return [record.to_json() for record in made] if name == "searches" else []

        def append(self, name, line):
            pass

    ledger = Ledger.read(Store(), numbers=RunNumbers(), path=None, remember=5)
    ledger.add_search(search(4, outcome="bad"))
    assert ledger.outcomes == {"halted": 2, "new": 2, "bad": 1}
    assert +ledger.now == {"new": 1, "bad": 1}
