"""The report's numbers against known answers."""

from dataclasses import replace

import numpy as np
import pytest

from mlip_kmc.model.records import Process, Start
from mlip_kmc.report.confidence import tallies_of
from mlip_kmc.report.diffusion import blocks_for, diffusion, follow
from mlip_kmc.report.figures.processes import histogram
from mlip_kmc.report.numbers import summarise
from mlip_kmc.report.words import duration, scientific, si_time, with_error
from mlip_kmc.report.words import time as words_time
from mlip_kmc.store.view import RunSettings, RunView

from ..synthetic import KT_EV, State, commit, event, search, walker

CELL_A = 3.0
SETTINGS = RunSettings(
    temperature_K=500, confidence_scheme="old", confidence=0.99, thermal_window_kT=20
)


def confidence_curve(searches, table, *, scheme, window_eV):
    return [tally.value(scheme) for tally in tallies_of(searches, table, window_eV=window_eV)]


def process(number, barrier, tmp_path, state=0):
    return Process(
        state=state,
        process=number,
        product=None,
        barrier=barrier,
        prefactor=1e13,
        rate=1.0,
        saddle_energy=0.0,
        product_energy=0.0,
        repeats=0,
        saddle=tmp_path,
        product_structure=tmp_path,
    )


def walk_events(places, times, superbasin=None):
    """A walk of atom 0 by whole cells: places are (n, 3) integers after each event."""
    times = [0.0, *times]
    return [
        event(
            step,
            time_s=after,
            before_s=before,
            reactant=0,
            product=0,
            images={"0": tuple(map(int, place))},
            superbasin=superbasin,
        )
        for step, (place, before, after) in enumerate(zip(places, times, times[1:], strict=False))
    ]


def all_diffusion_of(tmp_path, events):
    run = commit(tmp_path / "run", states=[State()], events=events, atoms=walker(CELL_A))
    with RunView.read(run) as view:
        return [diffusion(walk)[0] for walk in follow(view.states, view.events)]


def diffusion_of(tmp_path, events):
    (found,) = all_diffusion_of(tmp_path, events)
    return found


def test_displacement_of_a_known_walk(tmp_path):
    """One cell further along x every second: after a lag of k s, (3 k)^2."""
    found = diffusion_of(
        tmp_path, walk_events([(k, 0, 0) for k in range(1, 201)], np.arange(1.0, 201.0))
    )
    for lag, msd in zip(found.lags_s, found.msd_A2, strict=True):
        assert msd == pytest.approx((CELL_A * lag) ** 2, rel=1e-9)
    assert found.blocks == 20
    # blocks of 10 s: (30 A)^2 / (6 x 10 s) over two atoms, and all of it along x
    assert found.tracer_m2_per_s == pytest.approx(900 / 60 / 2 * 1e-20)
    assert found.tracer_error_m2_per_s == pytest.approx(0, abs=1e-30)
    assert found.axes_m2_per_s == pytest.approx((900 / 20 / 2 * 1e-20, 0, 0))
    # every hop by itself: 9 A^2 / 6 a second
    assert found.hop_m2_per_s == pytest.approx(9 / 6 / 2 * 1e-20)
    assert found.hop_error_m2_per_s == pytest.approx(found.hop_m2_per_s / np.sqrt(200))


def random_walk(steps, seed):
    rng = np.random.default_rng(seed)
    moves = np.zeros((steps, 3), dtype=int)
    moves[np.arange(steps), rng.integers(3, size=steps)] = rng.choice([-1, 1], size=steps)
    return walk_events(moves.cumsum(axis=0), np.cumsum(rng.exponential(1.0, size=steps)))


def test_each_temperature_has_the_diffusion_of_its_own_steps(tmp_path):
    """A step a second at 300 K, a thousand a second at 600 K, and 300 K again: D differs by the factor of the rates."""
    steps_s = np.repeat([1.0, 1e-3, 1.0], 200)
    cold, hot = (dict.fromkeys(range(200), 300.0), dict.fromkeys(range(200, 400), 600.0))
    events = [
        replace(one, step_time_s=step_s, temperature_K=(cold | hot).get(one.step, 300.0))
        for one, step_s in zip(
            walk_events([(k, 0, 0) for k in range(1, 601)], steps_s.cumsum()), steps_s, strict=True
        )
    ]
    first, second = all_diffusion_of(tmp_path, events)
    assert (first.temperature_K, second.temperature_K) == (300.0, 600.0)
    # 400 steps of 1 s joined: blocks of 20 s and 60 A; and 200 steps of 1 ms: of 10 ms and 30 A
    assert first.tracer_m2_per_s == pytest.approx(3600 / (6 * 20) / 2 * 1e-20)
    assert second.tracer_m2_per_s == pytest.approx(900 / (6 * 0.010) / 2 * 1e-20)
    assert first.hop_m2_per_s == pytest.approx(9 / 6 / 2 * 1e-20)
    assert second.hop_m2_per_s == pytest.approx(9 / 6 / 2 * 1e-17)
    assert first.hop_error_m2_per_s == pytest.approx(first.hop_m2_per_s / np.sqrt(400))


