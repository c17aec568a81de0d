"""Durable files under injected failures of the storage."""

import errno
import hashlib
import logging
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.ground import files
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import (
    append_durably,
    create_durably,
    has_room,
    make_directory,
    read_at_most,
    sha256_of,
    storage_errors,
    why_no_file,
    write_durably,
)

ADVICE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "quota",
    errno.EROFS: "read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "input/output error",
    errno.EMFILE: "ulimit -n",
    errno.EFBIG: "ulimit -f",
    errno.EBUSY: f"{os.strerror(errno.EBUSY)}; correct that",
}


def failing(code, *, after=0):
    """A call that fails from the time `after` on."""
    calls = []

    def call(*arguments, **_):
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("code", ADVICE)
@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, call, code):
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, failing(code))
    with pytest.raises(StorageError) as caught:
        write_durably(path, b"new" * 1000)
    monkeypatch.undo()
    assert ADVICE[code] in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def interrupted(_):
        raise error

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(error):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_the_first_error_is_reported_though_cleaning_up_fails_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    monkeypatch.setattr(os, "unlink", failing(errno.EROFS))
    with pytest.raises(StorageError, match="the disk is full"):
        write_durably(tmp_path / "x", b"new")


def test_a_directory_that_cannot_be_synced_is_an_error_and_the_file_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO, after=1))
    with pytest.raises(StorageError, match="input/output error"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF])
def test_where_no_directory_can_be_synced_it_is_said_once(tmp_path, monkeypatch, caplog, code):
    """CIFS and sshfs answer EINVAL; the files themselves are synced."""
    synced, sync = [], os.fsync

    def as_there(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        synced.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", as_there)
    monkeypatch.setattr(files, "_unsynced", set())
    with caplog.at_level(logging.WARNING):
        folder = make_directory(tmp_path / "a" / "b")
        write_durably(folder / "state", b"1")
        create_durably(folder / "new", b"2")
        append_durably(folder / "journal", b"3")
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith(f"the file system of {folder.parent} cannot sync a directory: ")
    assert len(synced) == 3
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "state": b"1",
        "new": b"2",
        "journal": b"3",
    }


def test_a_file_that_cannot_be_synced_is_an_error_whatever_the_system_calls_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    with pytest.raises(StorageError, match="Invalid argument"):
        write_durably(tmp_path / "state", b"1")


@pytest.mark.parametrize("call", ["fchmod", "link", "posix_fallocate"])
@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_what_a_file_system_does_not_know_is_left_out(tmp_path, monkeypatch, call, code):
    monkeypatch.setattr(os, call, failing(code))
    create_durably(tmp_path / "state", b"1")
    assert has_room(tmp_path, probe_bytes=2_500_000)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_room_that_is_written_where_it_cannot_be_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EINVAL))
    sizes, sync = [], os.fsync

    def look(descriptor):
        sizes.append(os.fstat(descriptor).st_size)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    assert has_room(tmp_path, probe_bytes=2_500_000)
    assert sizes == [2_500_000]
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
    assert not has_room(tmp_path, probe_bytes=2_500_000)


def test_everything_is_synced_before_the_rename_and_the_directory_after(tmp_path, monkeypatch):
    calls = []

    def noted(name, real):
        return lambda *arguments, **named: (calls.append(name), real(*arguments, **named))

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    write_durably(tmp_path / "x", b"1")
    assert calls == ["fsync", "replace", "fsync"]
    calls.clear()
    write_durably(tmp_path / "x", b"2", sync_directory=False)
    assert calls == ["fsync", "replace"]
    calls.clear()
    append_durably(tmp_path / "new", b"1")
    append_durably(tmp_path / "new", b"2")
    assert calls == ["fsync", "fsync", "fsync"], "the file and its new name; the file"


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o664])
def test_permissions_do_not_follow_the_umask(tmp_path, mode):
    before = os.umask(0o077)
    try:
        write_durably(tmp_path / "x", b"", mode=mode)
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("write", [write_durably, append_durably])
def test_places_that_cannot_be_written(tmp_path, write):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none" / "x", tmp_path / "file" / "x", tmp_path):
        with pytest.raises(StorageError, match="cannot write"):
            write(path, b"data")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_what_is_appended_is_all_there(tmp_path_factory, parts):
    path = tmp_path_factory.mktemp("append") / "lines"
    for part in parts:
        append_durably(path, part)
    assert (path.read_bytes() if path.exists() else b"") == b"".join(parts)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_failed_append_leaves_no_half_line(tmp_path, monkeypatch, code):
    path = tmp_path / "events.jsonl"
    append_durably(path, b"one\n")
    monkeypatch.setattr(os, "fsync", failing(code))
    with pytest.raises(StorageError, match=ADVICE[code]):
        append_durably(path, b"two\n")
    assert path.read_bytes() == b"one\n"
    monkeypatch.undo()
    real = os.write
    torn = iter((lambda fd, data: real(fd, bytes(data)[:2]), failing(code)))

    def write(descriptor, data):
        return next(torn)(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StorageError, match=ADVICE[code]):
        append_durably(path, b"three\n")
    monkeypatch.undo()
    assert path.read_bytes() == b"one\n"
    append_durably(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    append_durably(tmp_path / "x", b"0123456789")
    monkeypatch.undo()
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_directories_are_made_with_their_parents_and_again(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("mlip_kmc.ground.files.fsync_directory", synced.append)
    path = tmp_path / "a" / "b" / "c"
    assert make_directory(path) == path
    assert path.is_dir()
    assert set(synced) == {tmp_path, tmp_path / "a", tmp_path / "a" / "b"}
    synced.clear()
    assert make_directory(path) == path
    assert synced == []
    (tmp_path / "file").write_bytes(b"")
    for taken in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(StorageError, match="cannot write"):
            make_directory(taken)


def test_only_errors_of_the_system_are_turned(tmp_path):
    with pytest.raises(ValueError, match="mine"), storage_errors(tmp_path):
        raise ValueError("mine")
    with pytest.raises(StorageError, match=r"cannot write .*: strange"), storage_errors(tmp_path):
        raise OSError("strange")


@settings(deadline=None)
@given(st.binary(max_size=5000))
def test_sha256_is_that_of_the_content(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "content"
    path.write_bytes(data)
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()


def special(path, kind):
    """A path that leads to something that is no file."""
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")
    return path


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "a device"])
def test_what_is_no_file_is_neither_read_nor_waited_for(tmp_path, kind):
    path = special(tmp_path / "named", kind)
    with pytest.raises(OSError, match=f"it is {kind}, not a file"):
        read_at_most(path, 10)
    assert why_no_file(path) == f"{path} is {kind}, not a file"


def test_what_is_there_and_what_is_not(tmp_path):
    path = tmp_path / "named"
    assert why_no_file(path) == f"there is no file {path}"
    assert why_no_file(path / "below") == f"there is no file {path / 'below'}"
    path.write_bytes(b"0123456789")
    assert why_no_file(path) is None
    assert read_at_most(path, 10) == b"0123456789"
    with pytest.raises(OSError, match="larger than 9 bytes"):
        read_at_most(path, 9)
