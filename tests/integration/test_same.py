"""One seeded run is one run: with one worker, with two, and killed twenty times."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.store.eon_tree import read_states

from .conftest import mlip_kmc, write_config
from .golden import differences, golden, numbers_of

KILLS = 20


def outcome(run):
    """Everything that decides a trajectory, to the last digit."""
    searches = [
        (s.state, s.index, s.outcome, s.reason, s.process, s.barrier)
        for s in read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    ]
    tables = [
        (p.state, p.process, p.product, p.barrier, p.rate, p.prefactor, p.repeats)
        for state in read_states(run / "eon")
        for p in state.processes
    ]
    return {
        "events": read_lines(run / "journal" / "events.jsonl", Event),
        "searches": searches,
        "tables": tables,
    }


@pytest.fixture(scope="module")
def alone(adatom_run):
    return outcome(adatom_run)


def test_its_numbers_are_those_of_the_first_houses(adatom_run):
    """An adatom, three KMC steps."""
    numbers = numbers_of(adatom_run)
    assert differences(numbers, golden("adatom")) == []
    numbers["tables"]["0"][0][6] *= 1 + 1e-8  # the comparison can fail
    numbers["searches"].pop()
    assert len(differences(numbers, golden("adatom"))) == 2


def test_the_number_of_workers_changes_nothing(alone, tmp_path):
    config = write_config(tmp_path, workers=2)
    done = mlip_kmc("run", config, "--dir", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = outcome(tmp_path / "run")
    assert len(found["events"]) == 3
    assert found == alone


def test_twenty_kills_change_nothing(alone, tmp_path):
    """SIGKILL to the whole tree at random moments, most of them in the middle of searches."""
    config = write_config(tmp_path, workers=2)
    command = [sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", str(tmp_path / "run")]
    chance = random.Random(1)  # noqa: S311
    kills = 0
    while kills < KILLS:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        journal = tmp_path / "run" / "journal" / "searches.jsonl"
        before = journal.stat().st_size if journal.exists() else -1
        wanted = chance.randint(
            0, 2
        )  # kill after so many commits more; never is a kill where nothing was done
        deadline = time.monotonic() + 120
        seen = 0
        while seen < wanted and process.poll() is None and time.monotonic() < deadline:
            size = journal.stat().st_size if journal.exists() else -1
            if size != before:
                seen, before = seen + 1, size
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.3))
        children = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        for victim in [process.pid, *(child.pid for child in children)]:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.communicate(timeout=60)
        kills += 1
    done = mlip_kmc("run", config, "--dir", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome(tmp_path / "run") == alone
