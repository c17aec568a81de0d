"""Searches that leave what the potential was trained on are halted; nothing of them enters a rate table."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from ase.io import read

from mlip_kmc.driver import standalone as driver
from mlip_kmc.evaluate.gamma import Extrapolation, gamma_of
from mlip_kmc.model.frames import Kind, Stage, read_kept_frames
from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.potential import AcePotential

from .conftest import EXAMPLE, example_settings, mlip_kmc, text_of
from .learning_material import example_module

SELECT, HALT = 3.0, 15.0
"""The defaults: calibrated here, stated in docs/gamma.md."""


@pytest.fixture(scope="module")
def recipe():
    """The example's `make_potential.py`."""
    return example_module()


def written(recipe, folder, structures):
    """A potential fitted to structures, with its active set."""
    folder.mkdir()
    recipe.write_potential(folder, [recipe.label("training", atoms) for atoms in structures])
    return AcePotential.read(folder / "cu.yace")


@pytest.fixture(scope="module")
def bulk_only(recipe, tmp_path_factory):
    """A: bulk, little rattled."""
    rng = np.random.default_rng(1)
    structures = [
        recipe.rattled(recipe.strained(recipe.perfect(), rng, 0.03), rng, 0.04) for _ in range(30)
    ]
    return written(recipe, tmp_path_factory.mktemp("potentials") / "a", structures)


@pytest.fixture(scope="module")
def no_hops(recipe, tmp_path_factory):
    """B: bulk, vacancies relaxed and rattled, no hops."""
    rng = np.random.default_rng(2)
    structures = [
        recipe.rattled(recipe.strained(recipe.perfect(), rng, 0.03), rng, rng.uniform(0, 0.08))
        for _ in range(25)
    ]
    structures += [
        recipe.rattled(recipe.strained(recipe.with_vacancy(), rng, 0.02), rng, rng.uniform(0, 0.06))
        for _ in range(40)
    ]
    return written(recipe, tmp_path_factory.mktemp("potentials") / "b", structures)


def config(folder, potential, *, way="lammps", **changes):
    settings = example_settings()
    settings |= {
        "structure": str(EXAMPLE / "vacancy.xyz"),
        "potential": {"ace": str(potential.yace), "path": way},
        "stop": {"kmc_steps": 1},
        "workers": 2,
        **changes,
    }
    if "search" not in changes:
        settings["search"] |= {
            "displacement_A": 0.08,
            "displacement_radius_A": 5.0,
        }  # the displacement itself is not outside
    path = folder / "akmc.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def searches_of(run):
    return read_lines(run / "journal" / "searches.jsonl", SearchRecord)


def test_a_reactant_outside_stops_the_run_before_any_search(bulk_only, tmp_path):
    done = mlip_kmc("run", config(tmp_path, bulk_only), "--dir", "run", cwd=tmp_path)
    assert done.returncode == 100, done.stdout + done.stderr
    assert "stage reactant, before any search" in done.stdout
    assert "mlip-kmc select" in done.stdout
    assert searches_of(tmp_path / "run") == []
    (halt,), warnings = read_kept_frames(tmp_path / "run" / "halts")
    assert warnings == ()
    assert (halt.stage, halt.kind) == (Stage.REACTANT, Kind.HALT)
    assert halt.gamma > HALT
    assert gamma_of(halt.atoms, potential=bulk_only) == pytest.approx(halt.gammas, rel=1e-5)
    again = mlip_kmc("run", tmp_path / "akmc.yaml", "--dir", "run", cwd=tmp_path)
    assert again.returncode == 100
    assert len(list((tmp_path / "run" / "halts").iterdir())) == 1


@pytest.fixture(scope="module")
def halted_run(no_hops, tmp_path_factory):
    """Potential B on the vacancy: the run of `on_halt: stop`."""
    folder = tmp_path_factory.mktemp("halted")
    done = mlip_kmc("run", config(folder, no_hops), "--dir", "run", cwd=folder)
    return folder, done


