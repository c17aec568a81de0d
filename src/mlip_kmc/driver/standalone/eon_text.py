"""Text in and out: eOn's external format, and the files that eOn hands over.

structure = parse(read("from_eon_to_extpot"))
write("from_extpot_to_eon", formatted(answer))
"""

import sys

from .basics import (
    DISK,
    FARTHEST_A,
    MALFORMED,
    MOST_ATOMS,
    Answer,
    DriverError,
    Structure,
    check_cell,
    checked_source,
)

TO_DRIVER, FROM_DRIVER, RUN_DIR = "from_eon_to_extpot", "from_extpot_to_eon", "EON_EXTPOT_RUN_DIR"
SEARCH_FILE, CALLS_FILE = "search.txt", "calls.txt"
"""In eOn's run directory: the search's name, if somebody wrote it there; a byte for each force call."""
LARGEST_INPUT = 1 << 28  # bytes


def parse(data: bytes) -> Structure:
    """Read a structure in eOn's external format.

    Raises:
        DriverError: it is malformed; the line says where.
    """
    if len(data) > LARGEST_INPUT:
        raise DriverError(MALFORMED, f"the structure is larger than {LARGEST_INPUT >> 20} MB")
    if b"_" in data or not data.isascii():  # float() takes both
        raise DriverError(MALFORMED, "the structure holds characters that belong to no number")
    rows = [line.split() for line in data.rstrip().split(b"\n")]
    if len(rows) < 4:
        count = len(rows) if rows[0] else 0
        raise DriverError(
            MALFORMED, f"the structure has {count} lines; it needs 3 of the cell and 1 an atom"
        )
    if len(rows) - 3 > MOST_ATOMS:
        raise DriverError(MALFORMED, f"the structure has more than {MOST_ATOMS} atoms")
    for index, row in enumerate(rows):
        if len(row) != (3 if index < 3 else 4):
            wanted = "3 numbers of a cell vector" if index < 3 else "Z x y z of an atom"
            raise DriverError(
                MALFORMED, f"line {index + 1} of the structure has {len(row)} words, not {wanted}"
            )
    cell = _numbers(rows, 0, 3, 0)
    positions = _numbers(rows, 3, len(rows), 1)
    check_cell(cell)
    return Structure(cell, _elements(rows), positions)


def _numbers(rows: list[list[bytes]], first: int, last: int, column: int) -> list[float]:
    """The words of some rows from a column on, as finite numbers of at most FARTHEST_A."""
    try:
        found = list(map(float, [word for row in rows[first:last] for word in row[column:]]))
    except ValueError:
        found = []
    # not-a-number compares with nothing
    if (
        len(found) == 3 * (last - first)
        and max(found) <= FARTHEST_A
        and min(found) >= -FARTHEST_A
        and sum(found) == sum(found)
    ):
        return found
    for index in range(first, last):
        for word in rows[index][column:]:
            try:
                fine = -FARTHEST_A <= float(word) <= FARTHEST_A
            except ValueError:
                fine = False
            if not fine:
                shown = word[:40].decode("ascii")
                raise DriverError(
                    MALFORMED,
                    f"line {index + 1} of the structure has {shown!r} where a number of at most "
                    f"{FARTHEST_A:g} A belongs",
                )
    raise DriverError(MALFORMED, "the structure has numbers that cannot be read")


def _elements(rows: list[list[bytes]]) -> list[int]:
    for index in range(3, len(rows)):
        word = rows[index][0]
        if not (word.isdigit() and len(word) < 4 and 1 <= int(word) <= 118):
            shown = word[:40].decode("ascii")
            raise DriverError(
                MALFORMED,
                f"line {index + 1} of the structure has {shown!r} where an atomic number from 1 to "
                "118 belongs",
            )
    return [int(row[0]) for row in rows[3:]]


def formatted(answer: Answer) -> bytes:
    """The answer as eOn reads it; the shortest digits that give the same double back."""
    words = iter(repr(answer.forces)[1:-1].split(", "))  # quicker than number by number
    rows = map(" ".join, zip(words, words, words, strict=True))
    return "\n".join([repr(answer.energy), *rows, ""]).encode("ascii")


def gamma_rows(answer: Answer) -> bytes:
    """A grade a line, in the order of the atoms; the word `unknown` where it is."""
    if answer.gamma is None:
        return b"unknown\n"
    return "".join(f"{grade!r}\n" for grade in answer.gamma).encode("ascii")


def run_directory_of() -> str:
    """Where eOn's client runs; an empty text outside of eOn."""
    from posix import environ

    return environ.get(RUN_DIR.encode(), b"").decode(errors="surrogateescape")


def source_from_eon(directory: str) -> dict[str, str]:
    """The search that a client's directory belongs to, and the number of this force call in it."""
    try:
        with open(f"{directory}/{SEARCH_FILE}", "rb", buffering=0) as stream:
            search = stream.read(1000).decode(errors="replace").strip()
    except OSError:
        return {}  # somebody's own eOn: a halt is named after its structure
    try:
        with open(f"{directory}/{CALLS_FILE}", "ab", buffering=0) as calls:
            calls.write(
                b"."
            )  # appending is atomic: threads of a client each get a number of their own
            return checked_source({"search": search, "step": str(calls.tell() - 1)}, MALFORMED)
    except OSError as error:
        raise DriverError(
            DISK, f"cannot count force calls in {directory}: {error.strerror}"
        ) from error


def read(name: str) -> bytes:
    """A file's bytes, or those of standard input where it has no name.

    Raises:
        DriverError: it cannot be read.
    """
    try:
        if not name:
            return sys.stdin.buffer.read(LARGEST_INPUT + 1)
        with open(name, "rb") as stream:
            return stream.read(LARGEST_INPUT + 1)
    except OSError as error:
        raise DriverError(
            MALFORMED,
            f"cannot read the structure {name or 'from standard input'}: {error.strerror}",
        ) from error


def write(name: str, data: bytes) -> None:
    """Write a file, or to standard output where it has no name; half a file is removed.

    Raises:
        DriverError: it cannot be written.
    """
    try:
        if not name:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        with open(name, "wb", buffering=0) as stream:
            rest = memoryview(data)
            while rest:
                rest = rest[stream.write(rest) or 0 :]
    except OSError as error:
        import os

        if name and os.path.isfile(name):
            os.unlink(name)  # half an answer must not be taken for one
        raise DriverError(
            DISK, f"cannot write {name or 'to standard output'}: {error.strerror}"
        ) from error
