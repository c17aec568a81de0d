"""Boxes out of large structures: the forces of the core are those in the whole, by the oracle (EMT), and no pair is nearer."""

from functools import cache

import numpy as np
import pytest
from ase.build import add_adsorbate, bulk, fcc100, fcc111
from ase.calculators.emt import EMT

from mlip_kmc.config.campaign import CutoutSection
from mlip_kmc.ground.errors import PotentialError, StructureError
from mlip_kmc.learning.cutout import cut_out
from mlip_kmc.learning.cutout.box import box_around
from mlip_kmc.learning.cutout.host import Host
from mlip_kmc.learning.cutout.seam import settle
from mlip_kmc.learning.cutout.surroundings import Lookup, PairLimits, nearest_pair

TOLERANCE_EV_PER_A = 0.01
"""Of the core's forces, with the buffer that is usual: what docs/labels.md states."""
CUTOFF_A = 5.0


def hop(symbol="Cu", crystal="fcc", repeat=6):
    """An atom half-way into the vacancy beside it, all atoms rattled."""
    atoms = bulk(symbol, crystal, cubic=True) * (repeat, repeat, repeat)
    vacancy = len(atoms) // 2
    place = atoms.positions[vacancy].copy()
    atom = int(np.argsort(np.linalg.norm(atoms.positions - place, axis=1))[1])
    atoms.positions[atom] += (place - atoms.positions[atom]) / 2
    del atoms[vacancy]
    atoms.rattle(0.03, seed=3)
    return atoms, atom - (atom > vacancy)


def adatom(make=fcc100, site="hollow"):
    atoms = make("Cu", (8, 8, 6), vacuum=8.0, periodic=True)
    add_adsorbate(atoms, "Cu", 1.8, site)
    atoms.rattle(0.03, seed=2)
    return atoms, len(atoms) - 1


def alloy():
    atoms, atom = hop()
    atoms.set_cell(atoms.cell * 1.05, scale_atoms=True)
    atoms.numbers[np.random.default_rng(0).random(len(atoms)) < 0.3] = 47
    return atoms, atom


def turned():
    """A crystal whose cell is along no edge of the small cube, beyond an angle of 90 degrees."""
    atoms = bulk("Cu") * (10, 10, 10)
    del atoms[555]
    atoms.rattle(0.03, seed=4)
    atoms.rotate(31.0, (1, 2, 3), rotate_cell=True)
    return atoms, 554


CASES = {
    "hop": hop,
    "adatom": adatom,
    "adatom on 111": lambda: adatom(fcc111, "fcc"),
    "alloy": alloy,
    "turned": turned,
}


@cache
def whole(name):
    """A structure, the atom that matters, and EMT's forces."""
    atoms, atom = CASES[name]()
    probe = atoms.copy()
    probe.calc = EMT()
    return atoms, atom, probe.get_forces()


def piece(name, **section):
    atoms, atom, _ = whole(name)
    return cut_out(
        atoms,
        [atom],
        name="a",
        section=CutoutSection(**section),
        cutoff_A=CUTOFF_A,
        calculator=EMT(),
    )


def error(name, found):
    """The largest difference of a core's forces, eV/A."""
    _, _, forces = whole(name)
    core = found.force_weights > 0
    assert set(found.force_weights) == {0.0, 1.0}
    return np.abs(found.expected.forces_eV_per_A - forces[found.index_of])[core].max()


@pytest.mark.parametrize("name", CASES)
def test_the_cores_forces_are_those_in_the_whole(name):
    atoms, atom, _ = whole(name)
    found = piece(name)
    apart = error(name, found)
    print(
        f"{name}: {len(found.atoms)} of {len(atoms)} atoms, core {int(found.force_weights.sum())}, buffer {found.buffer_A:g} A: "
        f"{1000 * apart:.2f} meV/A"
    )
    assert apart <= TOLERANCE_EV_PER_A
    assert not found.whole
    assert len(found.atoms) <= 250
    assert found.energy_weight == 0
    assert atom in found.index_of[found.force_weights > 0]
    assert (found.atoms.numbers == atoms.numbers[found.index_of]).all()
    first, _, _, _ = PairLimits.of(atoms).violations(found.atoms)
    assert len(first) == 0
    assert nearest_pair(found.atoms) >= nearest_pair(atoms) - 1e-6