def test_a_search_that_leaves_the_training_set_stops_the_run(halted_run, no_hops):
    folder, done = halted_run
    assert done.returncode == 100, done.stdout + done.stderr
    assert "was halted: gamma" in done.stdout
    records = searches_of(folder / "run")
    assert [record.outcome for record in records].count("halted") == 1
    assert records[-1].outcome == "halted"
    assert records[0].gamma_reactant is None or records[0].gamma_reactant < SELECT
    halts, warnings = read_kept_frames(folder / "run" / "halts")
    assert warnings == ()
    (halt,) = [found for found in halts if found.kind is Kind.HALT]
    assert (halt.search, halt.stage) == (f"0_{records[-1].index}", Stage.SEARCH)
    grade = Extrapolation.of(no_hops)
    for found in halts:
        assert found.potential == grade.digest
        assert grade.gamma_of(found.atoms) == pytest.approx(found.gammas, rel=1e-5)
        assert found.gamma >= (HALT if found.kind is Kind.HALT else SELECT)


def test_a_halted_run_starts_nothing_until_it_is_told_to_go_on(halted_run):
    folder, _ = halted_run
    before = searches_of(folder / "run")
    again = mlip_kmc("run", folder / "akmc.yaml", "--dir", "run", cwd=folder)
    assert again.returncode == 100
    assert searches_of(folder / "run") == before
    status = json.loads(mlip_kmc("status", "run", "--json", cwd=folder).stdout)
    assert status["condition"] == "halted"


