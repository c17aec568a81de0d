"""How often what is registered is committed: by what a commit takes, within limits."""

import pytest

from mlip_kmc.akmc.intervals import Intervals


class Clock:
    """Goes on when it is told."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def commit(intervals, clock, took_s):
    with intervals.commit():
        clock.now += took_s


@pytest.mark.parametrize(
    ("took_s", "interval_s"), [(0.0, 0.25), (0.0001, 0.25), (0.005, 1.0), (0.009, 1.8), (0.5, 2.0)]
)
def test_commits_take_a_share_of_the_time_within_limits(clock, took_s, interval_s):
    intervals = Intervals(share=0.005, least_s=0.25, most_s=2.0, clock=clock)
    assert intervals.over, "the first is due at once"
    for _ in range(3):
        commit(intervals, clock, took_s)
        clock.now += interval_s - 0.001
        assert not intervals.over
        clock.now += 0.002
        assert intervals.over


def test_the_last_commits_count_for_more(clock):
    intervals = Intervals(share=0.01, least_s=0.1, most_s=10.0, clock=clock)
    commit(intervals, clock, 0.040)
    commit(intervals, clock, 0.020)  # as if it took 0.030
    clock.now += 2.99
    assert not intervals.over
    clock.now += 0.02
    assert intervals.over


def test_what_does_not_wait_ends_it(clock):
    intervals = Intervals(clock=clock)
    commit(intervals, clock, 0.1)
    assert not intervals.over
    intervals.end()
    assert intervals.over
    commit(intervals, clock, 0.1)
    assert not intervals.over


def test_a_commit_that_fails_leaves_it_due(clock):
    intervals = Intervals(clock=clock)
    with pytest.raises(OSError, match="full"), intervals.commit():
        raise OSError("full")
    assert intervals.over
