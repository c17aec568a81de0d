"""Potentials as values: what is read off a `.yace`, what is refused, and what reaches LAMMPS."""

import contextlib
import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.config import GammaSection
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential, AsePotential, BuiltinPotential
from mlip_kmc.potential.ace import LINKED_ACTIVE_SET, LINKED_BASIS, LINKED_NAME
from mlip_kmc.potential.builtin import _USABLE
from mlip_kmc.potential.yace import Outline

from ..alloy import alloy, block_text, flow_text, json_text

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
ALLOY = flow_text()


@pytest.fixture
def yace(tmp_path):
    (tmp_path / "cu.yace").write_bytes((EXAMPLE / "cu.yace").read_bytes())
    return tmp_path / "cu.yace"


def refused(path, **arguments):
    with pytest.raises(PotentialError) as caught:
        AcePotential.read(path, **arguments)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(path) in message
    return message


def test_the_example(yace):
    potential = AcePotential.read(EXAMPLE / "cu.yace", evaluator="recursive")
    assert (potential.elements, potential.cutoff_A, potential.eon_name) == (("Cu",), 5.0, "lammps")
    assert potential.digest == hashlib.sha256(yace.read_bytes()).hexdigest()
    assert (potential.basis, potential.active_set) == (EXAMPLE / "cu.yaml", EXAMPLE / "cu.asi")
    assert (
        potential.lammps_input(("Cu",))
        == f"pair_style pace recursive\npair_coeff * * {LINKED_NAME} Cu\n"
    )
    assert potential.job_files(("Cu",)) == {"in.lammps": potential.lammps_input(("Cu",))}
    assert potential.job_links() == {
        LINKED_NAME: EXAMPLE / "cu.yace",
        LINKED_BASIS: EXAMPLE / "cu.yaml",
        LINKED_ACTIVE_SET: EXAMPLE / "cu.asi",
    }
    alone = AcePotential.read(yace)
    assert alone.job_links() == {LINKED_NAME: yace}
    assert alone.lammps_input(
        ("Cu",), gamma=GammaSection(select=3, halt=15, every=10)
    ) == alone.lammps_input(("Cu",))
    assert (alone.basis, alone.active_set, alone.digest) == (None, None, potential.digest)


def test_elements_and_the_largest_cutoff_of_an_alloy(tmp_path):
    (tmp_path / "a.yace").write_text(ALLOY)
    potential = AcePotential.read(tmp_path / "a.yace")
    assert (potential.elements, potential.cutoff_A) == (("Cu", "N"), 6.25)
    assert potential.lammps_input(("N", "Cu")).endswith(f" {LINKED_NAME} N Cu\n"), (
        "in the order of LAMMPS' types"
    )


@pytest.mark.parametrize("write", [flow_text, block_text, json_text])
def test_every_way_to_write_a_potential_is_read_as_lammps_reads_it(tmp_path, write):
    """LAMMPS and python-ace share the reader."""
    path = tmp_path / "a.yace"
    path.write_text(write())
    outline = Outline.read(path)
    assert (outline.elements, outline.cutoff_A, outline.functions) == (
        ("Cu", "N"),
        6.25,
        {"Cu": 1, "N": 1},
    )
    assert not outline.core_repulsion
    theirs = pytest.importorskip("pyace").ACECTildeBasisSet(str(path))
    assert (tuple(theirs.elements_name), theirs.cutoffmax) == (outline.elements, outline.cutoff_A)


def test_the_example_written_in_blocks_is_the_same_potential(tmp_path):
    potential = yaml.safe_load((EXAMPLE / "cu.yace").read_text().replace("  [0, 0]:", "  pair:"))
    potential["bonds"] = {(0, 0): potential["bonds"]["pair"]}
    (tmp_path / "cu.yace").write_text(block_text(potential))
    there, here = Outline.read(EXAMPLE / "cu.yace"), Outline.read(tmp_path / "cu.yace")
    assert replace(here, digest=there.digest) == there
    assert there.core_repulsion


def test_what_is_written_once_and_named_twice_is_read(tmp_path):
    text = ALLOY.replace("rcut: 4.5", "rcut: &r 4.5").replace("rcut: 6.25", "rcut: *r")
    (tmp_path / "a.yace").write_text(text)
    assert Outline.read(tmp_path / "a.yace").cutoff_A == 4.5


def _leaves(node, at=()):
    for key, value in (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    ):
        yield (*at, key)
        yield from _leaves(value, (*at, key))


