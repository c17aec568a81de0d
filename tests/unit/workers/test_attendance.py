"""Workers that fall silent, and workers that dask loses: on a real scheduler, with a client that does as it is told."""

import json
import os
import threading
import time

import dask
import pytest

from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.programs import AwakeClock
from mlip_kmc.workers.attendance import Silence
from mlip_kmc.workers.cluster import SearchCluster
from mlip_kmc.workers.crew import Crew
from mlip_kmc.workers.dask_settings import configure_dask
from mlip_kmc.workers.keys import connection_file

from ...fake_client import orders_to

DEADLINE_S = 60.0
CLIENT = """#!/bin/sh
echo $$ >"$(cat pidfile)"
[ "$(cat order)" = finish ] || exec sleep 3600
echo "11 termination_reason" >results.dat
"""


class Hand:
    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


@pytest.fixture
def orders(tmp_path, monkeypatch):
    return orders_to(CLIENT, tmp_path, monkeypatch)


def until(condition, *, what):
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited for: {what}"
        threading.Event().wait(0.02)
    return found


def collected(cluster, count):
    found, deadline = {}, time.monotonic() + DEADLINE_S
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found.update({done.name: done.end for done in cluster.wait(0.2)})
    return found


# -- silence


def silence(limit_s=60.0):
    hand = Hand()
    return hand, Silence(limit_s=limit_s, clock=AwakeClock(longest_gap_s=2.0, monotonic=hand))


@pytest.mark.parametrize("slept_s", [15.0, 59.0, 60.0, 61.0, 62.0, 65.0, 75.0, 110.0, 3600.0, 1e6])
def test_nobody_is_given_up_for_the_sleep_of_the_scheduler(slept_s):
    """The heartbeats that came meanwhile are read after the first look."""
    hand, watch = silence()
    assert watch.silent_now({"a": 0.0, "b": 0.0}) == []
    hand.s += slept_s
    assert watch.silent_now({"a": 0.0, "b": 0.0}) == []
    hand.s += 1.0
    assert watch.silent_now({"a": slept_s + 1.0, "b": 0.0}) == []


def test_who_stays_silent_is_given_up_by_waking_time():
    hand, watch = silence()
    watch.silent_now({"a": 0.0, "b": 0.0})
    hand.s += 1000.0  # counts as 2
    gone = []
    for second in range(1, 62):
        hand.s += 1.0
        gone.append(watch.silent_now({"a": float(second), "b": 0.0}))
    assert gone == [[]] * 59 + [["b"]] * 2


def test_who_comes_back_starts_anew():
    hand, watch = silence()
    for seen in (0.0, 0.0, 0.0, 7.0):
        assert watch.silent_now({"a": seen}) == []
        hand.s += 1.5
    assert watch.silent_now({}) == []
    for _ in range(40):
        hand.s += 1.5
        assert watch.silent_now({"a": 7.0}) == []


def test_many_workers_have_the_time_that_their_heartbeats_take():
    hand, watch = silence(limit_s=1.0)
    crowd = {str(number): 0.0 for number in range(1000)}  # a heartbeat every 6 s each
    watch.silent_now(crowd)
    for _ in range(23):
        hand.s += 1.0
        assert watch.silent_now(crowd) == []
    hand.s += 2.0
    assert len(watch.silent_now(crowd)) == 1000


def test_a_death_is_blamed_on_the_search_only_where_all_were_awake():
    hand, watch = silence()
    watch.silent_now({"killed": 0.0, "paused": 0.0, "later": 0.0})
    for second in range(1, 46):  # a connection to a paused machine ends after 45 s
        hand.s += 1.0
        watch.silent_now({"killed": float(second), "paused": 0.0, "later": float(second)})
    assert not watch.explains("killed")
    assert watch.explains("paused")
    watch.silent_now({"later": 46.0})  # both are gone
    assert [watch.explains(name) for name in ("killed", "paused", "never there")] == [
        False,
        True,
        False,
    ]
    hand.s += 46.0  # this machine was paused, and connections have ended meanwhile
    assert watch.explains("later")
    for second in range(61):
        hand.s += 1.0
        watch.silent_now({"later": 100.0 + second})
    assert not watch.explains("later")


# -- workers of this process


def test_dasks_own_check_of_silence_is_off(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "importlib.metadata.version", lambda _: "1"
    )  # the package need not be installed
    with SearchCluster.local(workers=1) as cluster:
        assert "worker-ttl" not in cluster._cluster.scheduler.periodic_callbacks
    with SearchCluster.joined(file=connection_file(tmp_path), files={}) as cluster:
        assert "worker-ttl" not in cluster._cluster.scheduler.periodic_callbacks


