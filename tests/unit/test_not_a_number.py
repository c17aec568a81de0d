"""What is not a number fails every comparison with a limit: a rule for the whole source, and a case for each place.

`number > limit` is false where the number is none, so a check that fails on it passes. The rule: a comparison of a computed
number with a limit is written so that its truth means that all is well, and the failure is behind a `not`.
"""

import ast
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.check import estimates, minimum, speed, thermal, trial
from mlip_kmc.check.findings import Level
from mlip_kmc.check.grade import level_of
from mlip_kmc.config import GammaSection
from mlip_kmc.driver import standalone as driver
from mlip_kmc.evaluate.agreement import Reading, check_readings
from mlip_kmc.ground.errors import PotentialError, RunStateError
from mlip_kmc.learning.duplicates import _same, fingerprint
from mlip_kmc.learning.maxvol import swaps_of
from mlip_kmc.learning.selection import choose
from mlip_kmc.model.atom_path import match_atoms
from mlip_kmc.model.kinetics import draw_step
from mlip_kmc.model.records import Minimised, Process, SearchRecord
from mlip_kmc.potential.baseline import Zbl
from mlip_kmc.release.gate import Verdict, measured
from mlip_kmc.report.confidence import tallies_of

SOURCE = Path(__file__).parents[2] / "src" / "mlip_kmc"
NAN = math.nan

LIMITS = {
    "allowed",
    "cutoff_A",
    "halt",
    "highest",
    "limit",
    "nearest",
    "select",
    "smallest_A",
    "threshold",
    "tolerance_A",
    "wanted",
    "widest_A",
    "window",
    "window_eV",
    "window_kT",
    "within_A",
    "outer_A",
    "akmc_confidence",
    "confidence",
}
"""Names of what numbers are compared with, besides constants that are not whole numbers."""
PASSING = {
    "passed",
    "good",
    "within",
    "finite",
    "inside",
    "near",
    "real",
    "costless",
    "relevant",
    "exhausted",
    "known",
    "complete",
    "wrong",
    "centres",
    "converged",
}
"""Names of what a comparison may be kept as: true means that all is well."""
EXACT = {  # (file, comparison): why it needs no `not`
    (
        "driver/standalone/rank.py",
        "np.abs(scaled).max(axis=1) < _NOTHING",
    ): "the array was found finite",
    (
        "model/turning.py",
        "np.abs(far[:, None] - away) < tolerance_A",
    ): "marks atoms that may be one; a larger distance, or none, ends it before",
    (
        "model/turning.py",
        "far[atom] > _CENTRE_A",
    ): "chooses atoms to turn about; what they give is measured after it",
    (
        "model/turning.py",
        "np.linalg.norm(np.cross(units[first], units[atom])) > _LINE",
    ): "as above",
    ("store/retention.py", "total <= limit_MB * _MEGABYTE"): "bytes on a disk",
    (
        "akmc/start.py",
        "found.eV_per_A2 < _SADDLE_EV_PER_A2",
    ): "chooses the message; what is no number is refused after it",
    (
        "learning/duplicates.py",
        "np.abs(two.distances - row).max(axis=1) <= within_A",
    ): "true means that two may be one",
    (
        "learning/maxvol.py",
        "values >= values.max() * (1 - TIES)",
    ): "picks the first of the largest; its size is asked after it",
    (
        "learning/spanning.py",
        "span.values > _FIRM * span.values.max(initial=0.0)",
    ): "counts singular values, which are finite",
    (
        "learning/selection.py",
        "gains >= gains.max() - TIES * max(1.0, abs(gains.max()))",
    ): "picks one of finite numbers",
    ("potential/fingerprint.py", "size > _SEEN"): "chooses columns of a set that was found finite",
    (
        "potential/rank.py",
        "np.abs(scaled).max(axis=1) < _NOTHING",
    ): "empties rows of a set that was found finite",
    (
        "driver/standalone/eon_text.py",
        "-FARTHEST_A <= float(word) <= FARTHEST_A",
    ): "true means that the word may stay",
    ("release/archive.py", "end > limit"): "whole numbers",
    (
        "report/numbers.py",
        "row.barrier <= highest",
    ): "true means that the process is in the rate table",
    ("report/pictures.py", "lengths[atom] > MOVED_A"): "what is drawn as moved",
    **{
        (f"report/{file}", text): "what is drawn, or how; structures that were read are finite"
        for file, text in (
            ("film.py", "farthest <= _HOP_A"),
            ("film.py", "moved > _HOP_A"),
            ("film.py", "np.linalg.norm(here - shown, axis=1) > _CHANGED_A"),
            ("film.py", "np.linalg.norm(here - before.positions[kept], axis=1) > _HOP_A"),
            ("pictures.py", "np.abs(relative[:, motion.axis] - level) < _SLAB_A"),
            ("scenes.py", "far[atom] > _LEAST_MOVE_A"),
            ("vacancies.py", "tree.query(places)[0] > _FREE * nearest"),
        )
    },
    **{
        (
            "model/superbasin/counts.py",
            text,
        ): "chooses among ways to draw, of numbers that are checked before"
        for text in ("share < _RARE", "share >= _RARE", "count <= _EXACT", "count > _EXACT")
    },
}


