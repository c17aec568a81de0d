"""eOn's own published case: an Al trimer on an Al layer, built-in `eam_al`, 300 K, harmonic prefactors.

The input is eOn's, so it is not part of this project; where it is absent the test says so.
"""

import shutil
from pathlib import Path

import pytest
import yaml

from mlip_kmc.model.records import Event, read_lines
from mlip_kmc.store.eon_tree import read_states

from .conftest import to_its_end

INPUT = next(
    (
        root / "shared" / "data" / "al-trimer"
        for root in Path(__file__).resolve().parents
        if (root / "shared" / "data" / "al-trimer").is_dir()
    ),
    None,
)
BARRIER_EV = 0.278290
RATES_PER_S = (1.657e8, 1.665e8)  # the recorded dynamics' range


def write_trimer(folder, *, confidence, steps):
    """Structure and `akmc.yaml` of the case."""
    if INPUT is None:
        pytest.skip("NOT TESTED: eOn's al-trimer input is not on this machine")
    shutil.copy(INPUT / "pos.con", folder / "pos.con")
    settings = {
        "structure": "pos.con",
        "potential": {"eon": "eam_al"},
        "temperature_K": 300,
        "prefactor": {"harmonic": True},
        "confidence": {"scheme": "old", "value": confidence},
        "stop": {"kmc_steps": steps},
        "workers": 2,
        "search": {
            "displacement_A": 0.01,
            "displacement_radius_A": 5.0,
            "max_energy_eV": 10.0,
            "converged_force_eV_per_A": 0.001,
        },
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))


@pytest.fixture(scope="module")
def trimer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trimer")
    write_trimer(folder, confidence=0.95, steps=2)
    return to_its_end(folder / "akmc.yaml")


def test_the_first_process_is_the_published_one(trimer):
    processes = sorted(
        read_states(trimer / "eon")[0].processes, key=lambda process: process.barrier
    )
    assert processes[0].barrier == pytest.approx(BARRIER_EV, abs=1e-5)
    for process in processes:
        if abs(process.barrier - BARRIER_EV) < 1e-4:
            assert RATES_PER_S[0] * 0.99 < process.rate < RATES_PER_S[1] * 1.01


def test_the_steps_go_through_it(trimer):
    events = read_lines(trimer / "journal" / "events.jsonl", Event)
    assert len(events) == 2
    for event in events:
        assert event.barrier == pytest.approx(BARRIER_EV, abs=1e-5)
        assert event.rate == pytest.approx(1.66e8, rel=0.01)
