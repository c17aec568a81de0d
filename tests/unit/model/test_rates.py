"""Hessians, rigid motions and harmonic prefactors against known answers: internal coordinates, chains, whole diagonalisations."""

import math
from functools import partial

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from scipy import constants

from mlip_kmc.model.rates import (
    FailureKind,
    PrefactorFailure,
    dense_hessian,
    lowest_eigenvalue,
    prefactors,
    rigid_directions,
    spectrum,
)
from mlip_kmc.model.rates.rigid import gathered, rigid_motions
from mlip_kmc.model.rates.vineyard import FREQUENCY_PER_S

NOBODY = np.empty((0, 3))
MASSES = np.array([12.0, 16.0, 1.5])


def by_energy(energy):
    """Forces by central differences of an energy, good to 1e-9 where it is of order 1."""

    def forces(positions):
        found = np.zeros_like(positions)
        for index in np.ndindex(positions.shape):
            moved = [positions.copy(), positions.copy()]
            moved[0][index] += 1e-5
            moved[1][index] -= 1e-5
            found[index] = -(energy(moved[0]) - energy(moved[1])) / 2e-5
        return found

    return forces


def weighted(hessian, masses):
    roots = np.sqrt(np.repeat(masses, 3))
    return hessian / np.outer(roots, roots)


def spectrum_of(forces, positions, masses, *, held=()):
    free = np.setdiff1d(np.arange(len(positions)), held)
    hessian = weighted(dense_hessian(forces, positions, free=free, step_A=2e-4), masses[free])
    return spectrum(
        hessian, masses_u=masses[free], positions_A=positions[free], held_A=positions[list(held)]
    )


def bent(positions):
    """Bond lengths and angle of a molecule B-A-C, A the first atom."""
    left, right = positions[1] - positions[0], positions[2] - positions[0]
    return np.array(
        [
            np.linalg.norm(left),
            np.linalg.norm(right),
            math.acos(left @ right / np.linalg.norm(left) / np.linalg.norm(right)),
        ]
    )


