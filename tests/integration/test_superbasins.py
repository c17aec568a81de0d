"""Superbasins and recycling, eOn's own, on our tick: they run, and a killed run goes on as if nothing had been."""

import signal
import subprocess
import sys
import time

import pytest

from mlip_kmc.records import Event, SearchRecord, read_lines

from .conftest import mlip_kmc, write_config
from .test_same import outcome

OPTIONS = {
    "superbasins": {"superbasins": True, "stop": {"kmc_steps": 5}, "temperature_K": 600,
                    "confidence": {"scheme": "new", "value": 0.9},
                    "eon": {"Coarse Graining": {"superbasin_scheme": "transition_counting", "number_of_transitions": 1}}},
    "recycling": {"recycling": True, "confidence": {"value": 0.8}, "stop": {"kmc_steps": 2}},
}


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_a_run_that_is_killed_goes_on_the_same(tmp_path, kind):
    config = write_config(tmp_path, workers=2, **OPTIONS[kind])
    whole = mlip_kmc("run", config, "--dir", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    journal = tmp_path / "killed" / "journal" / "searches.jsonl"
    for lines in (6, 20):
        process = subprocess.Popen([sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", "killed"], cwd=tmp_path,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < lines):
            time.sleep(0.01)
        process.kill()
        process.wait(timeout=30)
    again = mlip_kmc("run", config, "--dir", "killed", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    expected, found = outcome(tmp_path / "whole"), outcome(tmp_path / "killed")
    assert found["events"] == expected["events"]
    assert found == expected
    events = read_lines(tmp_path / "whole" / "journal" / "events.jsonl", Event)
    searches = read_lines(tmp_path / "whole" / "journal" / "searches.jsonl", SearchRecord)
    if kind == "superbasins":
        assert any(event.superbasin is not None for event in events)
    else:
        assert any(search.kind == "recycling" for search in searches)


def test_workers_and_stops_do_not_choose_the_states_that_are_searched(tmp_path):
    """One worker; and seven, that are let finish now and then (SIGUSR1) and continued."""
    def command(workers, folder):
        config = write_config(tmp_path, f"{folder}.yaml", workers=workers, **OPTIONS["superbasins"])
        return [sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", folder]

    alone = subprocess.run(command(1, "alone"), cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert alone.returncode == 0, alone.stderr
    journal, drains = tmp_path / "many" / "journal" / "searches.jsonl", 0
    for lines in (10, 30, 50, 10**9):
        process = subprocess.Popen(command(7, "many"), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < lines):
            time.sleep(0.01)
        process.send_signal(signal.SIGUSR1)
        error = process.communicate(timeout=600)[1]
        assert process.returncode in (0, 75), error
        drains += process.returncode == 75
        if process.returncode == 0:
            break
    assert drains > 0
    assert outcome(tmp_path / "many") == outcome(tmp_path / "alone")
    searched = [record.state for record in read_lines(tmp_path / "alone/journal/searches.jsonl", SearchRecord)]
    assert searched != sorted(searched), "within a superbasin, searches change between its states"
