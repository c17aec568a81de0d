"""How runs end: exit codes, one clear line, the evidence, and no process left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from mlip_kmc.evaluate.client import NAME_FILE
from mlip_kmc.model.records import SearchRecord

from .conftest import EXAMPLE, mlip_kmc, write_config
from .test_same import outcome


def clients():
    return [
        p
        for p in psutil.process_iter(["name"])
        if p.info["name"] in ("eonclient", "lmp") and p.status() != "zombie"
    ]


def one_line(done):
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout
    return lines[0]


def ace_config(folder, yace, **changes):
    (folder / "potential.yace").write_bytes(yace)
    settings = {
        "structure": str(EXAMPLE / "vacancy.xyz"),
        "potential": {"ace": "potential.yace"},
        "temperature_K": 500,
        "workers": 2,
        "search": {"engine": "eon"},
        **changes,
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


def start(config, run):
    return subprocess.Popen(
        [sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, process):
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_cleanly_and_the_same_command_goes_on(tmp_path, number):
    config = write_config(tmp_path, stop={"kmc_steps": 2})
    run = tmp_path / "run"
    process = start(config, run)
    wait_for((run / "journal" / "searches.jsonl").exists, process)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "the same command continues" in out
    assert clients() == []
    done = mlip_kmc("run", config, "--dir", run, cwd=tmp_path)
    assert done.returncode == 0
    assert "2 KMC steps are done" in done.stdout


def test_a_finished_run_stays_finished(one_step):
    events = (one_step / "run/journal/events.jsonl").read_bytes()
    again = mlip_kmc("run", "akmc.yaml", "--dir", "run", cwd=one_step)
    assert again.returncode == 0
    assert (one_step / "run/journal/events.jsonl").read_bytes() == events


def test_wall_time_is_a_pause(tmp_path):
    config = write_config(tmp_path, stop={"kmc_steps": 100000, "wall_time_min": 0.02})
    done = mlip_kmc("run", config, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 75
    assert "wall time" in done.stdout
    assert clients() == []


def test_nothing_but_bad_searches_stops_the_run(tmp_path):
    config = write_config(tmp_path, search={"max_energy_eV": 1e-6, "max_bad_in_a_row": 5})
    done = mlip_kmc("run", config, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 7
    line = one_line(done)
    assert "5 bad searches in a row in state 0" in line
    assert "Saddle Search Terminated High Energy" in line
    assert "search_results.txt" in line


def test_a_time_limit_is_no_result_of_a_search(tmp_path):
    """A search that reaches it twice stops the run and is not registered; with time enough all is as if nothing had been."""

    def run(limit_min, folder):
        config = write_config(
            tmp_path,
            search={"time_limit_min": limit_min},
            stop={"kmc_steps": 1},
            confidence={"value": 0.3},
        )
        return mlip_kmc("run", config, "--dir", folder, cwd=tmp_path)

    done = run(1e-5, "run")
    assert done.returncode == 7
    assert (
        "search 0_0 reached a time limit twice: it took longer than its time limit of 1e-05 min"
        in one_line(done)
    )
    assert (tmp_path / "run" / "evidence" / "0_0").is_dir()
    assert clients() == []
    assert run(5, "run").returncode == run(5, "other").returncode == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "other")


def test_a_client_that_is_killed_once_does_no_harm(tmp_path):
    """Each search takes longer here, so that it can be met."""
    config = ace_config(tmp_path, (EXAMPLE / "cu.yace").read_bytes())
    run = tmp_path / "run"
    process = start(config, run)
    wait_for(lambda: (run / "generations" / "00000001.json").exists() and clients(), process)
    victim = clients()[0]
    victim.suspend()  # it does not end meanwhile
    name = (Path(f"/proc/{victim.pid}/cwd") / NAME_FILE).read_text()
    victim.kill()
    wait_for(lambda: name in registered(run), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 75, err
    assert "Potential Failed" not in out
    assert "signal" not in registered(run)[name]


def registered(run):
    """Why a search ended, of those that are committed, while more are being written."""
    path = run / "journal/searches.jsonl"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    records = map(SearchRecord.from_json, whole.splitlines())
    return {f"{record.state}_{record.index}": record.reason for record in records}


def test_a_potential_that_lammps_cannot_read_starts_nothing(tmp_path):
    text = (EXAMPLE / "cu.yace").read_text()
    config = ace_config(
        tmp_path, text.replace("radbasename: ChebExpCos", "radbasename: NoSuchBasis").encode()
    )
    done = mlip_kmc("run", config, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "has the radial basis 'NoSuchBasis', which LAMMPS does not know" in one_line(done)
    assert not (tmp_path / "run").exists()


def test_a_potential_that_breaks_while_running_stops_the_run_with_the_evidence(tmp_path):
    """The file vanishes from under the searches: LAMMPS fails, and eOn would go on for ever with bad saddles."""
    config = ace_config(tmp_path, (EXAMPLE / "cu.yace").read_bytes())
    process = start(config, tmp_path / "run")
    wait_for((tmp_path / "run" / "generations" / "00000001.json").exists, process)
    shutil.move(tmp_path / "potential.yace", tmp_path / "gone.yace")
    _, err = process.communicate(timeout=200)
    assert process.returncode == 7, err
    assert "could not be evaluated in search 0_" in err or "died twice" in err
    kept = err.rsplit("kept at ", 1)[1].strip()
    assert Path(kept).is_dir()
    assert clients() == []


def test_a_truncated_potential_is_refused_before_anything_runs(tmp_path):
    yace = (EXAMPLE / "cu.yace").read_bytes()
    config = ace_config(tmp_path, yace[: len(yace) // 2])
    done = mlip_kmc("run", config, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 4
    assert "truncated or damaged" in one_line(done)


def test_another_configuration_cannot_continue_a_run(one_step):
    write_config(one_step, stop={"kmc_steps": 2}, seed=2)
    done = mlip_kmc("run", "akmc.yaml", "--dir", "run", cwd=one_step)
    assert done.returncode == 6
    assert "belongs to another configuration (seed was 5, is 2)" in one_line(done)


def test_two_runs_in_one_directory(tmp_path):
    config = write_config(tmp_path, stop={"kmc_steps": 100000})
    first = start(config, tmp_path / "run")
    wait_for((tmp_path / "run" / "journal" / "searches.jsonl").exists, first)
    done = mlip_kmc("run", config, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 10
    assert f"in use by process {first.pid}" in one_line(done)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 75
