"""eOn's built-in potentials: which elements and cells they evaluate as they should."""

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.config import StructureSection
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.potential import BuiltinPotential
from mlip_kmc.potential.builtin import _USABLE
from mlip_kmc.potential.fit import fitted

ELEMENTS = {
    "eam_al": ("Al",),
    "edip": ("Si",),
    "emt": ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Mg", "H"),
    "fehe": ("Fe", "He"),
    "lenosky_Si": ("Si",),
    "lj": None,
    "ljcluster": None,
    "morse_pt": ("Pt",),
    "sw_si": ("Si",),
    "tersoff_si": ("Si",),
}
OBLIQUE = ("eam_al", "edip", "emt", "fehe", "lenosky_Si", "ljcluster", "sw_si", "tersoff_si")
"""They look for neighbours in any cell."""


def section(tmp_path):
    (tmp_path / "a.xyz").write_text("")
    return StructureSection(file=tmp_path / "a.xyz")


def fit(atoms, name, tmp_path):
    return fitted(atoms, BuiltinPotential.named(name), section(tmp_path))


def crystal(symbol, *, oblique=False, repeat=14):
    return (
        bulk(symbol, "fcc", a=4.0).repeat(repeat)
        if oblique
        else bulk(symbol, "fcc", a=4.0, cubic=True).repeat(8)
    )


def test_the_table_is_of_all_of_them():
    assert {name: BuiltinPotential.named(name).elements for name in _USABLE} == ELEMENTS


@pytest.mark.parametrize("name", ["eam_al", "emt", "morse_pt", "sw_si", "fehe"])
@pytest.mark.parametrize("symbol", ["W", "X"])
def test_other_elements_are_refused(tmp_path, name, symbol):
    with pytest.raises(StructureError, match=r"does not know W \(it knows |no known element \(X\)"):
        fit(crystal(symbol), name, tmp_path)


@pytest.mark.parametrize("symbol", ["Cu", "H"])
def test_aluminium_s_potential_evaluates_no_copper(tmp_path, symbol):
    with pytest.raises(StructureError, match=rf"does not know {symbol} \(it knows Al\)"):
        fit(crystal(symbol), "eam_al", tmp_path)


@pytest.mark.parametrize("name", sorted(ELEMENTS))
def test_oblique_cells_are_refused_where_they_are_not_seen(tmp_path, name):
    symbol = (ELEMENTS[name] or ("Ar",))[0]
    assert len(fit(crystal(symbol), name, tmp_path).atoms) == 2048
    oblique = crystal(symbol, oblique=True)
    if name in OBLIQUE:
        assert len(fit(oblique, name, tmp_path).atoms) == len(oblique)
    else:
        with pytest.raises(
            StructureError,
            match=rf"a.xyz: eOn's built-in {name} knows only .* right angles, .* by 19.8 A",
        ):
            fit(oblique, name, tmp_path)


def test_a_turned_box_has_right_angles(tmp_path):
    atoms = crystal("Cu")
    atoms.rotate(33, (1, 2, 3), rotate_cell=True)
    assert np.abs(np.tril(fit(atoms, "lj", tmp_path).atoms.cell.array, -1)).max() < 1e-9


@pytest.mark.parametrize(
    ("symbol", "width_A"), [("Cu", 10.966), ("Al", 12.321), ("Mg", 13.71), ("H", 4.112)]
)
def test_effective_medium_theory_needs_cells_as_wide_as_its_neighbour_list(
    tmp_path, symbol, width_A
):
    """Widths at which eOn's client was seen to begin to evaluate."""
    assert fit(bulk(symbol, "fcc", a=(width_A + 0.01) / 2, cubic=True).repeat(2), "emt", tmp_path)
    with pytest.raises(
        StructureError, match=r"A wide, and eOn's built-in emt ends with an error below "
    ) as caught:
        fit(bulk(symbol, "fcc", a=(width_A - 0.01) / 2, cubic=True).repeat(2), "emt", tmp_path)
    assert float(str(caught.value).split("below ")[1].split()[0]) == pytest.approx(
        width_A, abs=0.005
    )


def test_minimum_images_need_cells_of_two_cutoffs(tmp_path):
    with pytest.raises(
        StructureError, match=r"18.000 A wide, less than twice the potential's cutoff of 9.500 A"
    ):
        fit(bulk("Pt", a=4.5, cubic=True).repeat(4), "morse_pt", tmp_path)
