"""Whether all files of a potential that are in use give the same energies and forces.

    check_readings(python_ace_readings(ace, atoms), free=np.arange(107), where="the structure")

Searches, minimisations and gamma read different files: the `.yace`, or the B-basis `.yaml` that it was made from. Nothing but
their numbers tells that they belong together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.driver.standalone import RATTLE_A, SAME_EV_PER_A, SAME_EV_PER_ATOM
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import fixed_atoms
from mlip_kmc.potential.ace import AcePotential

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """What one file gives.

    Attributes:
        by: the file and what evaluates it, for people.
        energy_eV: of the structure.
        forces_eV_per_A: (N, 3).
    """

    by: str
    energy_eV: float
    forces_eV_per_A: Array


def probes(
    atoms: Atoms, *, admits: Callable[[Atoms], bool] = lambda _: True
) -> Iterator[tuple[str, Atoms]]:
    """The structures to compare on: it, and it with its free atoms moved at random, the same ones every time.

    Args:
        atoms: the structure.
        admits: whether what evaluates takes a rattled structure, or would halt on it; it is rattled by less until it does, or
            not at all.
    """
    yield "the structure", atoms
    free = free_atoms(atoms)
    moves = np.random.default_rng(7).normal(0.0, 1.0, (len(free), 3))
    for size_A in (RATTLE_A, RATTLE_A / 4, RATTLE_A / 16):
        rattled = atoms.copy()
        rattled.positions[free] += size_A * moves
        if admits(rattled):
            yield f"the structure rattled by {size_A:g} A", rattled
            return


def free_atoms(atoms: Atoms) -> Indices:
    """Indices of the atoms that are not fixed."""
    return np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms)).astype(np.int64)


def unguarded(ace: AcePotential) -> AcePotential:
    """The same without its least distances: a rattled structure is no search's."""
    return replace(ace, minimum_distance_A={})


def python_ace_readings(ace: AcePotential, atoms: Atoms) -> list[Reading]:
    """What python-ace makes of the `.yace`, and of the B-basis where there is one; each with the baseline."""
    files = [ace.yace, *([ace.basis] if ace.basis is not None else [])]
    found = []
    for file in files:
        energy, forces = evaluated(atoms, calculator_of(unguarded(ace), file=file))
        found.append(Reading(f"{file.name} by python-ace", energy, forces))
    return found


def check_readings(
    readings: Sequence[Reading], *, free: Indices, where: str
) -> tuple[float, float]:
    """Refuse files that differ.

    Args:
        readings: the first is what the others are compared with.
        free: indices of the atoms whose forces count.
        where: on which structure, in words.

    Returns:
        the largest difference in eV an atom, and in eV/A.

    Raises:
        PotentialError: they differ by more than evaluators of one potential do, or by what is no number.
    """
    first, worst_energy, worst_force = readings[0], 0.0, 0.0
    for other in readings[1:]:
        energy = abs(other.energy_eV - first.energy_eV) / len(first.forces_eV_per_A)
        force = float(np.abs(other.forces_eV_per_A - first.forces_eV_per_A)[free].max(initial=0.0))
        if not (energy <= SAME_EV_PER_ATOM and force <= SAME_EV_PER_A):
            raise PotentialError(
                f"the potential's files in use are not of one potential: on {where} {other.by} gives {other.energy_eV:.6f} eV "
                f"and {first.by} {first.energy_eV:.6f} eV, which differ by {energy:.1e} eV an atom (allowed "
                f"{SAME_EV_PER_ATOM:g}), and forces that differ by {force:.1e} eV/A (allowed {SAME_EV_PER_A:g}); give the "
                ".yaml that the .yace was made from, and its .asi"
            )
        worst_energy, worst_force = max(worst_energy, energy), max(worst_force, force)
    return worst_energy, worst_force


def check_files(ace: AcePotential, atoms: Atoms) -> None:
    """Compare the `.yace` with the B-basis, by python-ace alone; nothing to do where there is none.

    Raises:
        PotentialError: they differ.
    """
    if ace.basis is None:
        return
    for where, probe in probes(atoms):
        check_readings(python_ace_readings(ace, probe), free=free_atoms(atoms), where=where)
