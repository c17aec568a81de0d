"""The contract that every evaluator of a potential passes: the same numbers, in any order and place of atoms, and errors.

eOn's client, LAMMPS alone, python-ace on the `.yace`, the ACE plus the short-range formulae, and the driver with both of its
engines evaluate one potential; eOn's built-in potentials, which have no peer, keep what concerns one evaluator alone.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read

from mlip_kmc.akmc.start import point_energy
from mlip_kmc.config import GammaSection
from mlip_kmc.driver import standalone as driver
from mlip_kmc.driver.standalone.short_range import energy_and_forces, shortest_distances
from mlip_kmc.evaluate.by_eon import evaluate
from mlip_kmc.evaluate.by_lammps import largest_gamma
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.evaluate.gamma import gamma_of
from mlip_kmc.evaluate.paths import check_paths
from mlip_kmc.ground.errors import ExtrapolationError, PotentialError
from mlip_kmc.model.structure import prepare, species_of
from mlip_kmc.potential import AcePotential, BuiltinPotential, DrivenPotential
from mlip_kmc.potential.baseline import Baseline, Zbl
from mlip_kmc.potential.minimum_distance import NEAR_FILE, read_too_near

from .conftest import EXAMPLE, text_of
from .paths_material import (
    BASELINES,
    ELEMENTS,
    ace_maker,
    job_folder,
    structure,
    with_baseline,
    with_lammps,
)

EV, EV_PER_A = 1e-8, 1e-8
"""How far evaluators may differ, absolutely; and relatively by 1e-10, where atoms overlap and forces are thousands of eV/A."""


@dataclass(frozen=True)
class Numbers:
    """What one evaluator gives, in the orientation of the atoms it was asked for; None is what it cannot tell."""

    energy_eV: float
    forces_eV_per_A: np.ndarray
    stress_eV_per_A3: np.ndarray | None = None
    gamma: np.ndarray | None = None


def restricted(atoms):
    """As eOn and LAMMPS have it, and the rotation of its forces back."""
    prepared = prepare(
        atoms,
        elements=tuple(set(atoms.get_chemical_symbols())),
        cutoff_A=1.0,
        minimum_distance_A=0.1,
        allow_small_cell=True,
    )
    return prepared.atoms, np.asarray(prepared.rotation)


def by_python_ace(atoms, potential, folder):
    calculated = atoms.copy()
    calculated.calc = calculator_of(potential)
    energy, forces = evaluated(atoms, calculator_of(potential))
    return Numbers(energy, forces, calculated.get_stress(), gamma_of(atoms, potential=potential))


def by_python_ace_on_the_basis(atoms, potential, folder):
    file = potential.basis or potential.yace.with_suffix(".yaml")
    return Numbers(*evaluated(atoms, calculator_of(potential, file=file)))


def by_formulae(atoms, potential, folder):
    """The ACE alone, and the numpy formulae from their JSON: what a driver outside of ASE adds up."""
    plain = potential.guarded(baseline=None, minimum_distance_A={})
    energy, forces = evaluated(atoms, calculator_of(plain))
    pairs = potential.baseline.to_driver() if potential.baseline else {}
    more = energy_and_forces(pairs, atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array)
    return Numbers(energy + more[0], forces + more[1])


def by_lammps(atoms, potential, folder):
    turned, rotation = restricted(atoms)
    energy, forces, stress = with_lammps(turned, job_folder(folder / "lmp", turned, potential))
    return Numbers(energy, forces @ rotation, stress if np.allclose(rotation, np.eye(3)) else None)


def by_eon(atoms, potential, folder):
    turned, rotation = restricted(atoms)
    found = evaluate(turned, potential)
    return Numbers(found.energy_eV, found.forces_eV_per_A @ rotation)


def by_eon_as_it_searches(atoms, potential, folder):
    turned, rotation = restricted(atoms)
    found = evaluate(
        turned,
        potential,
        gamma=GammaSection(halt=1e9, select=1e8) if potential.knows_gamma else None,
    )
    return Numbers(found.energy_eV, found.forces_eV_per_A @ rotation)


def by_driver(engine):
    def by(atoms, potential, folder):
        driven = DrivenPotential(potential)
        recipe = {**driven.recipe(), **(driven.gamma_recipe() if potential.knows_gamma else {})}
        made = driver.Evaluator({**recipe, "engine": engine})
        answer = made.evaluate(driver.parse(text_of(atoms).encode()))
        gamma = None if answer.gamma is None else np.array(answer.gamma)
        return Numbers(answer.energy, np.array(answer.forces).reshape(-1, 3), gamma=gamma)

    return by


EVALUATORS = {
    "python-ace": by_python_ace,
    "python-ace on the B-basis": by_python_ace_on_the_basis,
    "ACE and formulae": by_formulae,
    "LAMMPS": by_lammps,
    "eOn": by_eon,
    "eOn beside gamma": by_eon_as_it_searches,
    "driver with LAMMPS": by_driver("lammps"),
    "driver with python-ace": by_driver("pyace"),
}
PEERS = [name for name in EVALUATORS if name != "python-ace"]
CASES = [
    (seed, ELEMENTS[: 1 + seed % 3], list(BASELINES)[seed % 4], seed % 5 == 4) for seed in range(36)
]
EXAMPLES = ["rattled", "turned", "rattled, baseline", "turned, baseline"]


@pytest.fixture(scope="module")
def ace(tmp_path_factory):
    """Small linear ACEs of one to three elements with random coefficients, with core repulsion or without."""
    return ace_maker(tmp_path_factory.mktemp("ace"))


@cache
def example(name):
    """The example's potential, and copper with a vacancy in a triclinic cell, some atoms outside of it; or turned."""
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    if (
        "baseline" in name
    ):  # it reaches the nearest neighbours, so that it matters; no user could start with it
        pairs = Baseline.of(Zbl(inner_A=1.0, outer_A=2.7), {}, elements=("Cu",))
        potential = replace(potential, baseline=pairs, minimum_distance_A={"Cu-Cu": 1.5})
    atoms = bulk("Cu", a=3.6, cubic=True).repeat(3)
    del atoms[0]
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.05, 1, 0], [-0.03, 0.04, 1]], scale_atoms=True)
    atoms.positions += np.random.default_rng(len(name)).normal(0, 0.05, atoms.positions.shape)
    atoms.positions[3] += atoms.cell.array[1] - 2 * atoms.cell.array[2]
    if "turned" in name:
        atoms.rotate(40, (1, 2, 3), rotate_cell=True)
    return atoms, potential


