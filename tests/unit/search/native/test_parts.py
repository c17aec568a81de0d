"""The metric, the model of the Hessian and the landscape, each against exact arithmetic."""

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.search.native import springs
from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.identify import KnownSaddles
from mlip_kmc.search.native.landscape import Landscape, NotFiniteError
from mlip_kmc.search.native.springs import SpringMetric
from mlip_kmc.search.native.walker import Ground, Trust, bounded_step

from . import surfaces


def crystal():
    atoms = bulk("Cu", a=3.6, cubic=True).repeat(2)
    del atoms[0]
    return atoms


def metric_of(atoms, free=None):
    free = np.arange(len(atoms)) if free is None else free
    return SpringMetric.of(atoms.positions, cell=atoms.cell.array, free=free)


@pytest.mark.parametrize("most", [1000, 10])
def test_work_is_the_same_in_the_metrics_coordinates(most, monkeypatch):
    monkeypatch.setattr(springs, "MOST_ATOMS", most)
    metric, random = metric_of(crystal()), np.random.default_rng(1)
    step, gradient = random.normal(size=(2, 93))
    assert metric.scaled(step) @ metric.gradient(gradient) == pytest.approx(step @ gradient)
    assert metric.step_of(metric.scaled(step)) == pytest.approx(step)


def test_springs_hold_no_translation_and_are_softer_across_than_along():
    atoms = crystal()
    metric = metric_of(atoms)
    stiffness = metric.factor @ metric.factor.T
    shift = np.tile([1.0, 0.0, 0.0], len(atoms))
    assert stiffness @ shift == pytest.approx(0.1 * shift)
    pair = surfaces.well(2)
    alone = SpringMetric.of(pair, cell=surfaces.CELL, free=np.arange(2))
    values = alone.factor @ alone.factor.T
    along, across = values[2, 5], values[0, 3]
    assert across / along == pytest.approx(0.1)


def test_an_atom_without_neighbours_and_fixed_atoms_have_a_metric():
    lonely = SpringMetric.of(np.zeros((1, 3)), cell=surfaces.CELL, free=np.arange(1))
    assert lonely.scaled(np.ones(3)) == pytest.approx(np.sqrt(0.1) * np.ones(3))
    atoms = crystal()
    some = metric_of(atoms, np.arange(4))
    assert some.factor.shape == (12, 12)


def test_the_model_keeps_what_it_learnt_last_and_is_symmetric():
    random = np.random.default_rng(0)
    model = HessianModel.empty(30, curvature=1.3)
    for _ in range(8):
        step, change = random.normal(size=(2, 30))
        model.learn(step, change)
        assert model.times(step) == pytest.approx(change)
    one, other = random.normal(size=(2, 30))
    assert one @ model.times(other) == pytest.approx(other @ model.times(one))
    assert model.vectors.T @ model.vectors == pytest.approx(np.eye(len(model.values)), abs=1e-9)


def test_the_model_forgets_what_tells_it_least():
    random = np.random.default_rng(0)
    model = HessianModel.empty(400, curvature=1.0)
    for _ in range(100):
        step = random.normal(size=400)
        model.learn(step, step + 0.01 * random.normal(size=400))
    low = np.zeros(400)
    low[0] = 1.0
    model.learn(low, -3.0 * low)
    for _ in range(100):
        step = random.normal(size=400)
        step[0] = 0.0
        model.learn(step, step + 0.01 * random.normal(size=400))
    assert len(model.values) <= 142
    assert model.lowest[0] == pytest.approx(-3.0, abs=0.1)