def test_each_potential_has_the_diffusion_of_its_own_steps(tmp_path):
    """Between them the run is moved into another state, in no time: that is no step, and no hop."""
    events = walk_events([(k, 0, 0) for k in range(1, 11)], np.arange(1.0, 11.0))
    events[5] = replace(events[5], step_time_s=0.0, relabelled=True, epoch=1)
    events[6:] = [replace(one, epoch=1) for one in events[6:]]
    first, second = all_diffusion_of(tmp_path, events)
    assert (first.epoch, second.epoch) == (0, 1)
    for found, steps in ((first, 5), (second, 4)):
        assert found.hop_m2_per_s == pytest.approx(9 / 6 / 2 * 1e-20)
        assert found.hop_error_m2_per_s == pytest.approx(found.hop_m2_per_s / np.sqrt(steps))


def test_a_new_temperature_begins_confidences_anew(tmp_path):
    """As in eOn's book after `EonStates.begin(at_new_temperature=True)`; 0.9 eV are in the wider window only."""
    searches = [
        search(0, outcome="new", process=1, barrier=0.5),
        search(1, outcome="new", process=2, barrier=0.9),
        *[search(2 + k, process=1, barrier=0.5) for k in range(4)],
        search(0, state=1, outcome="new", process=3, barrier=0.5),
        search(1, state=1, process=3, barrier=0.5),
        search(2, state=1, process=3, barrier=0.5),
        search(6, process=2, barrier=0.9),
        search(7, process=1, barrier=0.5),
    ]
    states = [
        State(processes=[(1, 0.5, 1, 3), (2, 0.9, -1, 1)]),
        State(processes=[(3, 0.5, 0, 1)]),
    ]
    starts = [
        Start(1, 0.0, "n1", 1, "0", 1, temperature_K=200.0, kmc_step=0, searches=0),
        Start(2, 0.0, "n1", 1, "0", 1, temperature_K=500.0, kmc_step=0, searches=9),
    ]
    events = [event(0, time_s=1.0, product=1, process=1, temperature_K=200.0)]
    run = commit(tmp_path / "run", states=states, searches=searches, events=events, starts=starts)
    with RunView.read(run) as view:
        given = {"states": view.states, "events": view.events, "searches": view.searches}
        given |= {"settings": view.settings, "time_s": 1.0}
        found = summarise(**given, starts=view.starts)
        unmarked = [replace(one, searches=None) for one in view.starts]
        assert summarise(**given, starts=unmarked).curves == {}
        assert view.earlier_temperatures_K == (200.0,)
    assert found.curves[0] == pytest.approx((0, 0, 0, 0.5, 2 / 3, 0.75, 0, 0.5))
    assert [state.confidence for state in found.states] == [0.5, 0.0]


def test_twelve_random_hops_give_the_diffusion_within_their_stated_error(tmp_path):
    known = CELL_A**2 / 6 / 2 * 1e-20  # a^2 / 6 a hop a second, of one atom of two
    found = [diffusion_of(tmp_path / str(seed), random_walk(12, seed)) for seed in range(12)]
    assert all(one.tracer_m2_per_s is None and one.blocks == 0 for one in found)
    away = [abs(one.hop_m2_per_s - known) / one.hop_error_m2_per_s for one in found]
    assert np.median(away) < 1.0
    assert max(away) < 3.5


def test_the_tracer_value_of_long_random_walks_is_within_its_stated_error(tmp_path):
    known = CELL_A**2 / 6 / 2 * 1e-20
    found = [diffusion_of(tmp_path / str(seed), random_walk(600, seed)) for seed in range(8)]
    away = [(one.tracer_m2_per_s - known) / one.tracer_error_m2_per_s for one in found]
    assert np.sqrt(np.mean(np.square(away))) < 2.0


def test_hops_that_undo_each_other_do_not_count_as_diffusion(tmp_path):
    places = [(step % 2, 0, 0) for step in range(1, 401)]
    found = diffusion_of(tmp_path, walk_events(places, np.arange(1.0, 401.0)))
    assert found.tracer_m2_per_s < 0.06 * found.hop_m2_per_s


def test_few_steps_make_no_blocks():
    assert [blocks_for(steps) for steps in (0, 39, 40, 50, 99, 100, 200, 10_000)] == [
        0,
        0,
        4,
        5,
        8,
        10,
        20,
        20,
    ]


def test_nothing_to_follow(tmp_path):
    run = commit(tmp_path / "run")
    with RunView.read(run) as view:
        assert follow(view.states, view.events) == ()
        assert follow((), [event(0, time_s=1.0)]) == ()
        assert follow(view.states, [event(0, time_s=0.0, product=0)]) == ()


def test_histogram_counts():
    assert histogram([0.0, 0.1, 0.1, 0.25, 0.3], low=0.0, width=0.1, bins=3) == (1, 2, 2)
    assert histogram([], low=0.0, width=0.1, bins=2) == (0, 0)


