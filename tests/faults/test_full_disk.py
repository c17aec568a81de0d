"""A full disk pauses a run; when there is room it goes on, and nothing was committed by half."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.integration.conftest import mlip_kmc, write_config

from mlip_kmc.model.records import Event, SearchRecord, read_lines

from .lane import kill_tree

DISK_MB = 90
SMALL_MB = 30  # a run needs 50
DEADLINE_S = 240


# a process that holds a mount namespace with the disk in it, until its standard input ends
HOLDER = """
import ctypes, os, sys
user, group = os.getuid(), os.getgid()
os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
    open(f"/proc/self/{name}", "w").write(text)
if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", sys.argv[1].encode(), b"tmpfs", 0, sys.argv[2].encode()) != 0:
    sys.exit(f"cannot mount a small file system: {os.strerror(ctypes.get_errno())}")
print("held", flush=True)
sys.stdin.read()
"""


class Disk:
    """A small file system of its own, that only processes with `enter` see at `path`; here it is seen at `seen`."""

    def __init__(self, path, holder):
        self.path, self._pid = path, holder.pid
        self.seen = Path(f"/proc/{holder.pid}/root{path}")

    @property
    def namespaces(self):
        kinds = {"user": os.CLONE_NEWUSER, "mnt": os.CLONE_NEWNS}
        return [(f"/proc/{self._pid}/ns/{name}", kind) for name, kind in kinds.items()]

    def enter(self):
        for path, kind in self.namespaces:
            descriptor = os.open(path, os.O_RDONLY)
            os.setns(descriptor, kind)
            os.close(descriptor)

    def leave(self, free_MB):
        """Fill it but for so much."""
        self.fill()
        os.truncate(
            self.seen / "ballast", (self.seen / "ballast").stat().st_size - int(free_MB * 1e6)
        )

    def fill(self):
        with (
            contextlib.suppress(OSError),
            (self.seen / "ballast").open("wb", buffering=0) as ballast,
        ):
            for size in (1_000_000, 4096, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(b"x" * size):
                        pass

    def empty(self):
        (self.seen / "ballast").unlink()


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder), f"size={DISK_MB}m"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:  # fmt: skip
        assert holder.stdout.readline() == "held\n"
        yield Disk(folder, holder)
        holder.stdin.close()


def physics(run):
    return (
        [vars(event) for event in read_lines(run / "journal/events.jsonl", Event)],
        [
            {**vars(record), "seconds": 0}
            for record in read_lines(run / "journal/searches.jsonl", SearchRecord)
        ],
    )


def until(condition, process):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None, process.end()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def phase(run):
    with contextlib.suppress(OSError, ValueError):
        return json.loads((run / "live.json").read_text())["phase"]
    return ""


class Run:
    """`mlip-kmc run` on a small disk."""

    def __init__(self, lane, config, disk, *, log=None):
        arguments = ["run", config, "--dir", disk.path / "run"]
        self._lane, self.returncode, self._said = lane, None, ""
        self._pid = lane.begin(arguments, cwd=config.parent, enter=disk.namespaces, log=log)

    def poll(self):
        if self.returncode is None and self._lane.has_ended():
            self.end()
        return self.returncode

    def end(self):
        """Wait for it; answer what it said."""
        if self.returncode is None:
            ended = self._lane.wait(self._pid, DEADLINE_S)
            self.returncode, self._said = ended.returncode, ended.stdout + ended.stderr
        return self._said

    def send_signal(self, number):
        os.kill(self._pid, number)

    def kill(self):
        if self.returncode is None:
            kill_tree(self._pid)
            self.end()


@pytest.fixture
def start(lanes, disk):
    """Start a run; one at a time."""
    started = []

    def start(config, *, log=None):
        started.append(Run(lanes[0], config, disk, log=log))
        return started[-1]

    yield start
    for run in started:
        run.kill()


LONG = {"confidence": {"value": 0.6}}
"""Searches enough for a machine that is busy: the run must not end before the disk is full."""


def searching(run, process):
    until(lambda: phase(run) == "searching" and (run / "journal/searches.jsonl").exists(), process)


def fill_while_it_searches(disk, run, process):
    searching(run, process)
    process.send_signal(signal.SIGSTOP)
    disk.fill()
    process.send_signal(signal.SIGCONT)


def test_it_waits_for_room_and_goes_on(tmp_path, disk, start):
    run = disk.seen / "run"
    config = write_config(tmp_path, stop={"kmc_steps": 2}, **LONG)
    process = start(config)
    for _ in range(2):
        fill_while_it_searches(disk, run, process)
        until(lambda: "paused" in phase(run), process)
        status = mlip_kmc("status", run, cwd=tmp_path)
        assert "paused: the disk is full" in status.stdout, status.stdout
        disk.empty()
    out = process.end()
    assert process.returncode == 0, out
    assert out.count("there is room again: the run goes on from its last commit") == 2, out
    whole = mlip_kmc("run", config, "--dir", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    assert physics(run) == physics(tmp_path / "whole")


@pytest.mark.parametrize(
    ("number", "limit_min", "code"),
    [(signal.SIGTERM, None, 75), (signal.SIGUSR1, None, 75), (None, 0, 8)],
)
def test_a_paused_run_ends_when_it_is_told_or_has_waited_enough(
    tmp_path, disk, start, *, number, limit_min, code
):
    run = disk.seen / "run"
    config = write_config(tmp_path, stop={"wait_for_room_min": limit_min, "kmc_steps": 1}, **LONG)
    process = start(config, log=disk.path / "log")  # on the full disk, too
    fill_while_it_searches(disk, run, process)
    if number is not None:
        until(lambda: "paused" in phase(run), process)
        process.send_signal(number)
    process.end()
    out = (disk.seen / "log").read_text()
    assert process.returncode == code, out
    assert "Traceback" not in out
    disk.empty()
    again = start(config)
    out = again.end()
    assert again.returncode == 0, out


def test_one_rule_for_starting_and_for_going_on(tmp_path, disk, start):
    """On a small disk a run neither starts nor goes on; where it was begun already it waits."""
    config = write_config(tmp_path, stop={"kmc_steps": 1})
    disk.leave(SMALL_MB)
    new = start(config)
    out = new.end()
    assert new.returncode == 8, out
    assert (
        f"there is no room for 50 MB in {disk.path / 'run'}, which a run needs to start and to go on; make room"
        in out
    )
    disk.empty()
    first = start(config)
    searching(disk.seen / "run", first)
    first.kill()
    disk.leave(SMALL_MB)
    again = start(config)
    until(lambda: "paused" in phase(disk.seen / "run"), again)
    disk.empty()
    out = again.end()
    assert again.returncode == 0, out
    assert "paused: there is no room for 50 MB in" in out
    assert "there is room again: the run goes on from its last commit" in out
    disk.leave(SMALL_MB)
    done = start(config)
    out = done.end()
    assert done.returncode == 0, "a run that is done needs no room"


LABELS = """
import sys, threading
from pathlib import Path
from ase.build import bulk
from mlip_kmc.config.campaign import AseOracle, CutoutSection, LabelsSection
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.learning.cutout import cut_out
from mlip_kmc.learning.labels.desk import LabelDesk

