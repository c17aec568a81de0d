"""A run under another potential: what is known of its processes beforehand is what the refresh must find."""

import json
import os

import pytest
import yaml

from mlip_kmc.model.records import (
    Fate,
    RefreshedState,
    SearchRecord,
    read_lines,
    refreshed_processes,
)
from mlip_kmc.model.structure import read_structure
from mlip_kmc.store.view import RunView

from .conftest import EXAMPLE, example_settings, mlip_kmc
from .learning_material import example_module

SCALE = 1.05
WELLS = '''
import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Wells(Calculator):
    """Atom 0 alone: wells along x, every second one higher by `step`, and shifted; walls along y and z. eV, A."""

    implemented_properties = ("energy", "forces")

    def __init__(self, depth, step, hole=None):
        super().__init__()
        self.depth, self.step, self.hole = depth, step, hole

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        x, y, z = self.atoms.positions[0]
        k, forces = 2 * np.pi / 3, np.zeros((len(self.atoms), 3))
        energy = self.depth / 2 * (1 - np.cos(k * x)) + self.step / 2 * (1 - np.cos(k / 2 * (x - 0.2)))
        energy += 0.8 * (1 - np.cos(k * y)) + 2.5 * (z - 5) ** 2
        forces[0] = (
            -self.depth / 2 * k * np.sin(k * x) - self.step / 4 * k * np.sin(k / 2 * (x - 0.2)),
            -0.8 * k * np.sin(k * y),
            -5 * (z - 5),
        )
        if self.hole is not None and abs((x - self.hole + 6) % 12 - 6) < 1:
            energy = np.nan
        self.results = {"energy": float(energy), "forces": forces}
'''


def written(folder, name, settings):
    path = folder / name
    path.write_text(yaml.safe_dump(settings))
    return path