async def give_up(scheduler):
    """As dask's check does with a worker that it thinks dead."""
    await scheduler.restart_workers(
        list(scheduler.workers), wait_for_workers=False, stimulus_id="test"
    )


def test_a_worker_that_dask_gives_up_is_replaced_and_its_searches_run_again(tmp_path, orders):
    with SearchCluster.local(workers=2) as cluster:
        scheduler = cluster._cluster.scheduler
        for name in ("0_0", "0_1", "0_2"):
            cluster.submit(orders(name, "sleep"))
        for left in range(1, 3):
            until(
                lambda: (tmp_path / "0_0.pid").exists() and (tmp_path / "0_1.pid").exists(),
                what="two clients",
            )
            (tmp_path / "0_0.pid").unlink()
            (tmp_path / "0_1.pid").unlink()
            cluster._client.sync(give_up, scheduler)
            until(
                lambda left=left: cluster.roll.left == left and cluster.slots == 2,
                what="another worker",
            )
        until(
            lambda: (tmp_path / "0_0.pid").exists() and (tmp_path / "0_1.pid").exists(),
            what="the same searches",
        )
        assert (cluster.running, cluster.waiting, cluster.lost) == (2, 0, False)
        assert cluster.cancel(["0_0", "0_1", "0_2"]) == 2
        cluster.submit(orders("0_3", "finish"))
        assert collected(cluster, 1) == {"0_3": End.FINISHED}


def test_a_search_that_dask_loses_runs_again(tmp_path, orders):
    with SearchCluster.local(workers=1) as cluster:
        cluster.submit(orders("0_0", "sleep"))
        until((tmp_path / "0_0.pid").exists, what="its client")
        (tmp_path / "0_0.pid").unlink()
        cluster._client.cancel(
            [p.future for p in cluster._sent._by_key.values()], force=True
        )  # not by us
        until((tmp_path / "0_0.pid").exists, what="its client, again")
        assert cluster.running == 1


def test_a_lost_scheduler_is_told(orders):
    with SearchCluster.local(workers=1) as cluster:
        assert not cluster.lost
        cluster._client.close()
        assert cluster.lost
        cluster.submit(orders("0_0", "finish"))  # waits
        assert cluster.waiting == 1


# -- patience


def test_a_crew_does_not_lose_patience_while_it_is_stopped(tmp_path, monkeypatch, caplog):
    """It waits for a run that has not begun, and that may have been stopped with it."""
    hand, looks = Hand(), []
    caplog.set_level("INFO")
    monkeypatch.setattr(
        "mlip_kmc.workers.crew.AwakeClock", lambda **keys: AwakeClock(**keys, monotonic=hand)
    )
    crew = Crew(tmp_path, slots=1)

    def wait(timeout_s):
        looks.append(timeout_s)
        hand.s += 1e6 if len(looks) == 3 else timeout_s  # asleep
        return False

    monkeypatch.setattr(crew.stop, "wait", wait)
    crew.serve(patience_s=60.0)
    assert "no run in" in caplog.messages[-1]
    assert sum(looks) == pytest.approx(60.0 - 5.0, abs=2.0)  # the sleep counts as 5 s


def test_the_claim_of_another_node_has_its_time_after_both_were_stopped(tmp_path, monkeypatch):
    """The other shows that it lives at the second look after the sleep."""
    from mlip_kmc.ground.errors import RunStateError
    from mlip_kmc.store import claim as module

    holder = module.Claim(tmp_path)
    holder.take()
    there = json.loads((tmp_path / module.FILE).read_text()) | {"boot": "of another node"}
    (tmp_path / module.FILE).write_text(json.dumps(there))
    holder._lock.release()  # the other node's lock is not seen here
    hand, looks = Hand(), []
    monkeypatch.setattr(module, "AwakeClock", lambda: AwakeClock(monotonic=hand))

    def sleep(seconds):
        looks.append(seconds)
        hand.s += 3600.0 if len(looks) == 1 else seconds
        if len(looks) == 3:
            os.utime(tmp_path / f"{module.FILE}.{there['token']}.alive", ns=(1, 1))

    monkeypatch.setattr(module.time, "sleep", sleep)
    with pytest.raises(RunStateError, match="is in use by"):
        module.Claim(tmp_path).take()
    assert len(looks) == 3


def test_the_user_s_own_settings_of_dask_are_left_out():
    """As DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION=1h for a cluster of their own: workers would leave after an hour."""
    given = {"DASK_DISTRIBUTED__WORKER__LIFETIME__DURATION": "1h"}
    dask.config.refresh(paths=[], env=given)
    assert dask.config.get("distributed.worker.lifetime.duration") == "1h"
    configure_dask.__wrapped__()
    assert dask.config.get("distributed.worker.lifetime.duration") is None
    assert dask.config.get("distributed.scheduler.allowed-failures") == 0
