"""Every file of a killed run, torn or with a flipped bit: a start goes on to the right trajectory and names it, or is refused.

What is derived (the live tree, results, what says who holds the run) is made anew without a word; of what is the run itself
no damage stays unsaid.
"""

import contextlib
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import psutil
import pytest

from mlip_kmc.akmc.spool import Record, records_in
from mlip_kmc.ground.errors import MlipKmcError, RunStateError
from mlip_kmc.ground.files import sealed, unsealed
from mlip_kmc.store.checkpoints import KEPT
from mlip_kmc.store.manifest import FORMAT, OLDEST_FORMAT
from mlip_kmc.store.view import RunView

from ..unit.synthetic import as_format_2
from .lane import EVERY, kill_tree, outcome, write_config

ATTEMPTS = 60
LOOKS = 250
"""For so many, two milliseconds apart, a search is held: others end meanwhile."""
FEW = {"objects", "eon", "results", "halts"}
"""Folders with many files of one kind: the short version takes every so many."""
STRIDE = EVERY or 20


def seen(run):
    """The same of a run that goes on: what is being written meanwhile is not there yet."""
    try:
        return worth_it(run)
    except (MlipKmcError, OSError, ValueError):
        return False


def stopped(pid):
    """Stop all threads of a process, and wait until they are; False if it has ended."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGSTOP)
        while any(
            path.read_text().rsplit(")", 1)[1].split()[0] not in "TtZX"
            for path in Path(f"/proc/{pid}/task").glob("*/stat")
        ):
            time.sleep(0.001)
        return True
    return False


def in_second_state(run):
    """A KMC step is noted in the journal."""
    path = run / "journal" / "events.jsonl"
    return path.exists() and path.stat().st_size > 0


def first_client_held(pid):
    """The oldest of a run's eOn clients, which does not go on; None if there is none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        clients = [
            process
            for process in psutil.Process(pid).children(recursive=True)
            if process.name() == "eonclient"
        ]
        if clients:
            first = min(clients, key=lambda process: (process.create_time(), process.pid))
            first.suspend()
            return first
    return None


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


DAMAGES = {
    "emptied": lambda data: b"",
    "cut to one byte": lambda data: data[:1],
    "cut to half": lambda data: data[: len(data) // 2],
    "cut by one byte": lambda data: data[:-1],
    "with a flipped bit": flipped,
}  # fmt: skip


def manifest_of(run, number):
    return json.loads(unsealed((run / "generations" / f"{number:08d}.json").read_bytes()))


def newest(run):
    return max(int(path.stem) for path in (run / "generations").glob("*.json"))


def finished_in(data):
    """Names of the searches whose outcomes are whole in a file of the spool."""
    return {
        found.name
        for found in records_in(data)
        if isinstance(found, Record)
        and unsealed(data[found.at : found.at + found.length]) is not None
    }


def worth_it(run):
    """It has all kinds of files: three generations, an event, a finished search that waits, and one from a recycled saddle."""
    waiting = {path.name for path in (run / "spool").iterdir()}
    if not all(any(name.endswith(end) for name in waiting) for end in (".log", ".job")):
        return False  # without a look at more, thousands of times
    manifest = manifest_of(run, newest(run))
    pending = manifest["state"]["numbers"]["pending"]
    spooled = {path.stem for path in (run / "spool").glob("*.job")}
    finished = {
        name for path in (run / "spool").glob("*.log") for name in finished_in(path.read_bytes())
    }
    return (
        manifest["journals"]["events"]["length"] > 0
        and len(list((run / "generations").iterdir())) >= 3
        and not finished.isdisjoint(pending)
        and not spooled.isdisjoint(pending)
    )


@pytest.fixture(scope="module")
def killed(lanes, small, tmp_path_factory):
    """A run that was killed between two commits, in its second state.

    In its second state the search that began first is held (SIGSTOP), so that those which began later end before it, and wait.
    The run is stopped where it may be worth it, and looked at in peace: if it is not, it goes on to the next such place.
    """
    many = write_config(tmp_path_factory.mktemp("many"), workers=4)
    for attempt in range(ATTEMPTS):
        run = tmp_path_factory.mktemp("killed") / f"{attempt}"
        pid, held, looks = lanes[0].start(many, run), None, 0
        while Path(f"/proc/{pid}").exists():
            if held is None and in_second_state(run):
                held = first_client_held(pid)
            looks += held is not None
            if held is not None and looks == LOOKS:
                with contextlib.suppress(psutil.NoSuchProcess):
                    held.resume()
            if seen(run) and stopped(pid):
                if seen(run):
                    break
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.002)  # a tenth of what a search takes
        kill_tree(pid)
        lanes[0].wait()
        if worth_it(run):
            return run
    pytest.fail(f"none of {ATTEMPTS} killed runs has all kinds of files")


def files_of(run):
    """Relative paths, of folders with many files every so many of each kind."""
    found = sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file())
    many = [path for path in found if path.parts[0] in FEW and len(path.parts) > 1]
    return [path for path in found if path not in many] + many[::STRIDE]


def vital(run, path):
    """How a start must call the file if it is damaged; None where it is made anew anyway."""
    number = newest(run)
    manifest = manifest_of(run, number)
    top, name = path.parts[0], path.name
    if top == "generations":  # a kill between a commit and its cleaning leaves one that goes unread
        kept = int(path.stem) > number - KEPT
        return f"generation {int(path.stem)} is damaged" if kept else None
    if top == "journal":
        return str(path)
    pending = manifest["state"]["numbers"]["pending"]
    if top == "spool" and path.suffix == ".job":
        return str(path) if path.stem in pending else None
    if top == "spool":
        return str(path)
    used = set(manifest["folders"].values())
    for digest in manifest["folders"].values():
        listing = manifest["texts"].get(digest)
        if listing is None:
            listing = (run / "objects" / digest[:2] / digest[2:]).read_text()
        used |= set(json.loads(listing).values())
    return str(path) if top == "objects" and path.parts[1] + name in used else None


