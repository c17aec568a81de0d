"""Random potentials with baselines, random structures of overlapping atoms, and LAMMPS by hand: for the tests of evaluators."""

import subprocess
from functools import cache

import numpy as np
from ase import Atoms

from mlip_kmc.driver.standalone.short_range import shortest_distances
from mlip_kmc.model.structure import species_of
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline, LennardJones, Zbl, pair_names

ELEMENTS = ("Al", "Cu", "Ni")
CUTOFF_A = 4.0
LJ = LennardJones(epsilon_eV=0.5, sigma_A=1.2, inner_A=1.15, outer_A=1.3)
BASELINES = {
    "zbl": (Zbl(inner_A=0.8, outer_A=1.4), {}),
    "lj": (LJ, {}),
    "several": (
        Zbl(inner_A=0.7, outer_A=1.3),
        {"Cu-Ni": Zbl(inner_A=0.9, outer_A=1.6), "Al-Ni": LJ, "Ni-Ni": LJ},
    ),
    "two zbl and no default": (
        None,
        {"Al-Al": Zbl(inner_A=0.7, outer_A=1.3), "Cu-Ni": Zbl(inner_A=0.6, outer_A=1.7)},
    ),
}


def ace_maker(folder):
    """Makes small linear ACEs of one to three elements with random coefficients, with core repulsion or without."""
    from pyace import ACEBBasisSet, create_multispecies_basis_config

    @cache
    def make(elements, core):
        bond = {
            "radbase": "ChebExpCos",
            "radparameters": [3.0],
            "rcut": CUTOFF_A,
            "dcut": 0.01,
            "NameOfCutoffFunction": "cos",
            "r_in": 1.3,
            "delta_in": 0.2,
            "core-repulsion": [60.0, 0.5] if core else [0.0, 1.0],
        }
        if not core:
            bond |= {"r_in": 0.0, "delta_in": 0.0}
        configuration = create_multispecies_basis_config(
            {
                "deltaSplineBins": 0.001,
                "elements": list(elements),
                "embeddings": {
                    "ALL": {
                        "npot": "FinnisSinclair",
                        "fs_parameters": [1, 1],
                        "ndensity": 1,
                        "rho_core_cut": 200000,
                        "drho_core_cut": 250,
                    }
                },
                "bonds": {"ALL": bond},
                "functions": {"ALL": {"nradmax_by_orders": [3, 2, 1], "lmax_by_orders": [0, 1, 1]}},
            }
        )
        rng = np.random.default_rng(7)
        configuration.set_func_coeffs(
            rng.normal(0.0, 0.3, len(configuration.get_func_coeffs())).tolist()
        )
        stem = folder / f"{''.join(elements)}{'-core' * core}"
        configuration.save(str(stem.with_suffix(".yaml")))
        ACEBBasisSet(str(stem.with_suffix(".yaml"))).to_ACECTildeBasisSet().save_yaml(
            str(stem.with_suffix(".yace"))
        )
        return AcePotential.read(stem.with_suffix(".yace"))

    return make


def with_baseline(potential, name, **minimum):
    default, pairs = BASELINES[name]
    pairs = {pair: value for pair, value in pairs.items() if pair in pair_names(potential.elements)}
    if default is None and not pairs:
        default = LJ
    return potential.guarded(
        baseline=Baseline.of(default, pairs, elements=potential.elements),
        minimum_distance_A=minimum,
    )


def structure(seed, elements):
    """Two to eight atoms at random in a cell of 1.8 to 7 A, skewed or not, the nearest two of them 0.5 to 1.2 A apart."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(*((1.8, 3.0) if seed % 3 == 0 else (3.0, 7.0)), 3)
    cell = np.diag(lengths)
    if seed % 2:
        cell[1, 0], cell[2, 0], cell[2, 1] = rng.uniform(-0.45, 0.45, 3) * lengths[[0, 0, 1]]
    symbols = list(rng.choice(elements, rng.integers(2, 9)))
    symbols[: len(elements)] = list(elements)
    nearest = 0.5 if seed % 4 == 0 else rng.uniform(0.5, 1.2)
    positions = np.array([rng.uniform(0, 1, 3) @ cell])
    tries = 0
    while len(positions) < len(symbols) and tries < 200:
        tries += 1
        if len(positions) == 1:
            way = rng.normal(size=3)
            new = positions[0] + nearest * way / np.linalg.norm(way)
        else:
            new = rng.uniform(0, 1, 3) @ cell
        found = shortest_distances(
            ["X"] * (len(positions) + 1), np.vstack([positions, new]), cell, 3.0
        )
        if found.get("X-X", 3.0) > nearest - 1e-9:
            positions = np.vstack([positions, new])
    return Atoms(symbols[: len(positions)], positions=positions, cell=cell, pbc=True)


def run(command, folder):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def job_folder(folder, atoms, potential):
    folder.mkdir(parents=True)
    for name, target in potential.job_links().items():
        (folder / name).symlink_to(target)
    for name, text in potential.job_files(species_of(atoms)).items():
        (folder / name).write_text(text)
    return folder


def with_lammps(atoms, folder, commands="run 0"):
    species = species_of(atoms)
    cell = atoms.cell.array
    lines = ["structure", "", f"{len(atoms)} atoms", f"{len(species)} atom types"]
    lines += [f"0 {cell[axis, axis]:.17g} {name}lo {name}hi" for axis, name in enumerate("xyz")]
    lines += [f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz", "", "Atoms", ""]
    lines += [
        f"{index} {species.index(symbol) + 1} {x:.17g} {y:.17g} {z:.17g}"
        for index, (symbol, (x, y, z)) in enumerate(
            zip(atoms.get_chemical_symbols(), atoms.positions, strict=True), start=1
        )
    ]
    (folder / "data.lmp").write_text("\n".join(lines) + "\n")
    (folder / "in.point").write_text(
        "units metal\natom_style atomic\natom_modify map array sort 0 0\nread_data data.lmp\nmass * 1.0\ninclude in.lammps\n"
        "thermo_modify norm no\nthermo_style custom step pe pxx pyy pzz pyz pxz pxy\n"
        "dump forces all custom 1 forces.txt fx fy fz\ndump_modify forces sort id format float %.17g\n"
        f"{commands}\n"
        'print "$(pe:%.17g) $(pxx:%.17g) $(pyy:%.17g) $(pzz:%.17g) $(pyz:%.17g) $(pxz:%.17g) $(pxy:%.17g)" file energy.txt\n'
    )
    run(["lmp", "-in", "in.point", "-log", "none", "-nocite"], folder)
    numbers = np.loadtxt(folder / "energy.txt")
    return (
        numbers[0],
        np.loadtxt(folder / "forces.txt", skiprows=9, ndmin=2),
        -numbers[1:] / 1.602176634e6,
    )  # bar
