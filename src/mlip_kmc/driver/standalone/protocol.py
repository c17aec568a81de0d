"""The frames between a thin client and its server.

Both begin with the same head: magic, version, kind, bytes that follow. Numbers are little-endian.
"""

from .basics import (
    FAILED,
    FARTHEST_A,
    MALFORMED,
    MOST_ATOMS,
    NO_SERVER,
    Answer,
    DriverError,
    Structure,
    check_cell,
    checked,
    checked_source,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than a call may take
    from typing import Any

MAGIC, VERSION = b"mkPD", 1
HELLO, QUESTION, ANSWER, ERROR = 1, 2, 3, 4
HEAD = "<4sHHI"
HEAD_BYTES = 12
LARGEST_FRAME = 64 + 60 * MOST_ATOMS + (1 << 16)


def frame(kind: int, body: bytes) -> bytes:
    """A head and a body."""
    from struct import pack

    return pack(HEAD, MAGIC, VERSION, kind, len(body)) + body


def receive(connection: "Any") -> tuple[int, bytes]:
    """The next frame: its kind and body.

    Raises:
        ConnectionError: it ended early. DriverError: what came is no frame of this version.
    """
    from struct import unpack

    magic, version, kind, length = unpack(HEAD, exactly(connection, HEAD_BYTES))
    if magic != MAGIC or version != VERSION:
        raise DriverError(
            NO_SERVER,
            f"the program that answers is not an mlip-kmc server of version {VERSION}; use the same mlip-kmc on both "
            "sides",
        )
    if length > LARGEST_FRAME:
        raise DriverError(NO_SERVER, f"a frame of {length} bytes came, more than {LARGEST_FRAME}")
    return kind, exactly(connection, length)


def body_of(connection: "Any", wanted: int) -> bytes:
    """The body of the next frame, which must be of one kind.

    Raises:
        ConnectionError: it ended early. DriverError: it is another.
    """
    kind, body = receive(connection)
    if kind != wanted:
        raise DriverError(
            MALFORMED, f"a frame of kind {kind} came where one of kind {wanted} belongs"
        )
    return body


def exactly(connection: "Any", count: int) -> bytes:
    """So many bytes of a socket.

    Raises:
        ConnectionError: it ended early.
    """
    data = bytearray(count)
    view, got = memoryview(data), 0
    while got < count:
        more = connection.recv_into(view[got:])
        if not more:
            raise ConnectionResetError("the other side ended early")
        got += more
    return bytes(data)


def packed_question(structure: Structure, source: dict[str, str]) -> bytes:
    """The body of a question: counts, where it comes from, cell, elements, positions."""
    from struct import pack

    texts = "\n".join(f"{key}={value}" for key, value in source.items()).encode()
    count = len(structure)
    return b"".join(
        (
            pack("<II", count, len(texts)),
            texts,
            pack("<9d", *structure.cell),
            pack(f"<{count}i", *structure.numbers),
            pack(f"<{3 * count}d", *structure.positions),
        )
    )


def unpacked_question(body: bytes) -> tuple[Structure, dict[str, str]]:
    """What `packed_question` packed.

    Raises:
        DriverError: it is no question.
    """
    from struct import unpack_from

    if len(body) < 8:
        raise DriverError(MALFORMED, "the question is cut off")
    count, length = unpack_from("<II", body)
    if not 0 < count <= MOST_ATOMS or len(body) != 8 + length + 72 + 28 * count:
        raise DriverError(MALFORMED, f"the question for {count} atoms has {len(body)} bytes")
    cell = list(unpack_from("<9d", body, 8 + length))
    numbers = list(unpack_from(f"<{count}i", body, 80 + length))
    positions = list(unpack_from(f"<{3 * count}d", body, 80 + length + 4 * count))
    for found in (cell, positions):
        if not (
            max(found) <= FARTHEST_A and min(found) >= -FARTHEST_A and sum(found) == sum(found)
        ):
            raise DriverError(
                MALFORMED, f"the question has numbers that are not at most {FARTHEST_A:g} A"
            )
    if not (min(numbers) >= 1 and max(numbers) <= 118):
        raise DriverError(MALFORMED, "the question has atomic numbers that are not from 1 to 118")
    check_cell(cell)
    lines = body[8 : 8 + length].decode(errors="replace").split("\n")
    source = dict(line.split("=", 1) for line in lines if "=" in line)
    return Structure(cell, numbers, positions), checked_source(source, MALFORMED)


def packed_answer(answer: Answer) -> bytes:
    """The body of an answer: counts, why it halts, energy, forces, gamma."""
    from struct import pack

    text, gamma, size = answer.halt.encode(), answer.gamma or [], len(answer.forces)
    return b"".join(
        (
            pack("<IIId", size // 3, len(text), len(gamma), answer.energy),
            text,
            pack(f"<{size}d", *answer.forces),
            pack(f"<{len(gamma)}d", *gamma),
        )
    )


def unpacked_answer(body: bytes, atoms: int) -> Answer:
    """What `packed_answer` packed.

    Raises:
        DriverError: it is no answer for so many atoms.
    """
    from struct import unpack_from

    if len(body) < 20:
        raise DriverError(FAILED, "the server's answer is cut off")
    count, length, grades, energy = unpack_from("<IIId", body)
    if (
        count != atoms
        or grades not in (0, atoms)
        or len(body) != 20 + length + 24 * count + 8 * grades
    ):
        raise DriverError(
            FAILED, f"the server's answer is of {count} atoms, and {atoms} were asked for"
        )
    forces = list(unpack_from(f"<{3 * count}d", body, 20 + length))
    gamma = list(unpack_from(f"<{grades}d", body, 20 + length + 24 * count)) if grades else None
    return checked(
        Answer(energy, forces, gamma, body[20 : 20 + length].decode(errors="replace")), atoms
    )


def packed_error(error: DriverError) -> bytes:
    """The body of an error: its exit code and line."""
    return bytes((error.code,)) + str(error).encode()


def said(body: bytes) -> DriverError:
    """What `packed_error` packed."""
    return DriverError(
        body[0] if body else FAILED,
        body[1:].decode(errors="replace") or "the server failed without a message",
    )
