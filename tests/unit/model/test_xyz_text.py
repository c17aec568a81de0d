"""Extended XYZ has one writer, and what it writes is read back to the last digit, by our reader and by ASE's."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read

import mlip_kmc
from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure import extended_xyz, fixed_atoms, read_frames, text_of

SOURCE = Path(mlip_kmc.__file__).parent


def copper():
    atoms = bulk("Cu", a=3.6, cubic=True)
    atoms.positions += np.random.default_rng(3).normal(0, 0.1, (4, 3))
    atoms.pbc = (True, False, True)
    return atoms


def test_every_digit_comes_back(tmp_path):
    atoms, forces = copper(), np.random.default_rng(4).normal(0, 1, (4, 3))
    moves = np.array([True, False, True, True])
    keys = {"energy": repr(-1 / 3), "group": 'a "b" \\ c', "name": "007"}
    text = extended_xyz(atoms, keys=keys, columns={"forces": forces, "move_mask": moves})
    (tmp_path / "one.xyz").write_text(text + text)
    for found in (*read_frames(tmp_path / "one.xyz"), read(tmp_path / "one.xyz", 1)):
        np.testing.assert_array_equal(found.positions, atoms.positions)
        np.testing.assert_array_equal(found.cell.array, atoms.cell.array)
        np.testing.assert_array_equal(found.calc.results["forces"], forces)
        assert found.calc.results["energy"] == -1 / 3
        assert found.pbc.tolist() == [True, False, True]
        assert fixed_atoms(found).tolist() == [1]
    first = read_frames(tmp_path / "one.xyz")[0]
    assert {name: text_of(first, name) for name in ("group", "name")} == {
        "group": 'a "b" \\ c', "name": "007",
    }  # fmt: skip
    assert extended_xyz(first, keys=keys, columns={"forces": forces, "move_mask": moves}) == text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"gamma": np.array([1.0, np.nan, 0.0, 0.0])}, "finite numbers in its cell and pos, gamma"),
        ({"gamma": np.ones(3)}, "4 atoms have gamma of the shape"),
        ({"forces": np.ones((4, 3, 1))}, "4 atoms have forces of the shape"),
    ],
)
def test_what_is_no_frame_is_refused(columns, words):
    with pytest.raises(StructureError, match=words):
        extended_xyz(copper(), columns=columns)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ('Lattice="', {"model/structure/xyz_text.py", "driver/standalone/halts.py"}),
        ('parts.json"', {"ground/image.py"}),
    ],
)  # fmt: skip
def test_one_writer_of_extended_xyz_and_one_reader_of_the_image_s_notes(text, files):
    """The standalone driver's own writer gives the same bytes (driver/test_pace_driver.py)."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if text in path.read_text()
    }
    assert found == files
    writers = re.compile(
        r"""ase\.io\.write|write_extxyz|format="extxyz"|from ase\.io import .*\bwrite\b"""
    )
    assert [path.name for path in SOURCE.rglob("*.py") if writers.search(path.read_text())] == []
