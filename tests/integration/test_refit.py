"""A potential fitted again, by real python-ace: known answers, a poor potential made good, alloys, corrections, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.emt import EMT

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.evaluate.calculator import evaluated, short_range
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.learning.errors import errors_on, whole_calculator
from mlip_kmc.learning.refit import FitKind, anchors_of, check_larger, read_fit, refit
from mlip_kmc.learning.refit.design import LinearBasis
from mlip_kmc.model.labelled import LabelledStructure, Role
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, Zbl

from .conftest import EXAMPLE
from .learning_material import example_module, poor_potential, search_frames
from .refit_material import (
    alloys,
    by_emt,
    configuration,
    copper_test_set,
    fitted_here,
    hop_barrier,
    poor_training,
    selected,
    written,
)

SECTION = RefitSection()
FILES = (".yaml", ".yace", ".asi", ".record.json", ".fit.json")


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    return poor_potential(tmp_path_factory.mktemp("poor"))


@pytest.fixture(scope="module")
def frames():
    return search_frames(3)


@pytest.fixture(scope="module")
def labels(poor, frames):
    return selected(Extrapolation.of(poor), frames)


@pytest.fixture(scope="module")
def whole(poor, labels, tmp_path_factory):
    return refit(
        poor,
        training=poor_training(),
        labels=labels,
        section=SECTION,
        directory=tmp_path_factory.mktemp("whole") / "gen-001",
        name="gen-001",
    )


@pytest.fixture(scope="module")
def corrected(poor, labels, tmp_path_factory):
    return refit(
        poor,
        training=[],
        labels=labels,
        section=SECTION,
        directory=tmp_path_factory.mktemp("corrected"),
        name="gen-001",
    )


def largest_gamma(potential, frames):
    grade = Extrapolation.of(potential)
    return max(float(grade.gamma_of(atoms).max()) for atoms in frames)


def bytes_of(directory):
    return {suffix: (directory / f"gen-001{suffix}").read_bytes() for suffix in FILES}


def test_a_few_labels_make_a_poor_potential_good(poor, whole, labels, frames):
    test = copper_test_set()
    before, after = errors_on(poor, test), errors_on(whole.potential, test)
    print(before, after, len(labels), largest_gamma(whole.potential, frames))
    assert whole.kind is FitKind.WHOLE
    assert len(labels) <= 8
    assert after.force_rmse_eV_per_A < 0.5 * before.force_rmse_eV_per_A
    assert after.energy_rmse_eV_per_atom < before.energy_rmse_eV_per_atom
    assert largest_gamma(poor, frames) > 50.0
    assert largest_gamma(whole.potential, frames) < 3.0  # as the selection foresaw

    exact = hop_barrier(EMT)
    errors = [
        abs(hop_barrier(lambda one=one: whole_calculator(one)) - exact)
        for one in (poor, whole.potential)
    ]
    print(f"barrier by EMT {exact:.4f} eV, errors {errors}")
    assert errors[1] < 0.001
    assert errors[1] < 0.5 * errors[0]


def test_the_same_structures_give_the_same_bytes(poor, whole, labels, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    again = refit(
        poor,
        training=poor_training()[::-1],
        labels=labels[::-1],
        section=SECTION,
        directory=tmp_path,
        name="gen-001",
    )
    assert bytes_of(tmp_path) == bytes_of(whole.potential.yace.parent)
    assert again.facts == whole.facts


def test_a_correction_leaves_alone_what_was_right(poor, corrected, frames):
    test = copper_test_set()
    before, after = errors_on(poor, test), errors_on(corrected.potential, test)
    others = anchors_of(poor, frames[::9], count=12, seed=5)
    moved = errors_on(corrected.potential, others)
    print(before, after, moved, corrected.lines)
    assert corrected.kind is FitKind.CORRECTION
    assert "correction" in corrected.lines[0]
    assert after.force_rmse_eV_per_A < 0.5 * before.force_rmse_eV_per_A
    assert largest_gamma(corrected.potential, frames) < 3.0
    # stated in docs/refit.md: on structures like the anchors, which were not fitted to
    assert moved.force_rmse_eV_per_A < 0.02
    assert moved.energy_rmse_eV_per_atom is None or moved.energy_rmse_eV_per_atom < 0.002


def test_without_labels_that_disagree_a_correction_changes_nothing(poor, frames, tmp_path):
    calculator = whole_calculator(poor)
    label = LabelledStructure.whole(
        "agrees", frames[0], energy_eV=None, forces_eV_per_A=evaluated(frames[0], calculator)[1]
    )
    done, _ = fitted_here(poor, tmp_path, labels=[label], section=RefitSection(anchors=4))
    old, new = (LinearBasis.read(one.basis) for one in (poor, done))
    assert (
        np.abs(new.coefficients - old.coefficients).max() <= 1e-9 * np.abs(old.coefficients).max()
    )


@pytest.mark.parametrize("baseline", [None, Baseline({"Cu-Cu": Zbl(inner_A=1.0, outer_A=2.6)})])
def test_a_potential_of_the_same_basis_is_found_again(baseline, tmp_path):
    """Known answer: labels by an ACE, and by the baseline under it where there is one."""
    module = example_module()
    truth = LinearBasis.read(EXAMPLE / "cu.yaml")
    rng = np.random.default_rng(3)
    frames = [
        *module.hop_structures(rng, 24),
        *module.local_structures(rng, 8),
        *module.close_structures(rng, 8),
    ]
    made = []
    for number, atoms in enumerate(frames):
        found = truth.projector.evaluate(atoms)
        added_eV, added = short_range(baseline, atoms)
        made.append(
            LabelledStructure.whole(
                f"frame-{number:02d}",
                atoms,
                energy_eV=found.energy_eV + added_eV,
                forces_eV_per_A=found.forces + added,
                role=Role.TRAINING,
            )
        )
    present = written(tmp_path, "present", module.basis_configuration(), frames)
    done, facts = fitted_here(
        replace(present, baseline=baseline),
        tmp_path,
        training=made,
        section=RefitSection(ridge=(1e-26,)),
    )
    found = LinearBasis.read(done.basis).coefficients
    off = np.abs(found - truth.coefficients).max() / np.abs(truth.coefficients).max()
    print(f"coefficients differ by {off:.1e} of the largest")
    assert off < 1e-6
    assert facts.errors["training"].force_rmse_eV_per_A < 1e-7
    assert done.baseline == baseline
    assert done.record.baseline == (None if baseline is None else baseline.pairs)


def test_a_barrier_of_its_own_weight_is_hit(poor, tmp_path):
    """A hop in one of 31 atoms, labelled by EMT: energies an atom leave an error that the barrier's own residual takes away."""
    module = example_module()
    minimum = module.with_vacancy()
    saddle = minimum.copy()
    hopper = module.neighbour_of_vacancy(minimum, module.FCC_NEIGHBOURS[0])
    saddle.positions[hopper] -= 0.5 * module.FCC_NEIGHBOURS[0] * module.A_EMT
    pair = [by_emt("m", minimum), replace(by_emt("s", saddle), minimum="m")]
    height = pair[1].energy_eV - pair[0].energy_eV

    def error_of(weight):
        section = RefitSection(barrier_weight=weight)
        made, _ = fitted_here(
            poor, tmp_path, training=poor_training(), labels=pair, section=section
        )
        calculator = whole_calculator(made)
        here = [evaluated(one.atoms, calculator)[0] for one in pair]
        return abs(here[1] - here[0] - height)

    alone, own = error_of(0.0), error_of(100.0)
    print(
        f"a barrier of {height:.3f} eV: off by {1e3 * alone:.1f} meV, with a residual of its own {1e3 * own:.2f}"
    )
    assert own < 0.002
    assert own < 0.2 * alone


