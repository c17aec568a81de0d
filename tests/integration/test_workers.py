"""Searches on workers that join: the same trajectory, whatever becomes of the workers."""

import contextlib
import signal
import socket
import ssl
import stat
import time

import psutil
import pytest

from mlip_kmc.evaluate.client import End
from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.workers.cluster import SearchCluster
from mlip_kmc.workers.keys import Connection, connection_file

from ..fake_client import orders_to
from .conftest import SHORT_STEPS, mlip_kmc, to_its_end, write_config
from .processes import DEADLINE_S, descendants, started, until

STEPS = {"stop": {"kmc_steps": SHORT_STEPS}}


def members(process):
    """The worker processes of a crew: those that keep a connection."""
    found = []
    for child in descendants(process):
        with contextlib.suppress(psutil.Error):
            if any(
                connection.status == psutil.CONN_ESTABLISHED
                for connection in child.net_connections("tcp")
            ):
                found.append(child)
    return found


@contextlib.contextmanager
def held(processes):
    """They do nothing meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


def physics(run):
    """What a run did, without what depends on the clock."""
    return (
        [{**vars(event), "time": 0} for event in read_lines(run / "journal/events.jsonl", Event)],
        [
            {**vars(record), "seconds": 0}
            for record in read_lines(run / "journal/searches.jsonl", SearchRecord)
        ],
    )


@pytest.fixture(scope="module")
def local(short_run):
    """A run with its searches in the process itself."""
    return physics(short_run)


def test_the_trajectory_is_that_of_one_process_and_crews_come_and_go(tmp_path, local):
    config, run = write_config(tmp_path, **STEPS), tmp_path / "run"
    with (
        started("worker", run, "--slots", 1) as early,
        started("run", config, "--dir", run, "--remote-workers") as main,
    ):
        until((run / "journal/searches.jsonl").exists, what="searches of the early worker")
        assert stat.S_IMODE(connection_file(run).stat().st_mode) == 0o600
        with started("worker", run, "--slots", 2) as late:
            with held(descendants(early)):  # else the run may end before the others come
                until(lambda: len(members(late)) == 2, what="the late crew")
                victim, other = members(late)
                victim.kill()  # without a word
                with held([other]):
                    until(lambda: len(members(late)) == 2, what="its replacement")
            late.send_signal(signal.SIGTERM)
            assert late.wait(DEADLINE_S) == 0
        out = main.communicate(timeout=DEADLINE_S)[0]
        assert main.returncode == 0, out
        assert early.wait(DEADLINE_S) == 0
        assert "the run has ended" in early.stdout.read()
    assert not connection_file(run).exists()
    assert physics(run) == local


def test_workers_join_again_after_the_scheduler_was_killed(tmp_path, local):
    config, run = write_config(tmp_path, **STEPS), tmp_path / "run"
    with started("worker", run, "--slots", 2) as crew:
        with started("run", config, "--dir", run, "--remote-workers") as main:
            until((run / "journal/searches.jsonl").exists, what="searches")
            main.kill()
        with started("run", config, "--dir", run, "--remote-workers") as main:
            out = main.communicate(timeout=DEADLINE_S)[0]
            assert main.returncode == 0, out
        assert crew.wait(DEADLINE_S) == 0
        assert crew.stdout.read().count("joining the run") == 2
    assert physics(run) == local


def test_usr1_lets_searches_finish_and_term_does_not(tmp_path, local):
    config, run = write_config(tmp_path, **STEPS), tmp_path / "run"
    for number in (signal.SIGUSR1, signal.SIGTERM):
        with started("run", config, "--dir", run) as main:
            until(
                lambda: (run / "live.json").exists() and (run / "journal/searches.jsonl").exists(),
                what="searches",
            )
            main.send_signal(number)
            out = main.communicate(timeout=DEADLINE_S)[0]
            assert main.returncode == 75, out
        status = mlip_kmc("status", run, "--json", cwd=tmp_path)
        assert status.returncode == 0, status.stderr
    to_its_end(config)
    assert physics(run) == local


def test_without_any_worker_the_run_says_so(tmp_path):
    from mlip_kmc.akmc.options import Remote
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.config import load_config
    from mlip_kmc.ground.errors import ProgramError
    from mlip_kmc.potential.inputs import inputs_of

    config = load_config(write_config(tmp_path))
    wrapper = EonWrapper(config, run_dir=tmp_path / "run", remote=Remote(patience_min=0.01))
    with pytest.raises(
        ProgramError, match=r"no worker was there for 0\.01 min; start some with `mlip-kmc worker"
    ):
        wrapper.run_akmc(*inputs_of(config))


# -- a client that does on demand what eOn's does not: it is called as eonclient, and told by a file what to do

FAKE = """#!/bin/sh
case $(cat order) in
    finish) echo "11 termination_reason" >results.dat ;;
    sleep) echo $$ >"$(cat pidfile)"; sleep 3600 ;;
    kill-worker) kill -9 $PPID; sleep 60 ;;
