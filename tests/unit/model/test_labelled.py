"""Labelled structures: written and read back, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.labelled import (
    LabelledStructure,
    Role,
    labelled_text,
    read_labelled,
    write_labelled,
)


@pytest.fixture
def structure():
    atoms = bulk("Cu", cubic=True)
    forces = np.arange(12.0).reshape(4, 3) / 7
    return LabelledStructure.whole("000_1", atoms, energy_eV=-1 / 3, forces_eV_per_A=forces)


def test_reads_back_what_was_written(tmp_path, structure):
    cut = replace(structure, name="007", force_weights=np.array([1.0, 0, 0.5, 0]), energy_weight=0)
    forces_only = replace(structure, energy_eV=None, role=Role.ANCHOR, oracle="ab" * 32)
    wanted = (structure, cut, forces_only)
    write_labelled(tmp_path / "set.xyz", wanted)
    found = read_labelled(tmp_path / "set.xyz")
    assert [entry.name for entry in found] == ["000_1", "007", "000_1"]
    assert labelled_text(found) == labelled_text(wanted)
    assert found[2].energy_eV is None
    assert found[2].role is Role.ANCHOR
    assert (found[1].force_weights == [1, 0, 0.5, 0]).all()


def test_anybodys_set_is_whole(tmp_path, structure):
    path = tmp_path / "theirs.xyz"
    write_labelled(path, [structure])
    path.write_text(path.read_text().replace("energy=", "E0=").replace(":forces:", ":F:"))
    found = read_labelled(path, energy_key="E0", forces_key="F", role=Role.TRAINING)
    assert found[0].energy_eV == -1 / 3
    assert (found[0].force_weights == 1).all()
    with pytest.raises(StructureError, match=r"structure 1 of .* has no finite forces of the name"):
        read_labelled(path)


@pytest.mark.parametrize(
    "change",
    [
        {"energy_eV": float("nan")},
        {"energy_weight": float("nan")},
        {"force_weights": np.array([1, 1, 1, np.nan])},
        {"force_weights": np.array([1, 1, 1, 1.5])},
        {"forces_eV_per_A": np.full((4, 3), np.inf)},
        {"name": "a b"},
    ],
)
def test_refuses_what_does_not_read_back(structure, change):
    with pytest.raises(StructureError):
        labelled_text([replace(structure, **change)])
