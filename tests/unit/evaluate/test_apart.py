"""Tasks in child processes: what a child's death costs, what it tells, and what ends one."""

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.evaluate.apart import end_children, pool, process, run_anywhere, run_apart, wire
from mlip_kmc.evaluate.apart.task import Death
from mlip_kmc.evaluate.client import End, cancel_jobs
from mlip_kmc.evaluate.points import Points, PointsJob
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.model.structure import from_con
from mlip_kmc.search.displaced import ForcesTask

NUMBERS = count()
CALCULATORS = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
from ase.calculators.calculator import Calculator

FOLDER = Path(__file__).parent

class Springs(Calculator):
    implemented_properties = ("energy", "forces")
    def __init__(self, **keywords):
        super().__init__(**keywords)
        with (FOLDER / "loads").open("a") as stream:
            stream.write(f"{os.getpid()}\\n")
    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.look(atoms)
        self.results = {"energy": float((atoms.positions**2).sum()), "forces": -2 * atoms.positions}
    def look(self, atoms):
        pass

class KilledOnce(Springs):
    def look(self, atoms):
        if not (FOLDER / "killed").exists():
            (FOLDER / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

class AlwaysKilled(Springs):
    def look(self, atoms):
        os.kill(os.getpid(), signal.SIGKILL)

class Aborts(Springs):
    def look(self, atoms):
        if atoms.positions[1, 0] > 1e3:
            sys.stderr.write("free(): invalid pointer\\n")
            sys.stderr.flush()
            os.abort()

class DiesOnLoading(Springs):
    def __init__(self, **keywords):
        os._exit(3)

class Waits(Springs):
    def look(self, atoms):
        (FOLDER / "begun").touch()
        time.sleep(60)
"""


@pytest.fixture
def task(tmp_path):
    """Makes tasks: two structures each, the second with an atom far outside."""
    module = f"mine_{next(NUMBERS)}"  # a child that is there has modules of earlier tests
    (tmp_path / f"{module}.py").write_text(CALCULATORS)
    atoms = bulk("Cu", cubic=True)

    def make(name, *, time_limit_s=60.0):
        points = Points(atoms.numbers, atoms.cell.array, bases=(atoms.positions,)).at_rest(0)
        points = points.displaced([(1, np.array([2e3, 0.0, 0.0]))])
        recipe = Recipe(
            {"ase": f"{module}:{name}", "python-path": str(tmp_path)}, digest=module + name
        )
        job = PointsJob(name, points, recipe, time_limit_s, evidence=tmp_path / "kept")
        return ForcesTask(job)

    return make


@pytest.fixture(scope="module", autouse=True)
def _ended():
    yield
    end_children()


def test_a_child_keeps_its_potential_and_its_numbers_are_those_of_this_process(task, tmp_path):
    one, again = run_anywhere(task("Springs")), run_apart(task("Springs"))
    assert (one.end, again.end) == (End.FINISHED, End.FINISHED)
    loads = (tmp_path / "loads").read_text().split()
    assert len(loads) == 1
    assert int(loads[0]) != os.getpid()
    here = task("Springs").run()
    for found in (one, again):
        assert np.array_equal(found.forces_eV_per_A, here.forces_eV_per_A)


def test_what_a_kill_took_is_made_again(task, tmp_path):
    done = run_apart(task("KilledOnce"))
    assert (tmp_path / "killed").exists()
    assert len((tmp_path / "loads").read_text().split()) == 2
    assert np.array_equal(done.forces_eV_per_A, task("Springs").run().forces_eV_per_A)
    assert not (tmp_path / "kept").exists()


def test_what_aborts_its_process_does_so_twice_and_its_structure_is_kept(task, tmp_path):
    done = run_apart(task("Aborts"))
    assert (done.end, done.forces_eV_per_A) == (End.EVALUATION_ERROR, None)
    assert "signal SIGABRT in evaluation 2: free(): invalid pointer" in done.message
    assert len((tmp_path / "loads").read_text().split()) == 2
    kept = from_con((tmp_path / "kept" / "last_structure.con").read_text())
    assert kept.positions[1, 0] > 1e3
    assert "invalid pointer" in (tmp_path / "kept" / "child.log").read_text()


def test_what_others_kill_says_nothing_of_the_structure(task, monkeypatch):
    monkeypatch.setattr(pool, "DEATHS", 2)
    done = run_apart(task("AlwaysKilled"))
    assert done.end is End.KILLED_WORKERS
    assert (
        "2 processes that ran it died, the last by signal SIGKILL in evaluation 1" in done.message
    )


def test_a_potential_that_dies_on_loading_is_told(task, monkeypatch):
    monkeypatch.setattr(pool, "DEATHS", 2)
    done = run_apart(task("DiesOnLoading"))
    assert (done.end, done.message) == (End.CRASHED, "exit code 3 before any evaluation")


def test_an_evaluation_that_does_not_end_is_ended(task, monkeypatch):
    monkeypatch.setattr(process, "_MARGIN_S", 2.0)
    assert run_apart(task("Waits", time_limit_s=0.0)).end is End.TIMED_OUT


def test_what_is_taken_back_ends_within_an_evaluation_too(task, tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_GRACE_S", 0.3)
    found = []
    thread = threading.Thread(target=lambda: found.append(run_apart(task("Waits"), tag="it")))
    thread.start()
    while not (tmp_path / "begun").exists() and thread.is_alive():
        thread.join(0.05)
    cancel_jobs(["it"])
    thread.join(30)
    assert [one.end for one in found] == [End.CANCELLED]


PARENT = """
import os, signal
from mlip_kmc.evaluate.apart.process import Child
child = Child.start()
child._readable()
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_ends_with_its_parent():
    done = subprocess.run(
        [sys.executable, "-c", PARENT], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    pid, until = int(done.stdout), time.monotonic() + 30
    while time.monotonic() < until and Path(f"/proc/{pid}").exists():
        if Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z"):
            break  # dead; nobody here waits for it
        time.sleep(0.05)
    assert time.monotonic() < until


@pytest.mark.parametrize(
    ("code", "calls", "own"),
    [
        (-signal.SIGABRT, 1, True),
        (-signal.SIGSEGV, 5, True),
        (1, 1, True),
        (-signal.SIGSEGV, 0, False),  # the potential, or the program
        (-signal.SIGKILL, 5, False),  # memory, or a person
        (-signal.SIGTERM, 5, False),
        (0, 5, False),
    ],
)
def test_whose_death_it_is(code, calls, own):
    assert Death(code, calls=calls).is_its_own is own


@pytest.mark.parametrize(
    "data",
    [
        wire._HEAD.pack(b"mkPD", wire.Kind.RUN, 0),
        wire._HEAD.pack(wire._MAGIC, 99, 0),
        wire._HEAD.pack(wire._MAGIC, wire.Kind.RUN, wire.LARGEST_BYTES + 1),
        wire._HEAD.pack(wire._MAGIC, wire.Kind.RUN, 5) + b"four",
    ],
    ids=["another program's", "no kind", "too long", "cut off"],
)
def test_what_is_no_message_is_refused(data):
    one, other = wire.socket.socketpair()
    with one, other:
        one.sendall(data)
        one.shutdown(wire.socket.SHUT_WR)
        with pytest.raises(OSError, match=r"no message|ended"):
            wire.receive(other)
