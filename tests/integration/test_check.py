"""`mlip-kmc check` on the real programs: what passes, what is caught, and what goes on after a failure."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import yaml
from ase.io import read, write

from mlip_kmc.akmc.wrapper import EonWrapper
from mlip_kmc.check import Level, examine, gradient, room, speed
from mlip_kmc.cli import main
from mlip_kmc.config import ConfidenceSection, load_config
from mlip_kmc.model.structure import prepare
from mlip_kmc.potential import AcePotential

from .conftest import EXAMPLE, example_settings, write_config


@pytest.fixture(autouse=True)
def search(monkeypatch):
    """Where the wrapper cannot search yet: a run that never reaches its confidence, stopped after so many searches."""
    if hasattr(EonWrapper, "search"):
        return

    def search(self, potential, structure, *, count):
        config = self.config.model_copy(update={"confidence": ConfidenceSection(value=1 - 1e-9)})

        def look(now):
            if now.good + now.repeated + now.bad >= count:
                wrapper.stop.set()

        wrapper = EonWrapper(config, run_dir=self.run_dir, on_progress=look)
        return wrapper.run_akmc(potential, structure)

    monkeypatch.setattr(EonWrapper, "search", search, raising=False)


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("MLIP_KMC_SCRATCH", str(folder))
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Fewer repeats of what is timed: here it matters only that it is."""
    monkeypatch.setattr(speed, "_REPEATS", 1)
    monkeypatch.setattr(speed, "_PAIRS", 2)


def example(folder, **changes):
    settings = example_settings()
    settings["structure"], settings["potential"]["ace"] = (
        str(EXAMPLE / "vacancy.xyz"),
        str(EXAMPLE / "cu.yace"),
    )
    (folder / "config").mkdir()
    path = folder / "config" / "akmc.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    return path


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_the_example_is_ready(tmp_path, scratch, capsys):
    path = example(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["check", str(path), "--json", "--searches", "2"])
    found = json.loads(capsys.readouterr().out)
    assert (end.value.code, found["exit_code"]) == (0, 0), found
    findings = {entry["name"]: entry for entry in found["findings"]}
    assert {entry["level"] for entry in findings.values()} <= {"ok", "warn", "unknown"}
    values = {name: entry["values"] for name, entry in findings.items()}
    assert (
        findings["forces"]["level"]
        == findings["python-ace"]["level"]
        == findings["minimum"]["level"]
        == "ok"
    )
    assert values["forces"]["deviation_eV_per_A"] < 1e-4
    assert 0.1 < values["gamma"]["largest_gamma"] < 3
    assert values["gamma"]["largest_gamma_lammps"] == pytest.approx(
        values["gamma"]["largest_gamma"], rel=1e-4
    )
    assert values["stability"]["lowest_eigenvalue_eV_per_A2"] > 0.1
    assert (
        0.01 < values["force call"]["lammps_ms"] < 1000
    )  # whether eOn's can be timed depends on what else runs here
    assert (
        0
        < values["evaluator"]["least"]
        <= values["evaluator"]["recursive_over_product"]
        <= values["evaluator"]["most"]
    )
    assert values["searches"]["searches"] >= 2
    assert values["barriers"]["barriers_eV"][0] == pytest.approx(0.79, abs=0.01)
    assert values["saddle gamma"]["largest_gamma"] > 0.1
    assert values["cost"]["searches_least"] >= 100
    assert [entry.name for entry in path.parent.iterdir()] == ["akmc.yaml"]
    assert list(scratch.iterdir()) == []


def test_a_built_in_potential(tmp_path, scratch, quick, capsys):
    path = write_config(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["check", str(path), "--searches", "3"])
    lines = capsys.readouterr().out.splitlines()
    marks = {line[9:22].strip(): line[:9].strip() for line in lines if line}
    assert end.value.code == 0, lines
    assert (marks["forces"], marks["minimum"], marks["gamma"]) == ("ok", "ok", "unknown")
    assert "python-ace" not in marks
    assert "evaluator" not in marks
    assert marks["force call"] in ("ok", "warn", "unknown")
    assert marks["searches"] in ("ok", "warn")
    assert lines[-1].startswith("ready to start")
    assert list(scratch.iterdir()) == []


@dataclass(frozen=True)
class Pushed(AcePotential):
    """A potential whose forces are not the gradient of its energy: LAMMPS adds a force that no energy goes with."""

    def job_files(self, species, *, gamma=None):
        return {
            "in.lammps": self.lammps_input(species)
            + "group some id 1:40\nfix push some addforce 0.05 0.02 0.0\n"
        }


def test_forces_that_are_no_gradient_are_caught():
    potential = Pushed.read(EXAMPLE / "cu.yace")
    atoms = prepare(
        read(EXAMPLE / "vacancy.xyz"), elements=potential.elements, cutoff_A=potential.cutoff_A
    ).atoms
    (finding,), there = gradient.gradient(atoms, potential)
    assert (finding.level, finding.exit_code) == (Level.FAIL, 4), finding
    assert finding.values["deviation_eV_per_A"] > 1e-2
    (finding,), _ = gradient.agreement(atoms, AcePotential.read(EXAMPLE / "cu.yace"), there)
    assert finding.level is Level.FAIL
    (finding,), _ = gradient.gradient(
        atoms, replace(AcePotential.read(EXAMPLE / "cu.yace"), evaluator="recursive")
    )
    assert finding.level is Level.OK, finding


def test_a_saddle_fails_and_what_does_not_need_a_minimum_goes_on(tmp_path, scratch, quick):
    atoms = read(EXAMPLE / "vacancy.xyz")
    places = atoms.cell.scaled_positions(atoms.positions)
    vectors = (places - np.round(places)) @ atoms.cell.array
    hopper = int(np.argmin(np.linalg.norm(vectors, axis=1)))
    atoms.positions[hopper] -= vectors[hopper] / 2
    write(tmp_path / "saddle.xyz", atoms)
    path = example(tmp_path, structure=str(tmp_path / "saddle.xyz"))
    found = by_name(examine(load_config(path), run_dir=tmp_path / "run", searches=2))
    assert (found["minimum"].level, found["minimum"].exit_code) == (Level.FAIL, 3)
    assert "rests on a saddle" in found["minimum"].text
    assert found["searches"].level is Level.NOT_DONE
    assert found["searches"].text == "needs a minimum"
    for name in ("forces", "python-ace", "force call", "evaluator"):
        assert found[name].level in (Level.OK, Level.WARN, Level.UNKNOWN), found[name]
    assert found["evaluator"].values["product_ms"] > 0
    assert found["gamma"].values["largest_gamma"] > 0.5
    assert "as given" in found["gamma"].text


def test_a_small_scratch_warns(tmp_path, scratch, quick, monkeypatch):
    small = room.Disk(path=scratch, size_MB=67.1, free_MB=67.0, kind="tmpfs")
    monkeypatch.setattr(room, "disk_of", lambda _: small)
    found = by_name(
        examine(load_config(write_config(tmp_path)), run_dir=tmp_path / "run", searches=0)
    )
    assert found["scratch"].level is Level.WARN
    assert "--workdir" in found["scratch"].advice
    assert found["energy"].level is Level.OK
    assert "searches" not in found
