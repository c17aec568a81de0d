"""Structures: checks, rotation, and `.con` without loss, against eOn's own reader where it is installed."""

import io
import itertools

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure import (
    atoms_apart,
    from_con,
    minimum_image,
    prepare,
    read_structure,
    species_of,
    to_con,
)
from mlip_kmc.model.structure.cell import in_place

SPECIES = ("Cu", "Ag", "H", "U")
TURNED = Rotation.from_rotvec([0.7, -1.1, 2.0]).as_matrix()


def handed(cell):
    """The determinant of the normalised cell vectors: 1 for a box, small for a flat cell."""
    return float(np.linalg.det(cell / np.linalg.norm(cell, axis=1)[:, None]))


@st.composite
def cells(draw, *, triangular):
    length = st.floats(3.0, 40.0)
    tilt = st.one_of(st.just(0.0), st.floats(-25.0, 25.0))
    diagonal = np.diag([draw(length) for _ in range(3)])
    cell = diagonal + np.tril(np.array([[draw(tilt) for _ in range(3)] for _ in range(3)]), -1)
    assume(handed(cell) > 0.02)
    if triangular:
        return cell
    return cell @ Rotation.from_rotvec([draw(st.floats(-3.0, 3.0)) for _ in range(3)]).as_matrix()


@st.composite
def structures(draw, *, triangular=True):
    """Atoms of mixed species in mixed order at any place, some fixed, one mass an element."""
    count = draw(st.integers(1, 9))
    symbols = draw(st.lists(st.sampled_from(SPECIES), min_size=count, max_size=count))
    place = st.floats(-60.0, 60.0, allow_subnormal=False)
    positions = np.array(
        draw(st.lists(st.tuples(place, place, place), min_size=count, max_size=count))
    )
    atoms = Atoms(symbols, positions=positions, cell=draw(cells(triangular=triangular)), pbc=True)
    masses = {symbol: draw(st.floats(0.5, 300.0)) for symbol in SPECIES}
    atoms.set_masses([masses[symbol] for symbol in symbols])
    fixed = draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
    if fixed:
        atoms.set_constraint(FixAtoms(indices=sorted(fixed)))
    return atoms


def fixed_of(atoms):
    return sorted(
        {int(index) for constraint in atoms.constraints for index in constraint.get_indices()}
    )


def copper(**changes):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    for name, value in changes.items():
        setattr(atoms, name, value)
    return atoms


def refusal(atoms, **arguments):
    """The one line that `prepare` refuses with."""
    with pytest.raises(StructureError) as caught:
        prepare(atoms, **{"elements": ("Cu",), "cutoff_A": 5.0} | arguments)
    message = str(caught.value)
    assert message
    assert len(message.splitlines()) == 1
    return message


@given(structures())
@settings(deadline=None)
def test_con_brings_everything_back(atoms):
    back = from_con(to_con(atoms))
    assert_array_equal(back.get_chemical_symbols(), atoms.get_chemical_symbols())
    assert_allclose(back.positions, atoms.positions, rtol=0, atol=1e-10)
    assert_allclose(back.cell.array, atoms.cell.array, rtol=0, atol=1e-10)
    assert_allclose(back.get_masses(), atoms.get_masses(), rtol=0, atol=1e-10)
    assert fixed_of(back) == fixed_of(atoms)
    assert all(back.pbc)
    assert to_con(back).splitlines()[8:] == to_con(atoms).splitlines()[8:], (
        "positions do not drift when written again"
    )


