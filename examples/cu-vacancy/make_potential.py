"""A small linear ACE of copper, fitted to ASE's effective-medium theory (EMT), and the vacancy cell that goes with it.

Run as ``python make_potential.py [--output DIR] [--sets DIR]``; it takes about 20 seconds on one core and writes

* ``cu.yaml``: the B-basis with the fitted coefficients (python-ace),
* ``cu.yace``: the same potential for LAMMPS' ``pair_style pace`` and ``pace/extrapolation``,
* ``cu.asi``: the inverse of the linear active set, from which the extrapolation grade gamma is computed,
* ``cu.record.json``: the digests of these three, and what they were made from,
* ``vacancy.xyz``: 107 atoms, 3x3x3 conventional fcc cells less one atom, at the potential's lattice constant.

With ``--sets DIR`` it writes only ``train.xyz`` and ``test.xyz`` there: the sets that the potential was fitted to and tested
on, extended XYZ with energies and forces, which a release of the potential asks for.

Energies are in eV, lengths in A, forces in eV/A. ASE's EMT puts its zero at the perfect crystal; here the zero is the
free atom, as ACE wants it (a free atom has no neighbours and so no energy).

No holes: the training set holds pairs, dimers and uniformly compressed lattices with atoms down to `R_IN`, 1.3 A. Below
that the basis is switched off and ACE's own core repulsion takes over (``core-repulsion``, `CORE_REPULSION`); tighter
structures are left out of the training set, so the fit does not see it.

The files come out the same, byte for byte, whenever they are made again with the same versions: seeds are fixed, the
coefficients are rounded before they are written, and linear algebra has one thread and, on every processor of x86-64-v3
and above, the same kernels (those for AVX-512 differ in the tenth digit).
"""
# ruff: noqa: E402  (threads and kernels are chosen when numpy is imported)

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["OPENBLAS_CORETYPE"] = "Haswell"
os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.emt import parameters as emt_parameters
from ase.io import write
from ase.mep import NEB
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS, FIRE
from pyace import (
    ACEBBasisSet,
    BBasisConfiguration,
    PyACECalculator,
    create_multispecies_basis_config,
)
from pyace.activelearning import (
    compute_A_active_inverse,
    compute_active_set,
    compute_B_projections,
    save_active_inverse_set,
)
from pyace.linearacefit import LinearACEDataset, LinearACEFit
from scipy.optimize import minimize_scalar
from sklearn.linear_model import Ridge

from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.record import HeldOutErrors, Recipe, Training, record_path, write_record

A_EMT = 3.59
"""Lattice constant of the structures to fit to (A); EMT's own is 3.590."""
FREE_ATOM = -emt_parameters["Cu"][0]
"""EMT's energy of a free atom (eV), subtracted so that a free atom has none."""
CUTOFF = 5.0
"""The potential's cutoff (A). EMT's own weights fall to nothing between 5.0 and 5.9 A."""
R_IN, DELTA_IN = 1.3, 0.2
"""Below `R_IN` (A) the basis goes to zero over `DELTA_IN` (A), and the core repulsion takes over."""
CORE_REPULSION = [60.0, 0.5]
"""Prefactor (eV A) and exponent (1/A^2) of the core repulsion."""
NRADMAX, LMAX = [8, 3, 3, 2, 2], [0, 0, 0, 0, 0]
"""Radial functions, and the highest angular momentum, of the basis functions of body order 2, 3, 4, 5 and 6.

EMT has no angular terms, so neither has the basis, which makes it small and fast; a potential fitted to anything else
needs them (``LMAX = [0, 4, 3, ...]``)."""
LAMBDA = 3.0
"""Exponent of the radial basis ChebExpCos: the higher, the more of its resolution at short distances."""
RIDGE = 1e-6
"""Strength of the ridge, for rows weighted as `row_weights` does."""
ENERGY_WEIGHT = 30.0
"""Weight of an energy per atom (1 eV/atom) against a force component (1 eV/A)."""
DIGITS = 12
"""Significant digits of the coefficients, as written."""
TRAIN_SEED, TEST_SEED = 20240501, 777
PACKAGES = ("ase", "numpy", "python-ace", "scikit-learn", "scipy")
"""What the numbers depend on; the record keeps the versions."""

FCC_NEIGHBOURS = (
    np.array([v for v in np.ndindex(3, 3, 3) if sum((i - 1) ** 2 for i in v) == 2]) / 2 - 0.5
)
"""The twelve vectors to the nearest neighbours, in lattice constants."""


