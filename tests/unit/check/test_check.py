"""`mlip-kmc check` without programs: estimates against known answers, findings, their order, their text and JSON."""

import errno
import fcntl
import json
import math
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.check import estimates, examine, gradient, minimum, parts, room, speed, thermal, trial
from mlip_kmc.check.estimates import Range
from mlip_kmc.check.examine import workers
from mlip_kmc.check.findings import Finding, Level, Notebook, exit_code_of, failure, report, verdict
from mlip_kmc.check.grade import grade, level_of
from mlip_kmc.check.regions import regions
from mlip_kmc.cli.check import finding_lines
from mlip_kmc.config import ConfidenceSection, GammaSection, load_config
from mlip_kmc.evaluate import by_lammps as lammps
from mlip_kmc.evaluate.by_eon import Evaluation
from mlip_kmc.ground.errors import PotentialError, ProgramError, StorageError, StructureError
from mlip_kmc.model.records import Minimised, Process, SearchRecord
from mlip_kmc.potential import BuiltinPotential
from mlip_kmc.store.room import ROOM_BYTES

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"


# -- regions


def test_a_large_cell_is_told_what_a_region_of_it_evaluates(tmp_path):
    path = tmp_path / "akmc.yaml"
    text = (EXAMPLE / "akmc.yaml").read_text()
    for name in ("vacancy.xyz", "cu.yace"):
        text = text.replace(f": {name}", f": {EXAMPLE / name}")
    path.write_text(text)
    config = load_config(path)
    assert regions(config, bulk("Cu", a=3.615, cubic=True).repeat(3), cutoff_A=5.0) == ([], True)
    large = bulk("Cu", a=3.615, cubic=True).repeat(13)
    del large[0]
    (off,), _ = regions(config, large, cutoff_A=5.0)
    assert off.values["region_A"] is None
    assert 1500 < off.values["first_atoms"] < 1700
    assert 4500 < off.values["last_atoms"] < 5500
    assert "search.region_A: 6" in off.advice
    path.write_text(
        path.read_text().replace("  engine: native", "  region_A: 8.0\n  engine: native")
    )
    (on,), _ = regions(load_config(path), large, cutoff_A=5.0)
    assert (on.values["region_A"], on.advice) == (8.0, "")
    assert on.values["first_atoms"] > off.values["first_atoms"]


# -- estimates


@pytest.mark.parametrize(("processes", "draws"), [(1, 1.0), (2, 3.0), (12, 37.2385)])
def test_the_coupon_collector(processes, draws):
    assert estimates.coupon_collector(processes) == pytest.approx(draws, abs=1e-4)


@pytest.mark.parametrize(
    ("confidence", "repeats"), [(0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100), (0.999, 1000)]
)
def test_scheme_old_wants_so_many_repeats_in_a_row(confidence, repeats):
    assert estimates.repeats_wanted(confidence) == repeats
    assert 1 - 1 / repeats >= confidence - 1e-12


@pytest.mark.parametrize(("scheme", "confidence", "measured"), [
    # docs/confidence.md: searches of the example, of which 1446 in 1642 are good, of twelve equal processes
    ("old", 0.9, 37.8), ("old", 0.95, 54.4), ("old", 0.99, 151.4), ("new", 0.9, 32.1), ("new", 0.95, 41.4),
    ("new", 0.99, 63.3), ("new", 0.999, 94.0), ("sampling", 0.9, 39.5), ("sampling", 0.99, 86.3), ("sampling", 0.999, 126.3),
])  # fmt: skip
def test_expected_searches_are_those_measured(scheme, confidence, measured):
    good = estimates.expected_searches(scheme, processes=12, confidence=confidence)
    assert good == pytest.approx(measured * 1446 / 1642, rel=0.1)


