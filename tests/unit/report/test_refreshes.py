"""A run whose potential changed: how barriers moved, what waits, what it cost; in page, JSON, status and tables."""

import csv
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mlip_kmc.cli.export import export
from mlip_kmc.cli.main import cli
from mlip_kmc.model.records import Fate, RefreshedState, Stale
from mlip_kmc.report.refreshes import moved, summarise_refreshes, waiting
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, event, search
from .test_report import check, numbers_of, own, page_of

EVIL = "<script>alert(1)</script>"


def refresh(index, *, process, was, before, outcome="new", barrier=0.8, state=0, epoch=0, calls=10):
    """A search that refreshes process `was` of an earlier epoch."""
    found = search(
        index, state=state, outcome=outcome, process=process, barrier=barrier, kind="refresh"
    )
    stale = Stale(was, epoch, before, prefactor_per_s=1e13, repeats=2)
    reason = f"Not Connected {EVIL}" if outcome == "bad" else ""
    return replace(found, stale=stale, force_calls=calls, reason=reason)


def refreshed(state, *, stale, same_as=None):
    return RefreshedState(
        state=state,
        epoch=1,
        energy_before_eV=-10.0,
        energy_eV=-11.0,
        moved_A=0.01,
        same_as=same_as,
        force_calls=7,
        stale=stale,
    )


def inputs(name):
    return {"potential_file": name, "potential_sha256": name.encode().hex().ljust(64, "0")}


@pytest.fixture
def run(tmp_path):
    """Two changes: two processes lived through both, one vanished, one merged; state 1 became state 0 at the first."""
    first = [search(0, outcome="new", process=11, barrier=0.8), search(1, process=11)]
    second = {
        "inputs": inputs("b.yace"),
        "refreshes": [refreshed(0, stale=4), refreshed(1, stale=3, same_as=0)],
        "events": [
            replace(
                event(1, time_s=1e-6, before_s=1e-6, reactant=1, product=0, process=-1, barrier=0),
                relabelled=True,
                temperature_K=500.0,
            )
        ],
        "searches": [
            refresh(2, process=21, was=11, before=0.8, barrier=0.85),
            refresh(3, process=22, was=12, before=0.9, barrier=0.88),
            refresh(4, process=21, was=13, before=0.81, barrier=0.85, outcome="repeat"),
            refresh(5, process=None, was=14, before=0.95, outcome="bad"),
            search(6, process=21, barrier=0.85),
        ],
    }
    third = {
        "inputs": inputs(f"{EVIL}.yace"),
        "refreshes": [refreshed(0, stale=2)],
        "events": [event(2, time_s=2e-6, before_s=1e-6, process=31)],
        "searches": [refresh(7, process=31, was=21, before=0.85, barrier=0.84, epoch=1)],
    }
    return commit(
        tmp_path / "run",
        states=[State(processes=[(31, 0.84, 1, 0)]), State()],
        events=[event(0, time_s=1e-6, process=11)],
        searches=first,
        potential_note={"inputs": inputs("a.yace")},
        later=(second, third),
    )


def test_moves_fates_and_courses(run):
    with RunView.read(run) as view:
        found = summarise_refreshes(
            view.epochs, view.searches, events=view.events, refreshes=view.refreshes
        )
    assert [move.fate for move in found.moves] == [
        Fate.KEPT,
        Fate.KEPT,
        Fate.MERGED,
        Fate.VANISHED,
        Fate.KEPT,
    ]
    assert [move.moved_eV for move in found.moves] == [
        pytest.approx(0.05),
        pytest.approx(-0.02),
        None,
        None,
        pytest.approx(-0.01),
    ]
    courses = [(one.points, one.end) for one in found.courses()]
    assert courses == [
        (((0, 0.8), (1, 0.85), (2, 0.84)), Fate.KEPT),
        (((0, 0.9), (1, 0.88)), Fate.KEPT),
        (((0, 0.81),), Fate.MERGED),
        (((0, 0.95),), Fate.VANISHED),
    ]
    assert (dict(found.waiting), found.dropped, found.relabelled) == ({0: 1}, 0, 1)
    assert waiting(found).startswith("1 process in 1 state waits for the refresh")
    assert moved(found) == "1 process refreshed: 1 kept; barriers moved by -10.0 to -10.0 meV."
    costs = [
        (one.kmc_steps, one.searches, one.refreshes, one.refresh_force_calls)
        for one in found.epochs
    ]
    assert costs == [(1, 2, 0, 0), (0, 1, 4, 40), (1, 0, 1, 10)]
    assert [one.minimisation_force_calls for one in found.epochs] == [0, 14, 7]