@dataclass(frozen=True)
class Labelled:
    """A structure with its EMT energy (eV, of all atoms, free atoms being zero) and forces (eV/A)."""

    group: str
    atoms: Atoms
    energy: float
    forces: np.ndarray


def label(group: str, atoms: Atoms) -> Labelled:
    """Compute the EMT energy and forces of a structure."""
    labelled = atoms.copy()
    labelled.calc = EMT()
    energy = float(labelled.get_potential_energy()) - FREE_ATOM * len(atoms)
    return Labelled(group, atoms, energy, labelled.get_forces())


def strained(atoms: Atoms, rng: np.random.Generator, amount: float) -> Atoms:
    """Strain the cell: every component of the symmetric strain is drawn from +-`amount`."""
    strain = rng.uniform(-amount, amount, (3, 3))
    atoms.set_cell(atoms.cell @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    return atoms


def rattled(atoms: Atoms, rng: np.random.Generator, sigma: float) -> Atoms:
    """Move every atom by a normal deviate of `sigma` (A) along each axis."""
    atoms.positions += rng.normal(0.0, sigma, (len(atoms), 3))
    return atoms


def perfect(repeat: int = 2, a: float = A_EMT) -> Atoms:
    """Make the perfect fcc crystal of `repeat`^3 conventional cells, of lattice constant `a` (A)."""
    return bulk("Cu", "fcc", a=a, cubic=True).repeat(repeat)


def with_vacancy(repeat: int = 2, a: float = A_EMT) -> Atoms:
    """Take one atom, that at the origin, out of the perfect crystal."""
    atoms = perfect(repeat, a)
    del atoms[0]
    return atoms


def neighbour_of_vacancy(atoms: Atoms, direction: np.ndarray, a: float = A_EMT) -> int:
    """Return the index of the atom at `direction` (lattice constants `a`, A) from the vacancy at the origin."""
    distances = [atoms_distance(atoms, position, direction * a) for position in atoms.positions]
    return int(np.argmin(distances))


def atoms_distance(atoms: Atoms, here: np.ndarray, there: np.ndarray) -> float:
    """Return the shortest periodic distance (A) between two points of an orthorhombic cell."""
    lengths = atoms.cell.lengths()
    difference = here - there
    return float(np.linalg.norm(difference - lengths * np.round(difference / lengths)))


def shell(atoms: Atoms, centre: np.ndarray, radius: float) -> np.ndarray:
    """Return the indices of the atoms within `radius` (A) of a point, periodic images included."""
    return np.flatnonzero(
        [atoms_distance(atoms, position, centre) < radius for position in atoms.positions]
    )


def bulk_structures(rng: np.random.Generator, count: int) -> Iterator[Atoms]:
    """32 atoms, strained by up to 3 % and rattled by up to 0.15 A."""
    for _ in range(count):
        yield rattled(strained(perfect(), rng, 0.03), rng, rng.uniform(0.0, 0.15))


def vacancy_structures(rng: np.random.Generator, count: int) -> Iterator[Atoms]:
    """31 atoms and a vacancy, strained by up to 2 % and rattled by up to 0.17 A."""
    for _ in range(count):
        yield rattled(strained(with_vacancy(), rng, 0.02), rng, rng.uniform(0.0, 0.17))


def hop_structures(rng: np.random.Generator, count: int, repeat: int = 2) -> Iterator[Atoms]:
    """A neighbour on its way into the vacancy, the atoms at the window pushed apart, strained and rattled."""
    for index in range(count):
        atoms = with_vacancy(repeat)
        direction = FCC_NEIGHBOURS[index % len(FCC_NEIGHBOURS)]
        hopper = neighbour_of_vacancy(atoms, direction)
        window = shell(atoms, direction * A_EMT / 2, 2.3)
        open_window(atoms, window[window != hopper], direction * A_EMT / 2, rng.uniform(0.0, 0.25))
        atoms.positions[hopper] -= rng.uniform(0.0, 1.0) * direction * A_EMT
        yield rattled(strained(atoms, rng, 0.015), rng, rng.uniform(0.0, 0.12))


def open_window(atoms: Atoms, indices: np.ndarray, centre: np.ndarray, distance: float) -> None:
    """Push atoms straight away from a point by a distance (A)."""
    lengths = atoms.cell.lengths()
    for index in indices:
        away = atoms.positions[index] - centre
        away -= lengths * np.round(away / lengths)
        atoms.positions[index] += distance * away / np.linalg.norm(away)


def local_structures(rng: np.random.Generator, count: int) -> Iterator[Atoms]:
    """Large displacements around the vacancy, as a saddle search begins with: sigma up to 0.25 A, 0.05 A elsewhere."""
    for index in range(count):
        atoms = with_vacancy(3 if index % 8 == 0 else 2)
        near = shell(atoms, np.zeros(3), 0.9 * A_EMT)
        atoms.positions[near] += rng.normal(0.0, rng.uniform(0.1, 0.25), (len(near), 3))
        yield rattled(strained(atoms, rng, 0.01), rng, 0.05)


def close_structures(rng: np.random.Generator, count: int) -> Iterator[Atoms]:
    """Two neighbours next to the vacancy pushed together, to 1.4-2.3 A; strained and rattled a little."""
    for _ in range(count):
        atoms = with_vacancy()
        first = neighbour_of_vacancy(atoms, FCC_NEIGHBOURS[rng.integers(12)])
        vectors = atoms.get_distances(first, range(len(atoms)), mic=True, vector=True)
        near = np.flatnonzero(np.abs(np.linalg.norm(vectors, axis=1) - A_EMT / np.sqrt(2)) < 0.1)
        second = int(near[rng.integers(len(near))])
        vector = vectors[second]
        move = (1.0 - rng.uniform(1.4, 2.3) / np.linalg.norm(vector)) / 2
        atoms.positions[first] += move * vector
        atoms.positions[second] -= move * vector
        keep = atoms.positions[[first, second]].copy()
        rattled(atoms, rng, rng.uniform(0.0, 0.1))
        atoms.positions[[first, second]] = keep
        yield atoms


def tight_structures(rng: np.random.Generator, count: int) -> Iterator[Atoms]:
    """Dimers at 1.3-5.2 A and as many lattices with nearest neighbours at 1.3-2.6 A, one in each of `count` slices."""
    for slot in range(count):
        yield Atoms(
            "Cu2",
            positions=[(0, 0, 0), (R_IN + (5.2 - R_IN) * (slot + rng.uniform()) / count, 0, 0)],
        )
    for slot in range(count):
        nearest = R_IN + (2.6 - R_IN) * (slot + rng.uniform()) / count
        yield bulk("Cu", "fcc", a=nearest * np.sqrt(2), cubic=True)


GROUPS: dict[str, tuple[Callable[[np.random.Generator, int], Iterator[Atoms]], int, int]] = {
    "bulk": (bulk_structures, 50, 20),
    "vacancy": (vacancy_structures, 60, 20),
    "hop": (hop_structures, 144, 48),
    "local": (local_structures, 80, 24),
    "close": (close_structures, 48, 16),
    "tight": (tight_structures, 24, 12),
}
"""Group: how its structures are made, how many to train on, how many to test on."""


def labelled_set(seed: int, column: int) -> list[Labelled]:
    """Make and label the training (column 1) or test (column 2) set; every group has its own stream of the seed."""
    rngs = np.random.default_rng(seed).spawn(len(GROUPS))
    return [
        label(group, atoms)
        for rng, (group, entry) in zip(rngs, GROUPS.items(), strict=True)
        for atoms in entry[0](rng, entry[column])
        if shortest(atoms) >= R_IN
    ]


def shortest(atoms: Atoms) -> float:
    """Return the shortest distance (A) between two atoms, periodic images included; `R_IN` where none is shorter."""
    distances = neighbor_list("d", atoms, R_IN)
    return float(distances.min()) if len(distances) else R_IN


def basis_configuration() -> BBasisConfiguration:
    """Make the basis, with no coefficients yet."""
    bond = {
        "radbase": "ChebExpCos",
        "radparameters": [LAMBDA],
        "rcut": CUTOFF,
        "dcut": 0.01,
        "NameOfCutoffFunction": "cos",
        "r_in": R_IN,
        "delta_in": DELTA_IN,
        "core-repulsion": CORE_REPULSION,
    }
    embedding = {
        "npot": "FinnisSinclair",
        "fs_parameters": [1, 1],
        "ndensity": 1,
        "rho_core_cut": 200000,
        "drho_core_cut": 250,
    }
    return create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": ["Cu"],
            "embeddings": {"ALL": embedding},
            "bonds": {"ALL": bond},
            "functions": {"ALL": {"nradmax_by_orders": NRADMAX, "lmax_by_orders": LMAX}},
        }
    )


