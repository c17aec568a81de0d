"""Errors on structures that the potential was not fitted to: their limits, by group, decide; without limits nothing passes."""

import numpy as np
import pytest
from ase import Atoms

from mlip_kmc.ground.errors import ConfigError, PotentialError, ReleaseError
from mlip_kmc.release.gate import CheckVerdict, pass_gate
from mlip_kmc.release.manifest import ValidationMetrics
from mlip_kmc.release.settings import ErrorLimit
from mlip_kmc.release.training import Labelled, LabelledSet, SetErrors
from mlip_kmc.release.validation import validation_check

from .test_settings import LEAST, load

METRICS = ValidationMetrics(
    structures=30, energy_rmse_eV_per_atom=0.002, force_rmse_eV_per_A=0.05, source="a set"
)
ERRORS = {"bulk": SetErrors(20, 0.001, 0.02), "hop": SetErrors(10, 0.003, 0.09)}


def limit(energy_meV, force, reason="as good as the oracle"):
    return ErrorLimit(energy_meV_per_atom=energy_meV, force_eV_per_A=force, reason=reason)


def check(limits, errors=ERRORS, **options):
    return validation_check(METRICS, errors, limits=limits, **options)


def test_errors_within_their_limits():
    found = check({"bulk": limit(2, 0.1), "hop": limit(5, 0.1, "a hop's barrier to 10 %")})
    assert (found.verdict, found.number, found.limit) == (CheckVerdict.PASSED, 0.9, 1.0)
    assert "forces of hop: 0.09 of 0.1 eV/A" in found.detail
    assert found.source == "a hop's barrier to 10 %"


@pytest.mark.parametrize(
    ("limits", "worst", "number"),
    [
        ({"all": limit(10, 0.05)}, "forces of hop: 0.09 of 0.05 eV/A", 1.8),
        (
            {"all": limit(10, 0.05), "hop": limit(10, 0.1), "bulk": limit(0.5, 1)},
            "energy of bulk: 1 of 0.5 meV/atom",
            2.0,
        ),
        ({"all": limit(2.9999999, 1)}, "energy of hop: 3 of 3 meV/atom", None),
    ],
)
def test_an_error_beyond_its_limit(limits, worst, number):
    found = check(limits)
    assert found.verdict is CheckVerdict.FAILED
    assert found.number > 1.0
    assert number is None or found.number == number
    assert worst in found.detail
    with pytest.raises(ReleaseError, match="no release: validation failed"):
        pass_gate([found], allowed={})


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({}, "no limits are given: set release.validation_limits"),
        ({"bulk": limit(1, 1)}, "no limit of hop, and none of all"),
        ({"all": limit(1, 1), "hopp": limit(1, 1)}, "names hopp; the validation set has bulk, hop"),
    ],
)
def test_what_has_no_limit_is_not_tested_and_does_not_pass(limits, why):
    found = check(limits)
    assert found.verdict is CheckVerdict.NOT_TESTED
    with pytest.raises(ReleaseError, match=f"validation is not tested .*{why}"):
        pass_gate([found], allowed={})
    assert pass_gate([found], allowed={"validation": "a test"})[0].because == "a test"


def test_a_record_has_no_groups():
    whole = {"all": SetErrors(30, 0.002, 0.05)}
    assert check({"all": limit(5, 0.1)}, whole, from_set=False).verdict is CheckVerdict.PASSED
    found = check({"all": limit(5, 0.1), "hop": limit(5, 0.1)}, whole, from_set=False)
    assert found.verdict is CheckVerdict.NOT_TESTED
    assert "set release.validation_set" in found.detail


def test_no_errors_are_not_tested():
    assert (
        validation_check(None, {}, limits={"all": limit(1, 1)}).verdict is CheckVerdict.NOT_TESTED
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_error_that_is_no_number_fails(value):
    for bad in (SetErrors(1, value, 0.01), SetErrors(1, 0.001, value)):
        found = check({"all": limit(1e6, 1e6)}, {"good": SetErrors(1, 0.001, 0.01), "bad": bad})
        assert (found.verdict, found.number) == (CheckVerdict.FAILED, None)


def test_structures_of_the_training_set_are_no_validation():
    found = check({"all": limit(1e6, 1e6)}, shared=3)
    assert found.verdict is CheckVerdict.FAILED
    assert "3 of 30 structures are in the training set, too" in found.detail


def test_the_same_structure_is_known_whatever_its_labels_are():
    def one(energy_eV, shift=0.0):
        atoms = Atoms("Cu2", positions=[(0, 0, 0), (0, 0, 2.5 + shift)], cell=[9, 9, 9], pbc=True)
        return Labelled(atoms=atoms, energy_eV=energy_eV, forces=np.zeros((2, 3)), group="all")

    training = LabelledSet(structures=(one(-1.0), one(-1.0, 0.1)), files={})
    held_out = LabelledSet(structures=(one(-1.5), one(-1.0, 1e-9), one(-1.0, 0.2)), files={})
    assert held_out.shared_with(training) == 2


def test_a_potential_that_gives_no_number_has_no_errors():
    class Nothing:
        def calculate(self, *_):
            raise NotImplementedError

        def get_potential_energy(self, *_, **__):
            return float("nan")

        def get_forces(self, *_, **__):
            return np.zeros((2, 3))

    atoms = Atoms("Cu2", positions=[(0, 0, 0), (0, 0, 2.5)], cell=[9, 9, 9], pbc=True)
    there = LabelledSet(
        structures=(Labelled(atoms=atoms, energy_eV=0.0, forces=np.zeros((2, 3)), group="hop"),),
        files={},
    )
    with pytest.raises(PotentialError, match="of the group hop are not finite"):
        there.errors(Nothing())


def test_limits_in_the_settings(tmp_path):
    found = load(
        tmp_path,
        validation_limits={"all": {"energy_meV_per_atom": 5, "force_eV_per_A": 0.1, "reason": "x"}},
    )
    assert found.validation_limits["all"] == limit(5, 0.1, "x")
    for wrong in (
        {"all": {"energy_meV_per_atom": 5, "force_eV_per_A": 0.1}},
        {"all": {"energy_meV_per_atom": float("nan")}},
        {"all": {**LEAST}},
        {"a\nb": {"energy_meV_per_atom": 5, "force_eV_per_A": 0.1, "reason": "x"}},
        {"all": {"energy_meV_per_atom": 0, "force_eV_per_A": 0.1, "reason": "x"}},
    ):
        with pytest.raises(ConfigError):
            load(tmp_path, validation_limits=wrong)
