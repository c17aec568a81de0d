"""Structures and potentials of other programs, as those programs themselves read them: LAMMPS, and eOn's client."""

import contextlib
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import get_distances
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from mlip_kmc.check import inputs
from mlip_kmc.check.findings import Level
from mlip_kmc.config import load_config
from mlip_kmc.evaluate.by_eon import client_job, evaluate
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import from_con, prepare, read_structure
from mlip_kmc.potential import AcePotential, BuiltinPotential
from mlip_kmc.potential.builtin import _USABLE

from ..unit.alloy import alloy, block_text, flow_text, json_text
from .conftest import EXAMPLE, mlip_kmc, write_config

CELL = np.array([[8.0, 0, 0], [1.5, 9, 0], [-0.5, 2, 10]])
TURN = Rotation.from_rotvec([0.3, -1.2, 0.8]).as_matrix()
BOXES = {
    "orthogonal": "-1 7 xlo xhi\n2 11 ylo yhi\n-5 5 zlo zhi",
    "tilted": "-1 7 xlo xhi\n2 11 ylo yhi\n-5 5 zlo zhi\n1.5 -0.5 2.0 xy xz yz",
    "general": "\n".join(
        " ".join(map(repr, row)) + f" {name}"
        for row, name in zip(
            [*(CELL @ TURN).tolist(), [-1, 2, -5]],
            ["avec", "bvec", "cvec", "abc origin"],
            strict=True,
        )
    ),
}
DUMPS = {
    "x": "id type x y z",
    "xs": "id type xs ys zs",
    "xu": "id type xu yu zu",
    "xsu": "id type xsu ysu zsu",
    "element": "id element x y z",
}


def distances(atoms):
    return get_distances(atoms.positions, cell=atoms.cell.array, pbc=True)[1]


def data_file(path, kind):
    """Six atoms in a shifted box, in images; and their distances."""
    cell = {"orthogonal": np.diag(np.diag(CELL)), "tilted": CELL, "general": CELL @ TURN}[kind]
    places = np.random.default_rng(1).uniform(0.05, 0.95, size=(6, 3)) @ cell + [-1, 2, -5]
    images = [[1, -2, 0], [0, 0, 3], [0, 0, 0], [-1, -1, -1], [5, 0, 0], [0, 1, 0]]
    rows = [
        f"{index + 1} {1 + index // 3} {' '.join(map(repr, place))} {' '.join(map(str, image))}"
        for index, (place, image) in enumerate(zip(places.tolist(), images, strict=True))
    ]
    head = f"# made by hand\n\n6 atoms\n2 atom types\n{BOXES[kind]}\n\nMasses\n\n1 62.9296\n2 58.6934\n\nAtoms # atomic\n"
    path.write_text("\n".join([head, *rows, ""]))
    return distances(Atoms("Cu3Ni3", positions=places, cell=cell, pbc=True))


