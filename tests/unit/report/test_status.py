"""Where a run is: read from outside, also when its process is gone."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner

from mlip_kmc.cli.main import cli
from mlip_kmc.cli.status import _condition, shown
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.records import Live
from mlip_kmc.model.records.halt import HaltKind
from mlip_kmc.report.status import Condition, read_status

from ..synthetic import State, commit, event, search


def live(seen_s, **changes):
    return Live(
        **{
            "time_s": time.time() - seen_s,
            "host": "n7",
            "pid": 42,
            "phase": "searching",
            "workers": 4,
            "busy": 3,
            "waiting": 5,
            "interval_s": 2.0,
            **changes,
        }
    ).to_json()


@pytest.fixture
def run(tmp_path):
    return commit(
        tmp_path / "run",
        states=[State(processes=[(7, 0.8, 1, 3)], good=4, bad=1), State()],
        events=[event(0, time_s=1e-6)],
        searches=[
            search(0, outcome="new"),
            search(1),
            search(2, outcome="bad", reason="nonlocal abort"),
        ],
    )


def test_what_was_committed(run):
    status = read_status(run)
    assert (status.condition, status.kmc_steps, status.simulated_time_s) == (
        Condition.STOPPED,
        1,
        1e-6,
    )
    assert status.searches == {"new": 1, "repeat": 1, "bad": 1}
    assert status.reasons == {"nonlocal abort": 1}
    assert (status.busy, status.seen_s) == (0, None)


@pytest.mark.parametrize(
    ("seen_s", "condition", "busy"),
    [(1, "running", 3), (25, "running", 3), (31, "lost", 0), (1e6, "lost", 0)],
)
def test_signs_of_life(run, seen_s, condition, busy):
    (run / "live.json").write_text(live(seen_s))
    status = read_status(run)
    assert (status.condition, status.busy, status.host, status.pid) == (condition, busy, "n7", 42)
    text = render(status)
    assert condition in text
    assert "n7" in text


@pytest.mark.parametrize("torn", ["", "{", '{"time_s": 1', "[]", "\0\0"])
def test_a_torn_sign_of_life_is_none(run, torn):
    (run / "live.json").write_text(torn)
    assert read_status(run).condition == "stopped"


def render(status, width=80):
    from rich.console import Console

    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(shown(status))
    return console.export_text()


def test_it_fits_80_columns(run):
    (run / "live.json").write_text(live(1))
    assert max(map(len, render(read_status(run)).splitlines())) <= 80


def test_json_is_all_of_it(run):
    done = CliRunner().invoke(cli, ["status", str(run), "--json"])
    assert done.exit_code == 0
    found = json.loads(done.output)
    assert found["searches"] == {"new": 1, "repeat": 1, "bad": 1}
    assert {
        "utilisation",
        "events_a_day",
        "force_calls_per_s",
        "run_bytes",
        "free_bytes",
        "starts",
    } <= found.keys()


def test_work_is_two_integers_for_scripts(run, tmp_path):
    for folder, expected in ((run, "1 3\n"), (tmp_path / "nothing", "0 0\n")):
        done = CliRunner().invoke(cli, ["status", str(folder), "--work"])
        assert (done.exit_code, done.output) == (0, expected)
    assert CliRunner().invoke(cli, ["status", str(run), "--work", "--json"]).exit_code == 2


def test_no_run(tmp_path):
    with pytest.raises(RunStateError, match="is no run directory"):
        read_status(tmp_path)


def test_states_are_not_read(run):
    """However many states there are, looking at a run costs the same."""
    shutil.rmtree(run / "eon" / "states")
    for folder in (run / "objects").iterdir():
        for path in folder.iterdir():
            if b"Coordinates of Component" in path.read_bytes():
                path.unlink()
    assert read_status(run).kmc_steps == 1


def test_superbasin_steps_of_the_first_versions_are_named(tmp_path):
    sound = event(0, time_s=1e-6, superbasin=1, hops=12.0)
    status = read_status(commit(tmp_path / "new", events=[sound, event(1, time_s=2e-6)]))
    assert (status.unsound_superbasin_steps, status.unsound) == (0, "")
    assert "not sound" not in render(status)
    status = read_status(
        commit(
            tmp_path / "old",
            events=[
                sound,
                event(1, time_s=2e-6, superbasin=1),
                event(2, time_s=3e-6, superbasin=2),
            ],
        )
    )
    assert status.unsound_superbasin_steps == 2
    text = " ".join(render(status, width=200).split())
    assert "not sound 2 superbasin steps were made by an earlier version" in text
    assert "from KMC step 2 on" in text


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (HaltKind.EXTRAPOLATION, "halted on extrapolation: x; `mlip-kmc select "),
        (HaltKind.UNKNOWN, "halted on extrapolation: x; `mlip-kmc select "),
        (HaltKind.TOO_NEAR, "halted, atoms too near: x; the frame is in "),
    ],
)
def test_what_to_do_after_a_halt_follows_from_its_kind(run, kind, advice):
    halted = replace(read_status(run), condition=Condition.HALTED, halt="x", halt_kind=kind)
    assert _condition(halted).startswith(advice)


def test_it_imports_no_more_than_it_needs():
    """Job scripts ask at every start and end: ASE's constraints alone bring most of scipy, half a second."""
    script = (
        "import sys; import mlip_kmc.cli.status as cli; import mlip_kmc.report.status, mlip_kmc.campaign.state; "
        "print([name for name in ('scipy', 'ase', 'pydantic', 'distributed', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
