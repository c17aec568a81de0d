"""MaxVol from a present active set, against brute force and against python-ace's own."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.learning.maxvol import PRESENT, TOLERANCE, Pool, swaps_of


def volume(rows):
    return abs(np.linalg.det(rows))


def best_volume(rows):
    """Of all ways to take as many rows as there are columns."""
    return max(
        volume(rows[list(chosen)])
        for chosen in itertools.combinations(range(len(rows)), rows.shape[1])
    )


def random_case(seed, size, outside):
    rng = np.random.default_rng(seed)
    present = rng.normal(size=(size, size)) * np.exp(rng.normal(0, 2, size))
    return present, rng.normal(size=(outside, size)) * np.exp(rng.normal(0, 2, size)) * rng.choice(
        [0.1, 1, 10]
    )


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 4), outside=st.integers(0, 6))
def test_the_volume_is_near_the_largest_and_never_smaller_than_before(seed, size, outside):
    present, others = random_case(seed, size, outside)
    pool = Pool(size=size)
    gain = pool.add(others @ np.linalg.inv(present), owner=0)
    found, everything = volume(pool.inside @ present), np.vstack([present, others])
    assert found == pytest.approx(volume(present) * np.exp(gain), rel=1e-6)
    assert gain >= -1e-9
    # Goreinov et al.: coefficients up to t leave at most a factor (t sqrt(n))^n to the largest volume
    assert best_volume(everything) <= found * (TOLERANCE * np.sqrt(size)) ** size * (1 + 1e-6)
    assert pool.gammas_of(everything @ np.linalg.inv(present)).max() <= TOLERANCE * (1 + 1e-9)


def test_the_largest_volume_is_found_almost_always():
    """Brute force over 300 small cases: where MaxVol ends lower, it is a local maximum of single exchanges."""
    reached = []
    for seed in range(300):
        present, others = random_case(seed, 3, 5)
        pool = Pool(size=3)
        pool.add(others @ np.linalg.inv(present), owner=0)
        reached.append(volume(pool.inside @ present) / best_volume(np.vstack([present, others])))
    print(
        f"\nMaxVol over brute force, 300 cases, 3 columns, 8 rows: the largest in {np.mean(np.array(reached) > 0.999):.0%}, "
        f"lowest ratio {min(reached):.3f}"
    )
    assert np.mean(np.array(reached) > 0.999) > 0.9


@pytest.mark.parametrize("seed", range(10))
def test_it_is_as_good_as_python_ace(seed):
    from pyace.maxvol import maxvol

    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 20))
    theirs = rows[maxvol(rows, tol=TOLERANCE, max_iters=1000)[0]]
    present = rows[:20]
    pool = Pool(size=20)
    pool.add(rows[20:] @ np.linalg.inv(present), owner=0)
    ours = np.linalg.slogdet(pool.inside @ present)[1]
    assert ours == pytest.approx(np.linalg.slogdet(theirs)[1], abs=1.5)
    assert pool.gammas_of(rows @ np.linalg.inv(present)).max() <= TOLERANCE * (1 + 1e-6)


def test_python_ace_finds_nothing_to_improve():
    """Started from our active set (its first rows), python-ace's coefficients are within the tolerance, too."""
    rng = np.random.default_rng(0)
    pool = Pool(size=8)
    rows = rng.normal(size=(40, 8)) * 3
    pool.add(rows, owner=0)
    coefficients = np.abs(rows @ np.linalg.inv(pool.inside))
    assert coefficients.max() <= TOLERANCE * (1 + 1e-9)


def test_owners_follow_their_rows():
    pool = Pool(size=2)
    pool.add(np.array([[5.0, 0.0]]), owner=3)
    assert sorted(pool.inside_owners) == [PRESENT, 3]
    pool.add(np.array([[50.0, 0.0]]), owner=4)
    assert sorted(pool.inside_owners) == [PRESENT, 4]
    assert sorted(pool.outside_owners) == [PRESENT, 3]
    for rows, owners in ((pool.inside, pool.inside_owners), (pool.outside, pool.outside_owners)):
        assert [abs(row[0]) for row, owner in zip(rows, owners, strict=True) if owner == 3] in (
            [],
            [5.0],
        )


def test_nothing_outside_changes_nothing():
    assert swaps_of(np.empty((0, 4))) == ([], 0.0)
    assert Pool(size=3).add(np.eye(3) * 0.9, owner=0) == 0.0


@pytest.mark.parametrize("scale", [1e3, 1e7, 1e12])
def test_it_stands_far_extrapolation(scale):
    rng = np.random.default_rng(4)
    pool = Pool(size=12)
    rows = rng.normal(size=(30, 12)) * scale
    pool.add(rows, owner=0)
    assert pool.gammas_of(rows).max() <= TOLERANCE * (1 + 1e-6)
    assert np.isfinite(pool.inverse).all()