@given(structures())
@settings(deadline=None)
def test_eon_reads_and_writes_the_same_structure(atoms):
    fileio = pytest.importorskip("eon.fileio")
    eons = fileio.loadcon(io.StringIO(to_con(atoms)))
    assert eons.names == atoms.get_chemical_symbols()
    assert_allclose(eons.r, atoms.positions, rtol=0, atol=1e-10)
    assert_allclose(eons.box, atoms.cell.array, rtol=0, atol=1e-10)
    assert_allclose(eons.mass, atoms.get_masses(), rtol=0, atol=1e-10)
    assert [index for index, free in enumerate(eons.free) if not free.any()] == fixed_of(atoms)
    assert_array_equal(eons.atom_ids, np.arange(1, len(atoms) + 1))
    written = io.StringIO()
    fileio.savecon(written, eons)
    back = from_con(written.getvalue())
    assert_array_equal(back.get_chemical_symbols(), atoms.get_chemical_symbols())
    assert_allclose(back.positions, atoms.positions, rtol=0, atol=1e-10)
    assert_allclose(back.cell.array, atoms.cell.array, rtol=0, atol=1e-10)
    assert fixed_of(back) == fixed_of(atoms)


def test_con_groups_species_and_the_ids_bring_the_order_back():
    atoms = Atoms("CuAgCu", positions=[[0, 0, 0], [3, 0, 0], [0, 3, 0]], cell=[6, 6, 6], pbc=True)
    text = to_con(atoms)
    rows = [line.split() for line in text.splitlines() if len(line.split()) == 5]
    assert [row[4] for row in rows] == ["1", "3", "2"]
    assert from_con(text).get_chemical_symbols() == ["Cu", "Ag", "Cu"]


def test_con_with_repeated_ids_keeps_the_order_of_the_file():
    atoms = Atoms("CuAg", positions=[[0, 0, 0], [3, 0, 0]], cell=[6, 6, 6], pbc=True)
    lines = [
        line[:-1] + "1" if len(line.split()) == 5 else line for line in to_con(atoms).splitlines()
    ]
    assert from_con("\n".join(lines) + "\n").get_chemical_symbols() == ["Cu", "Ag"]


def test_con_takes_other_positions_and_the_last_frame():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [3, 0, 0]], cell=[6, 6, 6], pbc=True)
    moved = atoms.positions + 0.125
    assert_array_equal(from_con(to_con(atoms) + to_con(atoms, moved)).positions, moved)


@pytest.mark.parametrize(
    "positions", [np.zeros((3, 3)), np.full((2, 3), np.nan), np.full((2, 3), np.inf)]
)
def test_con_refuses_positions_that_do_not_fit(positions):
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [3, 0, 0]], cell=[6, 6, 6], pbc=True)
    with pytest.raises(StructureError, match=r"2 finite positions"):
        to_con(atoms, positions)


@pytest.mark.parametrize(
    "cell",
    [[[0, 6, 0], [6, 0, 0], [0, 0, 6]], np.diag([6, 6, -6]), [[6, 1, 0], [0, 6, 0], [0, 0, 6]]],
)
def test_con_refuses_a_cell_that_it_cannot_hold(cell):
    with pytest.raises(StructureError, match="a along x"):
        to_con(Atoms("Cu", cell=cell, pbc=True))


def test_con_refuses_two_masses_of_one_element():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [3, 0, 0]], cell=[6, 6, 6], pbc=True)
    atoms.set_masses([63.0, 65.0])
    with pytest.raises(StructureError, match=r"Cu atoms of the masses 63\.0 and 65\.0"):
        to_con(atoms)


def con_text(**changes):
    parts = {
        "lengths": "6.0 6.0 6.0",
        "angles": "90.0 90.0 90.0",
        "symbol": "Cu",
        "row": "0.0 0.0 0.0 0 1",
    } | changes
    return "a\nb\n{lengths}\n{angles}\n\n\n1\n1\n63.5\n{symbol}\nCoordinates of Component 1\n{row}\n".format(
        **parts
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "hello", "\n" * 30, "\0" * 40, con_text(lengths="6 6"), con_text(lengths="0.0 6.0 6.0"),
        con_text(lengths="nan 6.0 6.0"), con_text(angles="10.0 10.0 150.0"), con_text(angles="90.0 90.0 0.0"),
        con_text(angles="90.0 90.0 180.0"), con_text(symbol="Qq"), con_text(row="nan 0.0 0.0 0 1"),
        con_text(row="0.0 0.0 0.0 1 1"), con_text(row="0.0 0.0 0.0 6 1"), con_text(row="0.0"),
    ],
)  # fmt: skip
def test_con_that_is_none_is_refused_in_one_line(text):
    with pytest.raises(StructureError) as caught:  # some are read, but hold nothing that may move
        prepare(from_con(text), elements=None, cutoff_A=None, allow_small_cell=True)
    assert len(str(caught.value).splitlines()) == 1


