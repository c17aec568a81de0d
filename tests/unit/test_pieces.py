"""`tests/all`: every test file is in one piece, the longest pieces start first, and a signal ends what runs."""

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def script():
    loader = importlib.machinery.SourceFileLoader("all_tests", str(TESTS / "all"))
    found = importlib.util.module_from_spec(importlib.util.spec_from_loader("all_tests", loader))
    sys.modules["all_tests"] = found  # dataclasses look there
    loader.exec_module(found)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield found
    for number, handler in handlers.items():
        signal.signal(number, handler)
    del sys.modules["all_tests"]


def test_every_file_is_in_a_piece_and_only_the_incidents_in_two(script):
    wanted = {str(path.relative_to(TESTS.parent)) for path in TESTS.rglob("test_*.py")}
    found = []
    for piece in script.PIECES:
        for path in piece.paths():
            where = TESTS.parent / path
            files = sorted(where.rglob("test_*.py")) if where.is_dir() else [where]
            assert files
            found += [str(file.relative_to(TESTS.parent)) for file in files]
    assert set(found) == wanted
    twice = {name for name in found if found.count(name) > 1}
    assert twice == {"tests/slurm/test_incidents.py"}
    options = [piece.options for piece in script.PIECES if piece.options]
    assert options == [("-k", "time_limits"), ("-k", "not time_limits")]


def test_the_longest_start_first_and_slurm_beside(script):
    waiting = list(script.PIECES)
    running = [script.Running(piece, None, None) for piece in script.next_of(waiting, [])]
    slots = [one.piece.slot for one in running]
    assert slots.count("waits") == 2
    assert slots.count("computes") == script.SLOTS["computes"]
    for one in running:
        assert one.piece.seconds >= max(
            piece.seconds for piece in waiting if piece.slot == one.piece.slot
        )
    assert len(waiting) + len(running) == len(script.PIECES)
    assert list(script.next_of(waiting, running)) == []


def test_when_slurms_pieces_are_done_one_more_computes(script):
    waiting = [piece for piece in script.PIECES if piece.slot == "computes"]
    running = [script.Running(piece, None, None) for piece in script.next_of(waiting, [])]
    assert len(running) == script.SLOTS["computes"] + 1
    last = next(piece for piece in script.PIECES if piece.slot == "waits")
    waiting += [one.piece for one in running] + [last]
    begun = list(script.next_of(waiting, []))
    assert len(begun) == script.SLOTS["computes"] + 1
    assert last in begun


@pytest.fixture
def small(script, tmp_path, monkeypatch):
    """Two pieces on the host, by a pytest that is a script of its own."""
    pytest_ = tmp_path / "host/bin/pytest"
    pytest_.parent.mkdir(parents=True)
    packages = tmp_path / "containers/packages"
    packages.parent.mkdir()
    packages.write_text(f"#!/bin/sh\necho {tmp_path}/host\n")
    packages.chmod(0o755)

    def made(text):
        pytest_.write_text(f"#!/bin/sh\n{text}\n")
        pytest_.chmod(0o755)
        monkeypatch.setattr(script, "ROOT", tmp_path)
        monkeypatch.setattr(script, "unpacked", lambda folder: folder)
        monkeypatch.setattr(script, "TICK_S", 0.02)
        pieces = tuple(
            script.Piece(name, seconds, "host", name, integration=False)
            for name, seconds in (("one", 1), ("two", 2))
        )
        monkeypatch.setattr(script, "PIECES", pieces)
        return script

    return made


def test_a_failure_is_told_and_the_table_has_all_pieces(small, capfd):
    script = small('echo "$1 .F. [ 50%]"; case $1 in *one) exit 1 ;; esac')
    assert script.main() == 1
    said = capfd.readouterr().out
    assert "tests: FAILED: one, after " in said
    assert "tests/two .F. [ 50%]" in said
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert rows["one"][-3:] == ["exit", "code", "1"]
    assert len(rows["two"]) == len(rows["all"]) == 4
    assert small("exit 0").main() == 0
    assert "tests: all passed, after " in capfd.readouterr().out


def test_what_a_piece_needed_is_its_own(small, tmp_path, capfd):
    script = small("case $1 in *one) i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done ;; esac")
    (tmp_path / "logs").mkdir()
    ended = script.all_pieces(tmp_path / "logs", list(script.PIECES), [])
    needed = {one.piece.name: one.usage.ru_utime for one in ended}
    assert needed["one"] > 10 * needed["two"]
    first, second = [line.split() for line in script.table(ended, 3.0).splitlines()[1:3]]
    assert (first[0], second[0]) == ("one", "two")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_pieces(small, tmp_path, capfd, monkeypatch, number):
    monkeypatch.setenv("PIDS", str(tmp_path))
    script = small(
        r'trap "echo yes >\$PIDS/${1#tests/}.asked; exit 3" INT; '
        r'echo $$ >"$PIDS/${1#tests/}.pid"; while :; do sleep 0.05; done'
    )
    both = f"[ -s {tmp_path}/one.pid ] && [ -s {tmp_path}/two.pid ]"
    tells = f"until {both}; do sleep 0.05; done; kill -{int(number)} {os.getpid()}"
    watcher = subprocess.Popen(["sh", "-c", tells])
    assert script.main() == 128 + number
    watcher.wait()
    assert "tests: stopped" in capfd.readouterr().out
    for name in ("one", "two"):
        assert (tmp_path / f"{name}.asked").exists(), "it was killed"
        pid = int((tmp_path / f"{name}.pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
