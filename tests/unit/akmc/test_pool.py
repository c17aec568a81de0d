"""The folder in which runs tell each other what they know: what is read back, and what is left alone."""

import logging
import math

import numpy as np
import pytest

from mlip_kmc.akmc.pool import Known, KnownSaddle, Pool, Table
from mlip_kmc.model.structure import to_con

from .test_classes import vacancy

FACTS = {"potential.sha256": "ab", "confidence.value": 0.99, "temperature_K": 500.0, "seed": 1}


def known(run, *, energy_eV=-3.0, repeats=7, state=0):
    atoms = vacancy()
    places = np.zeros((len(atoms), 3))
    places[4] = [0.1, 1 / 3, -2.5]
    saddle = KnownSaddle(2**60, 0.7, places, places / 3)
    table = Table(to_con(atoms), (saddle,), ((2**60, 5),))
    return Known(run, state, energy_eV, repeats, {2**60: 4}, table)


def pools(folder, **facts):
    return Pool(folder, facts=FACTS, run=1), Pool(folder, facts={**FACTS, **facts}, run=2)


def test_what_one_publishes_another_reads_to_the_last_digit(tmp_path):
    ours, theirs = pools(tmp_path / "not" / "there", seed=2, structure="elsewhere")
    assert ours.others(near_eV=-3.0) == []
    assert theirs.publish(known(2))
    (read,) = ours.others(near_eV=-3.001)
    wrote = known(2)
    assert (read.run, read.state, read.energy_eV, read.repeats) == (2, 0, -3.0, 7)
    assert read.counts == wrote.counts
    assert read.table.to_bytes() == wrote.table.to_bytes()
    assert np.array_equal(read.table.saddles[0].saddle_A, wrote.table.saddles[0].saddle_A)


def test_what_is_published_again_takes_the_place_of_the_last(tmp_path):
    ours, theirs = pools(tmp_path)
    theirs.publish(known(2))
    assert ours.others(near_eV=-3.0)[0].repeats == 7
    theirs.publish(known(2, repeats=9, energy_eV=-3.001))
    assert ours.others(near_eV=-3.0)[0].repeats == 9
    assert len(list(tmp_path.rglob("*.table"))) == 1


def test_own_words_and_other_energies_are_not_taken(tmp_path):
    ours, theirs = pools(tmp_path)
    ours.publish(known(1))
    theirs.publish(known(2, energy_eV=-3.01))
    assert ours.others(near_eV=-3.0) == []
    assert [one.run for one in theirs.others(near_eV=-3.0)] == [1]
    assert ours.others(near_eV=math.nan) == []


@pytest.mark.parametrize(
    "facts", [{"potential.sha256": "cd"}, {"confidence.value": 0.9}, {"temperature_K": 501.0}]
)
def test_runs_of_another_potential_setting_or_temperature_are_elsewhere(tmp_path, facts):
    ours, theirs = pools(tmp_path, **facts)
    theirs.publish(known(2))
    assert ours.others(near_eV=-3.0) == []
    assert ours.folder != theirs.folder


DAMAGES = {
    "torn": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "altered": lambda path: path.write_bytes(path.read_bytes().replace(b"e", b"f", 1)),
    "empty": lambda path: path.write_bytes(b""),
    "foreign": lambda path: path.write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["*.json", "*.table"])
def test_what_is_damaged_is_left_alone_with_one_warning(tmp_path, caplog, damage, which):
    ours, theirs = pools(tmp_path)
    theirs.publish(known(2))
    third = Pool(tmp_path, facts=FACTS, run=3)
    third.publish(known(3))
    (path,) = ours.folder.glob(f"2-{which}")
    DAMAGES[damage](path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert [one.run for one in ours.others(near_eV=-3.0)] == [3]
    assert len(caplog.records) == 1
    assert str(path) in caplog.records[0].getMessage()
    assert "\n" not in caplog.records[0].getMessage()


def test_a_sealed_file_of_another_potential_is_refused(tmp_path, caplog):
    ours, theirs = pools(tmp_path, temperature_K=1.0)
    theirs.publish(known(2))
    ours.folder.mkdir()
    for path in theirs.folder.iterdir():
        path.rename(ours.folder / path.name)
    assert ours.others(near_eV=-3.0) == []
    assert "another potential" in caplog.text


def test_a_number_that_is_not_finite_is_refused(tmp_path, caplog):
    ours, theirs = pools(tmp_path)
    one = known(2)
    with pytest.raises(ValueError, match="JSON"):
        theirs.publish(known(2, energy_eV=math.nan))
    text = one.table.to_bytes().decode()
    with pytest.raises(ValueError, match="torn"):
        Table.from_bytes(text.replace("0.7", "NaN").encode())
    assert ours.others(near_eV=-3.0) == []


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    ours = Pool(tmp_path / "file", facts=FACTS, run=1)
    assert not ours.publish(known(1))
    assert not ours.publish(known(1))
    assert ours.others(near_eV=-3.0) == []
    assert len(caplog.records) == 1
