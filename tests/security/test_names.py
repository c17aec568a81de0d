"""Files and directories whose names something else would act on: real runs, in which nothing but the run happens."""

import json
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.faults.lane import kill_tree, write_config
from tests.integration.conftest import EXAMPLE

from mlip_kmc.config import load_config
from mlip_kmc.driver.runtime import PROGRAM, write_program
from mlip_kmc.potential.inputs import potential_of

from .nasty import CANARY, TEXTS

NAMES = {
    what: text.replace("/", "")
    for what, text in TEXTS.items()
    if "\0" not in text and not text.startswith(("..", "~"))
}
OF_FILES = {what: name for what, name in NAMES.items() if name.isprintable()}
"""A configuration names no files with control characters."""
TOGETHER = {
    "a shell's": "a'b\"c $(touch canary) `touch canary`; touch canary & ${HOME} | touch canary > canary",
    "line breaks": "a\ntouch canary\n",
    "LAMMPS'": "include canary & v_x ${x} # y",
    "an option": "--help",
    "a terminal's": "[/bold]\x1b]0;x\x07\u00e9",
}  # fmt: skip
"""Several at once: a run takes seconds."""


def canaries(folder):
    """`find` looks through the thousands of folders of a whole series of tests in a moment."""
    places = [folder, Path.cwd(), Path("/tmp")]  # noqa: S108
    command = [
        "find",
        *places,
        "-name",
        CANARY,
        "-print0",
    ]  # its code tells of folders that went meanwhile
    return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout.split(b"\0")[:-1]


def ace_config(folder, name, *, search=None, **potential):
    """The example's inputs under other names."""
    for ending in ("yace", "yaml", "asi"):
        shutil.copy(EXAMPLE / f"cu.{ending}", folder / f"{name}.{ending}")
    shutil.copy(EXAMPLE / "vacancy.xyz", folder / f"{name}.xyz")
    settings = {
        "structure": f"{name}.xyz",
        "potential": {"ace": f"{name}.yace", **potential},
        "temperature_K": 500,
        "workers": 2,
        "search": {
            "displacement_A": 0.3,
            "displace": "under_coordinated",
            "displacement_radius_A": 3.0,
            **(search or {}),
        },
    }
    (folder / f"{name}.conf").write_text(yaml.safe_dump(settings))
    return folder / f"{name}.conf"


@pytest.mark.parametrize("what", OF_FILES)
def test_a_files_name_is_in_no_input(tmp_path, what):
    name = OF_FILES[what]
    config = load_config(ace_config(tmp_path, name))
    potential = potential_of(config)
    files = potential.job_files(("Cu",), gamma=config.gamma)
    plain = load_config(ace_config(tmp_path, "plain"))
    assert files == potential_of(plain).job_files(("Cu",), gamma=plain.gamma)
    assert all(link.isascii() and link.replace(".", "").isalnum() for link in potential.job_links())


@pytest.mark.parametrize("what", NAMES)
def test_the_program_that_eon_calls_is_its_text_and_no_more(tmp_path, what):
    folder = tmp_path / NAMES[what]
    folder.mkdir()
    program = write_program(folder, digest="0" * 64)
    assert stat.S_IMODE(program.stat().st_mode) == 0o700
    done = subprocess.run(
        [str(folder / PROGRAM)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode not in (0, 126, 127)
    assert "Traceback" not in done.stderr
    assert "pace_driver: " in done.stderr
    assert canaries(tmp_path) == []


def run_under(lane, folder, name, *, printable, **changes):
    """`search -n 2`, everything that can be named having the name; answer how it ended."""
    home = folder / name
    for place in ("scratch", "runtime"):
        (home / place / name).mkdir(parents=True)
    config = ace_config(home, name if printable else "plain", **changes)
    environment = {
        "MLIP_KMC_SCRATCH": str(home / "scratch" / name),
        "XDG_RUNTIME_DIR": str(home / "runtime" / name),
    }
    done = lane.command(
        "search", "-n", "2", "--dir", f"./{name}", "--", config, cwd=home, environment=environment
    )
    assert not list((home / "scratch" / name).iterdir()), "nothing is left behind"
    return done, home / name


@pytest.mark.parametrize(
    ("what", "engine"), [*((what, "native") for what in TOGETHER), ("a shell's", "eon")]
)
def test_a_run_among_such_names(lane, tmp_path, what, engine):
    name = TOGETHER[what]
    done, run = run_under(
        lane, tmp_path, name, printable=name.isprintable(), search={"engine": engine}
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert canaries(tmp_path) == []
    ini = (run / "eon/config.ini").read_text()
    assert str(tmp_path) not in ini
    whereabouts = json.loads((run / "potential.json").read_text())
    assert Path(whereabouts["ace"]).is_file()
    told = lane.command("status", "--", run, cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("what", ["a shell's", "line breaks"])
def test_a_run_through_the_driver_among_such_names(lane, tmp_path, what):
    """eOn hands the driver's program to a shell: under a fixed name, in a directory that it changes to.

    A call starts a process: searches are given up soon.
    """
    name, few = TOGETHER[what], {"engine": "eon", "max_iterations": 5}
    done, _ = run_under(
        lane, tmp_path, name, printable=name.isprintable(), path="driver", search=few
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert canaries(tmp_path) == []


def test_a_runs_files_are_its_owners(tmp_path):
    """Nobody else can write, and what is a key nobody else can read, while the run goes on."""
    config = write_config(tmp_path, stop={"kmc_steps": 100000})
    process = subprocess.Popen(
        [sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", "run"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        umask=0o022,
    )
    try:
        while not (tmp_path / "run/generations/00000003.json").exists():
            assert process.poll() is None
            time.sleep(0.01)
        seen = 0
        for path in (tmp_path / "run").rglob("*"):
            try:
                mode, data = path.stat().st_mode, path.read_bytes() if path.is_file() else b""
            except FileNotFoundError:  # the run goes on
                continue
            seen += 1
            assert not mode & (stat.S_IWGRP | stat.S_IWOTH), path
            assert b"PRIVATE KEY" not in data or not mode & 0o077, path
        assert seen > 20
    finally:
        kill_tree(process.pid)
        process.wait()
