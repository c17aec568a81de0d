"""The numbers of a refit: hull, weights, folds, ridge, each against a known answer."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.learning.errors import errors_from
from mlip_kmc.learning.refit.barriers import KnownEnergy, barrier_rows, takes_part
from mlip_kmc.learning.refit.linear import FOLDS, fold_numbers, in_order
from mlip_kmc.learning.refit.ridge import Triangle, choose, solutions
from mlip_kmc.learning.refit.support import chosen_atoms
from mlip_kmc.learning.refit.weights import heights_above_hull, weights_of
from mlip_kmc.model.labelled import LabelledStructure, Role, labelled_text, read_labelled


def structure(name="a", symbols="Cu2", energy_eV=0.0, *, forces=0.0, role=Role.TRAINING, **changes):
    atoms = Atoms(symbols, positions=[(2.5 * index, 0, 0) for index in range(len(Atoms(symbols)))])
    made = LabelledStructure.whole(
        name,
        atoms,
        energy_eV=energy_eV,
        forces_eV_per_A=np.full((len(atoms), 3), float(forces)),
        role=role,
    )
    return replace(made, **changes)


def test_height_above_the_lowest_energy_of_one_element():
    heights = heights_above_hull(
        [
            structure(energy_eV=-2.0),
            structure(symbols="Cu4", energy_eV=-3.0),
            structure(energy_eV=None),
            structure(energy_eV=-9.0, energy_weight=0.0),
        ]
    )
    assert heights[:2] == pytest.approx([0.0, 0.25])
    assert np.isnan(heights[2:]).all()


def test_height_above_the_hull_of_an_alloy():
    """Cu -1, Ni -2 an atom; CuNi is 0.5 above their mixture, CuNi3 below it, so that another CuNi is 0.6 above the new one."""
    known = [
        structure(energy_eV=-2.0),
        structure(symbols="Ni2", energy_eV=-4.0),
        structure(symbols="CuNi", energy_eV=-2.0),
    ]
    assert heights_above_hull(known) == pytest.approx([0.0, 0.0, 0.5])
    ordered = structure(symbols="CuNi3", energy_eV=-4 * 1.9)
    assert heights_above_hull([*known, ordered]) == pytest.approx(
        [0.0, 0.0, 0.5 + 0.15 * 2 / 3, 0.0]
    )
    # shifted by an energy for each atom of an element, which moves no structure against the hull
    moved = [
        replace(one, energy_eV=one.energy_eV - 3.0 * np.sum(one.atoms.numbers == 28))
        for one in [*known, ordered]
    ]
    assert heights_above_hull(moved) == pytest.approx(heights_above_hull([*known, ordered]))


def test_what_is_one_scale_away_counts_half():
    section = RefitSection(energy_scale_eV=0.5, force_scale_eV_per_A=2.0, energy_weight=10.0)
    one = structure(forces=2.0 / np.sqrt(3.0))
    assert weights_of(one, 0.5, section).energy == pytest.approx(5.0)
    assert weights_of(one, 0.5, section).forces == pytest.approx([0.5, 0.5])
    assert weights_of(one, float("nan"), section).share == 1.0
    label = replace(one, role=Role.LABEL, force_weights=np.array([1.0, 0.0]), energy_weight=0.0)
    found = weights_of(label, float("nan"), replace_label(section, 4.0))
    assert found.forces == pytest.approx([1.0, 0.0])  # twice a half: four structures' worth
    assert found.energy == 0.0


def replace_label(section, weight):
    return section.model_copy(update={"label_weight": weight})


def test_folds_follow_from_names_and_hold_every_role():
    names = [f"s-{number}" for number in range(23)]
    made = [
        structure(name, role=Role.LABEL if number < 8 else Role.TRAINING)
        for number, name in enumerate(names)
    ]
    numbers = dict(zip(names, fold_numbers(made), strict=True))
    assert numbers == dict(zip(names[::-1], fold_numbers(made[::-1]), strict=True))
    for these in (names[:8], names[8:], names):
        counts = np.bincount([numbers[name] for name in these], minlength=FOLDS)
        assert counts.max() - counts.min() <= 1
    assert in_order(made) == in_order(made[::-1])


def test_folds_reduced_block_by_block_are_ridge_regression():
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(200, 6)) * [1, 10, 100, 1e3, 1e4, 1e5], rng.normal(size=200)
    scales, prior = np.array([1, 10, 100, 1e3, 1e4, 1e5]), rng.normal(size=6)
    folds = [Triangle(6) for _ in range(4)]
    for start in range(0, 200, 7):
        folds[start % 4].add(rows[start : start + 7], targets[start : start + 7])
    unit = np.mean(np.square(np.linalg.svd(rows / scales, compute_uv=False)))
    for strength in (1e-8, 1e-2, 1.0):
        penalty = strength * unit * np.diag(np.square(scales))
        exact = np.linalg.solve(rows.T @ rows + penalty, rows.T @ targets + penalty @ prior)
        (found,) = solutions(folds, strengths=[strength], scales=scales, prior=prior)
        assert found == pytest.approx(exact, rel=1e-8)
    left = sum(fold.residual(exact) for fold in folds)
    assert left == pytest.approx(np.sum(np.square(rows @ exact - targets)))


def test_validation_takes_weak_strength_for_exact_data_and_strong_for_noise():
    rng = np.random.default_rng(1)
    truth, rows = rng.normal(size=8), rng.normal(size=(60, 8))
    tried = (1e-10, 1e-4, 1e3)
    for targets, wanted in ((rows @ truth, 1e-10), (rng.normal(size=60), 1e3)):
        folds = [Triangle(8) for _ in range(5)]
        for index, fold in enumerate(folds):
            fold.add(rows[index::5], targets[index::5])
        chosen = choose(folds, strengths=tried, scales=np.ones(8), prior=np.zeros(8))
        assert chosen.strength == wanted
        assert [strength for strength, _ in chosen.losses] == sorted(tried, reverse=True)


def test_the_strongest_is_taken_where_nothing_can_be_left_out():
    fold = Triangle(2)
    fold.add(np.eye(2), np.ones(2))
    chosen = choose([fold], strengths=(1e-8, 1e-2), scales=np.ones(2), prior=np.zeros(2))
    assert chosen.strength == 1e-2


def test_only_what_the_fit_reproduces_enters_the_active_set():
    weights = np.array([1.0, 0.5])
    assert chosen_atoms(structure(force_weights=weights), 1.0).tolist() == [True, False]
    assert not chosen_atoms(structure(), 0.49).any()
    assert chosen_atoms(structure(role=Role.LABEL), 0.49).all()


def test_errors_count_by_weight():
    one = structure(energy_eV=1.0)
    cut = structure(energy_eV=5.0, energy_weight=0.0, force_weights=np.array([1.0, 0.0]))
    predictions = [
        (1.2, np.zeros((2, 3))),
        (99.0, np.array([[0.3, 0.3, 0.3], [9.0, 9.0, np.nan]])),
    ]
    errors = errors_from([one, cut], predictions)
    assert errors.energy_rmse_eV_per_atom == pytest.approx(0.1)
    assert errors.force_rmse_eV_per_A == pytest.approx(0.3 * np.sqrt(1 / 3))
    assert errors_from([cut], [(0.0, np.full((2, 3), np.nan))]).force_rmse_eV_per_A is not None
    nan = errors_from([cut], [(0.0, np.full((2, 3), np.nan))]).force_rmse_eV_per_A
    assert np.isnan(nan)
    assert errors_from([cut], predictions[1:]).energy_rmse_eV_per_atom is None


# -- barriers


def test_a_barrier_is_one_residual_whatever_the_number_of_atoms():
    minimum = structure("m", energy_eV=-2.0)
    saddle = structure("s", energy_eV=-1.5, minimum="m")
    known = {
        "m": KnownEnergy(np.array([1.0, 2.0]), -2.25),
        "s": KnownEnergy(np.array([1.5, 2.0]), -1.5),
    }
    (row,) = barrier_rows([structure(), minimum, saddle], known=known, weight=10.0)
    assert row.saddle == 2
    assert row.matrix.tolist() == [[5.0, 0.0]]
    assert row.target.tolist() == [7.5]
    assert list(barrier_rows([minimum, saddle], known=known, weight=0.0)) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"minimum": "other"},
        {"minimum": ""},
        {"energy_eV": None},
        {"energy_weight": 0.0},
        {"atoms": Atoms("Cu3", positions=np.diag([0, 3, 6]))},
        {"atoms": Atoms("CuNi", positions=[(0, 0, 0), (2.5, 0, 0)])},
    ],
)
def test_energies_of_boxes_or_of_other_atoms_make_no_barrier(changed):
    minimum = structure("m", energy_eV=-2.0)
    saddle = structure("s", energy_eV=-1.5, minimum="m")
    assert takes_part([minimum, saddle]) == {"m", "s"}
    assert takes_part([minimum, replace(saddle, **changed)]) == set()


def test_a_saddle_keeps_its_minimum_in_a_file(tmp_path):
    kept = [structure("m", energy_eV=-2.0), structure("s", energy_eV=-1.5, minimum="m")]
    (tmp_path / "labels.xyz").write_text(labelled_text(kept))
    assert [one.minimum for one in read_labelled(tmp_path / "labels.xyz")] == ["", "m"]