def lammps(folder, text):
    (folder / "in.lammps").write_text(text)
    done = subprocess.run(
        ["lmp", "-in", "in.lammps", "-log", "none", "-nocite"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", BOXES)
def test_what_lammps_reads_and_writes_is_the_same_structure(tmp_path, kind):
    wanted = data_file(tmp_path / "given.lmp", kind)
    triclinic = "dump_modify {0} triclinic/general yes" if kind == "general" else ""
    dumps = "\n".join(
        f"dump {name} all custom 1 {name}.dump {columns}\ndump_modify {name} element Cu Ni format float %.17g\n"
        + (triclinic.format(name) if name in ("x", "element") else "")
        for name, columns in DUMPS.items()
    )
    lammps(
        tmp_path,
        "units metal\natom_style atomic\natom_modify map array\nread_data given.lmp\npair_style zero 3.0\n"
        f"pair_coeff * *\nlabelmap atom 1 Cu 2 Ni\n{dumps}\nrun 0\nwrite_data numbers.data nocoeff\n"
        "write_data labels.data types labels nocoeff\n"
        + ("write_data general.data triclinic/general nocoeff\n" if kind == "general" else ""),
    )
    files = {
        "given.lmp": 1e-12,
        "numbers.data": 1e-9,
        "labels.data": 1e-9,
        **{f"{name}.dump": 1e-9 for name in DUMPS},
    }
    for name, tolerance in files.items():
        found = read_structure(tmp_path / name, species=("Cu", "Ni"))
        assert found.get_chemical_symbols() == ["Cu"] * 3 + ["Ni"] * 3, name
        assert_allclose(distances(found), wanted, rtol=0, atol=tolerance, err_msg=name)
        prepared = prepare(found, elements=("Cu", "Ni"), cutoff_A=None, minimum_distance_A=0.1)
        assert_allclose(distances(prepared.atoms), wanted, rtol=0, atol=1e-9, err_msg=name)
    assert (
        read_structure(tmp_path / "element.dump").get_chemical_symbols() == ["Cu"] * 3 + ["Ni"] * 3
    )
    assert read_structure(tmp_path / "given.lmp", species=("Cu", "Ni")).get_masses()[0] == 62.9296


def test_an_ace_of_any_writer_gives_lammps_the_same_energy(tmp_path):
    atoms = bulk("Cu", a=3.6, cubic=True) * (4, 4, 4)
    atoms.symbols[3] = "N"
    atoms.rattle(0.05, seed=1)
    energies = []
    for write in (flow_text, block_text, json_text):
        (tmp_path / f"{write.__name__}.yace").write_text(write())
        energies.append(
            evaluate(atoms, AcePotential.read(tmp_path / f"{write.__name__}.yace")).energy_eV
        )
    assert np.ptp(energies) < 1e-9
    assert abs(energies[0]) > 0.1


def test_what_lammps_refuses_was_refused_before(tmp_path):
    """Past our reader, LAMMPS ends with what our reader said."""
    potential = alloy()
    del potential["bonds"][1, 0]
    path = tmp_path / "a.yace"
    path.write_text(flow_text())
    good = AcePotential.read(path)
    path.write_text(block_text(potential))
    with pytest.raises(
        PotentialError, match=r"LAMMPS cannot read .*a\.yace: it has no bond \[1, 0\]"
    ):
        AcePotential.read(path)
    with pytest.raises(PotentialError):
        evaluate(bulk("Cu", a=3.6, cubic=True) * (4, 4, 4), replace(good, yace=path))


def test_eon_s_client_keeps_every_bit_of_what_it_is_given():
    atoms = bulk("Al", a=4.05, cubic=True) * (3, 3, 3)
    atoms.rattle(0.05, seed=2)
    atoms.positions += 1.0 / 3.0
    left = client_job(
        atoms,
        BuiltinPotential.named("eam_al"),
        returns=("min.con",),
        options={"Optimizer": {"converged_force": 1e6, "convergence_metric": "max_atom"}},
    )
    back = from_con(left["min.con"])
    assert_allclose(
        back.positions, atoms.positions, rtol=1e-15, atol=1e-14
    )  # it wraps by way of fractions of the cell
    assert_array_equal(back.cell.array, atoms.cell.array)


# --- eOn's built-ins: what the table says of them is so

CRYSTALS = {
    "eam_al": ("Al", "fcc", 4.05),
    "emt": ("Cu", "fcc", 3.6),
    "morse_pt": ("Pt", "fcc", 3.95),
    "fehe": ("Fe", "bcc", 2.87),
    **dict.fromkeys(("edip", "lenosky_Si", "sw_si", "tersoff_si"), ("Si", "diamond", 5.43)),
}


def energy_per_atom(atoms, name):
    prepared = prepare(atoms, elements=None, cutoff_A=None, minimum_distance_A=0.5)
    return evaluate(prepared.atoms, BuiltinPotential.named(name)).energy_eV / len(atoms)


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_same_crystal_in_an_oblique_cell(name):
    """Where the table allows any cell, the energy is that of the box; where it does not, eOn gives another, or none."""
    symbol, lattice, a = CRYSTALS[name]
    box = bulk(symbol, lattice, a=a, cubic=True) * (6, 6, 6)
    oblique = bulk(symbol, lattice, a=a) * (9, 9, 9)
    wanted = energy_per_atom(box, name)
    if name != "morse_pt":
        assert energy_per_atom(oblique, name) == pytest.approx(wanted, abs=1e-8)
        return
    with contextlib.suppress(PotentialError):
        assert energy_per_atom(oblique, name) != pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "symbol"), [("eam_al", "Cu"), ("eam_al", "H"), ("sw_si", "C"), ("morse_pt", "Cu")]
)
def test_eon_evaluates_any_element_by_a_potential_of_one(name, symbol):
    """Why there is a table: were eOn to refuse, it could go."""
    own, lattice, a = CRYSTALS[name]
    atoms = bulk(own, lattice, a=a, cubic=True) * (5, 5, 5)
    other = Atoms([symbol] * len(atoms), positions=atoms.positions, cell=atoms.cell.array, pbc=True)
    assert energy_per_atom(other, name) == pytest.approx(energy_per_atom(atoms, name), abs=1e-9)


