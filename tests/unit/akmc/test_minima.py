"""What is left out of a comparison with known minima is what eOn's own comparison refuses."""

import numpy as np
import pytest
from ase.build import bulk

eon_atoms = pytest.importorskip("eon.atoms")
structure = pytest.importorskip("eon.structure")

from mlip_kmc.akmc.minima import Minima  # noqa: E402

SAME_A = 0.1


def as_eon(positions, cell, *, fixed=0):
    """eOn's structure; the first `fixed` atoms are held."""
    found = structure.Structure(len(positions))
    found.r, found.box = np.array(positions), np.array(cell)
    found.names = ["Cu"] * len(positions)
    found.free = np.ones((len(positions), 3))
    found.free[:fixed] = 0.0
    return found


def walk(*, steps, fixed, seed):
    """Minima of a vacancy that walks in 31 atoms: unrelaxed, wrapped, the frame shifted where nothing is held."""
    rng = np.random.default_rng(seed)
    whole = bulk("Cu", a=3.6, cubic=True).repeat(2)
    cell, positions = np.array(whole.cell.array), whole.positions[1:].copy()
    hole = whole.positions[0].copy()
    for _ in range(steps):
        off = positions - hole
        off -= np.rint(off @ np.linalg.inv(cell)) @ cell
        near = np.flatnonzero(np.linalg.norm(off, axis=1) < 2.7)
        atom = rng.choice(near[near >= fixed])
        hole, positions[atom] = positions[atom].copy(), hole
        found = positions + rng.normal(0.0, 0.01, positions.shape)
        if not fixed:
            found += rng.normal(0.0, 1.0, 3)
        found[fixed:] -= (rng.random((len(found) - fixed, 1)) < 0.2) * cell[0]
        yield found, cell


@pytest.mark.parametrize("permuted", [True, False])
@pytest.mark.parametrize("fixed", [0, 4])
def test_no_state_is_left_out_that_eon_takes_for_the_same(permuted, fixed):
    minima, known = Minima(same_A=SAME_A, permuted=permuted), []
    same = asked = 0
    for number, (found, cell) in enumerate(walk(steps=60, fixed=fixed, seed=5)):
        one = as_eon(found, cell, fixed=fixed)
        shifted = not one.fixed_mask().any()
        minima.put(number, energy_eV=-1.0, positions_A=found)
        like = minima.like(
            found,
            cell,
            reached_from=max(number - 1, 0),
            energy_eV=-1.0,
            within_eV=0.01,
            shifted=shifted,
        )
        like.remove(number)
        matching = [
            other
            for other, there in enumerate(known)
            if eon_atoms.match(
                there, one, SAME_A, 3.0, True, use_identical=permuted, remove_translation=True
            )
        ]  # fmt: skip
        assert set(matching) <= set(like)
        same, asked = same + len(matching), asked + len(like)
        known.append(one)
    assert same >= 2  # the walk does come back
    assert asked < 60 * 59 / 2 / 4  # and most are left out


def test_energies_and_what_was_forgotten():
    minima, cell = Minima(same_A=SAME_A, permuted=True), np.eye(3) * 5.0
    places = np.random.default_rng(1).random((70, 3, 3)) * 5.0
    for number, place in enumerate(places):
        minima.put(number, energy_eV=float(number), positions_A=place)

    def like(number, energy_eV):
        return minima.like(
            places[number],
            cell,
            reached_from=0,
            energy_eV=energy_eV,
            within_eV=0.01,
            shifted=False,
        )

    assert [like(number, float(number)) for number in range(70)] == [[n] for n in range(70)]
    assert like(3, 3.02) == []
    minima.forget(3)
    minima.forget(3)
    assert 3 not in minima
    assert like(3, 3.0) == []
    assert like(69, 69.0) == [69]  # it took the other's place
    minima.put(3, energy_eV=4.0, positions_A=places[4])
    assert like(4, 4.0) == [3, 4]


def test_half_a_cell_away_rounding_decides_nothing():
    minima, cell = Minima(same_A=SAME_A, permuted=True), np.eye(3) * 4.0
    one = np.array([[0.0, 0, 0], [1.0, 1, 1]])
    minima.put(0, energy_eV=0.0, positions_A=one)
    other = one + np.array([[2.0, 0, 0], [0, 0, 0]])
    found = minima.like(other, cell, reached_from=0, energy_eV=0.0, within_eV=0.01, shifted=True)
    assert found == [0]