def constants():
    """Names of module constants that are not whole numbers, of the whole source."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target, value in ((t, node.value) for t in targets):
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    found |= {
                        t.id for t, v in zip(target.elts, value.elts, strict=True) if is_fraction(v)
                    }
                elif isinstance(target, ast.Name) and is_fraction(value):
                    found.add(target.id)
    return {
        name for name in found if not name.endswith(("_S", "_MB", "_BYTES", "_MS"))
    }  # clocks and disks have numbers


def is_fraction(value):
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, float) for part in ast.walk(value)
    ) and not any(isinstance(part, ast.Call | ast.Dict) for part in ast.walk(value))


def names_in(node):
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
    }


def loose(tree, limits):
    """Comparisons with a limit whose truth is a failure, or may be one: (line, text)."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        ordered = isinstance(node, ast.Compare) and any(
            isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops
        )
        if (
            ordered
            and any(names_in(part) & limits for part in (node.left, *node.comparators))
            and not holds(node, parents)
        ):
            yield node.lineno, ast.unparse(node)


def holds(node, parents):
    """Not-a-number in this comparison is a failure."""
    below = node
    while (above := parents[below]) is not None:
        if isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not | ast.Invert):
            return True
        if isinstance(above, ast.If | ast.While | ast.IfExp):
            return below is not above.test or not fails(above.body)
        if isinstance(above, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr):
            target = above.targets[0] if isinstance(above, ast.Assign) else above.target
            return bool(names_in(target) & PASSING)
        if isinstance(above, ast.keyword):
            return above.arg in PASSING
        if isinstance(above, ast.stmt):
            return isinstance(above, ast.Return)
        below = above
    return False


def fails(body):
    """A branch that refuses, warns, or says that two things differ."""
    parts = [
        part for each in (body if isinstance(body, list) else [body]) for part in ast.walk(each)
    ]
    return any(
        isinstance(part, ast.Raise | ast.Break)
        or (isinstance(part, ast.Attribute) and part.attr in ("WARN", "FAIL", "FAILED"))
        or (
            isinstance(part, ast.Return)
            and isinstance(part.value, ast.Constant)
            and not part.value.value
        )
        for part in parts
    )


def test_every_comparison_with_a_limit_fails_on_what_is_no_number():
    limits = LIMITS | constants()
    found = {
        (str(path.relative_to(SOURCE)), text): line
        for path in sorted(SOURCE.rglob("*.py"))
        for line, text in loose(ast.parse(path.read_text(encoding="utf-8")), limits)
    }
    wrong = [
        f"{file}:{line} {text}" for (file, text), line in found.items() if (file, text) not in EXACT
    ]
    assert wrong == [], (
        "write `not number <= limit`, or name what is true where all is well as one of PASSING"
    )
    assert EXACT.keys() <= found.keys(), "an exception that is not needed any more"


@pytest.mark.parametrize(
    "text",
    [
        "if x > LIMIT:\n    raise E",
        "large = x > LIMIT",
        "def f():\n    if x >= c.halt:\n        return False",
        "bad = (x > LIMIT).any()",
        "f(Level.WARN if x > LIMIT else 0)",
    ],
)
def test_the_rule_sees_what_passes_where_it_must_not(text):
    assert len(list(loose(ast.parse(text), {"LIMIT", "halt"}))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "if not x <= LIMIT:\n    raise E",
        "passed = x <= LIMIT",
        "hidden = ~(x <= LIMIT)",
        "x > other",
        "if x < LIMIT:\n    return Level.OK",
    ],
)
def test_the_rule_lets_pass_what_fails(text):
    assert list(loose(ast.parse(text), {"LIMIT", "halt"})) == []


# ---- a case for each place


def test_release_gates():
    assert (
        measured("forces", NAN, limit=1e-3, unit="eV/A", about="forces").verdict is Verdict.FAILED
    )
    assert (
        measured("forces", math.inf, limit=1e-3, unit="eV/A", about="forces").verdict
        is Verdict.FAILED
    )


def test_checks_of_gamma_and_of_the_minimum():
    assert level_of(NAN, GammaSection())[0] is Level.WARN
    report = Minimised(
        energy=-3.0,
        energy_drop=0.1,
        largest_displacement_A=NAN,
        largest_force_eV_per_A=1e-4,
        pressure_GPa=NAN,
        lowest_eigenvalue_eV_per_A2=NAN,
        force_calls=7,
    )
    assert [finding.level for finding in minimum.findings_of(report)] == [Level.WARN] * 3


