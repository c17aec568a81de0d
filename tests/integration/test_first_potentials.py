"""The first potentials of the demonstrations (`bench/campaign.py`) are of their elements: what EMT says, they say."""

import importlib.util

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.learning.errors import errors_on
from mlip_kmc.potential import AcePotential

from .conftest import EXAMPLE


@pytest.fixture(scope="module")
def recipe():
    path = EXAMPLE.parent / "cu-campaign" / "make_campaign.py"
    spec = importlib.util.spec_from_file_location("campaign_recipe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crystals(recipe, elements, *, a):
    """Eight atoms of these elements in any order, strained and rattled."""
    rng = np.random.default_rng(4)
    for number in range(40):
        atoms = bulk("Cu", "fcc", a=a * rng.uniform(0.97, 1.03), cubic=True).repeat((2, 1, 1))
        atoms.symbols[:] = rng.choice(elements, size=len(atoms))
        atoms.positions += rng.normal(0.0, 0.08, atoms.positions.shape)
        yield recipe.labelled(f"crystal-{number}", atoms)


@pytest.mark.parametrize(
    ("elements", "a", "scale"), [(("Cu", "Ni"), 3.55, 1.0), (("Ag",), 4.06, 1.13)]
)
def test_a_first_potential_predicts_what_it_was_not_fitted_to(recipe, tmp_path, elements, a, scale):
    """Coefficients of two elements in another order than functions gave errors of 5000 eV/A."""
    known = list(crystals(recipe, elements, a=a))
    recipe.fit(tmp_path, "first", known[:-5], elements=elements, scale=scale)
    errors = errors_on(AcePotential.read(tmp_path / "first.yace"), known[-5:])
    print(elements, errors)
    assert errors.energy_rmse_eV_per_atom < 0.005
    assert errors.force_rmse_eV_per_A < 0.1
