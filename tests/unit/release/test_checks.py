"""Each check of the gate: passed by the example's potential, and failed, with its number, by one that was broken for it.

Where a file can be broken it is; where none can, because ACE cannot be made so, a calculator around the real one is.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from mlip_kmc.check.gradient import GRADIENT_EV_PER_A
from mlip_kmc.evaluate.by_eon import Evaluation
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.evaluate.smoothness import cutoffs_of
from mlip_kmc.ground.errors import PotentialError, ReleaseError
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, Zbl
from mlip_kmc.potential.record import read_record
from mlip_kmc.release import agreement
from mlip_kmc.release.agreement import agreement_check, gamma_check
from mlip_kmc.release.checks import forces_check, image_check, training_check
from mlip_kmc.release.crystal import CubicCrystal
from mlip_kmc.release.gate import CHECKS, LIMITS, Verdict, check_allowed, measured, pass_gate
from mlip_kmc.release.history import halts_check, halts_in
from mlip_kmc.release.inputs import example_of, ready_inputs
from mlip_kmc.release.manifest import Image
from mlip_kmc.release.reference_checks import reference_checks
from mlip_kmc.release.settings import Crystal, References
from mlip_kmc.release.smoothness import baseline_check, cutoff_check
from mlip_kmc.release.symmetry import symmetry_checks
from mlip_kmc.release.training import LabelledSet
from mlip_kmc.store.view import RunView

from ..synthetic import State, commit, event, search
from .packages import EXAMPLE

CU = Crystal(formula="Cu", lattice="fcc", a_A=3.6)
BASELINE = Baseline(pairs={"Cu-Cu": Zbl(inner_A=0.8, outer_A=1.2)})


class Around(Calculator):
    """A calculator whose energy has something added and whose forces are enlarged, as a function of the atoms says."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, inner, change):
        super().__init__()
        self.inner, self.change = inner, change

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.inner.calculate(self.atoms, properties, system_changes)
        energy, forces = self.change(self.atoms)
        found = {
            name: value
            for name, value in self.inner.results.items()
            if name in self.implemented_properties
        }
        self.results = {
            **found,
            "energy": found["energy"] + energy,
            "forces": found["forces"] * (1.0 + forces),
        }


@pytest.fixture(scope="module")
def potential():
    return AcePotential.read(EXAMPLE / "cu.yace")


@pytest.fixture(scope="module")
def example():
    return example_of(ase.io.read(EXAMPLE / "vacancy.xyz"))


@pytest.fixture
def copy(tmp_path):
    """The example's files, to be broken: a function of (file, old text, new text)."""
    for name in ("cu.yace", "cu.yaml", "cu.asi"):
        shutil.copyfile(EXAMPLE / name, tmp_path / name)

    def broken(*changes):
        for name, old, new in changes:
            text = (tmp_path / name).read_text()
            assert old in text
            (tmp_path / name).write_text(text.replace(old, new))
        return AcePotential.read(tmp_path / "cu.yace")

    return broken


def refused(check, *, says=""):
    """It failed, its number is beyond its limit, and the gate says so."""
    assert check.verdict is Verdict.FAILED
    assert check.number is not None
    assert check.number > check.limit
    with pytest.raises(
        ReleaseError,
        match=f"no release: {check.name} failed: .*{check.number:g}".replace("+", r"\+"),
    ) as error:
        pass_gate([check], allowed={})
    assert says in str(error.value)
    allowed = pass_gate([check], allowed={check.name: "the test wants it"})
    assert allowed[0].because == "the test wants it"
    assert allowed[0].verdict is Verdict.FAILED, "it is allowed, not passed"
    return check


def by_python_ace(scale=1.0):
    def evaluate(atoms, potential):
        energy, forces = evaluated(atoms, calculator_of(potential))
        return Evaluation(energy_eV=energy, forces_eV_per_A=scale * forces)

    return evaluate


def test_forces_that_are_the_gradient(example, potential):
    assert forces_check(example, potential, evaluate=by_python_ace()).verdict is Verdict.PASSED


def test_forces_a_thousandth_too_large(example, potential):
    refused(forces_check(example, potential, evaluate=by_python_ace(1.001)))


