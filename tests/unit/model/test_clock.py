"""The simulated time: exact sums, and steps that have no time."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mlip_kmc.model.clock import Clock, NoStepError, StepFault
from mlip_kmc.model.kinetics import draw_step, draw_time, mean_time


def exactly(clock):
    return Fraction(clock.time_s) + Fraction(clock.rest_s)


def test_picoseconds_after_hours_are_counted():
    clock = Clock().after(3.6e4)
    for _ in range(1000):
        clock = clock.after(1e-12)
    exact = Fraction(3.6e4) + 1000 * Fraction(1e-12)
    assert abs(exactly(clock) - exact) <= exact * 1000 * Fraction(1, 2**104)
    assert 3.6e4 + 1e-12 == 3.6e4, "a plain sum loses every one of them"
    assert clock.time_s == 3.6e4 + 1e-9


def test_a_sum_of_steps_of_all_lengths_is_exact_to_its_last_digits():
    rng = np.random.default_rng(5)
    clock, exact = Clock(), Fraction(0)
    for step in 10.0 ** rng.uniform(-14, 6, size=5000):
        clock, exact = clock.after(float(step)), exact + Fraction(float(step))
        assert clock.time_s == float(exact)
    assert abs(exactly(clock) - exact) <= exact * 5000 * Fraction(1, 2**104)


@pytest.mark.parametrize(("clock", "step_s", "fault"), [
    (Clock(1.0), math.inf, StepFault.TOO_SLOW), (Clock(1.0), math.nan, StepFault.TOO_SLOW),
    (Clock(1.7e308), 1.7e308, StepFault.TOO_SLOW),
    (Clock(1.0), 0.0, StepFault.TOO_FAST), (Clock(1.0), -1.0, StepFault.TOO_FAST),
    (Clock(1.0, 1e-17), 1e-300, StepFault.TOO_FAST),
])  # fmt: skip
def test_a_step_that_has_no_time_is_refused(clock, step_s, fault):
    with pytest.raises(NoStepError) as caught:
        clock.after(step_s)
    assert caught.value.fault is fault
    assert f"{step_s:.6g} s at a simulated time of {clock.time_s:.6g} s" in str(caught.value)


def test_nothing_goes_on_from_a_time_that_is_not_finite():
    """As an earlier version may have written it."""
    for time_s in (math.inf, math.nan):
        with pytest.raises(NoStepError) as caught:
            Clock(time_s).after(1.0)
        assert caught.value.fault is StepFault.STANDS


@pytest.mark.parametrize(("rates", "fault"), [
    ([1e-310], StepFault.TOO_SLOW), ([5e-324, 0.0], StepFault.TOO_SLOW), ([0.0], StepFault.TOO_SLOW), ([], StepFault.TOO_SLOW),
    ([1e308, 1e308], StepFault.TOO_FAST),
    ([-1.0, 2.0], StepFault.RATES), ([math.nan], StepFault.RATES), ([math.inf, 1.0], StepFault.RATES),
])  # fmt: skip
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_rates_without_a_residence_time_are_refused(rates, fault):
    with pytest.raises(NoStepError) as caught:
        draw_step(rates, np.random.default_rng(0))
    assert caught.value.fault is fault


def test_a_time_that_is_drawn_is_never_zero():
    class Zero:
        def random(self):
            return 0.0

    assert draw_time(1.0, Zero()) == 2.0**-54
    assert mean_time(2.0) == 0.5
