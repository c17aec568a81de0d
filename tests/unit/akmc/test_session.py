"""How a session ends: by kinds of halts, wishes and workers, not by words."""

from types import SimpleNamespace

import pytest

from mlip_kmc.akmc.options import Remote, RunOptions, Signals
from mlip_kmc.akmc.session import Session
from mlip_kmc.ground.errors import ProgramError
from mlip_kmc.model.records import HaltKind, RunNumbers, Status


class Roll(SimpleNamespace):
    def nodes(self):
        return {}


class Server:
    """Ticks so many times; then it is done."""

    def __init__(self, *, numbers=None, ticks=3, outcomes=None):
        self.numbers, self.ticks, self.outcomes = numbers or RunNumbers(), ticks, outcomes or {}
        self.config = SimpleNamespace(
            stop=SimpleNamespace(wall_time_min=None), gamma=SimpleNamespace(on_halt="stop")
        )
        self.draining, self.settled = False, 0

    halt = property(lambda self: self.numbers.halt)
    drained = property(lambda self: self.draining)

    def tick(self, timeout_s):
        self.ticks -= 1
        return None if self.ticks else "2 of 2 KMC steps are done"

    def progress(self):
        return None

    def drain(self):
        self.draining = True

    def settle(self):
        self.settled += 1


def session(server, tmp_path, *, signals=None, remote=None, total=1, joined=True, lost=False):
    cluster = SimpleNamespace(
        roll=Roll(total=total, joined=joined), running=0, waiting=0, lost=lost
    )
    return Session(
        server,
        cluster=cluster,
        pulse=SimpleNamespace(beat=lambda *_, **__: None),
        run_dir=tmp_path,
        options=RunOptions(remote=remote),
        signals=signals or Signals(),
    )


@pytest.mark.parametrize(("kind", "advice"), [
    (HaltKind.EXTRAPOLATION, "`mlip-kmc select"),
    (HaltKind.TOO_NEAR, "displace less"),
    (HaltKind.UNKNOWN, "fit the potential again so that it knows such structures"),
])  # fmt: skip
def test_what_to_do_follows_from_the_kind_of_a_halt_whatever_its_words(tmp_path, kind, advice):
    for words in ("gamma 17 in a state nearer to nothing", "atoms came close"):
        numbers = RunNumbers(halt=words, halt_kind=str(kind))
        status, reason = session(Server(numbers=numbers), tmp_path).go()
        assert status is Status.HALTED
        assert reason.startswith(f"{words}; ")
        assert advice in reason


def test_a_run_that_is_done_says_how_many_searches_were_halted(tmp_path):
    found = session(Server(outcomes={"new": 3, "halted": 1}), tmp_path).go()
    assert found[0] is Status.DONE
    assert "1 of 4 searches (25.0%) were halted on extrapolation" in found[1]


@pytest.mark.parametrize("wish", ["stop", "drain"])
def test_a_wish_ends_it_and_the_same_command_continues(tmp_path, wish):
    signals, server = Signals(), Server(ticks=10)
    getattr(signals, wish).set()
    status, reason = session(server, tmp_path, signals=signals).go()
    assert (status, reason) == (
        Status.MORE_TO_DO,
        "stopped on request; the same command continues",
    )
    assert server.draining == (wish == "drain")
    assert server.settled == 1, "what is registered is committed"
    assert server.ticks == (9 if wish == "stop" else 8)


def test_a_lost_scheduler_ends_it(tmp_path):
    status, reason = session(Server(ticks=10), tmp_path, lost=True).go()
    assert status is Status.MORE_TO_DO
    assert reason.startswith("the scheduler of the workers is gone")


def test_workers_that_never_join_fail_it_and_those_that_left_pause_it(tmp_path):
    remote = Remote(patience_min=0.0)
    with pytest.raises(ProgramError, match="no worker was there for 0 min; start some with"):
        session(server := Server(ticks=10**6), tmp_path, remote=remote, total=0, joined=False).go()
    assert server.settled == 1
    status, reason = session(Server(ticks=10**6), tmp_path, remote=remote, total=0).go()
    assert status is Status.MORE_TO_DO
    assert reason.startswith("all workers have left")
