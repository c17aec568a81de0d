"""Time limits of a process that may have been stopped: on a clock that tests turn."""

import os
import signal
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlip_kmc.ground.programs import AwakeClock, Program, ProgramEnd

LONG_S = 600.0


class Hand:
    """A clock that a test turns."""

    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


@given(st.lists(st.floats(0.0, 1e5), max_size=30))
def test_each_gap_counts_as_no_more_than_a_look(gaps):
    hand = Hand()
    clock = AwakeClock(longest_gap_s=2.0, monotonic=hand)
    for gap in gaps:
        hand.s += gap
        clock.now()
    assert clock.now() == pytest.approx(sum(min(gap, 2.0) for gap in gaps), abs=1e-6)
    assert clock.slept_s == pytest.approx(sum(max(gap - 2.0, 0.0) for gap in gaps), abs=1e-6)


def test_it_starts_at_zero():
    assert AwakeClock(monotonic=Hand()).now() == 0.0


def test_a_program_that_ended_while_this_process_was_stopped_ended_by_itself(tmp_path, monkeypatch):
    """The limit is over when we wake, and nobody has yet read that the program is done: it is no time limit."""
    hand, release = Hand(), tmp_path / "release"
    monkeypatch.setattr(
        "mlip_kmc.ground.programs.program.AwakeClock", lambda: AwakeClock(monotonic=hand)
    )
    os.mkfifo(release)
    looked = threading.Event()

    def look():
        if not looked.is_set():
            hand.s += 1e6  # asleep
            looked.set()
            release.write_text("x")
        return False

    python = Program(name="python", path=sys.executable, guard=None)
    done = python.run(
        ["-c", "open('release').read()"], cwd=tmp_path, time_limit_s=LONG_S, look=look
    )
    assert (done.end, done.returncode) == (ProgramEnd.EXITED, 0)
    assert done.slept_s == pytest.approx(1e6, abs=3.0)


def test_without_a_sleep_the_limit_holds(tmp_path):
    python = Program(name="python", path=sys.executable, guard=None)
    done = python.run(["-c", "import signal; signal.pause()"], cwd=tmp_path, time_limit_s=0.05)
    assert (done.end, done.returncode, done.slept_s) == (ProgramEnd.TIMED_OUT, -signal.SIGKILL, 0.0)
