"""What one run takes over from another: where a search starts, and how often the other has searched in vain; nothing else."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlip_kmc.akmc.pool import Pool
from mlip_kmc.akmc.rows import Rows
from mlip_kmc.akmc.sharing import Sharing
from mlip_kmc.evaluate.client import End
from mlip_kmc.model.records import SHARED, shortcuts_of
from mlip_kmc.model.structure import from_con
from mlip_kmc.search.outcome import SearchOutcome, Termination

from .test_classes import ENERGY_EV, explored, hop, kinship, register, tree, vacancy


class Replica:
    """A run in a folder of its own, its states, and what it shares."""

    def __init__(self, folder, pool, *, seed):
        self.states = tree(folder, vacancy())
        self.kin = kinship(self.states, seed=seed)
        self.pool = Pool(pool, facts={}, run=seed)
        self.again()
        self.state, self.searched = self.states.get_state(0), 0

    def again(self):
        """As after a restart: what the folders say is all that there is."""
        self.states.flush()
        self.sharing = Sharing(
            self.states, pool=self.pool, tolerance_A=0.03, takes_part=self.kin.explores
        )
        self.sharing._searched = self.states.get_state(0)

    def explore(self, repeats):
        explored(self.states, self.kin, repeats=repeats)
        self.searched = repeats + 1

    def register(self, outcome):
        index, before = self.searched, self.state.get_repeats()
        record = register(self.kin, self.state, outcome, index)
        self.sharing.registered(self.state, index=index, repeats_before=before)
        self.searched += 1
        return record

    def exchange(self):
        self.sharing._not_before_s = 0.0
        self.sharing.exchange()


@pytest.fixture
def two(tmp_path):
    """One that knows the orbit by four searches; one that has begun, and knows its energy by a rare process."""
    ours = Replica(tmp_path / "ours", tmp_path / "pool", seed=1)
    theirs = Replica(tmp_path / "theirs", tmp_path / "pool", seed=2)
    theirs.explore(repeats=3)
    theirs.exchange()
    ours.kin.meet(ours.state)
    ours.register(hop(vacancy(), aside=0.3, barrier_eV=0.61))
    ours.exchange()
    return ours, theirs


def shared_search(ours):
    """The next search, which starts at a saddle of theirs."""
    start = ours.sharing.start(ours.state, f"0_{ours.searched}", index=ours.searched)
    assert start.kind == SHARED
    return start


def test_a_saddle_of_another_run_is_where_a_search_starts(two):
    ours, _ = two
    assert ours.sharing.waiting(ours.state) == 1  # of twelve that are images of each other
    assert ours.sharing.most(ours.state) == ours.searched + 1
    assert len(list(Rows(ours.state))) == 48
    start = shared_search(ours)
    moved = from_con(start.files["displacement.con"]).positions - vacancy().positions
    lengths = np.sort(np.linalg.norm(moved, axis=1))
    assert lengths[-1] == pytest.approx(0.5 * 3.6 / np.sqrt(2), abs=1e-6)
    assert lengths[-2] < 1e-6
    assert np.loadtxt(start.files["direction.dat"].splitlines()).shape == moved.shape


def test_its_counts_count_once_all_that_it_knows_is_here(two):
    ours, _ = two
    assert ours.state.get_repeats() == 0
    shared_search(ours)
    ours.register(hop(vacancy(), kind=SHARED))
    assert ours.sharing.waiting(ours.state) == 0
    assert ours.sharing.most(ours.state) is None
    assert ours.state.get_repeats() == 3
    assert sum(ours.state.get_proc_random_count().values()) == 1 + 4
    ours.exchange()
    assert ours.state.get_repeats() == 3


def test_nothing_counts_twice_among_three(two, tmp_path):
    ours, theirs = two
    shared_search(ours)
    ours.register(hop(vacancy(), kind=SHARED))
    ours.exchange()  # tells its own searches only
    theirs.exchange()  # hears of the rare process
    theirs.register(hop(vacancy(), aside=0.3, barrier_eV=0.61, kind=SHARED))
    assert (ours.state.get_repeats(), theirs.state.get_repeats()) == (3, 0)
    third = Replica(tmp_path / "third", tmp_path / "pool", seed=3)
    third.kin.meet(third.state)
    third.register(hop(vacancy()))
    third.exchange()
    third.register(hop(vacancy(), aside=0.3, barrier_eV=0.61, kind=SHARED))
    assert third.state.get_repeats() == 0  # theirs were before the rare process was known
    for _ in range(2):
        ours.register(hop(vacancy(), 5))
    ours.exchange()
    third.exchange()
    assert third.state.get_repeats() == 2
    third.register(hop(vacancy(), 6))
    third.exchange()
    ours.exchange()
    assert ours.state.get_repeats() == 3 + 2 + 1


def test_something_new_begins_the_count_anew(two):
    ours, theirs = two
    shared_search(ours)
    ours.register(hop(vacancy(), kind=SHARED))
    assert ours.register(hop(vacancy(), aside=0.5, barrier_eV=0.65)).outcome == "new"
    assert ours.state.get_repeats() == 0
    ours.exchange()
    assert ours.state.get_repeats() == 0  # what they had searched before knew nothing of it
    theirs.register(hop(vacancy(), 3))
    theirs.exchange()
    ours.exchange()
    assert ours.state.get_repeats() == 1


def test_a_saddle_that_is_not_there_is_found_out(two, caplog):
    ours, theirs = two
    shared_search(ours)
    lost = SearchOutcome(
        "0_1", SHARED, End.FINISHED, termination=Termination.NOT_CONNECTED, message="elsewhere"
    )
    record = ours.register(lost)
    assert ours.state.get_repeats() == 0
    assert len(list(Rows(ours.state))) == 48
    assert "seed 2 is not there" in caplog.text
    assert (
        shortcuts_of([record]).sharing == "1 saddle of other runs searched for, 1 of them not there"
    )
    theirs.register(hop(vacancy(), 3))
    theirs.exchange()
    ours.exchange()
    assert ours.sharing.waiting(ours.state) == 0
    assert ours.state.get_repeats() == 0


def test_a_restart_goes_on_where_the_folders_say(two):
    ours, _ = two
    before = shared_search(ours)
    ours.again()
    assert ours.sharing.waiting(ours.state) == 1
    assert shared_search(ours) == before
    ours.register(hop(vacancy(), kind=SHARED))
    ours.again()
    ours.exchange()
    assert ours.state.get_repeats() == 3
    noted = json.loads((Path(ours.state.path) / "share.json").read_text())
    assert noted["hints"] == {}
    assert noted["repeats"] == 3


def test_searches_under_way_keep_their_numbers(tmp_path):
    ours = Replica(tmp_path / "ours", tmp_path / "pool", seed=1)
    theirs = Replica(tmp_path / "theirs", tmp_path / "pool", seed=2)
    theirs.explore(repeats=3)
    theirs.exchange()
    ours.kin.meet(ours.state)
    for index in range(6):
        assert ours.sharing.start(ours.state, f"0_{index}", index=index) is None
    ours.register(hop(vacancy(), aside=0.3, barrier_eV=0.61))
    ours.exchange()
    assert ours.sharing.start(ours.state, "0_5", index=5) is None
    assert ours.sharing.start(ours.state, "0_6", index=6).kind == SHARED


def test_a_state_that_only_its_class_knows_tells_nothing(two):
    _, theirs = two
    assert theirs.kin.explores(theirs.state)
    theirs.state.load_process_table()
    other = theirs.states.get_product_state(0, min(theirs.state.procs))
    assert not theirs.kin.explores(other)


def test_without_a_pool_nothing_happens(tmp_path):
    ours = Replica(tmp_path / "ours", tmp_path / "pool", seed=1)
    ours.sharing = Sharing(ours.states, pool=None, tolerance_A=0.03, takes_part=ours.kin.explores)
    ours.explore(repeats=2)
    ours.sharing.search(ours.state)
    ours.sharing.leave(ours.state)
    ours.exchange()
    ours.register(hop(vacancy(), 2))
    assert not (tmp_path / "pool").exists()
    assert not (Path(ours.state.path) / "share.json").exists()


def test_a_run_that_begins_looks_before_its_first_search(tmp_path):
    """eOn knows the energy of state 0 only from a search; the run knows it from the minimum."""
    theirs = Replica(tmp_path / "theirs", tmp_path / "pool", seed=2)
    theirs.explore(repeats=3)
    theirs.exchange()
    ours = Replica(tmp_path / "ours", tmp_path / "pool", seed=1)
    ours.kin.meet(ours.state)
    assert ours.state.get_energy() is None
    ours.sharing = Sharing(
        ours.states,
        pool=ours.pool,
        tolerance_A=0.03,
        takes_part=ours.kin.explores,
        first_eV=ENERGY_EV,
    )
    ours.sharing.search(ours.state)
    assert shared_search(ours).name == "0_0"
    ours.register(hop(vacancy(), kind=SHARED))
    assert ours.state.get_repeats() == 3
