"""Training sets as they come: units, keys, pickles; and what makes no active set."""

import pickle
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import Bohr, Hartree
from click.testing import CliRunner

from mlip_kmc.cli.main import cli
from mlip_kmc.evaluate.gamma import Extrapolation, Projector
from mlip_kmc.ground.errors import PotentialError, StructureError
from mlip_kmc.learning.active_set_maker import (
    active_set_bytes,
    make_active_set,
    write_active_set,
)
from mlip_kmc.learning.training_set import forces_of, read_training
from mlip_kmc.potential.active_set import ActiveSet
from mlip_kmc.potential.basis import BBasis

EXAMPLE = Path(__file__).parents[3] / "examples" / "cu-vacancy"
BASIS = EXAMPLE / "cu.yaml"


def frames(count=40):
    """Copper from dense to thin, rattled: enough to span the example's 35 functions."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(count):
        atoms = bulk("Cu", "fcc", a=rng.uniform(2.6, 4.6), cubic=True)
        atoms.positions += rng.normal(0, rng.uniform(0, 0.4), (4, 3))
        found.append(atoms)
    return found


@pytest.fixture
def training(tmp_path):
    path = tmp_path / "train.xyz"
    ase.io.write(path, frames(), format="extxyz")
    return path


def test_gamma_is_at_most_one_in_the_set_itself(tmp_path):
    made = make_active_set(BASIS, frames())
    assert (made.structures, made.atoms, made.left_out) == (40, 160, 0)
    write_active_set(tmp_path / "cu.asi", made)
    assert ActiveSet.read(tmp_path / "cu.asi", basis=BBasis.read(BASIS)).kind == "linear"
    grade = Extrapolation.read(basis=BASIS, active_set=tmp_path / "cu.asi")
    gammas = np.array([grade.gamma_of(atoms) for atoms in frames()])
    print(
        f"\nlargest gamma in the set: {gammas.max():.6f}; atoms with gamma 1 to 1e-3: {np.sum(np.abs(gammas - 1) < 1e-3)}"
    )
    assert gammas.max() == pytest.approx(made.largest_gamma, rel=1e-6)
    assert gammas.max() <= 1.001 + 1e-6
    assert np.sum(np.abs(gammas - 1) < 1e-3) >= 35


def test_lengths_of_other_units_are_the_same_structures(tmp_path, training):
    scaled = frames()
    for atoms in scaled:
        atoms.set_cell(atoms.cell.array / Bohr, scale_atoms=True)
    ase.io.write(tmp_path / "bohr.xyz", scaled, format="extxyz")
    for first, second in zip(
        read_training(training),
        read_training(tmp_path / "bohr.xyz", length_unit="bohr"),
        strict=True,
    ):
        np.testing.assert_allclose(first.positions, second.positions, atol=1e-7)
        np.testing.assert_allclose(first.cell.array, second.cell.array, atol=1e-7)


def test_structures_are_left_out_by_their_keys(tmp_path):
    found = frames(4)
    for number, atoms in enumerate(found):
        atoms.info["config_type"] = "bulk" if number else "isolated_atom"
        atoms.info["round"] = number
    ase.io.write(tmp_path / "train.xyz", found, format="extxyz")
    assert (
        len(
            read_training(
                tmp_path / "train.xyz", leave_out=[("config_type", "isolated_atom"), ("round", "3")]
            )
        )
        == 2
    )
    with pytest.raises(StructureError, match="besides those left out"):
        read_training(tmp_path / "train.xyz", leave_out=[("config_type", "bulk"), ("round", "0")])


@pytest.mark.parametrize("name", ["007", "T", "1e3", "0_17", "true", "fcc bulk"])
def test_structures_are_left_out_by_the_words_of_their_keys(tmp_path, name):
    """ASE reads 7, True and 1000.0 of these."""
    found = frames(4)
    for number, atoms in enumerate(found):
        atoms.info["group"] = "bulk" if number else name
    ase.io.write(tmp_path / "train.xyz", found, format="extxyz")
    assert len(read_training(tmp_path / "train.xyz", leave_out=[("group", name)])) == 3


@pytest.mark.parametrize(("pair", "told"), [
    (("group", "7"), "--leave-out group=7 names no structure of .*train.xyz: that key's values are 007, bulk"),
    (("Group", "007"), "none has the key Group"),
])  # fmt: skip
def test_what_leaves_nothing_out_is_an_error(tmp_path, pair, told):
    found = frames(4)
    for number, atoms in enumerate(found):
        atoms.info["group"] = "bulk" if number else "007"
    ase.io.write(tmp_path / "train.xyz", found, format="extxyz")
    with pytest.raises(StructureError, match=told):
        read_training(tmp_path / "train.xyz", leave_out=[("group", "bulk"), pair])
    (tmp_path / "train.pckl").write_bytes(pickle.dumps(pd.DataFrame({"ase_atoms": found})))
    with pytest.raises(StructureError, match="--leave-out none=1 names no structure"):
        read_training(tmp_path / "train.pckl", leave_out=[("none", "1")], trust_pickle=True)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_read_unless_it_is_trusted(tmp_path, protocol):
    path, crater = tmp_path / "train.pckl", tmp_path / "crater"
    path.write_bytes(pickle.dumps(Bomb(crater), protocol=protocol))
    with pytest.raises(StructureError, match="--trust-pickle"):
        read_training(path)
    assert not crater.exists()
    with pytest.raises(StructureError, match="cannot read the pickled training set"):
        read_training(path, trust_pickle=True)
    assert crater.exists()


@pytest.mark.parametrize("compression", ["gzip", None])
def test_a_trusted_pickle_is_pacemaker_s_table(tmp_path, compression):
    found = frames(5)
    table = pd.DataFrame({"ase_atoms": found, "forces": [np.full((4, 3), 2.0)] * 5})
    table.to_pickle(tmp_path / "t.pckl", compression=compression)
    read = read_training(tmp_path / "t.pckl", trust_pickle=True)
    assert [atoms.positions.tolist() for atoms in read] == [
        atoms.positions.tolist() for atoms in found
    ]
    assert forces_of(read[0], "forces").tolist() == np.full((4, 3), 2.0).tolist()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not extended XYZ but binary"),
        (b"\x80\x04", "not extended XYZ but binary"),
        (b"hello\n", "not extended XYZ"),
        (b"3\n\nCu 0 0 0\n", "cannot read"),
        (b'1\nLattice="1 0 0"\nCu 0 0 0\n', "cannot read"),
        (b"1\n\nQq 0 0 0\n", "cannot read"),
    ],
)
def test_what_is_no_training_set_is_one_line(tmp_path, content, said):
    (tmp_path / "t.xyz").write_bytes(content)
    with pytest.raises(StructureError, match=said) as caught:
        read_training(tmp_path / "t.xyz")
    assert "\n" not in str(caught.value)
    assert "t.xyz" in str(caught.value)


def test_a_missing_training_set_is_named(tmp_path):
    with pytest.raises(StructureError, match=r"gone\.xyz: No such file"):
        read_training(tmp_path / "gone.xyz")


def test_forces_go_by_the_name_and_unit_that_the_set_gives_them():
    atoms = bulk("Cu", cubic=True)
    atoms.arrays["dft_force"] = np.ones((4, 3))
    np.testing.assert_allclose(forces_of(atoms, "dft_force", unit="Ha/bohr"), Hartree / Bohr)
    with pytest.raises(
        StructureError, match=r"no forces of the name 'forces' \(it has dft_force\)"
    ):
        forces_of(atoms, "forces")


def test_atoms_whose_force_is_missed_stay_out():
    """Their forces are wrong by 9 eV/A in every fifth structure."""
    projector = Projector(BASIS)
    forces = [
        projector.evaluate(atoms)[1] + (9.0 if number % 5 == 0 else 0.0)
        for number, atoms in enumerate(frames(60))
    ]
    made = make_active_set(BASIS, frames(60), forces=forces, most_force_error_eV_per_A=1.0)
    assert made.left_out == 12 * 4


def test_a_set_that_does_not_span_the_basis_is_refused():
    with pytest.raises(
        PotentialError,
        match=r"Cu: 4 atoms, 4 independent environments for 35 functions\), .* add structures",
    ):
        make_active_set(BASIS, frames(1))
    with pytest.raises(
        PotentialError, match="Cu: 80 atoms, 1 independent environment for 35 functions"
    ):
        make_active_set(BASIS, [bulk("Cu", a=3.6, cubic=True)] * 20)


def test_another_element_is_refused():
    with pytest.raises(StructureError, match="does not know Ni; it knows Cu"):
        make_active_set(BASIS, [Atoms("Ni", cell=[5, 5, 5], pbc=True)])


def run(*arguments):
    done = CliRunner().invoke(cli, ["potential", "activeset", *map(str, arguments)])
    return done.exit_code, done.output, done.exception


def test_the_command_writes_what_python_ace_reads_and_the_same_again(tmp_path, training):
    code, output, _ = run(training, "--basis", BASIS, "--output", tmp_path / "new.asi")
    assert code == 0, output
    assert (
        f"wrote {tmp_path}/new.asi: 35 of Cu, from 40 structures, 160 atoms; largest gamma in them 1.0"
        in output
    )
    before = (tmp_path / "new.asi").read_bytes()
    assert before == active_set_bytes(make_active_set(BASIS, read_training(training)))
    assert run(training, "--basis", BASIS, "--output", tmp_path / "new.asi")[0] == 0
    assert (tmp_path / "new.asi").read_bytes() == before
    from pyace import PyACECalculator

    calculator = PyACECalculator(str(BASIS))
    calculator.set_active_set(str(tmp_path / "new.asi"))
    atoms = bulk("Cu", a=3.7, cubic=True)
    calculator.calculate(atoms)
    ours = Extrapolation.read(basis=BASIS, active_set=tmp_path / "new.asi").gamma_of(atoms)
    np.testing.assert_allclose(ours, calculator.results["gamma"], rtol=1e-9)


def test_another_active_set_gives_way_to_force_only_and_its_record_is_told_of(tmp_path, training):
    for name in ("cu.yace", "cu.yaml", "cu.asi", "cu.record.json"):
        (tmp_path / name).write_bytes((EXAMPLE / name).read_bytes())
    code, _, error = run(training, "--basis", tmp_path / "cu.yaml")
    assert (code, type(error)) == (1, PotentialError)  # `main` makes the exit code of it
    assert "holds another active set; give --force" in str(error)
    assert (tmp_path / "cu.asi").read_bytes() == (EXAMPLE / "cu.asi").read_bytes()
    code, output, _ = run(training, "--basis", tmp_path / "cu.yaml", "--force")
    assert code == 0
    assert (
        f"its record is of another active set: mlip-kmc potential record --force {tmp_path}/cu.yace"
        in output
    )


def test_options_that_need_each_other(training):
    code, output, _ = run(training, "--basis", BASIS, "--forces-key", "f")
    assert code == 2
    assert "need each other" in output
    code, output, _ = run(training, "--basis", BASIS, "--leave-out", "bulk")
    assert "'bulk' is not KEY=VALUE" in output