def dataset(configuration: BBasisConfiguration, structures: list[Labelled]) -> LinearACEDataset:
    """Compute the design matrix of structures: one row for each energy per atom, then one for each force component."""
    frame = pd.DataFrame(
        {
            "ase_atoms": [s.atoms for s in structures],
            "energy": [s.energy for s in structures],
            "forces": [s.forces for s in structures],
        }
    )
    data = LinearACEDataset(configuration, frame)
    data.construct_design_matrix(max_workers=1)
    return data


def row_weights(structures: list[Labelled]) -> np.ndarray:
    """Weigh the rows of the fit: less for energies (1 eV/atom) and forces (3 eV/A) far beyond a hop's."""
    floor = min(s.energy / len(s.atoms) for s in structures)
    energy = [ENERGY_WEIGHT / (1 + (s.energy / len(s.atoms) - floor)) ** 2 for s in structures]
    forces = [
        np.repeat(1 / (1 + np.linalg.norm(s.forces, axis=1) / 3.0) ** 2, 3) for s in structures
    ]
    return np.concatenate([energy, *forces]) ** 2


def fit(structures: list[Labelled]) -> BBasisConfiguration:
    """Fit the coefficients to structures and return the basis with them, rounded to `DIGITS`."""
    configuration = basis_configuration()
    data = dataset(configuration, structures)
    linear = LinearACEFit(
        model=Ridge(alpha=RIDGE, fit_intercept=False, solver="svd"), train_dataset=data
    )
    model = linear.fit(sample_weight=row_weights(structures))
    configuration.set_func_coeffs([float(f"{c:.{DIGITS}g}") for c in model.coef_])
    return configuration


