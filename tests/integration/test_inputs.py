"""What people meet with inputs of their own: temperatures, small cells, charged atoms, atoms that leave, free clusters."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.cluster import Icosahedron
from ase.constraints import FixAtoms
from ase.io import read

from mlip_kmc.akmc.start import point_energy, prepare_start
from mlip_kmc.config import StructureSection
from mlip_kmc.driver import served
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.potential import AsePotential, BuiltinPotential, DrivenPotential
from mlip_kmc.potential.fit import adapted, fitted

from .analytic import Ions
from .conftest import mlip_kmc, write_config

PERIOD_A, BARRIER_EV = 3.0, 0.3


@pytest.fixture
def calculators(monkeypatch):
    """The processes of a test find `analytic.py`, and so does it."""
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
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
        "search": {"engine": "native", "displacement_A": 0.4},
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
        {"displace": "least_coordinated", "displacement_radius_A": 0.0},
    ],
    ids=["random", "least-coordinated"],
)
def test_an_atom_far_above_the_surface_does_not_end_a_run(tmp_path, search):
    """eOn divides by the norm of a bias that vanishes there: "the eOn client died twice ... nan", exit code 7."""
    config = adatom(tmp_path, 9.0, search=search)
    done("search", config, "-n", 8, "--dir", "run", cwd=tmp_path)
    searches = read_lines(tmp_path / "run/journal/searches.jsonl", SearchRecord)
    assert len(searches) == 8
    assert [one for one in searches if one.process is not None], (
        "the surface has processes of its own"
    )


@pytest.fixture(scope="module")
def section(tmp_path_factory):
    """Of a configuration; the file is not looked at."""
    path = tmp_path_factory.mktemp("section") / "atoms.xyz"
    path.touch()
    return StructureSection(file=path)


def ions(symbols="NaCl", **columns):
    atoms = Atoms(symbols, positions=[[1, 1, 1], [1, 1, 3.5]], cell=[12, 12, 12], pbc=True)
    for name, values in columns.items():
        atoms.set_array(name, np.array(values))
    return atoms


@pytest.mark.usefixtures("calculators")
@pytest.mark.parametrize("symbols", ["NaCl", "ClNa", "Na2"])
def test_an_ase_calculator_is_given_what_the_structure_says_of_its_atoms(
    tmp_path, section, symbols
):
    """Through eOn's client and the driver, and in this process: the same, and exact. By index: two sodium atoms differ, too."""
    potential = DrivenPotential(AsePotential("analytic:Ions", {"distance_A": 2.5}))
    atoms = ions(symbols, initial_charges=[1.0, -1.0], initial_magmoms=[0.5, 2.0], tags=[3, 4])
    atoms.set_masses([20.0, 20.0] if symbols == "Na2" else [20.0, 30.0])
    atoms.info["shift_eV"] = 0.125
    exact = -Ions.KE2 / 2.5 * 8 / 9 + 2.5 + 7 + atoms.get_masses().sum() + 0.125
    prepared = fitted(atoms, potential, section)
    with served(adapted(potential, prepared), workers=1) as driven:
        assert point_energy(prepared.atoms, driven, evidence=tmp_path) == pytest.approx(
            exact, abs=1e-9
        )
        bare = Atoms(symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
        energy, forces = evaluated(bare, calculator_of(driven))
        assert energy == pytest.approx(exact, abs=1e-9)
        assert np.abs(forces).max() < 1e-9
        assert driven.distinct_atoms == (symbols == "Na2")
    assert "potential.atoms" in adapted(potential, prepared).facts()
    assert "potential.atoms" not in adapted(potential, fitted(ions(), potential, section)).facts()


@pytest.mark.usefixtures("calculators")
def test_what_a_calculator_cannot_be_given_is_refused_by_name(section):
    potential = DrivenPotential(AsePotential("analytic:Ions", {"distance_A": 2.5}))
    for change, name in (
        (
            lambda atoms: atoms.set_array("polarisability", np.ones(2)),
            r"arrays\['polarisability'\]",
        ),
        (lambda atoms: atoms.info.update(field=np.ones(3)), r"info\['field'\]"),
    ):
        atoms = ions()
        change(atoms)
        with pytest.raises(StructureError, match=name):
            fitted(atoms, potential, section)


@pytest.mark.usefixtures("calculators")
def test_charges_go_with_their_atoms_through_searches(tmp_path):
    """Two copper atoms of charges 1 and 2 in furrows: each has its own barrier."""
    places = [[0.03, 0, 0], [1.5, 4, 4], [2 * PERIOD_A, 0, 0.01]]
    atoms = Atoms("CuHeCu", positions=places, cell=[3 * PERIOD_A, 8, 8], pbc=True)
    atoms.set_initial_charges([1.0, 0.0, 2.0])
    atoms.set_constraint(FixAtoms(indices=[1]))
    atoms.write(tmp_path / "furrows.xyz")
    settings = {
        "structure": "furrows.xyz",
        "potential": {
            "ase": "analytic:ChargedFurrow",
            "kwargs": {"period_A": PERIOD_A, "barrier_eV": BARRIER_EV},
        },
        "temperature_K": 300,
        "workers": 2,
        "search": {"engine": "eon", "displacement_A": 0.4, "displacement_radius_A": 0.0},
    }
    (tmp_path / "akmc.yaml").write_text(yaml.safe_dump(settings))
    done("search", "akmc.yaml", "-n", 4, "--dir", "run", cwd=tmp_path)
    searches = read_lines(tmp_path / "run/journal/searches.jsonl", SearchRecord)
    barriers = np.array([one.barrier for one in searches if one.process is not None])
    assert len(barriers) >= 2
    charges = barriers / BARRIER_EV
    np.testing.assert_allclose(charges, np.round(charges), atol=1e-3)
    assert set(np.round(charges)) == {1.0, 2.0}


def platinum(count):
    """A cluster in vacuum, near a minimum: a tetrahedron, a pentagonal bipyramid, an icosahedron."""
    angles = 2 * np.pi * np.arange(5) / 5
    ring = np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    shapes = {
        4: 0.95 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]),
        7: np.vstack([2.3 * ring, [[0, 0, 1.4], [0, 0, -1.4]]]),
        13: Icosahedron("Pt", 2, latticeconstant=3.92).positions,
    }
    atoms = Atoms(f"Pt{count}", positions=shapes[count] + 10, cell=[20] * 3, pbc=True)
    atoms.rattle(0.05, seed=count)
    return atoms


