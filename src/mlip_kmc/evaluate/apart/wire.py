"""Messages between a process and its child: a head with magic, kind and length, then so many bytes.

    send(connection, Kind.RUN, pickle.dumps((tag, task)))
    kind, body = receive(connection)

Both sides are one program on one machine, joined by a socket pair that nobody else can reach: bodies are pickles.
"""

import socket
import struct
from enum import IntEnum

from mlip_kmc.driver.standalone import exactly
from mlip_kmc.ground.errors import ProgramError

_MAGIC = b"mkAP"
_HEAD = struct.Struct("<4sBQ")
LARGEST_BYTES = 1 << 30


class Kind(IntEnum):
    """What a message is."""

    READY = 1
    """The child has started; empty."""
    RUN = 2
    """To the child: a tag and a task."""
    CANCEL = 3
    """To the child: the tag of what is to end."""
    DONE = 4
    """From the child: what came of the task."""
    FAILED = 5
    """From the child: the task raised, which none may; where, as text."""


def send(connection: socket.socket, kind: Kind, body: bytes = b"") -> None:
    """Send one message.

    Raises:
        OSError: the other side is gone. ProgramError: it is too large.
    """
    if len(body) > LARGEST_BYTES:
        raise ProgramError(
            f"a task or its outcome has {len(body)} bytes, more than the {LARGEST_BYTES} that a message may have"
        )
    connection.sendall(_HEAD.pack(_MAGIC, kind, len(body)) + body)


def receive(connection: socket.socket) -> tuple[Kind, bytes]:
    """Wait for one message.

    Raises:
        OSError: the other side is gone, or what came is no message.
    """
    magic, number, length = _HEAD.unpack(exactly(connection, _HEAD.size))
    if magic != _MAGIC or number not in iter(Kind) or length > LARGEST_BYTES:
        raise ConnectionAbortedError(f"no message: magic {magic!r}, kind {number}, {length} bytes")
    return Kind(number), exactly(connection, length)
