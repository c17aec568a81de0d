"""Structures from files of other programs: every distance, element and fixed atom as the file means it, or a refusal."""

import itertools

import ase.io
import numpy as np
import pytest
import readcon
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms, FixCartesian, FixedPlane, FixScaled
from ase.geometry import get_distances
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure import (
    element_of,
    fixed_atoms,
    from_con,
    prepare,
    read_structure,
    text_of,
    to_con,
    unused_in,
)

ROOT_2 = 2**0.5


def copper(repeat=2):
    """Rattled, so that no two distances are equal by symmetry."""
    atoms = bulk("Cu", a=3.6, cubic=True).repeat(repeat)
    atoms.rattle(0.05, seed=3)
    return atoms


def distances(atoms):
    """(N, N) shortest distances over all images."""
    return get_distances(atoms.positions, cell=atoms.cell.array, pbc=True)[1]


def refusal(path, **arguments):
    """The one line that reading, or preparing what was read, ends with."""
    with pytest.raises(StructureError) as caught:
        prepare(read_structure(path, **arguments), elements=None, cutoff_A=None)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    return message


def written(path, text):
    path.write_text(text)
    return path


# --- .con


@pytest.mark.parametrize("degrees", [0.0, 0.5, 1.0, 2.0, 5.0, 30.0, 45.0, 60.0, 90.0])
@pytest.mark.parametrize("axis", ["z", (1, 2, 3)])
def test_a_turned_cell_of_a_con_keeps_every_distance(tmp_path, degrees, axis):
    """As eOn's own converter writes it: the vectors are in the JSON line; lengths and angles tell nothing of the turn."""
    atoms = copper()
    wanted = distances(atoms)
    atoms.rotate(degrees, axis, rotate_cell=True)
    path = written(
        tmp_path / "turned.con", readcon.write_con_string([readcon.ConFrame.from_ase(atoms)])
    )
    found = read_structure(path)
    assert_allclose(found.cell.array, atoms.cell.array, rtol=0, atol=1e-12)
    assert_allclose(distances(found), wanted, rtol=0, atol=1e-9)
    prepared = prepare(found, elements=("Cu",), cutoff_A=None).atoms
    assert_allclose(distances(prepared), wanted, rtol=0, atol=1e-9)
    assert_allclose(distances(from_con(to_con(prepared))), wanted, rtol=0, atol=1e-9)


def test_a_turned_tilted_cell_of_a_con_keeps_every_distance(tmp_path):
    atoms = copper()
    atoms.set_cell([[7.2, 0, 0], [1.1, 7.0, 0], [-0.7, 2.0, 6.9]], scale_atoms=True)
    wanted = distances(atoms)
    turn = Rotation.from_rotvec([0.3, -1.2, 0.8]).as_matrix()
    atoms.set_cell(atoms.cell.array @ turn)
    atoms.positions = atoms.positions @ turn
    found = read_structure(
        written(tmp_path / "a.con", readcon.write_con_string([readcon.ConFrame.from_ase(atoms)]))
    )
    assert_allclose(distances(found), wanted, rtol=0, atol=1e-9)


def test_a_direction_without_period_in_a_con_is_treated_as_in_an_xyz(tmp_path):
    atoms = copper(3)
    atoms.pbc = (True, True, False)
    con = written(
        tmp_path / "slab.con", readcon.write_con_string([readcon.ConFrame.from_ase(atoms)])
    )
    ase.io.write(tmp_path / "slab.xyz", atoms)
    told = {refusal(path).removeprefix(f"{path}: ") for path in (con, tmp_path / "slab.xyz")}
    assert len(told) == 1
    assert "periodic along [True, True, False]" in told.pop()


def test_lengths_of_a_con_in_other_units_are_refused(tmp_path):
    text = to_con(copper()).replace('"length":"angstrom"', '"length":"bohr"')
    assert "bohr" in text
    assert "'bohr'; give them in A" in refusal(written(tmp_path / "a.con", text))


@given(
    st.lists(st.tuples(*[st.floats(-50, 50, allow_subnormal=False)] * 3), min_size=1, max_size=5)
)
@settings(deadline=None)
def test_a_con_keeps_every_bit(places):
    atoms = Atoms(
        f"Cu{len(places)}",
        positions=places,
        cell=[[7.1, 0, 0], [0.3, 9.0, 0], [0.1, 0.2, 8.3]],
        pbc=True,
    )
    assert_array_equal(from_con(to_con(atoms)).positions, atoms.positions)