def one(lane, *, killed, small, undisturbed, folder, path, damage):
    """Damage one file, start, and say in words what is wrong with what came of it; nothing if all is well."""
    run = folder / f"{path.as_posix().replace('/', '-')}-{damage.replace(' ', '-')}"
    data = (killed / path).read_bytes()
    if DAMAGES[damage](data) == data:
        return None
    shutil.copytree(killed, run)
    (run / path).chmod(0o644)
    (run / path).write_bytes(DAMAGES[damage](data))
    name = vital(killed, path)
    if path.suffix == ".log" and path.parts[0] == "spool":  # others in it are committed already
        damaged = DAMAGES[damage](data)
        lost = finished_in(data) - finished_in(damaged)
        pending = manifest_of(killed, newest(killed))["state"]["numbers"]["pending"]
        # a cut between two outcomes leaves what a kill before the second one leaves: it is searched for again
        cut_between = all(isinstance(found, Record) for found in records_in(damaged))
        name = None if lost.isdisjoint(pending) or cut_between else name
    try:
        with RunView.read(run, detail="numbers") as view:
            steps = view.numbers.steps
        assert 0 <= steps <= 2
    except RunStateError:
        pass  # said in one line
    ended = lane.run(small, run)
    if not ended.one_line:
        verdict = "more than a line"
    elif ended.returncode == 0:
        verdict = None if outcome(run) == undisturbed else "another trajectory"
        warned = "\n".join(
            line for line in ended.stdout.splitlines() if line.startswith("warning: ")
        )
        verdict = verdict or (f"{name!r} is not said" if name and name not in warned else None)
    else:
        right = ended.returncode == RunStateError.exit_code and ended.stderr.startswith(
            "mlip-kmc: "
        )
        verdict = None if right and name and name in ended.stderr else "refused for no reason"
    shutil.rmtree(run)
    return verdict and f"{path} {damage}: {verdict}: {ended}"


def test_no_damage_goes_unnoticed(lanes, small, undisturbed, killed, memory):
    files = files_of(killed)
    assert {path.parts[0] for path in files} >= {
        "generations",
        "journal",
        "objects",
        "eon",
        "spool",
        "lock",
    }
    # of what is made anew anyway, two kinds of damage tell as much as five
    cases = [
        (path, damage)
        for path in files
        for damage in DAMAGES
        if EVERY or vital(killed, path) or damage in ("emptied", "with a flipped bit")
    ]

    def work(number):
        return [
            one(
                lanes[number],
                killed=killed,
                small=small,
                undisturbed=undisturbed,
                folder=memory,
                path=path,
                damage=damage,
            )
            for path, damage in cases[number :: len(lanes)]
        ]

    with ThreadPoolExecutor(len(lanes)) as pool:
        wrong = [
            verdict
            for verdicts in pool.map(work, range(len(lanes)))
            for verdict in verdicts
            if verdict
        ]
    print(f"\n{len(files)} files, {len(cases)} damages, {len(wrong)} violations")
    assert not wrong, "\n".join(wrong)


def test_generations_that_are_gone_are_missed(lanes, small, killed, memory):
    shutil.copytree(killed, memory / "run")
    for path in (memory / "run/generations").iterdir():
        path.unlink()
    before = {path: path.read_bytes() for path in (memory / "run/journal").iterdir()}
    ended = lanes[0].run(small, memory / "run")
    assert (ended.returncode, ended.one_line) == (6, True)
    assert "are gone, but" in ended.stderr
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("other", [OLDEST_FORMAT - 1, FORMAT + 1, None])
def test_a_run_of_another_format_is_refused_with_the_way_on(lanes, small, killed, memory, other):
    shutil.copytree(killed, memory / "run")
    for path in (memory / "run/generations").iterdir():
        path.write_bytes(
            sealed(json.dumps(json.loads(unsealed(path.read_bytes())) | {"format": other}).encode())
        )
    kept = [
        path
        for folder in ("generations", "objects", "journal", "eon", "spool")
        for path in (memory / "run" / folder).rglob("*")
        if path.is_file()
    ]
    before = {path: path.read_bytes() for path in kept}
    ended = lanes[0].run(small, memory / "run")
    assert (ended.returncode, ended.one_line) == (6, True)
    assert (
        f"has the format {other}, this mlip-kmc reads {OLDEST_FORMAT} to {FORMAT}; use the version that wrote it "
        f"(mlip-kmc {metadata.version('mlip-kmc')}), or start anew in another run directory"
        in ended.stderr
    )
    assert {path: path.read_bytes() for path in kept} == before


def test_a_run_from_before_epochs_goes_on_as_one_epoch(lanes, small, undisturbed, killed, memory):
    """The next commit is of the present format; what it comes to is the same."""
    run = memory / "run"
    shutil.copytree(killed, run)
    as_format_2(run)
    with RunView.read(run) as view:
        (before,) = view.epochs
        assert before.facts["potential.eon"] == "eam_al"
        assert {record.epoch for record in (*view.events, *view.searches)} == {0}
    ended = lanes[0].run(small, run)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    assert "warning: " not in ended.stdout
    assert outcome(run) == undisturbed
    manifest = manifest_of(run, newest(run))
    assert manifest["format"] == FORMAT
    assert [epoch["identity"] for epoch in manifest["epochs"]] == [before.identity]
    assert '"epoch":0' in (run / "journal/events.jsonl").read_text().splitlines()[-1]
