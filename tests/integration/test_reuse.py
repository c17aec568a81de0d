"""Reuse after a hop in real runs, all other shortcuts on: two atoms far apart where every process is known."""

from collections import Counter

import pytest

from mlip_kmc.model.records import SearchRecord, read_lines, shortcuts_of
from mlip_kmc.store.eon_tree import read_states

from .conftest import KILLS, killed_often, outcome, to_its_end
from .egg_box import ALONG_A_EV, ALONG_B_EV, two_atoms


def configuration(folder, *, workers, **changes):
    settings = {
        "symmetry": {"orbits": True, "classes": True},
        "reuse": {"after_hop": True, "radius_A": 4.0, "audit_share": 0.1},
        "confidence": {"scheme": "new", "value": 0.999},
        "stop": {"kmc_steps": 2},
        "workers": workers,
        "seed": 4,
        **changes,
    }
    return two_atoms(folder, search={"early_stop": True, "early_stop_lag": 12}, **settings)


def run(folder, **changes):
    return to_its_end(configuration(folder, **changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return run(tmp_path_factory.mktemp("made"), workers=1)


def searches_of(folder):
    return read_lines(folder / "journal" / "searches.jsonl", SearchRecord)


def test_tables_are_complete_and_take_fewer_calls(made):
    """Four hops of each of two atoms; what is far from the hop that led to a state is carried over."""
    records = searches_of(made)
    states = [state for state in read_states(made / "eon", records) if state.good]
    assert len(states) == 2
    for state in states:
        barriers = sorted(process.barrier for process in state.processes)
        assert barriers == pytest.approx([ALONG_A_EV] * 4 + [ALONG_B_EV] * 4, abs=1e-3)
    calls = Counter()
    for record in records:
        calls[record.state] += record.force_calls
    assert calls[states[1].number] < 0.75 * calls[states[0].number]
    told = shortcuts_of(records)
    assert (told.carried, told.carried_lost, told.elsewhere_wrong) == (4, 0, 0)
    assert told.elsewhere > 0
    here = [record for record in records if record.state == states[1].number]
    assert [record.reused for record in here[:4]] == ["carried"] * 4


def test_the_number_of_workers_changes_nothing(made, tmp_path):
    assert outcome(run(tmp_path, workers=8)) == outcome(made)


def test_kills_change_nothing(made, tmp_path):
    killed_often(configuration(tmp_path, workers=2), tmp_path / "run", kills=KILLS)
    assert outcome(tmp_path / "run") == outcome(made)
