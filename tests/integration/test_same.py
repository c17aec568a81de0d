"""One seeded run is one run: with one worker, with two, and killed twenty times."""

import pytest

from .conftest import SHORT_STEPS, killed_often, outcome, to_its_end, write_config
from .golden import differences, golden, numbers_of

KILLS = 20


@pytest.fixture(scope="module")
def alone(short_run):
    return outcome(short_run)


def test_its_numbers_are_those_of_the_first_houses(adatom_run, short_run):
    """An adatom: a KMC step after some hundred searches, and five after a dozen each."""
    numbers = numbers_of(adatom_run)
    assert differences(numbers, golden("adatom")) == []
    assert differences(numbers_of(short_run), golden("adatom-short")) == []
    numbers["tables"]["0"][0][6] *= 1 + 1e-8  # the comparison can fail
    numbers["searches"].pop()
    assert len(differences(numbers, golden("adatom"))) == 2


def test_the_number_of_workers_changes_nothing(alone, tmp_path):
    config = write_config(tmp_path, workers=2, stop={"kmc_steps": SHORT_STEPS})
    found = outcome(to_its_end(config))
    assert len(found["events"]) == SHORT_STEPS
    assert found == alone


def test_twenty_kills_change_nothing(alone, tmp_path):
    config = write_config(tmp_path, workers=2, stop={"kmc_steps": SHORT_STEPS})
    killed_often(config, tmp_path / "run", kills=KILLS)
    assert outcome(tmp_path / "run") == alone