def active_set(
    configuration: BBasisConfiguration, structures: list[Labelled]
) -> dict[int, np.ndarray]:
    """Choose the linear active set by MaxVol and return its inverse.

    The group ``tight`` is left out: it is there against holes only, and would make gamma blind to what is unusual.
    """
    atoms = [s.atoms for s in structures if s.group != "tight"]
    projections = compute_B_projections(ACEBBasisSet(configuration), atoms)[0]
    return compute_A_active_inverse(compute_active_set({0: projections}, tol=1.001, max_iters=1000))


def calculator(output: Path) -> PyACECalculator:
    """Return an ASE calculator of the written potential, with gamma."""
    calc = PyACECalculator(str(output / "cu.yaml"))
    calc.set_active_set(str(output / "cu.asi"))
    return calc


def lattice_constant(calc: Calculator) -> float:
    """Return the lattice constant (A) at which the perfect crystal has its least energy."""

    def energy(a: float) -> float:
        atoms = perfect(1, a)
        atoms.calc = calc
        return atoms.get_potential_energy()

    return round(float(minimize_scalar(energy, bracket=(3.55, 3.65), tol=1e-10).x), 5)


def write_potential(output: Path, structures: list[Labelled]) -> None:
    """Fit to structures and write ``cu.yaml``, ``cu.yace`` and ``cu.asi``."""
    configuration = fit(structures)
    configuration.save(str(output / "cu.yaml"))
    ACEBBasisSet(str(output / "cu.yaml")).to_ACECTildeBasisSet().save_yaml(str(output / "cu.yace"))
    save_active_inverse_set(
        str(output / "cu.asi"), active_set(configuration, structures), elements_name=["Cu"]
    )
    print(f"{len(configuration.get_func_coeffs())} basis functions, cutoff {CUTOFF} A")


def write_vacancy(output: Path) -> None:
    """Write ``vacancy.xyz``: 107 atoms, not relaxed, at the potential's lattice constant."""
    a = lattice_constant(calculator(output))
    write(
        output / "vacancy.xyz",
        with_vacancy(3, a),
        format="extxyz",
        columns=["symbols", "positions"],
    )
    print(f"lattice constant {a:.5f} A (EMT: {lattice_constant(EMT()):.5f} A)")