def test_processes_of_a_state_that_became_another_are_dropped(run):
    with RunView.read(run) as view:
        found = summarise_refreshes(
            view.epochs[:2],
            [one for one in view.searches if one.epoch < 2],
            events=view.events[:2],
            refreshes=[one for one in view.refreshes if one.epoch < 2],
        )
    assert (dict(found.waiting), found.dropped) == ({}, 3)
    assert (
        "3 processes of states that became another, or are no minima any more, will not be"
        in waiting(found)
    )


def test_a_barrier_that_came_as_a_reverse_is_kept_in_each_epoch(run):
    """The same number in two epochs, as where a run goes back to a potential: each epoch has claims of its own."""
    with RunView.read(run) as view:
        last = view.searches[-1]
        again = replace(last, index=8, process=21, outcome="repeat", epoch=3)
        found = summarise_refreshes(
            view.epochs, (*view.searches, again), events=(), refreshes=view.refreshes
        )
    assert found.moves[-1].fate is Fate.KEPT


def test_the_page_says_it(run, tmp_path):
    text = page_of(run, tmp_path)
    page = check(text)
    assert "<script" not in own(text)
    for said in (
        "Changes of the potential",
        "carried over to another potential 2 times",
        "How barriers moved",
        "1 step took no time",
        "2 KMC steps and 1 relabelling",
        "relabelled: 1",
        f"{EVIL}.yace",
        "epoch 2",
        "The present potential is that of epoch 2",
        "1 process in 1 state waits for the refresh",
        "Searches of the present epoch (2) alone",
    ):
        assert said in page.text, said
    assert numbers_of(run)["returns"] == 0
    assert [edge["count"] for edge in numbers_of(run)["edges"]] == [2]


def test_a_run_with_one_potential_says_nothing_of_it(tmp_path):
    run = commit(tmp_path / "run", states=[State()], searches=[search(0)])
    text = page_of(run, tmp_path)
    assert "Changes of the potential" not in text
    assert "poch" not in check(text).text
    assert numbers_of(run)["refreshes"] is None
    assert "epoch" not in CliRunner().invoke(cli, ["status", str(run)]).output


def test_confidence_begins_anew(run):
    assert numbers_of(run)["states"][0]["confidence"] == 0.0
    status = json.loads(CliRunner().invoke(cli, ["status", str(run), "--json"]).output)
    assert (sum(status["searches"].values()), status["searches_here"]) == (8, 0)


def test_json_of_report_and_status_are_the_same(run):
    found = numbers_of(run)["refreshes"]
    status = json.loads(CliRunner().invoke(cli, ["status", str(run), "--json"]).output)
    assert status["refreshes"] == found
    assert status["low_barrier_steps"] == 0  # a step that only relabels goes over no barrier
    assert status["kmc_steps"] == numbers_of(run)["run"]["kmc_steps"] == 2  # and is none
    assert found["waiting"] == [{"state": 0, "processes": 1}]
    assert found["processes"][0]["process_before"] == "11"
    assert found["processes"][3] == {
        "state": 0,
        "epoch": 1,
        "fate": "vanished",
        "process_before": "14",
        "epoch_before": 0,
        "process": None,
        "barrier_before_eV": 0.95,
        "barrier_eV": None,
        "moved_eV": None,
        "reason": f"Not Connected {EVIL}",
        "force_calls": 10,
    }


def test_status_has_a_table(run):
    text = " ".join(CliRunner().invoke(cli, ["status", str(run)]).output.split())
    assert "since KMC step 2; 1 step relabelled" in text
    assert "0 0.8500 0.8400 -10.0 kept" in text
    assert "It took 17 force calls" in text


def test_events_are_marked_in_the_table(run, tmp_path):
    done = CliRunner().invoke(export, [str(run), "--output", str(tmp_path / "out")])
    assert done.exit_code == 0
    rows = list(csv.DictReader((tmp_path / "out" / "events.csv").open()))
    assert [(row["epoch"], row["relabelled"]) for row in rows] == [
        ("0", "0"),
        ("1", "1"),
        ("2", "0"),
    ]
    frames = (tmp_path / "out" / "trajectory.xyz").read_text()
    assert frames.count("relabelled=T") == 1
    processes = list(csv.DictReader((tmp_path / "out" / "processes.csv").open()))
    assert [row["epoch"] for row in processes] == ["2"]
