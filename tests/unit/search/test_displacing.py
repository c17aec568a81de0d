"""Displacements are eOn's, whoever makes them, wherever and beside whatever else."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import numpy as np
import pytest
from ase.build import bulk
from eon import atoms, displace, fileio
from eon.config import ConfigClass

from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.search.displacing import Displacing
from mlip_kmc.search.eon_displacements import DisplaceError, Neighbours, options_of
from mlip_kmc.search.quick_yaml import quick_yaml

OPTIONS = {
    "displace_random_weight": 0.0,
    "displace_under_coordinated_weight": 1.0,
    "displace_max_coordination": 11,
    "displace_radius": 3.0,
    "displace_magnitude": 0.3,
}


def vacancy():
    crystal = bulk("Cu", cubic=True) * (3, 3, 3)
    del crystal[0]
    return crystal


@pytest.fixture
def config(tmp_path):
    """(changes -> eOn's configuration)"""

    def make(**changes):
        saddle = {**OPTIONS, **changes}
        path = tmp_path / "config.ini"
        path.write_text(
            ini_text({"Main": {"job": "akmc", "temperature": 300.0}, "Saddle Search": saddle})
        )
        with quick_yaml():
            found = ConfigClass()
        found.init(str(path))
        return found

    return make


@pytest.fixture
def made(config):
    """(seed, changes of the options -> texts) as a worker makes them."""

    def make(seed, structure=None, among=None, **changes):
        start = Displacing(seed, options_of(config(**changes)), among=among)
        return start.files(to_con(structure or vacancy()))

    return make


@pytest.fixture
def eons_own(config):
    """(seed -> texts) as eOn's explorer makes them, in one process and one after another."""
    config = config()
    reactant = fileio.loadcon(StringIO(to_con(vacancy())))
    manager = displace.DisplacementManager(reactant, None, config=config)

    def make(seed):
        np.random.seed(seed)  # noqa: NPY002 - eOn's stream
        place, direction = StringIO(), StringIO()
        displaced, mode = manager.make_displacement()
        fileio.savecon(place, displaced)
        fileio.save_mode(direction, mode, reactant.free)
        return {"displacement.con": place.getvalue(), "direction.dat": direction.getvalue()}

    return make


def test_they_are_eons_own_to_the_last_digit_also_from_several_threads(eons_own, config):
    wanted = {seed: eons_own(seed) for seed in range(24)}
    assert len({texts["displacement.con"] for texts in wanted.values()}) == 24
    starts = [Displacing(seed, options_of(config())) for seed in wanted]
    con = to_con(vacancy())
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda start: start.files(con), starts))
    assert found == list(wanted.values())


def test_another_process_makes_the_same(eons_own, config):
    code = (
        "import pickle, sys; start, con = pickle.load(sys.stdin.buffer); "
        "pickle.dump(start.files(con), sys.stdout.buffer)"
    )
    given = pickle.dumps((Displacing(7, options_of(config())), to_con(vacancy())))
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, check=True, timeout=120
    )
    assert pickle.loads(done.stdout) == eons_own(7)  # noqa: S301 - from this test's own child


def test_searches_can_be_aimed_and_the_next_ones_need_not_be(made):
    home = vacancy().positions
    free = made(3, displace_radius=0.0)
    aimed = made(3, among=frozenset({5}), displace_radius=0.0)
    moved = np.linalg.norm(from_con(aimed["displacement.con"]).positions - home, axis=1)
    assert np.flatnonzero(moved).tolist() == [5]
    assert made(3, displace_radius=0.0) == free


def test_where_no_atom_may_be_displaced_it_is_told(made):
    with pytest.raises(DisplaceError, match="coordination of 11 or less"):
        made(1, structure=bulk("Cu", cubic=True) * (3, 3, 3))


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