@pytest.mark.parametrize("change", ["taken out", "a word"])
def test_what_lammps_refuses_is_refused(tmp_path, change):
    """Each entry of the potential is damaged, one after the other; only what would end in undefined numbers may differ."""
    pyace = pytest.importorskip("pyace")
    path, stricter = tmp_path / "a.yace", []
    for place in _leaves(alloy()):
        if place[1:2] and place[1] in (1, (1, 0), (1, 1)):
            continue  # one element's, and two bonds, stand for all
        if place[0] == "functions" and len(place) == 2:
            continue  # python-ace crashes without the functions of an element
        node = potential = alloy()
        for key in place[:-1]:
            node = node[key]
        if change == "taken out":
            del node[place[-1]]
        else:
            node[place[-1]] = "x"
        path.write_text(block_text(potential))
        try:
            pyace.ACECTildeBasisSet(str(path))
        except Exception:  # noqa: BLE001 - it raises several
            refused(path)
            continue
        with contextlib.suppress(PotentialError):
            AcePotential.read(path)
            continue
        stricter.append(place)
    assert {place[0] for place in stricter} <= (
        {"E0", "embeddings"} if change == "taken out" else {"elements", "bonds"}
    )
    assert len(stricter) < 6


def test_the_calculator_evaluates_the_example(yace):
    pytest.importorskip("pyace")
    from ase.build import bulk

    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.calc = calculator_of(AcePotential.read(yace))
    assert -5.0 < atoms.get_potential_energy() / 4 < -3.0
    assert abs(atoms.get_forces()).max() < 1e-6


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_truncated_potential_is_refused(yace, quarter):
    data = yace.read_bytes()
    yace.write_bytes(data[: len(data) * quarter // 4])
    refused(yace)


def test_a_potential_cut_within_any_line_of_its_functions_is_refused(yace):
    data = yace.read_bytes()
    end = 0
    for line in data.splitlines(keepends=True):
        if line.startswith(b"    - {mu0"):
            yace.write_bytes(data[: end + len(line) // 2])
            assert "truncated or damaged at line" in refused(yace)
        end += len(line)
    assert end == len(data)


@pytest.mark.parametrize(("text", "words"), [
    (ALLOY[: ALLOY.index("  1:\n")], "truncated: no functions of N"),
    (ALLOY[: ALLOY.index("functions")], "truncated one (it has no functions)"),
    (ALLOY.replace("elements", "species"), "not a .yace potential"),
    (ALLOY.replace("bonds", "pairs"), "not a .yace potential"),
    (ALLOY.replace("Cu", "Qq"), "elements that do not exist: 'Qq'"),
    (ALLOY.replace("[Cu, N]", "[]"), "elements that do not exist: none at all"),
    (ALLOY.replace("[Cu, N]", "[Cu shell rm]"), "elements that do not exist"),
    (ALLOY.replace("[Cu, N]", "Cu"), "its elements is no list"),
    (ALLOY.replace("rcut: 4.5", "rcut: 1-2"), "rcut of the bond [0, 0] is no number"),
    (ALLOY.replace("rcut: 6.25", "rcut: 1e9"), "largest cutoff (rcut) is 1e+09"),
    (ALLOY.replace("rcut: 6.25", "rcut: .nan"), "rcut of the bond [0, 1] is no number"),
    (ALLOY.replace("rcut:", "r:"), "bond [0, 0] has no rcut"),
    (ALLOY.replace("E0:", "e0:"), "it has no E0"),
    (ALLOY.replace("E0: [0.0, 0.0]", "E0: [0.0]"), "E0 has not 2 values"),
    (ALLOY.replace("  [1, 0]:", "  [1, 2]:"), "bond [1, 2] is not of two of its 2 elements"),
    (ALLOY.replace("  [1, 0]:", "  [0, 1]:"), "it has no bond [1, 0]"),
    (ALLOY.replace("ChebExpCos", "Wavelet"), "the radial basis 'Wavelet', which LAMMPS does not know"),
    (ALLOY.replace("radcoefficients: [[[1.0]]]", "radcoefficients: [[1.0]]"), "fewer radcoefficients"),
    (ALLOY.replace("ns: [1]", "ns: [1, 1]"), "function 1 of element 0 has not 1 values of ns"),
    (ALLOY.replace("ctildes: [-0.5]", "ctildes: [much]"), "values of ctildes that are no numbers"),
    (ALLOY.replace("functions:\n", "functions:\n  2: []\n"), "functions of 3 elements, but names 2"),
    ("[" * 5000, "truncated or damaged"),
    ("hello\n", "not a .yace potential"),
    ("\0\1", "truncated or damaged"),
])  # fmt: skip
def test_what_is_no_whole_potential_is_refused(tmp_path, text, words):
    (tmp_path / "x.yace").write_text(text)
    assert words in refused(tmp_path / "x.yace")


def test_other_files_given_by_mistake_are_refused(tmp_path):
    (tmp_path / "binary.yace").write_bytes(bytes(range(256)) * 50)
    assert "pace_yaml2yace" in refused(EXAMPLE / "cu.yaml")
    assert "not text" in refused(EXAMPLE / "cu.asi")
    assert "not text" in refused(tmp_path / "binary.yace")
    assert "No such file" in refused(tmp_path / "missing.yace")
    assert "Is a directory" in refused(tmp_path)


def test_half_of_what_the_extrapolation_grade_needs_is_refused(yace):
    for arguments in ({"basis": EXAMPLE / "cu.yaml"}, {"active_set": EXAMPLE / "cu.asi"},
                      {"basis": EXAMPLE / "none", "active_set": EXAMPLE / "cu.asi"}):  # fmt: skip
        assert "extrapolation grade" in refused(yace, **arguments)
    both = AcePotential.read(yace, basis=EXAMPLE / "cu.yaml", active_set=EXAMPLE / "cu.asi")
    assert both.active_set == EXAMPLE / "cu.asi"


def test_links_lead_to_the_potential_from_anywhere(yace, tmp_path, monkeypatch):
    monkeypatch.chdir(yace.parent)
    (link,) = AcePotential.read(Path("cu.yace")).job_links().values()
    elsewhere = tmp_path / "search"
    elsewhere.mkdir()
    (elsewhere / LINKED_NAME).symlink_to(link)
    assert (elsewhere / LINKED_NAME).read_bytes() == yace.read_bytes()


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["Cu", "Cu\n", "Cu\nshell rm -rf x", "Cu #", "$x", "N", "", "cu", "*"])
        | st.text(max_size=5),
        max_size=3,
    )
)
def test_only_known_elements_reach_lammps(species):
    potential = AcePotential(
        yace=Path("x"), elements=("Cu", "N", "Cu\n", "*", ""), cutoff_A=5.0, digest=""
    )
    try:
        text = potential.lammps_input(tuple(species))
    except PotentialError:
        assert not species or set(species) - {"Cu", "N"}
    else:
        assert set(species) <= {"Cu", "N"}
        assert text.splitlines()[1].split() == ["pair_coeff", "*", "*", LINKED_NAME, *species]
        assert len(text.splitlines()) == 2


def test_only_known_evaluators_reach_lammps():
    potential = AcePotential(
        yace=Path("x"), elements=("Cu",), cutoff_A=5.0, digest="", evaluator="product\nshell ls"
    )
    with pytest.raises(PotentialError, match="no evaluator"):
        potential.lammps_input(("Cu",))


def test_names_of_files_never_reach_lammps(tmp_path, yace):
    odd = tmp_path / "a b\nshell ls $HOME.yace"
    yace.rename(odd)
    assert AcePotential.read(odd).lammps_input(("Cu",)).splitlines()[1:] == [
        f"pair_coeff * * {LINKED_NAME} Cu"
    ]


def test_builtin_potentials_are_eons():
    for name in _USABLE:
        builtin = BuiltinPotential.named(name)
        assert builtin.eon_name == name
        assert name in builtin.described()
        assert (builtin.job_files(("Al",)), builtin.job_links()) == ({}, {})
    assert len({BuiltinPotential.named(name).facts()["potential.eon"] for name in _USABLE}) == len(
        _USABLE
    )
    with pytest.raises(PotentialError, match="no built-in potential 'lammps'; it has eam_al"):
        BuiltinPotential.named("lammps")
    pytest.importorskip("eon")
    from mlip_kmc.config.eon_schema import schema

    assert set(_USABLE) <= set(schema()["Potential"]["potential"]["values"])


def test_a_calculator_of_the_user_s_own(tmp_path, monkeypatch):
    """Its folder comes after all others, so that it takes no package's place; what is run is named."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = tmp_path / "my_model" / "for_ase"
    package.mkdir(parents=True)
    (tmp_path / "my_model" / "__init__.py").touch()
    (package / "__init__.py").write_text(
        "from ase.calculators.emt import EMT\n\nclass Mine(EMT):\n    pass\n"
    )
    (tmp_path / "ase.py").write_text("raise SystemExit('the wrong module')\n")
    potential = AsePotential(name="my_model.for_ase:Mine", python_path=(tmp_path,))
    assert potential.origin() == {
        "calculator": "my_model.for_ase:Mine",
        "calculator_file": str(package / "__init__.py"),
        "calculator_sha256": hashlib.sha256((package / "__init__.py").read_bytes()).hexdigest(),
        "python_path": str(tmp_path),
    }
    assert potential.recipe()["python-path"] == str(tmp_path)
    assert "python-path" not in AsePotential(name="ase.calculators.emt:EMT").recipe()
    assert type(calculator_of(potential)).__name__ == "Mine"
    assert sys.path[-1] == str(tmp_path)
    missing = AsePotential(name="no_such_model:Mine", python_path=(tmp_path,))
    assert missing.origin() == {
        "calculator": "no_such_model:Mine",
        "python_path": str(tmp_path),
    }
    with pytest.raises(PotentialError, match=r"or in a folder of `potential.python_path`"):
        calculator_of(missing)