def write_record_of(output: Path, training: list[Labelled], test: list[Labelled]) -> None:
    """Write ``cu.record.json``; errors are rounded, so that its bytes follow from those of the potential."""
    potential = AcePotential.read(output / "cu.yace", check_record=False)
    energies, forces = errors_of(test, calculator(output))
    record = potential.new_record().model_copy(
        update={
            "recipe": Recipe(
                name="examples/cu-vacancy/make_potential.py",
                versions={name: metadata.version(name) for name in PACKAGES},
            ),
            "training": Training.of([s.atoms for s in training], cutoff_A=CUTOFF),
            "test_errors": HeldOutErrors(
                structures=len(test),
                energy_rmse_eV_per_atom=float(f"{rmse(energies):.3g}"),
                force_rmse_eV_per_A=float(f"{rmse(forces):.3g}"),
            ),
        }
    )
    write_record(record_path(output / "cu.yace"), record)


def write_sets(folder: Path) -> None:
    """Write ``train.xyz`` and ``test.xyz``: all structures with their group, energy and forces, with all digits."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, column in (("train.xyz", TRAIN_SEED, 1), ("test.xyz", TEST_SEED, 2)):
        text = "".join(extended_xyz(labelled) for labelled in labelled_set(seed, column))
        (folder / name).write_text(text, encoding="utf-8")
        print(f"wrote {folder / name}")


def extended_xyz(labelled: Labelled) -> str:
    """Return a structure as text; ASE's own writer keeps eight digits."""
    atoms = labelled.atoms
    lattice = " ".join(map(repr, atoms.cell.array.ravel().tolist()))
    periodic = " ".join("FT"[int(flag)] for flag in atoms.pbc)
    head = (
        f'Lattice="{lattice}" Properties=species:S:1:pos:R:3:forces:R:3 energy={labelled.energy!r} '
        f'group={labelled.group} pbc="{periodic}"'
    )
    rows = np.hstack([atoms.positions, labelled.forces]).tolist()
    lines = [
        f"{symbol} {' '.join(map(repr, row))}"
        for symbol, row in zip(atoms.get_chemical_symbols(), rows, strict=True)
    ]
    return "\n".join([str(len(atoms)), head, *lines, ""])


