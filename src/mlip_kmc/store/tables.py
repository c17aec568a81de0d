"""A run's tables: each as CSV, and as Parquet with types and units.

Example:
    write_tables(result, directory=run / "results", parquet=True)

Written: events, processes and states, `.csv` and, where wanted or there already, `.parquet`. A column's name ends with its unit;
the Parquet files' metadata has them by column (key `units`, JSON).
"""

import csv
import json
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from mlip_kmc.ground.files import durable_stream, write_durably
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.model.records import EonResult

_EVENTS = {
    "step": "step",
    "reactant": "reactant",
    "process": "process",
    "product": "product",
    "step_time_s": "step_time_s",
    "time_s": "time_s",
    "barrier_eV": "barrier",
    "rate_per_s": "rate",
    "energy_eV": "energy",
    "superbasin": "superbasin",
    "temperature_K": "temperature_K",
    "epoch": "epoch",
    "relabelled": "relabelled",
    "time_rest_s": "time_rest_s",
}
"""Columns of a table: name, and the record's attribute."""
_PROCESSES = {
    "state": "state",
    "process": "process",
    "product": "product",
    "barrier_eV": "barrier",
    "prefactor_per_s": "prefactor",
    "rate_per_s": "rate",
    "saddle_energy_eV": "saddle_energy",
    "product_energy_eV": "product_energy",
    "repeats": "repeats",
    "gamma_saddle": "gamma_saddle",
    "gamma_product": "gamma_product",
    "gamma_path": "gamma_path",
    "prefactor_kind": "prefactor_kind",
    "epoch": "epoch",
    "barrier_error_eV": "barrier_error",
}
_STATES = {
    "state": "number",
    "energy_eV": "energy",
    "processes": "processes",
    "good_searches": "good",
    "bad_searches": "bad",
}
_UNITS = {"_per_s": "1/s", "_eV": "eV", "_s": "s", "_K": "K"}
"""By the end of a column's name, the longest first."""
_REAL = ("gamma_saddle", "gamma_product", "gamma_path")
"""Numbers without a unit that are no whole ones."""
_TEXT = ("prefactor_kind",)


def write_tables(result: EonResult, *, directory: Path, parquet: bool = False) -> None:
    """Write all of them anew.

    Args:
        result: the run.
        directory: where to; it is there.
        parquet: as Parquet, too; a Parquet file that is there is written anew in any case.

    Raises:
        StorageError: one could not be made durable.
    """
    processes = (process for state in result.states for process in state.processes)
    for name, columns, records in (
        ("events", _EVENTS, result.events),
        ("processes", _PROCESSES, processes),
        ("states", _STATES, result.states),
    ):
        rows = list(map(_cells(columns.values()), records))
        _write(directory / name, tuple(columns), rows)
        path = directory / f"{name}.parquet"
        if parquet or path.exists():
            write_durably(path, _parquet(tuple(columns), rows))


def _cells(attributes: Iterable[str]) -> Any:
    found = attrgetter(*attributes)
    return lambda record: tuple(map(_cell, found(record)))


def _cell(value: Any) -> Any:
    """Truth values are 0 and 1; of a table within the table its length counts."""
    if isinstance(value, tuple):
        return len(value)
    return int(value) if isinstance(value, bool) else value


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with durable_stream(path.with_suffix(".csv")) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _parquet(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """A file's bytes; what is unknown is null."""
    import pandas as pd  # type: ignore[import-untyped]  # it takes half a second to load
    from fastparquet import write

    columns = {
        name: pd.Series([row[place] for row in rows], dtype=_type_of(name))
        for place, name in enumerate(header)
    }
    units = {name: unit for name in header if (unit := unit_of(name))}
    with temporary("parquet") as folder:
        path = folder / "table.parquet"
        notes = {"units": json.dumps(units)}
        write(str(path), pd.DataFrame(columns), compression="GZIP", custom_metadata=notes)
        return path.read_bytes()


def _type_of(name: str) -> str:
    """A column's type in pandas, all of them with missing values."""
    if name in _TEXT:
        return "object"
    return "Float64" if name in _REAL or unit_of(name) else "Int64"


def unit_of(name: str) -> str:
    """A column's unit, by the end of its name; empty where it has none."""
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")