def test_forces_that_are_no_numbers(example, potential):
    found = forces_check(example, potential, evaluate=by_python_ace(float("nan")))
    assert (found.verdict, found.number) == (Verdict.FAILED, None)


def test_forces_across_the_kinks_of_a_real_potential(copy, example):
    """This one's functions end at the cutoff with a finite slope, and some atoms are always about there."""
    broken = copy(("cu.yace", "ChebExpCos", "ChebLinear"), ("cu.yaml", "ChebExpCos", "ChebLinear"))
    refused(forces_check(example, broken, evaluate=by_python_ace()))


def test_the_example_has_all_symmetries(example, potential):
    assert {
        check.name: check.verdict for check in symmetry_checks(example, calculator_of(potential))
    } == {
        "rotation": Verdict.PASSED,
        "translation": Verdict.PASSED,
        "permutation": Verdict.PASSED,
    }


def field(atoms):
    """An energy that knows the cell's axes."""
    return 1e-3 * float(np.abs(atoms.cell.array[0, 0])), 0.0


def place(atoms):
    """An energy that knows where the cell's corner is."""
    fractional = atoms.get_scaled_positions()
    return 1e-3 * float(np.cos(2 * np.pi * fractional).sum()), 0.0


def order(atoms):
    """An energy that knows the atoms' numbers."""
    return 0.0, 1e-5 * np.arange(len(atoms))[:, None]


@pytest.mark.parametrize(
    ("name", "change"), [("rotation", field), ("translation", place), ("permutation", order)]
)
def test_a_broken_symmetry(example, potential, name, change):
    checks = {
        check.name: check
        for check in symmetry_checks(example, Around(calculator_of(potential), change))
    }
    refused(checks.pop(name))
    assert {check.verdict for check in checks.values()} == {Verdict.PASSED}, "one fault, one check"


def test_the_example_is_smooth_at_its_cutoff(potential):
    assert cutoffs_of(potential) == {"Cu-Cu": (5.0,)}
    found = cutoff_check(cutoffs_of(potential), calculator=calculator_of(potential))
    assert found.verdict is Verdict.PASSED
    assert found.number < 1e-5


def test_a_cutoff_with_a_kink(copy):
    broken = copy(("cu.yace", "ChebExpCos", "ChebLinear"), ("cu.yaml", "ChebExpCos", "ChebLinear"))
    refused(
        cutoff_check(cutoffs_of(broken), calculator=calculator_of(broken)),
        says="worst for Cu-Cu at 5 A",
    )


def test_a_cutoff_with_a_step_that_forces_do_not_know(potential):
    def step(atoms):
        return 1e-6 * float(atoms.get_distance(0, 1) < 5.0), 0.0

    refused(cutoff_check({"Cu-Cu": (5.0,)}, calculator=Around(calculator_of(potential), step)))


def test_a_baseline_that_is_switched_smoothly(potential):
    calculator = calculator_of(potential.guarded(baseline=BASELINE, minimum_distance_A={}))
    assert baseline_check({"Cu-Cu": (0.8, 1.2)}, calculator=calculator).verdict is Verdict.PASSED


def test_no_baseline():
    found = baseline_check({}, calculator=None)
    assert found.verdict is Verdict.PASSED
    assert "no baseline" in found.detail


@pytest.mark.parametrize("distance_A", [0.8, 1.2])
def test_a_baseline_that_is_cut_off(potential, distance_A):
    def cut(atoms):
        return 0.0, 1e-2 * float(distance_A - 0.1 < atoms.get_distance(0, 1) < distance_A)

    calculator = Around(
        calculator_of(potential.guarded(baseline=BASELINE, minimum_distance_A={})), cut
    )
    refused(
        baseline_check({"Cu-Cu": (0.8, 1.2)}, calculator=calculator),
        says=f"Cu-Cu at {distance_A:g} A",
    )


