"""What a generation says of a run, across versions."""

from collections import Counter
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from mlip_kmc.ground.errors import RunStateError, SearchesFailedError
from mlip_kmc.model.records import RunNumbers

from ..synthetic import search

server = pytest.importorskip("mlip_kmc.akmc.server")


def test_an_older_versions_numbers_are_completed():
    older = {
        key: value
        for key, value in asdict(RunNumbers(steps=3)).items()
        if key not in ("capacity_s", "discarded")
    }
    assert server._numbers(older) == RunNumbers(steps=3)


def test_a_newer_versions_are_refused_with_the_way_on():
    with pytest.raises(
        RunStateError,
        match=r"a newer mlip-kmc, which notes something; continue it with that version",
    ):
        server._numbers({**asdict(RunNumbers()), "something": 1})


def test_utilisation_is_of_the_workers_there_were():
    numbers = RunNumbers(steps=10, wall_s=8640.0, busy_s=90.0, capacity_s=100.0)
    assert numbers.utilisation(workers=7) == pytest.approx(0.9)
    assert numbers.events_a_day == pytest.approx(100.0)
    assert RunNumbers(wall_s=100.0, busy_s=150.0).utilisation(workers=2) == pytest.approx(0.75)
    assert RunNumbers().utilisation(workers=2) is None
    assert RunNumbers().events_a_day is None


def shut_in(ways_out, searches, *, states=2, limit=3):
    """How a server counts searches of a superbasin that has `ways_out` ways out."""
    basin = SimpleNamespace(
        id=4,
        states=[SimpleNamespace(get_ratetable=lambda _: ways_out)] * states,
        state_dict=dict.fromkeys(range(states)),
    )
    made = SimpleNamespace(
        config=SimpleNamespace(
            search=SimpleNamespace(max_bad_in_a_row=limit), gamma=SimpleNamespace(on_halt="stop")
        ),
        _explorer=SimpleNamespace(superbasin=basin),
        _shut_in=0,
        numbers=RunNumbers(),
        outcomes=Counter(),
        recent=[],
    )
    for index in range(searches):
        server.Server._note(made, search(index))
    made._closed = server.Server._closed.fget(made)
    return made


def test_a_superbasin_without_a_way_out_in_the_window_is_not_searched_for_ever():
    assert not shut_in([], 5)._closed
    assert not shut_in([(1, 1.0, 1.0)], 50)._closed
    with pytest.raises(
        SearchesFailedError,
        match=r"no way out of superbasin 4 .*thermal_window_kT.*run it again to search on",
    ):
        server.Server._check_way_out(shut_in([], 6))


@pytest.mark.parametrize("slots", [0, 1, 7, 2048])
@pytest.mark.parametrize("draining", [False, True])
@pytest.mark.parametrize("searches", [None, 5])
def test_in_a_superbasin_each_registration_makes_one_search_whoever_works(
    slots, draining, searches
):
    """So which state it starts from follows from what was registered a fixed number of searches before."""
    made = []
    running = object.__new__(server.Server)
    running.config = SimpleNamespace(search=SimpleNamespace(superbasin_lead=24))
    running._cluster = SimpleNamespace(slots=slots)
    running._draining, server._searches = draining, searches
    running._explorer = SimpleNamespace(
        superbasin="a basin", make_jobs=lambda *at_most, ahead: made.append((at_most, ahead))
    )
    running._make_jobs()
    assert made == [((), 24)]


def test_elsewhere_no_search_is_made_once_it_drains():
    running = object.__new__(server.Server)
    running._draining, server._searches = True, None
    running._explorer = SimpleNamespace(superbasin=None)  # it has no make_jobs
    running._make_jobs()
