"""One process at a time in a run directory, whatever becomes of the others."""

import errno
import fcntl
import json
import logging
import multiprocessing
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mlip_kmc.ground.errors import RunStateError, StorageError
from mlip_kmc.store import claim as claims
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.claim import Claim, Holder
from mlip_kmc.store.run_directory import RunDirectory

QUICK_S = 1.5
ELSEWHERE = Holder(token="ab" * 16, host="n7", pid=41, boot="another machine", job="812")


def claimed_by(holder: Holder, directory: Path) -> Path:
    """Leave another process's claim; answer its sign of life."""
    (directory / claims.FILE).write_text(json.dumps(asdict(holder)))
    alive = directory / f"{claims.FILE}.{holder.token}.alive"
    alive.touch()
    return alive


def taken(directory, **options):
    claim = Claim(directory, **options)
    claim.take()
    return claim


def test_a_clean_end_leaves_nothing(tmp_path):
    claim = taken(tmp_path)
    claim.check()
    claim.release()
    assert [path.name for path in tmp_path.iterdir()] in ([], ["lock"])
    taken(tmp_path).release()


def test_the_second_on_this_machine_is_refused_by_name(tmp_path):
    claim = taken(tmp_path)
    with pytest.raises(
        RunStateError,
        match=rf"is in use by process {os.getpid()} on .*; wait for it, stop it, or choose",
    ):
        taken(tmp_path)
    claim.check()
    claim.release()


def hold_and_die(directory: Path) -> None:
    taken(directory)
    os._exit(9)


def test_a_lock_that_a_dying_child_still_holds_is_waited_for(tmp_path):
    """Between fork and exec a child has its parent's lock, also when the parent is dead by then."""
    held = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.2, os.close, [held]).start()
    taken(tmp_path).release()


def test_a_dead_process_of_this_boot_is_taken_over_at_once(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert (tmp_path / claims.FILE).exists()
    claim = taken(tmp_path, dead_after_s=3600.0)
    claim.check()
    claim.release()
    assert not list(tmp_path.glob("claim*"))


def test_a_living_process_of_another_node_is_refused(tmp_path):
    alive = claimed_by(ELSEWHERE, tmp_path)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(0.1):
            os.utime(alive)

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        with pytest.raises(RunStateError, match=r"in use by process 41 on n7 \(Slurm job 812\)"):
            taken(tmp_path, dead_after_s=60.0)
    finally:
        ended.set()
        beating.join()
    assert json.loads((tmp_path / claims.FILE).read_text()) == asdict(ELSEWHERE)


def test_a_dead_one_of_another_node_is_taken_over_after_its_time(tmp_path):
    claimed_by(ELSEWHERE, tmp_path)
    began = time.monotonic()
    claim = taken(tmp_path, dead_after_s=QUICK_S)
    assert time.monotonic() - began >= QUICK_S
    claim.check()
    claim.release()
    assert not list(tmp_path.glob("claim*"))


@pytest.fixture(params=["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL"])
def no_locks(request, monkeypatch):
    """A file system that knows no locks: Lustre without flock, NFS without a lock server, and others."""

    def refuse(*_):
        number = getattr(errno, request.param)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_without_locks_the_claim_itself_decides(tmp_path, no_locks, caplog):
    with caplog.at_level(logging.WARNING):
        claim = taken(tmp_path)
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith(f"{tmp_path / 'lock'} cannot be locked (")
    claim.check()
    claim.release()
    assert not list(tmp_path.glob("claim*"))
    taken(tmp_path).release()


def test_without_locks_a_living_process_of_this_boot_is_refused(tmp_path, no_locks, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.05)
    claim = taken(tmp_path)
    with pytest.raises(RunStateError, match=rf"is in use by process {os.getpid()} on"):
        taken(tmp_path)
    claim.check()
    claim.release()


def test_without_locks_a_dead_process_of_this_boot_is_taken_over_after_its_time(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    claimed_by(replace(ELSEWHERE, boot=claims.boot_id()), tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    began = time.monotonic()
    claim = taken(tmp_path, dead_after_s=QUICK_S)
    assert time.monotonic() - began >= QUICK_S
    claim.release()
    assert not list(tmp_path.glob("claim*"))


def test_another_error_of_a_lock_is_told(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(StorageError, match="lock: the storage reports an input/output error"):
        taken(tmp_path)


def test_a_beat_where_times_cannot_be_set(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    beat = tmp_path / "beat"
    beat.touch()
    os.utime(beat, (0, 0))
    monkeypatch.setattr(os, "utime", refuse)
    claims._touch(beat)
    assert beat.stat().st_mtime > 0


@pytest.mark.parametrize("content", [b"", b"{", b'{"token": 1}', b"\0" * 200])
def test_a_damaged_claim_is_put_aside(tmp_path, content):
    (tmp_path / claims.FILE).write_bytes(content)
    claim = taken(tmp_path)
    claim.check()
    claim.release()


def test_a_claim_that_came_between_is_put_back(tmp_path):
    newer = replace(ELSEWHERE, token="cd" * 16, host="n8")
    claimed_by(newer, tmp_path)
    claim = Claim(tmp_path)
    with pytest.raises(RunStateError, match="process 41 on n8"):
        claim._remove(ELSEWHERE)
    assert json.loads((tmp_path / claims.FILE).read_text()) == asdict(newer)


def test_who_was_taken_over_commits_nothing(tmp_path):
    with RunDirectory(tmp_path) as directory:
        store = Checkpoints(directory)
        store.begin_epoch({}, inputs={})
        store.commit({"n": 1}, touched=[])
        claimed_by(ELSEWHERE, tmp_path)  # a process that was suspended for long finds this
        with pytest.raises(
            RunStateError,
            match=r"was taken over by process 41 on n7 .*; this one stops and leaves it alone",
        ):
            store.commit({"n": 2}, touched=[])
    assert json.loads((tmp_path / claims.FILE).read_text()) == asdict(ELSEWHERE)
    assert sorted(path.name for path in (tmp_path / "generations").iterdir()) == ["00000001.json"]


def test_a_generation_of_another_process_is_never_replaced(tmp_path):
    with RunDirectory(tmp_path) as directory:
        store = Checkpoints(directory)
        store.begin_epoch({}, inputs={})
        store.commit({"n": 1}, touched=[])
        theirs = tmp_path / "generations" / "00000002.json"
        theirs.write_bytes(b"theirs")
        with pytest.raises(Exception, match="two runs are at work in one directory"):
            store.commit({"n": 2}, touched=[])
        assert theirs.read_bytes() == b"theirs"


def test_what_a_kill_left_half_in_folders_of_no_generation_is_swept(tmp_path):
    kept = tmp_path / "halts" / "0_1-20.xyz"
    half = [tmp_path / folder / ".0_1-20.xyz.8azf.tmp" for folder in ("halts", "results")]
    for path in (kept, *half):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    with RunDirectory(tmp_path):
        pass
    assert kept.is_file()
    assert [path.exists() for path in half] == [False, False]