def test_a_con_keeps_small_coordinates():
    atoms = Atoms(
        "Cu2",
        positions=[[1.2345678901234567e-9, 0, 0], [2.5, 1 / 3, 1e-20]],
        cell=[9, 9, 9],
        pbc=True,
    )
    assert_array_equal(from_con(to_con(atoms)).positions, atoms.positions)
    assert (from_con(to_con(atoms, decimals=17)).positions != atoms.positions).any(), (
        "so many decimals lose bits"
    )


@pytest.mark.parametrize(
    ("symbol", "words"),
    [("Cu1", "atom 1 (from 0) is 'Cu1', which is no element: write Cu"), ("D", "write H")],
)
def test_a_label_in_a_con_is_named_with_its_atom(tmp_path, symbol, words):
    text = to_con(Atoms("AgCu", positions=[[0, 0, 0], [3, 0, 0]], cell=[6, 6, 6], pbc=True))
    assert words in refusal(written(tmp_path / "a.con", text.replace("\nCu\n", f"\n{symbol}\n")))


# --- names of elements


@pytest.mark.parametrize(("given", "symbol"), [
    ("Cu", "Cu"), ("cu", "Cu"), ("CU", "Cu"), ("cU", "Cu"), ("29", "Cu"), (" 29 ", "Cu"), ("1", "H"), ("118", "Og"), ("CO", "Co"),
])  # fmt: skip
def test_elements_in_any_case_and_by_number(given, symbol):
    assert element_of(given, where="it") == symbol


@pytest.mark.parametrize(
    "given", ["Cu1", "Cu2+", "D", "T", "0", "119", "9" * 30, "29.0", "Qq", "", "type", "-1", "²"]
)
def test_what_is_no_element_is_named_with_the_rule(given):
    with pytest.raises(
        StructureError,
        match=r"^atom 3 is .* which is no element: .*symbol or its atomic number, as Cu or 29",
    ):
        element_of(given, where="atom 3")


XYZ = '{count}\nLattice="20 0 0 0 20 0 0 0 20" Properties={columns} {keys}pbc="T T T"\n{rows}\n'


def xyz(path, rows, *, columns="species:S:1:pos:R:3", keys=""):
    return written(
        path, XYZ.format(count=len(rows), columns=columns, keys=keys, rows="\n".join(rows))
    )


def test_species_of_an_xyz(tmp_path):
    rows = [f"{name} {4 * index} 0 0" for index, name in enumerate(["Cu", "cu", "29", "CU"])]
    assert read_structure(xyz(tmp_path / "a.xyz", rows)).get_chemical_symbols() == ["Cu"] * 4
    for name, words in (
        ("Cu1", "write Cu"),
        ("D", "write H, and 2.014 as the mass"),
        ("Xx", "correct it"),
    ):
        told = refusal(xyz(tmp_path / "a.xyz", [*rows, f"{name} 18 0 0"]))
        assert f"atom 4 (from 0) is '{name}', which is no element: {words}" in told
    assert read_structure(
        xyz(tmp_path / "a.xyz", ["29 0 0 0"], columns="Z:I:1:pos:R:3")
    ).get_chemical_symbols() == ["Cu"]


def test_types_of_lammps_in_an_xyz_are_no_elements(tmp_path):
    path = written(tmp_path / "dump.xyz", "2\nAtoms. Timestep: 100\n1 0 0 0\n2 3 0 0\n")
    assert (
        "types of atoms (1, 2) and no elements; name the elements of types 1, 2, ... in structure.species"
        in refusal(path)
    )
    assert read_structure(path, species=("Cu", "Ni")).get_chemical_symbols() == ["Cu", "Ni"]


# --- fixed atoms