def test_expected_searches_by_drawing():
    rng, taken = np.random.default_rng(4), []
    for _ in range(4000):
        known, in_a_row, draws = set(), 0, 0
        while in_a_row < 5:
            drawn, draws = int(rng.integers(4)), draws + 1
            in_a_row = in_a_row + 1 if drawn in known else 0
            known.add(drawn)
        taken.append(draws)
    assert estimates.expected_searches("old", processes=4, confidence=0.8) == pytest.approx(
        np.mean(taken), rel=0.02
    )


def test_one_process_needs_itself_and_the_repeats():
    assert estimates.expected_searches("old", processes=1, confidence=0.99) == pytest.approx(101)


def test_the_chance_of_so_many_different_ones_is_that_of_birthdays():
    chance = estimates._chance(365, 23)
    assert chance.sum() == pytest.approx(1)
    assert 1 - chance[23] == pytest.approx(0.5073, abs=1e-4)


@pytest.mark.parametrize(("found", "good"), [(1, 1), (4, 4), (10, 10)])
def test_all_different_bounds_nothing_from_above(found, good):
    assert estimates.process_range(found=found, good=good).high is None


def test_the_true_number_of_processes_is_nearly_always_in_the_range():
    rng, inside = np.random.default_rng(9), 0
    for _ in range(200):
        found = len(set(rng.integers(12, size=20).tolist()))
        span = estimates.process_range(found=found, good=20)
        inside += span.low <= 12 and (span.high is None or span.high >= 12)
    assert inside > 150


def test_many_searches_pin_the_number_down():
    assert estimates.process_range(found=12, good=130) == Range(12, 12)


def test_ranges():
    assert estimates.share_range(part=4, whole=4) == Range(pytest.approx(0.5), 1.0)
    assert estimates.share_range(part=0, whole=4).low == 0.0
    assert estimates.mean_range([2.0]) == Range(1.0, 4.0)
    assert estimates.mean_range([1.0, 1.0, 1.0]) == Range(1.0, 1.0)
    span = estimates.mean_range([1.0, 2.0, 9.0])
    assert 1.0 <= span.low < 4.0 < span.high <= 9.0
    assert Range(2, None).times(Range(3, 4)) == Range(6, None)
    assert estimates.searches_range("old", confidence=0.99, found=1, good=1, whole=4).high is None