def material(ace, case):
    if isinstance(case, str):
        return example(case)
    seed, elements, baseline, core = case
    return structure(seed, elements), with_baseline(ace(elements, core), baseline)


def close(found, right, **limits):
    np.testing.assert_allclose(found, right, equal_nan=False, **limits)


def same(found, right):
    """The contract: what both can tell is the same."""
    close(found.energy_eV, right.energy_eV, rtol=1e-10, atol=EV)
    close(found.forces_eV_per_A, right.forces_eV_per_A, rtol=1e-10, atol=EV_PER_A)
    if found.stress_eV_per_A3 is not None:  # LAMMPS' unit of pressure has 8 digits
        close(found.stress_eV_per_A3, right.stress_eV_per_A3, rtol=1e-6, atol=1e-8)
    if found.gamma is not None:
        close(found.gamma, right.gamma, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"energy_eV": 3e-8},
        {"forces_eV_per_A": 3e-8},
        {"stress_eV_per_A3": 3e-6},
        {"gamma": 1e-3},
        *({name: np.nan} for name in ("energy_eV", "forces_eV_per_A", "stress_eV_per_A3", "gamma")),
    ],
    ids=str,
)
def test_the_contract_can_be_broken(change):
    right = Numbers(-1.0, np.ones((2, 3)), np.ones(6), np.ones(2))
    same(right, right)
    (name, by), *_ = change.items()
    with pytest.raises(AssertionError):
        same(replace(right, **{name: getattr(right, name) + by}), right)
    wrong = replace(right, **{name: np.nan * getattr(right, name)})
    with pytest.raises(AssertionError):
        same(wrong, wrong)  # what is no number is not the same as anything


@pytest.mark.parametrize("case", [*CASES, *EXAMPLES], ids=str)
def test_every_evaluator_gives_the_same_numbers(ace, tmp_path, case):
    atoms, potential = material(ace, case)
    right = by_python_ace(atoms, potential, tmp_path)
    assert np.abs(right.forces_eV_per_A).max() > 0.1, "at rest anything agrees"
    for name in PEERS:
        try:
            same(EVALUATORS[name](atoms, potential, tmp_path), right)
        except AssertionError as error:
            pytest.fail(f"{name}: {error}")