def succeeded(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def searches_of(run):
    return read_lines(run / "journal" / "searches.jsonl", SearchRecord)


@pytest.fixture(scope="module")
def vacancy(tmp_path_factory):
    """31 copper atoms; the example's potential, all energies 1.05 times as large, 8 searches."""
    folder = tmp_path_factory.mktemp("scaled")
    module = example_module()
    module.with_vacancy().write(folder / "vacancy.xyz")
    basis = module.ACEBBasisSet(str(EXAMPLE / "cu.yaml")).to_BBasisConfiguration()
    basis.set_func_coeffs([SCALE * value for value in basis.get_func_coeffs()])
    basis.save(str(folder / "scaled.yaml"))
    module.ACEBBasisSet(str(folder / "scaled.yaml")).to_ACECTildeBasisSet().save_yaml(
        str(folder / "scaled.yace")
    )
    (folder / "scaled.asi").write_bytes((EXAMPLE / "cu.asi").read_bytes())
    settings = {
        **example_settings(),
        "structure": {"file": "vacancy.xyz", "allow_small_cell": True},
        "potential": {"ace": str(EXAMPLE / "cu.yace")},
        "workers": 2,
        "gamma": {"select": 100, "halt": 1000},
    }
    written(folder, "first.yaml", settings)
    written(folder, "second.yaml", {**settings, "potential": {"ace": "scaled.yace"}})
    succeeded(mlip_kmc("search", "first.yaml", "--dir", "run", "--count", "8", cwd=folder))
    return folder


def test_saddles_of_a_scaled_potential_are_found_from_the_old_ones(vacancy):
    run = vacancy / "run"
    before = searches_of(run)
    found = [record for record in before if record.outcome == "new"]
    assert len(found) >= 3
    done = mlip_kmc("refresh", "second.yaml", "--dir", "run", cwd=vacancy)
    assert f"1 states minimised again, {len(found)} processes wait" in succeeded(done)
    assert "nothing is to be refreshed" in succeeded(
        mlip_kmc("refresh", "second.yaml", "--dir", "run", cwd=vacancy)
    )
    count = str(len(before) + len(found) + 2)
    succeeded(mlip_kmc("search", "second.yaml", "--dir", "run", "--count", count, cwd=vacancy))
    refreshed = refreshed_processes(searches_of(run))
    assert [entry.fate for entry in refreshed] == [Fate.KEPT] * len(found)
    for entry in refreshed:
        assert entry.record.barrier == pytest.approx(
            SCALE * entry.record.stale.barrier_eV, abs=2e-4
        )
        assert entry.record.epoch == 1
        assert entry.record.stale.epoch == 0
    calls = sum(entry.record.force_calls for entry in refreshed)
    assert calls <= 0.5 * sum(record.force_calls for record in found)
    later = [record for record in searches_of(run) if record.epoch == 1 and record.stale is None]
    assert {record.kind for record in later} == {"random"}
    told = json.loads(succeeded(mlip_kmc("status", "run", "--json", cwd=vacancy)))["refreshes"]
    assert [move["moved_eV"] for move in told["processes"]] == [
        entry.moved_eV for entry in refreshed
    ]
    assert (told["waiting"], told["epochs"][1]["refresh_force_calls"]) == ([], calls)


def test_more_than_the_potential_must_not_differ(vacancy):
    settings = yaml.safe_load((vacancy / "first.yaml").read_text())
    written(vacancy, "seed.yaml", {**settings, "seed": 2, "potential": {"ace": "scaled.yace"}})
    done = mlip_kmc("refresh", "seed.yaml", "--dir", "run", cwd=vacancy)
    assert done.returncode == 6
    assert "more than the potential of" in done.stderr
    assert "seed was 1, is 2" in done.stderr
    done = mlip_kmc("refresh", "second.yaml", "--dir", "nowhere", cwd=vacancy)
    assert done.returncode == 6
    assert "there is no run in nowhere" in done.stderr
    assert not (vacancy / "nowhere").exists()


def lone_atom(tmp_path, monkeypatch):
    """Settings of a run of one atom on a floor that holds still, among `Wells`."""
    from ase import Atoms
    from ase.constraints import FixAtoms

    (tmp_path / "wells.py").write_text(WELLS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    floor = [(1.5 + 3 * i, 1.5 + 3 * j, 3.5) for i in range(4) for j in range(4)]
    atoms = Atoms("Cu17", [(0.1, 0.1, 5.05), *floor], cell=[12, 12, 12], pbc=True)
    atoms.set_constraint(FixAtoms(range(1, 17)))
    atoms.write(tmp_path / "atom.xyz")
    return {
        "structure": "atom.xyz",
        "potential": {"ase": "wells:Wells", "kwargs": {"depth": 0.3, "step": 0.02}},
        "temperature_K": 300,
        "workers": 2,
        "search": {
            "engine": "native",
            "displace": "least_coordinated",
            "displacement_A": 0.5,
            "displacement_radius_A": 3.0,
        },
        "confidence": {"value": 0.5},
        "stop": {"kmc_steps": 1},
    }


def test_a_state_that_is_no_minimum_any_more_is_named_and_the_run_goes_on(tmp_path, monkeypatch):
    settings = lone_atom(tmp_path, monkeypatch)
    written(tmp_path, "first.yaml", settings)
    succeeded(mlip_kmc("run", "first.yaml", "--dir", "run", cwd=tmp_path))
    with RunView.read(tmp_path / "run") as view:
        place = float(read_structure(view.states[1].structure).positions[0, 0])
        waiting = len(view.states[0].processes)
    wells = {"ase": "wells:Wells", "kwargs": {"depth": 0.31, "step": 0.02, "hole": place}}
    written(tmp_path, "second.yaml", {**settings, "potential": wells, "stop": {"kmc_steps": 4}})
    refused = mlip_kmc("refresh", "second.yaml", "--dir", "run", cwd=tmp_path)  # the run is in it
    assert refused.returncode not in (0, 75, 100), refused.stdout
    written(tmp_path, "first.yaml", {**settings, "stop": {"kmc_steps": 2}})
    succeeded(mlip_kmc("run", "first.yaml", "--dir", "run", cwd=tmp_path))
    done = mlip_kmc("refresh", "second.yaml", "--dir", "run", cwd=tmp_path)
    assert "1 state could not be minimised, whose processes are dropped: 1" in succeeded(done)
    states = read_lines(tmp_path / "run/journal/refreshes.jsonl", RefreshedState)
    assert [bool(state.lost) for state in states][:2] == [False, True]
    assert states[0].stale == waiting
    status = json.loads(succeeded(mlip_kmc("status", "run", "--json", cwd=tmp_path)))
    assert status["refreshes"]["dropped"] == states[1].stale > 0


def test_a_state_that_became_another_is_relabelled_in_no_time(tmp_path, monkeypatch):
    settings = lone_atom(tmp_path, monkeypatch)
    written(tmp_path, "first.yaml", settings)
    one_well = {"ase": "wells:Wells", "kwargs": {"depth": 0.05, "step": 0.5}}
    written(tmp_path, "second.yaml", {**settings, "potential": one_well, "stop": {"kmc_steps": 2}})
    succeeded(mlip_kmc("run", "first.yaml", "--dir", "run", cwd=tmp_path))
    step = json.loads((tmp_path / "run/journal/events.jsonl").read_text())
    assert step["product"] == 1
    said = succeeded(mlip_kmc("refresh", "second.yaml", "--dir", "run", cwd=tmp_path))
    assert "state 1 became state 0" in said
    states = read_lines(tmp_path / "run/journal/refreshes.jsonl", RefreshedState)
    assert [state.same_as for state in states] == [None, 0]
    event = json.loads((tmp_path / "run/journal/events.jsonl").read_text().splitlines()[-1])
    assert (event["reactant"], event["product"], event["relabelled"]) == (1, 0, True)
    assert (event["step_time_s"], event["time_s"]) == (0.0, step["time_s"])
    status = json.loads(succeeded(mlip_kmc("status", "run", "--json", cwd=tmp_path)))
    assert (status["kmc_steps"], status["kmc_steps_wanted"], status["condition"]) == (1, 1, "done")
    assert (status["refreshes"]["relabelled_steps"], status["refreshes"]["dropped"]) == (1, 1)
    rows = (tmp_path / "run/results/events.csv").read_text().splitlines()
    assert {"epoch", "relabelled"} <= set(rows[0].split(","))
    report = mlip_kmc("report", "run", "--output", "r.html", cwd=tmp_path)
    assert succeeded(report) is not None
