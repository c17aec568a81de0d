"""Constants: the digits of CODATA 2018, and no second source of them anywhere."""

import math
import re
from pathlib import Path

import pytest
from ase.units import create_units

from mlip_kmc.ground import constants

PACKAGE = Path(__file__).parents[3] / "src" / "mlip_kmc"
DIGITS = re.compile(
    r"\b(?:160\.21|1\.60217|8\.6173|1\.38064|6\.02214|1\.66053|0\.52917|27\.2113|11604\.)\d+(?:e-?\d+)?\b"
)


def test_they_are_those_of_codata_2018():
    ase = create_units("2018")
    assert constants.GPA_PER_EV_A3 == 160.2176634, "exact, since the elementary charge is"
    assert math.isclose(
        constants.GPA_PER_EV_A3, constants.ELEMENTARY_CHARGE_C * 1e21, rel_tol=1e-15
    )
    for found, theirs in (
        (constants.GPA_PER_EV_A3, 1 / ase.GPa),
        (constants.ATOMIC_MASS_KG, ase._amu),
        (constants.BOHR_A, ase.Bohr),
        (constants.HARTREE_EV, ase.Hartree),
        (constants.EV_PER_KCAL_PER_MOL, ase.kcal / ase.mol),
        (constants.EV_PER_KJ_PER_MOL, ase.kJ / ase.mol),
    ):
        assert found == pytest.approx(theirs, rel=1e-9)
    assert 1 / ase.kB == pytest.approx(11604.518, abs=1e-3)
    assert pytest.approx(1 / ase.kB, rel=2e-6) == constants.EON_KELVIN_PER_EV


def test_nothing_else_in_the_package_writes_one_out_or_takes_ases():
    for path in PACKAGE.rglob("*.py"):
        code = "\n".join(
            line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()
        )
        if path.name != "constants.py":
            code = re.sub(r'""".*?"""', "", code, flags=re.DOTALL)
            assert not DIGITS.search(code), path
        assert not re.search(
            r"^\s*(?:from ase\.units|from ase import .*\bunits\b|import ase\.units)",
            code,
            re.MULTILINE,
        ), path