def test_forces_of_a_buffer_do_not_count(poor, whole, labels, tmp_path):
    cut = [
        replace(
            one,
            energy_weight=0.0,
            force_weights=np.where(np.arange(len(one.atoms)) < 20, 1.0, 0.0),
        )
        for one in labels
    ]
    wrong = [
        replace(
            one,
            energy_eV=1e3,
            forces_eV_per_A=one.forces_eV_per_A + 50.0 * (one.force_weights < 1.0)[:, None],
        )
        for one in cut
    ]
    made = []
    for number, these in enumerate((cut, wrong)):
        folder = tmp_path / str(number)
        fitted_here(
            poor,
            folder,
            training=poor_training()[::2],
            labels=these,
            section=RefitSection(ridge=(1e-11,)),
        )
        made.append(bytes_of(folder))
    for suffix in (".yaml", ".yace", ".asi"):
        assert made[0][suffix] == made[1][suffix]
        assert made[0][suffix] != bytes_of(whole.potential.yace.parent)[suffix]
    facts = json.loads(made[0][".fit.json"])
    assert facts["active_atoms"] == 20 * len(labels)
    assert facts["errors"]["label"]["energy_rmse_eV_per_atom"] is None


def test_an_alloy_with_functions_of_each_pair_of_elements(tmp_path):
    frames = alloys(1, 24)
    present = written(
        tmp_path,
        "present",
        configuration(
            ("Cu", "Ni"), {"ALL": {"nradmax_by_orders": [6, 2, 1], "lmax_by_orders": [0, 0, 0]}}
        ),
        frames,
    )
    training = [
        by_emt(f"alloy-{number:02d}", atoms, role=Role.TRAINING)
        for number, atoms in enumerate(frames)
    ]
    test = [by_emt(f"test-{number}", atoms) for number, atoms in enumerate(alloys(2, 6))]
    first, _ = fitted_here(present, tmp_path / "0", training=training, section=SECTION)
    errors = errors_on(first, test)
    print(errors, first.functions)
    assert min(first.functions.values()) > 0
    assert errors.force_rmse_eV_per_A < 0.06  # forces are 1 eV/A in the mean
    assert errors.energy_rmse_eV_per_atom < 0.02

    wild = alloys(3, 4, rattle_A=0.25)
    labels = selected(Extrapolation.of(first), wild)
    assert labels
    second, _ = fitted_here(
        first, tmp_path / "1", training=training, labels=labels, section=SECTION
    )
    assert largest_gamma(second, wild) < 3.0 < largest_gamma(first, wild)
    # both elements' functions changed
    old, new = (LinearBasis.read(one.basis) for one in (first, second))
    for element, place in new.places.items():
        assert not np.allclose(old.coefficients[place], new.coefficients[place]), element


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fs_parameters": [1, 1, 1, 0.5], "ndensity": 2}, "is not linear"),
        ({"fs_parameters": [1, 0.5]}, "is not linear"),
    ],
)
def test_a_non_linear_potential_is_left_to_pacemaker(tmp_path, change, words):
    frames = [one.atoms for one in poor_training()[:4]]
    present = written(
        tmp_path,
        "present",
        configuration(
            ("Cu",), {"ALL": {"nradmax_by_orders": [3], "lmax_by_orders": [0]}}, **change
        ),
        frames,
    )
    with pytest.raises(PotentialError, match=words) as caught:
        fitted_here(present, tmp_path, training=poor_training()[:3], section=SECTION)
    assert "refit.backend to pacemaker" in str(caught.value)
    assert read_fit(tmp_path, "gen-001", present=present) is None