@pytest.mark.parametrize("climb", [True, False])
def test_a_bounded_step_is_bounded_and_follows_or_opposes_the_lowest_mode(climb):
    ground = surfaces.ground_of(lambda _: (0.0, np.zeros((3, 3))), surfaces.well(3), free=range(2))
    model = HessianModel.empty(6, curvature=1.0)
    lowest, other = np.eye(6)[:2]
    model.learn(lowest, -0.5 * lowest)
    model.learn(other, 2.0 * other)
    slope = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    step, predicted = bounded_step(model, slope, ground=ground, longest_A=0.1, climb=climb)
    assert ground.length_A(step) <= 0.1 * (1 + 1e-12)
    assert bool(step @ lowest > 0) == climb
    assert step @ other < 0
    assert predicted == pytest.approx(slope @ step + 0.5 * step @ model.times(step))
    small = 1e-6 * slope
    free, _ = bounded_step(model, small, ground=ground, longest_A=0.1, climb=True)
    assert free == pytest.approx([2e-6, -0.5e-6, -1e-6, 0, 0, 0])


@pytest.mark.parametrize(
    ("change", "radius"), [(1.1, 0.15), (2.5, 0.1), (-1.0, 0.06), (float("nan"), 0.06)]
)
def test_steps_grow_and_shrink_by_how_well_they_were_predicted(change, radius):
    after = Trust(0.1, longest_A=0.5).after(change, predicted=1.0, moved_A=0.1)
    assert after.radius_A == pytest.approx(radius)


@pytest.mark.parametrize(
    "answer",
    [(np.nan, np.zeros((2, 3))), (0.0, np.full((2, 3), np.inf)), (np.inf, np.zeros((2, 3)))],
)
def test_numbers_that_are_none_end_a_search(answer):
    landscape = Landscape(lambda _: answer, frame_A=np.zeros((2, 3)), free=np.arange(2))
    with pytest.raises(NotFiniteError):
        landscape.point(np.zeros(6))
    assert landscape.calls == 1


def test_a_net_force_counts_only_where_fixed_atoms_hold_the_frame():
    def forces(_):
        return 0.0, np.ones((2, 3))

    free = Landscape(forces, frame_A=np.zeros((2, 3)), free=np.arange(2))
    held = Landscape(forces, frame_A=np.zeros((2, 3)), free=np.arange(1))
    assert free.point(np.zeros(6)).force_eV_per_A == 0.0
    assert held.point(np.zeros(3)).force_eV_per_A == pytest.approx(np.sqrt(3))


def test_rigid_motions_have_no_slope_and_no_curvature():
    places = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.45
    for turns, count in ((False, 3), (True, 6)):
        ground = surfaces.ground_of(surfaces.lennard_jones, places, turns=turns)
        assert ground.rigid.shape == (12, count)
        point = ground.landscape.point(places.ravel())
        assert np.abs(ground.rigid.T @ ground.slope(point)).max() < 1e-12


def test_a_finite_difference_is_the_hessians_product():
    places = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.1]]) * 0.4
    ground = surfaces.ground_of(surfaces.lennard_jones, places)
    point = ground.landscape.point(places.ravel())
    direction = ground.without_rigid(np.random.default_rng(0).normal(size=12))
    hessian = surfaces.numeric_hessian(ground, point.place)
    exact = ground.metric.gradient(hessian @ ground.metric.step_of(direction))
    found = ground.curvature_along(point, direction)
    assert np.linalg.norm(found - exact) < 0.05 * np.linalg.norm(
        exact
    )  # a step of 5e-3, on one side
    assert isinstance(ground, Ground)


def test_the_nearest_known_saddle_is_told_without_drift():
    random = np.random.default_rng(0)
    known = random.normal(size=(3, 4, 3))
    found = KnownSaddles(known).nearest(known[1] + [0.3, 0, 0], anchored=False)
    assert found == (1, pytest.approx(0.0, abs=1e-12))
    index, distance = KnownSaddles(known).nearest(known[1] + [0.3, 0, 0], anchored=True)
    assert (index, distance) == (1, pytest.approx(0.3))
    assert KnownSaddles(np.zeros((0, 4, 3))).nearest(known[0], anchored=True) == (-1, np.inf)
