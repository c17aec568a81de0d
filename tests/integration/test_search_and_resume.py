"""`search` before a run, and what may change when a run goes on."""

import json
import math

import pytest
from ase.io import read

from mlip_kmc.model.records import Event, SearchRecord, Start, read_lines
from mlip_kmc.store.eon_tree import read_states

from .conftest import SHORT_STEPS, mlip_kmc, write_config

EON_KELVIN_PER_EV = 11604.5


def test_searches_are_the_runs_own_first_ones(tmp_path, short_run):
    config = write_config(tmp_path, stop={"kmc_steps": SHORT_STEPS})
    for count in (3, 5):
        done = mlip_kmc("search", config, "-n", count, "--dir", "run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"{count} searches of state 0 are done. 0 KMC steps" in done.stdout
        found = read_lines(tmp_path / "run/journal/searches.jsonl", SearchRecord)
        assert [(record.state, record.index) for record in found] == [
            (0, index) for index in range(count)
        ]
    done = mlip_kmc("run", config, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for journal, kind in (("events", Event), ("searches", SearchRecord)):
        mixed, whole = (
            [
                {**vars(record), "seconds": 0}
                for record in read_lines(run / f"journal/{journal}.jsonl", kind)
            ]
            for run in (tmp_path / "run", short_run)
        )
        assert mixed == whole


def test_a_tick_without_time_registers_one_search_and_commits_it_where_that_is_due(
    tmp_path, monkeypatch
):
    from mlip_kmc import EonWrapper, inputs_of
    from mlip_kmc.akmc import session
    from mlip_kmc.akmc.intervals import Intervals
    from mlip_kmc.config import load_config

    monkeypatch.setattr(session, "_POLL_S", 0.0)  # more may be ready: a stop must not wait for all
    monkeypatch.setattr(Intervals, "over", True)
    config = load_config(write_config(tmp_path))
    EonWrapper(config, run_dir=tmp_path / "run").search(*inputs_of(config), count=12)
    generations = max(int(path.stem) for path in (tmp_path / "run" / "generations").iterdir())
    assert generations == 13  # the first says that the run begins
    records = read_lines(tmp_path / "run/journal/searches.jsonl", SearchRecord)
    state = read_states(tmp_path / "run" / "eon")[0]
    assert state.good + state.bad == len(records) == 12


@pytest.fixture(scope="module")
def tempered(tmp_path_factory):
    """A run of two steps at 400 K that goes on at 500 K."""
    folder = tmp_path_factory.mktemp("tempered")
    sure = {"confidence": {"value": 0.8}}
    config = write_config(folder, stop={"kmc_steps": 2}, **sure)
    assert mlip_kmc("run", config, "--dir", "run", cwd=folder).returncode == 0
    changed = {"temperature_K": 500, "workers": 1, "search": {"time_limit_min": 7}}
    write_config(folder, stop={"kmc_steps": 4}, **changed, **sure)
    done = mlip_kmc("run", config, "--dir", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", done.stdout


def test_another_temperature_is_marked_wherever_it_matters(tempered):
    run, said = tempered
    assert "temperature_K was 400.0, is 500.0" in said
    assert "from KMC step 2 on at 500.0 K" in said
    events = read_lines(run / "journal/events.jsonl", Event)
    assert [event.temperature_K for event in events] == [400, 400, 500, 500]
    assert [
        frame.info.get("temperature_K") for frame in read(run / "results/trajectory.xyz", index=":")
    ] == [None, 400, 400, 500, 500]
    starts = read_lines(run / "journal/starts.jsonl", Start)
    assert [start.temperature_K for start in starts] == [400, 500]
    assert set(starts[1].changes) == {
        "temperature_K",
        "workers",
        "stop.kmc_steps",
        "search.time_limit_min",
    }
    assert starts[1].kmc_step == 2


def test_all_rates_are_those_of_the_new_temperature(tempered):
    run, _ = tempered
    rows = [process for state in read_states(run / "eon") for process in state.processes]
    assert len(rows) >= 4
    for row in rows:
        assert row.rate == pytest.approx(
            row.prefactor * math.exp(-row.barrier * EON_KELVIN_PER_EV / 500), rel=1e-12
        )


def test_confidence_is_earned_again_at_the_new_temperature(tempered):
    """A state that was known at 400 K gets as many searches in a row without news as its scheme asks for."""
    run, _ = tempered
    events = read_lines(run / "journal/events.jsonl", Event)
    searches = read_lines(run / "journal/searches.jsonl", SearchRecord)
    here = [record for record in searches if record.state == events[2].reactant]
    assert sum(record.outcome in ("new", "repeat") for record in here[-7:]) >= 5


def test_what_may_not_change_is_named(one_step):
    before = {path: path.read_bytes() for path in (one_step / "run").rglob("*") if path.is_file()}
    config = write_config(one_step, stop={"kmc_steps": 1}, confidence={"value": 0.95}, seed=6)
    done = mlip_kmc("run", config, "--dir", "run", cwd=one_step)
    assert done.returncode == 6
    assert "confidence.value was 0.3, is 0.95; seed was 5, is 6" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert all(path.read_bytes() == content for path, content in before.items())


def test_status_of_a_finished_run(tempered):
    run, _ = tempered
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    done = mlip_kmc("status", run, "--json", cwd=run)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert (found["condition"], found["kmc_steps"], found["starts"], found["temperature_K"]) == (
        "done",
        4,
        2,
        500,
    )
    searches = read_lines(run / "journal/searches.jsonl", SearchRecord)
    assert sum(found["searches"].values()) == len(searches)
    assert found["force_calls"] == sum(record.force_calls for record in searches)
    assert 0 < found["utilisation"] <= 1
    assert found["run_bytes"] > 10_000
    text = mlip_kmc("status", run, cwd=run).stdout
    assert "KMC steps       4 of 4" in text
    assert "2 times" in text
