"""Are the forces the gradient of the energy, and do LAMMPS and python-ace agree? By the run's own path.

A potential whose forces are not its energy's gradient has no saddles where searches look for them.
"""

from collections.abc import Callable

import numpy as np
from ase import Atoms

from mlip_kmc.check.findings import Finding, Level
from mlip_kmc.config import GammaSection
from mlip_kmc.driver.standalone import SAME_EV_PER_A, SAME_EV_PER_ATOM
from mlip_kmc.evaluate.agreement import free_atoms
from mlip_kmc.evaluate.by_eon import Evaluation, evaluate
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.evaluate.gradient import (
    COMPONENTS,
    DIRECTIONS,
    SHAKE_A,
    STEP_A,
    largest_deviation,
    shaken,
)
from mlip_kmc.evaluate.paths import check_paths
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import plain
from mlip_kmc.potential import AcePotential, Potential, ace_of

GRADIENT_EV_PER_A = 1e-3
"""A tenth of the force (0.01 eV/A) at which saddles are converged: what is below cannot mislead a search."""
AGREEMENT_EV_PER_A = 1e-6
"""Evaluators built alike agree to 1e-10; ones of different versions differ by 1e-4 and more."""
AGREEMENT_EV_PER_ATOM = 1e-8


def energy(atoms: Atoms, potential: Potential) -> tuple[list[Finding], Evaluation]:
    """Energy and forces of the structure as it was given.

    Raises:
        PotentialError: the run's own path gives no usable numbers.
    """
    found = evaluate(atoms, potential)
    largest = float(np.linalg.norm(found.forces_eV_per_A, axis=1).max())
    text = (
        f"{found.energy_eV:.6f} eV ({found.energy_eV / len(atoms):.4f} an atom), largest force "
        f"{plain(largest, digits=4)} eV/A, as given"
    )
    return [
        Finding(
            "energy",
            Level.OK,
            text,
            values={"energy_eV": found.energy_eV, "largest_force_eV_per_A": largest},
        )
    ], found


def files(atoms: Atoms, potential: Potential, *, gamma: GammaSection) -> tuple[list[Finding], bool]:
    """All of the potential's files that a run uses against each other, as every start of it does.

    Raises:
        PotentialError: they differ.
    """
    if ace_of(potential) is None:
        return [], True
    energy, force = check_paths(atoms, potential, gamma=gamma)
    return [
        Finding(
            "files",
            Level.OK,
            "all files in use agree on the structure, as given and rattled: to "
            f"{energy:.0e} eV an atom and {force:.0e} eV/A",
            values={
                "energy_eV_per_atom": energy,
                "force_eV_per_A": force,
                "allowed_energy_eV_per_atom": SAME_EV_PER_ATOM,
                "allowed_force_eV_per_A": SAME_EV_PER_A,
            },
        )
    ], True


def gradient(
    atoms: Atoms,
    potential: Potential,
    *,
    evaluate: Callable[[Atoms, Potential], Evaluation] = evaluate,
) -> tuple[list[Finding], Evaluation]:
    """Forces against central differences of the energy, along single components and along all at once.

    Returns:
        the finding, and the evaluation of the shaken structure.
    """
    found = largest_deviation(atoms, potential, evaluate=evaluate)
    worst = found.deviation_eV_per_A
    passed = worst <= GRADIENT_EV_PER_A
    text = (
        f"differ from central differences of the energy by at most {worst:.1e} eV/A ({COMPONENTS} components, "
        f"{DIRECTIONS} directions, step {STEP_A:g} A, allowed {GRADIENT_EV_PER_A:g})"
    )
    advice = (
        ""
        if passed
        else (
            "they are not the gradient of the energy, saddles would be wrong: check the potential's "
            "files and its cutoff function, or fit it again"
        )
    )
    return [
        Finding(
            "forces",
            Level.OK if passed else Level.FAIL,
            text,
            advice=advice,
            exit_code=0 if passed else PotentialError.exit_code,
            values={
                "deviation_eV_per_A": worst,
                "allowed_eV_per_A": GRADIENT_EV_PER_A,
                "step_A": STEP_A,
                "shake_A": SHAKE_A,
                "components": COMPONENTS,
                "directions": DIRECTIONS,
            },
        )
    ], found.here


def agreement(
    atoms: Atoms, potential: AcePotential, here: Evaluation
) -> tuple[list[Finding], bool]:
    """The shaken structure's energy and forces against python-ace's.

    Args:
        atoms: the structure as given.
        potential: the run's.
        here: of the shaken structure, by the run's own path.
    """
    probe = shaken(atoms)
    energy_eV, forces = evaluated(probe, calculator_of(potential))
    per_atom = abs(energy_eV - here.energy_eV) / len(atoms)
    force = float(np.abs(forces - here.forces_eV_per_A)[free_atoms(atoms)].max())
    passed = per_atom <= AGREEMENT_EV_PER_ATOM and force <= AGREEMENT_EV_PER_A
    return [
        Finding(
            "python-ace",
            Level.OK if passed else Level.FAIL,
            f"agrees with eOn and LAMMPS: energy to {per_atom:.0e} eV an atom, forces to {force:.0e} eV/A"
            if passed
            else f"differs from eOn and LAMMPS: energy by {per_atom:.1e} eV an atom, forces by {force:.1e} eV/A",
            advice=""
            if passed
            else "the image's evaluators differ, or the .yace is of another version: build the image again",
            exit_code=0 if passed else PotentialError.exit_code,
            values={
                "energy_eV_per_atom": per_atom,
                "force_eV_per_A": force,
                "allowed_energy_eV_per_atom": AGREEMENT_EV_PER_ATOM,
                "allowed_force_eV_per_A": AGREEMENT_EV_PER_A,
            },
        )
    ], passed
