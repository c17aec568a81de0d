"""What an ASE calculator answers in this process follows from the structure alone, not from what it evaluated before."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from mlip_kmc.evaluate.calculator import Equipped, PythonAce, evaluated
from mlip_kmc.evaluate.egg_box import EggBox

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "cu-vacancy"

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


@pytest.mark.parametrize("name", ["cu.yace", "cu.yaml"])
def test_python_ace_is_its_own_calculator_to_the_last_digit(name):
    from pyace import PyACECalculator

    atoms = read(EXAMPLE / "vacancy.xyz")
    atoms.rattle(0.1, seed=2)
    atoms.set_cell(atoms.cell @ [[1, 0, 0], [0.02, 1.01, 0], [0, -0.01, 0.99]], scale_atoms=True)
    free = Atoms("Cu4", [[0, 0, 0], [2.4, 0.1, 0], [0, 2.5, 0.3], [1.2, 1.3, 2.2]])
    for structure in (atoms, free):
        ours, theirs = PythonAce(EXAMPLE / name), PyACECalculator(str(EXAMPLE / name))
        ours.calculate(structure)
        theirs.calculate(structure)
        assert ours.results.keys() == theirs.results.keys() - {"gamma"}
        for key, found in ours.results.items():
            np.testing.assert_array_equal(found, theirs.results[key], err_msg=key)


def test_python_ace_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="the potential knows no Al, Pt"):
        PythonAce(EXAMPLE / "cu.yace").calculate(Atoms("CuPtAl", np.eye(3) * 3))
    halfway = Atoms("Cu2", [[0, 0, 0], [2.4, 0, 0]], cell=[9, 9, 9], pbc=[True, True, False])
    with pytest.raises(ValueError, match="periodic along all vectors, or along none"):
        PythonAce(EXAMPLE / "cu.yace").calculate(halfway)