def test_the_comparison_passes_on_the_example(potential, example, tmp_path):
    inputs = ready_inputs(potential, example)
    found, energy_eV = agreement_check(potential, example, inputs=inputs, folder=tmp_path)
    assert found.verdict is Verdict.PASSED
    assert energy_eV == pytest.approx(evaluated(example, calculator_of(potential))[0], abs=1e-8)
    check, gamma = gamma_check(potential, example, folder=tmp_path / "gamma")
    assert check.verdict is Verdict.PASSED
    assert f"({gamma:.3g})" in check.about


def test_the_comparison_passes_beside_a_baseline(potential, tmp_path):
    near = example_of(ase.io.read(EXAMPLE / "vacancy.xyz"))
    near.positions[1] = near.positions[0] + [0.0, 0.0, 1.05]
    guarded = potential.guarded(baseline=BASELINE, minimum_distance_A={"Cu-Cu": 0.5})
    found, _ = agreement_check(guarded, near, inputs=ready_inputs(guarded, near), folder=tmp_path)
    assert found.verdict is Verdict.PASSED


def test_a_basis_of_another_potential(copy, example, tmp_path):
    broken = copy(("cu.yaml", "107.136496764", "107.136497764"))
    found, _ = agreement_check(
        broken, example, inputs=ready_inputs(broken, example), folder=tmp_path / "paths"
    )
    refused(found, says="python-ace on the B-basis")


def test_a_gamma_that_lammps_has_otherwise(potential, example, tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "largest_gamma", lambda *_, **__: 0.5)
    refused(gamma_check(potential, example, folder=tmp_path)[0])


@pytest.mark.parametrize("gamma", [0.0, float("nan")])
def test_gammas_that_agree_on_nothing(potential, example, tmp_path, monkeypatch, gamma):
    """A set that sees nothing gives 0 by both: that is no agreement."""
    monkeypatch.setattr(agreement, "both_gammas", lambda *_, **__: (gamma, gamma))
    found = gamma_check(potential, example, folder=tmp_path)[0]
    assert (found.verdict, found.number) == (Verdict.FAILED, None)


def test_without_gamma_there_is_no_release(example, tmp_path):
    shutil.copyfile(EXAMPLE / "cu.yace", tmp_path / "cu.yace")
    with pytest.raises(PotentialError, match="active set"):
        gamma_check(AcePotential.read(tmp_path / "cu.yace"), example, folder=tmp_path)


def reference(**values):
    return References.model_validate(
        {
            "crystal": CU,
            **{
                key: {"value": value, "tolerance": tolerance, "source": "the test"}
                for key, (value, tolerance) in values.items()
            },
        }
    )


def found_by(references, calculator, **options):
    given = {"elements": ("Cu",), "cutoff_A": 5.0, "lowest_barrier_eV": {0: 0.79}, **options}
    return {
        check.name: check for check in reference_checks(references, calculator=calculator, **given)
    }


GOOD_VALUES = {
    "lattice_constant_A": (3.59, 0.01),
    "C11_GPa": (172.6, 17),
    "C12_GPa": (115.4, 12),
    "C44_GPa": (89.9, 9),
    "vacancy_formation_eV": (1.22, 0.06),
    "barrier_eV": (0.79, 0.03),
}


def test_reference_values_that_the_example_has(potential):
    checks = found_by(reference(**GOOD_VALUES), calculator_of(potential))
    assert list(checks) == ["lattice-constant", "c11", "c12", "c44", "vacancy", "barrier"]
    assert {check.verdict for check in checks.values()} == {Verdict.PASSED}
    assert {check.source for check in checks.values()} == {"the test"}


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("lattice_constant_A", "lattice-constant", 3.7),
        ("C11_GPa", "c11", 230.0),
        ("C12_GPa", "c12", 150.0),
        ("C44_GPa", "c44", 50.0),
        ("vacancy_formation_eV", "vacancy", 1.5),
        ("barrier_eV", "barrier", 0.6),
    ],
)
def test_a_reference_value_that_it_has_not(potential, key, name, value):
    _, tolerance = GOOD_VALUES[key]
    checks = found_by(reference(**{key: (value, tolerance)}), calculator_of(potential))
    refused(checks.pop(name), says="reference")
    assert {check.verdict for check in checks.values()} == {Verdict.NOT_TESTED}


