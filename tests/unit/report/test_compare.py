"""Several runs side by side: pooled coefficients, effective barriers, processes that one has and another lacks."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from mlip_kmc.cli.main import cli
from mlip_kmc.cli.report import report
from mlip_kmc.report.arrhenius import Point, fit

from ..synthetic import State, commit, event, search, walker
from .test_report import check

CELL_A = 3.0
PROCESSES = [(11, 0.8, 0, 3), (12, 0.9, 0, 1)]


def walk(
    path, *, seed, temperature_K=500.0, then_K=None, steps=400, mean_s=1e-9, processes=PROCESSES
):
    """A random walk of one atom by whole cells, of `steps` steps of a mean time; the second half at `then_K`."""
    random = np.random.default_rng(seed)
    hops = np.eye(3, dtype=int)[random.integers(0, 3, steps)] * random.choice((-1, 1), (steps, 1))
    times = np.cumsum(random.exponential(mean_s, steps))
    events = [
        event(
            step,
            time_s=float(after),
            before_s=float(before),
            reactant=0,
            product=0,
            process=11,
            images={"0": tuple(map(int, place))},
            temperature_K=then_K if then_K and 2 * step >= steps else temperature_K,
        )
        for step, (place, before, after) in enumerate(
            zip(np.cumsum(hops, axis=0), [0.0, *times[:-1]], times, strict=True)
        )
    ]
    return commit(
        path,
        states=[State(processes=processes)],
        events=events,
        searches=[search(0, outcome="new", process=11)],
        atoms=walker(CELL_A),
        potential_note={"facts": {"seed": seed}, "inputs": {"potential_sha256": "ab" * 32}},
    )


def compared(*runs):
    done = CliRunner().invoke(report, [*map(str, runs), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def page_of(tmp_path, *runs):
    out = tmp_path / "page.html"
    arguments = [*map(str, runs), "--output", str(out)]
    done = CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return out.read_text()


def test_replicas_are_pooled(tmp_path):
    """A walk of one of two atoms by 3 A every ns: D = (9 A^2/ns)/6/2 = 7.5e-12 m^2/s."""
    found = compared(*(walk(tmp_path / f"r{seed}", seed=seed) for seed in (1, 2, 3)))
    (pooled,) = found["pooled"]
    assert pooled["runs"] == [0, 1, 2]
    assert pooled["steps"] == 1200
    singles = [one["diffusion"][0] for one in found["runs"]]
    weights = [one["time_s"] for one in singles]
    values = [one["tracer_m2_per_s"] for one in singles]
    assert pooled["tracer"]["value"] == pytest.approx(np.average(values, weights=weights))
    errors = [one["tracer_error_m2_per_s"] for one in singles]
    own = math.hypot(*(w * e for w, e in zip(weights, errors, strict=True))) / sum(weights)
    assert pooled["tracer"]["error"] >= own * (1 - 1e-12)
    assert abs(pooled["tracer"]["value"] - 7.5e-12) < 3 * pooled["tracer"]["error"]
    assert abs(pooled["hop"]["value"] - 7.5e-12) < 3 * pooled["hop"]["error"]
    assert found["arrhenius"] == []


def test_a_copy_is_no_second_sample(tmp_path):
    long, short = walk(tmp_path / "a", seed=1), walk(tmp_path / "b", seed=1, steps=100)
    found = compared(short, long)
    assert found["one_sample"] == [[0, 1]]
    assert found["pooled"][0]["runs"] == [1]
    assert "One sample" in page_of(tmp_path, short, long)


def test_an_effective_barrier(tmp_path):
    """Step times of exp(0.5 eV/kT) at three temperatures: the barrier comes back within its error."""
    runs = [
        walk(
            tmp_path / f"{kelvin}K",
            seed=kelvin,
            temperature_K=float(kelvin),
            mean_s=1e-13 * math.exp(0.5 * 11604.5 / kelvin),
        )
        for kelvin in (400, 500, 650)
    ]
    found = compared(*runs)
    (line,) = found["arrhenius"]
    assert len(line["points"]) == 3
    fitted = line["fit"]
    assert 0 < fitted["barrier_error_eV"] < 0.05
    assert abs(fitted["barrier_eV"] - 0.5) < 3 * fitted["barrier_error_eV"]
    text = page_of(tmp_path, *runs)
    check(text)
    assert "Effective barrier" in text
    assert text == page_of(tmp_path, *runs)


def test_a_line_through_known_points():
    """Two exact points: E = ln(D2/D1)/(1/kT1 - 1/kT2), its error that of propagation."""
    low, high = Point(0.04, 1e-13, 1e-14), Point(0.05, 1e-12, 5e-14)
    found = fit([low, high])
    reach = 1 / 0.04 - 1 / 0.05
    assert found.barrier_eV == pytest.approx(math.log(10) / reach)
    assert found.barrier_error_eV == pytest.approx(math.hypot(0.1, 0.05) / reach)
    assert found.at(0.04) == pytest.approx(1e-13)
    assert found.scatter is None


def test_scatter_makes_the_error_larger():
    points = [
        Point(kT, math.exp(-0.5 / kT), 0.01 * math.exp(-0.5 / kT)) for kT in (0.04, 0.05, 0.06)
    ]
    exact = fit(points)
    assert exact.barrier_eV == pytest.approx(0.5)
    assert exact.scatter == pytest.approx(0, abs=1e-9)
    off = fit([points[0], replace(points[1], value=1.5 * points[1].value), points[2]])
    assert off.scatter > 100
    assert off.barrier_error_eV > 10 * exact.barrier_error_eV


@pytest.mark.parametrize("bad", [float("nan"), 0.0, float("inf")])
def test_no_line_through_what_is_no_number(bad):
    good = Point(0.04, 1e-13, 1e-14)
    assert fit([good, Point(0.05, bad, 1e-14)]) is None
    assert fit([good, Point(0.05, 1e-12, bad)]) is None
    assert fit([good, good]) is None


def test_nearby_temperatures_do_not_overflow():
    assert math.isfinite(
        fit([Point(0.04, 1e-13, 1e-14), Point(0.04001, 1e-11, 1e-14)]).log_prefactor
    )


def test_processes_that_one_run_lacks(tmp_path):
    """0.9 eV is missing in the second run; 3 eV is beyond the window of 20 kT, so nobody misses it."""
    one = walk(tmp_path / "one", seed=1, processes=[*PROCESSES, (13, 3.0, -1, 0)])
    two = walk(tmp_path / "two", seed=2, processes=[(21, 0.801, 0, 3)])
    found = compared(one, two)["processes_of_state_0"]
    assert [(round(row["barrier_eV"], 3), row["counts"], row["lacking"]) for row in found] == [
        (0.8, [1, 1], []),
        (0.9, [1, 0], [1]),
        (3.0, [1, 0], []),
    ]
    assert "beyond" in page_of(tmp_path, one, two)


def test_names_of_runs_are_text(tmp_path):
    one = walk(tmp_path / "<script>alert(1)", seed=1)
    text = page_of(tmp_path, one, walk(tmp_path / "two", seed=2))
    assert "<script>" not in text
    check(text)


def test_runs_without_steps(tmp_path):
    runs = [commit(tmp_path / name) for name in "ab"]
    text = page_of(tmp_path, *runs)
    check(text)
    assert "No run has made a KMC step yet." in text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "--output"),
        (["--follow", "--output", "x"], "one run"),
        (["--json", "--follow"], "page"),
    ],
)
def test_what_does_not_go_together(tmp_path, more, words):
    runs = [str(commit(tmp_path / name)) for name in "ab"]
    done = CliRunner().invoke(cli, ["report", *runs, *more])
    assert done.exit_code != 0
    assert words in done.output