def test_what_was_kept_is_selected(halted_run):
    folder, _ = halted_run
    done = mlip_kmc("select", "run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "written: " in done.stdout
    (path,) = (folder / "run" / "selection").glob("selected*.xyz")
    assert len(read(path, ":")) >= 1


def test_a_campaign_explores_halts_and_selects(no_hops, tmp_path):
    path = config(tmp_path, no_hops)
    (tmp_path / "campaign.yaml").write_text(
        f"explore: {path.name}\noracle: {{ase: 'ase.calculators.emt:EMT'}}\nhalts_at_once: 2\n"
    )
    words = ("campaign", "campaign.yaml", "--dir", "campaign", "--until", "select")
    done = mlip_kmc(*words, cwd=tmp_path)
    assert done.returncode == 75, done.stdout + done.stderr
    assert read_kept_frames(tmp_path / "campaign" / "run" / "halts")[0]
    searches = searches_of(tmp_path / "campaign" / "run")
    assert sum(record.outcome == "halted" for record in searches) >= 2
    assert list((tmp_path / "campaign" / "gen-000" / "selection").glob("*.xyz"))


@pytest.fixture(scope="module")
def continued_run(no_hops, tmp_path_factory):
    """Potential B again: ten searches of `on_halt: continue`."""
    folder = tmp_path_factory.mktemp("continued")
    path = config(folder, no_hops, gamma={"on_halt": "continue"})
    done = mlip_kmc("search", path, "-n", 10, "--dir", "run", cwd=folder)
    return folder, done


def test_halted_searches_never_enter_the_rate_table(continued_run, no_hops):
    folder, done = continued_run
    assert done.returncode in (0, 7), done.stdout + done.stderr
    records = searches_of(folder / "run")
    halted = [record for record in records if record.outcome == "halted"]
    assert len(halted) >= 5
    assert "searches (" in done.stdout
    assert "halted on extrapolation" in done.stdout
    table = (folder / "run/eon/states/0/processtable").read_text().splitlines()[1:]
    found = {int(line.split()[0]) for line in table}
    assert found == {record.process for record in records if record.outcome == "new"}
    assert all(record.process is None and record.barrier is None for record in halted)
    halts, _ = read_kept_frames(folder / "run" / "halts")
    crossings = [halt for halt in halts if halt.kind is Kind.HALT]
    assert {halt.search for halt in crossings} <= {f"0_{record.index}" for record in halted}
    calls = sorted(halt.step for halt in crossings)
    print(f"halted: {len(halted)} of {len(records)}; force calls before: {calls}")
    assert calls[len(calls) // 2] >= 50
    grade = Extrapolation.of(no_hops)
    assert all(float(np.max(grade.gamma_of(halt.atoms))) >= HALT for halt in crossings)


def test_the_driver_decides_the_same(continued_run, no_hops, tmp_path):
    """On the very frames that LAMMPS saw inside eOn."""
    folder, _ = continued_run
    halts, _ = read_kept_frames(folder / "run" / "halts")
    frames = [halt for halt in halts if halt.kind is Kind.HALT][:4] + [
        halt for halt in halts if halt.kind is Kind.CANDIDATE
    ][:4]
    assert len(frames) == 8
    for number, frame in enumerate(frames):
        (tmp_path / f"{number}.txt").write_text(text_of(frame.atoms))
        done = subprocess.run(
            [
                sys.executable,
                driver.SCRIPT,
                "--potential",
                no_hops.yace,
                "--basis",
                no_hops.basis,
                "--active-set",
                no_hops.active_set,
                "--halt",
                str(HALT),
                "--input",
                f"{number}.txt",
                "--output",
                f"{number}.out",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == (100 if frame.kind is Kind.HALT else 0), done.stderr


def test_a_driven_run_halts_too(no_hops, tmp_path):
    """Displaced so far that most searches begin outside of the training set."""
    path = config(
        tmp_path,
        no_hops,
        way="driver",
        search={
            "engine": "eon",
            "displace": "under_coordinated",
            "displacement_A": 0.3,
            "displacement_radius_A": 3.0,
            "max_iterations": 50,
        },
    )
    done = mlip_kmc("run", path, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 100, done.stdout + done.stderr
    records = searches_of(tmp_path / "run")
    assert records[-1].outcome == "halted"
    halts, warnings = read_kept_frames(tmp_path / "run" / "halts")
    assert warnings == ()
    (halt,) = [found for found in halts if found.search == f"0_{records[-1].index}"]
    assert (halt.kind, halt.stage) == (Kind.HALT, Stage.SEARCH)
    assert gamma_of(halt.atoms, potential=no_hops) == pytest.approx(halt.gammas, rel=1e-5)
    assert halt.gamma > HALT


def test_without_its_files_gamma_is_unknown_and_nothing_halts(no_hops, tmp_path):
    alone = tmp_path / "alone.yace"
    alone.write_bytes(no_hops.yace.read_bytes())
    path = config(tmp_path, AcePotential.read(alone))
    done = mlip_kmc("search", path, "-n", 2, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gamma is unknown" in done.stdout
    records = searches_of(tmp_path / "run")
    assert {record.outcome for record in records} <= {"new", "repeat", "bad", "high"}
    assert all(record.gamma_path is None and record.gamma_saddle is None for record in records)
    assert not (tmp_path / "run" / "halts").exists()
    found = json.loads(mlip_kmc("report", "run", "--json", cwd=tmp_path).stdout)
    assert found["extrapolation_grade"] is None


def test_a_halt_that_cannot_be_kept_stops_the_run_and_loses_nothing(no_hops, tmp_path):
    path = config(tmp_path, no_hops)
    assert mlip_kmc("search", path, "-n", 0, "--dir", "run", cwd=tmp_path).returncode != 100
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "halts").write_text("in the way")
    done = mlip_kmc("run", path, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 8, done.stdout + done.stderr
    assert "halts" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    (tmp_path / "run" / "halts").unlink()
    done = mlip_kmc("run", path, "--dir", "run", cwd=tmp_path)
    assert done.returncode == 100, done.stdout + done.stderr
    records = searches_of(tmp_path / "run")
    assert [record.index for record in records] == list(range(len(records)))
    assert records[-1].outcome == "halted"


def test_the_examples_potential_does_not_halt(example_run):
    records = searches_of(example_run)
    hops = [record for record in records if record.outcome in ("new", "repeat")]
    halted = [record for record in records if record.outcome == "halted"]
    paths = sorted(record.gamma_path for record in records if record.gamma_path is not None)
    print(
        f"{len(records)} searches, {len(halted)} halted; gamma on the paths: median {paths[len(paths) // 2]:.2f}, "
        f"largest {paths[-1]:.2f}; at saddles {max(record.gamma_saddle for record in hops):.2f}"
    )
    assert len(halted) <= 0.05 * len(records)
    assert all(record.gamma_saddle < 1.5 and record.gamma_product < 1.5 for record in hops)
