"""Temporary folders: what a kill leaves is swept by the next start, and nothing of a living process is."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlip_kmc.ground import scratch
from mlip_kmc.ground.errors import StorageError

# a process that makes folders as searches do, says so, and waits to be ended
LIVING = """
import sys
from pathlib import Path
from mlip_kmc.ground.scratch import make
for name in ("0_17", "0_18"):
    (make(name, parent=Path(sys.argv[1])) / "pos.con").write_text("x")
print("made", flush=True)
sys.stdin.read()
"""
# a worker: forked, with folders of its own, and ended without Python's own end
FORKING = """
import os, sys
from pathlib import Path
from mlip_kmc.ground.scratch import make, remove_own_folders
make("mine", parent=Path(sys.argv[1]))
child = os.fork()
if child == 0:
    make("theirs", parent=Path(sys.argv[1]))
    remove_own_folders()
    os._exit(0)
os.waitpid(child, 0)
print("made", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path):
    """A scratch directory; this process keeps nothing in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    for key in [key for key in scratch._own if key[1] == folder]:
        own = scratch._own.pop(key)
        shutil.rmtree(own.path, ignore_errors=True)
        os.close(own.lock)


def living(parent, program=LIVING):
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "made\n"
    return process


def ended(process, number=None):
    if number is not None:
        process.send_signal(number)
    process.communicate("")


def names(parent):
    return sorted(path.name for path in parent.iterdir())


def test_what_a_killed_process_left_goes_with_the_next_start(parent):
    dead, alive = living(parent), living(parent)
    try:
        ended(dead, signal.SIGKILL)
        assert len(names(parent)) == 2
        mine = scratch.make("0_1", parent=parent)
        (kept,) = [path for path in parent.iterdir() if path != mine.parent]
        assert sorted(path.name[:4] for path in kept.iterdir()) == ["0_17", "0_18", "owne"]
        assert all((path / "pos.con").exists() for path in kept.glob("0_*"))
        assert scratch.sweep(parent) == []
    finally:
        ended(alive)
    assert names(parent) == [mine.parent.name], "a usual end leaves nothing"


def test_a_stopped_process_keeps_its_folders(parent):
    process = living(parent)
    process.send_signal(signal.SIGSTOP)
    try:
        assert scratch.sweep(parent) == []
        assert len(list(parent.glob("*/0_*/pos.con"))) == 2
    finally:
        process.send_signal(signal.SIGCONT)
        ended(process)


def test_a_forked_process_has_a_folder_of_its_own(parent):
    process = living(parent, FORKING)
    try:
        assert [path.name[:4] for path in parent.glob("*/*-*")] == ["mine"]
        assert scratch.sweep(parent) == []
    finally:
        ended(process, signal.SIGKILL)
    assert len(scratch.sweep(parent)) == 1
    assert names(parent) == []


def left_behind(parent, *, boot, owner=True, content=True):
    folder = parent / f"mlip-kmc.{boot}.abcd_123"
    folder.mkdir()
    if owner:
        (folder / "owner").write_bytes(b"")
    if content:
        (folder / "0_3-abcdefgh").mkdir()
        (folder / "0_3-abcdefgh" / "pos.con").write_text("x")
        (folder / "0_3-abcdefgh" / "cu.yace").symlink_to(parent)
    return folder


def test_of_another_boot_only_on_a_file_system_of_one_machine(parent, monkeypatch):
    other = left_behind(parent, boot="0badb007")
    monkeypatch.setattr(scratch, "file_system_of", lambda _: "nfs4")
    assert scratch.sweep(parent) == []
    assert (other / "0_3-abcdefgh").is_dir()
    monkeypatch.setattr(scratch, "file_system_of", lambda _: "ext4")
    assert scratch.sweep(parent) == [other]
    assert parent.is_dir(), "a link is removed, not what it leads to"


def test_on_a_shared_file_system_a_node_sweeps_its_own(parent, monkeypatch):
    monkeypatch.setattr(scratch, "file_system_of", lambda _: "lustre")
    mine = left_behind(parent, boot=scratch.boot_id()[:8])
    assert scratch.sweep(parent) == [mine]


def test_where_locks_are_unknown_nothing_is_swept_and_folders_are_made(parent, monkeypatch):
    def unknown(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    left = left_behind(parent, boot=scratch.boot_id()[:8])
    assert scratch.make("0_1", parent=parent).is_dir()
    assert left.is_dir()


def test_other_names_links_and_other_users_stay(parent, tmp_path, monkeypatch):
    boot = scratch.boot_id()[:8]
    kept = [
        f"mlip-kmc-{os.getuid()}-123-r0-n1-main.abcdef",
        "mlip-kmc-0_17-abcdefgh",
        f"mlip-kmc.{boot}.file1234",
        "other",
    ]
    for name in kept:
        (parent / name).mkdir() if "file" not in name else (parent / name).write_text("")
    target = tmp_path / "target"
    target.mkdir()
    (target / "owner").write_bytes(b"")
    (parent / f"mlip-kmc.{boot}.link1234").symlink_to(target)
    assert scratch.sweep(parent) == []
    assert (target / "owner").exists()
    assert names(parent) == sorted([*kept, f"mlip-kmc.{boot}.link1234"])
    theirs = left_behind(parent, boot=boot)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert scratch.sweep(parent) == []
    assert theirs.is_dir()


def test_one_that_is_being_made_stays_unless_it_is_empty_and_old(parent):
    boot = scratch.boot_id()[:8]
    folder = left_behind(parent, boot=boot, owner=False)
    assert scratch.sweep(parent) == []
    assert folder.is_dir()
    shutil.rmtree(folder)
    assert scratch.sweep(parent) == []
    empty = left_behind(parent, boot=boot, owner=False, content=False)
    assert scratch.sweep(parent) == [], "its process may be about to lock it"
    os.utime(empty, (0, 0))
    assert len(scratch.sweep(parent)) == 1


def test_a_clearing_of_old_files_only_costs_a_new_folder(parent):
    first = scratch.make("0_1", parent=parent)
    shutil.rmtree(first.parent)
    second = scratch.make("0_2", parent=parent)
    assert second.is_dir()
    assert second.parent != first.parent


def test_sweepers_and_makers_at_once(parent):
    """Two processes make and leave folders a hundred times while a third one sweeps: none loses what it made."""
    stop = threading.Event()

    def sweeping():
        while not stop.is_set():
            scratch.sweep(parent)

    sweeper = threading.Thread(target=sweeping)
    sweeper.start()
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mlip_kmc.ground.scratch import make, remove_own_folders\nparent = Path(sys.argv[1])\n"
        "for turn in range(100):\n    folder = make('0_1', parent=parent)\n    (folder / 'a').write_text('x')\n"
        "    assert (folder / 'a').exists()\n    remove_own_folders()\n"
    )
    try:
        makers = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(parent)], stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        errors = [maker.communicate()[1] for maker in makers]
    finally:
        stop.set()
        sweeper.join()
    assert errors == ["", ""]
    scratch.sweep(parent)
    assert names(parent) == []


def test_a_scratch_that_cannot_be_written(tmp_path):
    with pytest.raises(StorageError, match="choose another MLIP_KMC_SCRATCH"):
        scratch.make("0_1", parent=tmp_path / "none")


def test_the_block_leaves_nothing(parent):
    with scratch.temporary("check", parent=parent) as folder:
        (folder / "a").mkdir()
        other = scratch.make("0_1", parent=parent)
    assert not folder.exists()
    assert sorted(path.name[:4] for path in folder.parent.iterdir()) == ["0_1-", "owne"]
    scratch.remove(other)
    assert names(parent) == []


def test_no_temporary_folder_is_made_elsewhere():
    """One made by `tempfile` itself stays after a kill; the driver stands alone."""
    source = Path(scratch.__file__).parents[1]
    found = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "mkdtemp(" in (text := path.read_text(encoding="utf-8")) or "TemporaryDirectory(" in text
    ]
    assert sorted(found) == ["driver/standalone/lammps_engine.py", "ground/scratch.py"]
