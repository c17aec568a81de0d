"""Free clusters that are turned, relabelled, mirrored."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.turning import turned, turned_match

SPECIES = ("Pt", "Pt", "Ni", "Pt", "Ni", "Pt", "Pt")


def bipyramid():
    """Pt7: 20 rotations and mirrors leave it as it is."""
    angles = 2 * np.pi * np.arange(5) / 5
    ring = 2.3 * np.column_stack([np.cos(angles), np.sin(angles), 0 * angles])
    return np.vstack([ring, [[0, 0, 1.4], [0, 0, -1.4]]])


def scattered(rng, count):
    return rng.uniform(-3, 3, (count, 3))


def relabelled(rng, species):
    """(N,) where each atom goes, among those of its own species."""
    found = np.arange(len(species))
    for name in set(species):
        members = np.flatnonzero(np.array(species) == name)
        found[members] = rng.permutation(members)
    return found


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), shape=st.sampled_from(["scattered", "symmetric", "line"]))
def test_a_turned_and_relabelled_cluster_is_the_same(seed, shape):
    rng = np.random.default_rng(seed)
    line = np.outer(np.arange(7) * 1.7, [1.0, 0, 0])
    here = {"scattered": scattered(rng, 7), "symmetric": bipyramid(), "line": line}[shape]
    species = SPECIES if shape == "scattered" else ("Pt",) * 7
    order, turn = relabelled(rng, species), Rotation.random(rng=seed).as_matrix()
    there = np.empty_like(here)
    there[order] = here @ turn + rng.normal(0, 5, 3) + rng.normal(0, 0.01, here.shape)
    found = turned_match(here, there, species, tolerance_A=0.1)
    assert found is not None
    assert np.linalg.det(found.turn) == pytest.approx(1.0)
    np.testing.assert_allclose(here @ found.turn + found.shift_A, there[found.mapping], atol=0.06)
    assert sorted(found.mapping) == list(range(7))
    assert [species[atom] for atom in found.mapping] == list(species)
    if shape == "scattered":
        assert (found.mapping == order).all()


def test_mirror_images_and_other_shapes_are_not_the_same():
    rng = np.random.default_rng(1)
    here = scattered(rng, 6)
    species = ("Pt",) * 6
    assert turned_match(here, here * [1, 1, -1], species, tolerance_A=0.1) is None
    assert turned(here, here * [1, 1, -1]).farthest_A > 0.5
    other = here.copy()
    other[2] += [0.5, 0, 0]
    assert turned_match(here, other, species, tolerance_A=0.1) is None
    kinds = ("Ni", *species[1:])
    swapped = here[[1, 0, 2, 3, 4, 5]]
    assert turned_match(here, swapped, species, tolerance_A=0.1) is not None
    assert turned_match(here, swapped, kinds, tolerance_A=0.1) is None
    assert turned_match(here, here[:5], species, tolerance_A=0.1) is None


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_atoms_of_a_free_cluster_are_followed_through_turned_states(seed):
    """A true walk is kept apart; every state and every process is handed over turned and relabelled."""
    rng = np.random.default_rng(seed)

    def turn():
        return Rotation.random(rng=rng.integers(2**31)).as_matrix()

    truth, cell, species = scattered(rng, 7) + 10, 25 * np.eye(3), ("Pt",) * 7
    path = AtomPath.start(cell, species, anchored=False, turns=True)
    replayed = legs = path
    state = truth.copy()
    for _ in range(5):
        jump = np.zeros_like(truth)
        jump[rng.integers(7)] = rng.normal(0, 1, 3)
        jump -= jump.mean(axis=0)
        in_state = np.empty_like(
            truth
        )  # the truth's frame is turned against the state's by the path
        in_state[path.mapping] = jump @ path.turn.T
        order, around = rng.permutation(7), turn()
        reactant = (state @ around)[order]
        product = reactant + (in_state @ around)[order]
        relabel = rng.permutation(7)
        reached = np.empty_like(truth)
        reached[relabel] = product @ turn()
        reached += 12.5 - reached.mean(axis=0)
        given_ = {"state": state, "reactant": reactant, "saddle": (reactant + product) / 2}
        given_ |= {"product": product, "reached": reached}
        truth = truth + jump
        leg = AtomPath.start(cell, species, anchored=False, turns=True).follow(**given_)
        legs, path = legs.then(leg), path.follow(**given_)
        mapping, images = replayed.changes_to(path)
        replayed = replayed.changed(
            mapping, images, path.drift_A.tolist(), path.turn.ravel().tolist()
        )
        state = reached
        for followed in (path, legs, replayed):
            np.testing.assert_allclose(followed.unwrapped(state), truth, atol=1e-8)
        back = path.then(path.back())
        np.testing.assert_allclose(back.turn, np.eye(3), atol=1e-9)
        np.testing.assert_allclose(back.drift_A, 0, atol=1e-8)


def test_a_cluster_that_is_another_is_not_followed():
    rng = np.random.default_rng(0)
    state, other = scattered(rng, 7), scattered(rng, 7)
    path = AtomPath.start(25 * np.eye(3), ("Pt",) * 7, anchored=False, turns=True)
    with pytest.raises(RunStateError, match="turned in any way"):
        path.follow(state=state, reactant=state, saddle=state, product=state, reached=other)