def test_what_has_no_reference_is_not_tested_and_does_not_pass(potential):
    checks = found_by(References(), calculator_of(potential))
    assert {check.verdict for check in checks.values()} == {Verdict.NOT_TESTED}
    with pytest.raises(ReleaseError, match=r"c44 is not tested .* --allow c44 --because TEXT"):
        pass_gate(checks.values(), allowed={})
    pass_gate(checks.values(), allowed=dict.fromkeys(checks, "there is no crystal of it"))


def test_a_reference_without_a_crystal_is_not_tested(potential):
    alone = References.model_validate({"C11_GPa": {"value": 1, "tolerance": 1, "source": "x"}})
    assert "no crystal" in found_by(alone, calculator_of(potential))["c11"].detail


@pytest.mark.parametrize(
    ("formula", "lattice", "why"), [("Ni", "fcc", "does not know Ni"), ("Cu", "rocksalt", "")]
)
def test_a_crystal_that_cannot_be_is_not_tested(potential, formula, lattice, why):
    crystal = {"formula": formula, "lattice": lattice, "a_A": 3.6}
    wrong = References.model_validate(
        {"crystal": crystal, "C11_GPa": {"value": 1, "tolerance": 1, "source": "x"}}
    )
    found = found_by(wrong, calculator_of(potential))["c11"]
    assert found.verdict is Verdict.NOT_TESTED
    assert why in found.detail


def test_a_state_without_a_process_has_no_barrier(potential):
    checks = found_by(
        reference(barrier_eV=(0.79, 0.03)), calculator_of(potential), lowest_barrier_eV={}
    )
    assert checks["barrier"].verdict is Verdict.NOT_TESTED


def test_elastic_constants_of_emt_copper():
    """ASE's EMT in its default form: C11 and C12 follow from its bulk modulus (134 GPa) and are what its own tests have."""
    constants = CubicCrystal.relaxed(CU, EMT()).elastic_GPa()
    assert pytest.approx(134.4, abs=1.0) == (constants.C11 + 2 * constants.C12) / 3
    assert pytest.approx(90.0, abs=1.0) == constants.C44


def test_a_crystal_that_the_potential_does_not_have(potential):
    with pytest.raises(PotentialError, match="within 10 %"):
        CubicCrystal.relaxed(
            Crystal(formula="Cu", lattice="fcc", a_A=4.2), calculator_of(potential)
        )


def steps(count, **options):
    return [
        event(number, time_s=float(number + 1), reactant=number, product=number + 1, **options)
        for number in range(count)
    ]


def test_no_halt_in_the_last_steps():
    searches = [
        search(0, state=0, outcome="halted"),
        *(search(number, state=9) for number in range(1, 6)),
    ]
    found = halts_check(events=steps(10), searches=searches, present=10, halt="", steps=5)
    assert found.verdict is Verdict.PASSED
    assert found.number == 0


def test_halts_of_an_earlier_potential_are_not_this_one_s(tmp_path):
    """A campaign halts where a potential knows nothing; what it releases is the one that was fitted since."""

    def check(*, steps=2, halted=0):
        second = {
            "events": [
                replace(event(1, reactant=1, product=0, time_s=1.0), relabelled=True),
                event(2, reactant=0, product=1, time_s=3.0),
                event(3, reactant=1, product=0, time_s=4.0),
            ],
            "searches": [search(2, state=0), search(3, state=halted, outcome="halted")],
        }
        made = commit(
            tmp_path / f"{steps}-{halted}",
            states=[State(), State(), State()],
            events=[event(0, product=1, time_s=1.0)],
            searches=[search(0, state=0, outcome="halted"), search(1, state=0)],
            later=[second],
        )
        with RunView.read(made) as view:
            return halts_in(view, steps=steps)

    assert check(halted=2).verdict is Verdict.PASSED
    assert check().verdict is Verdict.FAILED
    assert "made 2 KMC steps with this potential" in check(steps=3, halted=2).detail


def test_a_halt_in_the_last_steps():
    searches = [search(0, state=7, outcome="halted"), search(1, state=7)]
    refused(
        halts_check(events=steps(10), searches=searches, present=10, halt="", steps=5),
        says="1 searches",
    )


