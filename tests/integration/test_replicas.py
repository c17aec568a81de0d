"""Replicas that share, in real runs: what they cost together, and that each can be gone on with."""

import pytest

from mlip_kmc.model.records import SHARED, SearchRecord, read_lines
from mlip_kmc.store.eon_tree import read_states

from .conftest import killed_often, to_its_end
from .egg_box import ALONG_A_EV, ALONG_B_EV, two_atoms

SEEDS = (1, 2, 3, 4)
KILLS = 3


def configuration(folder, *, seed, share=None):
    """Two atoms in an egg-box, eight processes in a state; each replica in a folder of its own."""
    folder.mkdir(parents=True)
    symmetry = {"orbits": True, "classes": True}
    return two_atoms(
        folder,
        symmetry=symmetry if share is None else {**symmetry, "share": str(share)},
        confidence={"scheme": "new", "value": 0.95},
        stop={"kmc_steps": 1},
        workers=1,
        seed=seed,
    )


def searches_of(made):
    return read_lines(made / "journal" / "searches.jsonl", SearchRecord)


def calls(runs):
    return sum(record.force_calls for made in runs for record in searches_of(made))


@pytest.fixture(scope="module")
def sharing(tmp_path_factory):
    """Four replicas one after the other; what the next one needs is there."""
    folder = tmp_path_factory.mktemp("sharing")
    return [
        to_its_end(configuration(folder / str(seed), seed=seed, share=folder / "pool"))
        for seed in SEEDS
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One that does not share: as the first one of those that do."""
    folder = tmp_path_factory.mktemp("alone")
    return to_its_end(configuration(folder / "run", seed=SEEDS[-1]))


def test_four_that_share_need_at_most_half_of_four_that_do_not(sharing, alone):
    not_sharing = [sharing[0], alone]  # the first one had nobody to ask
    assert not any(record.kind == SHARED for record in searches_of(sharing[0]))
    assert calls(sharing) <= 0.5 * len(SEEDS) / len(not_sharing) * calls(not_sharing)


def test_all_tables_are_complete(sharing):
    """Four hops of each of two atoms, by searches of each run's own, as where it began so where it is."""
    for made in sharing:
        barriers = sorted(process.barrier for process in read_states(made / "eon")[0].processes)
        assert barriers == pytest.approx([ALONG_A_EV] * 4 + [ALONG_B_EV] * 4, abs=1e-3)


def test_saddles_of_the_others_are_searched_for(sharing):
    for made in sharing[1:]:
        shared = [record for record in searches_of(made) if record.kind == SHARED]
        assert shared
        assert {record.outcome for record in shared} <= {"new", "repeat"}


def test_a_replica_goes_on_after_kills(sharing, tmp_path):
    pool = sharing[0].parent.parent / "pool"
    config = configuration(tmp_path / "killed", seed=5, share=pool)
    killed_often(config, config.parent / "run", kills=KILLS)
    made = config.parent / "run"
    indices = [record.index for record in searches_of(made) if record.state == 0]
    assert indices == list(range(len(indices)))
    assert len(read_states(made / "eon")[0].processes) == 8
