"""What an ASE calculator answers in this process follows from the structure alone, not from what it evaluated before."""

import numpy as np
import pytest
from ase import Atoms

from mlip_kmc.evaluate.calculator import Equipped, evaluated
from mlip_kmc.evaluate.egg_box import EggBox

PLACE = np.array([0.31, 0.17, 4.9])
BESIDE = PLACE + np.array([4e-16, 2e-16, 0.0])
"""Nearer than ASE tells two structures apart, which is several last digits near zero."""


def egg_box():
    return EggBox(barrier_a_eV=0.30, barrier_b_eV=0.31)


def at(place):
    return Atoms("Cu", positions=[place], cell=[25.0, 7.5, 12.0], pbc=True)


@pytest.mark.parametrize("made", [egg_box, lambda: Equipped(egg_box(), carried={})])
def test_a_structure_that_is_next_to_the_last_one_is_evaluated(made):
    assert (BESIDE != PLACE).any()
    calculator = made()
    _, before = evaluated(at(PLACE), calculator)
    _, again = evaluated(at(BESIDE), calculator)
    _, fresh = evaluated(at(BESIDE), made())
    assert again.tolist() == fresh.tolist()
    assert again.tolist() != before.tolist()
