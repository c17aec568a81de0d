"""A run's tables: CSV and Parquet hold the same, with units."""

import csv
import json
from types import SimpleNamespace

import pandas as pd
import pytest
from fastparquet import ParquetFile

from mlip_kmc.store.tables import unit_of, write_tables
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, event


@pytest.fixture
def folder(tmp_path):
    run = commit(
        tmp_path / "run",
        states=[State(processes=[(2**62 + 1, 0.8, 1, 3)]), State(energy=None)],
        events=[event(0, time_s=1e-6, process=2**62 + 1)],
    )
    with RunView.read(run) as view:
        write_tables(view.result(), directory=tmp_path, parquet=True)
    return tmp_path


def same(cell, value):
    """A cell of a CSV file is a value of a Parquet file."""
    return cell == "" if value is None or pd.isna(value) else cell == str(value)


@pytest.mark.parametrize("name", ["events", "processes", "states"])
def test_both_files_hold_the_same(folder, name):
    with (folder / f"{name}.csv").open() as stream:
        header, *rows = csv.reader(stream)
    file = ParquetFile(str(folder / f"{name}.parquet"))
    columns = file.to_pandas()
    assert len(columns) == len(rows) > 0
    assert list(columns) == header
    for place, values in enumerate(columns[key] for key in header):
        assert all(same(row[place], value) for row, value in zip(rows, values, strict=True))
    units = json.loads(file.key_value_metadata["units"])
    assert units == {key: unit_of(key) for key in header if unit_of(key)}


def test_units_are_those_of_the_names():
    names = ("barrier_eV", "rate_per_s", "time_s", "temperature_K", "repeats")
    assert list(map(unit_of, names)) == ["eV", "1/s", "s", "K", ""]


def test_a_run_without_events_has_its_columns(tmp_path):
    write_tables(SimpleNamespace(events=(), states=()), directory=tmp_path, parquet=True)
    columns = ParquetFile(str(tmp_path / "events.parquet")).to_pandas()
    assert columns.empty
    assert "time_s" in columns


def test_parquet_is_written_where_it_is_wanted_and_kept_up_where_it_is(folder, tmp_path):
    nothing = SimpleNamespace(events=(), states=())
    write_tables(nothing, directory=folder)
    assert ParquetFile(str(folder / "events.parquet")).to_pandas().empty
    (tmp_path / "other").mkdir()
    write_tables(nothing, directory=tmp_path / "other")
    names = sorted(path.name for path in (tmp_path / "other").iterdir())
    assert names == ["events.csv", "processes.csv", "states.csv"]
