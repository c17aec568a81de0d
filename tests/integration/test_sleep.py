"""Processes that are stopped and go on (SIGSTOP and SIGCONT, as Slurm's suspend does): the run, its workers, its clients.

Time limits are small here, through settings, and stops are on both sides of each. `just sleeps` takes the real ones.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from mlip_kmc.searches.credentials import connection_file

from .conftest import mlip_kmc, write_config
from .test_workers import DEADLINE_S, descendants, physics, started, until

LONG = os.environ.get("MLIP_KMC_SLEEPS") == "1"
SILENT_S = 60.0 if LONG else 2.0
"""A worker that joined is given up after so long; dask's connections are after 45 s, at least, and eOn's LAMMPS after 90 s."""
STOPS_S = (15.0, 44.0, 47.0, 59.0, 61.0, 65.0, 75.0, 92.0, 110.0) if LONG else (1.0, 3.0)

RUN = """
import sys
from pathlib import Path
from mlip_kmc.config import load_config
from mlip_kmc.eon.wrapper import EonWrapper, Remote, inputs_of

config = load_config(sys.argv[1])
remote = Remote(silent_s=float(sys.argv[3])) if sys.argv[3] != "local" else None
result = EonWrapper(config, run_dir=Path(sys.argv[2]), remote=remote, on_start=print).run_akmc(*inputs_of(config))
print(result.status, result.reason)
"""

CLUSTER = """
import json, sys, threading
from pathlib import Path
from mlip_kmc.searches.cluster import SearchCluster
from mlip_kmc.searches.credentials import connection_file
from mlip_kmc.searches.run import ClientJob

folder, silent_s = Path(sys.argv[1]), float(sys.argv[2])
def tell():
    roll = cluster.roll
    print(json.dumps({"slots": roll.total, "joined": roll.joined, "left": roll.left, "ends": ends}), flush=True)

ends = {}
with SearchCluster.joined(file=connection_file(folder), files={}, silent_s=silent_s) as cluster:
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    for name in sys.argv[3:]:
        cluster.submit(ClientJob(name=name, files={"pidfile": str(folder / name)}, links={}, returns=("results.dat",),
                                 time_limit_s=3600))
    while not over.is_set():
        ends |= {done.name: str(done.end) for done in cluster.wait(0.05)}
        tell()
"""

CLIENT = """#!/bin/sh
file=$(cat pidfile)
echo $$ >"$file.pid"
while [ ! -e "$file.go" ]; do sleep 0.05; done
echo "0 termination_reason" >results.dat
"""


@contextlib.contextmanager
def python(text, *arguments, **options):
    process = subprocess.Popen([sys.executable, "-c", text, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True, **options)
    try:
        yield process
    finally:
        for left in [*descendants(process), process]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                left.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def tree(process):
    """A process and all below it."""
    return [psutil.Process(process.pid), *descendants(process)]


@contextlib.contextmanager
def stopped(victims):
    """They do nothing meanwhile."""
    halted = []
    try:
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.suspend()
                halted.append(victim)
        yield
    finally:
        for victim in halted:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.resume()


def pause(seconds):
    """What is tested is that time passes."""
    threading.Event().wait(seconds)


class Told:
    """What the process with the cluster says last, read as it comes."""

    def __init__(self, process):
        self.last = {"slots": 0, "joined": 0, "left": 0, "ends": {}}
        self.lines = 0
        self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        for line in stream:
            if line.startswith("{"):
                self.last = json.loads(line)
                self.lines += 1

    def fresh(self):
        """What it says from now on."""
        seen = self.lines
        until(lambda: self.lines > seen + 1, what="the cluster's word")
        return self.last


@pytest.fixture
def client(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "eonclient").write_text(CLIENT)
    (folder / "eonclient").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def release(folder, *names):
    for name in names:
        (folder / f"{name}.go").touch()


@pytest.mark.parametrize("stop_s", STOPS_S)
def test_a_scheduler_that_was_stopped_gives_up_nobody(tmp_path, client, stop_s):
    with python(CLUSTER, tmp_path, SILENT_S, "0_0", "0_1") as main, started("worker", tmp_path, "--slots", 2):
        told = Told(main)
        until(lambda: (tmp_path / "0_1.pid").exists() and (tmp_path / "0_0.pid").exists(), what="clients")
        with stopped([psutil.Process(main.pid)]):
            release(tmp_path, "0_0")  # it ends while nobody listens
            pause(stop_s)
        until(lambda: told.last["ends"] == {"0_0": "finished"}, what="the search that ended meanwhile")
        pause(min(SILENT_S, 3.0))
        assert {key: told.fresh()[key] for key in ("slots", "joined", "left")} == {"slots": 2, "joined": 2, "left": 0}
        release(tmp_path, "0_1")
        until(lambda: len(told.last["ends"]) == 2, what="the other")


def test_workers_that_were_stopped_come_back_and_their_search_is_not_blamed(tmp_path, client):
    """More often than a search may see its worker die."""
    with python(CLUSTER, tmp_path, SILENT_S, "0_0") as main, started("worker", tmp_path, "--slots", 1) as crew:
        told = Told(main)
        for times in range(1, 5):
            until((tmp_path / "0_0.pid").exists, what="its client")
            with stopped(tree(crew)):
                until(lambda times=times: told.last["left"] == times, what="that it is given up")
                (tmp_path / "0_0.pid").unlink()
            until(lambda times=times: told.last["joined"] == times + 1, what="that it comes back")
        release(tmp_path, "0_0")
        until(lambda: told.last["ends"], what="the search's end")
        assert told.last["ends"] == {"0_0": "finished"}
        assert crew.poll() is None


@pytest.mark.parametrize("stop_s", STOPS_S)
@pytest.mark.parametrize("first", ["the scheduler", "the workers"])
def test_all_that_were_stopped_go_on_whoever_is_first(tmp_path, client, stop_s, first):
    with python(CLUSTER, tmp_path, SILENT_S, "0_0", "0_1") as main, started("worker", tmp_path, "--slots", 2) as crew:
        told = Told(main)
        until(lambda: (tmp_path / "0_1.pid").exists() and (tmp_path / "0_0.pid").exists(), what="clients")
        later, sooner = (tree(crew), tree(main)) if first == "the scheduler" else (tree(main), tree(crew))
        with stopped(later):
            with stopped(sooner):
                pause(stop_s)
            pause(0.5)
        assert told.fresh()["slots"] == 2
        release(tmp_path, "0_0", "0_1")
        until(lambda: len(told.last["ends"]) == 2, what="the searches")
        assert set(told.last["ends"].values()) == {"finished"}
        assert told.last["left"] == 0


def test_a_crew_does_not_lose_patience_while_it_is_stopped(tmp_path):
    """It waits for a run that has not begun; the run may have been stopped, too."""
    with started("worker", tmp_path, "--slots", 1, "--patience-min", 0.15) as crew:
        until(lambda: len(tree(crew)) >= 1 and psutil.Process(crew.pid).num_threads() >= 1 and crew.poll() is None, what="it")
        pause(2.0)
        with stopped(tree(crew)):
            pause(10.0)
        pause(1.5)
        assert crew.poll() is None
        assert crew.wait(DEADLINE_S) == 0
        assert "no run in" in crew.stdout.read()
