"""At every start: energies and forces by all files and evaluators that the run uses, on its structure and on it rattled.

    check_paths(atoms, potential, gamma=config.gamma)          # PotentialError where they differ

Compared are the `.yace` as state 0 is minimised with it, what searches evaluate (the B-basis where gamma is known), and both by
python-ace, which tells gamma and stability.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from ase import Atoms

from mlip_kmc.driver.standalone.short_range import too_near
from mlip_kmc.evaluate.agreement import (
    Reading,
    check_readings,
    free_atoms,
    probes,
    python_ace_readings,
    unguarded,
)
from mlip_kmc.evaluate.by_eon import evaluate
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.potential import AcePotential, DrivenPotential, Potential, ace_of

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection


def check_paths(
    atoms: Atoms, potential: Potential, *, gamma: "GammaSection"
) -> tuple[float, float]:
    """Refuse a potential whose files differ; one without files has nothing to compare.

    Args:
        atoms: restricted triclinic; fixed atoms' forces do not count.
        potential: the run's; served, where it is driven.
        gamma: the run's section, which decides what searches evaluate.

    Returns:
        the largest difference in eV an atom, and in eV/A.

    Raises:
        PotentialError: two files or evaluators differ.
    """
    ace = ace_of(potential)
    if ace is None:
        return 0.0, 0.0
    worst = (0.0, 0.0)
    guarded = isinstance(potential, DrivenPotential)
    for where, probe in probes(
        atoms, admits=lambda rattled: not guarded or _admitted(ace, rattled, gamma)
    ):
        readings = [*_eon_readings(ace, potential, probe, gamma), *python_ace_readings(ace, probe)]
        found = check_readings(readings, free=free_atoms(atoms), where=where)
        worst = max(worst[0], found[0]), max(worst[1], found[1])
    return worst


def _admitted(ace: AcePotential, atoms: Atoms, gamma: "GammaSection") -> bool:
    """Would the driver evaluate it? It halts on what is too near or extrapolates, whoever asks."""
    near = too_near(
        ace.minimum_distance_A, atoms.get_chemical_symbols(), atoms.positions, atoms.cell.array
    )
    grade = Extrapolation.of(ace)
    return near is None and (
        grade is None or not gamma.reaches_halt(float(grade.gamma_of(atoms).max()))
    )


def _eon_readings(
    ace: AcePotential, potential: Potential, atoms: Atoms, gamma: "GammaSection"
) -> list[Reading]:
    """What eOn's client gives, as it minimises state 0 and as it searches."""
    ways: list[tuple[str, Potential, GammaSection | None]]
    if isinstance(potential, DrivenPotential):
        ways = [(f"{ace.yace.name} by the driver", replace(potential, inner=unguarded(ace)), None)]
    else:
        ways = [(f"{ace.yace.name} by LAMMPS", unguarded(ace), None)]
        if ace.basis is not None and ace.knows_gamma:
            ways.append(
                (f"{ace.basis.name} by LAMMPS, as searches evaluate it,", unguarded(ace), gamma)
            )
    found = []
    for by, used, section in ways:
        made = evaluate(atoms, used, gamma=section)
        found.append(Reading(by, made.energy_eV, made.forces_eV_per_A))
    return found
