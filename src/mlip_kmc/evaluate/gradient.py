"""Are the forces the gradient of the energy? By central differences, along single components and along all at once.

    found = largest_deviation(atoms, potential)
    found.deviation_eV_per_A, found.here.energy_eV

The structure is shaken a little first: at a minimum every force is near zero, and anything agrees.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.evaluate.agreement import free_atoms
from mlip_kmc.evaluate.by_eon import Evaluation, evaluate
from mlip_kmc.potential import Potential

Array = npt.NDArray[np.float64]
SHAKE_A = 0.05
STEP_A = 1e-3
"""The error of a central difference grows with its square: about 1e-5 eV/A in metals; the energy's digits give 1e-9."""
COMPONENTS = 4
DIRECTIONS = 4


@dataclass(frozen=True)
class Deviation:
    """Forces against differences of the energy.

    Attributes:
        deviation_eV_per_A: the largest; NaN where a number is none.
        here: energy and forces of the shaken structure.
    """

    deviation_eV_per_A: float
    here: Evaluation


def shaken(atoms: Atoms) -> Atoms:
    """The structure with its free atoms moved at random, the same ones every time."""
    free = free_atoms(atoms)
    moved = atoms.copy()
    moved.positions[free] += np.random.default_rng(1).normal(0.0, SHAKE_A, (len(free), 3))
    return moved


def largest_deviation(
    atoms: Atoms,
    potential: Potential,
    *,
    evaluate: Callable[[Atoms, Potential], Evaluation] = evaluate,
) -> Deviation:
    """Forces of the shaken structure against central differences of its energy.

    Args:
        atoms: restricted triclinic; fixed atoms do not move.
        potential: what is evaluated.
        evaluate: gives energy and forces; eOn's client, where not named.
    """
    moved = shaken(atoms)
    here = evaluate(moved, potential)
    found = []
    for direction in _directions(moved):
        ends = []
        for sign in (1, -1):
            probe = moved.copy()
            probe.positions += sign * STEP_A * direction
            ends.append(evaluate(probe, potential).energy_eV)
        deviation = gradient_deviation(
            here.forces_eV_per_A, direction, ahead_eV=ends[0], behind_eV=ends[1], step_A=STEP_A
        )
        found.append(abs(deviation))
    return Deviation(float(np.max(found)), here)  # numpy's maximum with a NaN is NaN


def gradient_deviation(
    forces: Array,
    direction: Array,
    *,
    ahead_eV: float,
    behind_eV: float,
    step_A: float,
) -> float:
    """How far forces along a direction are from the central difference of the energy, eV/A.

    Args:
        forces: (N, 3) in eV/A.
        direction: (N, 3), any length; positions were moved by `step_A` times it.
        ahead_eV: energy at plus the step.
        behind_eV: energy at minus the step.
        step_A: the step.
    """
    slope = -(ahead_eV - behind_eV) / (2.0 * step_A)
    return float((np.sum(forces * direction) - slope) / np.linalg.norm(direction))


def _directions(atoms: Atoms) -> Iterator[Array]:
    """(N, 3) directions of free atoms, the largest component 1: single components, and random ones of all atoms."""
    rng = np.random.default_rng(2)
    free = free_atoms(atoms)
    for chosen in rng.integers(3 * len(free), size=COMPONENTS):
        direction = np.zeros((len(atoms), 3))
        direction[free[chosen // 3], chosen % 3] = 1.0
        yield direction
    for _ in range(DIRECTIONS):
        direction = np.zeros((len(atoms), 3))
        direction[free] = rng.uniform(-1.0, 1.0, (len(free), 3))
        yield direction / np.abs(direction).max()
