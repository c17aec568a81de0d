"""The egg-box: its energies and forces, wells and saddles."""

import numpy as np
import pytest
from ase import Atoms

from mlip_kmc.evaluate.egg_box import EggBox

PAIRED = {"barrier_a_eV": 0.3, "barrier_b_eV": 0.36, "a_A": 2.4, "b_A": 3.1, "gamma_deg": 70.0, "pairing": 0.4}  # fmt: skip


def evaluated(places, **keywords):
    atoms = Atoms(f"Cu{len(places)}", places, cell=[20, 20, 20], pbc=True)
    atoms.calc = EggBox(**keywords)
    return atoms.get_potential_energy(), atoms.get_forces()


def test_forces_are_minus_the_slope_of_the_energy():
    places = np.random.default_rng(1).uniform(0, 6, (3, 3))
    _, forces = evaluated(places, **PAIRED)
    for index in np.ndindex(places.shape):
        ends = []
        for sign in (1, -1):
            moved = places.copy()
            moved[index] += sign * 1e-5
            ends.append(evaluated(moved, **PAIRED)[0])
        assert forces[index] == pytest.approx((ends[1] - ends[0]) / 2e-5, abs=1e-8)


def test_barriers_are_exact_and_the_form_without_pairs_is_that_of_cosines():
    plain = {"barrier_a_eV": 0.3, "barrier_b_eV": 0.36, "a_A": 2.5, "b_A": 2.5, "height_A": 5.0}
    for place, energy in (((0, 0, 5), 0.0), ((1.25, 0, 5), 0.30), ((0, 1.25, 5), 0.36), ((2.5, 2.5, 5), 0.0)):  # fmt: skip
        found, forces = evaluated([place], **plain)
        assert found == pytest.approx(energy, abs=1e-12)
        assert np.abs(forces).max() < 1e-12
    x, y, z = 0.7, -0.4, 5.3
    cosines = 0.15 * (1 - np.cos(2 * np.pi * x / 2.5)) + 0.18 * (1 - np.cos(2 * np.pi * y / 2.5))
    assert evaluated([(x, y, z)], **plain)[0] == pytest.approx(cosines + 0.3**2)


def test_pairs_have_two_barriers_in_turn():
    q, a1 = PAIRED["pairing"], np.array([2.4, 0, 0])
    wells = [np.arcsin(q) / np.pi, 1 - np.arcsin(q) / np.pi]
    for u in wells:
        energy, forces = evaluated([u * a1 + [0, 0, 5]], **PAIRED)
        assert energy == pytest.approx(0, abs=1e-12)
        assert np.abs(forces).max() < 1e-12
    inside, between = (evaluated([u * a1 + [0, 0, 5]], **PAIRED)[0] for u in (0.5, 1.5))
    assert (inside, between) == pytest.approx((0.3 * (1 - q) ** 2, 0.3 * (1 + q) ** 2))


@pytest.mark.parametrize("wrong", [
    {"barrier_a_eV": 0.0}, {"barrier_b_eV": float("nan")}, {"a_A": -1.0}, {"spring_eV_per_A2": float("inf")},
    {"gamma_deg": 180.0}, {"pairing": 1.0}, {"pairing": -0.1}, {"height_A": float("nan")},
])  # fmt: skip
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=r"egg-box|pairing"):
        EggBox(**{**PAIRED, **wrong})
