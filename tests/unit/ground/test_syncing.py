"""Files are synced in groups, in a thread of their own; a failure is told at the next occasion, and for good."""

import errno
import os
import threading
from pathlib import Path

import pytest

from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import append_whole
from mlip_kmc.ground.syncing import Syncer


class Disk:
    """Notes each sync by the file's name, and holds it up until it may go on."""

    def __init__(self, monkeypatch):
        self.synced, self.at_work, self.go_on = [], threading.Event(), threading.Event()
        self.error = None
        monkeypatch.setattr(os, "fsync", self._fsync)

    def _fsync(self, descriptor):
        self.at_work.set()
        assert self.go_on.wait(30)
        if self.error:
            raise self.error
        self.synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def test_what_comes_while_it_syncs_is_one_group(tmp_path, disk):
    syncer, one, other = Syncer(), tmp_path / "one", tmp_path / "other"
    one.touch()
    other.touch()
    syncer.soon(one)
    assert disk.at_work.wait(30)
    for _ in range(5):  # nobody waits for the disk
        syncer.soon(one)
        syncer.soon(other)
    disk.go_on.set()
    syncer.wait()
    assert disk.synced == ["one", tmp_path.name, "one", "other", tmp_path.name]


def test_a_file_that_is_gone_is_not_wanted(tmp_path, disk):
    syncer = Syncer()
    disk.go_on.set()
    syncer.soon(tmp_path / "gone")
    syncer.wait()
    syncer.check()
    assert disk.synced == [tmp_path.name]


def test_a_failure_is_told_and_stays(tmp_path, disk):
    syncer, path = Syncer(), tmp_path / "one"
    path.touch()
    disk.error = OSError(errno.ENOSPC, "full")
    disk.go_on.set()
    syncer.soon(path)
    syncer.wait()
    disk.error = None
    for tell in (syncer.check, lambda: syncer.soon(path), syncer.check):
        with pytest.raises(StorageError, match=r"cannot write .*one: the disk is full") as told:
            tell()
        assert told.value.full
    assert disk.synced == []


def test_an_append_that_fails_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_bytes(b"first\n")
    plain, calls = os.write, []

    def full_after_three(descriptor, data):
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return plain(descriptor, data[:3])

    monkeypatch.setattr(os, "write", full_after_three)
    with pytest.raises(StorageError):
        append_whole(path, b"second\n")
    monkeypatch.undo()
    assert (path.read_bytes(), calls) == (b"first\n", [7, 4])
    append_whole(path, b"third\n")
    assert path.read_bytes() == b"first\nthird\n"
