"""Labelled sets by EMT, and potentials to fit again; shared by the tests of the refit and of its acceptance."""

from functools import lru_cache

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT, parameters
from ase.optimize import BFGS

from mlip_kmc.learning.active_set_maker import make_active_set, write_active_set
from mlip_kmc.learning.refit import read_fit
from mlip_kmc.learning.refit.process import fit_in
from mlip_kmc.learning.refit.refit import requested
from mlip_kmc.learning.selection import choose
from mlip_kmc.model.labelled import LabelledStructure, Role
from mlip_kmc.potential import AcePotential

from .learning_material import example_module

SELECT = 3.0


def fitted_here(present, folder, *, training=(), labels=(), section, basis=None, anchors_from=()):
    """`refit` in this process, which saves the start of another: the potential and the facts."""
    request, structures = requested(
        present,
        training=training,
        labels=labels,
        section=section,
        name="gen-001",
        basis=basis,
        anchors_from=anchors_from,
    )
    folder.mkdir(exist_ok=True)
    fit_in(folder, request, structures)
    done = read_fit(folder, "gen-001", present=present)
    return done.potential, done.facts


def by_emt(name, atoms, *, role=Role.LABEL):
    """Labelled by EMT, free atoms having no energy."""
    probe = atoms.copy()
    probe.calc = EMT()
    free = sum(-parameters[symbol][0] for symbol in atoms.get_chemical_symbols())
    return LabelledStructure.whole(
        name,
        atoms,
        energy_eV=probe.get_potential_energy() - free,
        forces_eV_per_A=probe.get_forces(),
        role=role,
    )


@lru_cache(maxsize=1)
def poor_training():
    """The set of `learning_material.poor_potential`."""
    seed = 1
    module = example_module()
    rng = np.random.default_rng(seed)
    frames = [("bulk", atoms) for atoms in module.bulk_structures(rng, 20)]
    for _ in range(20):
        atoms = module.strained(module.with_vacancy(), rng, 0.02)
        frames.append(("vacancy", module.rattled(atoms, rng, rng.uniform(0, 0.05))))
    return tuple(
        by_emt(f"{kind}-{number:02d}", atoms, role=Role.TRAINING)
        for number, (kind, atoms) in enumerate(frames)
    )


@lru_cache(maxsize=1)
def copper_test_set():
    """Bulk, vacancies, hops and large displacements that nothing is fitted to."""
    module = example_module()
    rng = np.random.default_rng(77)
    made = [
        *module.bulk_structures(rng, 4),
        *module.vacancy_structures(rng, 4),
        *module.hop_structures(rng, 6),
        *module.local_structures(rng, 8),
    ]
    return tuple(by_emt(f"test-{number:02d}", atoms) for number, atoms in enumerate(made))


def selected(grade, frames):
    """Labels of the frames that the selection asks for."""
    choice = choose(
        [grade.projections_of(atoms) for atoms in frames], inverses=grade.inverses, select=SELECT
    )
    return [
        by_emt(f"label-{number:02d}", frames[one.index]) for number, one in enumerate(choice.chosen)
    ]


def hop_barrier(make_calculator):
    """Barrier in eV of a vacancy's hop in 31 atoms: the saddle is half-way by symmetry, which a minimisation keeps."""
    module = example_module()
    energies = []
    for share in (0.0, 0.5):
        atoms = module.with_vacancy()
        hopper = module.neighbour_of_vacancy(atoms, module.FCC_NEIGHBOURS[0])
        atoms.positions[hopper] -= share * module.FCC_NEIGHBOURS[0] * module.A_EMT
        atoms.calc = make_calculator()
        BFGS(atoms, logfile=None).run(fmax=0.005, steps=200)
        energies.append(atoms.get_potential_energy())
    return energies[1] - energies[0]


def written(folder, name, configuration, frames, *, coefficients=None):
    """A potential of a basis, with an active set of frames."""
    from pyace import ACEBBasisSet

    basis = ACEBBasisSet(configuration)
    if coefficients is not None:
        basis.basis_coeffs = coefficients
    yaml = folder / f"{name}.yaml"
    basis.save(str(yaml))
    ACEBBasisSet(str(yaml)).to_ACECTildeBasisSet().save_yaml(str(yaml.with_suffix(".yace")))
    write_active_set(folder / f"{name}.asi", make_active_set(yaml, frames))
    return AcePotential.read(folder / f"{name}.yace")


def configuration(elements, functions, **embedding):
    """A basis of python-ace without coefficients, as the example's but for its functions."""
    from pyace import create_multispecies_basis_config

    module = example_module()
    settings = {
        "npot": "FinnisSinclair",
        "fs_parameters": [1, 1],
        "ndensity": 1,
        "rho_core_cut": 200000,
        "drho_core_cut": 250,
        **embedding,
    }
    bond = {
        "radbase": "ChebExpCos",
        "radparameters": [module.LAMBDA],
        "rcut": module.CUTOFF,
        "dcut": 0.01,
        "NameOfCutoffFunction": "cos",
        "r_in": module.R_IN,
        "delta_in": module.DELTA_IN,
        "core-repulsion": module.CORE_REPULSION,
    }
    return create_multispecies_basis_config(
        {
            "deltaSplineBins": 0.001,
            "elements": list(elements),
            "embeddings": {"ALL": settings},
            "bonds": {"ALL": bond},
            "functions": functions,
        }
    )


def alloys(seed, count, *, vacancy=True, rattle_A=0.08):
    """32 atoms of copper and nickel, or 31 and a vacancy, strained and rattled."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        atoms = bulk("Cu", "fcc", a=3.57, cubic=True) * (2, 2, 2)
        symbols = rng.choice(
            ["Cu", "Ni"], len(atoms), p=[[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]][number % 3]
        )
        atoms.set_chemical_symbols(symbols.tolist())
        if vacancy and number % 2:
            del atoms[0]
        strain = np.eye(3) + rng.uniform(-0.02, 0.02, (3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += rng.normal(0.0, rattle_A, (len(atoms), 3))
        found.append(atoms)
    return found
