"""A gamma equal to a threshold reaches it, and one that is no number does, too: in every place that compares them.

tests/integration/test_thresholds.py asks LAMMPS and the driver, as they run.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.akmc import grading
from mlip_kmc.check.findings import Level
from mlip_kmc.check.grade import level_of
from mlip_kmc.config import GammaSection
from mlip_kmc.driver import standalone as driver
from mlip_kmc.evaluate.eyesight import Look
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.learning.frame_selection import select_frames
from mlip_kmc.learning.selection import choose
from mlip_kmc.model.frames import Kind, Stage, read_kept_frames
from mlip_kmc.model.records import Minimised
from mlip_kmc.model.structure import to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.side_channel import GRADES, commands
from mlip_kmc.search import watch

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
THRESHOLDS = GammaSection(select=3.0, halt=15.0)
BELOW_SELECT, BELOW_HALT = math.nextafter(3.0, 0.0), math.nextafter(15.0, 0.0)
NOTHING, SELECTED, HALTED = "nothing", "candidate", "halt"
CASES = [
    (BELOW_SELECT, NOTHING),
    (3.0, SELECTED),
    (BELOW_HALT, SELECTED),
    (15.0, HALTED),
    (16.0, HALTED),
]
WITH_NAN = [*CASES, (math.nan, HALTED)]


@pytest.mark.parametrize(("gamma", "outcome"), WITH_NAN)
def test_the_configuration_says_it_for_all(gamma, outcome):
    assert THRESHOLDS.reaches_select(gamma) == (outcome != NOTHING)
    assert THRESHOLDS.reaches_halt(gamma) == (outcome == HALTED)


@pytest.mark.parametrize(("gamma", "outcome"), CASES)
def test_the_driver(tmp_path, gamma, outcome):
    evaluator = object.__new__(driver.Evaluator)
    evaluator._halt, evaluator._select, evaluator._halts, evaluator._graded_by = (
        15.0,
        3.0,
        str(tmp_path),
        "0" * 64,
    )
    structure = driver.Structure(
        [4.0, 0, 0, 0, 4.0, 0, 0, 0, 4.0], [29, 29], [0.0, 0, 0, 2.0, 2.0, 2.0]
    )
    answer = driver.Answer(-1.0, [0.0] * 6, [0.5, gamma])
    evaluator._judge(structure, answer, {"search": "0_1", "step": "4"})
    frames, warnings = read_kept_frames(tmp_path)
    assert warnings == ()
    assert [str(frame.kind) for frame in frames] == ([] if outcome == NOTHING else [outcome])
    assert bool(answer.halt) == (outcome == HALTED)


def test_the_driver_refuses_a_gamma_that_is_no_number():
    with pytest.raises(driver.DriverError, match="not finite"):
        driver.checked(driver.Answer(-1.0, [0.0] * 3, [math.nan]), 1)


@pytest.fixture
def watched(tmp_path):
    (tmp_path / "pos.con").write_text(to_con(bulk("Cu", "fcc", a=3.6, cubic=True)))
    what = watch.Watch(
        thresholds=THRESHOLDS,
        basis=tmp_path / "cu.yaml",
        active_set=tmp_path / "cu.asi",
        digest="0" * 64,
        max_energy_eV=20.0,
    )
    return watch.Watched(what, tmp_path, search="3_17")


@pytest.mark.parametrize(("gamma", "outcome"), WITH_NAN)
def test_a_search_that_runs(watched, gamma, outcome):
    (watched.directory / GRADES).write_text(f"0 0.5 -10.0\n10 {gamma!r} -10.0\n20 0.5 -10.0\n")
    assert watched.crossed() == (outcome == HALTED)
    assert bool(watched.judge({}).halt) == (outcome == HALTED)


@pytest.mark.parametrize(("gamma", "outcome"), CASES)
def test_a_saddle_of_a_search(watched, monkeypatch, gamma, outcome):
    monkeypatch.setattr(
        watch, "gammas_of", lambda atoms, _: np.array([gamma, *[0.5] * (len(atoms) - 1)])
    )
    found = watched.judge({Stage.SADDLE: bulk("Cu", "fcc", a=3.6, cubic=True)})
    assert [str(frame.kind) for frame in found.frames] == ([] if outcome == NOTHING else [outcome])
    assert bool(found.halt) == (outcome == HALTED)


def test_what_lammps_is_told():
    """`halt.dump` is skipped below `halt` only; `select.*.dump` below `select` and from `halt` on."""
    lines = commands(THRESHOLDS)
    assert 'variable mk_below equal "c_mk_largest < 15.0"' in lines
    assert 'variable mk_between equal "(c_mk_largest < 3.0) || (c_mk_largest >= 15.0)"' in lines


@dataclass
class Grade:
    gamma: float
    digest: str = "0" * 64

    def gamma_of(self, atoms):
        return np.array([self.gamma, *[0.5] * (len(atoms) - 1)])


@pytest.mark.parametrize(("gamma", "outcome"), CASES)
def test_state_0(tmp_path, monkeypatch, gamma, outcome):
    monkeypatch.setattr(Extrapolation, "of", classmethod(lambda *_: Grade(gamma)))
    report = Minimised(
        energy=0.0,
        energy_drop=0.0,
        largest_displacement_A=0.0,
        largest_force_eV_per_A=0.0,
        pressure_GPa=0.0,
        lowest_eigenvalue_eV_per_A2=1.0,
        force_calls=1,
    )
    found = grading.graded(
        bulk("Cu", cubic=True),
        report,
        AcePotential.read(EXAMPLE / "cu.yace"),
        thresholds=THRESHOLDS,
        halts=tmp_path,
    )
    assert found.gamma == gamma
    frames, _ = read_kept_frames(tmp_path)
    assert [str(frame.kind) for frame in frames] == ([] if outcome == NOTHING else [outcome])


@pytest.mark.parametrize(("gamma", "outcome"), WITH_NAN)
def test_check(gamma, outcome):
    level, advice = level_of(gamma, THRESHOLDS)
    assert (level is Level.OK) == (outcome == NOTHING)
    assert ("FAR outside" in advice or "not a finite number" in advice) == (outcome == HALTED)


@pytest.mark.parametrize(("gamma", "outcome"), WITH_NAN)
def test_eyesight(gamma, outcome):
    assert bool(Look(name="outside", gammas={"Cu": gamma}).blind(halt=15.0)) == (
        outcome != HALTED or math.isnan(gamma)
    )


@pytest.mark.parametrize(("gamma", "outcome"), CASES)
def test_selection(gamma, outcome):
    choice = choose([{"Cu": np.array([[gamma, 0.1]])}], inverses={"Cu": np.eye(2)}, select=3.0)
    assert len(choice.chosen) == (outcome != NOTHING)


def test_the_reason_of_a_selection_names_the_limit_that_is_reached(tmp_path):
    """The same structure, with `halt` at its own gamma and just above."""
    grade = Extrapolation.of(AcePotential.read(EXAMPLE / "cu.yace"))
    atoms = bulk("Cu", "fcc", a=3.2, cubic=True)
    gamma = float(grade.gamma_of(atoms).max())
    halts = grading.KeptFrame(
        atoms=atoms,
        gammas=None,
        search="0_1",
        state=0,
        stage="search",
        step=1,
        kind=Kind.CANDIDATE,
        potential="0" * 64,
    )
    for halt, word in (
        (gamma, "reaches halt"),
        (math.nextafter(gamma, math.inf), "reaches select"),
    ):
        selection = select_frames((replace(halts),), grade=grade, select=3.0, halt=halt)
        assert word in selection.decisions[0].reason