esac
"""


@pytest.fixture
def orders(tmp_path, monkeypatch):
    return orders_to(FAKE, tmp_path, monkeypatch)


def collected(cluster, count):
    found = {}
    deadline = time.monotonic() + DEADLINE_S
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found.update({done.name: done for done in cluster.wait(1.0)})
    return found


def test_a_search_that_kills_its_worker_three_times_is_given_up_and_no_other(tmp_path, orders):
    file = connection_file(tmp_path)
    with (
        SearchCluster.joined(file=file, files={}) as cluster,
        started("worker", tmp_path, "--slots", 2) as crew,
    ):
        for index in range(40):  # by the time of the one, they travel several at a time
            cluster.submit(orders(f"0_{index}", "kill-worker" if index == 12 else "finish"))
        found = collected(cluster, 40)
        assert crew.poll() is None
    assert found["0_12"].end is End.KILLED_WORKERS
    assert {done.end for name, done in found.items() if name != "0_12"} == {End.FINISHED}


def test_a_search_that_is_taken_back_ends_where_it_runs(tmp_path, orders):
    with (
        SearchCluster.joined(file=connection_file(tmp_path), files={}) as cluster,
        started("worker", tmp_path, "--slots", 1),
    ):
        cluster.submit(orders("0_0", "sleep"))
        pid = int(
            until(
                lambda: (tmp_path / "0_0.pid").exists() and (tmp_path / "0_0.pid").read_text(),
                what="its client",
            )
        )
        assert cluster.cancel(["0_0"]) == 1
        until(lambda: not psutil.pid_exists(pid), what="the client's end")
        cluster.submit(orders("0_0", "finish"))  # the same name again
        assert collected(cluster, 1)["0_0"].end is End.FINISHED


def test_a_search_whose_worker_leaves_runs_elsewhere(tmp_path, orders):
    """A polite end cancels what runs; that is no result of the search."""
    with SearchCluster.joined(file=connection_file(tmp_path), files={}) as cluster:
        for times in range(3):
            with started("worker", tmp_path, "--slots", 1) as crew:
                if times == 0:
                    cluster.submit(orders("0_0", "sleep"))
                until(
                    lambda: (tmp_path / "0_0.pid").exists() and (tmp_path / "0_0.pid").read_text(),
                    what="its client",
                )
                (tmp_path / "0_0.pid").unlink()
                crew.send_signal(signal.SIGTERM)
                assert crew.wait(DEADLINE_S) == 0
        assert cluster.wait(1.0) == []
        assert cluster.running + cluster.waiting == 1  # with dask or here: for the next worker


def test_only_what_can_run_is_sent(tmp_path, orders):
    with SearchCluster.joined(file=connection_file(tmp_path), files={}) as cluster:
        for index in range(10):
            cluster.submit(orders(f"0_{index}", "finish"))
        assert (cluster.running, cluster.waiting, cluster.slots) == (0, 10, 0)
        with started("worker", tmp_path, "--slots", 1):
            assert len(collected(cluster, 10)) == 10
            assert cluster.roll.total == 1
            assert set(cluster.roll.nodes().values()) == {1}
    assert not connection_file(tmp_path).exists()


def test_in_this_process_the_next_search_is_there_already_and_not_counted(tmp_path, orders):
    def sleeper(index):
        cluster.submit(orders(f"0_{index}", "sleep"))

    def pids():
        return [
            int(text)
            for index in range(4)
            if (path := tmp_path / f"0_{index}.pid").exists() and (text := path.read_text())
        ]

    with SearchCluster.local(workers=2) as cluster:
        for index in range(4):
            sleeper(index)
        until(lambda: len(pids()) == 2, what="two clients")
        assert (cluster.running, cluster.waiting) == (2, 1)  # 0_2 is with the worker
        assert cluster.cancel(["0_0"]) == 1
        until(
            lambda: (tmp_path / "0_2.pid").exists() and (tmp_path / "0_2.pid").read_text(),
            what="the next client",
        )
        assert (cluster.running, cluster.waiting) == (2, 0)
        assert cluster.hold() == 2  # the spare one is taken back
        assert cluster.cancel(["0_1"]) == 1
        assert cluster.running == 1
        assert cluster.cancel([f"0_{index}" for index in range(4)]) == 1
        assert not (tmp_path / "0_3.pid").exists()
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids()), what="the clients' end")


def test_a_node_with_other_files_stays_out(tmp_path):
    needed = tmp_path / "cu.yace"
    needed.write_text("a")
    with SearchCluster.joined(
        file=connection_file(tmp_path), files={str(needed): "0" * 64, "/none/x": "0" * 64}
    ):
        done = mlip_kmc("worker", tmp_path, "--slots", 1, cwd=tmp_path)
        assert done.returncode == 6
        assert "cu.yace has another content here than where the run is" in done.stderr


def test_a_worker_waits_no_longer_than_it_was_told(tmp_path):
    done = mlip_kmc("worker", tmp_path, "--slots", 1, "--patience-min", 0.01, cwd=tmp_path)
    assert done.returncode == 0
    assert "no run in" in done.stderr


def test_crews_that_die_again_and_again_leave(tmp_path):
    """Worker processes that cannot live at all: here, because their connection file names a file that ends them."""
    with (
        SearchCluster.joined(file=connection_file(tmp_path), files={}),
        started("worker", tmp_path, "--slots", 1) as crew,
    ):
        for _ in range(5):
            for member in [until(lambda: members(crew), what="a worker")[0]]:
                member.kill()
                member.wait(DEADLINE_S)
        assert crew.wait(DEADLINE_S) == 5
        assert "died 5 times in a short time, the last by signal SIGKILL" in crew.stdout.read()


# -- other users of the machine


def listening(process):
    """(address, port) of every port on which it and its children listen."""
    found = set()
    for each in [psutil.Process(process.pid), *descendants(process)]:
        found |= {
            (c.laddr.ip, c.laddr.port)
            for c in each.net_connections("tcp")
            if c.status == psutil.CONN_LISTEN
        }
    return found


def answers(port, context):
    """Does it say anything to whom shows no certificate?"""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        try:
            with context.wrap_socket(raw) as stream:
                stream.sendall(b"x")
                return bool(stream.recv(1))
        except OSError:
            return False


def refused(port):
    """A client without a certificate gets nothing; neither does one that speaks no TLS."""
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    assert not answers(port, nobody)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
        raw.sendall(b"\0" * 64)
        with contextlib.suppress(ConnectionError):
            while data := raw.recv(4096):
                assert b"scheduler" not in data
    return True


def test_every_port_asks_for_a_certificate(tmp_path):
    with SearchCluster.joined(file=connection_file(tmp_path), files={}) as cluster, \
            started("worker", tmp_path, "--slots", 2) as crew:  # fmt: skip
        until(lambda: cluster.slots == 2, what="the crew")
        scheduler = int(Connection.read(connection_file(tmp_path)).addresses[0].rsplit(":", 1)[1])
        own = {
            c.laddr.port
            for c in psutil.Process().net_connections("tcp")
            if c.status == psutil.CONN_LISTEN
        }
        assert own == {scheduler}
        ports = {port for _, port in listening(crew)}
        assert len(ports) == 2
        for port in ports | own:
            assert refused(port)
        assert cluster.slots == 2


def test_another_start_has_other_keys(tmp_path):
    with SearchCluster.joined(file=connection_file(tmp_path / "a"), files={}):
        old = Connection.read(connection_file(tmp_path / "a"))
    with SearchCluster.joined(file=connection_file(tmp_path / "b"), files={}):
        new = Connection.read(connection_file(tmp_path / "b"))
    assert old.credential.authority != new.credential.authority
    assert old.start != new.start
