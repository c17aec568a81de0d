"""Climbs and minimisations on landscapes whose saddles are known."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.optimize import minimize

from mlip_kmc.search.native.climb import Climb, Limits
from mlip_kmc.search.native.connect import Connection
from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.identify import (
    EARLY_STOP_A,
    Identification,
    KnownSaddles,
    State,
)
from mlip_kmc.search.native.minimise import MinimiseEnd, minimise
from mlip_kmc.search.outcome import Termination

from . import surfaces

LIMITS = Limits(force_eV_per_A=1e-4, start_energy_eV=1.2, max_energy_eV=20.0, steps=200)


def climb(ground, minimum, moved, limits=LIMITS, **more):
    reactant = ground.landscape.point(minimum)
    stiffness = ground.stiffness(reactant)
    found = Climb(ground, limits, reactant, stiffness, **more).go(minimum + moved, direction=moved)
    return found, reactant


def relaxed(ground, place, force=1e-5):
    point = ground.landscape.point(place)
    model = HessianModel.empty(len(place), curvature=ground.stiffness(point))
    found = minimise(ground, point, model=model, force_eV_per_A=force, steps=500)
    assert found.end is MinimiseEnd.CONVERGED
    return found.point


@pytest.mark.parametrize("count", [2, 7])
def test_mueller_browns_saddle_is_found_and_connects_its_minima(count):
    start = surfaces.well(count)
    start[0, :2] = surfaces.MB_MINIMUM
    ground = surfaces.ground_of(surfaces.mueller_brown, start, free=range(count - 1))
    minimum = relaxed(ground, ground.landscape.place_of(start))
    assert minimum.energy_eV == pytest.approx(surfaces.MB_MINIMUM_EV, abs=1e-5)
    moved = np.zeros(len(minimum.place))
    moved[:2] = 0.85 * (surfaces.MB_SADDLE - surfaces.MB_MINIMUM)
    found, reactant = climb(ground, minimum.place, moved)
    assert found.termination is Termination.GOOD
    assert found.point.place[:2] == pytest.approx(surfaces.MB_SADDLE, abs=2e-3)
    assert found.point.energy_eV == pytest.approx(surfaces.MB_SADDLE_EV, abs=1e-5)
    assert found.curvature < 0
    state = State(ground.landscape, reactant, distance_A=0.1, energy_eV=0.01)
    connected = Connection(ground, state, force_eV_per_A=1e-5, steps=500).of(found)
    assert connected.termination is Termination.GOOD
    assert connected.reactant is reactant
    assert connected.product.place[:2] == pytest.approx(surfaces.MB_OTHER, abs=2e-3)


def quadratic(count, seed):
    """A landscape of `count` atoms with one negative mode at the well; and that mode, in the metric of its springs."""
    random, size = np.random.default_rng(seed), 3 * count
    vectors = np.linalg.qr(random.normal(size=(size, size)))[0]
    values = np.concatenate([[-0.8], random.uniform(0.5, 9.0, size - 1)])
    matrix = vectors @ np.diag(values) @ vectors.T
    home = surfaces.well(count + 1)

    def forces(positions):
        place = (positions - home)[:-1].ravel()
        pulled = np.zeros_like(positions)
        pulled[:-1] = -(matrix @ place).reshape(-1, 3)
        return 0.5 * float(place @ matrix @ place), pulled

    ground = surfaces.ground_of(forces, home, free=range(count))
    stiffness = ground.metric.factor @ ground.metric.factor.T
    return ground, eigh(matrix, stiffness)[1][:, 0]


@pytest.mark.parametrize("seed", range(5))
def test_a_quadratic_landscapes_saddle_and_its_mode_are_found(seed):
    ground, mode = quadratic(4, seed)
    home = ground.landscape.place_of(surfaces.well(5))
    moved = np.random.default_rng(seed).normal(size=12)
    found, _ = climb(ground, home, moved, Limits(1e-6, 100.0, 1e3, 200))
    assert found.termination is Termination.GOOD
    assert np.abs(found.point.place - home).max() < 1e-5
    overlap = abs(found.mode @ mode) / np.linalg.norm(found.mode) / np.linalg.norm(mode)
    assert overlap == pytest.approx(1.0, abs=5e-3)
    assert ground.landscape.calls < 80


RHOMBUS = np.array([[0.0, 0.56, 0.0], [0.0, -0.56, 0.0], [0.95, 0.0, 0.0], [-0.95, 0.0, 0.0]])


def test_four_lennard_jones_atoms_turn_inside_out_by_way_of_a_rhombus():
    def energy(sides):
        scale = np.array([1.0, sides[1], 1.0]) * RHOMBUS
        scale[:, 0] *= sides[0]
        return surfaces.lennard_jones(scale)[0]

    rhombus = minimize(energy, [1.0, 1.0], tol=1e-12).fun
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.397
    ground = surfaces.ground_of(surfaces.lennard_jones, tetrahedron, turns=True)
    minimum = relaxed(ground, tetrahedron.ravel())
    assert minimum.energy_eV == pytest.approx(-6.0, abs=1e-8)
    moved = tetrahedron * [-0.7, 0.0, 0.0]  # flat, and one of two opposite edges longer
    moved[2:] += tetrahedron[2:] * [0.0, 0.4, 0.4]
    found, reactant = climb(ground, minimum.place, moved.ravel())
    assert found.termination is Termination.GOOD
    assert found.point.energy_eV == pytest.approx(rhombus, abs=1e-6)
    values = np.linalg.eigvalsh(surfaces.numeric_hessian(ground, found.point.place))
    assert (values < -1e-2).sum() == 1
    assert (np.abs(values) < 1e-2).sum() == 6
    state = State(ground.landscape, reactant, distance_A=0.1, energy_eV=0.01)
    connected = Connection(ground, state, force_eV_per_A=1e-5, steps=500).of(found)
    assert connected.product is None or connected.product.energy_eV == pytest.approx(-6.0, abs=1e-6)


def test_a_start_far_above_the_state_is_relaxed_before_it_climbs():
    start = surfaces.well(3)
    start[0, :2] = surfaces.MB_MINIMUM
    ground = surfaces.ground_of(surfaces.mueller_brown, start, free=range(2))
    minimum = relaxed(ground, ground.landscape.place_of(start))
    moved = np.zeros(6)
    moved[3:] = 0.6  # the other atom, in its well: 10.8 eV, and nothing that a saddle has
    moved[:2] = 0.85 * (surfaces.MB_SADDLE - surfaces.MB_MINIMUM)
    found, _ = climb(ground, minimum.place, moved)
    assert found.termination is Termination.GOOD
    assert found.point.place[3:] == pytest.approx(minimum.place[3:], abs=1e-3)


def test_limits_end_a_climb_typed():
    start = surfaces.well(3)
    start[0, :2] = surfaces.MB_MINIMUM
    ground = surfaces.ground_of(surfaces.mueller_brown, start, free=range(2))
    minimum = relaxed(ground, ground.landscape.place_of(start))
    moved = np.array([-0.3, -0.9, 0, 0, 0, 0])
    few, _ = climb(ground, minimum.place, moved, Limits(1e-4, 0.5, 20.0, 2))
    assert few.termination is Termination.TOTAL_ITERATIONS
    assert few.steps == 2
    low, _ = climb(ground, minimum.place, moved, Limits(1e-4, 0.5, 0.3, 200))
    assert low.termination is Termination.HIGH_ENERGY


def test_a_minimum_that_is_recognised_ends_its_minimisation_there():
    start = surfaces.well(3)
    start[0, :2] = surfaces.MB_MINIMUM
    ground = surfaces.ground_of(surfaces.mueller_brown, start, free=range(2))
    minimum = relaxed(ground, ground.landscape.place_of(start))
    state = State(ground.landscape, minimum, distance_A=0.1, energy_eV=0.01)

    def down(recognised):
        point = ground.landscape.point(minimum.place + np.array([0.2, -0.2, 0, 0.3, 0, 0]))
        model = HessianModel.empty(6, curvature=1.0)
        return minimise(
            ground, point, model=model, force_eV_per_A=1e-6, steps=500, recognised=recognised
        )

    told, whole = down(state.is_reached_from), down(lambda _: False)
    assert told.end is MinimiseEnd.RECOGNISED
    assert whole.end is MinimiseEnd.CONVERGED
    assert told.steps < whole.steps
    assert state.is_same(told.point)
    assert state.is_same(whole.point)
    away = ground.landscape.point(minimum.place + np.array([0.3, 0, 0, 0, 0, 0]))
    assert not state.is_reached_from(away)


def told(known, **what):
    """A climb on Mueller and Brown's surface that is told of a saddle; with what it was told to be on its way to."""
    found, identify = identified(known, **what)
    return found, identify.known


