"""Work ahead of need in real runs: the same trajectory with it and without it, whoever works and whatever is killed."""

import pytest

from mlip_kmc.store.view import RunView

from .conftest import KILLS, killed_often, outcome, to_its_end
from .egg_box import two_atoms


def configuration(folder, *, workers, ahead=True):
    """Two atoms in an egg-box, states that are explored each on its own: orbits, early stops, our own engine."""
    return two_atoms(
        folder,
        search={"early_stop": True, "early_stop_lag": 12, "ahead": ahead},
        symmetry={"orbits": True},
        confidence={"scheme": "old", "value": 0.8},
        stop={"kmc_steps": 3},
        workers=workers,
        seed=4,
    )


def run(folder, **changes):
    return to_its_end(configuration(folder, **changes))


def numbers_of(folder):
    """What the newest generation says."""
    with RunView.read(folder, detail="numbers") as view:
        return view.numbers


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    return run(tmp_path_factory.mktemp("without"), workers=1, ahead=False)


def test_the_same_with_and_without(without, tmp_path):
    """One worker has nothing to spare, eight have."""
    made = run(tmp_path, workers=8)
    assert outcome(made) == outcome(without)
    assert numbers_of(made).ahead_used > 0
    assert numbers_of(without).ahead == ""


def test_two_workers_and_kills_change_nothing(without, tmp_path):
    killed_often(configuration(tmp_path, workers=2), tmp_path / "run", kills=KILLS)
    assert outcome(tmp_path / "run") == outcome(without)