def larger_basis(folder, **functions):
    from pyace import ACEBBasisSet

    path = folder / "larger.yaml"
    wanted = {"nradmax_by_orders": [8, 3, 3, 2, 2], "lmax_by_orders": [0, 1, 0, 0, 0], **functions}
    ACEBBasisSet(configuration(("Cu",), {"ALL": wanted})).save(str(path))
    return path


def test_a_larger_basis_that_the_structures_span(poor, labels, tmp_path):
    done, facts = fitted_here(
        poor,
        tmp_path,
        training=poor_training(),
        labels=labels,
        section=SECTION,
        basis=larger_basis(tmp_path),
    )
    assert done.basis_functions["Cu"] > poor.basis_functions["Cu"]
    assert errors_on(done, labels).force_rmse_eV_per_A < 0.02
    assert facts.active_atoms == sum(len(one.atoms) for one in (*poor_training(), *labels))


def test_structures_that_do_not_span_a_larger_basis_are_refused(poor, tmp_path):
    path, directory = larger_basis(tmp_path), tmp_path / "gen-001"
    with pytest.raises(PotentialError, match="does not span the basis"):
        refit(
            poor,
            training=poor_training()[:1],
            labels=[],
            section=RefitSection(ridge=(1e-10,)),
            directory=directory,
            name="gen-001",
            basis=path,
        )
    assert not directory.exists()


