"""The driver's protocol: what it reads, what it writes, what it refuses, and what goes over its socket."""

import math
import os
import re
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlip_kmc.driver import standalone as driver
from mlip_kmc.driver.runtime import copy_driver, driver_files
from mlip_kmc.driver.standalone import eon_text, pace_driver, repulsion
from mlip_kmc.driver.standalone import halts as kept_halts
from mlip_kmc.driver.standalone.lammps_engine import _first_element
from mlip_kmc.evaluate import client
from mlip_kmc.model import frames

from ..alloy import block_text, flow_text, json_text

SOURCE = driver.SCRIPT
FORMULAE = SOURCE.with_name("short_range.py")
CELL = "4 0 0\n0 4 0\n0 0 4\n"
GOOD = f"{CELL}29\t0.1\t0.2\t0.3\n29 2 2 2\n"


def as_eon(cell, numbers, positions):
    """A structure as eOn's `ExtPot::passToSystem` prints it."""
    rows = ["\t".join(f"{value:.19f}" for value in row) for row in cell]
    rows += [
        f"{number}\t" + "\t".join(f"{value:.19f}" for value in row)
        for number, row in zip(numbers, positions, strict=True)
    ]
    return "\n".join([*rows, ""]).encode()


def command(
    *arguments, stdin=b"", cwd=None, environment=(), largest_file_bytes=resource.RLIM_INFINITY
):
    return subprocess.run(
        [sys.executable, str(SOURCE), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        check=False,
        timeout=120,
        env={**os.environ, **dict(environment)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file_bytes,) * 2),
    )


# -- reading


def test_a_structure_of_eon_becomes_the_right_atoms():
    cell = [[8.0, 0, 0], [1.25, 7.5, 0], [-0.5, 0.25, 9.0]]
    positions = [[0.1, 0.2, 0.3], [-1.5, 12.0, 1 / 3], [3.0, 3.0, 3.0]]
    atoms = driver.atoms_of(driver.parse(as_eon(cell, [29, 7, 29], positions)))
    assert atoms.get_chemical_symbols() == ["Cu", "N", "Cu"]
    assert atoms.cell.array.tolist() == cell
    assert np.abs(atoms.positions - positions).max() < 1e-16
    assert atoms.pbc.all()


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: f"{text}\n\n \r\n\t\n",
    lambda text: text.rstrip("\n"),
    lambda text: text.replace("0.1", "1.0E-1").replace("0.2", "+2e-001").replace("0.3", ".3"),
    lambda text: text.replace("\t", "   ").replace("2 2 2", "  2.0   2   2. "),
])  # fmt: skip
def test_other_ways_to_write_the_same_structure(change):
    one, other = driver.parse(GOOD.encode()), driver.parse(change(GOOD).encode())
    assert (one.cell, one.numbers, one.positions) == (other.cell, other.numbers, other.positions)