def test_con_says_which_atom_is_partly_fixed():
    text = to_con(
        Atoms("CuAg", positions=[[0, 0, 0], [3, 0, 0]], cell=[6, 6, 6], pbc=True)
    ).replace(" 0 2", " 3 2")
    with pytest.raises(
        StructureError, match=r"atom 1 \(from 0\) is fixed along some directions only"
    ):
        from_con(text)


@given(structures())
@settings(deadline=None, max_examples=30)
def test_con_cut_short_never_gives_other_atoms(atoms):
    text = to_con(atoms)
    for part in range(0, len(text) - 22, 7):
        try:
            back = from_con(text[:part])
        except StructureError:
            continue
        assert len(back) == len(atoms)


@pytest.mark.parametrize("suffix", ["xyz", "cif", "vasp", "traj", "json", "con"])
def test_any_format_is_read(tmp_path, suffix):
    atoms = copper()
    path = tmp_path / f"vacancy@2 [a]*.{suffix}"
    if suffix == "con":
        path.write_text(to_con(atoms))
    else:
        ase.io.write(tmp_path / f"plain.{suffix}", atoms)
        (tmp_path / f"plain.{suffix}").rename(path)
    found = read_structure(path)
    assert species_of(found) == ("Cu",)
    assert len(found) == 108
    assert_allclose(found.cell.array, atoms.cell.array, atol=1e-6)


def test_the_last_frame_counts(tmp_path):
    path = tmp_path / "two.xyz"
    ase.io.write(path, [copper(), Atoms("Ag", cell=[9, 9, 9], pbc=True)])
    assert species_of(read_structure(path)) == ("Ag",)


def test_fixed_atoms_of_a_poscar_are_read(tmp_path):
    slab = fcc111("Cu", (2, 2, 3), vacuum=8.0, periodic=True)
    slab.set_constraint(FixAtoms(mask=slab.get_tags() == 3))
    ase.io.write(tmp_path / "POSCAR", slab, format="vasp")
    assert fixed_of(read_structure(tmp_path / "POSCAR")) == fixed_of(slab)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.xyz", b""), ("a.xyz", b"12\nx\n"), ("a.xyz", b"0\n\n"), ("a.con", b""), ("a.con", b"\xff\xfe"),
     ("a.cif", b"\0\1\2"), ("a.nothing", b"what is this"), ("a.json", b"{"), ("a.traj", b"abc"), ("a.yaml", b"a: 1")],
)  # fmt: skip
def test_a_file_that_is_no_structure_is_refused_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StructureError) as caught:
        read_structure(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1
    assert name in str(caught.value)


def test_a_missing_structure_and_a_directory_are_refused(tmp_path):
    for path in (tmp_path / "none.xyz", tmp_path):
        with pytest.raises(StructureError, match="there is no structure file"):
            read_structure(path)


@given(structures(triangular=False))
@settings(deadline=None)
def test_rotation_is_proper_and_goes_back(atoms):
    assume(len(neighbor_list("i", atoms, 1e-6)) == 0)
    prepared = prepare(atoms, elements=None, cutoff_A=None, minimum_distance_A=1e-9)
    cell, rotation = prepared.atoms.cell.array, prepared.rotation
    assert_array_equal(np.triu(cell, 1), 0.0)
    assert np.diag(cell).min() > 0
    assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0, abs=1e-12)
    assert_allclose(prepared.atoms.positions @ rotation, atoms.positions, rtol=0, atol=1e-10)
    steps = cell @ rotation @ np.linalg.inv(atoms.cell.array)
    assert_allclose(steps, np.rint(steps), rtol=0, atol=1e-9)
    assert np.linalg.det(steps) == pytest.approx(1.0, abs=1e-9)
    pairs = np.array(
        [
            np.linalg.norm(x.positions[:, None] - x.positions[None], axis=-1)
            for x in (atoms, prepared.atoms)
        ]
    )
    assert_allclose(pairs[0], pairs[1], rtol=0, atol=1e-10)
    assert_array_equal(prepared.atoms.get_masses(), atoms.get_masses())
    assert fixed_of(prepared.atoms) == fixed_of(atoms)
    assert_allclose(from_con(to_con(prepared.atoms)).cell.array, cell, rtol=0, atol=1e-10)