def placed(left, right, angle):
    """The molecule anywhere, turned by something without symmetry."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    return np.array(
        [[0, 0, 0], [left, 0, 0], [right * math.cos(angle), right * math.sin(angle), 0]]
    ) @ turn + [7.0, -3.0, 2.0]


def wells(positions):
    """Two minima in the second bond, 1.2 and 2.0 A, and a saddle between; the angle goes with it."""
    left, right, angle = bent(positions)
    return (
        1.5 * ((right - 1.6) ** 2 / 0.16 - 1) ** 2
        + 8 * (left - 1.1) ** 2
        + 2 * (angle - 1.9) ** 2
        + 0.4 * (left - 1.1) * (angle - 1.9)
    )


@pytest.fixture(scope="module")
def molecule():
    forces = by_energy(wells)
    return [spectrum_of(forces, placed(1.1, right, 1.9), MASSES) for right in (1.2, 1.6, 2.0)]


def test_a_free_cluster_has_the_rate_of_its_internal_coordinates(molecule):
    """k = |w| / 2 pi x (J_S / J_R) x sqrt(det F_R / |det F_S|), J the Jacobian r1^2 r2^2 sin(angle) of the internal coordinates.

    Langer's formula in coordinates that know nothing of turning: the same number by another way.
    """
    found = prefactors(*molecule)
    force_constant = {1.2: 12 / 0.16, 1.6: -6 / 0.16, 2.0: 12 / 0.16}

    def reaction_coordinate_per_s():
        positions, columns = placed(1.1, 1.6, 1.9), []
        for index in np.ndindex(3, 3):
            moved = [positions.copy(), positions.copy()]
            moved[0][index] += 1e-5
            moved[1][index] -= 1e-5
            columns.append((bent(moved[0]) - bent(moved[1])) / 2e-5)
        wilson = np.array(columns).T  # (3, 9)
        kinetic = wilson / np.repeat(MASSES, 3) @ wilson.T
        forces = np.array([[16, 0, 0.4], [0, force_constant[1.6], 0], [0.4, 0, 4]])
        return FREQUENCY_PER_S * math.sqrt(-np.linalg.eigvals(kinetic @ forces).real.min())

    for right, per_s in ((1.2, found.forward_per_s), (2.0, found.back_per_s)):
        exact = (
            reaction_coordinate_per_s()
            * (1.6 / right) ** 2
            * math.sqrt(force_constant[right] / -force_constant[1.6])
        )
        print(f"bond {right} A: {per_s:.6e} per s, exactly {exact:.6e}")
        assert per_s == pytest.approx(exact, rel=1e-4)
    assert [found.rotations for found in molecule] == [3, 3, 3]
    assert [found.modes for found in molecule] == [3, 3, 3]


def test_the_ratio_of_moments_of_inertia_matters_here(molecule):
    reactant, saddle, _ = molecule
    assert math.exp((saddle.log_inertia - reactant.log_inertia) / 2) > 1.1


def linear(positions):
    """A linear molecule B-A-C with the same two wells in its second bond."""
    left, right, angle = bent(positions)
    return (
        1.5 * ((right - 1.6) ** 2 / 0.16 - 1) ** 2
        + 8 * (left - 1.1) ** 2
        + 2 * (1 + math.cos(angle))
    )


def test_a_linear_molecule_turns_in_two_ways():
    exact = []
    found = []
    for right in (1.2, 1.6, 2.0):
        positions = placed(1.1, right, math.pi - 1e-9)
        seen = spectrum_of(by_energy(linear), positions, MASSES)
        assert (seen.rotations, seen.modes) == (2, 4)
        moment = np.cov(positions.T, aweights=MASSES, bias=True).trace() * MASSES.sum()
        exact.append(2 * math.log(moment))
        found.append(seen)
    assert [seen.log_inertia for seen in found] == pytest.approx(exact, abs=1e-6)
    assert prefactors(*found).forward_per_s > 1e12


def test_what_turns_in_another_number_of_ways_is_refused(molecule):
    straight = spectrum_of(by_energy(linear), placed(1.1, 1.2, math.pi - 1e-9), MASSES)
    with pytest.raises(
        PrefactorFailure, match="product: it turns in another number of ways"
    ) as refused:
        prefactors(molecule[0], molecule[1], straight)
    assert refused.value.kind is FailureKind.OTHER_ROTATIONS


def harmonic(hessian, rest):
    return lambda positions: -(hessian @ (positions - rest).ravel()).reshape(-1, 3)


def test_one_atom_in_a_held_frame_has_its_own_frequencies():
    """nu = nu_1 nu_2 nu_3 / (nu'_2 nu'_3) with wave numbers that one can compute by hand."""
    rest, masses = (
        np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]]),
        np.array([63.546] * 4),
    )
    points = []
    for constants_eV_per_A2 in ([2.0, 3.0, 5.0], [-1.0, 4.0, 6.0], [2.5, 3.0, 4.0]):
        whole = np.zeros((12, 12))
        whole[:3, :3] = np.diag(constants_eV_per_A2)
        points.append(spectrum_of(harmonic(whole, rest), rest, masses, held=(1, 2, 3)))
    found = prefactors(*points)
    unit = math.sqrt(constants.e / (constants.angstrom**2 * constants.atomic_mass * 63.546)) / (
        2 * math.pi
    )
    assert found.forward_per_s == pytest.approx(unit * math.sqrt(30 / 24), rel=1e-9)
    assert found.back_per_s == pytest.approx(unit * math.sqrt(30 / 24), rel=1e-9)
    assert points[0].rotations == 0
    assert points[0].modes == 3


@pytest.mark.parametrize(("held", "rotations"), [((), 3), ((0,), 3), ((0, 1), 1), ((0, 1, 2), 0)])
def test_atoms_that_are_held_leave_the_turns_that_do_not_move_them(held, rotations):
    positions = placed(1.1, 1.2, 1.9)
    positions = np.vstack([positions, positions[0] + [0.3, 0.9, 1.1]])
    reference = np.linalg.norm(positions[:, None] - positions, axis=2)

    def springs(moved):
        return 4 * ((np.linalg.norm(moved[:, None] - moved, axis=2) - reference) ** 2).sum()

    found = spectrum_of(by_energy(springs), positions, np.array([12.0, 16.0, 1.5, 2.0]), held=held)
    assert found.rotations == rotations
    assert found.modes == 3 * (4 - len(held)) - rotations - (0 if held else 3)
    assert found.softest > 1e-3


def test_a_crystal_does_not_turn_and_a_wire_turns_about_its_axis():
    crystal = bulk("Cu", cubic=True).repeat(2)
    wire = Atoms(
        "Cu6",
        positions=[[x, y, 0.1 * x] for x in (0.0, 2.0) for y in (-1.2, 0.0, 1.2)],
        cell=[4.2, 20, 20],
        pbc=True,
    )
    wire.positions = relaxed(forces_of(wire), wire.positions)
    for atoms, expected in ((crystal, 0), (wire, 1)):
        forces, masses = forces_of(atoms), atoms.get_masses()
        hessian = weighted(
            dense_hessian(forces, atoms.positions, free=np.arange(len(atoms))), masses
        )
        found = rigid_motions(hessian, masses_u=masses, positions_A=atoms.positions, held_A=NOBODY)
        assert (found.rotations, found.vectors.shape[1]) == (expected, 3 + expected)


def forces_of(atoms, calculator=None):
    probe = atoms.copy()
    probe.calc = calculator or EMT()

    def forces(positions):
        probe.positions = positions
        return probe.get_forces()

    return forces


def relaxed(forces, positions):
    from scipy.optimize import root

    return root(
        lambda flat: forces(flat.reshape(-1, 3)).ravel(),
        positions.ravel(),
        method="krylov",
        options={"fatol": 1e-5, "maxiter": 200},
    ).x.reshape(-1, 3)


def test_a_cluster_that_the_boundary_cuts_is_put_together():
    cell = np.array([[9.0, 0, 0], [1.0, 10.0, 0], [0.5, -1.0, 11.0]])
    whole = np.random.default_rng(0).uniform(0, 3.5, (12, 3))
    moved = whole + np.array([7.5, 8.0, -1.0])
    scaled = np.linalg.solve(cell.T, moved.T).T
    cut = (scaled - np.floor(scaled)) @ cell
    assert np.ptp(cut, axis=0).max() > 5
    found = gathered(cut, cell)
    assert np.linalg.norm(found[:, None] - found, axis=2) == pytest.approx(
        np.linalg.norm(whole[:, None] - whole, axis=2)
    )


def vacancy():
    atoms = bulk("Cu", "fcc", a=3.62, cubic=True).repeat(2)
    del atoms[0]
    return atoms


def test_iterations_find_the_lowest_eigenvalue_of_the_whole_hessian():
    atoms, free = vacancy(), np.arange(31)
    forces = forces_of(atoms)
    positions = relaxed(forces, atoms.positions)
    rigid = np.tile(np.eye(3), (31, 1)) / math.sqrt(31)
    values = np.linalg.eigvalsh(dense_hessian(forces, positions, free=free, step_A=1e-3))
    found = lowest_eigenvalue(forces, positions, free=free, rigid=rigid)
    assert found.converged
    assert found.eV_per_A2 == pytest.approx(sorted(values, key=abs)[3], rel=0.02)
    assert found.products < 93


@pytest.mark.parametrize("size", [2, 3, 4, 13])
def test_a_free_cluster_has_the_lowest_eigenvalue_of_its_vibrations(size):
    """Translations and rotations left out: 6, or 5 of a linear molecule. Few atoms by the whole Hessian, 13 by iterations."""
    from ase.calculators.lj import LennardJones
    from ase.optimize import BFGS

    rng, cell = np.random.default_rng(size), np.diag([20.0] * 3)
    golden = (1 + math.sqrt(5)) / 2
    corners = [
        np.roll([0, one, two * golden], turn)
        for turn in range(3)
        for one in (-1, 1)
        for two in (-1, 1)
    ]
    places = np.vstack([np.zeros(3), corners]) if size == 13 else rng.normal(0, 1, (size, 3))
    atoms = Atoms(f"Ar{size}", positions=1.1 * places + 10, cell=cell, pbc=True)
    calculator = atoms.calc = LennardJones(sigma=2.0, epsilon=1.0, rc=9.0)
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=500)
    forces, positions = forces_of(atoms, calculator), atoms.positions.copy()
    free = np.arange(size)
    values = np.linalg.eigvalsh(dense_hessian(forces, positions, free=free, step_A=1e-3))
    rigid = partial(rigid_directions, positions_A=positions, held_A=NOBODY, cell_A=cell)
    found = lowest_eigenvalue(forces, positions, free=free, rigid=rigid)
    assert found.converged
    assert found.eV_per_A2 == pytest.approx(
        sorted(values, key=abs)[5 if size == 2 else 6], rel=0.02
    )


def test_a_crystal_takes_no_product_to_learn_that_it_does_not_turn():
    atoms = vacancy()
    cell = np.asarray(atoms.cell.array)
    places = gathered(atoms.positions, cell)

    def never(vector):
        raise AssertionError

    found = rigid_directions(never, positions_A=places, held_A=NOBODY, cell_A=cell)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)


def test_too_few_iterations_are_no_answer():
    atoms = vacancy()
    found = lowest_eigenvalue(
        forces_of(atoms),
        atoms.positions,
        free=np.arange(31),
        rigid=np.empty((93, 0)),
        most_products=5,
    )
    assert not found.converged
    assert found.products == 5


@pytest.mark.parametrize("count", [3, 31])
def test_forces_that_are_no_numbers_are_no_answer(count):
    found = lowest_eigenvalue(
        lambda positions: positions * np.nan,
        np.zeros((count, 3)),
        free=np.arange(count),
        rigid=np.empty((3 * count, 0)),
    )
    assert not found.converged
    assert math.isnan(found.eV_per_A2)


def test_a_negative_eigenvalue_among_a_thousand_is_found():
    rng = np.random.default_rng(4)
    frame = np.linalg.qr(rng.normal(size=(999, 999)))[0]
    hessian = frame * np.concatenate([[-0.01], rng.uniform(0.1, 20, 998)]) @ frame.T
    found = lowest_eigenvalue(
        harmonic(hessian, np.zeros((333, 3))),
        np.zeros((333, 3)),
        free=np.arange(333),
        rigid=np.empty((999, 0)),
    )
    assert found.converged
    assert found.eV_per_A2 == pytest.approx(-0.01, rel=0.02)


@pytest.mark.parametrize(("at", "changes", "kind"), [
    (0, {"negative": 1, "lowest": -1.0}, FailureKind.NOT_A_MINIMUM), (1, {"negative": 0}, FailureKind.NOT_A_SADDLE),
    (1, {"negative": 2}, FailureKind.NOT_A_SADDLE), (2, {"negative": 1}, FailureKind.NOT_A_MINIMUM),
    (0, {"softest": 1e-9}, FailureKind.SOFT_MODE), (1, {"softest": math.nan}, FailureKind.SOFT_MODE),
    (2, {"finite": False}, FailureKind.NOT_FINITE), (0, {"log_positive": 90.0}, FailureKind.OUT_OF_RANGE),
    (2, {"log_positive": -90.0}, FailureKind.OUT_OF_RANGE), (0, {"log_positive": math.nan}, FailureKind.OUT_OF_RANGE),
    (2, {"rotations": 2}, FailureKind.OTHER_ROTATIONS),
])  # fmt: skip
def test_what_harmonic_theory_cannot_rate_has_a_typed_reason(at, changes, kind):
    from dataclasses import replace

    whole = [replace(found, rotations=0) for found in held()]
    assert prefactors(*whole).forward_per_s > 1e12
    whole[at] = replace(whole[at], **changes)
    with pytest.raises(PrefactorFailure) as refused:
        prefactors(*whole)
    assert refused.value.kind is kind
    assert refused.value.point == ("reactant", "saddle", "product")[at]


def held():
    rest = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0], [0.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    for first in (2.0, -1.0, 2.5):
        whole = np.zeros((12, 12))
        whole[:3, :3] = np.diag([first, 3.0, 5.0])
        yield spectrum_of(harmonic(whole, rest), rest, np.array([63.5] * 4), held=(1, 2, 3))


def test_a_hessian_that_is_not_finite_says_so():
    found = spectrum(
        np.full((6, 6), np.nan), masses_u=np.ones(2), positions_A=np.zeros((2, 3)), held_A=NOBODY
    )
    assert not found.finite


def test_a_spectrum_keeps_its_digits_on_the_way():
    from mlip_kmc.model.rates import Spectrum

    found = next(held())
    assert Spectrum.from_json(found.to_json()) == found
