"""Faults at the Nth system call of the thread that commits, for every N until the fault no longer comes, and a start after each.

strace injects them: SIGKILL before the call, or an error in its place, once or from then on. A violation is a start that is
refused, a committed event that is gone, or a trajectory that is not the undisturbed run's. `just kills` takes every N (or, with
MLIP_KMC_FAULTS=3, every third); the short version takes some, of as many as an undisturbed run makes. All of this prints how many
faults came.
"""

import functools
import itertools
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlip_kmc.ground.errors import EXIT_DONE, EXIT_MORE_TO_DO, RunStateError, StorageError
from mlip_kmc.store.view import RunView

from .lane import EVERY, outcome, told_events

# system call: every so many of them in the short version; None: only `just kills` looks at it
CALLS = {
    "fsync": 67,
    "rename": 71,
    "write": 89,
    "unlink": 13,
    "unlinkat": 19,
    "mkdir": None,
    "sendfile": None,
    "ftruncate": None,
    "fdatasync": None,
    "writev": None,
    "pwrite64": None,
    "rmdir": None,
    "renameat2": None,
    "copy_file_range": None,
}
CHANGES_FILES = [call for call, stride in CALLS.items() if EVERY or stride]
ERRORS = [(error, lasting) for lasting in ("", "+") for error in ("ENOSPC", "EIO", "EDQUOT")]


@pytest.fixture(scope="session")
def made(lanes, small, undisturbed):
    """How many of each call the undisturbed run makes; one number more would cost the short version a whole run."""
    return {} if EVERY else lanes[0].counted(small, small.parent / "counted", calls=CHANGES_FILES)


def numbers(call, made, *, first):
    """Those of the calls that faults come at."""
    if EVERY:
        return itertools.count(first, EVERY)
    return range(first, made[call] + 1, CALLS[call])


def until_it_no_longer_comes(lanes, numbers, play):
    """Play the numbers on all lanes until one brings no fault; answer how many brought one."""
    waiting, lock, over = iter(numbers), threading.Lock(), threading.Event()

    def work(lane):
        came = 0
        while not over.is_set():
            with lock:
                number = next(waiting, None)
            if number is not None and play(lane, number):
                came += 1
            else:
                over.set()
        return came

    with ThreadPoolExecutor(len(lanes)) as pool:
        return sum(pool.map(work, lanes))


def committed(run):
    """The events that the newest generation holds; none where nothing was committed yet."""
    try:
        with RunView.read(run, detail="numbers") as view:
            return list(view.events)
    except RunStateError as error:
        if "is no run directory" in str(error) or "nothing is committed yet" in str(error):
            return []
        raise


def check(run, ended, *, lane, config, undisturbed):
    """What was committed is there, and a start goes on to the undisturbed run's end."""
    events = committed(run)
    assert len(events) >= told_events(ended.stdout)
    assert events == undisturbed["events"][: len(events)]
    again = lane.run(config, run)
    assert (again.returncode, again.stderr) == (0, ""), again
    assert "warning: " not in again.stdout, "a fault at a commit damages nothing that counts"
    assert outcome(run) == undisturbed
    assert not [
        path for path in run.rglob(".*.tmp") if path.parent.name not in ("results", run.name)
    ]


def ended_well(ended):
    """It went on, paused, or ended with one line about the storage."""
    assert ended.one_line, ended
    assert ended.returncode in (EXIT_DONE, EXIT_MORE_TO_DO, StorageError.exit_code), ended
    if ended.returncode == StorageError.exit_code:
        assert ended.stderr.startswith("mlip-kmc: cannot ")


def tried(lanes, small, undisturbed, memory, *, call, fault, numbers):
    """Inject `fault(N)` at call N for all numbers; answer how many came, and every violation in words."""
    violations = []

    def play(lane, number):
        run, what = memory / f"{call}-{number}", fault(number)
        try:
            ended, came = lane.injected(small, run, call=call, what=what)
            if came and "KILL" in what:
                assert ended.returncode == -signal.SIGKILL, ended
            else:
                ended_well(ended)
            check(run, ended, lane=lane, config=small, undisturbed=undisturbed)
        except (AssertionError, Exception) as error:  # noqa: BLE001 - all of them are wanted, not the first
            violations.append(f"{call}:{what}: {type(error).__name__}: {error}")
            print(f"\nviolation {violations[-1]}", flush=True)
            came = True
        shutil.rmtree(run, ignore_errors=True)
        return came

    return until_it_no_longer_comes(lanes, numbers, play), violations


@pytest.fixture
def trying(lanes, small, undisturbed, memory):
    """`tried`, of the small run."""
    return functools.partial(tried, lanes, small, undisturbed, memory)


@pytest.mark.parametrize("call", CHANGES_FILES)
def test_sigkill_at_every_call_that_changes_files(trying, made, call):
    came, violations = trying(
        call=call,
        fault=lambda n: f"signal=KILL:when={n}",
        numbers=numbers(call, made, first=1),
    )
    print(f"\n{call}: {came} kills, {len(violations)} violations")
    assert not violations, "\n".join(violations)
    assert came or CALLS[call] is None


@pytest.mark.parametrize("call", CHANGES_FILES)
def test_errors_of_the_disk_at_every_call_that_changes_files(trying, made, call):
    """The kind of error changes from one N to the next, so each kind comes at every sixth."""

    def fault(number):
        error, lasting = ERRORS[number % len(ERRORS)]
        return f"error={error}:when={number}{lasting}"

    came, violations = trying(
        call=call,
        fault=fault,
        numbers=numbers(call, made, first=2),
    )
    print(f"\n{call}: {came} errors, {len(violations)} violations")
    assert not violations, "\n".join(violations)
    assert came or CALLS[call] is None
