"""The server's doors: who may come in, where it may listen, what it takes for a question."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from mlip_kmc.driver import runtime, server
from mlip_kmc.driver import standalone as driver
from mlip_kmc.driver.standalone import client
from mlip_kmc.ground.errors import ConfigError

STRUCTURE = driver.parse(b"4 0 0\n0 4 0\n0 0 4\n29 0 0 0\n29 2 2 2\n")


class Evaluator:
    """Counts what it is asked."""

    digest = "d" * 64

    def __init__(self):
        self.sources = []

    def evaluate(self, structure, source):
        self.sources.append(source)
        return driver.Answer(-1.0, [0.0] * 3 * len(structure))


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(5)
        there.settimeout(5)
        yield here, there


def test_a_question_is_greeted_and_answered(pair):
    here, there = pair
    evaluator = Evaluator()
    here.sendall(
        driver.frame(driver.QUESTION, driver.packed_question(STRUCTURE, {"search": "0_1"}))
    )
    server._converse(there, evaluator)
    assert driver.greet(here, "d" * 64) == "d" * 64
    assert driver.unpacked_answer(driver.body_of(here, driver.ANSWER), 2).energy == -1.0
    assert evaluator.sources == [{"search": "0_1"}]


@pytest.mark.parametrize("sent", [
    driver.frame(driver.QUESTION, b""),
    driver.frame(driver.QUESTION, driver.packed_question(STRUCTURE, {})[:-1]),
    driver.frame(driver.QUESTION, driver.packed_question(STRUCTURE, {"search": "../x"})),
    driver.frame(driver.ANSWER, driver.packed_question(STRUCTURE, {})),
    b"GET / HTTP/1.1\r\n\r\n",
])  # fmt: skip
def test_what_is_no_question_is_told_so_and_not_evaluated(pair, sent):
    here, there = pair
    evaluator = Evaluator()
    here.sendall(sent)
    server._converse(there, evaluator)
    driver.greet(here)
    error = driver.said(driver.body_of(here, driver.ERROR))
    assert error.code in (driver.MALFORMED, driver.NO_SERVER)
    assert evaluator.sources == []


def test_another_user_is_not_even_greeted(pair, monkeypatch):
    here, there = pair
    monkeypatch.setattr(server.os, "getuid", lambda: os.geteuid() + 1)
    evaluator = Evaluator()
    server._converse(there, evaluator)
    there.close()
    assert here.recv(1) == b""
    assert evaluator.sources == []


def test_a_server_of_another_user_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        listener.listen()
        monkeypatch.setattr(client, "_user", lambda: os.geteuid() + 1)
        with pytest.raises(
            driver.DriverError, match=f"runs as user {os.geteuid()}, not as you"
        ) as caught:
            driver.ask("socket", STRUCTURE, wait_s=1)
    assert caught.value.code == driver.NO_SERVER


def test_the_directory_of_a_socket_is_made_for_its_owner_alone(tmp_path):
    folder = server.socket_directory(tmp_path / "s" / "socket")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for mode in (0o701, 0o710, 0o750, 0o770, 0o755):
        folder.chmod(mode)
        with pytest.raises(ConfigError, match="others can enter"):
            server.socket_directory(folder / "socket")


@pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
def test_the_name_of_a_socket_is_as_long_as_linux_takes(tmp_path, length, fits):
    folder = tmp_path / "s"
    path = folder / ("x" * (length - len(os.fsencode(folder)) - 1))
    if fits:
        folder.mkdir(mode=0o700)
        server.socket_directory(path)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))
    else:
        with pytest.raises(ConfigError, match="a path of 108 bytes, and Linux takes 107"):
            server.socket_directory(path)


def test_what_is_in_the_way_is_not_removed(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is there already and no socket"):
        server._check_free(str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
    server._check_free(str(tmp_path / "nothing"))


def test_a_runs_directory_of_a_socket_is_short_and_private(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as short:
        monkeypatch.setattr(
            runtime, "runtime_directories", lambda: [deep, tmp_path / "missing", Path(short)]
        )
        found = runtime._private_directory()
        assert found.parent.parent == Path(short)
        assert stat.S_IMODE(found.stat().st_mode) == 0o700
    monkeypatch.setattr(runtime, "runtime_directories", lambda: [deep])
    with pytest.raises(ConfigError, match="no directory for a socket"):
        runtime._private_directory()


def test_clients_are_told_why_a_server_stays_down(tmp_path):
    path = tmp_path / "socket"
    (tmp_path / f"socket{driver.DOWN}").write_text(
        "the server is down after 5 restarts: it crashes"
    )
    with pytest.raises(driver.DriverError, match="down after 5 restarts") as caught:
        driver.ask(str(path), STRUCTURE, wait_s=60)
    assert caught.value.code == driver.NO_SERVER