def identified(known, **what):
    """Such a climb, and what told it."""
    start = surfaces.well(3)
    start[0, :2] = surfaces.MB_MINIMUM
    ground = surfaces.ground_of(surfaces.mueller_brown, start, free=range(2))
    minimum = relaxed(ground, ground.landscape.place_of(start))
    saddle = start.copy()
    saddle[0, :2] = known
    identify = Identification(ground.landscape, minimum, saddles=KnownSaddles(saddle[None]), **what)
    moved = np.zeros(6)
    moved[:2] = 0.75 * (surfaces.MB_SADDLE - surfaces.MB_MINIMUM)
    found, _ = climb(ground, minimum.place, moved, ends=identify)
    good = found.termination is Termination.GOOD
    identify.audit(found.point if good else None, same_A=0.1)
    return found, identify


def test_a_climb_ends_near_a_known_saddle_and_an_audit_confirms_it():
    stopped, known = told(surfaces.MB_SADDLE)
    assert stopped.termination is Termination.KNOWN_SADDLE
    assert (known.index, known.audited, known.confirmed) == (0, False, None)
    assert known.distance_A < EARLY_STOP_A
    assert stopped.curvature < 0
    audited, also = told(surfaces.MB_SADDLE, audited=True)
    assert audited.termination is Termination.GOOD
    assert audited.steps > stopped.steps
    assert (also.index, also.distance_A) == (known.index, known.distance_A)
    assert also.confirmed is True