def test_the_error_by_buffer():
    """A wider buffer is better; the usual one is well within the tolerance."""
    errors = {}
    for buffer_A in (2.0, 3.0, 4.0, 5.0):
        found = piece("hop", buffer_A=buffer_A, most_atoms=400)
        errors[buffer_A] = error("hop", found)
        print(
            f"buffer {buffer_A:g} A: {len(found.atoms)} atoms, {1000 * errors[buffer_A]:.2f} meV/A"
        )
    assert errors[2.0] <= 0.15
    assert errors[3.0] <= TOLERANCE_EV_PER_A
    assert errors[4.0] <= 0.002
    assert errors[5.0] <= 0.002
    assert max(errors[4.0], errors[5.0]) < errors[2.0]


def test_the_core_is_where_it_was():
    """Relative places in the core and next to it are those of the structure."""
    atoms, atom, _ = whole("hop")
    found = piece("hop")
    core = np.flatnonzero(found.force_weights)
    at = int(np.flatnonzero(found.index_of == atom)[0])
    here = Lookup(found.atoms).vectors(found.atoms.positions[core] - found.atoms.positions[at])
    there = Lookup(atoms).vectors(atoms.positions[found.index_of[core]] - atoms.positions[atom])
    assert np.abs(here - there).max() < 1e-9
    assert np.linalg.norm(there, axis=1).max() <= 3.0
    within = (
        np.linalg.norm(Lookup(atoms).vectors(atoms.positions - atoms.positions[atom]), axis=1)
        <= 3.0
    )
    assert within.sum() == len(core), "the whole core is in the box"


@pytest.mark.parametrize("name", ["adatom", "adatom on 111"])
@pytest.mark.parametrize("most_atoms", [230, 140])
def test_a_slab_keeps_its_vacuum(name, most_atoms):
    """Also where it had to become thinner."""
    atoms, _, _ = whole(name)
    found = piece(name, most_atoms=most_atoms)

    def gap(those):
        heights = np.sort(those.positions[:, 2])
        return those.cell[2, 2] - (heights[-1] - heights[0])

    assert gap(found.atoms) == pytest.approx(gap(atoms), abs=0.1), "but for the relaxed face"
    thickness = [np.ptp(those.positions[:, 2]) for those in (atoms, found.atoms)]
    assert (thickness[1] < thickness[0] - 2) == (most_atoms == 140)
    assert error(name, found) <= 2 * TOLERANCE_EV_PER_A


def test_small_ones_are_labelled_whole():
    atoms = bulk("Cu", cubic=True) * (3, 3, 3)
    found = cut_out(atoms, [], name="a", section=CutoutSection(), cutoff_A=CUTOFF_A)
    assert found.whole
    assert found.energy_weight == 1
    assert (found.force_weights == 1).all()
    assert np.array_equal(found.index_of, np.arange(108))
    middling = bulk("Cu", cubic=True) * (3, 3, 4)
    assert cut_out(middling, [5], name="a", section=CutoutSection(), cutoff_A=CUTOFF_A).whole, (
        "a box would be no smaller"
    )


def test_what_does_not_fit_is_refused_or_left_out():
    atoms, atom, _ = whole("hop")
    with pytest.raises(
        StructureError, match=r"no box of at most 60 holds atom .* raise cutout.most_atoms"
    ):
        cut_out(
            atoms,
            [atom],
            name="a",
            section=CutoutSection(most_atoms=60, whole_up_to_atoms=50),
            cutoff_A=CUTOFF_A,
        )
    far = int(
        np.argmax(
            np.linalg.norm(Lookup(atoms).vectors(atoms.positions - atoms.positions[atom]), axis=1)
        )
    )
    found = cut_out(atoms, [atom, far], name="a", section=CutoutSection(), cutoff_A=CUTOFF_A)
    assert found.left_out == (far,)
    with pytest.raises(StructureError, match="there must be some"):
        cut_out(atoms, [], name="a", section=CutoutSection(), cutoff_A=CUTOFF_A)


