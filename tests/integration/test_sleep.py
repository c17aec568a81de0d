"""Processes that are stopped and go on (SIGSTOP and SIGCONT, as Slurm's suspend does): the run, its workers, its clients.

Time limits are small here, through settings, and stops are on both sides of each. `just sleeps` takes the real ones.
"""

import contextlib
import json
import os
import threading

import psutil
import pytest

from .conftest import to_its_end, write_config
from .processes import DEADLINE_S, descendants, python, started, until
from .test_workers import physics

LONG = os.environ.get("MLIP_KMC_SLEEPS") == "1"
SILENT_S = 60.0 if LONG else 2.0
"""A worker that joined is given up after so long; dask's connections are after 45 s, at least, and eOn's LAMMPS after 90 s."""
STOPS_S = (15.0, 44.0, 47.0, 59.0, 61.0, 65.0, 75.0, 92.0, 110.0) if LONG else (3.0,)

RUN = """
import logging, sys
from pathlib import Path
from mlip_kmc.config import load_config
from mlip_kmc.akmc.options import Remote
from mlip_kmc.akmc.wrapper import EonWrapper
from mlip_kmc.potential.inputs import inputs_of

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
config = load_config(sys.argv[1])
remote = Remote(silent_s=float(sys.argv[3])) if sys.argv[3] != "local" else None
result = EonWrapper(config, run_dir=Path(sys.argv[2]), remote=remote).run_akmc(*inputs_of(config))
print(result.status, result.reason)
"""

CLUSTER = """
import json, sys, threading
from pathlib import Path
from mlip_kmc.workers.cluster import SearchCluster
from mlip_kmc.workers.keys import connection_file
from mlip_kmc.evaluate.client import ClientJob
from mlip_kmc.search.task import SearchTask

folder, silent_s = Path(sys.argv[1]), float(sys.argv[2])
def tell():
    roll = cluster.roll
    print(json.dumps({"slots": roll.total, "joined": roll.joined, "left": roll.left, "ends": ends}), flush=True)

def submit():
    for name in map(str.strip, sys.stdin):
        cluster.submit(SearchTask(ClientJob(name=name, files={"pidfile": str(folder / name)}, links={}, time_limit_s=3600)))

ends = {}
with SearchCluster.joined(file=connection_file(folder), files={}, silent_s=silent_s) as cluster:
    reader = threading.Thread(target=submit, daemon=True)
    reader.start()
    while reader.is_alive():
        ends |= {done.name: str(done.end) for done in cluster.wait(0.1)}
        tell()
"""

CLIENT = """#!/bin/sh
file=$(cat pidfile)
echo $$ >"$file.pid"
while [ ! -e "$file.go" ]; do sleep 0.2; done
echo "11 termination_reason" >results.dat
"""


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
        self._thread = threading.Thread(target=self._read, args=(process.stdout,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        for line in stream:
            if line.startswith("{"):
                self.last = json.loads(line)


@pytest.fixture
def client(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "eonclient").write_text(CLIENT)
    (folder / "eonclient").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@contextlib.contextmanager
def stopped_as(whom, main, crew, stop_s):
    """Stopped for so long, and continued one after the other where both are."""
    both = {
        "the scheduler first": (tree(crew), tree(main)),
        "the workers first": (tree(main), tree(crew)),
    }
    later, sooner = both.get(
        whom,
        ((), {"the scheduler": [psutil.Process(main.pid)], "the workers": tree(crew)}.get(whom)),
    )
    with stopped(later):
        with stopped(sooner):
            pause(stop_s)
            yield
        if later:
            pause(0.5)


def test_workers_and_scheduler_go_on_after_any_stop_and_no_search_is_blamed(tmp_path, client):
    """One search runs through it all, and loses its worker more often than it may see one die; others end during the stops."""
    ends = {}
    with (
        python(CLUSTER, tmp_path, SILENT_S) as main,
        started("worker", tmp_path, "--slots", 2) as crew,
    ):
        told = Told(main)

        def submit(name):
            print(name, file=main.stdin, flush=True)
            until((tmp_path / f"{name}.pid").exists, what=f"the client of {name}")

        submit("0_0")
        stages = [
            (whom, stop_s)
            for stop_s in STOPS_S
            for whom in ("the scheduler", "the scheduler first", "the workers first")
        ]
        for number, (whom, stop_s) in enumerate(stages, start=1):
            submit(f"0_{number}")
            with stopped_as(whom, main, crew, stop_s):
                (tmp_path / f"0_{number}.go").touch()  # it ends during the stop, or right after it
            ends[f"0_{number}"] = "finished"
            until(
                lambda: told.last["ends"] == ends and told.last["slots"] == 2,
                what=f"a search and two workers after {whom}",
            )
        for _ in range(3):
            until((tmp_path / "0_0.pid").exists, what="its client")
            with stopped_as("the workers", main, crew, 0.0):
                until(lambda: told.last["slots"] == 0, what="that they are given up")
                (tmp_path / "0_0.pid").unlink()
            until(lambda: told.last["slots"] == 2, what="that they come back")
        (tmp_path / "0_0.go").touch()
        until(
            lambda: told.last["ends"] == ends | {"0_0": "finished"},
            what="the search that ran through it all",
        )
        assert crew.poll() is None


# -- real runs

SHORT = {"stop": {"kmc_steps": 2}, "confidence": {"value": 0.6}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return physics(to_its_end(write_config(folder, **SHORT)))


def registered(run):
    with contextlib.suppress(FileNotFoundError):
        return (run / "journal/searches.jsonl").read_bytes().count(b"\n")
    return 0


@pytest.mark.parametrize("stop_s", STOPS_S)
@pytest.mark.parametrize("where", ["in this process", "in a crew"])
def test_a_run_that_is_stopped_comes_to_the_same(tmp_path, undisturbed, where, stop_s):
    """The run's process, its workers with their clients, and all of them, one after the other."""
    config, run = write_config(tmp_path, **SHORT), tmp_path / "run"
    with contextlib.ExitStack() as stack:
        crew = (
            stack.enter_context(started("worker", run, "--slots", 2))
            if where == "in a crew"
            else None
        )
        main = stack.enter_context(python(RUN, config, run, SILENT_S if crew else "local"))
        for whom in ("the run", "the others", "all"):
            seen = registered(run)
            until(
                lambda seen=seen: registered(run) > seen or main.poll() is not None, what="a search"
            )
            victims = (
                []
                if main.poll() is not None
                else {
                    "the run": [psutil.Process(main.pid)],
                    "the others": tree(crew) if crew else descendants(main),
                    "all": [*tree(main), *(tree(crew) if crew else [])],
                }[whom]
            )
            with stopped(victims):
                pause(stop_s)
        out = main.communicate(timeout=DEADLINE_S)[0]
        assert main.returncode == 0, out
    assert physics(run) == undisturbed