def test_a_cell_in_place_is_left_alone():
    atoms = copper()
    prepared = prepare(atoms, elements=("Cu",), cutoff_A=5.0)
    assert_array_equal(prepared.rotation, np.eye(3))
    assert_array_equal(prepared.atoms.positions, atoms.positions)
    assert_array_equal(prepared.atoms.cell.array, atoms.cell.array)
    assert prepared.species == ("Cu",)


LONG = {
    "xy is a whole edge": [[12, 0, 0], [12, 14, 0], [0, 0, 16]],
    "all tilts, several edges": [[12, 0, 0], [-36, 14, 0], [24, 28, 16]],
    "beyond any box of LAMMPS": [[12, 0, 0], [4800, 14, 0], [0, 0, 16]],
    "in space": (np.array([[12, 0, 0], [12, 14, 0], [-12, 14, 16]]) @ TURNED).tolist(),
}


@pytest.mark.parametrize("name", LONG)
def test_long_vectors_of_a_lattice_give_way_to_short_ones(name):
    """The cell was refused as 9 A wide, or as tilted too far: it is a box of 12 by 14 by 16 A."""
    atoms = Atoms("Cu3", cell=LONG[name], pbc=True)
    atoms.set_scaled_positions([[0.1, 0.2, 0.3], [0.5, 0.9, 0.2], [0.8, 0.4, 0.7]])
    atoms.set_constraint(FixAtoms(indices=[1]))
    prepared = prepare(atoms, elements=("Cu",), cutoff_A=5.9, minimum_distance_A=0.1)
    assert_allclose(prepared.atoms.cell.array, np.diag([12, 14, 16]), rtol=0, atol=1e-9)
    assert_allclose(prepared.atoms.positions @ prepared.rotation, atoms.positions, atol=1e-9)
    assert_allclose(
        prepared.atoms.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-8
    )
    assert fixed_of(prepared.atoms) == [1]


def test_the_shortest_vectors_where_the_given_ones_enclose_too_narrow_a_cell():
    """A centred square of 10 A: 5 A from row to row of the given vectors, 7.07 A of the shortest."""
    atoms = Atoms("Cu", cell=[[10, 0, 0], [5, 5, 0], [0, 0, 20]], pbc=True)
    unchanged = prepare(atoms, elements=("Cu",), cutoff_A=2.4)
    assert_array_equal(unchanged.atoms.cell.array, atoms.cell.array)
    wide = prepare(atoms, elements=("Cu",), cutoff_A=3.5).atoms
    assert sorted(wide.cell.lengths()) == pytest.approx([50**0.5, 50**0.5, 20])
    assert wide.get_volume() == pytest.approx(atoms.get_volume())


