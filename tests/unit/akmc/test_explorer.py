"""What is read, written and computed once where eOn does it for every search, and what comes of it is the same."""

import numpy as np
import pytest
from eon import fileio

from mlip_kmc.akmc.eon_adapter import NotingInfo
from mlip_kmc.akmc.eon_states import EonStates
from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.model.structure import from_con, to_con


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


@pytest.fixture
def started(tmp_path):
    """Where searches of a structure start: (name -> displaced atoms), by a way to displace and a radius."""

    def make(structure, way, *, radius_A, count=8):
        (tmp_path / "eon").mkdir()
        options = {"displace_random_weight": 0.0, f"displace_{way}_weight": 1.0}
        options |= {"displace_radius": radius_A, "displace_magnitude": 0.1}
        ini = {
            "Main": {"job": "akmc", "temperature": 300.0},
            "Saddle Search": options,
            "Recycling": {"use_recycling": False},
        }
        states = EonStates(
            tmp_path / "eon",
            pos_con=to_con(structure),
            config_ini=ini_text(ini),
            seed=1,
            spool=tmp_path / "spool",
        )
        states.begin()
        place = states.place(0, previous=-1)
        con = place.reactant_con(0)
        starts = [place.start(f"0_{index}").displacing.files(con) for index in range(count)]
        found = [from_con(start["displacement.con"]).positions for start in starts]
        modes = np.array([start["direction.dat"].split() for start in starts], dtype=float)
        assert np.isfinite(modes).all()
        return np.array(found) - structure.positions

    return make


def surface(height_A):
    """An atom above copper (100) whose lowest layer is fixed; it is the last."""
    from ase.build import add_adsorbate, fcc100
    from ase.constraints import FixAtoms

    slab = fcc100("Cu", (3, 3, 3), vacuum=10.0, periodic=True)
    slab.set_constraint(FixAtoms(indices=np.flatnonzero(slab.get_tags() == 3)))
    add_adsorbate(slab, "Cu", height_A, "hollow")
    return slab


@pytest.mark.parametrize("radius_A", [0.0, 2.5])
def test_an_atom_without_neighbours_in_reach_is_displaced_without_the_bias(started, radius_A):
    """eOn divides its bias by its norm, which was zero: all positions became NaN."""
    from ase.build import bulk

    crystal = bulk("Cu", cubic=True) * (3, 3, 3)
    moved = np.linalg.norm(started(crystal, "random", radius_A=radius_A), axis=2)
    assert ((moved > 0).sum(axis=1) == 1).all()
    assert 0.02 < moved.max(axis=1).min() <= moved.max() < 0.6


def test_an_atom_far_above_a_surface_is_displaced_too(started):
    """One of 19 free atoms: some of so many searches start there."""
    slab = surface(9.0)
    moved = np.linalg.norm(started(slab, "random", radius_A=4.0, count=60), axis=2)
    assert np.isfinite(moved).all()
    assert (moved[:, -1] > 0).any()


def test_the_least_coordinated_atom_is_one_that_has_not_left(started):
    """An adatom at its place is; one that has left would be the start of every search, and none would find a process."""
    near = np.linalg.norm(started(surface(1.8), "least_coordinated", radius_A=0.0), axis=2)
    assert (near.argmax(axis=1) == 27).all()


def test_of_what_has_not_left_the_least_coordinated_are_displaced(started):
    far = np.linalg.norm(started(surface(9.0), "least_coordinated", radius_A=0.0), axis=2)
    assert (far[:, -1] == 0).all()
    assert {int(atom) for atom in far.argmax(axis=1)} <= set(range(18, 27)), "the top layer"
