"""Whether a generation is accepted: by the real programs, a good one, and one for each reason that speaks against it."""

from dataclasses import replace

import numpy as np
import pytest

from mlip_kmc.campaign.acceptance import Refusal, judge
from mlip_kmc.campaign.physics import restricted
from mlip_kmc.campaign.remedies import remedies
from mlip_kmc.config.campaign import AcceptSection
from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.learning.errors import errors_on, whole_calculator
from mlip_kmc.learning.refit.design import LinearBasis
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential
from mlip_kmc.release.gate import Verdict as CheckVerdict

from .conftest import EXAMPLE
from .learning_material import poor_potential, search_frames
from .refit_material import SELECT, copper_test_set

SECTION = AcceptSection()


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    return poor_potential(tmp_path_factory.mktemp("poor"))


@pytest.fixture(scope="module")
def good():
    return AcePotential.read(EXAMPLE / "cu.yace")


@pytest.fixture(scope="module")
def frames():
    return search_frames(3)[:43:6]


@pytest.fixture(scope="module")
def first(poor):
    return errors_on(poor, copper_test_set())


def verdict(candidate, present, **changes):
    asked = {"section": SECTION, "select": SELECT, "programs": False, **changes}
    return judge(candidate, present, **asked)


def refusals(found):
    return [reason.refusal for reason in found.reasons]


def altered(potential, folder, change):
    """The same with other coefficients; its active set stays."""
    from pyace import ACEBBasisSet

    basis = LinearBasis.read(potential.basis)
    yaml = folder / "altered.yaml"
    basis.with_coefficients(change(basis.coefficients)).save(str(yaml))
    ACEBBasisSet(str(yaml)).to_ACECTildeBasisSet().save_yaml(str(yaml.with_suffix(".yace")))
    yaml.with_suffix(".asi").write_bytes(potential.active_set.read_bytes())
    return AcePotential.read(yaml.with_suffix(".yace"))


def test_a_better_potential_is_accepted_by_all_programs(good, poor, frames, first):
    section = AcceptSection(
        worse_at_most=20.0
    )  # the example's errors on calm structures are larger
    found = verdict(
        good,
        poor,
        test=copper_test_set(),
        halted=frames,
        first_errors=first,
        section=section,
        programs=True,
    )
    print([reason.line for reason in found.reasons], found.errors_after, found.gamma_after)
    assert found.accepted
    assert found.gamma_after < SELECT < found.gamma_before
    assert found.errors_before == first
    names = {check.name for check in found.checks}
    assert names >= {
        "forces",
        "rotation",
        "cutoff",
        "baseline",
        "files",
        "repulsion",
        "paths",
        "gamma",
    }
    assert all(check.verdict is CheckVerdict.PASSED for check in found.checks)


def test_a_worse_one_is_told_by_how_much(good, poor, frames, first, tmp_path):
    worse = altered(good, tmp_path, lambda found: found * 1.05)
    found = verdict(worse, poor, test=copper_test_set(), halted=frames, first_errors=first)
    assert set(refusals(found)) == {Refusal.ENERGIES, Refusal.FORCES}
    assert "in generation 0" in found.reasons[0].line
    absolute = verdict(
        good,
        poor,
        test=copper_test_set(),
        halted=[],
        first_errors=None,
        section=AcceptSection(force_rmse_eV_per_A=1e-4),
    )
    assert refusals(absolute) == [Refusal.FORCES]


def test_not_calmer_and_not_calm(good, poor, frames):
    same = verdict(poor, poor, test=(), halted=frames, first_errors=None)
    assert refusals(same) == [Refusal.NOT_CALMER]
    calmer = verdict(good, poor, test=(), halted=frames, first_errors=None, select=1e-3)
    assert refusals(calmer) == [Refusal.NOT_CALM]


def test_a_barrier_that_is_still_wrong_is_a_reason_of_its_own(good, poor):
    """The good potential against itself, with one saddle's energy moved by 20 meV: allowed are 15."""
    minimum, saddle = search_frames(3)[:2]
    calculator = whole_calculator(good)

    def label(name, atoms, *, moved_eV=0.0, **known):
        energy_eV, forces = evaluated(atoms, calculator)
        return replace(
            LabelledStructure.whole(
                name, restricted(atoms), energy_eV=energy_eV + moved_eV, forces_eV_per_A=forces
            ),
            **known,
        )

    def asked(moved_eV):
        pair = (label("m", minimum), label("s", saddle, moved_eV=moved_eV, minimum="m"))
        return verdict(good, poor, test=(), halted=(), first_errors=None, barriers=pair)

    found = asked(0.020)
    assert refusals(found) == [Refusal.BARRIERS]
    assert found.reasons[0].line == "the barrier of s is -20 meV off the oracle's, allowed 15"
    assert remedies(found, larger_bases=("larger.yaml",), labels_left=9)[0].basis == "larger.yaml"
    assert asked(0.010).accepted


def test_a_hole_that_opens_is_seen(good, frames, tmp_path):
    """A potential turned upside down attracts where it repelled."""
    holed = altered(good, tmp_path, lambda found: -found)
    found = verdict(holed, good, test=(), halted=frames[:1], first_errors=None, select=1e9)
    assert [(reason.refusal, reason.check) for reason in found.reasons if reason.check] == [
        (Refusal.PHYSICS, "repulsion")
    ]
    # atoms that are refused when they are so near cannot fall in
    guarded = replace(holed, minimum_distance_A={"Cu-Cu": 2.4})
    found = verdict(guarded, good, test=(), halted=frames[:1], first_errors=None, select=1e9)
    assert Refusal.PHYSICS not in refusals(found)


def test_files_of_two_potentials_are_refused(good, frames, tmp_path):
    mixed = altered(good, tmp_path, lambda found: found * 1.001)
    mixed.yace.write_bytes(good.yace.read_bytes())
    found = verdict(
        AcePotential.read(mixed.yace), good, test=(), halted=frames[:1], first_errors=None
    )
    assert "files" in [reason.check for reason in found.reasons]


def test_no_number_is_never_no_worse(good, poor, frames, first, tmp_path):
    """A coefficient that is not finite: every comparison with a limit fails."""
    test = [
        replace(copper_test_set()[0], energy_eV=float("nan")),
        *copper_test_set()[1:3],
    ]
    found = verdict(
        good,
        poor,
        test=test,
        halted=frames,
        first_errors=first,
        section=AcceptSection(worse_at_most=1e6),
    )
    assert refusals(found) == [Refusal.ENERGIES]
    nothing = replace(first, force_rmse_eV_per_A=float("nan"))
    found = verdict(good, poor, test=copper_test_set()[:3], halted=(), first_errors=nothing)
    assert Refusal.FORCES in refusals(found)


def test_a_cell_turned_for_lammps_has_the_same_energy(good, frames):
    atoms = frames[0].copy()
    atoms.rotate(33, (1, 2, 3), rotate_cell=True)
    turned = restricted(atoms)
    assert np.abs(np.triu(turned.cell.array, 1)).max() < 1e-12
    calculator = whole_calculator(good)
    assert evaluated(turned, calculator)[0] == pytest.approx(
        evaluated(atoms, calculator)[0], abs=1e-9
    )