@given(cells(triangular=False), st.lists(st.tuples(*[st.integers(-3, 3)] * 3), max_size=6))
@settings(deadline=None, max_examples=50)
def test_the_lattice_stays_what_it_was(cell, steps):
    long = cell.copy()
    for first, second, times in steps:
        if first % 3 != second % 3:
            long[first % 3] += times * long[second % 3]
    lower, rotation = in_place(long, least_width=4.0)
    assert_allclose(lower, np.tril(lower), rtol=0, atol=0)
    assert np.diag(lower).min() > 0
    whole = lower @ rotation @ np.linalg.inv(long)
    assert_allclose(whole, np.rint(whole), rtol=0, atol=1e-5)
    assert np.linalg.det(whole) == pytest.approx(1.0, abs=1e-5)
    assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_signed_permutations_of_axes_never_become_reflections(axes, signs):
    cell = np.zeros((3, 3))
    cell[range(3), axes] = np.array(signs) * (11.0, 12.0, 13.0)
    atoms = Atoms("CuAg", positions=[[0.3, 0.4, 0.5], [4, 3, 2.5]], cell=cell, pbc=True)
    if np.linalg.det(cell) < 0:
        assert "left-handed" in refusal(atoms, elements=None)
        return
    prepared = prepare(atoms, elements=None, cutoff_A=5.0)
    assert_allclose(prepared.atoms.cell.array, np.diag([11.0, 12.0, 13.0]), atol=1e-12)
    assert np.linalg.det(prepared.rotation) == pytest.approx(1.0)
    assert_allclose(prepared.atoms.positions @ prepared.rotation, atoms.positions, atol=1e-12)


@given(
    cells(triangular=False), st.lists(st.tuples(*[st.floats(-30, 30)] * 3), min_size=1, max_size=6)
)
@settings(deadline=None)
def test_minimum_image_is_the_shortest_of_all_images(cell, vectors):
    vectors = np.array(vectors)
    found = minimum_image(vectors, cell)
    shifts = (found - vectors) @ np.linalg.inv(cell)
    assert_allclose(shifts, np.round(shifts), atol=1e-7)
    # brute force around the answer in the reduced cell, whose shortest vectors decide
    from ase.geometry import minkowski_reduce

    reduced = minkowski_reduce(cell)[0]
    images = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3))) @ reduced
    shortest = np.linalg.norm(found[:, None] + images[None], axis=-1).min(axis=1)
    assert_allclose(np.linalg.norm(found, axis=1), shortest, rtol=0, atol=1e-9)