def test_the_old_confidence_counts_repeats_in_a_row(tmp_path):
    table = [
        process(1, 0.5, tmp_path),
        process(2, 0.6, tmp_path),
        process(3, 0.5 + 25 * KT_EV, tmp_path),
    ]
    searches = [
        search(0, outcome="new", process=1, barrier=0.5),
        search(1, process=1, barrier=0.5),
        search(2, process=1, barrier=0.5),
        search(3, outcome="bad"),
        search(4, outcome="new", process=2, barrier=0.6),
        search(5, process=2, barrier=0.6),
        search(6, outcome="new", process=3, barrier=0.5 + 25 * KT_EV),
        *[search(7 + k, process=1, barrier=0.5) for k in range(4)],
        search(11, process=3, barrier=0.5 + 25 * KT_EV),
        search(12, process=1, kind="recycling"),
    ]
    curve = confidence_curve(searches, table, scheme="old", window_eV=20 * KT_EV)
    assert curve == pytest.approx((0, 0, 0.5, 0.5, 0, 0, 0, 0, 0.5, 2 / 3, 0.75, 0.75, 0.75))


def test_the_other_confidences(tmp_path):
    """Two processes, ten searches each: Ns/Nf = 10; 1 - (1 - 1/2)^20. Values of eOn's own formulas."""
    table = [process(1, 0.5, tmp_path), process(2, 0.6, tmp_path)]
    searches = [
        search(
            k, outcome="new" if k < 2 else "repeat", process=1 + k % 2, barrier=0.5 + 0.1 * (k % 2)
        )
        for k in range(20)
    ]
    new = confidence_curve(searches, table, scheme="new", window_eV=20 * KT_EV)
    assert new[-1] == pytest.approx(1 - 4.5420e-5, abs=1e-8)  # 1 + W(-10 exp(-10))/10
    assert confidence_curve(searches, table, scheme="sampling", window_eV=20 * KT_EV)[
        -1
    ] == pytest.approx(1 - 0.5**20)
    assert confidence_curve(searches[:9], table, scheme="sampling", window_eV=20 * KT_EV)[-1] == 0


def test_summary_of_states_and_edges(tmp_path):
    states = [
        State(processes=[(11, 0.5, 1, 3), (12, 0.5 + 25 * KT_EV, -1, 0)], good=4, bad=1),
        State(energy=-9.9, processes=[(13, 0.4, 0, 1)]),
    ]
    events = [
        event(0, time_s=1.0, reactant=0, process=11, product=1, barrier=0.5),
        event(1, time_s=3.0, before_s=1.0, reactant=1, process=13, product=0, barrier=0.4),
        event(2, time_s=6.0, before_s=3.0, reactant=0, process=11, product=1, barrier=0.5),
    ]
    searches = [
        search(0, outcome="new", process=11, barrier=0.5),
        search(1, outcome="bad", reason="Not Connected [3]"),
        search(2, outcome="bad", reason="Not Connected"),
        search(3, outcome="high", reason="barrier > max_thermal_window"),
        search(0, state=1, process=13, barrier=0.4),
    ]
    run = commit(tmp_path / "run", states=states, events=events, searches=searches)
    with RunView.read(run) as view:
        found = summarise(
            states=view.states,
            events=view.events,
            searches=view.searches,
            settings=view.settings,
            time_s=6.0,
        )
    assert found.kT_eV == pytest.approx(KT_EV)
    assert (found.steps, found.returns, found.visited) == (3, 2, (0, 1))
    assert [(edge.reactant, edge.product, edge.count) for edge in found.edges] == [
        (0, 1, 2),
        (1, 0, 1),
    ]
    first, second = found.states
    assert (first.visits, first.residence_s, second.visits, second.residence_s) == (2, 4.0, 2, 2.0)
    rows = [(row.process, row.rank, row.used, row.in_rate_table) for row in first.processes]
    assert rows == [(11, 1, 2, True), (12, 2, 0, False)]
    assert [row.share for row in first.processes] == [1.0, 0.0]
    assert second.processes[0].reverse_barrier_eV == pytest.approx(0.4)
    assert found.outcomes == {"new": 1, "repeat": 1, "high": 1, "bad": 2, "halted": 0, "known": 0}
    assert found.reasons == (
        ("bad", "Not Connected", 2),
        ("high", "barrier > max_thermal_window", 1),
    )
    assert (found.force_calls, found.seconds) == (500, 2.5)


def test_words():
    assert scientific(3.14e-16) == "3.1 × 10⁻¹⁶"
    assert scientific(9.99e-16) == "1.0 × 10⁻¹⁵"
    assert scientific(0.79) == "0.79"
    assert scientific(None) == "–"
    assert with_error(3.14e-16, 0.9e-16) == "(3.14 ± 0.90) × 10⁻¹⁶"
    assert with_error(0.0, 0.0) == "0"
    assert si_time(3.2e-6) == (1e-6, "µs")
    assert words_time(3.2e-6) == "3.2 µs"
    assert words_time(0.0) == "0 s"
    assert (duration(90), duration(600), duration(7200)) == ("90.0 s", "10.0 min", "2.0 h")
