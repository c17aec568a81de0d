"""Work ahead of need in real runs: the same trajectory with it and without it, whoever works and whatever is killed."""

import pytest
import yaml
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.store.view import RunView

from .conftest import killed_often, outcome, to_its_end

KILLS = 20


def configuration(folder, *, workers, ahead=True):
    """Two atoms in an egg-box, states that are explored each on its own: orbits, early stops, our own engine."""
    atoms = Atoms("Cu2Au", [[0, 0, 5], [12.5, 2.5, 5], [6.2, 3.7, 8]], cell=[25, 7.5, 12], pbc=True)
    atoms.set_constraint(FixAtoms([2]))
    atoms.write(folder / "box.xyz")
    barriers = {"barrier_a_eV": 0.30, "barrier_b_eV": 0.31}
    settings = {
        "structure": "box.xyz",
        "potential": {"ase": "mlip_kmc.evaluate.egg_box:EggBox", "kwargs": barriers},
        "temperature_K": 600,
        "search": {
            "engine": "native",
            "displacement_A": 0.6,
            "displacement_radius_A": 1.0,
            "max_iterations": 200,
            "early_stop": True,
            "early_stop_lag": 12,
            "ahead": ahead,
        },
        "symmetry": {"orbits": True},
        "confidence": {"scheme": "old", "value": 0.8},
        "stop": {"kmc_steps": 3},
        "workers": workers,
        "seed": 4,
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


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


def test_two_workers_and_twenty_kills_change_nothing(without, tmp_path):
    killed_often(configuration(tmp_path, workers=2), tmp_path / "run", kills=KILLS)
    assert outcome(tmp_path / "run") == outcome(without)
