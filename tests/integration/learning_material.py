"""A poorer copper potential, which has not seen hops, and hops; shared by the tests of gamma and of the selection."""

import importlib.util
import sys

import numpy as np
from click.testing import CliRunner

from mlip_kmc.learning.active_set_maker import make_active_set, write_active_set
from mlip_kmc.potential import AcePotential

from .conftest import EXAMPLE


def example_module():
    """`make_potential.py`, which made the example's potential."""
    name = "cu_vacancy_make_potential"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLE / "make_potential.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def mlip_kmc_activeset(*arguments):
    """`mlip-kmc potential activeset`; answers what it printed."""
    from mlip_kmc.cli.main import cli

    done = CliRunner().invoke(
        cli, ["potential", "activeset", *map(str, arguments)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def poor_potential(folder, *, seed=1):
    """Fitted to 20 frames of bulk and 20 of vacancies that are rattled by at most 0.05 A: no hop is in it."""
    module = example_module()
    rng = np.random.default_rng(seed)
    structures = [module.label("bulk", atoms) for atoms in module.bulk_structures(rng, 20)]
    for _ in range(20):
        atoms = module.strained(module.with_vacancy(), rng, 0.02)
        structures.append(module.label("vacancy", module.rattled(atoms, rng, rng.uniform(0, 0.05))))
    configuration = module.fit(structures)
    configuration.save(str(folder / "poor.yaml"))
    module.ACEBBasisSet(str(folder / "poor.yaml")).to_ACECTildeBasisSet().save_yaml(
        str(folder / "poor.yace")
    )
    write_active_set(
        folder / "poor.asi",
        make_active_set(folder / "poor.yaml", [found.atoms for found in structures]),
    )
    return AcePotential.read(folder / "poor.yace")


def hop_frames(seed, *, hops=6, steps=7):
    """Frames along unrelaxed hops of a vacancy's neighbours, half-way at the end, with a thermal rattle."""
    module = example_module()
    rng = np.random.default_rng(seed)
    frames = []
    for hop in range(hops):
        direction = module.FCC_NEIGHBOURS[(seed + 5 * hop) % 12]
        for fraction in np.linspace(0.0, 0.5, steps):
            atoms = module.with_vacancy()
            hopper = module.neighbour_of_vacancy(atoms, direction)
            atoms.positions[hopper] -= fraction * direction * module.A_EMT
            frames.append(module.rattled(atoms, rng, rng.uniform(0.0, 0.05)))
    return frames


def search_frames(seed):
    """Those, and the displacements that searches begin with, and atoms pushed together: 62 frames."""
    module = example_module()
    rng = np.random.default_rng(seed)
    return [*hop_frames(seed), *module.local_structures(rng, 16), *module.close_structures(rng, 4)]
