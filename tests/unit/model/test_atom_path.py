"""Following atoms through permuted, wrapped and shifted states."""

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.atom_path import AtomPath, Hop, match_atoms, wrap


def crystal(skew=0.0):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat(3)
    cell = atoms.cell.array.copy()
    cell[1, 0] = skew * cell[0, 0]
    atoms.set_cell(cell, scale_atoms=True)
    del atoms[0]
    return np.array(atoms.positions), np.array(atoms.cell.array)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1), skew=st.sampled_from([0.0, 0.3, -0.45]), kinds=st.integers(1, 3)
)
def test_matching_finds_any_permutation_under_wraps_and_noise(seed, skew, kinds):
    rng = np.random.default_rng(seed)
    here, cell = crystal(skew)
    species = [["Cu", "Ni", "Al"][i % kinds] for i in range(len(here))]
    order = np.arange(len(here))
    for kind in set(species):
        members = np.flatnonzero(np.array(species) == kind)
        order[members] = rng.permutation(members)
    there = np.empty_like(here)
    there[order] = here + rng.normal(0, 0.02, here.shape) + rng.integers(-2, 3, here.shape) @ cell
    np.testing.assert_array_equal(match_atoms(here, there, cell, species), order)


def test_matching_refuses_an_atom_that_is_elsewhere():
    here, cell = crystal()
    there = here.copy()
    there[5] += [0.0, 0.0, 1.2]
    with pytest.raises(RunStateError, match="from its place"):
        match_atoms(here, there, cell, ["Cu"] * len(here))


def test_matching_refuses_two_atoms_in_one_place():
    here, cell = crystal()
    there = here.copy()
    there[5] = there[6] + 0.1
    here = here.copy()
    here[5] = here[6] - 0.1
    there = np.roll(there, 1, axis=0)
    with pytest.raises(RunStateError):
        match_atoms(here, there, cell, ["Cu"] * len(here))


def test_wrap_takes_the_minimum_image():
    _, cell = crystal(0.3)
    vectors = np.array([[0.3, -0.2, 0.1], [1.0, 0.5, -0.9]])
    np.testing.assert_allclose(
        wrap(vectors + np.array([[1, -2, 3], [0, 4, -1]]) @ cell, cell), vectors, atol=1e-12
    )


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_vacancy_walk_over_relabelled_states_is_followed_atom_by_atom(seed):
    """A true walk is kept apart; every state reached is handed over relabelled, wrapped and rigidly shifted a little."""
    rng = np.random.default_rng(seed)
    positions, cell = crystal()
    species = ["Cu"] * len(positions)
    path = AtomPath.start(cell, species, anchored=False)
    truth = positions.copy()
    vacancy = np.zeros(3)
    state, replayed = positions.copy(), path
    for _ in range(8):
        vectors = wrap(truth - vacancy, cell)
        near = np.flatnonzero(np.linalg.norm(vectors, axis=1) < 2.8)
        hopper = int(rng.choice(near))
        jump = np.zeros_like(truth)
        jump[hopper] = -vectors[hopper]
        jump -= jump.mean(axis=0)
        vacancy = truth[hopper].copy()
        truth = truth + jump
        vacancy = vacancy + jump[np.arange(len(jump)) != hopper][0]
        # the process, in the state's own order but with its atoms wrapped anyhow
        in_state = np.empty_like(truth)
        in_state[path.mapping] = jump
        reactant = state + rng.integers(-1, 2, state.shape) @ cell
        product = reactant + in_state + rng.integers(-1, 2, state.shape) @ cell
        relabel = rng.permutation(len(truth))
        reached = np.empty_like(truth)
        reached[relabel] = (
            state + in_state + rng.integers(-1, 2, state.shape) @ cell + rng.normal(0, 0.01, 3)
        )
        saddle = reactant + in_state / 2 + rng.integers(-1, 2, state.shape) @ cell
        following = path.follow(
            state=state, reactant=reactant, saddle=saddle, product=product, reached=reached
        )
        assert not following.ambiguous
        mapping, images = path.changes_to(following)
        replayed = replayed.changed(mapping, images, following.drift_A.tolist())
        path, state = following, reached
        np.testing.assert_allclose(path.unwrapped(state), truth, atol=1e-9)
        np.testing.assert_allclose(replayed.unwrapped(state), truth, atol=1e-9)
        assert np.linalg.norm((path.unwrapped(state) - positions).mean(axis=0)) < 1e-9