def test_ratios_of_pairs():
    assert not estimates.ratio_of([1.0, 2.2, 0.9], [1.0, 2.0, 1.0]).differs
    faster = estimates.ratio_of([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert faster.differs
    assert (faster.middle, faster.low, faster.high) == pytest.approx((2 / 3, 0.5, 0.75))


# -- findings


def test_an_error_keeps_its_family_and_loses_what_is_removed():
    kept = PotentialError("no energy: boom", kept=Path("gone/point"))
    assert str(kept) == "no energy: boom; the job is kept at gone/point"
    found = failure("minimum", kept)
    assert (found.level, found.exit_code, found.text) == (Level.FAIL, 4, "no energy: boom")
    advised = PotentialError("no energy", kept=Path("gone"), advice="check it")
    assert failure("m", advised).text == "no energy; check it"
    odd = failure("gamma", RuntimeError("bad\nlines"))
    assert (odd.exit_code, odd.text) == (1, "unexpected RuntimeError: bad lines")


def test_the_first_failure_decides():
    ok, warn = Finding("a", Level.OK, ""), Finding("b", Level.WARN, "")
    assert (exit_code_of([ok, warn]), verdict([ok])) == (0, "ready to start")
    assert verdict([ok, warn, warn]) == "ready to start, with 2 warnings (b, b)"
    assert verdict([Finding("c", Level.UNKNOWN, "")]) == "ready to start, with 1 open question (c)"
    failures = [failure("x", StructureError("s")), failure("y", ProgramError("p"))]
    assert exit_code_of([ok, *failures]) == 3
    assert verdict([warn, *failures]) == "do not start: 2 failures (x, y)"


def test_the_object_is_json_without_infinities():
    found = report(
        (
            Finding(
                "a", Level.OK, "t", values={"x_eV": math.nan, "y_A": (1.0, math.inf), "z": None}
            ),
        ),
        config=Path("akmc.yaml"),
    )
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == {
        "format": 1,
        "config": "akmc.yaml",
        "verdict": "ready to start",
        "exit_code": 0,
        "findings": [
            {
                "name": "a",
                "level": "ok",
                "text": "t",
                "advice": "",
                "exit_code": 0,
                "values": {"x_eV": None, "y_A": [1.0, None], "z": None},
            }
        ],
    }


def test_the_notebook_goes_on_after_an_error():
    seen = []
    book = Notebook(on_finding=seen.append, on_doing=lambda _: None)

    def fails():
        raise StructureError("it rests on a saddle")

    first = book.attempt("minimum", fails)
    assert book.attempt("searches", lambda: ([], 1), needs={"a minimum": first}) is None
    assert book.attempt("speed", lambda: ([Finding("speed", Level.OK, "")], 5)) == 5
    assert [(found.name, found.level) for found in seen] == [
        ("minimum", Level.FAIL),
        ("searches", Level.NOT_DONE),
        ("speed", Level.OK),
    ]
    assert seen[1].text == "needs a minimum"
    assert book.findings == seen


@pytest.mark.parametrize("width", [50, 80, 120])
def test_lines_fit_the_terminal(width):
    finding = Finding("saddle gamma", Level.WARN, "word " * 40, advice="do " * 40)
    lines = list(finding_lines(finding, width=width))
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("warn     saddle gamma word")
    assert sum("->" in line for line in lines) == 1
    assert list(finding_lines(finding, width=None)) == [
        f"warn     saddle gamma {finding.text} -> {finding.advice}"
    ]


# -- parts and room


def test_versions_of_an_image_and_outside_of_one(tmp_path):
    (tmp_path / "parts.json").write_text(
        '{"eon": "3.6.0", "lammps": "4Feb2025", "python-ace": "0.4"}'
    )
    (tmp_path / "image.json").write_text('{"recipe": "abc", "source": "def"}')
    found, _ = parts.versions(tmp_path)
    assert [finding.level for finding in found] == [Level.OK, Level.OK]
    assert "eOn 3.6.0, LAMMPS 4Feb2025, python-ace 0.4" in found[0].text
    outside, _ = parts.versions(tmp_path / "none")
    assert [finding.level for finding in outside] == [Level.UNKNOWN, Level.UNKNOWN]


@pytest.mark.parametrize(("size_MB", "free_MB", "kind", "level"), [
    (1e6, 1e5, "ext4", Level.OK), (67.1, 67.0, "tmpfs", Level.WARN), (64000, 6e4, "tmpfs", Level.OK),
    (1e6, 5.0, "ext4", Level.WARN),
    (1e6, 0.5, "ext4", Level.FAIL),
])  # fmt: skip
def test_scratch(size_MB, free_MB, kind, level):
    found, _ = room.scratch(
        workers=4,
        con_bytes=10_000,
        look=lambda path: room.Disk(path=path, size_MB=size_MB, free_MB=free_MB, kind=kind),
    )
    assert found[0].level is level
    assert ("MLIP_KMC_SCRATCH" in found[0].advice) == (level is not Level.OK)
    assert found[0].exit_code == (StorageError.exit_code if level is Level.FAIL else 0)
    assert found[0].values["needed_MB"] == pytest.approx(4 * room.search_room(10_000))


def test_the_file_system_of_a_folder_that_is_not_there_yet(tmp_path):
    disk = room.disk_of(tmp_path / "a" / "b")
    assert disk.path == tmp_path
    assert disk.size_MB >= disk.free_MB > 0
    assert disk.kind


def test_a_full_run_disk(tmp_path):
    found, _ = room.run_disk(
        tmp_path / "run", look=lambda path: room.Disk(path=path.parent, size_MB=9e5, free_MB=20.0)
    )
    assert (found[0].level, found[0].exit_code) == (Level.FAIL, StorageError.exit_code)
    assert (
        found[0].advice
        == "a run starts, and goes on, only with 50 MB: make room, or choose another --dir"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("free_MB", "free_files", "level"), [
    (49.9, None, Level.FAIL), (50.0, None, Level.WARN), (999, None, Level.WARN), (1001, None, Level.OK),
    (1001, 9999, Level.WARN),
])  # fmt: skip
def test_room_for_a_run(tmp_path, free_MB, free_files, level):
    disk = room.Disk(path=tmp_path, size_MB=9e5, free_MB=free_MB, free_files=free_files)
    found, _ = room.run_disk(tmp_path, look=lambda _: disk)
    assert found[0].level is level
    assert found[0].values["needed_MB"] == ROOM_BYTES / 1e6 == 50


def test_what_the_run_disk_cannot_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    disk = room.Disk(path=tmp_path, size_MB=9e5, free_MB=5000.0)
    (tmp_path / "akmc.yaml").write_bytes(b"x")
    found, _ = room.run_disk(tmp_path / "run", look=lambda _: disk)
    assert (found[0].level, found[0].values["lacks"]) == (Level.OK, ())
    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    found, _ = room.run_disk(tmp_path / "run", look=lambda _: disk)
    assert (found[0].level, found[0].values["lacks"]) == (
        Level.WARN,
        ("directory sync", "file locks"),
    )
    assert f"the file system of {tmp_path} cannot sync a directory" in found[0].text
    assert "a process that died is seen as dead after 60 s" in found[0].text
    assert [path.name for path in tmp_path.iterdir()] == ["akmc.yaml"]


def test_packages_that_are_not_the_image_s(tmp_path, monkeypatch):
    """With --env PYTHONPATH another ase was used in silence, while `check` named the image's version."""
    etc = tmp_path / "image" / "etc"
    etc.mkdir(parents=True)
    (etc / "image.json").write_text('{"recipe": "ab"}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ase.py").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "image"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "other")])
    found = {finding.name: finding for finding in parts.versions(etc)[0]}
    assert found["packages"].level is Level.WARN
    assert found["packages"].text == f"not the image's: ase ({tmp_path / 'other' / 'ase.py'})"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "none"))
    assert "packages" not in {finding.name for finding in parts.versions()[0]}


# -- subjects


@pytest.mark.parametrize(
    ("count", "load", "word"), [(1, 0.0, ""), (10_000, 0.0, "share"), (1, 1e6, "quiet")]
)
def test_workers(count, load, word):
    (finding,), _ = workers(count, load=load)
    assert (finding.level is Level.WARN) == bool(word)
    assert word in finding.advice


def spring(atoms, _, *, wrong=0.0):
    """A harmonic energy, and forces that are its gradient unless a part is added."""
    rest = bulk("Cu", cubic=True).positions
    moved = atoms.positions - rest
    return Evaluation(energy_eV=float(2.5 * (moved**2).sum()), forces_eV_per_A=-5.0 * moved + wrong)


def test_forces_that_are_no_gradient_fail():
    atoms = bulk("Cu", cubic=True)
    found, _ = gradient.gradient(atoms, None, evaluate=spring)
    assert (found[0].level, found[0].exit_code) == (Level.OK, 0)
    assert found[0].values["deviation_eV_per_A"] < 1e-9
    found, _ = gradient.gradient(atoms, None, evaluate=lambda *given: spring(*given, wrong=0.01))
    assert (found[0].level, found[0].exit_code) == (Level.FAIL, 4)
    found, _ = gradient.gradient(
        atoms, None, evaluate=lambda *given: spring(*given, wrong=math.nan)
    )
    assert found[0].level is Level.FAIL


@pytest.mark.parametrize(
    ("gamma", "level"),
    [
        (0.5, Level.OK),
        (3.0, Level.WARN),
        (15.0, Level.WARN),
        (1e7, Level.WARN),
        (math.nan, Level.WARN),
    ],
)
def test_levels_of_gamma(gamma, level):
    assert level_of(gamma, GammaSection())[0] is level
    assert level_of(1e7, GammaSection())[1].startswith("FAR")


def test_gamma_is_unknown_and_never_zero_where_there_is_none(tmp_path):
    found, had = grade(
        bulk("Al"),
        BuiltinPotential.named("eam_al"),
        where="here",
        energy_eV=0.0,
        folder=tmp_path,
        thresholds=GammaSection(),
    )
    assert (found[0].level, found[0].values["largest_gamma"], had) == (Level.UNKNOWN, None, None)


def test_the_report_of_a_minimum():
    fine = Minimised(
        energy=-3.0,
        energy_drop=0.1,
        largest_displacement_A=0.1,
        largest_force_eV_per_A=1e-4,
        pressure_GPa=0.1,
        lowest_eigenvalue_eV_per_A2=0.4,
        force_calls=7,
    )
    assert {finding.level for finding in minimum.findings_of(fine)} == {Level.OK}
    odd = Minimised(
        energy=-3.0,
        energy_drop=9.0,
        largest_displacement_A=1.1,
        largest_force_eV_per_A=1e-4,
        pressure_GPa=-8.0,
        lowest_eigenvalue_eV_per_A2=math.nan,
        force_calls=7,
    )
    assert {finding.level for finding in minimum.findings_of(odd)} == {Level.WARN}


def test_force_calls_are_told_from_the_start_and_from_disturbances():
    short = [speed.Creep(calls=3, ms=130.0), speed.Creep(calls=3, ms=400.0)]
    long = [speed.Creep(calls=103, ms=1530.0), speed.Creep(calls=103, ms=1130.0)]
    each, start = speed.client_times(short, long)
    assert (each, start) == ([14.0, 10.0], 100.0)
    finding = speed.judge_calls(each, [9.0, 8.0], start_ms=start, calls=100)
    assert (finding.level, finding.values["overhead_share"]) == (Level.OK, pytest.approx(0.2))
    assert "overhead 20%" in finding.text
    assert speed.judge_calls(each, [1.0, 2.0], start_ms=start, calls=100).level is Level.WARN
    assert "no overhead" in speed.judge_calls(each, [11.0, 12.0], start_ms=start, calls=100).text
    assert "LAMMPS" not in speed.judge_calls(each, [], start_ms=start, calls=100).text
    with pytest.raises(PotentialError, match="counted 3"):
        speed.client_times(short, short)


def test_evaluators_are_judged_by_their_spread():
    ratio = estimates.Ratio(middle=1.1, low=0.98, high=1.3)
    unclear = speed.judge(ratio, chosen="recursive", product_ms=1, recursive_ms=1.1)
    assert (unclear.level, unclear.values["faster"]) == (Level.UNKNOWN, None)
    assert unclear.text == (
        "the faster evaluator is uncertain: recursive takes 1.1 of product's time, 0.98 to 1.3 in 5 "
        "pairs, which disagree"
    )
    for middle in (
        0.8,
        1.25,
    ):  # a fifth faster is not "no difference", even where the pairs disagree
        unclear = speed.judge(
            estimates.Ratio(middle=middle, low=0.7, high=1.4),
            chosen="product",
            product_ms=1,
            recursive_ms=1,
        )
        assert "no difference" not in unclear.text
    same = speed.judge(
        estimates.Ratio(middle=1.02, low=0.98, high=1.03),
        chosen="recursive",
        product_ms=1,
        recursive_ms=1,
    )
    assert same.level is Level.OK
    assert same.text.startswith(
        "no difference worth a change: recursive takes 1 of product's time, 0.98 to 1 in"
    )
    unclear = speed.judge(
        estimates.Ratio(middle=math.nan, low=math.nan, high=math.nan),
        chosen="product",
        product_ms=1,
        recursive_ms=1,
    )
    assert unclear.level is Level.UNKNOWN
    ratio = estimates.Ratio(middle=1.2, low=1.15, high=1.3)
    slow = speed.judge(ratio, chosen="recursive", product_ms=1, recursive_ms=1.2)
    assert (slow.level, slow.advice) == (Level.WARN, "set potential.evaluator: product")
    assert speed.judge(ratio, chosen="product", product_ms=1, recursive_ms=1.2).level is Level.OK


def test_lammps_data_keeps_a_tilted_cell():
    atoms = bulk("Cu", "fcc", a=3.6).repeat(2)
    atoms.set_cell([[5, 0, 0], [1, 5, 0], [0.5, -1, 5]])
    atoms.symbols[0] = "Au"
    text = lammps.data_text(atoms)
    assert "1 0.5 -1 xy xz yz" in text
    assert "2 atom types" in text
    assert text.splitlines()[-len(atoms)].startswith("1 1 ")
    assert "xy xz yz" not in lammps.data_text(bulk("Cu", cubic=True))


# -- trial searches


def record(index, outcome="new", process=0, barrier=0.79, seconds=2.0):
    return SearchRecord(
        state=0,
        index=index,
        outcome=outcome,
        reason="barrier high" if outcome == "bad" else "",
        process=process,
        barrier=barrier,
        force_calls=100,
        seconds=seconds,
    )


def process(number, barrier, back=None):
    return Process(
        state=0,
        process=number,
        product=None,
        barrier=barrier,
        prefactor=1e13,
        rate=1.0,
        saddle_energy=barrier,
        product_energy=barrier - (barrier if back is None else back),
        repeats=0,
        saddle=Path(),
        product_structure=Path(),
    )


def test_outcomes():
    good = trial.outcomes([record(0), record(1, "repeat"), record(2, "bad", None, None)])
    assert good.level is Level.OK
    assert good.text.startswith("3: 1 new, 1 repeated, 1 bad; 2 s each (2 s), 100 force calls")
    assert good.text.endswith("; bad: 1 x barrier high")
    assert trial.outcomes([record(0, "bad", None, None)]).level is Level.WARN
    assert trial.outcomes([]).exit_code == 7


def seen(found, good, bad=0):
    """Records of good searches that found so many different processes, one after the other, and of bad ones."""
    return [
        *(record(k, process=k % found) for k in range(good)),
        *(record(good + k, "bad", None, None) for k in range(bad)),
    ]


def barriers(records, *barriers_eV):
    return trial.barriers(
        [process(k, barrier) for k, barrier in enumerate(barriers_eV)],
        records,
        temperature_K=500,
        workers=2,
    )


def test_four_searches_bound_nothing():
    """A divacancy: four searches found four processes, the lowest 0.828 eV; the run found fourteen, the lowest 0.477 eV."""
    few = barriers(seen(4, 4), 0.828, 0.835, 0.9, 1.1)
    assert few.level is Level.WARN
    assert (
        "4 processes in 4 good searches, no process was found twice, so their number is not bounded"
        in few.text
    )
    assert (
        few.values["searches_that_bound"] == 23
    )  # five processes, the fewest that would all differ in four draws
    assert (
        "--searches 23 (23 s) is the smallest number that could show nine processes in ten"
        in few.advice
    )
    some_bad = barriers(seen(4, 4, bad=4), 0.828, 0.835, 0.9, 1.1)
    assert some_bad.values["searches_that_bound"] == 46
    more = barriers(seen(10, 20), *[0.8] * 10)
    assert (more.level, more.values["searches_that_bound"]) == (Level.WARN, 35)
    assert "there may be 10 to 17" in more.text
    enough = barriers(seen(12, 60), *[0.8] * 12)
    assert (enough.level, enough.advice, enough.values["searches_that_bound"]) == (
        Level.OK,
        "",
        None,
    )
    one = barriers(seen(1, 6), 0.8)
    assert (one.level, one.text.endswith("1 process in 6 good searches")) == (Level.OK, True)


@pytest.mark.parametrize("processes", [1, 2, 5, 12, 30])
def test_so_many_searches_bound_that_many_processes_and_one_less_does_not(processes):
    enough = estimates.good_searches_that_bound(processes)
    for good, right in ((enough, True), (enough - 1, False)):
        there = estimates.process_range(found=processes, good=good)
        assert estimates.bounds(there, found=processes) is right
    assert not estimates.bounds(Range(processes, None), found=processes)


def test_what_bounds_says_is_true_of_nine_trials_in_ten():
    """Where `bounds` holds, at most a tenth is unseen; equally likely processes, drawn."""
    rng, held, wrong = np.random.default_rng(3), 0, 0
    for _ in range(400):
        there = int(rng.integers(2, 20))
        good = int(rng.integers(4, 80))
        found = len(set(rng.integers(there, size=good).tolist()))
        if estimates.bounds(estimates.process_range(found=found, good=good), found=found):
            held, wrong = held + 1, wrong + (found < (1 - estimates.MISSING) * there)
    assert held > 100
    assert wrong < 0.1 * held


def test_the_cost_is_a_range_and_open_when_nothing_came_twice():
    asked = ConfidenceSection(scheme="old", value=0.99)
    cost = trial.cost([record(k, process=k) for k in range(4)], asked, workers=2)
    assert cost.level is Level.UNKNOWN
    assert cost.values["searches_most"] is None
    assert cost.values["searches_least"] >= 100
    assert cost.text.startswith(
        "a step out of a new state takes at least 111 searches and 1.9 min with 2 workers (if at least 5 "
        "processes are equally likely: "
    )
    assert cost.text.endswith("; no upper end, since no process was found twice")
    assert cost.advice == "--searches 23 narrows it"
    quick = trial.cost([record(k, process=0, seconds=0.081) for k in range(8)], asked, workers=1)
    assert (
        "takes 101 to 151 searches, 8.2 to 12 s with 1 worker (if there is one process: scheme old"
        in quick.text
    )
    cost = trial.cost([record(k, process=k % 12) for k in range(120)], asked, workers=2)
    assert cost.level is Level.OK
    assert cost.values["searches_least"] <= 137.3 <= cost.values["searches_most"]
    assert cost.values["step_h_least"] == pytest.approx(
        cost.values["searches_least"] * 2 / 3600 / 2
    )
    slow = trial.cost(
        [record(k, process=k % 2, seconds=9000.0) for k in range(9)], asked, workers=1
    )
    assert slow.level is Level.WARN
    assert trial.cost([record(0, "bad", None, None)], asked, workers=1).level is Level.UNKNOWN


@pytest.mark.parametrize(("forward", "back", "word"), [
    ([0.8, 0.8], [0.8, 0.8], None), ([0.3, 0.8], [0.3, 0.8], "only 7.0 kT"), ([0.5, 0.8], [0.5, 0.8], "below the next"),
    ([0.8, 0.8], [0.1, 0.8], "goes back"),
])  # fmt: skip
def test_flicker(forward, back, word):
    found = estimates.thermal_barriers(forward, back, kT_eV=500 / 11604.5, window_kT=20)
    finding = thermal.flicker(found, superbasins=False, window_kT=20.0)
    assert (finding.level is Level.WARN) == (word is not None)
    assert (word or "") in finding.text
    assert finding.advice.startswith("set superbasins: true; ways out") == (word is not None)
    assert thermal.flicker(found, superbasins=True, window_kT=20.0).level is Level.OK


def test_flicker_says_how_high_ways_out_of_a_superbasin_are_searched_for():
    """The window counts from the lowest barrier, 2.3 kT here: what lies above 22 kT would never be found."""
    found = estimates.thermal_barriers([0.1, 0.8], [0.1, 0.8], kT_eV=500 / 11604.5, window_kT=20)
    for finding in (thermal.flicker(found, superbasins=on, window_kT=20.0) for on in (False, True)):
        assert "up to 22 kT: raise search.thermal_window_kT" in finding.text + finding.advice
        assert finding.values["ways_out_up_to_kT"] == pytest.approx(0.1 / (500 / 11604.5) + 20)


def test_barriers_too_low_for_transition_state_theory_are_told():
    usual = trial.low((process(0, 0.79),), 500)
    assert (usual.level, usual.text) == (Level.OK, "none below 3 kT, there or back")
    low = trial.low((process(0, 0.79), process(1, 0.1)), 500)
    assert low.level is Level.WARN
    assert low.text.startswith("there and back, 2 of 4 barriers below 3 kT (0.129 eV), the lowest ")
    assert "transition-state theory does not hold there" in low.advice
    assert low.values["low"] == 2


def test_a_low_barrier_hides_others():
    found = estimates.thermal_barriers(
        [0.05, 0.95, 1.0], [0.05, 0.95, 1.0], kT_eV=500 / 11604.5, window_kT=20
    )
    assert found.hidden == 2
    assert thermal.window(found, 20, found_count=3, beyond=0).level is Level.WARN
    alone = estimates.thermal_barriers([0.05], [0.05], kT_eV=500 / 11604.5, window_kT=20)
    assert thermal.window(alone, 20, found_count=1, beyond=0).level is Level.OK
    assert "2 of 3" in thermal.window(alone, 20, found_count=1, beyond=2).text


def test_all_of_a_trial(tmp_path):
    config = load_config(EXAMPLE / "akmc.yaml")
    found = trial.Trial(
        records=(record(0), record(1, "repeat")), processes=(process(0, 0.79),), saddles=()
    )
    assert [finding.name for finding in trial.judge(found, config)] == [
        "searches",
        "barriers",
        "cost",
        "low barriers",
        "window",
        "flicker",
    ]


def test_without_programs_the_rest_is_still_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    seen = []
    config = load_config(EXAMPLE / "akmc.yaml")
    found = examine(config, run_dir=tmp_path / "run", searches=2, on_finding=seen.append)
    levels = {finding.name: finding.level for finding in found}
    assert tuple(seen) == found
    assert (levels["structure"], levels["potential"], levels["scratch"]) == (
        Level.OK,
        Level.OK,
        Level.OK,
    )
    assert levels["energy"] is Level.FAIL
    assert {levels[name] for name in ("forces", "minimum", "gamma", "searches")} == {Level.NOT_DONE}
    assert exit_code_of(found) == ProgramError.exit_code
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_that_is_not_there(tmp_path, monkeypatch):
    config = load_config(EXAMPLE / "akmc.yaml")
    monkeypatch.setenv("MLIP_KMC_SCRATCH", str(tmp_path / "none"))
    found = examine(config, run_dir=tmp_path)
    levels = {finding.name: finding.level for finding in found}
    assert levels["scratch"] is Level.FAIL
    assert levels["searches"] is Level.NOT_DONE
    assert levels["structure"] is Level.OK
    assert exit_code_of(found) == 2


def test_a_hidden_api_is_called_as_agreed(tmp_path, monkeypatch):
    """`EonWrapper.search(potential, structure, count=N)` in its own run directory."""
    called = {}

    class Wrapper:
        def __init__(self, config, *, run_dir, needs_room):
            called["dir"] = run_dir
            assert not needs_room, "a small scratch is enough for a few searches"

        def search(self, potential, structure, *, count):
            called["count"] = count
            (called["dir"] / "journal").mkdir(parents=True)
            (called["dir"] / "journal" / "searches.jsonl").write_text(record(0).to_json() + "\n")
            return SimpleNamespace(states=())

    monkeypatch.setattr(trial, "EonWrapper", Wrapper)
    found = trial.run_searches(
        load_config(EXAMPLE / "akmc.yaml"), None, None, count=3, run_dir=tmp_path / "run"
    )
    assert called == {"dir": tmp_path / "run", "count": 3}
    assert found.records == (record(0),)
    assert found.processes == ()