@pytest.mark.parametrize(("symbol", "width_A"), [("Cu", 10.967), ("Al", 12.32)])
def test_effective_medium_theory_ends_in_narrow_cells(symbol, width_A):
    with pytest.raises(PotentialError, match="fatal error"):
        energy_per_atom(bulk(symbol, "fcc", a=(width_A - 0.01) / 3, cubic=True) * (3, 3, 3), "emt")
    assert np.isfinite(
        energy_per_atom(bulk(symbol, "fcc", a=(width_A + 0.01) / 3, cubic=True) * (3, 3, 3), "emt")
    )


def test_every_one_of_them_is_in_the_image():
    """eOn can be built without some; its client then knows no more than their names."""
    for name in _USABLE:
        symbol, lattice, a = CRYSTALS.get(name, ("Ar", "fcc", 5.2))
        assert np.isfinite(
            energy_per_atom(bulk(symbol, lattice, a=a, cubic=True) * (4, 4, 4), name)
        ), name


def test_what_a_built_in_does_not_know_is_not_the_image_s_fault():
    """The table refuses it first; `fehe` has no energy for copper, and that was told as a damaged image."""
    with pytest.raises(PotentialError, match="by fehe; check that it knows these elements"):
        energy_per_atom(bulk("Cu", a=3.6, cubic=True) * (4, 4, 4), "fehe")


def test_lennard_jones_sees_boxes_only():
    """Why the table asks for right angles, and for width: the nearest image alone is taken."""
    box, oblique = bulk("Ar", a=5.2, cubic=True) * (6, 6, 6), bulk("Ar", a=5.2) * (10, 10, 10)
    assert energy_per_atom(oblique, "lj") != pytest.approx(energy_per_atom(box, "lj"), abs=1e-5)
    assert energy_per_atom(bulk("Ar", a=5.2, cubic=True) * (4, 4, 4), "lj") != pytest.approx(
        energy_per_atom(box, "lj"), abs=1e-5
    )


# --- the command line


def test_check_reads_flags_and_names_what_is_not_used(tmp_path):
    write_config(tmp_path)
    slab = read_structure(tmp_path / "adatom.xyz")
    slab.info = {}
    slab.write(tmp_path / "POSCAR", format="vasp")
    text = (
        (tmp_path / "POSCAR")
        .read_text()
        .replace(" F ", " .false. ")
        .replace(" F\n", " f\n")
        .replace(" T ", " t ")
    )
    (tmp_path / "POSCAR").write_text(text)
    found = finding(write_config(tmp_path, structure="POSCAR"))
    assert (found.values["fixed"], found.level) == (16, Level.OK)
    slab.set_constraint()
    slab.arrays["held"] = (slab.get_tags() == 3).astype(int)
    slab.write(tmp_path / "held.xyz")
    found = finding(write_config(tmp_path, structure="held.xyz"))
    assert (found.values["fixed"], found.level) == (0, Level.WARN)
    assert "held" in found.values["unused"]
    assert "name that column move_mask" in found.advice


def finding(path):
    """What `check` finds of the structure."""
    config = load_config(path)
    (found,), _ = inputs.fit(config, inputs.read(config)[1], inputs.potential(config)[1])
    return found


def test_the_example_s_potential_in_blocks_is_read(tmp_path):
    text = (
        (EXAMPLE / "cu.yace")
        .read_text()
        .replace("elements: [Cu]", "elements:\n  - Cu")
        .replace("E0: [0]", "E0:\n- 0")
    )
    (tmp_path / "cu.yace").write_text(text)
    done = mlip_kmc("potential", "info", "cu.yace", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Cu" in done.stdout
