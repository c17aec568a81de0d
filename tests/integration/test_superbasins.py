"""Superbasins and recycling, eOn's own, on our tick: they run, and a killed run goes on as if nothing had been."""

import shutil
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.model.structure import read_structure

from .conftest import interrupted, to_its_end, write_config
from .test_same import outcome

OPTIONS = {
    "superbasins": {
        "superbasins": True,
        "stop": {"kmc_steps": 3},
        "temperature_K": 600,
        "confidence": {"scheme": "new", "value": 0.6},
        "eon": {
            "Coarse Graining": {
                "superbasin_scheme": "transition_counting",
                "number_of_transitions": 1,
            }
        },
    },
    "recycling": {"recycling": True, "confidence": {"value": 0.8}, "stop": {"kmc_steps": 2}},
}


def check_ways_out(tree, copy):
    """Of eOn's own superbasins, read again: mean times by rational arithmetic on its tables, and atoms in the state left."""
    from mlip_kmc.akmc.eon_adapter import StateList, eon_config, superbasin_scheme
    from mlip_kmc.akmc.leaving import Leaving

    shutil.copytree(tree, copy)
    config = eon_config(copy)
    states = StateList(copy, config=config)
    basins = superbasin_scheme(states, config=config).superbasins
    assert basins
    start = read_structure(copy / "pos.con")
    for basin in basins:
        tables = {
            number: state.procs
            for number, state in basin.state_dict.items()
            if state.load_process_table() is None
        }
        for entered in basin.states:
            path = AtomPath.start(
                start.cell.array,
                read_structure(Path(entered.reactant_path)).get_chemical_symbols(),
                anchored=bool(start.constraints),
            )
            ways = [
                Leaving(explicit_hops=hops).draw(
                    basin, entered=entered, path=path, rng=np.random.default_rng(1)
                )
                for hops in (1e6, 0.0)
            ]
            for way in ways:
                assert way.mean_time_s == pytest.approx(
                    float(mean_time(tables, entered.number)), rel=1e-10
                )
                here = read_structure(Path(way.left.reactant_path))
                assert np.isfinite(way.path.unwrapped(here.positions)).all()
                assert sorted(way.path.mapping) == list(range(len(here)))
                assert tables[way.left.number][way.process]["product"] not in tables


def mean_time(tables, entry):
    """By Gaussian elimination in fractions: (sum of rates) t_i - sum of rate t_j = 1."""
    numbers = sorted(tables)
    rows = [[Fraction(0)] * (len(numbers) + 1) for _ in numbers]
    for row, number in zip(rows, numbers, strict=True):
        row[-1] = Fraction(1)
        for process in tables[number].values():
            row[numbers.index(number)] += Fraction(process["rate"])
            if process["product"] in tables:
                row[numbers.index(process["product"])] -= Fraction(process["rate"])
    for pivot in range(len(rows)):
        rows[pivot] = [value / rows[pivot][pivot] for value in rows[pivot]]
        for other, row in enumerate(rows):
            if other != pivot:
                rows[other] = [
                    value - row[pivot] * top for value, top in zip(row, rows[pivot], strict=True)
                ]
    return rows[numbers.index(entry)][-1]


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_a_run_that_is_killed_goes_on_the_same(tmp_path, kind):
    config = write_config(tmp_path, workers=2, **OPTIONS[kind])
    to_its_end(config, "whole")
    for lines in (6, 20):
        interrupted(config, "killed", lines=lines, number=signal.SIGKILL)
    to_its_end(config, "killed")
    expected, found = outcome(tmp_path / "whole"), outcome(tmp_path / "killed")
    assert found["events"] == expected["events"]
    assert found == expected
    events = read_lines(tmp_path / "whole" / "journal" / "events.jsonl", Event)
    searches = read_lines(tmp_path / "whole" / "journal" / "searches.jsonl", SearchRecord)
    if kind == "superbasins":
        assert any(event.superbasin is not None for event in events)
        for event in events:
            inside = event.superbasin is not None
            assert (event.hops is not None) == inside
            assert event.hops is None or event.hops >= 1
            assert event.step_time_s > 0
        check_ways_out(tmp_path / "whole" / "eon", tmp_path / "again")
    else:
        assert any(search.kind == "recycling" for search in searches)


def test_workers_and_stops_do_not_choose_the_states_that_are_searched(tmp_path):
    """One worker; and seven, that are let finish now and then (SIGUSR1) and continued."""
    few = OPTIONS["superbasins"] | {"confidence": {"scheme": "new", "value": 0.4}}

    to_its_end(write_config(tmp_path, "alone.yaml", workers=1, **few), "alone")
    config, drains = write_config(tmp_path, "many.yaml", workers=7, **few), 0
    for lines in (10, 30, 50, 10**9):
        ended = interrupted(config, "many", lines=lines, number=signal.SIGUSR1)
        assert ended.returncode in (0, 75), ended
        drains += ended.returncode == 75
        if ended.returncode == 0:
            break
    assert drains > 0
    assert outcome(tmp_path / "many") == outcome(tmp_path / "alone")
    assert any(
        event.superbasin is not None
        for event in read_lines(tmp_path / "alone/journal/events.jsonl", Event)
    )