def test_minimum_image_of_nothing_is_nothing():
    assert minimum_image(np.zeros((0, 3)), np.eye(3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("atoms", "arguments", "words"),
    [
        (Atoms(cell=[9, 9, 9], pbc=True), {}, "no atoms"),
        (copper(pbc=[True, True, False]), {}, r"[True, True, False]"),
        (copper(pbc=False), {}, "add vacuum"),
        (Atoms("Cu", pbc=True), {}, "no volume"),
        (Atoms("Cu", cell=[[9, 0, 0], [0, 9, 0], [9, 9, 0]], pbc=True), {}, "no volume"),
        (Atoms("Cu", cell=[9, 9, 0], pbc=True), {}, "no volume"),
        (Atoms("Cu", cell=[[0, 20, 0], [20, 0, 0], [0, 0, 20]], pbc=True), {}, "left-handed"),
        (Atoms("Cu", cell=[[10, 0, 0], [5, 5, 0], [0, 0, 20]], pbc=True), {}, "7.071 A wide, less than twice"),
        (Atoms("Cu", cell=[[20, 0, 0], [4010, 0.5, 0], [0, 0, 20]], pbc=True), {}, "0.999 A wide"),
        (Atoms("Cu", cell=[9.9, 20, 20], pbc=True), {}, "9.900 A wide, less than twice the potential's cutoff"),
        (Atoms("Cu", cell=[20, 20, 20], pbc=True, positions=[[np.nan, 0, 0]]), {}, "not finite"),
        (Atoms("Cu", cell=[20, np.inf, 20], pbc=True), {}, "not finite"),
        (Atoms("Cu", cell=[20, 20, 20], pbc=True, positions=[[1e300, 0, 0]]), {}, "beyond"),
        (Atoms("Au", cell=[20, 20, 20], pbc=True), {}, "does not know Au (it knows Cu)"),
        (Atoms("X", cell=[20, 20, 20], pbc=True), {"elements": None}, "no known element"),
        (Atoms("Cu2", cell=[20, 20, 20], pbc=True), {}, "atoms 0 and 1 (from 0) are 0.000 A apart"),
        (Atoms("Cu2", cell=[20, 20, 20], pbc=True, positions=[[0.1, 0, 0], [19.6, 0, 0]]), {}, "0.500 A apart"),
        (Atoms("Cu", cell=[0.9, 20, 20], pbc=True), {"allow_small_cell": True}, "its own image"),
        (Atoms("Cu", cell=[20, 20, 20], pbc=True, masses=[np.nan]), {}, "masses"),
        (Atoms("Cu", cell=[20, 20, 20], pbc=True, masses=[-1.0]), {}, "masses"),
        (Atoms("Cu2", cell=[20] * 3, pbc=True, positions=[[0, 0, 0], [3, 0, 0]], masses=[63, 65]), {}, "63.0 and 65.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(atoms, arguments, words):
    assert words in refusal(atoms, **arguments)


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (FixAtoms(indices=range(108)), "all atoms"),
        (
            FixCartesian(3, mask=(True, False, False)),
            "atom 3 (from 0) is fixed along some directions only (F T T",
        ),
        (FixBondLength(0, 1), "FixBondLengths (atoms 0, 1), but eOn knows only FixAtoms"),
        (FixAtoms(indices=[108]), "does not have"),
        ([FixAtoms(indices=range(60)), FixAtoms(indices=range(60, 108))], "all atoms"),
    ],
)
def test_constraints_that_eon_has_not_are_refused(constraint, words):
    atoms = copper()
    atoms.set_constraint(constraint)
    assert words in refusal(atoms)


def test_atoms_fixed_from_the_end_and_twice_stay_fixed():
    atoms = copper()
    atoms.set_constraint([FixAtoms(indices=[-1, 3]), FixAtoms(indices=[3])])
    prepared = prepare(atoms, elements=("Cu",), cutoff_A=5.0)
    assert fixed_of(prepared.atoms) == [3, 107]
    assert fixed_of(from_con(to_con(prepared.atoms))) == [3, 107]


def test_small_cells_and_short_distances_can_be_allowed():
    atoms = Atoms("Cu2", cell=[4, 4, 4], pbc=True, positions=[[0, 0, 0], [0.7, 0, 0]])
    prepared = prepare(
        atoms, elements=("Cu",), cutoff_A=5.0, minimum_distance_A=0.5, allow_small_cell=True
    )
    assert len(prepared.atoms) == 2


def test_atoms_that_have_left_the_rest_are_told():
    from ase.build import add_adsorbate, fcc100, molecule

    slab = fcc100("Al", (3, 3, 2), vacuum=10.0, periodic=True)
    assert atoms_apart(slab).size == 0
    add_adsorbate(slab, "Al", 2.0, "hollow")
    assert atoms_apart(slab).size == 0
    add_adsorbate(slab, "Al", 9.0, "ontop", offset=(1, 1))
    assert atoms_apart(slab).tolist() == [19]
    gas = molecule("N2")
    gas.translate(slab.positions[17] + [0, 0, 8.0] - gas.positions[0])
    assert atoms_apart(slab + gas).tolist() == [19, 20, 21]
    across = slab.copy()  # the images count: an atom below the slab is near its top in a short cell
    across.cell[2, 2] = across.positions[:18, 2].max() + 9.0 - across.positions[:18, 2].min() + 2.0
    assert atoms_apart(across).size == 0
    large = Atoms("Cs2", positions=[[0, 0, 0], [5.3, 0, 0]], cell=[30] * 3, pbc=True)
    assert atoms_apart(large).size == 0
    assert atoms_apart(
        Atoms("Al2", positions=[[0, 0, 0], [5.3, 0, 0]], cell=[30] * 3, pbc=True)
    ).tolist() == [1]