def test_a_larger_basis_begins_with_the_old_energies(poor, tmp_path):
    from mlip_kmc.learning.refit.linear import carried_over

    old, new = LinearBasis.read(poor.basis), LinearBasis.read(larger_basis(tmp_path))
    prior = carried_over(old, new)
    assert prior is not None
    assert (prior != 0.0).sum() == (old.coefficients != 0.0).sum()
    assert new.size > old.size
    text = Path(new.path).read_text().replace("radparameters: [3]", "radparameters: [4]")
    Path(new.path).write_text(text)
    assert carried_over(old, LinearBasis.read(new.path)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (("rcutij: 5", "rcutij: 4.5"), "cutoff of 4.5 A, less than"),
        (("Cu", "Ag"), "is of Ag, but"),
    ],
)
def test_no_basis_that_sees_less_takes_the_present_ones_place(poor, tmp_path, text, words):
    path = larger_basis(tmp_path)
    check_larger(path, present=poor)
    path.write_text(path.read_text().replace(*text))
    with pytest.raises(PotentialError, match=words):
        check_larger(path, present=poor)
    with pytest.raises(PotentialError, match="not more than the"):
        check_larger(poor.basis, present=poor)


def test_what_is_placed_last_says_that_all_is_there(whole, poor, tmp_path):
    for suffix in FILES[:-1]:
        (tmp_path / f"gen-001{suffix}").write_bytes(bytes_of(whole.potential.yace.parent)[suffix])
    assert read_fit(tmp_path, "gen-001", present=poor) is None
    last = tmp_path / "gen-001.fit.json"
    last.write_bytes(bytes_of(whole.potential.yace.parent)[".fit.json"])
    found = read_fit(tmp_path, "gen-001", present=poor)
    assert found.facts == whole.facts
    assert (
        found.potential.digest
        == whole.potential.digest
        == AcePotential.read(found.potential.yace).digest
    )
    last.write_text("{}")
    with pytest.raises(PotentialError, match="is damaged"):
        read_fit(tmp_path, "gen-001", present=poor)


def test_pacemaker_fits_what_is_not_linear(tmp_path):
    """The real program, on a basis of two functions with a square root: it finds coefficients that made the labels."""
    frames = [one.atoms for one in poor_training()[:3]]
    basis = configuration(
        ("Cu",),
        {"ALL": {"nradmax_by_orders": [2], "lmax_by_orders": [0]}},
        fs_parameters=[1, 0.8],
        npot="FinnisSinclairShiftedScaled",
    )
    truth = written(tmp_path, "truth", basis, frames, coefficients=[-2.0, 0.7])
    present = written(tmp_path, "present", basis, frames, coefficients=[-1.9, 0.6])
    calculator = whole_calculator(truth)
    made = []
    for number, atoms in enumerate(frames):
        energy_eV, forces = evaluated(atoms, calculator)
        made.append(
            LabelledStructure.whole(
                f"frame-{number}",
                atoms,
                energy_eV=energy_eV,
                forces_eV_per_A=forces,
                role=Role.TRAINING if number else Role.LABEL,
            )
        )
    done = refit(
        present,
        training=made[1:],
        labels=made[:1],
        section=RefitSection(backend="pacemaker", pacemaker_iterations=12),
        directory=tmp_path,
        name="gen-001",
    )
    from pyace import ACEBBasisSet

    found = np.array(ACEBBasisSet(str(done.potential.basis)).basis_coeffs)
    print(found, done.lines)
    assert found == pytest.approx([-2.0, 0.7], abs=0.01)  # from -1.9 and 0.6, by finite differences
    assert done.facts.backend == "pacemaker"
    before, after = errors_on(present, made), errors_on(done.potential, made)
    assert after.force_rmse_eV_per_A < 0.05 * before.force_rmse_eV_per_A
    assert after.energy_rmse_eV_per_atom < 0.05 * before.energy_rmse_eV_per_atom


def test_energies_that_pacemaker_would_shift_are_refused(tmp_path, poor):
    one = replace(poor_training()[0], energy_eV=-3000.0 * len(poor_training()[0].atoms))
    with pytest.raises(
        PotentialError, match=r"takes none outside -20 to 250 as they are; set oracle\.zero_eV"
    ):
        fitted_here(poor, tmp_path, training=[one], section=RefitSection(backend="pacemaker"))
