"""Where a potential has a hole, on potentials whose holes are known."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes

from mlip_kmc.evaluate.repulsion import NEAREST_A, nearest_pairs, repulsive_down_to


class OfDistance(Calculator):
    """The energy of two atoms as a function of their distance."""

    implemented_properties = ("energy", "forces")

    def __init__(self, energy):
        super().__init__()
        self.of = energy

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": float(self.of(self.atoms.get_distance(0, 1))),
            "forces": np.zeros((2, 3)),
        }


def well(distance):
    return (2.5 / distance) ** 12 - 2.0 * (2.5 / distance) ** 6


@pytest.mark.parametrize(
    ("energy", "begins_A"),
    [
        (well, NEAREST_A),
        (lambda r: well(r) if r > 1.8 else well(1.8) - 5.0 * (1.8 - r), 1.8),
        (lambda r: well(r) if r > 1.5 else float("nan"), 1.5),
        (
            lambda r: -1.0 / r,
            2.05,
        ),  # nothing but a hole: it falls from the first step on that is looked at
    ],
)
def test_a_hole_is_found_where_it_begins(energy, begins_A):
    atoms = Atoms("Cu2", positions=[(0, 0, 0), (2.7, 0, 0)])
    assert repulsive_down_to(atoms, (0, 1), OfDistance(energy)) == pytest.approx(begins_A, abs=0.06)


def test_the_nearest_pair_of_each_kind():
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * 2
    atoms.symbols[5] = "Ni"
    atoms.positions[7] += (0.2, 0.1, 0.0)
    pairs = nearest_pairs(atoms, limit_A=5.0)
    assert list(pairs) == ["Cu-Cu", "Cu-Ni"]
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    assert distances[pairs["Cu-Cu"]] == pytest.approx(
        np.delete(np.delete(distances, 5, 0), 5, 1).min()
    )
    assert 5 in pairs["Cu-Ni"]
    assert nearest_pairs(Atoms("Cu"), limit_A=5.0) == {}