folder = Path(sys.argv[1])
oracle = AseOracle(ase="ase.calculators.emt:EMT")
desk = LabelDesk(folder / "labels", oracle=oracle, section=LabelsSection(), cache=folder / "cache")
atoms = bulk("Cu", cubic=True)
atoms.rattle(0.1)
piece = cut_out(atoms, [0], name="0_1-1", section=CutoutSection(), cutoff_A=5.0)
for words in sys.stdin:
    try:
        if "ask" in words:
            desk.wanted([piece])
        if "pass" in words:
            desk.pass_(threading.Event())
        told = "well"
    except StorageError as error:
        told = f"{error.exit_code}: {error}"
    status = desk.status()
    print(status.done, status.failed, status.waiting, told, flush=True)
"""


def test_labels_wait_for_room(tmp_path, disk):
    """On a full disk nothing is recorded as failed; when there is room, the same pass goes on."""
    (tmp_path / "labels.py").write_text(LABELS)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "labels.py"), str(disk.path)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=disk.enter,  # noqa: PLW1509
    )

    def told(words):
        process.stdin.write(f"{words}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        disk.fill()
        answer = told("ask")
        assert answer.startswith("0 0 0 8: cannot write"), answer
        assert answer.endswith("the disk is full; make room and run the same command again")
        disk.empty()
        assert told("ask") == "0 0 1 well"
        disk.leave(0.009)  # the request is there; an answer has no room
        answer = told("pass")
        assert answer.startswith("0 0 1 8: "), answer
        assert "make room and run the same command again" in answer
        disk.empty()
        assert told("pass") == "1 0 0 well"
    finally:
        process.kill()
        process.communicate()
