"""Finished searches that wait: every damage of their files, what is dropped when, and a disk that fails."""

import errno
import os
from zlib import crc32

import numpy as np
import pytest

from mlip_kmc.akmc import spool as module
from mlip_kmc.akmc.spool import Record, Spool, records_in
from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, Termination


def good(name, *, saddle_eV=-1.0):
    places = np.full((2, 3), 0.1)
    found = FoundProcess(-2.0, saddle_eV, -2.0, 1e12, 1e12, places, places, places, places)
    return SearchOutcome(name, "random", End.FINISHED, termination=Termination.GOOD, found=found)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def three(tmp_path):
    """A folder with three outcomes in one file, and where each of them begins and ends."""
    spool = Spool(tmp_path)
    for name in ("0_1", "0_2", "12_30"):
        spool.keep(good(name))
    spool._syncer.wait()
    (path,) = tmp_path.iterdir()
    ends = [record.at + record.length for record in records_in(path.read_bytes())]
    assert ends[-1] == path.stat().st_size
    return path, ends


def there(folder):
    spool = Spool(folder)
    found = {name for name in ("0_1", "0_2", "12_30") if spool.read(name) is not None}
    return found, spool.damage


def test_outcomes_come_back_to_the_last_digit_also_after_a_restart(tmp_path, three):
    assert len(three[1]) == 3
    for spool in (Spool(tmp_path), Spool(tmp_path)):
        assert [spool.read(name).name for name in ("12_30", "0_1", "0_2")] == [
            "12_30",
            "0_1",
            "0_2",
        ]
        assert spool.read("0_1").found.saddle_A.tobytes() == np.full((2, 3), 0.1).tobytes()
        assert (spool.read("0_3"), spool.damage) == (None, [])


def test_cut_anywhere_what_was_whole_is_there_and_the_rest_is_said(tmp_path, three):
    path, ends = three
    data = path.read_bytes()
    for length in sorted({*range(0, len(data), 17), *ends[:-1]}):
        path.write_bytes(data[:length])
        found, damage = there(tmp_path)
        assert found == {
            name for name, end in zip(("0_1", "0_2", "12_30"), ends, strict=True) if end <= length
        }
        if length not in ends:
            assert damage
            assert all(str(path) in line for line in damage)


def test_any_flipped_bit_is_noticed_and_nothing_wrong_is_read(tmp_path, three):
    path, ends = three
    data = path.read_bytes()
    for at in {*range(0, len(data), 17), *range(20), *range(ends[1], ends[1] + 20)}:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        found, damage = there(tmp_path)
        hit = next(index for index, end in enumerate(ends) if at < end)
        assert ("0_1", "0_2", "12_30")[hit] not in found
        assert len(damage) == 1
        assert str(path) in damage[0]
        assert {"0_1", "0_2", "12_30"}.difference(found) <= set(("0_1", "0_2", "12_30")[hit:])


def test_an_outcome_is_written_once_and_only_a_result_is(tmp_path):
    spool = Spool(tmp_path)
    spool.keep(good("0_1"))
    size = (tmp_path / "outcomes-00000001.log").stat().st_size
    spool.keep(good("0_1", saddle_eV=5.0))
    spool.keep(SearchOutcome("0_2", "random", End.CRASHED))
    assert (tmp_path / "outcomes-00000001.log").stat().st_size == size
    assert spool.read("0_1").found.saddle_eV == -1.0


def test_a_file_goes_with_the_last_of_its_outcomes_that_is_wanted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_OUTCOMES", 2)
    spool = Spool(tmp_path)
    for index in range(5):
        spool.keep(good(f"0_{index}"))
    (tmp_path / "0_1.job").touch()
    logs = [f"outcomes-0000000{number}.log" for number in (1, 2, 3)]
    assert files(tmp_path) == ["0_1.job", *logs]
    spool.forget(["0_0", "0_2"])
    assert files(tmp_path) == ["0_1.job", *logs]
    spool.forget(["0_1", "0_4"])  # the last one is still appended to
    assert files(tmp_path) == [logs[1]]
    spool.keep(good("0_5"))
    assert files(tmp_path) == [logs[1], "outcomes-00000004.log"]
    assert [Spool(tmp_path).read(f"0_{index}") is not None for index in range(6)] == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]  # one that is not wanted is there with the other of its file
    spool.keep_only(lambda name: name == "0_5")
    spool.keep(good("0_6"))
    assert files(tmp_path) == ["outcomes-00000004.log"]
    Spool(tmp_path).drop_outcomes()
    assert files(tmp_path) == []


def test_a_start_appends_to_no_file_of_an_earlier_one(tmp_path, three):
    path, _ = three
    data = path.read_bytes()
    path.write_bytes(data[:-3])
    spool = Spool(tmp_path)
    spool.keep(good("12_30"))
    assert (spool.read("12_30").name, path.read_bytes()) == ("12_30", data[:-3])
    assert files(tmp_path) == [path.name, "outcomes-00000002.log"]


def test_what_is_left_over_goes_and_wanted_starts_stay(tmp_path):
    for name in ("0_1.json", ".outcomes-00000003.log.x.tmp", "0_2.job", "0_3.job", "mine.txt"):
        (tmp_path / name).touch()
    Spool(tmp_path).keep_only(lambda name: name == "0_3")
    assert files(tmp_path) == ["0_3.job", "mine.txt"]


def test_after_a_full_disk_what_was_kept_is_whole_and_more_can_be_kept(tmp_path, monkeypatch):
    spool, plain = Spool(tmp_path), os.write
    spool.keep(good("0_1"))

    def full(descriptor, data):
        plain(descriptor, data[:100])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError) as told:
        spool.keep(good("0_2"))
    assert told.value.full
    monkeypatch.setattr(os, "write", plain)
    spool.keep(good("0_2"))
    again = Spool(tmp_path)
    assert [again.read(name).name for name in ("0_1", "0_2")] == ["0_1", "0_2"]
    assert again.damage == []


def test_a_sync_that_fails_is_told_by_the_next_outcome_and_by_the_next_commit(
    tmp_path, monkeypatch
):
    spool = Spool(tmp_path)
    plain = os.fsync

    def fail(descriptor):
        raise OSError(errno.EIO, "bad disk")

    monkeypatch.setattr(os, "fsync", fail)
    spool.keep(good("0_1"))
    spool._syncer.wait()
    monkeypatch.setattr(os, "fsync", plain)
    with pytest.raises(StorageError, match="reports an input/output error"):
        spool.keep(good("0_2"))
    with pytest.raises(StorageError):
        spool.forget(["0_1"])


def test_records_are_told_from_what_makes_no_sense():
    one = b"0_1 3 %08x\nabc" % crc32(b"0_1 3")
    other = b"12_3 0 %08x\n" % crc32(b"12_3 0")
    first, second = Record("0_1", 15, 3), Record("12_3", len(one + other), 0)
    assert list(records_in(one + other)) == [first, second]
    assert list(records_in(one + other + b"x")) == [first, second, len(one + other)]
    assert list(records_in(one[:-1])) == [0]
    assert list(records_in(b"")) == [0]
