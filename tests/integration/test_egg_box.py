"""Searches of eOn's client on an egg-box, whose saddles, barriers and prefactors are exact: flat, as steep as usual, oblique."""

import csv
import json
from math import exp

import pytest
import yaml

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.model.structure import read_structure
from mlip_kmc.report.heading import Fact, facts
from mlip_kmc.report.status import read_status
from mlip_kmc.report.summary import collect
from mlip_kmc.store.view import RunView

from .conftest import ROOT, mlip_kmc
from .egg_box import Box

KELVIN = 300
KT_EV = KELVIN / EON_KELVIN_PER_EV
FLAT = Box(0.002, 0.010, spring_eV_per_A2=0.03)
STEEP = Box(0.100, 0.300, a_A=2.4, b_A=3.1, gamma_deg=75.0, spring_eV_per_A2=0.5)


def searched(folder, box, *, count, start=(0.0, 0.0), **more):
    """A run directory with so many searches of state 0."""
    box.atoms(*start).write(folder / "atom.xyz")
    settings = {
        "structure": "atom.xyz",
        "potential": {"ase": "mlip_kmc.evaluate.egg_box:EggBox", "kwargs": box.keywords},
        "temperature_K": KELVIN,
        "confidence": {"value": 0.9},
        "workers": 1,
        "seed": 1,
        **more,
        "search": {"engine": "eon", **more.get("search", {})},
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    done = mlip_kmc("search", "akmc.yaml", "-n", count, "--dir", "run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Forces are nowhere above 0.0126 eV/A: the usual 0.01 is reached nearly everywhere; it starts 0.1 A beside the well."""
    folder = tmp_path_factory.mktemp("flat")
    return searched(folder, FLAT, count=6, start=(0.04, 0.0), search={"displacement_A": 0.5})


@pytest.fixture(scope="module")
def steep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("steep")
    return searched(folder, STEEP, count=5, prefactor={"harmonic": True})


def table(run, name="processes.csv"):
    rows = list(csv.DictReader((run / "results" / name).open()))
    assert not any(word in ("inf", "nan") for row in rows for word in row.values())
    return rows


def rates_by_barrier(run, box):
    """Rates of the two processes along a, and of the two along b."""
    middle = (box.barrier_a_eV + box.barrier_b_eV) / 2
    rows = table(run)
    assert len(rows) == 4, "saddles that coincide are one"
    low = [float(row["rate_per_s"]) for row in rows if float(row["barrier_eV"]) < middle]
    high = [float(row["rate_per_s"]) for row in rows if float(row["barrier_eV"]) > middle]
    assert (len(low), len(high)) == (2, 2)
    return low, high


def test_a_flat_landscape_has_four_processes_with_the_right_barriers_and_rates(flat):
    """Without convergence by curvature: 22 of them, at up to 65 % of the barrier, and a total rate five times too large."""
    for rates, barrier in zip(rates_by_barrier(flat, FLAT), (0.002, 0.010), strict=True):
        assert sum(rates) == pytest.approx(2e13 * exp(-barrier / KT_EV), rel=0.02)
    for row in table(flat):
        found, error = float(row["barrier_eV"]), float(row["barrier_error_eV"])
        exact = 0.002 if found < 0.006 else 0.010
        assert error <= 0.01 * exact
        assert abs(found - exact) <= error + 2e-6
    records = read_lines(flat / "journal" / "searches.jsonl", SearchRecord)
    assert [record.outcome for record in records].count("new") == 4
    assert not [record for record in records if record.outcome == "bad"]


def test_the_start_in_a_flat_landscape_is_at_its_minimum(flat):
    place = read_structure(flat / "eon" / "states" / "0" / "reactant.con").positions[0]
    assert place == pytest.approx(FLAT.place(0, 0), abs=0.02)


def test_low_barriers_are_told(flat):
    said = "4 of 4 barriers below 3 kT (0.0776 eV), the lowest 0.002 eV"
    status = read_status(flat)
    assert status.low_barriers.startswith(said)
    assert "transition-state theory does not hold there" in status.low_barriers
    assert said in " ".join(mlip_kmc("status", flat, cwd=flat).stdout.split())
    with RunView.read(flat, detail="tables") as view:
        report = collect(view, etc=flat, software={})
    assert (report.low.count, report.low.unsure, report.low.of) == (4, 0, 4)
    assert json.loads(report.as_json())["low_barriers"]["meaning"].startswith(said)
    assert Fact("Low barriers", report.low.said) in facts(report)


def test_usual_barriers_and_harmonic_prefactors_in_an_oblique_cell(steep):
    ways = STEEP.ways(0, 0)
    for rates, way in zip(rates_by_barrier(steep, STEEP), (ways[0], ways[2]), strict=True):
        assert sum(rates) == pytest.approx(2 * way.rate_per_s(KELVIN), rel=0.02)
    for row in table(steep):
        way = ways[0] if float(row["barrier_eV"]) < 0.2 else ways[2]
        assert float(row["barrier_eV"]) == pytest.approx(way.barrier_eV, rel=0.01)
        assert float(row["prefactor_per_s"]) == pytest.approx(way.prefactor_per_s, rel=0.005)
        assert row["prefactor_kind"] == "harmonic"


def test_usual_barriers_take_no_force_call_more(steep):
    records = read_lines(steep / "journal" / "searches.jsonl", SearchRecord)
    assert {record.barrier_error for record in records} == {None}
    assert max(record.force_calls - (record.rated.force_calls if record.rated else 0) for record in records) < 100  # fmt: skip


def test_the_example_is_what_its_page_says():
    page = (ROOT / "docs" / "egg-box.md").read_text()
    for name in ("akmc.yaml", "atom.xyz"):
        assert (ROOT / "examples" / "egg-box" / name).read_text() in page
