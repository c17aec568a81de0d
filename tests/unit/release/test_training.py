"""Sets of labelled structures: their fingerprint, their errors, and what is no such set."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.labelled import LabelledStructure, write_labelled
from mlip_kmc.release.training import LabelledSet


def structures(count=3):
    rng = np.random.default_rng(3)
    for number in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.positions += rng.normal(0.0, 0.05, atoms.positions.shape)
        labelled = atoms.copy()
        labelled.calc = EMT()
        energy, forces = labelled.get_potential_energy(), labelled.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        atoms.info["group"] = ("bulk", "hop")[number % 2]
        yield atoms


def written(path, atoms):
    write(path, list(atoms), format="extxyz")
    return path


def test_the_fingerprint_is_of_the_structures_not_of_the_file(tmp_path):
    first = LabelledSet.read((written(tmp_path / "a.xyz", structures()),))
    there = list(structures())
    parts = (written(tmp_path / "b.xyz", there[1:]), written(tmp_path / "c.xyz", there[:1]))
    assert LabelledSet.read(parts).fingerprint == first.fingerprint
    (tmp_path / "own.xyz").write_bytes(first.to_xyz())
    again = LabelledSet.read((tmp_path / "own.xyz",))
    assert again.fingerprint == first.fingerprint
    assert again.to_xyz() == first.to_xyz()
    assert again.files != first.files


@pytest.mark.parametrize(
    "change", ["position", "energy", "force", "element", "one less", "one twice"]
)
def test_another_set_has_another_fingerprint(tmp_path, change):
    there = list(structures())
    results = there[0].calc.results
    if change == "position":
        there[0].positions[0, 0] += 1e-6
    elif change == "energy":
        results["energy"] += 1e-6
    elif change == "force":
        results["forces"][0, 0] += 1e-6
    elif change == "element":
        there[0].symbols[0] = "Ni"
    elif change == "one less":
        there.pop()
    else:
        there.append(there[0])
    if change in {"position", "element"}:
        there[0].calc = SinglePointCalculator(there[0], **results)
    found = LabelledSet.read((written(tmp_path / "a.xyz", there),))
    assert (
        found.fingerprint
        != LabelledSet.read((written(tmp_path / "b.xyz", structures()),)).fingerprint
    )


class Shifted(EMT):
    """EMT with 4 meV more and forces 10 meV/A larger in x."""

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        self.results["energy"] += 0.004
        self.results["forces"] = self.results["forces"] + [0.01, 0.0, 0.0]


def test_errors_by_group(tmp_path):
    found = LabelledSet.read((written(tmp_path / "a.xyz", structures()),)).errors(Shifted())
    assert {group: errors.structures for group, errors in found.items()} == {"bulk": 2, "hop": 1}
    for errors in found.values():
        assert errors.energy_eV_per_atom == pytest.approx(0.001, abs=2e-6)
        assert errors.force_eV_per_A == pytest.approx(0.01 / np.sqrt(3), rel=1e-2)


def test_what_is_no_set(tmp_path):
    (tmp_path / "noise.xyz").write_text("this is no structure\n")
    bare = written(tmp_path / "bare.xyz", [Atoms("Cu")])
    for paths, said in (
        ((tmp_path / "none.xyz",), "cannot read"),
        ((tmp_path / "noise.xyz",), "no extended XYZ"),
        ((bare,), "structure 1 .* has no energy and forces"),
        ((bare, bare), "has no energy|two files"),
    ):
        with pytest.raises(StructureError, match=said):
            LabelledSet.read(paths)


@pytest.mark.parametrize(
    "name",
    [
        "007",
        "T",
        "1e3",
        "0_17",
        "True",
        "fcc bulk",
        'a "b" c',
        "back\\slash",
        "ümlaut",
        "a=b",
        "x" * 80,
    ],
)
def test_groups_keep_their_names(tmp_path, name):
    there = list(structures(2))
    for atoms, group in zip(there, (name, "other"), strict=True):
        atoms.info["group"] = group.replace("\\", "\\\\")  # ASE's writer escapes quotes only
    first = LabelledSet.read((written(tmp_path / "a.xyz", there),))
    assert [one.group for one in first.structures] == [name, "other"]
    assert list(first.errors(EMT())) == [name, "other"]
    (tmp_path / "own.xyz").write_bytes(first.to_xyz())
    assert [one.group for one in LabelledSet.read((tmp_path / "own.xyz",)).structures] == [
        name,
        "other",
    ]


def test_groups_that_look_alike_stay_apart(tmp_path):
    there = list(structures(4))
    for atoms, group in zip(there, ("a b", "a_b", "1", "01"), strict=True):
        atoms.info["group"] = group
    path = written(tmp_path / "a.xyz", there)
    assert list(LabelledSet.read((path,)).errors(EMT())) == ["a b", "a_b", "1", "01"]


def test_what_a_campaign_did_not_fit_is_no_error_of_the_set(tmp_path):
    """Boxes that were cut out: the energy and the forces of the buffer are there, and count for nothing."""
    (atoms,) = structures(1)
    wrong = atoms.calc.results["forces"].copy()
    wrong[2:] += 100.0
    box = LabelledStructure(
        name="box",
        atoms=atoms,
        forces_eV_per_A=wrong,
        energy_eV=atoms.calc.results["energy"] + 100.0,
        force_weights=np.array([1.0, 0.5, 0.0, 0.0]),
        energy_weight=0.0,
    )
    whole = LabelledStructure.whole(
        "whole",
        atoms,
        energy_eV=atoms.calc.results["energy"],
        forces_eV_per_A=atoms.calc.results["forces"],
    )
    write_labelled(tmp_path / "set.xyz", [box, whole])
    read = LabelledSet.read((tmp_path / "set.xyz",))
    errors = read.errors(EMT())["all"]
    assert errors.structures == 2
    assert errors.energy_eV_per_atom < 1e-9
    assert errors.force_eV_per_A < 1e-9
    (tmp_path / "own.xyz").write_bytes(read.to_xyz())
    again = LabelledSet.read((tmp_path / "own.xyz",))
    assert (again.fingerprint, again.errors(EMT())["all"]) == (read.fingerprint, errors)
    write_labelled(tmp_path / "set.xyz", [box])
    alone = LabelledSet.read((tmp_path / "set.xyz",)).errors(EMT())["all"]
    assert alone.energy_eV_per_atom == pytest.approx(25.0)  # nothing counts: all of it is told
    assert alone.force_eV_per_A < 1e-9
