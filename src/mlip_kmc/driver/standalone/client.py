"""The thin client: a question to a running server.

    answer = ask("/tmp/mine/socket", structure)

It imports nothing but what Python's start has loaded anyway, or what is written in C.
"""

from .basics import CHANGED, FAILED, NO_SERVER, Answer, DriverError, Structure
from .protocol import (
    ANSWER,
    ERROR,
    HELLO,
    QUESTION,
    frame,
    packed_question,
    receive,
    said,
    unpacked_answer,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than a call may take
    from typing import Any

LONGEST_PATH = 107
"""Bytes of a Unix socket's name on Linux."""
DOWN = ".down"
"""A file named like the socket with this behind it says why the server stays down."""
_TRIES_AT_A_BROKEN_ANSWER = 3


def _socket_module() -> "Any":
    try:
        import _socket  # the module socket takes several times as long to import
    except ImportError:
        import socket as _socket  # type: ignore[no-redef]
    return _socket


def _user() -> int:
    from posix import getuid

    return getuid()


def connected(path: str, timeout_s: float) -> "Any":
    """A connection to the server at a path, which must be ours.

    Raises:
        OSError: there is none. DriverError: it belongs to somebody else.
    """
    from struct import unpack

    sockets = _socket_module()
    connection = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(path)
        _, owner, _ = unpack(
            "3i", connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
        )
        if owner != _user():
            raise DriverError(NO_SERVER, f"the server at {path} runs as user {owner}, not as you")
    except BaseException:
        connection.close()
        raise
    return connection


def ask(
    path: str,
    structure: Structure,
    *,
    source: "dict[str, str] | None" = None,
    digest: str = "",
    wait_s: float = 60.0,
    timeout_s: float = 3600.0,
) -> Answer:
    """Have a server evaluate a structure; wait for one that is being restarted.

    Args:
        path: its socket.
        structure: what to evaluate.
        source: what a kept structure says it comes from: search, state, stage, step.
        digest: of the potential that the server must have; any where empty.
        wait_s: how long to try to reach it.
        timeout_s: how long one evaluation may take.

    Raises:
        DriverError: no server, another potential, or an evaluation that failed.
    """
    from time import monotonic, sleep

    question = frame(QUESTION, packed_question(structure, source or {}))
    deadline, pause_s, broken = monotonic() + wait_s, 0.02, 0
    while True:
        asked = False
        try:
            connection = connected(path, timeout_s)
            try:
                greet(connection, digest)
                asked = True
                connection.sendall(question)
                kind, body = receive(connection)
            finally:
                connection.close()
            return _answered(kind, body, len(structure))
        except TimeoutError as error:
            raise DriverError(
                FAILED, f"the server at {path} did not answer within {timeout_s:g} s"
            ) from error
        except OSError as error:
            broken += asked
            if broken >= _TRIES_AT_A_BROKEN_ANSWER:
                raise DriverError(
                    FAILED,
                    f"the server at {path} died {broken} times while it evaluated this structure",
                ) from error
            _check_down(path)
            if monotonic() + pause_s > deadline:
                why = error.strerror or str(error)
                raise DriverError(
                    NO_SERVER,
                    f"no server answers at {path} ({why}); start one with `mlip-kmc serve`",
                ) from error
        sleep(pause_s)
        pause_s = min(0.5, 1.5 * pause_s)


def _check_down(path: str) -> None:
    """Waiting for a server that will not come back is no use."""
    try:
        with open(f"{path}{DOWN}", encoding="utf-8", errors="replace") as stream:
            raise DriverError(NO_SERVER, stream.read())
    except OSError:
        return


def greet(connection: "Any", digest: str = "") -> str:
    """Take in a server's first words: the digest of its potential.

    Raises:
        DriverError: it is not the one that is wanted.
    """
    kind, body = receive(connection)
    found = body.decode("ascii", errors="replace")
    if kind != HELLO:
        raise said(body) if kind == ERROR else DriverError(NO_SERVER, "the server does not greet")
    if digest and found != digest:
        raise DriverError(
            CHANGED,
            f"the server has the potential {found[:12]}..., not {digest[:12]}...; start it again",
        )
    return found


def _answered(kind: int, body: bytes, atoms: int) -> Answer:
    if kind == ERROR:
        raise said(body)
    if kind != ANSWER:
        raise DriverError(FAILED, f"the server sent a frame of kind {kind} for an answer")
    return unpacked_answer(body, atoms)
