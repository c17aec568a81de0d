"""Outside programs: their ends, limits and cancellations, and the check of the processor. Never a tight timing."""

import dataclasses
import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from mlip_kmc.ground.errors import ProgramError, StorageError
from mlip_kmc.ground.programs import Program, ProgramEnd, check_cpu
from mlip_kmc.ground.programs.cpu import _LEVELS

LONG_S = 600.0
FOREVER = "import time\nwhile True: time.sleep(60)"


@pytest.fixture(params=["guarded", "alone"])
def python(request):
    guard = shutil.which("setpriv") if request.param == "guarded" else None
    if request.param == "guarded" and guard is None:
        pytest.skip("no setpriv here")
    return Program(name="python", path=sys.executable, guard=guard)


def code(text):
    return ["-c", text]


def alive(pid):
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid):
    for _ in range(100_000):  # the kernel ends a killed process soon, not at once
        if not alive(pid):
            return True
        os.sched_yield()
    return False


@pytest.mark.parametrize("status", [0, 1, 7, 126, 127, 255])
def test_exit_codes_and_words(python, tmp_path, status):
    done = python.run(
        code(f"import sys; print('out'); print('err', file=sys.stderr); sys.exit({status})"),
        cwd=tmp_path,
        time_limit_s=LONG_S,
    )
    assert (done.end, done.returncode) == (ProgramEnd.EXITED, status)
    assert done.tail() == "err\nout"
    assert (done.stdout, done.stderr) == (tmp_path / "stdout.txt", tmp_path / "stderr.txt")


def test_a_program_that_dies_by_a_signal(python, tmp_path):
    done = python.run(
        code("import os, signal; os.kill(os.getpid(), signal.SIGABRT)"),
        cwd=tmp_path,
        time_limit_s=LONG_S,
    )
    assert (done.end, done.returncode) == (ProgramEnd.EXITED, -6)


def test_programs_on_the_path_run(tmp_path):
    assert Program.find("true").run([], cwd=tmp_path, time_limit_s=LONG_S).returncode == 0
    assert Program.find("false").run([], cwd=tmp_path, time_limit_s=LONG_S).returncode == 1
    assert Path(Program.find("true").path).is_absolute()


