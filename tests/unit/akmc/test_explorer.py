"""What is read, written and computed once where eOn does it for every search, and what comes of it is the same."""

import numpy as np
import pytest
from eon import atoms, fileio

from mlip_kmc.akmc.eon_adapter import Neighbours, NotingInfo


@pytest.fixture
def path(tmp_path):
    fileio.ini(str(tmp_path / "info")).set("MetaData", "previous state", -1)
    return tmp_path / "info"


def test_an_info_file_is_written_as_eon_writes_it(path, tmp_path):
    noted = []
    ours, theirs = NotingInfo(str(path)), fileio.ini(str(tmp_path / "theirs"))
    ours.noted = lambda: noted.append(1)
    for info in (theirs, ours):
        info.set("MetaData", "previous state", -1)
        for name, value in (
            ("searches", 3),
            ("reactant energy", -1.25),
            ("proc repeat count", {4: 1}),
            ("searches", 4),
        ):
            info.set("MetaData", name, value)
    assert len(noted) == 5
    assert path.read_text() != (tmp_path / "theirs").read_text()
    ours.flush()
    assert path.read_text() == (tmp_path / "theirs").read_text()


def test_what_was_set_is_what_is_got_and_the_rest_is_as_on_disk(path):
    info = NotingInfo(str(path))
    info.set("MetaData", "searches", 4)
    assert (info.get("MetaData", "searches"), info.get("MetaData", "previous state")) == (4, -1)
    assert info.get("MetaData", "good_saddles", 0) == 0
    with pytest.raises(NameError):
        info.get("MetaData", "good_saddles")
    info.flush()
    assert fileio.ini(str(path)).get("MetaData", "searches") == 4
    info.set("Other", "flag", value=True)
    info.flush()
    assert NotingInfo(str(path)).get("Other", "flag") is True


def test_without_a_change_nothing_is_written(path):
    info = NotingInfo(str(path))
    assert info.get("MetaData", "previous state") == -1
    path.unlink()
    info.flush()
    assert not path.exists()


def test_neighbours_are_eons_own_and_asked_for_once():
    from ase.build import bulk

    asked, plain = [], atoms.neighbor_list_vectors

    def counted(structure, cutoff, brute=False):
        asked.append(cutoff)
        return plain(structure, cutoff, brute)

    crystal = bulk("Cu", cubic=True) * (3, 3, 3)
    structure = atoms.Atoms(len(crystal))
    structure.r, structure.box = crystal.positions, np.array(crystal.cell)
    wanted = plain(structure, 3.0, False)
    neighbours = Neighbours(counted)
    for _ in range(3):
        with neighbours:
            found = atoms.neighbor_list_vectors(structure, 3.0, False)
            assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
            assert len(atoms.neighbor_list_vectors(structure, 4.0, False)[0]) > len(wanted[0]) == 12
        assert atoms.neighbor_list_vectors is counted
    assert asked == [3.0, 4.0]
    atoms.neighbor_list_vectors = plain
