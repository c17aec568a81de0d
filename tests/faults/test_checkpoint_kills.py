"""A kill at every operation on files that a commit makes: the last reported generation, or a newer whole one, is there."""

import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import pytest

from mlip_kmc.model.records import identity_of
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.run_directory import RunDirectory

FACTS = {"seed": 1}
ME = identity_of(FACTS)
GENERATIONS = 3
_WATCHED = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "os.chmod",
    "shutil.copyfile",
}


def state_of(store):
    return {
        p.relative_to(store.root).as_posix(): p.read_text()
        for p in store.root.rglob("*")
        if p.is_file()
    }


def content(number):
    return {
        "states/0/info": f"info {number}",
        "states/state_table": f"table {number}",
        **{f"states/0/procdata/{i}.con": f"saddle {i}" for i in range(number)},
    }


def play(base, report):
    """Commit generations on top of what is there; tell `report` about each that counts."""
    with RunDirectory(base) as directory:
        store = Checkpoints(directory)
        saved = store.restore(ME)
        first = saved.state["n"] + 1 if saved else 0
        for number in range(first, first + GENERATIONS):
            for name, text in content(number).items():
                path = store.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            if number:  # a run's first generation says only that it begins
                store.append("events", json.dumps({"n": number}))
            if not store.epochs:
                store.begin_epoch(FACTS, inputs={})
            store.commit({"n": number}, touched=["states/0", "states/state_table"])
            report(number)


def killed_at(base, operation, pipe_write):
    """In a child: SIGKILL itself at the given operation on files (opens, renames, removals, syncs, ...)."""
    count = 0

    def tick():
        nonlocal count
        count += 1
        if count == operation:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event, arguments):
        if event in _WATCHED and (event != "open" or str(base) in str(arguments[0])):
            tick()

    real_fsync = os.fsync

    def fsync(descriptor):
        tick()
        real_fsync(descriptor)
        tick()

    os.fsync = fsync
    sys.addaudithook(hook)
    play(base, lambda number: os.write(pipe_write, bytes([number])))
    os._exit(0)


@pytest.fixture
def memory(tmp_path):
    """A folder in memory where there is one: a kill needs no real disk, and hundreds of runs are quick there."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_kill_at_every_operation_loses_nothing_that_was_reported(memory, rounds):
    """In round 2 the killed run is continued and killed at the same operation again, before it is checked."""
    operation, finished = 0, False
    while not finished:
        operation += 1
        base, reported = memory / f"{rounds}-{operation}", -1
        for _ in range(rounds):
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(read)
                try:
                    killed_at(base, operation, write)
                except BaseException:  # noqa: BLE001 - a child says all it can
                    traceback.print_exc()
                finally:
                    os._exit(1)
            os.close(write)
            with os.fdopen(read, "rb") as told:
                reported = max([reported, *told.read()])
            _, status = os.waitpid(child, 0)
            finished = os.WIFEXITED(status)
            assert not finished or os.WEXITSTATUS(status) == 0
        with RunDirectory(base) as directory:
            store = Checkpoints(directory)
            saved = store.restore(ME)
            number = saved.state["n"] if saved else -1
            assert number >= reported
            assert state_of(store) == (content(number) if saved else {})
            assert [json.loads(line)["n"] for line in store.records("events")] == list(
                range(1, number + 1)
            )
        shutil.rmtree(base)
    assert (
        operation > 60
    )  # the loop reached the end of a run that was not killed, and had something to kill on the way