def test_an_audit_finds_out_a_saddle_that_is_near_and_another():
    fooled, known = told(surfaces.MB_SADDLE + np.array([0.3, 0.0]))
    assert fooled.termination is Termination.KNOWN_SADDLE
    assert known.confirmed is None
    audited, found_out = told(surfaces.MB_SADDLE + np.array([0.3, 0.0]), audited=True)
    assert audited.termination is Termination.GOOD
    assert found_out.confirmed is False


def test_a_climb_ends_when_its_saddle_is_surely_out_of_the_window():
    height = surfaces.MB_SADDLE_EV - surfaces.MB_MINIMUM_EV
    far = surfaces.MB_SADDLE + np.array([5.0, 5.0])
    ended, known = told(far, window_eV=0.8 * height)
    assert ended.termination is Termination.OUT_OF_WINDOW
    assert known is None
    inside, _ = told(far, window_eV=1.1 * height)
    assert inside.termination is Termination.GOOD


def test_an_audit_of_the_window_goes_on_to_its_end():
    height = surfaces.MB_SADDLE_EV - surfaces.MB_MINIMUM_EV
    far = surfaces.MB_SADDLE + np.array([5.0, 5.0])
    stopped, _ = told(far, window_eV=0.8 * height)
    climbed, identify = identified(far, window_eV=0.8 * height, window_audited=True)
    assert climbed.termination is Termination.GOOD
    assert climbed.steps > stopped.steps
    assert (identify.beyond.audited, identify.beyond.confirmed) == (True, True)
    identify.window_eV = 1.1 * height  # had it been so high, it would have been wrong
    identify.audit(climbed.point, same_A=0.1)
    assert identify.beyond.confirmed is False