def test_a_relative_path_is_made_absolute(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mine").symlink_to(shutil.which("true"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"bin{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "elsewhere").mkdir()
    assert (
        Program.find("mine").run([], cwd=tmp_path / "elsewhere", time_limit_s=LONG_S).returncode
        == 0
    )


def test_arguments_are_not_interpreted(python, tmp_path):
    odd = ["a b", "$HOME", "`ls`", "--", "-x", "*", "\n", ""]
    done = python.run(
        [*code("import sys, json; print(json.dumps(sys.argv[1:]))"), *odd],
        cwd=tmp_path,
        time_limit_s=LONG_S,
    )
    assert json.loads(done.stdout.read_text()) == odd


def test_directory_environment_and_input(python, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    monkeypatch.setenv("SECRET_OF_THE_USER", "x")
    text = (
        "import os, sys, json; print(json.dumps([os.getcwd(), dict(os.environ), sys.stdin.read()]))"
    )
    done = python.run(code(text), cwd=tmp_path, time_limit_s=LONG_S)
    where, environment, given = json.loads(done.stdout.read_text())
    assert (where, given, environment["OMP_NUM_THREADS"]) == (str(tmp_path), "", "1")
    assert environment["PATH"] == os.environ["PATH"]
    assert "SECRET_OF_THE_USER" not in environment


def test_the_limit_ends_the_program(python, tmp_path):
    done = python.run(code(FOREVER), cwd=tmp_path, time_limit_s=0.2)
    assert (done.end, done.returncode) == (ProgramEnd.TIMED_OUT, -9)


@pytest.mark.parametrize("limit", [LONG_S, 1e12, float("inf")])
def test_limits_without_end_are_fine(python, tmp_path, limit):
    for cancelled in (None, threading.Event()):
        assert (
            python.run(code(""), cwd=tmp_path, time_limit_s=limit, cancelled=cancelled).end
            is ProgramEnd.EXITED
        )


GRANDCHILD = """
import os, time
if os.fork() == 0:
    os.fork() or open('grandchild', 'w').write(str(os.getpid()))
    while True: time.sleep(60)
while not os.path.exists('grandchild') or not open('grandchild').read(): time.sleep(0.01)
open('ready', 'w').close()
"""


def cancel_when_ready(folder, cancelled):
    def watch():
        while not (folder / "ready").exists():
            threading.Event().wait(0.01)
        cancelled.set()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("last", [FOREVER, "import sys; sys.exit(3)"])
def test_children_of_children_are_gone_after_the_end_or_a_cancellation(python, tmp_path, last):
    cancelled = threading.Event()
    thread = cancel_when_ready(tmp_path, cancelled)
    done = python.run(
        code(GRANDCHILD + last), cwd=tmp_path, time_limit_s=LONG_S, cancelled=cancelled
    )
    thread.join()
    assert done.end is ProgramEnd.CANCELLED or (last != FOREVER and done.returncode == 3)
    assert gone(int((tmp_path / "grandchild").read_text()))


def test_children_of_children_are_gone_after_the_limit(python, tmp_path):
    limit = 2.0
    while True:  # a busy machine may need longer than the limit to get so far
        done = python.run(code(GRANDCHILD + FOREVER), cwd=tmp_path, time_limit_s=limit)
        assert done.end is ProgramEnd.TIMED_OUT
        if (tmp_path / "ready").exists():
            break
        limit *= 2
    assert gone(int((tmp_path / "grandchild").read_text()))


def test_a_program_cancelled_before_it_starts_is_ended(python, tmp_path):
    cancelled = threading.Event()
    cancelled.set()
    assert (
        python.run(code(FOREVER), cwd=tmp_path, time_limit_s=LONG_S, cancelled=cancelled).end
        is ProgramEnd.CANCELLED
    )


def test_an_interrupt_leaves_nothing_behind(python, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        while not (tmp_path / "ready").exists():
            os.sched_yield()
        raise KeyboardInterrupt

    monkeypatch.setattr("mlip_kmc.ground.programs.program._first_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        python.run(code(GRANDCHILD + FOREVER), cwd=tmp_path, time_limit_s=LONG_S)
    assert gone(int((tmp_path / "grandchild").read_text()))


def test_the_tail_is_short_and_survives_any_bytes(python, tmp_path):
    done = python.run(
        code("import sys; sys.stderr.buffer.write(b'\\xff' * 10**6 + b'\\nlast words')"),
        cwd=tmp_path,
        time_limit_s=LONG_S,
    )
    assert done.tail().endswith("\nlast words")
    assert len(done.tail()) <= 4096
    done.stderr.unlink()
    assert done.tail() == ""


def test_missing_programs(python, tmp_path):
    with pytest.raises(ProgramError, match="no_such_program is not on PATH"):
        Program.find("no_such_program")
    with pytest.raises(ProgramError, match=r"cannot start python: .*No such file") as caught:
        dataclasses.replace(python, path=str(tmp_path / "none")).run(
            [], cwd=tmp_path, time_limit_s=LONG_S
        )
    assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "text").write_text("not a program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(
        ProgramError, match=r"cannot start python: .*format"
    ):  # setpriv would have a shell try it
        dataclasses.replace(python, path=str(tmp_path / "text"), guard=None).run(
            [], cwd=tmp_path, time_limit_s=LONG_S
        )


def test_a_directory_that_is_not_there(python, tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        python.run(code(""), cwd=tmp_path / "none", time_limit_s=LONG_S)


def doctored(tmp_path, flags, march="x86-64-v3"):
    (tmp_path / "cpuinfo").write_text(
        f"processor\t: 0\nvmx flags\t: a b\nflags\t\t: {' '.join(flags)}\nbugs\t: none\n"
    )
    (tmp_path / "parts.json").write_text(json.dumps({"march": march}))
    return {"cpuinfo": tmp_path / "cpuinfo", "etc": tmp_path}


def test_a_processor_with_all_instructions_is_taken(tmp_path):
    for march, flags in (
        ("x86-64-v2", _LEVELS["x86-64-v2"]),
        ("x86-64-v4", set().union(*_LEVELS.values())),
        ("native", {"fpu"}),
    ):
        check_cpu(**doctored(tmp_path, flags, march))


@pytest.mark.parametrize("lacking", sorted(_LEVELS["x86-64-v2"] | _LEVELS["x86-64-v3"]))
def test_a_processor_that_lacks_one_is_refused(tmp_path, lacking):
    flags = (_LEVELS["x86-64-v2"] | _LEVELS["x86-64-v3"]) - {lacking}
    with pytest.raises(
        ProgramError, match=rf"lacks {lacking}, which .*x86-64-v3.*--march x86-64-v2"
    ) as caught:
        check_cpu(**doctored(tmp_path, flags))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "parts",
    ["", "[]", "{}", "3", '{"march": 5}', '{"march": ["x86-64-v3"]}', '{"march": "armv8"}', "\xff"],
)
def test_what_is_not_known_is_not_refused(tmp_path, parts):
    places = doctored(tmp_path, {"fpu"})
    (places["etc"] / "parts.json").write_bytes(parts.encode("latin-1"))
    check_cpu(**places)
    check_cpu(cpuinfo=tmp_path / "none", etc=places["etc"])


def test_other_architectures_are_not_refused(tmp_path):
    places = doctored(tmp_path, {"fpu"})
    places["cpuinfo"].write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    check_cpu(**places)


def test_it_reads_what_it_is_given_and_sees_no_more_of_the_environment_than_it_may(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/a/socket")
    monkeypatch.setenv("SOMETHING_ELSE", "secret")
    (tmp_path / "given").write_text("words")
    done = Program.find("sh").run(
        ["-c", 'cat; echo "$SSH_AUTH_SOCK$SOMETHING_ELSE"'],
        cwd=tmp_path,
        time_limit_s=10,
        stdin=tmp_path / "given",
        keep=("SSH_AUTH_SOCK",),
    )
    assert done.stdout.read_text() == "words/a/socket\n"
