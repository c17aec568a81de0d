"""The report and the export of a real run."""

import json
import re

import numpy as np
import pytest
from ase.io import read

from .conftest import EXAMPLE, mlip_kmc


def test_the_report_of_the_example(example_run, tmp_path):
    done = mlip_kmc("report", example_run, "--output", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert mlip_kmc("report", example_run, "--output", "again.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert len(page) < 5_000_000
    assert page.count("<script>") == 2  # the viewer and what drives it
    own = re.sub(r"<script[ >].*?</script>", "", page, flags=re.DOTALL)
    assert "http" not in own.replace("http-equiv", "")
    for said in (
        "Cu107",
        "500 K",
        "2 KMC steps",
        "Too few steps",
        "image recipe",
        "eOn 3.",
        "no search was halted",
        "\N{GREEK SMALL LETTER GAMMA} at saddle",
    ):
        assert said in page, said


def test_its_numbers_are_those_of_the_run(example_run, tmp_path):
    done = mlip_kmc("report", example_run, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first = found["states"][0]
    assert found["run"]["kmc_steps"] == 2
    assert len(first["processes"]) >= 12
    assert first["confidence"] == pytest.approx(
        0.9
    )  # where eOn itself said that the state may be left
    for process in first["processes"]:
        rate = 1e13 * np.exp(-process["barrier_eV"] / found["settings"]["kT_eV"])
        assert process["rate_per_s"] == pytest.approx(rate, rel=1e-9)
    # two hops of a vacancy: the nearest-neighbour distance twice, less 1/N for the centre of mass that rests
    summed_A2 = (
        found["diffusion"][0]["hop_m2_per_s"] * 107 * 6 * found["run"]["simulated_time_s"] * 1e20
    )
    assert summed_A2 == pytest.approx(2 * 2.54**2, rel=0.15)


def test_export_writes_the_same_files_as_the_run(example_run, tmp_path):
    done = mlip_kmc("export", example_run, "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for name in ("events.csv", "processes.csv", "states.csv", "trajectory.xyz", "processes.xyz"):
        assert (tmp_path / "out" / name).read_bytes() == (
            example_run / "results" / name
        ).read_bytes(), name


def test_atoms_have_displacements_and_on_request_gammas(example_run, tmp_path):
    """All states are one vacancy elsewhere: every frame has the gammas of the first, on other atoms."""
    done = mlip_kmc("export", example_run, "--output", "out", "--gamma", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    frames = read(tmp_path / "out" / "trajectory.xyz", ":")
    first, *later = frames
    grade = json.loads(mlip_kmc("report", example_run, "--json", cwd=tmp_path).stdout)
    assert first.arrays["gamma"].max() == pytest.approx(
        grade["extrapolation_grade"]["state_0"], rel=1e-4
    )
    assert len(later) == 2
    for frame in later:
        gammas = np.sort(frame.arrays["gamma"])
        assert gammas == pytest.approx(np.sort(first.arrays["gamma"]), abs=1e-3)
        moved = frame.positions - first.positions
        assert frame.arrays["displacement"] == pytest.approx(moved, abs=1e-9)


def test_a_directory_that_is_no_run_is_one_line(tmp_path):
    for command in ("report", "export"):
        done = mlip_kmc(command, EXAMPLE, cwd=tmp_path)
        assert done.returncode == 6
        assert done.stderr.startswith("mlip-kmc: ")
        assert done.stderr.count("\n") == 1
