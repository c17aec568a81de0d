"""Saddles so flat that searches end far apart at one of them, and two that are there: told apart by real runs."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.store.eon_tree import read_states

from .analytic import FlatPass
from .conftest import to_its_end

PERIOD_A, BARRIER_EV = 3.0, 0.4


@pytest.fixture(autouse=True)
def calculators(monkeypatch):
    """The processes of a test find `analytic.py`."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))


def atoms_of(x=0.0, y=0.0):
    atoms = Atoms(
        "CuHe", positions=[[x, y, 0.0], [1.5, 4.0, 4.0]], cell=[4 * PERIOD_A, 8, 8], pbc=True
    )
    atoms.set_constraint(FixAtoms(indices=[1]))
    return atoms


def run(folder, **landscape):
    """A run of one step; its searches, and how many processes state 0 has."""
    atoms_of().write(folder / "pass.xyz")
    settings = {
        "structure": "pass.xyz",
        "potential": {
            "ase": "analytic:FlatPass",
            "kwargs": {"period_A": PERIOD_A, "barrier_eV": BARRIER_EV, **landscape},
        },
        "temperature_K": 500,
        "workers": 1,
        "seed": 2,
        "search": {"engine": "native", "displacement_A": 0.4, "max_iterations": 60},
        "confidence": {"value": 0.9},
        "stop": {"kmc_steps": 1},
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    made = to_its_end(folder / "akmc.yaml")
    searches = read_lines(made / "journal" / "searches.jsonl", SearchRecord)
    return searches, read_states(made / "eon")[0].processes


@pytest.mark.parametrize("apart_A", [0.0, 0.3])
def test_the_forces_of_the_landscape_are_those_of_its_energy(apart_A):
    landscape = FlatPass(
        period_A=PERIOD_A, barrier_eV=BARRIER_EV, curvature_eV_per_A2=0.5, apart_A=apart_A
    )
    atoms = atoms_of(1.1, 0.2)
    atoms.calc = landscape
    forces = atoms.get_forces()[0]
    for axis in range(3):
        ends = []
        for step in (-1e-5, 1e-5):
            moved = atoms.copy()
            moved.set_constraint()
            moved.positions[0, axis] += step
            moved.calc = landscape
            ends.append(moved.get_potential_energy())
        assert forces[axis] == pytest.approx(-(ends[1] - ends[0]) / 2e-5, abs=1e-7)


def test_a_flat_saddle_counts_once(tmp_path):
    searches, processes = run(tmp_path, curvature_eV_per_A2=0.04)
    told = [record for record in searches if record.twin is not None]
    assert {record.twin for record in told} == {"same"}, "without it there are more than two"
    assert {record.outcome for record in told} == {"repeat"}
    assert len(processes) == 2


def test_two_saddles_near_each_other_stay_two(tmp_path):
    searches, processes = run(tmp_path, curvature_eV_per_A2=1.0, apart_A=0.3)
    assert {record.twin for record in searches} >= {"other"}
    assert len(processes) == 4
    assert np.allclose([process.barrier for process in processes], BARRIER_EV, atol=1e-3)
