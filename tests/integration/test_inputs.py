"""What people meet with inputs of their own: temperatures, small cells, charged atoms, atoms that leave, free clusters."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.constraints import FixAtoms
from ase.io import read

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.model.records import Event, SearchRecord, read_lines

from .conftest import mlip_kmc, write_config

PERIOD_A, BARRIER_EV = 3.0, 0.3


@pytest.fixture
def calculators(monkeypatch):
    """The processes of a test find `analytic.py`."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))


def done(*arguments, cwd):
    """The output of a command that succeeds."""
    ended = mlip_kmc(*arguments, cwd=cwd)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.usefixtures("calculators")
def test_a_hop_of_half_the_cell_has_the_exact_diffusion_at_each_of_two_temperatures(tmp_path):
    """An atom in a furrow of two minima a cell: k = 1e13 exp(-V/kT) to each side, <dx^2> = 2 k a^2 t.

    With one of the two directions taken for both, the tracer value would be a drift: many times too large. With one value for
    both temperatures it would be off by the factor of 300 between the rates.
    """
    atoms = Atoms(
        "CuHe", positions=[[0.05, 0.02, 0], [0.1, 4, 4]], cell=[2 * PERIOD_A, 8, 8], pbc=True
    )
    atoms.set_constraint(FixAtoms(indices=[1]))
    atoms.write(tmp_path / "furrow.xyz")
    settings = {
        "structure": "furrow.xyz",
        "potential": {
            "ase": "analytic:Furrow",
            "kwargs": {"period_A": PERIOD_A, "barrier_eV": BARRIER_EV},
        },
        "workers": 2,
        "search": {"displacement_A": 0.4},
        "confidence": {"value": 0.5},
    }
    for temperature_K, steps in ((300, 400), (600, 800)):
        changes = {"temperature_K": temperature_K, "stop": {"kmc_steps": steps}}
        (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings | changes))
        done("run", "akmc.yaml", "--dir", "run", cwd=tmp_path)
    found = json.loads(done("report", "run", "--json", cwd=tmp_path))
    copper = [row for row in found["diffusion"] if row["species"] == "Cu"]
    assert [(row["temperature_K"], row["steps"]) for row in copper] == [(300, 400), (600, 400)]
    for row in copper:
        rate_per_s = 1e13 * np.exp(-BARRIER_EV * EON_KELVIN_PER_EV / row["temperature_K"])
        exact = 2 * rate_per_s * (PERIOD_A * 1e-10) ** 2 / 6
        assert row["ambiguous_steps"] == 0
        assert abs(row["hop_m2_per_s"] - exact) < 3 * row["hop_error_m2_per_s"]
        assert abs(row["tracer_m2_per_s"] - exact) < 3 * row["tracer_error_m2_per_s"]
        assert row["tracer_error_m2_per_s"] < exact
    events = read_lines(tmp_path / "run/journal/events.jsonl", Event)
    ways = {(event.reactant, event.process) for event in events}
    assert len(ways) == 4, "two states, and to each side out of either"
    x = np.array(
        [frame.positions[0, 0] for frame in read(tmp_path / "run/results/trajectory.xyz", ":")]
    )
    assert np.abs(np.abs(np.diff(x)) - PERIOD_A).max() < 0.01
    assert abs((np.diff(x) > 0).sum() - 400) < 3 * np.sqrt(800) / 2
    assert "at 600 K now, before at 300 K" in done("status", "run", cwd=tmp_path)


def adatom(folder, height_A, **changes):
    """`write_config`'s slab with its adatom so high above it."""
    config = write_config(folder, **changes)
    atoms = read(folder / "adatom.xyz")
    atoms.positions[-1, 2] += height_A - 2.0
    atoms.cell[2, 2] += 2 * height_A
    atoms.write(folder / "adatom.xyz")
    return config


@pytest.mark.parametrize(
    "search",
    [
        {"displace": "random", "displacement_radius_A": 3.5},
        {"displace": "least_coordinated", "displacement_radius_A": 3.5},
        {"displace": "least_coordinated", "displacement_radius_A": 0.0},
    ],
    ids=["random", "least-coordinated", "radius-0"],
)
def test_an_atom_far_above_the_surface_does_not_end_a_run(tmp_path, search):
    """eOn divides by the norm of a bias that vanishes there: "the eOn client died twice ... nan", exit code 7."""
    config = adatom(tmp_path, 9.0, search=search)
    done("search", config, "-n", 12, "--dir", "run", cwd=tmp_path)
    searches = read_lines(tmp_path / "run/journal/searches.jsonl", SearchRecord)
    assert len(searches) == 12
    assert [one for one in searches if one.process is not None], (
        "the surface has processes of its own"
    )