@pytest.mark.parametrize(
    "words", [("T", "F"), ("True", "False"), ("true", "false"), ("TRUE", "FALSE"), ("1", "0")]
)
@pytest.mark.parametrize("kind", ["L", "S", "I"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_move_mask_of_one_or_three_equal_columns(tmp_path, words, kind, count):
    moves = [True, False, False, True]
    rows = [
        f"Cu {4 * index} 0 0 {' '.join([words[not moving]] * count)}"
        for index, moving in enumerate(moves)
    ]
    found = read_structure(
        xyz(tmp_path / "a.xyz", rows, columns=f"species:S:1:pos:R:3:move_mask:{kind}:{count}")
    )
    assert fixed_atoms(found).tolist() == [1, 2]
    assert [type(constraint) for constraint in found.constraints] == [FixAtoms]


def test_a_move_mask_with_partial_rows_is_refused_with_the_atom(tmp_path):
    rows = ["Cu 0 0 0 F F F", "Cu 4 0 0 T T T", "Cu 8 0 0 F F T"]
    told = refusal(xyz(tmp_path / "a.xyz", rows, columns="species:S:1:pos:R:3:move_mask:L:3"))
    assert "atom 2 (from 0) is fixed along some directions only (F F T, where T moves)" in told
    assert "write F F F or T T T for it" in told


@pytest.mark.parametrize(("rows", "columns", "words"), [
    (["Cu 0 0 0 yes"], "L:1", "atom 0 (from 0) has 'yes' in move_mask"),
    (["Cu 0 0 0 T F"], "L:2", "move_mask has 2 columns"),
    (["Cu 0 0 0 F"], "L:1", "all atoms of the structure are fixed"),
])  # fmt: skip
def test_a_move_mask_that_is_none_is_refused(tmp_path, rows, columns, words):
    assert words in refusal(
        xyz(tmp_path / "a.xyz", rows, columns=f"species:S:1:pos:R:3:move_mask:{columns}")
    )


def test_what_ase_writes_of_fixed_atoms_comes_back(tmp_path):
    for constraint, wanted in (
        (FixAtoms([1, 5]), [1, 5]),
        (FixCartesian([1, 5]), [1, 5]),
        (FixScaled([2]), [2]),
        ([FixAtoms([0]), FixCartesian([3])], [0, 3]),
        (FixCartesian([4], mask=(0, 0, 0)), []),
    ):
        atoms = copper()
        atoms.set_constraint(constraint)
        assert fixed_atoms(atoms).tolist() == wanted
        for name in ("a.traj", "a.json", "a.xyz"):
            if name == "a.xyz" and not isinstance(constraint, FixAtoms):
                continue  # ASE's writer does not know them
            ase.io.write(tmp_path / name, atoms)
            assert fixed_atoms(read_structure(tmp_path / name)).tolist() == wanted, (
                constraint,
                name,
            )


def test_constraints_along_some_directions_name_their_atom():
    for constraint in (FixScaled([7], mask=(True, False, True)), FixedPlane([7], (0, 0, 1))):
        atoms = copper()
        atoms.set_constraint(constraint)
        with pytest.raises(StructureError, match=r"atom 7 \(from 0\).*as a whole or not at all"):
            fixed_atoms(atoms)


FREE, FIXED = (
    ("T", "t", ".TRUE.", ".true.", "True", "true", ".T."),
    ("F", "f", ".FALSE.", ".false.", "False", "false", ".F."),
)


def poscar(flags, *, names="Cu\n"):
    rows = "".join(f"0.0 0.0 {index / 8} {words}\n" for index, words in enumerate(flags))
    return f"comment\n1.0\n4 0 0\n0 4 0\n0 0 24\n{names}{len(flags)}\nSelective dynamics\nDirect\n{rows}"


@pytest.mark.parametrize(("free", "fixed"), list(zip(FREE, FIXED, strict=True)))
@pytest.mark.parametrize("name", ["POSCAR", "CONTCAR_1", "slab.vasp", "slab.txt", "slab.dat"])
def test_flags_of_selective_dynamics_follow_vasps_rule(tmp_path, free, fixed, name):
    """The first letter after an optional dot, in either case."""
    flags = [
        f"{fixed} {fixed} {fixed}",
        f"{free} {free} {free}  Cu",
        f" {fixed}\t{fixed}   {fixed} ! held",
    ]
    assert fixed_atoms(read_structure(written(tmp_path / name, poscar(flags)))).tolist() == [0, 2]


@pytest.mark.parametrize(("flags", "words"), [
    (["T T T", "F F T"], "atom 1 (from 0) is fixed along some directions only (F F T"),
    (["T T T", "F"], "atom 1 (from 0; line 11) has 1 of the three flags"),
    (["T T T", ""], "atom 1 (from 0; line 11) has 0 of the three flags"),
    (["T T T", "0 0 0"], "atom 1 (from 0; line 11) has '0' for a flag"),
    (["F F F", ".FALSE. f False"], "all atoms"),
])  # fmt: skip
def test_flags_that_cannot_be_kept_are_refused_with_their_atom(tmp_path, flags, words):
    assert words in refusal(written(tmp_path / "POSCAR", poscar(flags)))


def test_a_poscar_that_names_no_elements_takes_them_from_the_configuration(tmp_path):
    text = poscar(["F F F", "T T T"], names="").replace("\n2\n", "\n1 1\n")
    found = read_structure(written(tmp_path / "POSCAR", text), species=("Cu", "Ni"))
    assert (found.get_chemical_symbols(), fixed_atoms(found).tolist()) == (["Cu", "Ni"], [0])


def test_what_ase_writes_as_poscar_is_read_the_same(tmp_path):
    slab = fcc111("Cu", (2, 2, 3), vacuum=8.0, periodic=True)
    slab.set_constraint(FixAtoms(mask=slab.get_tags() == 3))
    for direct in (True, False):
        ase.io.write(tmp_path / "POSCAR", slab, direct=direct)
        found = read_structure(tmp_path / "POSCAR")
        assert_allclose(found.positions, slab.positions, atol=1e-8)
        assert_array_equal(fixed_atoms(found), fixed_atoms(slab))


# --- what is not used


def test_what_a_file_says_that_is_not_used_is_named(tmp_path):
    columns = "species:S:1:pos:R:3:fixed:I:1:forces:R:3:tag2:I:1"
    rows = ["Cu 0 0 0 1 0.1 0 0 5", "Cu 4 0 0 0 0 0 0 6"]
    unused = unused_in(
        read_structure(
            xyz(tmp_path / "a.xyz", rows, columns=columns, keys="energy=-7.0 config_type=slab ")
        )
    )
    assert set(unused.names) == {"fixed", "forces", "tag2", "energy", "config_type"}
    assert unused.doubtful == ("fixed",)
    assert "name that column move_mask" in str(unused)
    plain = unused_in(read_structure(xyz(tmp_path / "a.xyz", ["Cu 0 0 0"])))
    assert (plain.names, str(plain), bool(plain)) == ((), "", False)


def test_velocities_and_calculated_values_are_named(tmp_path):
    from ase.calculators.singlepoint import SinglePointCalculator

    atoms = copper()
    atoms.set_velocities(np.ones((len(atoms), 3)))
    for name in ("POSCAR", "a.traj", "a.con"):
        if name == "a.con":
            (tmp_path / name).write_text(
                readcon.write_con_string([readcon.ConFrame.from_ase(atoms)])
            )
        else:
            ase.io.write(tmp_path / name, atoms)
        assert set(unused_in(read_structure(tmp_path / name)).names) <= {"velocities", "momenta"}
        assert unused_in(read_structure(tmp_path / name)), name
    atoms.calc = SinglePointCalculator(atoms, energy=1.0)
    ase.io.write(tmp_path / "b.traj", atoms)
    assert "energy" in unused_in(read_structure(tmp_path / "b.traj")).names


# --- occupancies


CIF = """data_cu
_cell_length_a 3.6
_cell_length_b 3.6
_cell_length_c 3.6
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
loop_
  _atom_site_label
  _atom_site_type_symbol
  _atom_site_fract_x
  _atom_site_fract_y
  _atom_site_fract_z
  _atom_site_occupancy
{rows}
"""


@pytest.mark.parametrize(("rows", "words"), [
    ("Cu1 Cu 0 0 0 0.75\nNi1 Ni 0 0 0 0.25", "site Cu1 is occupied to 0.75 only"),
    ("Cu1 Cu 0 0 0 0.9", "site Cu1 is occupied to 0.9 only"),
    ("Cu1 Cu 0 0 0 0.90(2)", "site Cu1 is occupied to 0.9 only"),
    ("Cu1 Cu 0 0 0 1.0\nO1 O 0.49 0.5 0.5 0.5\nO2 O 0.51 0.5 0.5 0.5", "site O1 is occupied to 0.5 only"),
    ("Cu1 Cu 0 0 0 nan", "site Cu1 is occupied to nan only"),
])  # fmt: skip
@pytest.mark.parametrize("name", ["cu.cif", "cu.txt"])
def test_sites_that_are_not_whole_are_refused(tmp_path, rows, words, name):
    told = refusal(written(tmp_path / name, CIF.format(rows=rows)))
    assert words in told
    assert "build a supercell" in told


def test_whole_sites_are_read(tmp_path):
    for value in ("1", "1.0", "1.00(1)", ".", "?"):
        found = read_structure(
            written(tmp_path / "cu.cif", CIF.format(rows=f"Cu1 Cu 0 0 0 {value}"))
        )
        assert (found.get_chemical_symbols(), found.cell.cellpar().tolist()) == (
            ["Cu"] * 4,
            [3.6, 3.6, 3.6, 90, 90, 90],
        )
        assert distances(found)[0, 1] == pytest.approx(3.6 / ROOT_2)


def test_occupancies_of_other_formats_are_refused(tmp_path):
    atoms = copper()
    atoms.arrays["occupancy"] = np.array([1.0] * 31 + [0.5])
    for name in ("a.pdb", "a.xyz"):
        ase.io.write(tmp_path / name, atoms)
        assert "atom 31 (from 0) is occupied to 0.5 only" in refusal(tmp_path / name)
    del atoms.arrays["occupancy"]
    atoms.info["occupancy"] = {"0": {"Cu": 0.75, "Ni": 0.25}}
    for name in ("b.xyz", "b.traj"):
        ase.io.write(tmp_path / name, atoms)
        assert "site 0 (by Cu) is occupied to 0.75 only" in refusal(tmp_path / name)


# --- LAMMPS


def data(
    box,
    rows,
    *,
    head="2 atoms\n2 atom types\n",
    sections="",
    style=" # atomic",
    first="# made by hand",
):
    return f"{first}\n\n{head}\n{box}\n\n{sections}Atoms{style}\n\n" + "\n".join(rows) + "\n"


BOX = "0 8 xlo xhi\n0 9 ylo yhi\n0 10 zlo zhi"
ROWS = ["2 2 4.0 0.5 0.5", "1 1 0.5 0.5 0.5"]
NAMES = ("cu.data", "cu.dat", "cu.lmp", "data.cu", "cu.lammps-data", "cu")


def test_a_tilt_of_a_whole_edge_is_none(tmp_path):
    """LAMMPS' box with xy = 8 of 8 A has the lattice of the box without tilt; it was refused as 5.98 A wide."""
    path = written(tmp_path / "a.data", data(f"{BOX}\n8 0 -9 xy xz yz", ROWS))
    prepared = prepare(
        read_structure(path, species=("Cu", "Ni")), elements=("Cu", "Ni"), cutoff_A=4.0
    )
    assert_array_equal(prepared.atoms.cell.array, np.diag([8, 9, 10]))
    assert_array_equal(prepared.atoms.positions, [[0.5, 0.5, 0.5], [4.0, 0.5, 0.5]])


@pytest.mark.parametrize("name", NAMES)
def test_lammps_data_is_read_whatever_its_name(tmp_path, name):
    found = read_structure(written(tmp_path / name, data(BOX, ROWS)), species=("Cu", "Ni"))
    assert found.get_chemical_symbols() == ["Cu", "Ni"], "in the order of their ids"
    assert_array_equal(found.positions, [[0.5, 0.5, 0.5], [4.0, 0.5, 0.5]])
    assert_array_equal(found.cell.array, np.diag([8, 9, 10]))
    assert all(found.pbc)


def test_types_of_lammps_data_are_no_elements(tmp_path):
    path = written(tmp_path / "cu.data", data(BOX, ROWS))
    assert (
        "type 1 has no mass, so its element is not known; name the elements of types 1, 2, ... in"
        in refusal(path)
    )
    assert "2 types of atoms, but structure.species names 1" in refusal(path, species=("Cu",))
    with pytest.raises(StructureError, match=r"structure.species is 'Qq', which is no element"):
        read_structure(path, species=("Qq", "Cu"))


@pytest.mark.parametrize(("sections", "species", "symbols"), [
    ("Masses\n\n1 63.546 # copper metal\n2 58.6934\n\n", (), ["Cu", "Ni"]),
    ("Masses\n\n1 63.55\n2 58.69\n\n", (), ["Cu", "Ni"]),
    ("Masses\n\n2 208.98\n1 1.008\n\n", (), ["H", "Bi"]),
    ("Masses\n\n1 62.9296 # Cu\n2 57.9353 # Ni\n\n", (), ["Cu", "Ni"]),
    ("Masses\n\n1 62.9296\n2 57.9353\n\n", ("Cu", "Ni"), ["Cu", "Ni"]),
    ("Atom Type Labels\n\n1 Cu\n2 Ni\n\n", (), ["Cu", "Ni"]),
    ("Atom Type Labels\n\n1 bulk\n2 surface\n\n", ("Cu", "Cu"), ["Cu", "Cu"]),
    ("Atom Type Labels\n\n1 bulk\n2 surface\n\nMasses\n\nbulk 63.546\nsurface 63.546\n\n", (), ["Cu", "Cu"]),
])  # fmt: skip
def test_elements_of_types(tmp_path, sections, species, symbols):
    found = read_structure(
        written(tmp_path / "cu.data", data(BOX, ROWS, sections=sections)), species=species
    )
    assert found.get_chemical_symbols() == symbols
    if "62.9296" in sections:
        assert_array_equal(found.get_masses(), [62.9296, 57.9353])


@pytest.mark.parametrize(("sections", "species", "words"), [
    ("Masses\n\n1 62.9296\n2 57.9353\n\n", (), "type 1 has the mass 62.9296, which is no element's standard atomic weight"),
    ("Masses\n\n1 39.9626\n2 63.546\n\n", (), "type 1 has the mass 39.9626"),
    ("Masses\n\n1 58.69\n2 63.55\n\n", ("Cu", "Ni"), "structure.species says Cu, its mass 58.69 is that of Ni"),
    ("Atom Type Labels\n\n1 Ni\n2 Cu\n\n", ("Cu", "Ni"), "structure.species says Cu, its label Ni is that of Ni"),
    ("Atom Type Labels\n\n1 bulk\n2 surface\n\n", (), "type 1 is 'bulk', which is no element"),
])  # fmt: skip
def test_elements_of_types_that_are_not_known_or_do_not_agree(tmp_path, sections, species, words):
    assert words in refusal(
        written(tmp_path / "cu.data", data(BOX, ROWS, sections=sections)), species=species
    )


def test_atoms_by_type_label(tmp_path):
    rows = ["1 Cu 0.5 0.5 0.5", "2 Ni 4.0 0.5 0.5"]
    path = written(
        tmp_path / "cu.data", data(BOX, rows, sections="Atom Type Labels\n\n1 Ni\n2 Cu\n\n")
    )
    assert read_structure(path).get_chemical_symbols() == ["Cu", "Ni"]
    path.write_text(
        data(BOX, ["1 Cu 0 0 0", "2 Zn 4 0 0"], sections="Atom Type Labels\n\n1 Ni\n2 Cu\n\n")
    )
    assert "a type 'Zn', which is neither a number nor one of its type labels" in refusal(path)


TILTED = "-1 7 xlo xhi\n2 11 ylo yhi\n-5 5 zlo zhi\n1.5 -0.5 2.0 xy xz yz"
GENERAL = "8 0 0 avec\n1.5 9 0 bvec\n-0.5 2 10 cvec\n-1 2 -5 abc origin"


@pytest.mark.parametrize("flags", [False, True])
@pytest.mark.parametrize("box", [TILTED, GENERAL, TILTED.replace(" xy", "\txy")])
def test_shifted_and_tilted_boxes_and_image_flags_keep_every_distance(tmp_path, box, flags):
    cell = np.array([[8, 0, 0], [1.5, 9, 0], [-0.5, 2, 10]])
    places = np.random.default_rng(1).uniform(size=(6, 3)) @ cell + [-1, 2, -5]
    atoms = Atoms("Cu3Ni3", positions=places, cell=cell, pbc=True)
    images = np.array([[1, -2, 0], [0, 0, 3], [0, 0, 0], [-1, -1, -1], [5, 0, 0], [0, 1, 0]])
    rows = [
        f"{index + 1} {1 + index // 3} {' '.join(map(repr, place))}"
        + (" " + " ".join(map(str, image)) if flags else "")
        for index, (place, image) in enumerate(zip(places.tolist(), images.tolist(), strict=True))
    ]
    path = written(tmp_path / "a.data", data(box, rows[::-1], head="6 atoms\n2 atom types\n"))
    found = read_structure(path, species=("Cu", "Ni"))
    assert_allclose(distances(found), distances(atoms), rtol=0, atol=1e-12)
    assert_allclose(found.cell.array, cell)
    assert_allclose(found.positions, places + (images @ cell if flags else 0), rtol=0, atol=1e-12)


def test_a_general_triclinic_box_in_any_frame(tmp_path):
    atoms = copper()
    wanted = distances(atoms)
    turn = Rotation.from_rotvec([0.3, -1.2, 0.8]).as_matrix()
    cell, places = atoms.cell.array @ turn, atoms.positions @ turn + [3, -4, 5]
    box = "\n".join(
        " ".join(map(repr, row)) + f" {name}"
        for row, name in zip(
            [*cell.tolist(), [3, -4, 5]], ["avec", "bvec", "cvec", "abc origin"], strict=True
        )
    )
    rows = [
        f"{index} 1 {' '.join(map(repr, place))}"
        for index, place in enumerate(places.tolist(), start=1)
    ]
    path = written(tmp_path / "a.data", data(box, rows, head="32 atoms\n1 atom types\n"))
    prepared = prepare(read_structure(path, species=("Cu",)), elements=("Cu",), cutoff_A=None)
    assert_allclose(distances(prepared.atoms), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("style", "rows"), [
    (" # charge", ["1 1 0.0 0.5 0.5 0.5", "2 2 -1.0 4.0 0.5 0.5"]),
    (" # full", ["1 7 1 0.0 0.5 0.5 0.5", "2 7 2 -1.0 4.0 0.5 0.5"]),
    (" # molecular", ["1 7 1 0.5 0.5 0.5", "2 7 2 4.0 0.5 0.5"]),
    ("", ["1 1 0.0 0.5 0.5 0.5", "2 2 -1.0 4.0 0.5 0.5"]),
    ("", ["1 7 1 0.5 0.5 0.5", "2 7 2 4.0 0.5 0.5"]),
    ("", ["1 1 0.5 0.5 0.5 0 0 0", "2 2 4.0 0.5 0.5 0 0 0"]),
    ("", ["1 7 1 0.0 0.5 0.5 0.5 0 0 0", "2 7 2 -1.0 4.0 0.5 0.5 0 0 0"]),
])  # fmt: skip
def test_styles_of_atoms(tmp_path, style, rows):
    found = read_structure(
        written(tmp_path / "a.data", data(BOX, rows, style=style)), species=("Cu", "Ni")
    )
    assert found.get_chemical_symbols() == ["Cu", "Ni"]
    assert_array_equal(found.positions, [[0.5, 0.5, 0.5], [4.0, 0.5, 0.5]])


@pytest.mark.parametrize(("text", "words"), [
    (data(BOX, ["1 1 2 0.5 0.5 0.5", "2 2 3 4.0 0.5 0.5"], style=""), "fit no atom style"),
    (data(BOX, ["1 1 0.5 0.5 0.5", "2 2 4.0 0.5 0.5"], style=" # sphere"), "the style 'sphere', which is not read"),
    (data(BOX, ["1 1 0.5 0.5", "2 2 4.0 0.5"]), "4 columns, but the style atomic has 5"),
    (data(BOX, ["1 1 0.5 0.5 0.5"]), "1 of 2 atoms"),
    (data(BOX, ["1 1 0.5 0.5 0.5", "2 3 4.0 0.5 0.5"]), "atoms of type 3"),
    (data("0 8 xlo xhi\n0 9 ylo yhi", ROWS), "no whole box"),
    (data(BOX, ROWS, first="LAMMPS data file via write_data, timestep = 0, units = lj"), "LAMMPS' units lj"),
])  # fmt: skip
def test_lammps_data_that_cannot_be_used_is_refused(tmp_path, text, words):
    assert words in refusal(written(tmp_path / "a.data", text), species=("Cu", "Ni"))


def test_sections_that_are_not_used_are_named(tmp_path):
    text = (
        data(BOX, ["1 1 0.0 0.5 0.5 0.5", "2 2 -1.0 4.0 0.5 0.5"], style=" # charge")
        + "\nVelocities\n\n1 0 0 0\n2 1 0 0\n"
    )
    assert unused_in(
        read_structure(written(tmp_path / "a.data", text), species=("Cu", "Ni"))
    ).names == ("charges", "Velocities")


def dump(columns, rows, *, bounds="BOX BOUNDS pp pp pp\n0 8\n0 9\n0 10"):
    head = f"ITEM: TIMESTEP\n5\nITEM: NUMBER OF ATOMS\n{len(rows)}\nITEM: {bounds}\nITEM: ATOMS {columns}\n"
    return "\n".join([head + rows[0], *rows[1:], ""])


DUMPED = dump("id type x y z", ["2 2 4.0 0.5 0.5", "1 1 0.5 0.5 0.5"])


@pytest.mark.parametrize("name", ["last.dump", "last.lammpstrj", "last", "last.txt"])
def test_a_dump_without_elements_is_no_hydrogen(tmp_path, name):
    path = written(tmp_path / name, dump("id type x y z", ["1 1 1 1 1"]) + DUMPED)
    assert "no column element, and its types (1, 2) are no elements; name the elements" in refusal(
        path
    )
    found = read_structure(path, species=("Cu", "Ni"))
    assert found.get_chemical_symbols() == ["Cu", "Ni"], "the last frame, in the order of ids"
    assert_allclose(found.positions, [[0.5, 0.5, 0.5], [4.0, 0.5, 0.5]])
    assert_allclose(found.get_masses(), [63.546, 58.693], atol=1e-3)


def test_a_dump_with_elements(tmp_path):
    rows = ["1 1 Cu 0.5 0.5 0.5 0.1", "2 2 ni 4.0 0.5 0.5 0.2"]
    path = written(tmp_path / "a.dump", dump("id type element x y z c_pe", rows))
    found = read_structure(path)
    assert (found.get_chemical_symbols(), unused_in(found).names) == (["Cu", "Ni"], ("c_pe",))
    assert "is Ni by its column element, but Cu by structure.species" in refusal(
        path, species=("Cu", "Cu")
    )
    assert "atom 1 (from 0) is 'N1'" in refusal(
        written(path, dump("id element x y z", ["1 Cu 0 0 0", "2 N1 3 0 0"]))
    )


@pytest.mark.parametrize(("text", "words"), [
    (DUMPED[:-40], "whole rows of atoms"), (dump("id x y z", ["1 0 0 0"]), "neither a column element nor a column type"),
    ("ITEM: UNITS\nlj\n" + DUMPED, "LAMMPS' units lj"),
    (DUMPED.replace("pp pp pp", "pp pp ff"), "periodic along [True, True, False]"),
])  # fmt: skip
def test_a_dump_that_cannot_be_used_is_refused(tmp_path, text, words):
    assert words in refusal(written(tmp_path / "a.dump", text), species=("Cu", "Ni"))


# --- formats


def test_a_format_that_nobody_can_tell_is_asked_for(tmp_path):
    path = written(tmp_path / "a.lmp", "nothing\n")
    assert "set structure.format" in refusal(path)
    with pytest.raises(
        StructureError, match="reads no format 'lammps_data'; did you mean lammps-data"
    ):
        read_structure(path, file_format="lammps_data")
    assert "structure.species names types of atoms, but the format con has elements" in refusal(
        written(tmp_path / "a.con", to_con(copper())), species=("Cu",)
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.xyz", "extxyz"),
        ("POSCAR", "vasp"),
        ("a.con", "con"),
        ("a.cif", "cif"),
        ("a.lammps-data", "lammps-data"),
        ("a.json", "json"),
    ],
)
def test_a_named_format_goes_before_the_name(tmp_path, name, kind):
    atoms = copper()
    if kind == "con":
        (tmp_path / name).write_text(to_con(atoms))
    else:
        ase.io.write(tmp_path / name, atoms, format=kind)
    for other, said in (("structure.txt", None), ("structure.traj", kind)):
        (tmp_path / other).write_bytes((tmp_path / name).read_bytes())
        if said is None and kind == "json":
            continue
        found = read_structure(
            tmp_path / other, file_format=said, species=("Cu",) if kind == "lammps-data" else ()
        )
        assert_allclose(distances(found), distances(atoms), rtol=0, atol=1e-5)


# --- keys of extended XYZ


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "T",
        "1e3",
        "true",
        "0_17",
        "3 4",
        "1.50",
        "bulk",
        "a=b",
        "[1, 2]",
        "_JSON 5",
        "ümlaut",
    ],
)
@pytest.mark.parametrize("quotes", ['"{}"', "'{}'", "{}"])
def test_keys_keep_their_words(tmp_path, text, quotes):
    if quotes == "{}" and not text.replace(".", "").replace("_", "").isalnum():
        return
    atoms = read_structure(
        xyz(tmp_path / "a.xyz", ["Cu 0 0 0"], keys=f"other=5 group={quotes.format(text)} last=x ")
    )
    assert [text_of(atoms, key) for key in ("other", "group", "last", "none")] == [
        "5",
        text,
        "x",
        None,
    ]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True),
        st.text(
            st.characters(codec="ascii", exclude_categories=["C"], exclude_characters="\\"),
            min_size=1,
            max_size=12,
        ),
        max_size=4,
    )
)
@settings(deadline=None)
def test_words_that_ase_writes_are_read(info):
    from ase.io.extxyz import key_val_dict_to_str, key_val_str_to_dict

    from mlip_kmc.model.structure.xyz import words

    info = {key: value.strip() for key, value in info.items() if value.strip() and "=" not in value}
    line = key_val_dict_to_str(info)
    assert words(line) == {key: str(value) for key, value in info.items()}
    assert set(key_val_str_to_dict(line)) - {""} == set(info)
    assert list(itertools.islice(words("a b=2 c = 3"), 3)) == ["a", "b", "c"]
