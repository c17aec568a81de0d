"""What a generation says of a run, across versions."""

from dataclasses import asdict

import pytest

from mlip_kmc.akmc.ledger import numbers_from
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.records import RunNumbers


def test_an_older_versions_numbers_are_completed():
    older = {
        key: value
        for key, value in asdict(RunNumbers(steps=3)).items()
        if key not in ("capacity_s", "discarded")
    }
    assert numbers_from(older) == RunNumbers(steps=3)


def test_a_newer_versions_are_refused_with_the_way_on():
    with pytest.raises(
        RunStateError,
        match=r"a newer mlip-kmc, which notes something; continue it with that version",
    ):
        numbers_from({**asdict(RunNumbers()), "something": 1})


def test_utilisation_is_of_the_workers_there_were():
    numbers = RunNumbers(steps=10, wall_s=8640.0, busy_s=90.0, capacity_s=100.0)
    assert numbers.utilisation(workers=7) == pytest.approx(0.9)
    assert numbers.events_a_day == pytest.approx(100.0)
    assert RunNumbers(wall_s=100.0, busy_s=150.0).utilisation(workers=2) == pytest.approx(0.75)
    assert RunNumbers().utilisation(workers=2) is None
    assert RunNumbers().events_a_day is None
