"""Keys of a run's ports, and the file that lets workers join."""

import ssl
import stat
import threading
from dataclasses import replace

import pytest

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.workers.keys import Connection, Keys, connection_file

CONNECTION = Connection(
    start="s",
    version="1",
    addresses=("tls://10.0.0.1:9", "tls://n1:9"),
    credential=Keys.make().worker,
    files={"/a/cu.yace": "0" * 64},
)


def test_the_file_is_read_as_written_and_private(tmp_path):
    path = connection_file(tmp_path / "run")
    CONNECTION.write(path)
    assert Connection.read(path) == CONNECTION
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_no_file_is_no_connection(tmp_path):
    assert Connection.read(connection_file(tmp_path)) is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format": 2}', b"\xff\xfe", b'{"format": 1, "start": "s"}']
)
def test_a_damaged_file_is_named(tmp_path, content):
    path = connection_file(tmp_path)
    CONNECTION.write(path)
    path.write_bytes(content)
    with pytest.raises(RunStateError, match=r"connection\.json is"):
        Connection.read(path)


def test_a_file_that_others_can_read_is_not_trusted(tmp_path):
    path = connection_file(tmp_path)
    CONNECTION.write(path)
    path.chmod(0o640)
    with pytest.raises(RunStateError, match="open to others"):
        Connection.read(path)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """How a connection goes: "" if both sides accept each other."""
    import socket

    ours, theirs = socket.socketpair()
    said = []

    def serve() -> None:
        try:
            with server.wrap_socket(ours, server_side=True) as stream:
                stream.send(b"welcome")
                stream.recv(1)
        except OSError as error:
            said.append(f"server: {error}")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs) as stream:
            if stream.recv(7) != b"welcome":
                said.append("client: closed")
            stream.send(b".")
    except OSError as error:
        said.append(f"client: {error}")
    thread.join()
    return "; ".join(said)


def contexts(keys, worker):
    listening = keys.security().get_listen_args("scheduler")["ssl_context"]
    return listening, worker.security().get_connection_args("worker")["ssl_context"]


def test_a_worker_of_this_start_is_let_in():
    keys = Keys.make()
    assert handshake(*contexts(keys, replace(CONNECTION, credential=keys.worker))) == ""


def test_a_worker_of_another_start_is_not():
    assert "certificate" in handshake(*contexts(Keys.make(), CONNECTION)).lower()


def test_a_client_without_a_certificate_is_not():
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
    listening, _ = contexts(Keys.make(), CONNECTION)
    assert "certificate" in handshake(listening, nobody).lower()


def test_the_authoritys_key_is_forgotten():
    keys = Keys.make()
    assert all(
        "PRIVATE" not in text
        for text in (keys.worker.authority, keys.worker.certificate, keys.scheduler.authority)
    )
    assert keys.worker.key != keys.scheduler.key