def test_too_few_steps_are_not_tested():
    found = halts_check(events=steps(3), searches=[search(0)], present=3, halt="", steps=5)
    assert found.verdict is Verdict.NOT_TESTED
    assert "3 KMC steps" in found.detail


def test_states_without_a_search_on_record_are_not_tested():
    found = halts_check(
        events=steps(10), searches=[search(0, state=0)], present=10, halt="", steps=5
    )
    assert found.verdict is Verdict.NOT_TESTED
    assert "no search of these 6 states is on record" in found.detail


def test_a_run_that_stands_halted():
    found = halts_check(
        events=steps(10), searches=[], present=10, halt="gamma 17 in search 10_0", steps=5
    )
    assert found.verdict is Verdict.FAILED


def labelled(tmp_path, count):
    rng = np.random.default_rng(5)
    lines = []
    for number in range(count):
        rows = [
            f"Cu {x!r} {y!r} {z!r} 0.0 0.1 -0.1" for x, y, z in rng.uniform(0, 6, (4, 3)).tolist()
        ]
        head = 'Lattice="6 0 0 0 6 0 0 0 6" Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T"'
        lines += ["4", f"{head} energy=-{number}.5 group=g{number % 2}", *rows]
    path = tmp_path / f"set-{count}.xyz"
    path.write_text("\n".join([*lines, ""]))
    return LabelledSet.read((path,))


def test_a_training_set_that_is_not_the_records(tmp_path):
    record = read_record(EXAMPLE / "cu.record.json")
    refused(
        training_check(labelled(tmp_path, 3), record, cutoff_A=5.0),
        says="the record has 430, 12796",
    )
    assert training_check(labelled(tmp_path, 3), None, cutoff_A=5.0).verdict is Verdict.NOT_TESTED


@pytest.mark.parametrize(
    ("image", "made_of", "why"),
    [
        (Image(sha256=None, recipe=None), None, "set release.image"),
        (Image(sha256="a" * 64, recipe=None), "b" * 64, "names no recipe"),
        (Image(sha256="a" * 64, recipe="b" * 64), None, "names no recipe"),
    ],
)
def test_an_image_that_is_not_known_is_not_tested(image, made_of, why):
    check = image_check(image, made_of=made_of)
    assert check.verdict is Verdict.NOT_TESTED
    with pytest.raises(ReleaseError, match=f"image is not tested .*{why}"):
        pass_gate([check], allowed={})


def test_the_image_that_this_runs_in_and_another():
    image = Image(sha256="a" * 64, recipe="b" * 64)
    assert image_check(image, made_of="b" * 64).verdict is Verdict.PASSED
    refused(
        image_check(image, made_of="c" * 64),
        says="the file is of the recipe cccccccccccc, this runs in bbbbbbbbbbbb",
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_check_passes_on_what_is_no_number(number):
    for name, limit in LIMITS.items():
        found = measured(name, number, limit=limit, unit="", about="x")
        assert (found.verdict, found.number) == (Verdict.FAILED, None)


def test_the_limit_of_forces_is_that_of_the_check_before_a_run():
    assert LIMITS["forces"] == GRADIENT_EV_PER_A


def test_to_allow_what_is_no_check():
    check_allowed(CHECKS)
    with pytest.raises(
        ReleaseError, match="there is no check 'cutof' to allow; did you mean 'cutoff'"
    ):
        check_allowed(["c44", "cutof"])


def test_the_shipped_ase_baseline_is_the_configured_one(potential, example, tmp_path):
    """The file that travels, in a directory of its own, against the calculator that stays here."""
    guarded = potential.guarded(baseline=BASELINE, minimum_distance_A={})
    near = example.copy()
    near.positions[1] = near.positions[0] + [0.0, 0.3, 1.0]
    folder = agreement.place(tmp_path / "shipped", guarded, ready_inputs(guarded, near))
    found = agreement.by_shipped_ase(folder)
    assert found == pytest.approx(evaluated(near, calculator_of(guarded))[0], abs=1e-8)
    assert abs(found - evaluated(near, calculator_of(potential))[0]) > 0.1, "the baseline counts"
    assert Path(folder / "ase_example.py").read_text().count("\n") == 5