@pytest.mark.parametrize(("count", "lowest"), [(4, 3.658), (7, 2.157), (13, 3.230)])
def test_a_free_cluster_is_a_start(tmp_path, count, lowest):
    """Its rotations are no saddle; values of the whole Hessian's seventh eigenvalue."""
    potential = BuiltinPotential.named("morse_pt")
    _, found = prepare_start(platinum(count), potential, evidence=tmp_path)
    assert found.lowest_eigenvalue_eV_per_A2 == pytest.approx(lowest, abs=2e-3)


def test_a_free_cluster_runs_and_states_that_differ_by_a_rotation_are_one(tmp_path):
    """The bipyramid turns into itself through two others: three states, however often, and atoms move by single hops."""
    platinum(7).write(tmp_path / "adatom.xyz")
    config = write_config(
        tmp_path,
        potential={"eon": "morse_pt"},
        temperature_K=800,
        search={"displace": "random", "displacement_A": 0.3, "displacement_radius_A": 5.0},
        confidence={"value": 0.8},
        stop={"kmc_steps": 12},
    )
    settings = yaml.safe_load(config.read_text()) | {"structure": str(tmp_path / "adatom.xyz")}
    config.write_text(yaml.safe_dump(settings))
    done("run", config, "--dir", "run", cwd=tmp_path)
    frames = read(tmp_path / "run/results/trajectory.xyz", ":")
    assert len(frames) == 13
    assert len({frame.info["state"] for frame in frames}) <= 3
    for before, after in pairwise(frames):
        assert np.linalg.norm(after.positions - before.positions, axis=1).max() < 1.6
        assert np.abs((after.positions - before.positions).mean(axis=0)).max() < 1e-9
    settings["superbasins"] = True
    config.write_text(yaml.safe_dump(settings))
    refused = mlip_kmc("search", config, "-n", 1, "--dir", "other", cwd=tmp_path)
    assert refused.returncode == 2
    assert "free cluster" in refused.stderr
