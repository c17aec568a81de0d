"""Physical checks of a fitted potential that cost seconds: those of a release, and that no hole opened.

    checks = physical_checks(candidate, present, probe=atoms)
    [check for check in checks if check.verdict is Verdict.FAILED]

Numbers and limits are the release's, so that what a campaign accepts does not fail its release for one of them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.driver.standalone import SAME_EV_PER_ATOM
from mlip_kmc.evaluate.agreement import check_readings, free_atoms, python_ace_readings, unguarded
from mlip_kmc.evaluate.by_eon import Evaluation, evaluate
from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.evaluate.gradient import largest_deviation, shaken
from mlip_kmc.evaluate.repulsion import STEP_A, nearest_pairs, repulsive_down_to
from mlip_kmc.evaluate.smoothness import cutoffs_of
from mlip_kmc.ground.errors import MlipKmcError, PotentialError
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.learning.errors import baseline_under, whole_calculator
from mlip_kmc.potential import AcePotential, Potential
from mlip_kmc.release.agreement import gamma_check
from mlip_kmc.release.gate import LIMITS, Check, Verdict, measured, not_tested
from mlip_kmc.release.smoothness import baseline_check, cutoff_check
from mlip_kmc.release.symmetry import symmetry_checks

HOLES_A = 2.0 * STEP_A
"""By so much a hole may lie farther out than it did: less is the grid's."""


def physical_checks(
    candidate: AcePotential, present: AcePotential, *, probe: Atoms, programs: bool = True
) -> tuple[Check, ...]:
    """The checks.

    Args:
        candidate: with B-basis and active set.
        present: what it is to replace.
        probe: a structure of the run.
        programs: compare with eOn's client and LAMMPS, too; False where they are not installed.
    """
    calculator = whole_calculator(candidate)
    atoms = restricted(probe)
    moved = shaken(atoms)
    checks = [
        _forces(atoms, candidate, calculator),
        *symmetry_checks(moved, calculator),
        cutoff_check(cutoffs_of(candidate), calculator=calculator),
        _baseline(candidate, calculator),
        _files(candidate, moved),
        _repulsion(candidate, present, atoms),
    ]
    if programs:
        checks += _programs(candidate, moved, calculator)
    return tuple(checks)


def restricted(atoms: Atoms) -> Atoms:
    """The same without constraints, turned so that its cell is as LAMMPS takes it."""
    turned = Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    if turned.cell.rank == 3 and np.abs(np.triu(turned.cell.array, 1)).max() > 0.0:
        cell, turn = turned.cell.standard_form()
        turned.positions = turned.positions @ turn.T
        turned.set_cell(cell, scale_atoms=False)
    return turned


def _forces(atoms: Atoms, candidate: AcePotential, calculator: Any) -> Check:
    def by_python_ace(structure: Atoms, _: Potential) -> Evaluation:
        return Evaluation(*evaluated(structure, calculator))

    return measured(
        "forces",
        largest_deviation(atoms, candidate, evaluate=by_python_ace).deviation_eV_per_A,
        limit=LIMITS["forces"],
        unit="eV/A",
        about="forces against central differences of the energy, by python-ace",
    )


def _baseline(candidate: AcePotential, calculator: Any) -> Check:
    baseline = baseline_under(candidate)
    pairs = baseline.pairs if baseline else {}
    return baseline_check(
        {name: (pair.inner_A, pair.outer_A) for name, pair in pairs.items()}, calculator=calculator
    )


def _files(candidate: AcePotential, atoms: Atoms) -> Check:
    about = "energy of the .yace against that of the B-basis, by python-ace"
    readings = python_ace_readings(candidate, atoms)
    try:
        energy, _ = check_readings(readings, free=free_atoms(atoms), where="the structure")
    except MlipKmcError as error:
        return Check(name="files", about=about, verdict=Verdict.FAILED, detail=str(error)[:400])
    return measured("files", energy, limit=SAME_EV_PER_ATOM, unit="eV an atom", about=about)


def _repulsion(candidate: AcePotential, present: AcePotential, atoms: Atoms) -> Check:
    """Where a hole begins may not be farther out than it was, unless atoms so near are refused, or in no training set."""
    about = "distance down to which the energy rises as two neighbours are pushed together"
    calculators = [whole_calculator(potential) for potential in (candidate, present)]
    training = candidate.record.training if candidate.record else None
    smallest = training.smallest_distance_A if training else {}
    found = []
    for name, pair in nearest_pairs(atoms, limit_A=candidate.cutoff_A).items():
        after, before = (repulsive_down_to(atoms, pair, one) for one in calculators)
        allowed = HOLES_A + max(
            before, candidate.minimum_distance_A.get(name, 0.0), smallest.get(name, 0.0)
        )
        found.append((after - allowed, after, allowed, f"{name}, {before:.3g} A before"))
    if not found:
        return not_tested("repulsion", about=about, why="the structure has no two neighbours")
    _, after, allowed, detail = max(found)
    return measured(
        "repulsion", after, limit=round(allowed, 6), unit="A", about=about, detail=detail
    )


def _programs(candidate: AcePotential, atoms: Atoms, calculator: Any) -> Iterator[Check]:
    about = "energy, forces and gamma by eOn and LAMMPS against python-ace"
    if not (atoms.pbc.all() and atoms.cell.rank == 3):
        yield not_tested("paths", about=about, why="the structure is not periodic")
        return
    energy_eV, forces = evaluated(atoms, calculator)
    try:
        found = evaluate(atoms, unguarded(candidate))
        with temporary("accept") as folder:
            gamma = gamma_check(candidate, atoms, folder=folder)[0]
    except PotentialError as error:  # what LAMMPS cannot evaluate is no potential for a run
        yield Check(name="paths", about=about, verdict=Verdict.FAILED, detail=str(error)[:400])
        return
    differences = [found.energy_eV - energy_eV, *(found.forces_eV_per_A - forces).ravel()]
    yield measured(
        "paths",
        float(np.max(np.abs(differences))),  # numpy's maximum with a NaN is NaN
        limit=LIMITS["paths"],
        unit="eV, eV/A",
        about=about,
    )
    yield gamma
