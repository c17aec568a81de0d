"""Central differences of the energy against forces, in exact arithmetic."""

import math

import numpy as np
import pytest

from mlip_kmc.evaluate.gradient import gradient_deviation


def test_a_gradient_is_told_from_another_force():
    direction = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    forces = np.array([[3.0, 5.0, 5.0], [5.0, -1.0, 5.0]])  # along the direction: 3 - 2 = 1
    right = gradient_deviation(forces, direction, ahead_eV=-0.01, behind_eV=0.01, step_A=0.01)
    assert right == pytest.approx(0.0, abs=1e-12)
    wrong = gradient_deviation(forces, direction, ahead_eV=0.01, behind_eV=-0.01, step_A=0.01)
    assert abs(wrong) == pytest.approx(2 / math.sqrt(5))
