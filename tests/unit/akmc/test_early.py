"""Early stops: what a search is told, and what comes of an audit that fails."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlip_kmc.akmc.early import CLEAN, EarlyStops
from mlip_kmc.config import SearchSection
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.search.outcome import Beyond, ForceCalls, KnownSaddle, SearchOutcome, Termination

from .test_classes import hop, kinship, register, tree, vacancy

LAG = 5
SEARCH = SearchSection(engine="native", early_stop=True, early_stop_lag=LAG)


class Run:
    """A state of a run, searched one after the other."""

    def __init__(self, folder):
        self.states = tree(folder, vacancy())
        self.kin = kinship(self.states, orbits=True)
        self.state = self.states.get_state(0)
        self.kin.meet(self.state)
        self.index = 0
        self.early = EarlyStops(self.states, search=SEARCH, seed=1)

    def told(self, ahead=0):
        return self.early.told(self.state, self.index + ahead)

    def finds(self, number=0, *, known=None, beyond=None, **more):
        outcome = hop(vacancy(), number, name=f"0_{self.index}", **more)
        outcome = replace(outcome, known=known, beyond=beyond)
        record = register(self.kin, self.state, outcome, self.index)
        record = self.early.note(self.state, outcome, record, index=self.index)
        self.index += 1
        return record

    def ends_early(self, which):
        outcome = SearchOutcome(
            f"0_{self.index}",
            "random",
            End.FINISHED,
            termination=Termination.KNOWN_SADDLE,
            force_calls=ForceCalls(9, 0, 0),
            known=KnownSaddle(which, 0.3),
        )
        record = self.early.register(self.state, outcome, index=self.index, superbasin=None)
        self.index += 1
        return record

    def goes_out(self, beyond=Beyond()):  # noqa: B008 - frozen
        outcome = SearchOutcome(
            f"0_{self.index}",
            "random",
            End.FINISHED,
            termination=Termination.OUT_OF_WINDOW,
            beyond=beyond,
        )
        record = self.early.register(self.state, outcome, index=self.index, superbasin=None)
        self.index += 1
        return record


def audit(*, confirmed=True):
    return KnownSaddle(0, 0.3, audited=True, confirmed=confirmed)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


def test_a_search_knows_what_was_registered_long_before_it_and_no_more(run):
    assert run.told() is None
    assert len(run.finds().images) == 11
    assert run.told(ahead=LAG - 1) is None
    told = run.told(ahead=LAG)
    assert told.saddles.positions_A.shape == (12, 107, 3)
    run.finds(aside=0.3, barrier_eV=0.8)
    assert len(run.told(ahead=LAG - 1).saddles.positions_A) == 12
    assert len(run.told(ahead=LAG).saddles.positions_A) == 12 + 48
    again = EarlyStops(run.states, search=SEARCH, seed=1).told(run.state, run.index + LAG)
    assert np.array_equal(again.saddles.positions_A, run.told(ahead=LAG).saddles.positions_A)


def test_one_that_ends_early_is_a_repeat_of_what_it_was_told(run):
    run.finds()
    for _ in range(LAG):
        run.finds(1)
    processes = sorted(run.state.procs)
    before = run.state.procs[processes[7]]["repeats"], run.state.get_repeats()
    record = run.ends_early(7)
    assert (record.outcome, record.process, record.early) == ("repeat", processes[7], "stopped")
    assert (record.force_calls, record.reason) == (9, "")
    after = run.state.procs[processes[7]]["repeats"], run.state.get_repeats()
    assert after == (before[0] + 1, before[1] + 1)
    assert run.state.get_total_saddle_count() == run.index


def test_sixty_clean_audits_come_before_the_first_stop(run):
    run.finds()
    for _ in range(CLEAN):
        assert run.told(ahead=LAG).audited
        run.finds(1, known=audit())
    shares = [run.told(ahead=LAG + ahead).audited for ahead in range(400)]
    assert 0.02 < sum(shares) / len(shares) < 0.15  # drawn by the search's seed
    assert {run.told(ahead=LAG).within_A} == {0.4}


def test_an_audit_that_fails_halves_the_distance_and_takes_the_repeats_back(run):
    run.finds()
    for _ in range(4):
        run.finds(1, known=audit())
    assert run.state.get_repeats() == 4
    record = run.finds(1, known=audit(confirmed=False))
    assert record.early == "wrong"
    assert run.state.get_repeats() == 0
    assert run.told(ahead=LAG - 1).within_A == 0.4
    assert run.told(ahead=LAG).within_A == 0.2
    again = EarlyStops(run.states, search=SEARCH, seed=1)
    assert again.told(run.state, run.index + LAG).within_A == 0.2


def test_the_window_is_that_above_the_lowest_barrier_that_a_search_knows(run):
    kT_eV = run.states.kT
    run.finds(barrier_eV=0.9)
    assert run.told(ahead=LAG).window_eV == pytest.approx(0.9 + 30 * kT_eV)
    run.finds(1, aside=0.4, barrier_eV=0.5)
    assert run.told(ahead=LAG - 1).window_eV == pytest.approx(0.9 + 30 * kT_eV)
    assert run.told(ahead=LAG).window_eV == pytest.approx(0.5 + 30 * kT_eV)
    audited = [run.told(ahead=LAG + ahead).window_audited for ahead in range(400)]
    assert 0.02 < sum(audited) / len(audited) < 0.15
    regions = EarlyStops(
        run.states, search=SEARCH.model_copy(update={"region_A": 8.0}), seed=1
    ).told(run.state, run.index + LAG)
    assert regions.window_eV is None


def test_one_that_ends_out_of_the_window_counts_as_one_that_is_too_high(run):
    run.finds()
    run.finds(1)
    before = run.state.get_repeats(), run.state.get_good_saddle_count()
    record = run.goes_out()
    assert (record.outcome, record.process, record.early) == ("high", None, "beyond")
    assert record.reason == "barrier > max_thermal_window"
    after = run.state.get_repeats(), run.state.get_good_saddle_count()
    assert after == (before[0], before[1] + 1)
    high = run.finds(barrier_eV=2.0)
    assert (high.outcome, high.reason) == (record.outcome, record.reason)
    converged = run.goes_out(
        beyond=None
    )  # its saddle is there, and higher: there is nothing to audit
    assert (converged.outcome, converged.early) == ("high", None)


def test_an_audit_that_ends_in_the_window_switches_it_off(run):
    run.finds()
    right = run.goes_out(beyond=Beyond(audited=True, confirmed=True))
    assert (right.outcome, right.early) == ("high", "outside")
    assert run.told(ahead=LAG).window_eV is not None
    wrong = run.finds(2, beyond=Beyond(audited=True, confirmed=False))
    assert (wrong.outcome, wrong.early) == ("repeat", "inside")
    assert run.told(ahead=LAG - 1).window_eV is not None
    assert run.told(ahead=LAG).window_eV is None
    again = EarlyStops(run.states, search=SEARCH, seed=1).told(run.state, run.index + LAG)
    assert again.window_eV is None
    assert again.saddles is not None


def test_nothing_is_told_where_nobody_asks_for_it(tmp_path):
    run = Run(tmp_path / "run")
    run.finds()
    for search in (None, SearchSection()):
        assert EarlyStops(run.states, search=search, seed=1).told(run.state, 99) is None


def test_damaged_notes_are_refused(run):
    run.finds()
    (Path(run.state.path) / "early.json").write_text('{"found": 3}')
    with pytest.raises(RunStateError, match="restore it from a backup"):
        EarlyStops(run.states, search=SEARCH, seed=1)