def test_checks_of_speed_and_of_what_a_step_costs():
    assert speed.judge_calls([NAN], [1.0], start_ms=1.0, calls=10).level is Level.WARN
    records = tuple(
        SearchRecord(
            state=0,
            index=index,
            outcome="new",
            reason="",
            process=0,
            barrier=0.5,
            force_calls=9,
            seconds=NAN,
        )
        for index in range(3)
    )
    assert (
        trial.cost(records, SimpleNamespace(scheme="old", value=0.99), workers=1).level
        is Level.WARN
    )


def test_checks_of_barriers_and_of_the_thermal_window():
    found = estimates.thermal_barriers([0.5, NAN], [0.5, 0.6], kT_eV=0.04, window_kT=20)
    assert found.hidden == 1
    assert thermal.window(found, 20, found_count=2, beyond=0).level is Level.WARN
    nothing = estimates.Barriers(lowest_kT=NAN, gap_kT=NAN, lowest_back_kT=NAN, hidden=0)
    assert thermal.flicker(nothing, superbasins=False, window_kT=20).level is Level.WARN


def test_thresholds_of_gamma():
    assert GammaSection().reaches_halt(NAN)
    assert GammaSection().reaches_select(NAN)
    with pytest.raises(driver.DriverError, match="not finite"):
        driver.checked(driver.Answer(1.0, [0.0] * 3, [NAN]), 1)
    with pytest.raises(driver.DriverError, match="not finite"):
        driver.checked(driver.Answer(NAN, [0.0] * 3, None), 1)


@pytest.mark.parametrize(
    ("energy", "force"), [(NAN, 0.0), (0.0, NAN), (NAN, NAN), (1.0, 0.0), (0.0, 1.0)]
)
def test_files_of_a_potential_that_give_no_numbers(energy, force):
    first = Reading("one", 0.0, np.zeros((2, 3)))
    other = Reading("other", energy, np.full((2, 3), force))
    with pytest.raises(
        PotentialError, match=r"not of one potential: on it other gives .* eV and one 0.000000 eV"
    ):
        check_readings([first, other], free=np.arange(2), where="it")
    with pytest.raises(PotentialError):
        check_readings([other, first], free=np.arange(2), where="it")
    assert check_readings(
        [first, Reading("same", 1e-7, np.zeros((2, 3)))], free=np.arange(2), where="it"
    ) == (5e-8, 0.0)


def test_confidence_and_rates():
    process = Process(
        state=0,
        process=1,
        product=None,
        barrier=NAN,
        prefactor=1e13,
        rate=1.0,
        saddle_energy=0.0,
        product_energy=0.0,
        repeats=0,
        saddle=Path(),
        product_structure=Path(),
    )
    records = [
        SearchRecord(
            state=0,
            index=index,
            outcome="repeat",
            reason="",
            process=1,
            barrier=NAN,
            force_calls=1,
            seconds=1.0,
        )
        for index in range(200)
    ]
    for scheme in ("old", "new"):
        *_, last = tallies_of(records, [process], window_eV=1.0)
        assert last.value(scheme) == 0.0
    with pytest.raises(ValueError, match="no finite number"):
        draw_step([1.0, NAN], np.random.default_rng(0))


def test_eons_thermal_window_and_confidence():
    pytest.importorskip("eon")
    from mlip_kmc.akmc.explorer import OrderedExplorer

    unsure = SimpleNamespace(
        confidence=NAN, waiting=0, config=SimpleNamespace(akmc_confidence=0.99)
    )
    assert OrderedExplorer.confident.fget(unsure) is False


def test_atoms_that_are_nowhere():
    cell, places = 4.0 * np.eye(3), np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    with pytest.raises((RunStateError, ValueError)):
        match_atoms(places, np.full((2, 3), NAN), cell=cell, species=["Cu", "Cu"])
    crystal = bulk("Cu", cubic=True)
    known = fingerprint(crystal)
    for field in ("cell", "columns"):
        unknown = replace(known, **{field: np.full_like(getattr(known, field), NAN)})
        assert _same(crystal, known, crystal, known, 0.01)
        assert not _same(crystal, known, crystal, unknown, 0.01)


def test_selections_from_what_is_no_number():
    assert swaps_of(np.array([[NAN, NAN], [0.5, 0.5]]))[0] == []
    with pytest.raises(ValueError, match="finite numbers"):
        choose(
            [{"Cu": np.ones((2, 2))}], inverses={"Cu": np.full((2, 2), NAN)}, select=3.0, most=None
        )


def test_configured_distances_and_thresholds():
    with pytest.raises(ValueError, match="outer_A"):
        Zbl(inner_A=1.0, outer_A=NAN)
    with pytest.raises(ValueError, match="select"):
        GammaSection.model_construct(select=NAN, halt=15.0)._in_order()
