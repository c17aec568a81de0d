"""Potentials as values: what is read off a `.yace`, what is refused, and what reaches LAMMPS."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.config import GammaSection
from mlip_kmc.errors import PotentialError
from mlip_kmc.potential import AcePotential, BuiltinPotential
from mlip_kmc.potential.ace import LINKED_ACTIVE_SET, LINKED_BASIS, LINKED_NAME
from mlip_kmc.potential.builtin import _USABLE

EXAMPLE = Path(__file__).parents[2] / "examples" / "cu-vacancy"
ALLOY = """elements: [Cu, "N"]
E0: [0, 0]
bonds:
  [0, 0]: {nradmax: 3, rcut: 4.5, dcut: 0.01}
  [0, 1]: {nradmax: 3, rcut: 6.25, dcut: 0.01, rcut_in: 99}
functions:
  0:
    - {mu0: 0, rank: 1}
  1:
    - {mu0: 1, rank: 1}
"""


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
    assert potential.lammps_input(("Cu",)) == f"pair_style pace recursive\npair_coeff * * {LINKED_NAME} Cu\n"
    assert potential.job_files(("Cu",)) == {"in.lammps": potential.lammps_input(("Cu",))}
    assert potential.job_links() == {LINKED_NAME: EXAMPLE / "cu.yace", LINKED_BASIS: EXAMPLE / "cu.yaml",
                                     LINKED_ACTIVE_SET: EXAMPLE / "cu.asi"}
    alone = AcePotential.read(yace)
    assert alone.job_links() == {LINKED_NAME: yace}
    assert alone.lammps_input(("Cu",), gamma=GammaSection(select=3, halt=15, every=10)) == alone.lammps_input(("Cu",))
    assert (alone.basis, alone.active_set, alone.digest) == (None, None, potential.digest)


def test_elements_and_the_largest_cutoff_of_an_alloy(tmp_path):
    (tmp_path / "a.yace").write_text(ALLOY)
    potential = AcePotential.read(tmp_path / "a.yace")
    assert (potential.elements, potential.cutoff_A) == (("Cu", "N"), 6.25)
    assert potential.lammps_input(("N", "Cu")).endswith(f" {LINKED_NAME} N Cu\n"), "in the order of LAMMPS' types"


def test_the_calculator_evaluates_the_example(yace):
    pytest.importorskip("pyace")
    from ase.build import bulk

    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.calc = AcePotential.read(yace).calculator()
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
    (ALLOY[: ALLOY.index("  1:")], "truncated: no functions of N"),
    (ALLOY[: ALLOY.index("functions")], "truncated one"),
    (ALLOY.replace("elements", "species"), "not a .yace potential"),
    (ALLOY.replace("bonds", "pairs"), "not a .yace potential"),
    (ALLOY.replace("Cu", "Qq"), "elements that do not exist: 'Qq'"),
    (ALLOY.replace('Cu, "N"', ""), "elements that do not exist: ''"),
    (ALLOY.replace('[Cu, "N"]', "[Cu shell rm]"), "elements that do not exist"),
    (ALLOY.replace("rcut: 4.5", "rcut: 1-2"), "no cutoff"),
    (ALLOY.replace("rcut: 6.25", "rcut: 1e9"), "no cutoff"),
    (ALLOY.replace("rcut:", "r:"), "no cutoff"),
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
        st.sampled_from(["Cu", "Cu\n", "Cu\nshell rm -rf x", "Cu #", "$x", "N", "", "cu", "*"]) | st.text(max_size=5),
        max_size=3,
    )
)
def test_only_known_elements_reach_lammps(species):
    potential = AcePotential(yace=Path("x"), elements=("Cu", "N", "Cu\n", "*", ""), cutoff_A=5.0, digest="")
    try:
        text = potential.lammps_input(tuple(species))
    except PotentialError:
        assert not species or set(species) - {"Cu", "N"}
    else:
        assert set(species) <= {"Cu", "N"}
        assert text.splitlines()[1].split() == ["pair_coeff", "*", "*", LINKED_NAME, *species]
        assert len(text.splitlines()) == 2


def test_only_known_evaluators_reach_lammps():
    potential = AcePotential(yace=Path("x"), elements=("Cu",), cutoff_A=5.0, digest="", evaluator="product\nshell ls")
    with pytest.raises(PotentialError, match="no evaluator"):
        potential.lammps_input(("Cu",))


def test_names_of_files_never_reach_lammps(tmp_path, yace):
    odd = tmp_path / "a b\nshell ls $HOME.yace"
    yace.rename(odd)
    assert AcePotential.read(odd).lammps_input(("Cu",)).splitlines()[1:] == [f"pair_coeff * * {LINKED_NAME} Cu"]


def test_builtin_potentials_are_eons():
    for name in _USABLE:
        builtin = BuiltinPotential.named(name)
        assert (builtin.eon_name, builtin.elements, builtin.cutoff_A) == (name, None, None)
        assert (builtin.job_files(("Al",)), builtin.job_links()) == ({}, {})
    assert len({BuiltinPotential.named(name).facts()["potential.eon"] for name in _USABLE}) == len(_USABLE)
    with pytest.raises(PotentialError, match="no built-in potential 'lammps'; it has eam_al"):
        BuiltinPotential.named("lammps")
    pytest.importorskip("eon")
    from mlip_kmc.schema import schema

    assert set(_USABLE) <= set(schema()["Potential"]["potential"]["values"])