def test_fixed_atoms_hold_the_frame():
    positions, cell = crystal()
    path = AtomPath.start(cell, ["Cu"] * len(positions), anchored=True)
    product = positions.copy()
    product[3] += [0.5, 0.0, 0.0]
    path = path.follow(
        state=positions,
        reactant=positions,
        saddle=(positions + product) / 2,
        product=product,
        reached=product,
    )
    moved = path.unwrapped(product) - positions
    np.testing.assert_allclose(moved[3], [0.5, 0, 0], atol=1e-12)
    assert np.abs(np.delete(moved, 3, axis=0)).max() < 1e-12
    assert not path.drift_A.any()


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize("skew", [0.0, 0.5])
def test_a_hop_of_half_the_cell_goes_the_way_of_its_saddle(direction, skew):
    """A cell of two hops: product less reactant is the same for both, up to a cell vector; and noise decides which."""
    cell = np.array([[6.0, 0, 0], [6.0 * skew, 6.0, 0], [0, 0, 9.0]])
    rng = np.random.default_rng(1)
    for _ in range(20):
        noise = rng.normal(0, 1e-6, (3, 1, 3))
        images = rng.integers(-1, 2, (3, 1, 3)) @ cell
        step = direction * np.array([[3.0, 0, 0]])
        reactant, saddle, product = noise + images + [0 * step, step / 2, step]
        hop = Hop.through(saddle, reactant=reactant, product=product, cell=cell)
        np.testing.assert_allclose(hop.moved, step, atol=1e-5)
        assert not hop.ambiguous
    path = AtomPath.start(cell, ["Cu"], anchored=True)
    path = path.follow(
        state=reactant, reactant=reactant, saddle=saddle, product=product, reached=product
    )
    np.testing.assert_allclose(path.unwrapped(product) - reactant, step, atol=1e-5)


def test_a_leg_of_half_the_cell_is_called_ambiguous():
    """A hop of a whole cell: both halves of it are half the cell. The same in a skewed cell, along its longer diagonal."""
    cell, start = np.diag([6.0, 6.0, 9.0]), np.zeros((2, 3))
    for leg, ambiguous in (([3.0, 0, 0], True), ([2.8, 0, 0], False), ([0, 2.96, 0], True)):
        saddle = start + np.array([[0, 0, 0], leg])
        hop = Hop.through(saddle, reactant=start, product=saddle, cell=cell)
        assert hop.ambiguous is ambiguous
    path = AtomPath.start(cell, ["Cu"] * 2, anchored=True)
    on = path.follow(state=start, reactant=start, saddle=saddle, product=saddle, reached=saddle)
    assert on.ambiguous
    assert path.then(on).ambiguous
    assert on.then(path).ambiguous


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_leg_is_the_shortest_image_in_a_skewed_cell(seed):
    rng = np.random.default_rng(seed)
    cell = np.array([[6.0, 0, 0], [3.0, 5.2, 0], [-3.0, 1.7, 4.9]])
    vector = rng.uniform(-9, 9, (1, 3))
    images = vector + np.array(list(np.ndindex(9, 9, 9)) - np.array([4, 4, 4])) @ cell
    lengths = np.sort(np.linalg.norm(images, axis=1))
    hop = Hop.through(vector, reactant=0 * vector, product=vector, cell=cell)
    assert np.linalg.norm(hop.moved) == pytest.approx(lengths[0], abs=1e-9)
    assert hop.ambiguous == (lengths[1] - lengths[0] <= 0.1)