def test_gamma_of_the_example_by_lammps_alone(tmp_path):
    atoms, potential = example("rattled")
    found = largest_gamma(
        restricted(atoms)[0],
        basis=potential.basis,
        active_set=potential.active_set,
        folder=tmp_path,
    )
    assert found == pytest.approx(gamma_of(atoms, potential=potential).max(), rel=1e-5)


def test_the_structures_are_what_is_wanted():
    shortest = [
        min(
            shortest_distances(
                atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array, 3.0
            ).values()
        )
        for atoms in (structure(seed, elements) for seed, elements, _, _ in CASES)
    ]
    assert min(shortest) == pytest.approx(0.5)
    assert max(shortest) < 1.25


def test_the_comparison_at_every_start_finds_no_difference():
    """`check_paths` compares less strictly, so that no run is refused for the last digits: far within its limits here."""
    ace = AcePotential.read(EXAMPLE / "cu.yace")
    atoms = prepare(
        read(EXAMPLE / "vacancy.xyz"), elements=ace.elements, cutoff_A=ace.cutoff_A
    ).atoms
    energy, force = check_paths(atoms, ace, gamma=GammaSection())
    assert energy < 1e-9
    assert force < 1e-7


# -- one evaluator alone


def built_in(atoms, potential, folder):
    return by_eon(atoms, potential, folder)


def small(name, ace):
    """Some atoms and a potential for one evaluator."""
    if name == "built-in":
        atoms = bulk("Al", a=4.05, cubic=True).repeat(3)
        atoms.positions += np.random.default_rng(5).normal(0, 0.1, atoms.positions.shape)
        return atoms, BuiltinPotential.named("eam_al")
    return structure(8, ELEMENTS), with_baseline(ace(ELEMENTS, False), "several")


ALONE = {**EVALUATORS, "built-in": built_in}


@pytest.mark.parametrize("name", ALONE)
def test_neither_the_order_of_atoms_nor_their_place_counts(ace, tmp_path, name):
    atoms, potential = small(name, ace)
    rng = np.random.default_rng(6)
    right = ALONE[name](atoms, potential, tmp_path / "right")
    order = rng.permutation(len(atoms))
    moved = atoms[order]
    moved.positions += rng.uniform(0, 1, 3) @ atoms.cell.array
    moved.wrap()
    (tmp_path / "moved").mkdir()
    found = ALONE[name](moved, potential, tmp_path / "moved")
    scale = np.abs(right.forces_eV_per_A).max()
    close(found.energy_eV, right.energy_eV, rtol=1e-10, atol=EV)
    close(
        found.forces_eV_per_A, right.forces_eV_per_A[order], rtol=0, atol=EV_PER_A + 1e-11 * scale
    )
    if right.stress_eV_per_A3 is not None:
        close(found.stress_eV_per_A3, right.stress_eV_per_A3, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", EVALUATORS)
def test_an_unknown_element_has_no_numbers(tmp_path, name):
    atoms, potential = example("rattled")
    strange = atoms.copy()
    strange.symbols[5] = "Ag"
    kinds = {"driver": driver.DriverError, "eOn": PotentialError, "LAMMPS": PotentialError}
    kind = next(
        (kinds[word] for word in kinds if name.startswith(word)), Exception
    )  # python-ace raises its own
    with pytest.raises(kind):
        EVALUATORS[name](strange, potential, tmp_path)


def test_atoms_that_are_too_near_have_no_numbers_in_any(tmp_path):
    """LAMMPS goes on and reports each evaluation, upon which eOn's client is ended; the others refuse by themselves."""
    _, potential = example("rattled, baseline")
    near = Atoms("Cu2", positions=[(0, 0, 0), (1.2, 0, 0)], cell=[9, 9, 9], pbc=True)
    for name in ("python-ace", "python-ace on the B-basis"):
        with pytest.raises(ExtrapolationError, match=r"Cu-Cu atoms are 1\.2000 A apart"):
            EVALUATORS[name](near, potential, tmp_path)
    for engine in ("lammps", "pyace"):
        with pytest.raises(driver.DriverError, match=r"Cu-Cu atoms are 1\.2000 A apart") as refused:
            by_driver(engine)(near, potential, tmp_path)
        assert refused.value.code == driver.HALTED
    with pytest.raises(ExtrapolationError, match=r"Cu-Cu atoms came nearer than 1\.5 A"):
        point_energy(near, potential, evidence=tmp_path)
    by_lammps(near, potential, tmp_path)
    found = list(read_too_near((tmp_path / "lmp" / NEAR_FILE).read_text()))
    assert found
    assert species_of(near) == ("Cu",)