MALFORMED = {
    "nothing": "",
    "blank lines only": "\n\n\n",
    "one line": "4 0 0\n",
    "a cell alone": CELL,
    "a cell vector is missing": "4 0 0\n0 4 0\n29 0 0 0\n29 1 1 1\n",
    "a cell vector of two": "4 0\n0 4 0\n0 0 4\n29 0 0 0\n",
    "a cell vector of four": "4 0 0 0\n0 4 0\n0 0 4\n29 0 0 0\n",
    "an atom of three": f"{CELL}29 0 0\n",
    "an atom of five": f"{CELL}29 0 0 0 0\n",
    "an atom without its number": f"{CELL}0.0 0.0 0.0\n",
    "a cut last line": f"{CELL}29 0 0 0\n29 1.0 1",
    "a blank line within": f"{CELL}29 0 0 0\n\n29 1 1 1\n",
    "text for a number": f"{CELL}29 0 zero 0\n",
    "a symbol for the atomic number": f"{CELL}Cu 0 0 0\n",
    "not-a-number among positions": f"{CELL}29 0 nan 0\n",
    "not-a-number first": f"{CELL}29 nan 0 0\n",
    "not-a-number in the cell": "nan 0 0\n0 4 0\n0 0 4\n29 0 0 0\n",
    "infinity": f"{CELL}29 0 inf 0\n",
    "minus infinity": f"{CELL}29 0 0 -Infinity\n",
    "a number too large for a double": f"{CELL}29 1e999 0 0\n",
    "a position beyond 1e6 A": f"{CELL}29 0 0 2e6\n",
    "a cell beyond 1e6 A": "4e9 0 0\n0 4 0\n0 0 4\n29 0 0 0\n",
    "atomic number 0": f"{CELL}0 0 0 0\n",
    "atomic number 119": f"{CELL}119 0 0 0\n",
    "a negative atomic number": f"{CELL}-29 0 0 0\n",
    "a broken atomic number": f"{CELL}29.0 0 0 0\n",
    "an atomic number with a sign": f"{CELL}+29 0 0 0\n",
    "an atomic number of 5000 digits": f"{CELL}{'1' * 5000} 0 0 0\n",
    "a flat cell": "4 0 0\n0 4 0\n4 4 0\n29 0 0 0\n",
    "a cell of nothing": "0 0 0\n0 0 0\n0 0 0\n29 0 0 0\n",
    "digits joined by _": f"{CELL}29 1_0 0 0\n",
    "Fortran's exponent": f"{CELL}29 1D0 0 0\n",
    "hexadecimal": f"{CELL}29 0x1p0 0 0\n",
    "a decimal comma": f"{CELL}29 0,5 0 0\n",
    "other digits": f"{CELL}29 ٣ 0 0\n",
    "binary": "\0\1\2\3",
    "an extended XYZ file": '2\nLattice="4 0 0 0 4 0 0 0 4"\nCu 0 0 0\nCu 1 1 1\n',
    "eOn's answer": "-3.5\n0 0 0\n0 0 0\n",
    "a line of a million characters": f"{CELL}29 {'9' * 1_000_000} 0 0\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_input_has_its_own_code_and_one_line(name, tmp_path, capfd):
    (tmp_path / "in").write_bytes(MALFORMED[name].encode())
    assert (
        pace_driver.main(["--input", str(tmp_path / "in"), "--potential", "/nowhere.yace"])
        == driver.MALFORMED
    )
    found = capfd.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    assert line.startswith("pace_driver: ")
    assert "structure" in line
    assert line == " ".join(line.split())
    assert len(line) < 200


def test_the_line_says_where():
    for name, words in (("text for a number", "line 4 of the structure has 'zero'"),
                        ("an atom of five", "line 4 of the structure has 5 words"),
                        ("a cut last line", "line 5 of the structure has 3 words")):  # fmt: skip
        with pytest.raises(driver.DriverError, match=words):
            driver.parse(MALFORMED[name].encode())


def test_there_are_enough_malformed_inputs():
    assert len(MALFORMED) >= 25
    assert len(set(MALFORMED.values())) == len(MALFORMED)


def test_a_structure_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(eon_text, "LARGEST_INPUT", 50)
    with pytest.raises(driver.DriverError, match="larger than"):
        driver.parse(GOOD.encode() * 10)
    monkeypatch.setattr(eon_text, "LARGEST_INPUT", 1 << 28)
    monkeypatch.setattr(eon_text, "MOST_ATOMS", 1)
    with pytest.raises(driver.DriverError, match="more than 1 atoms"):
        driver.parse(GOOD.encode())


NUMBERS = st.floats(-driver.FARTHEST_A, driver.FARTHEST_A)
LENGTHS = st.floats(0.5, 1e3)
TILTS = st.floats(-100, 100)
STRUCTURES = st.tuples(
    st.tuples(LENGTHS, TILTS, LENGTHS, TILTS, TILTS, LENGTHS),
    st.lists(st.tuples(st.integers(1, 118), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20),
)


@settings(deadline=None)
@given(STRUCTURES, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", "\n\n \n"]))
def test_what_is_written_with_all_digits_is_read_with_all_digits(made, end, last):
    (ax, bx, by, cx, cy, cz), atoms = made
    cell = [[ax, 0.0, 0.0], [bx, by, 0.0], [cx, cy, cz]]
    rows = [" ".join(map(repr, row)) for row in cell] + [
        " ".join([str(z), *map(repr, place)]) for z, *place in atoms
    ]
    try:
        found = driver.parse((end.join(rows) + last).encode())
    except driver.DriverError as error:
        assert "no volume" in str(error)  # noqa: PT017
        assert abs(ax * by * cz) <= 2e-6 * math.prod(math.hypot(*row) for row in cell)
        return
    assert list(found.cell) == [value for row in cell for value in row]
    assert list(found.numbers) == [z for z, *_ in atoms]
    assert list(found.positions) == [value for _, *place in atoms for value in place]


@settings(deadline=None, max_examples=500)
@given(
    st.binary(max_size=200) | st.text("0123456789.eE+-naif_ \t\r\n", max_size=200).map(str.encode)
)
@example(b"4 0 0\n0 4 0\n0 0 4\n29 0 0 \xff\n")
def test_no_input_does_anything_but_parse_or_be_refused(data):
    try:
        found = driver.parse(data)
    except driver.DriverError as error:
        assert error.code == driver.MALFORMED  # noqa: PT017
        return
    values = [*found.cell, *found.positions]
    assert all(math.isfinite(value) and abs(value) <= driver.FARTHEST_A for value in values)
    assert len(found.positions) == 3 * len(found) > 0


@settings(deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3))
def test_a_changed_byte_is_never_a_crash(place, change):
    data = GOOD.encode()
    try:
        driver.parse(data[:place] + change + data[place + 1 :])
    except driver.DriverError as error:
        assert error.code == driver.MALFORMED  # noqa: PT017


# -- writing


@settings(deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=40).filter(
        lambda x: len(x) % 3 == 1
    )
)
def test_the_answer_is_what_eon_reads_to_the_last_bit(values):
    text = driver.formatted(driver.Answer(values[0], values[1:]))
    words = text.split()  # eOn reads with >>: words
    assert [float(word) for word in words] == values
    assert [len(line.split()) for line in text.splitlines()] == [1] + [3] * (len(values) // 3)
    assert re.fullmatch(rb"[-+0-9.e \n]+", text)


def test_gamma_that_is_not_known_is_not_a_number():
    assert driver.gamma_rows(driver.Answer(0.0, [0.0] * 3)) == b"unknown\n"
    assert (
        driver.gamma_rows(driver.Answer(0.0, [0.0] * 6, [0.0, 1 / 3]))
        == b"0.0\n0.3333333333333333\n"
    )


@pytest.mark.parametrize("answer", [
    driver.Answer(math.nan, [0.0] * 6),
    driver.Answer(math.inf, [0.0] * 6),
    driver.Answer(0.0, [0.0, math.nan, 0.0, 0.0, 0.0, 0.0]),
    driver.Answer(0.0, [0.0, math.inf, -math.inf, 0.0, 0.0, 0.0]),
    driver.Answer(0.0, [0.0] * 3),
    driver.Answer(0.0, [0.0] * 6, [1.0]),
])  # fmt: skip
def test_numbers_that_are_none_never_leave_the_driver(answer):
    with pytest.raises(driver.DriverError) as caught:
        driver.checked(answer, 2)
    assert caught.value.code == driver.FAILED


# -- over the socket


def structure():
    return driver.parse(GOOD.encode())


@settings(deadline=None)
@given(
    STRUCTURES,
    st.fixed_dictionaries(
        {},
        optional={
            "search": st.text("abZ_07.+-", min_size=1, max_size=200),
            "state": st.integers(0, 10**17).map(str),
            "stage": st.sampled_from(driver.STAGES),
            "step": st.integers(0, 10**17).map(str),
        },
    ),
)
def test_questions_come_through_whole(made, source):
    (ax, bx, by, cx, cy, cz), atoms = made
    sent = driver.Structure(
        [ax, 0, 0, bx, by, 0, cx, cy, cz],
        [row[0] for row in atoms],
        [value for row in atoms for value in row[1:]],
    )
    try:
        came, told = driver.unpacked_question(driver.packed_question(sent, source))
    except driver.DriverError as error:
        assert "no volume" in str(error)  # noqa: PT017
        return
    assert (came.cell, came.numbers, came.positions, told) == (
        sent.cell,
        sent.numbers,
        sent.positions,
        source,
    )


@pytest.mark.parametrize("gamma", [None, [0.5, 7.25]])
def test_answers_come_through_whole(gamma):
    sent = driver.Answer(-1 / 3, [1 / 7] * 6, gamma, "gamma 7.25 of atom 1")
    came = driver.unpacked_answer(driver.packed_answer(sent), 2)
    assert (came.energy, came.forces, came.gamma, came.halt) == (
        sent.energy,
        sent.forces,
        sent.gamma,
        sent.halt,
    )
    with pytest.raises(driver.DriverError, match="3 were asked for"):
        driver.unpacked_answer(driver.packed_answer(sent), 3)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_question_or_an_answer_by_accident(body):
    for read in (driver.unpacked_question, lambda data: driver.unpacked_answer(data, 2)):
        with pytest.raises(driver.DriverError):
            read(body)


@pytest.mark.parametrize("cut", range(0, 140, 7))
def test_a_cut_question_is_refused(cut):
    body = driver.packed_question(structure(), {"search": "0_1"})
    with pytest.raises(driver.DriverError):
        driver.unpacked_question(body[:cut])


class OneReply:
    """A server that does one thing to each client."""

    def __init__(self, folder, act):
        self.path = str(folder / "socket")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self.clients = 0
        threading.Thread(target=self._run, args=(act,), daemon=True).start()

    def _run(self, act):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.clients += 1
            with connection:
                act(connection)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def replying(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = []

    def start(act):
        made.append(OneReply(Path(), act))
        return made[-1]

    yield start
    for server in made:
        server.close()


def hello(connection, digest=b"d" * 64):
    connection.sendall(driver.frame(driver.HELLO, digest))


def answering(body_of):
    def act(connection):
        hello(connection)
        kind, body = driver.receive(connection)
        assert kind == driver.QUESTION
        connection.sendall(body_of(body))

    return act


@pytest.mark.parametrize(("act", "code", "words"), [
    (lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), driver.NO_SERVER, "not an mlip-kmc server of version"),
    (lambda c: c.sendall(driver.MAGIC + b"\x09\x00" + bytes(6)), driver.NO_SERVER, "not an mlip-kmc server of version"),
    (lambda c: c.sendall(driver.MAGIC + b"\x01\x00\x01\x00\xff\xff\xff\xff"), driver.NO_SERVER, "a frame of 4294967295 bytes"),
    (lambda c: hello(c, b"e" * 64), driver.CHANGED, "the server has the potential eeeeeeeeeeee"),
    (answering(lambda _: driver.frame(driver.ANSWER, b"")), driver.FAILED, "cut off"),
    (answering(lambda _: driver.frame(driver.HELLO, b"x")), driver.FAILED, "a frame of kind 1"),
    (answering(lambda _: driver.frame(driver.ANSWER, driver.packed_answer(driver.Answer(0.0, [0.0] * 3)))),
     driver.FAILED, "is of 1 atoms"),
    (answering(lambda _: driver.frame(driver.ANSWER, driver.packed_answer(driver.Answer(math.nan, [0.0] * 6)))),
     driver.FAILED, "not finite"),
    (answering(lambda _: driver.frame(driver.ERROR, driver.packed_error(driver.DriverError(driver.DISK, "full")))),
     driver.DISK, "full"),
    (answering(lambda _: driver.frame(driver.ERROR, b"")), driver.FAILED, "without a message"),
    (answering(lambda _: b""), driver.FAILED, "died 3 times while it evaluated"),
    (answering(lambda _: driver.frame(driver.ANSWER, bytes(68))[:40]), driver.FAILED, "died 3 times while it evaluated"),
])  # fmt: skip
def test_a_server_that_misbehaves_gives_a_clear_line(replying, act, code, words):
    server = replying(act)
    with pytest.raises(driver.DriverError, match=words) as caught:
        driver.ask(server.path, structure(), digest="d" * 64, wait_s=5)
    assert caught.value.code == code


def test_a_server_that_breaks_off_is_asked_again(replying):
    right = driver.Answer(-1.5, [0.25] * 6)

    def act(connection):
        if server.clients < 3:
            hello(connection)
            driver.receive(connection)  # and is gone
        else:
            answering(lambda _: driver.frame(driver.ANSWER, driver.packed_answer(right)))(
                connection
            )

    server = replying(act)
    assert driver.ask(server.path, structure(), wait_s=5).energy == -1.5
    assert server.clients == 3


def test_without_a_server_it_waits_and_says_so(tmp_path):
    with pytest.raises(
        driver.DriverError, match=r"no server answers at .* start one with `mlip-kmc serve`"
    ) as caught:
        driver.ask(str(tmp_path / "socket"), structure(), wait_s=0.2)
    assert caught.value.code == driver.NO_SERVER


# -- what is kept


SOURCE_OF = {"search": "3_17", "state": "3", "stage": "saddle", "step": "240"}
DIGEST = "ab" * 32


@pytest.mark.parametrize(("kind", "gamma", "search"), [
    (driver.HALTED_ON, [0.5, 7.25], "3_17"),
    (driver.CANDIDATE, [1 / 3, 1e-300], "x" * 150),
    (driver.EVIDENCE, None, "a.b+c-d"),
])  # fmt: skip
def test_what_is_kept_is_what_the_package_would_have_written(tmp_path, kind, gamma, search):
    path = Path(
        driver.keep(
            str(tmp_path / "halts"),
            kind,
            structure(),
            gamma=gamma,
            source={**SOURCE_OF, "search": search},
            potential=DIGEST,
        )
    )
    (found,), warnings = frames.read_kept_frames(tmp_path / "halts")
    assert warnings == ()
    assert (found.search, found.state, found.stage, found.step, found.kind) == (
        search,
        3,
        "saddle",
        240,
        kind,
    )
    assert found.potential == DIGEST
    assert found.atoms.positions.ravel().tolist() == list(structure().positions)
    assert (found.gammas is None) if gamma is None else (found.gammas.tolist() == gamma)
    assert path.read_text() == frames.to_text(found)
    assert frames.write_kept_frame(tmp_path / "halts", found) == path


def test_kinds_and_stages_are_those_of_the_package():
    assert set(driver.STAGES) == set(frames.Stage)
    assert {driver.HALTED_ON, driver.CANDIDATE, driver.EVIDENCE} == set(frames.Kind)


def kept_by_hand(folder, x):
    return driver.keep(
        str(folder),
        driver.HALTED_ON,
        driver.parse(GOOD.replace("0.1", x).encode()),
        gamma=[9.0, 1.0],
        source={},
        potential=DIGEST,
    )


def test_without_a_search_each_structure_has_a_name_of_its_own(tmp_path):
    assert (
        kept_by_hand(tmp_path, "0.1")
        == kept_by_hand(tmp_path, "0.10")
        != kept_by_hand(tmp_path, "0.11")
    )
    found, warnings = frames.read_kept_frames(tmp_path)
    assert (len(found), warnings) == (2, ())


def test_candidates_of_a_search_are_bounded_and_halts_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_halts, "MOST_FRAMES", 3)
    for step in range(6):
        driver.keep(
            str(tmp_path),
            driver.CANDIDATE,
            structure(),
            gamma=[1.0, 2.0],
            source={"search": "0_1", "step": str(step)},
            potential=DIGEST,
        )
    assert len(list(tmp_path.iterdir())) == 3
    assert driver.keep(
        str(tmp_path),
        driver.HALTED_ON,
        structure(),
        gamma=[1.0, 2.0],
        source={"search": "0_1", "step": "9"},
        potential=DIGEST,
    )
    assert len(list(tmp_path.iterdir())) == 4


def test_what_cannot_be_kept_is_said_and_leaves_nothing_half(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    line = r"cannot be kept at .*No space left on device; .* still in the caller's"
    with pytest.raises(driver.DriverError, match=line) as caught:
        kept_by_hand(tmp_path, "0.1")
    assert caught.value.code == driver.DISK
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [
    ("search", ""), ("search", "../x"), ("search", "a b"), ("search", "x" * 201), ("state", "-1"), ("step", "1.5"),
    ("step", "1" * 19), ("stage", "elsewhere"), ("directory", "x"),
])  # fmt: skip
def test_a_source_that_no_frame_could_hold_is_refused(name, value):
    with pytest.raises(driver.DriverError, match=f"is no {name} of a search"):
        driver.checked_source({name: value}, driver.USAGE)
    body = driver.packed_question(structure(), {name: value})
    with pytest.raises(driver.DriverError, match=f"is no {name} of a search"):
        driver.unpacked_question(body)


# -- the command


def test_the_folder_stands_alone(tmp_path):
    """Copied whole, without the package and beside files that are called like its own, in whatever folder it is started."""
    copy = copy_driver(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        path.name for path in driver_files()
    ]
    for path in driver_files():
        source = path.read_text()
        assert not re.findall(r"^\s*(?:from|import) mlip_kmc", source, re.MULTILINE), path.name
        assert source.count("\n") < 400, path.name
    (tmp_path / "elsewhere").mkdir()
    for name in ("basics", "client", "command", "protocol"):
        (tmp_path / "elsewhere" / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    words = [sys.executable, "-I", copy]

    def output_of(*arguments, stdin=b""):
        return subprocess.run(
            arguments,
            cwd=tmp_path / "elsewhere",
            input=stdin,
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout

    shown = output_of(*words, "--help").decode()
    assert shown == pace_driver.__doc__ == command("--help", cwd="/").stdout.decode()
    emt = ["--ase", "ase.calculators.emt:EMT", "--minimum-distance", "1"]
    found = output_of(*words, *emt, stdin=GOOD.encode())
    assert found == command(*emt, stdin=GOOD.encode()).stdout != b""
    assert output_of(sys.executable, "../pace_driver.py", "--help").decode() == shown


@pytest.mark.parametrize("missing", ["command.py", "basics.py", "evaluator.py", "short_range.py"])
def test_a_copy_that_lacks_a_file_says_so(tmp_path, missing):
    copy = copy_driver(tmp_path)
    (tmp_path / missing).unlink()
    words = [sys.executable, copy, "--ase", "ase.calculators.emt:EMT", "--minimum-distance", "1"]
    done = subprocess.run(words, input=GOOD.encode(), capture_output=True, check=False, timeout=120)
    assert (done.returncode, len(done.stderr.splitlines())) == (driver.UNUSABLE, 1)
    assert missing.removesuffix(".py").encode() in done.stderr
    assert done.stderr.endswith(b"copy the whole folder\n")


def test_the_formulae_come_from_the_file_beside_it():
    """The same file, not a copy in other words."""
    assert repulsion.formulae.__file__ == str(FORMULAE)


def test_the_thin_client_imports_next_to_nothing(tmp_path):
    """Not even os, which takes longer than all the rest."""
    copy_driver(tmp_path)
    (tmp_path / "in").write_text(GOOD)
    code = (
        "import sys; before = set(sys.modules); sys.path.append(sys.argv[1]); import pace_driver as d;"
        "code = d.main(['--socket', '/nowhere', '--wait-s', '0.01', '--input', sys.argv[2]]);"
        "print(code, *sorted(set(sys.modules) - before))"
    )
    words = [sys.executable, "-IS", "-c", code, str(tmp_path), str(tmp_path / "in")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    own = [
        "_pace_driver",
        *(
            f"_pace_driver.{name}"
            for name in ("basics", "client", "command", "eon_text", "protocol")
        ),
    ]
    first, *found = done.stdout.split()
    assert int(first) == driver.NO_SERVER
    assert set(found) <= {"_socket", "_struct", "struct", "pace_driver", *own}
    assert set(own) < set(found)


@pytest.mark.parametrize(("arguments", "words"), [
    ((), "give one of --potential, --ase and --socket"),
    (("--potential", "a", "--ase", "b:C"), "give one of"),
    (("--potentail", "a"), "no option --potentail"),
    (("--potential",), "needs a value"),
    (("--potential", "a", "--potential=b"), "twice"),
    (("--potential", "a", "--basis", "b"), "both of --basis and --active-set"),
    (("--potential", "a", "--halt", "5"), "need gamma"),
    (("--potential", "a", "--basis", "b", "--active-set", "c", "--halt", "-1"), "positive number"),
    (("--potential", "a", "--basis", "b", "--active-set", "c", "--halt", "nan"), "positive number"),
    (("--potential", "a", "--engine", "vasp"), "pyace or lammps"),
    (("--potential", "a", "--minimum-distance", "Cu-Cu=x"), "positive number"),
    (("--potential", "a", "--minimum-distance", "Cu-Cu=1.5,Cu-N"), "positive number"),
    (("--potential", "a", "--minimum-distance", "Cu-Cu=1.5,"), "no pair like Cu-Cu=1.5"),
    (("--potential", "a", "--minimum-distance", "Cu=1.5"), "no pair like Cu-Cu=1.5"),
    (("--ase", "ase.calculators.emt:EMT", "--basis", "b", "--active-set", "c"), "goes with neither"),
    (("--ase", "nothing"), "MODULE:CLASS"),
    (("--ase", "ase.calculators.emt:EMT", "--ase-arguments", "{"), "no JSON"),
    (("--socket", "s", "--wait-s", "0"), "positive number"),
])  # fmt: skip
def test_options_that_make_no_sense(arguments, words, tmp_path, capfd):
    (tmp_path / "in").write_text(GOOD)
    assert pace_driver.main(["--input", str(tmp_path / "in"), *arguments]) == driver.USAGE
    said = capfd.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["nothing", "not-a-number first", "text for a number", "binary", "a cut last line"]
)
def test_the_command_refuses_malformed_input_before_anything_is_loaded(name):
    done = command("--potential", "/nowhere.yace", stdin=MALFORMED[name].encode())
    assert (done.returncode, done.stdout) == (driver.MALFORMED, b"")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"pace_driver: ")


def test_what_cannot_be_read_or_written_has_one_line(tmp_path):
    pytest.importorskip("ase")
    assert command("--potential", "x", "--input", tmp_path / "none").returncode == driver.MALFORMED
    done = command("--potential", tmp_path / "none.yace", stdin=GOOD.encode())
    assert (done.returncode, len(done.stderr.splitlines())) == (driver.UNUSABLE, 1)
    out = tmp_path / "out"
    done = command(
        "--ase",
        "ase.calculators.emt:EMT",
        "--output",
        out,
        stdin=GOOD.encode(),
        largest_file_bytes=10,
    )
    assert (done.returncode, done.stderr) == (
        driver.DISK,
        f"pace_driver: cannot write {out}: File too large\n".encode(),
    )
    assert not out.exists(), "half an answer is none"
    done = command("--ase", "no.such.module:EMT", stdin=GOOD.encode())
    assert (done.returncode, len(done.stderr.splitlines())) == (driver.UNUSABLE, 1)
    done = command("--ase", "ase.calculators.emt:EMT", stdin=GOOD.replace("29", "92").encode())
    assert (done.returncode, len(done.stderr.splitlines())) == (driver.FAILED, 1)


def test_an_ase_calculator_as_eon_calls_it(tmp_path):
    from ase.calculators.emt import EMT

    (tmp_path / driver.TO_DRIVER).write_text(GOOD)
    done = command(
        "--ase",
        "ase.calculators.emt:EMT",
        cwd=tmp_path,
        environment={driver.RUN_DIR: str(tmp_path)}.items(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    words = (tmp_path / driver.FROM_DRIVER).read_text().split()
    atoms = driver.atoms_of(structure())
    atoms.calc = EMT()
    assert [float(word) for word in words] == [
        atoms.get_potential_energy(),
        *atoms.get_forces().ravel(),
    ]


def test_atoms_that_are_too_near_halt(tmp_path):
    near = GOOD.replace("2 2 2", "0.1 0.2 1.3")
    done = command(
        "--ase",
        "ase.calculators.emt:EMT",
        "--minimum-distance",
        "1.5",
        "--halts",
        tmp_path / "h",
        "--search",
        "0_1",
        stdin=near.encode(),
    )
    assert done.returncode == driver.HALTED
    assert b"Cu-Cu atoms are 1.0000 A apart, nearer than 1.5 A; kept at" in done.stderr
    (found,), _ = frames.read_kept_frames(tmp_path / "h")
    assert (found.search, found.kind, found.gammas) == ("0_1", frames.Kind.EVIDENCE, None)
    assert done.stdout == b"", "no numbers come out of it"
    assert (
        command(
            "--ase",
            "ase.calculators.emt:EMT",
            "--minimum-distance",
            "Cu-Cu=0.9",
            stdin=near.encode(),
        ).returncode
        == 0
    )


def test_inside_eon_the_first_bad_end_is_left_beside_the_search(tmp_path):
    """eOn's client passes on no exit code; nobody reads the printed line for it."""
    near = GOOD.replace("2 2 2", "0.1 0.2 1.3")

    def called(structure, least_A):
        (tmp_path / driver.TO_DRIVER).write_text(structure)
        options = ("--ase", "ase.calculators.emt:EMT", "--minimum-distance", least_A)
        return command(*options, environment={driver.RUN_DIR: str(tmp_path)}.items(), cwd=tmp_path)

    assert called(GOOD, "1.5").returncode == 0
    assert not (tmp_path / driver.END_FILE).exists()
    assert called(near, "1.5").returncode == driver.HALTED
    assert called("not a structure", "1.5").returncode == driver.MALFORMED
    code, kind, line, rest = (tmp_path / driver.END_FILE).read_text().split("\n")
    assert (code, kind, rest) == ("100", driver.TOO_NEAR, "")
    assert line.startswith("Cu-Cu atoms are 1.0000 A apart, nearer than 1.5 A")
    assert client._driver_halt(tmp_path) == client.Ended(client.End.HALTED, line, is_too_near=True)


@pytest.mark.parametrize("text", ["", "100", "3\n\nthe structure is malformed\n", "\xff\n\n\n"])
def test_another_end_is_no_halt(tmp_path, text):
    (tmp_path / driver.END_FILE).write_bytes(text.encode("latin-1"))
    assert client._driver_halt(tmp_path) is None
    assert client._driver_halt(tmp_path / "elsewhere") is None


def test_a_baseline_is_added(tmp_path):
    near = GOOD.replace("2 2 2", "0.1 0.2 1.3")
    (tmp_path / "b.json").write_text('{"Cu-Cu": {"kind": "zbl", "inner_A": 0.8, "outer_A": 1.4}}')
    with_it, without = (
        command("--ase", "ase.calculators.emt:EMT", *more, stdin=near.encode())
        for more in (("--baseline", tmp_path / "b.json"), ())
    )
    added = np.array(with_it.stdout.split(), float) - np.array(without.stdout.split(), float)
    assert added[0] > 0.1
    assert added[1:].reshape(2, 3)[0, 2] == pytest.approx(-added[1:].reshape(2, 3)[1, 2])
    assert added[1:].reshape(2, 3)[0, 2] < -1
    (tmp_path / "b.json").write_text('{"Cu-Cu": {"kind": "zbl", "inner_A": 0.8}}')
    done = command(
        "--ase", "ase.calculators.emt:EMT", "--baseline", tmp_path / "b.json", stdin=near.encode()
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (driver.UNUSABLE, 1)


@pytest.mark.parametrize(("text", "element"), [
    (flow_text(), "Cu"), (block_text(), "Cu"), (json_text(), "Cu"), (flow_text().replace("[Cu, N]", "[\n  'N', Cu]"), "N"),
    (flow_text().replace("[Cu, N]", "# both\n- Cu\n- N"), "Cu"), (flow_text().replace("elements", "species"), ""), ("", ""),
])  # fmt: skip
def test_the_first_element_is_found_however_the_potential_is_written(text, element):
    assert _first_element(text) == element
