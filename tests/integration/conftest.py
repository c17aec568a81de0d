"""Real runs of the real programs, shared by the tests that look at them."""

import atexit
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from tests.faults.lane import EVERY, Lane, kill_tree

from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.store.eon_tree import read_states

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "cu-vacancy"
KILLS = 20 if EVERY else 8
"""Of a run that must come to the same in spite of them; `just kills`: 20."""


def pytest_collection_modifyitems(items):
    """Without the programs these tests say so loudly: they fail, they are not skipped."""
    if shutil.which("eonclient") is None and items:
        pytest.exit(
            "tests/integration needs eonclient: run them in the image, with `just test`",
            returncode=3,
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """A command or an evaluation within this process changes the environment: not for the tests after it."""
    before = dict(os.environ)
    done = yield
    os.environ.clear()
    os.environ.update(before)
    return done


def write_config(folder, name="akmc.yaml", **changes):
    """An `akmc.yaml` for an Al adatom on Al(100): eOn's own `eam_al`, a search takes a tenth of a second, a KMC step some ten."""
    structure = folder / "adatom.xyz"
    if not structure.exists():
        from ase.build import add_adsorbate, fcc100
        from ase.constraints import FixAtoms

        slab = fcc100("Al", (4, 4, 3), a=4.05, vacuum=8.0, periodic=True)
        add_adsorbate(slab, "Al", 2.0, "hollow")
        slab.set_constraint(FixAtoms(indices=[atom.index for atom in slab if atom.tag == 3]))
        slab.write(structure)
    settings = {
        "structure": str(structure),
        "potential": {"eon": "eam_al"},
        "temperature_K": 400,
        "workers": 2,
        "seed": 5,
        "search": {
            "displace": "least_coordinated",
            "displacement_A": 0.2,
            "displacement_radius_A": 3.5,
            "time_limit_min": 5,
        },
        "confidence": {"value": 0.3},
        "stop": {"kmc_steps": 3},
    }
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            settings[key] = {**settings[key], **value}
        else:
            settings[key] = value
    path = folder / name
    path.write_text(yaml.safe_dump(settings))
    return path


@dataclass
class Warm:
    """A process that has the program imported and forks itself for each command: a start without the second that this takes."""

    environment: dict[str, str]
    lane: Lane
    """Started in that environment; what is imported, and from where, follows from it."""

    @classmethod
    def here(cls):
        """The one of this session, where the environment is still the same."""
        global _warm  # noqa: PLW0603
        now = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        if _warm is None:
            _warm = cls(now, Lane())
            atexit.register(_warm.lane.close)
        return _warm if _warm.environment == now else None


_warm = None


@contextlib.contextmanager
def lane_of_now():
    """The lane of this session, or one of its own where the environment has changed: evaluations in this process do that."""
    if (warm := Warm.here()) is not None:
        yield warm.lane
        return
    lane = Lane()
    try:
        yield lane
    finally:
        lane.close()


def example_settings():
    """Those of the example, as numbers and times in these tests are of: eOn's client, every process and state searched for."""
    settings = yaml.safe_load((EXAMPLE / "akmc.yaml").read_text())
    settings["search"]["engine"] = "eon"
    del settings["symmetry"]
    return settings


def mlip_kmc(*arguments, cwd, timeout=600):
    """Run the command line to its end."""
    if (warm := Warm.here()) is not None:
        pid = warm.lane.begin(arguments, cwd=cwd)
        return warm.lane.wait(pid, timeout)
    return subprocess.run(
        [sys.executable, "-m", "mlip_kmc", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def to_its_end(config, run="run"):
    """Run a configuration, in its folder, to its end; answer the run directory."""
    done = mlip_kmc("run", config, "--dir", run, cwd=config.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return config.parent / run


def interrupted(config, run, *, lines, number):
    """Start or continue a run, send it a signal when so many searches are registered, and answer how it ended."""
    journal = config.parent / run / "journal" / "searches.jsonl"
    with lane_of_now() as lane:
        pid = lane.start(config, run)
        while psutil.pid_exists(pid) and (
            not journal.exists() or journal.read_bytes().count(b"\n") < lines
        ):
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return lane.wait(pid, 600)


def text_of(atoms):
    """A structure as eOn writes it for an `ext_pot`."""
    rows = ["\t".join(f"{value:.19f}" for value in row) for row in atoms.cell.array]
    rows += [
        f"{number}\t" + "\t".join(f"{value:.19f}" for value in place)
        for number, place in zip(atoms.numbers, atoms.positions, strict=True)
    ]
    return "\n".join([*rows, ""])


@pytest.fixture(scope="session")
def adatom_run(tmp_path_factory):
    """The adatom of `write_config`, a KMC step with one worker after some hundred searches; for reading only."""
    folder = tmp_path_factory.mktemp("adatom")
    many = {"confidence": {"value": 0.9}, "stop": {"kmc_steps": 1}}
    return to_its_end(write_config(folder, workers=1, **many))


SHORT_STEPS = 5


@pytest.fixture(scope="session")
def short_run(tmp_path_factory):
    """The adatom of `write_config`, five KMC steps with one worker, a dozen searches each; for reading only."""
    folder = tmp_path_factory.mktemp("short")
    return to_its_end(write_config(folder, workers=1, stop={"kmc_steps": SHORT_STEPS}))


@pytest.fixture(scope="session")
def _one_step(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one-step")
    return to_its_end(write_config(folder, stop={"kmc_steps": 1})).parent


@pytest.fixture
def one_step(_one_step, tmp_path):
    """A folder with `akmc.yaml` of one KMC step of the adatom, and `run`, where it is done: a copy for each test."""
    return shutil.copytree(_one_step, tmp_path / "one-step", symlinks=True)


@pytest.fixture(scope="session")
def example_run(tmp_path_factory):
    """The example by eOn's client, two KMC steps of it, each after ten searches that repeat: what the golden numbers are of."""
    folder = tmp_path_factory.mktemp("example")
    settings = example_settings()
    settings["seed"], settings["confidence"]["value"] = (
        6,
        0.9,
    )  # all twelve hops by some thirty searches
    settings["structure"], settings["potential"]["ace"] = (
        str(EXAMPLE / "vacancy.xyz"),
        str(EXAMPLE / "cu.yace"),
    )
    settings["stop"] = {"kmc_steps": 2}
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return to_its_end(folder / "akmc.yaml")


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


def killed_often(config, run, *, kills):
    """Run to the end through SIGKILLs to the whole tree at random moments, most of them in the middle of searches."""
    with lane_of_now() as lane:
        _kill_often(lane, config, run, kills=kills)


def _kill_often(lane, config, run, *, kills):
    chance, journal, met = random.Random(1), run / "journal" / "searches.jsonl", 0  # noqa: S311
    for _ in range(kills):
        pid = lane.start(config, run)
        before = journal.stat().st_size if journal.exists() else -1
        # commits until the kill; never is a kill where nothing was done
        wanted = chance.randint(0, 2)
        deadline = time.monotonic() + 120
        seen = 0
        while seen < wanted and psutil.pid_exists(pid) and time.monotonic() < deadline:
            size = journal.stat().st_size if journal.exists() else -1
            if size != before:
                seen, before = seen + 1, size
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.1))  # about what a search takes
        kill_tree(pid)
        met += lane.wait(pid, 60).returncode == -signal.SIGKILL
    assert met > kills / 2, "it was done before it was killed often"
    to_its_end(config, run)