def test_two_offending_atoms_share_a_box():
    atoms, atom, _ = whole("hop")
    near = int(
        np.argsort(
            np.linalg.norm(Lookup(atoms).vectors(atoms.positions - atoms.positions[atom]), axis=1)
        )[1]
    )
    found = cut_out(atoms, [atom, near], name="a", section=CutoutSection(), cutoff_A=CUTOFF_A)
    assert found.left_out == ()
    assert {atom, near} <= set(found.index_of[found.force_weights > 0])


def test_a_glass_has_no_lattice_and_still_no_pair_is_nearer():
    """Faces that do not fit: atoms are left out or pushed apart, and the core is untouched."""
    atoms = bulk("Cu", cubic=True) * (5, 5, 5)
    random = np.random.default_rng(5)
    atoms.positions += random.uniform(-0.9, 0.9, atoms.positions.shape)
    limits = PairLimits(of_all_A=2.1, by_pair_A={})
    for _ in range(200):  # apart, so that it is dense and without order
        first, second, vectors, least = limits.violations(atoms)
        if not len(first):
            break
        lengths = np.linalg.norm(vectors, axis=1)
        push = vectors / lengths[:, None] * ((least * 1.001 - lengths) / 2)[:, None]
        np.add.at(atoms.positions, second, push)
        np.add.at(atoms.positions, first, -push)
    assert nearest_pair(atoms) > 2.0
    found = cut_out(
        atoms, [250], name="a", section=CutoutSection(most_atoms=300), cutoff_A=CUTOFF_A
    )
    assert not found.whole
    assert nearest_pair(found.atoms) >= nearest_pair(atoms) - 1e-6
    core = np.flatnonzero(found.force_weights)
    at = int(np.flatnonzero(found.index_of == 250)[0])
    here = Lookup(found.atoms).vectors(found.atoms.positions[core] - found.atoms.positions[at])
    there = Lookup(atoms).vectors(atoms.positions[found.index_of[core]] - atoms.positions[250])
    assert np.abs(here - there).max() < 1e-9


def test_the_sublattices_of_a_compound_do_not_change_roles():
    """In rock salt half a period carries each ion onto the other kind: that is no edge of a box."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (4, 4, 4)
    atoms.rattle(0.02, seed=1)
    box = box_around(Host.of(atoms), offending=[100], core_A=3.0, buffer_A=3.5)
    lengths = box.atoms.cell.lengths()
    assert any(box.cut)
    assert min(np.unique(box.atoms.numbers, return_counts=True)[1]) * 2 == len(box.atoms), "neutral"
    assert (
        PairLimits.of(atoms).violations(box.atoms)[0].size == 0 or nearest_pair(box.atoms) > 2.6
    ), lengths


class Fails(EMT):
    def calculate(self, *arguments, **keywords):
        raise PotentialError("not here")


def test_a_potential_that_cannot_follow_changes_nothing():
    """Without an expectation, and without a relaxed face; the box is the same."""
    atoms, atom, _ = whole("adatom")
    section = CutoutSection()
    found = cut_out(atoms, [atom], name="a", section=section, cutoff_A=CUTOFF_A, calculator=Fails())
    plain = cut_out(atoms, [atom], name="a", section=section, cutoff_A=CUTOFF_A)
    assert found.expected is None
    assert np.array_equal(found.atoms.positions, plain.atoms.positions)


def test_faces_are_relaxed_and_the_core_is_held():
    """A box of an awkward length: what is strained at its faces moves, and its largest force falls."""
    atoms, atom, _ = whole("hop")
    box = box_around(Host.of(atoms), offending=[atom], core_A=3.0, buffer_A=3.0)
    box.atoms.set_cell(
        box.atoms.cell * np.array([1.04, 1, 1])[:, None]
    )  # a gap at one pair of faces
    settled = settle(box, host=Host.of(atoms), held_A=1.0, calculator=EMT(), steps=20)

    def largest(those):
        those = those.copy()
        those.calc = EMT()
        return np.linalg.norm(those.get_forces(), axis=1)[~box.core].max()

    assert np.array_equal(settled.atoms.positions[box.core], box.atoms.positions[box.core])
    assert np.abs(settled.atoms.positions - box.atoms.positions).max() > 0.01
    assert largest(settled.atoms) < largest(box.atoms)