def errors_of(structures: list[Labelled], calc: PyACECalculator) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of all energies (eV/atom) and of all force components (eV/A)."""
    energies, forces = [], []
    for s in structures:
        calc.calculate(s.atoms)
        energies.append((calc.results["energy"] - s.energy) / len(s.atoms))
        forces.append((calc.results["forces"] - s.forces).ravel())
    return np.array(energies), np.concatenate(forces)


def print_errors(title: str, structures: list[Labelled], calc: PyACECalculator) -> None:
    """Print the errors on structures, and their gamma, by group."""
    print(f"\n{title}\n{'':10}{'':>7}{'energy (meV/atom)':>20}{'force (meV/A)':>20}{'gamma':>18}")
    print(
        f"{'group':10}{'count':>7}{'RMSE':>10}{'max':>10}{'RMSE':>10}{'max':>10}{'median':>9}{'max':>9}"
    )
    for group in GROUPS:
        members = [s for s in structures if s.group == group]
        energies, forces, gammas = [], [], []
        for s in members:
            calc.calculate(s.atoms)
            energies.append(1e3 * (calc.results["energy"] - s.energy) / len(s.atoms))
            forces.append(1e3 * (calc.results["forces"] - s.forces).ravel())
            gammas.append(calc.results["gamma"])
        columns = "".join(
            f"{rmse(x):10.2f}{np.abs(x).max():10.2f}" for x in map(np.hstack, (energies, forces))
        )
        gamma = np.concatenate(gammas)
        print(f"{group:10}{len(members):7}{columns}{np.median(gamma):9.2f}{gamma.max():9.3g}")


def rmse(errors: np.ndarray) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(np.square(errors))))


def squeezed_pair(distance: float) -> Atoms:
    """Push two neighbours of the 31-atom cell to a distance (A) from each other."""
    atoms = with_vacancy()
    first = neighbour_of_vacancy(atoms, FCC_NEIGHBOURS[0])
    vectors = atoms.get_distances(first, range(len(atoms)), mic=True, vector=True)
    second = int(np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")[1])
    length = np.linalg.norm(vectors[second])
    move = (1 - distance / length) / 2 * vectors[second]
    atoms.positions[first] += move
    atoms.positions[second] -= move
    return atoms


SQUEEZES: dict[str, tuple[Callable[[float], Atoms], float]] = {
    "dimer": (lambda distance: Atoms("Cu2", positions=[(0, 0, 0), (distance, 0, 0)]), 2.1),
    "pair in the crystal": (squeezed_pair, 2.5),
    "lattice": (lambda distance: bulk("Cu", "fcc", a=distance * np.sqrt(2), cubic=True), 2.5),
}
"""What is squeezed: how it is made with a shortest distance (A), and the distance to begin at, its minimum or below."""


def print_holes(calc: Calculator) -> None:
    """Print down to which distance, from 1.0 A, the energy rises at every step of 0.01 A as atoms approach."""
    print()
    for name, (make, start) in SQUEEZES.items():
        distances = np.arange(start, 0.995, -0.01)
        energies = []
        for distance in distances:
            calc.calculate(make(float(distance)))
            energies.append(calc.results["energy"])
        falls = np.flatnonzero(np.diff(energies) <= 0)
        end = distances[falls[0]] if len(falls) else distances[-1]
        print(f"{name}: the energy rises from {start:.2f} A down to {end:.2f} A")


def hop_band(
    start: Atoms, make_calculator: Callable[[], Calculator], images: int = 5
) -> list[Atoms]:
    """Relax a vacancy hop: both ends, then the climbing-image band of `images` between, to 0.01 eV/A."""
    end = start.copy()
    a = start.cell.lengths()[0] / 3
    hopper = neighbour_of_vacancy(start, FCC_NEIGHBOURS[-1], a)
    end.positions[hopper] -= FCC_NEIGHBOURS[-1] * a
    band = [start.copy(), *(start.copy() for _ in range(images)), end]
    for atoms in band:
        atoms.calc = make_calculator()
    for atoms in (band[0], band[-1]):
        BFGS(atoms, logfile=None).run(fmax=0.001)
    neb = NEB(band, climb=True, method="improvedtangent")
    neb.interpolate(mic=True)
    if not FIRE(neb, logfile=None).run(fmax=0.01, steps=500):
        raise RuntimeError("the band did not converge")
    return band


def check(output: Path) -> None:
    """Print the vacancy hop's barrier under both potentials, gamma along it, and the time of one evaluation."""
    start = with_vacancy(3, lattice_constant(calculator(output)))
    print()
    for name, make in (("EMT", EMT), ("ACE", lambda: calculator(output))):
        band = hop_band(start, make)
        energies = np.array([atoms.get_potential_energy() for atoms in band])
        print(f"{name}: barrier {1e3 * (energies.max() - energies[0]):.1f} meV; band (meV)", end="")
        print("".join(f"{1e3 * (energy - energies[0]):9.1f}" for energy in energies))
    print(
        "gamma max of the ACE band's images:",
        *(f"{atoms.calc.results['gamma'].max():.2f}" for atoms in band),
    )
    calc = PyACECalculator(str(output / "cu.yaml"))
    begin = time.perf_counter()
    for _ in range(20):
        calc.calculate(start)
    print(f"python-ace, {len(start)} atoms: {50 * (time.perf_counter() - begin):.1f} ms per call")
    print_yace(output, start)


def print_yace(output: Path, atoms: Atoms) -> None:
    """Print how far ``cu.yace``, evaluated recursively as LAMMPS does, is from ``cu.yaml``."""
    calcs = [PyACECalculator(str(output / "cu.yaml"))]
    calcs.append(PyACECalculator(str(output / "cu.yace"), recursive_evaluator=True, recursive=True))
    moved = rattled(atoms.copy(), np.random.default_rng(TEST_SEED), 0.05)
    for calc in calcs:
        calc.calculate(moved)
    difference = np.abs(calcs[0].results["forces"] - calcs[1].results["forces"]).max()
    print(f"cu.yace against cu.yaml: forces differ by at most {difference:.1e} eV/A")


def main() -> None:
    """Make the files and print their errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="directory to write to"
    )
    parser.add_argument(
        "--sets",
        type=Path,
        metavar="DIR",
        help="only write the training and test sets, train.xyz and test.xyz",
    )
    parser.add_argument(
        "--check", action="store_true", help="then compute the hop's barrier under ACE and EMT"
    )
    arguments = parser.parse_args()
    if arguments.sets is not None:
        write_sets(arguments.sets)
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    training, test = labelled_set(TRAIN_SEED, 1), labelled_set(TEST_SEED, 2)
    write_potential(arguments.output, training)
    write_vacancy(arguments.output)
    write_record_of(arguments.output, training, test)
    calc = calculator(arguments.output)
    print_errors("training set", training, calc)
    print_errors("test set", test, calc)
    print_holes(calc)
    if arguments.check:
        check(arguments.output)


if __name__ == "__main__":
    main()
