"""Which displacement pilot searches propose, and with which cap."""

import math
from types import SimpleNamespace

import pytest
import yaml

from mlip_kmc.check.pilot import Pilot, Setting, judge, most_iterations, proposed, settings_of
from mlip_kmc.check.trial import Trial
from mlip_kmc.config import SearchSection
from mlip_kmc.model.records import SearchRecord


def pilot(displacement_A=0.3, *, calls, good=10, lowest_eV=0.5, longest=80):
    return Pilot(Setting(displacement_A, 3.0), 10, good, 3, calls, longest, lowest_eV)


def record(outcome, calls):
    return SearchRecord(0, 0, outcome, "", None, None, calls, 1.0)


def test_failed_searches_count_by_their_calls():
    records = [record("new", 50), record("repeat", 70), record("bad", 900), record("high", 100)]
    processes = (SimpleNamespace(barrier=0.7), SimpleNamespace(barrier=0.4))
    found = Pilot.of(Setting(0.3, 3.0), Trial(tuple(records), processes, ()))
    assert (found.searches, found.good, found.processes, found.longest) == (4, 3, 2, 100)
    assert found.calls_a_process == pytest.approx(1120 / 3)
    assert found.lowest_eV == 0.4


def test_the_cheapest_is_proposed_but_not_one_that_misses_the_lowest_barrier():
    dear, cheap = pilot(0.1, calls=5000), pilot(0.3, calls=900, lowest_eV=0.505)
    blind = pilot(0.5, calls=400, lowest_eV=0.9)
    assert proposed([dear, cheap, blind]) is cheap
    assert proposed([dear, blind]) is dear
    nothing = pilot(calls=300, good=0, lowest_eV=math.inf)
    assert proposed([nothing, blind]) is blind
    assert proposed([nothing]) is None
    assert proposed([]) is None


@pytest.mark.parametrize(
    ("longest", "at_most", "cap"), [(10, 1000, 100), (120, 1000, 250), (900, 1000, 1000)]
)
def test_the_cap_is_twice_the_longest_good_search(longest, at_most, cap):
    assert most_iterations(pilot(calls=1, longest=longest), at_most=at_most) == cap


def test_what_is_proposed_can_be_pasted():
    found = judge([pilot(0.1, calls=5000), pilot(0.3, calls=900)], SearchSection())
    assert len(found) == 3
    assert (
        found[-1].text
        == "90 force calls a process found, by 10 good searches of 10; 500 with the present setting"
    )
    pasted = yaml.safe_load(found[-1].advice)["search"]
    assert pasted == {"displacement_A": 0.3, "displacement_radius_A": 3.0, "max_iterations": 200}
    assert SearchSection(**pasted).max_iterations == 200


def test_where_nothing_was_found_there_is_nothing_to_paste():
    found = judge([pilot(calls=300, good=0, lowest_eV=math.inf)], SearchSection())
    assert [finding.level for finding in found] == ["warn", "warn"]
    assert "no setting found a process" in found[-1].text


def test_the_runs_own_displacement_comes_first_and_once():
    assert settings_of(SearchSection())[0] == Setting(0.1, 5.0)
    assert len(settings_of(SearchSection())) == 4
    assert len(settings_of(SearchSection(displacement_A=0.25))) == 5
