"""Before state 0: evaluate, minimise, and look at what was found. eOn itself does none of this.

    minimised, report = prepare_start(prepared.atoms, potential, evidence=run / "evidence")

Positions are relaxed by eOn's client under the run's own potential; the cell stays. A structure that explodes, or that
comes to rest on a saddle, is refused.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import readcon
from ase import Atoms

from mlip_kmc.config.eon_options import (
    MINIMUM_FORCE_EV_PER_A,
    hessian_options,
    ini_text,
    minimum_force,
)
from mlip_kmc.evaluate.agreement import free_atoms
from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.evaluate.client import (
    RESULTS_FILE,
    ClientJob,
    End,
    parse_results,
    run_job,
    texts_of,
)
from mlip_kmc.ground.constants import GPA_PER_EV_A3
from mlip_kmc.ground.errors import ExtrapolationError, PotentialError, StructureError
from mlip_kmc.model.atom_path import without_drift, wrap
from mlip_kmc.model.rates import Lowest, gathered, lowest_eigenvalue, lowest_of, rigid_directions
from mlip_kmc.model.records import Minimised
from mlip_kmc.model.structure import from_con, neighbours, species_of, to_con
from mlip_kmc.potential import BuiltinPotential, Potential

Array = npt.NDArray[np.float64]

_FORCE_WALL_EV = 1e5  # eOn turns every evaluation error into 1e6 eV
_SADDLE_EV_PER_A2 = -1e-3
_STRAIN = 1e-4
_TIME_LIMIT_S = 3600.0


def prepare_start(
    atoms: Atoms, potential: Potential, *, evidence: Path, allow_unknown_stability: bool = False
) -> tuple[Atoms, Minimised]:
    """Minimise positions under the potential and report.

    Args:
        atoms: restricted triclinic; fixed atoms stay.
        potential: the run's.
        evidence: folder for the directories of failed jobs.
        allow_unknown_stability: go on where it could not be told whether the structure is a minimum.

    Returns:
        the minimised structure, and the report.

    Raises:
        PotentialError: the potential cannot be evaluated on this structure.
        StructureError: it explodes, does not come to rest, or is not shown to be a minimum.
        ExtrapolationError: atoms are nearer than the potential's minimum distances allow.
    """
    before = point_energy(atoms, potential, evidence=evidence)
    found = relaxed(atoms, potential, evidence=evidence / "minimization")
    energy, farthest = found.energy_eV, found.farthest_A
    if not (np.isfinite(energy) and energy <= before + 1e-3):
        raise StructureError(
            f"minimising the structure took its energy from {before:.4f} to {energy:.4f} eV; check the potential"
        )
    nearest = _nearest_neighbour(atoms)
    if not farthest <= max(nearest, 1.0):
        raise StructureError(
            f"an atom moves {farthest:.2f} A when the structure is minimised, farther than its neighbours are ({nearest:.2f} A): "
            "it explodes under this potential, or is no minimum of it; give a structure near a minimum"
        )
    lowest = _check_stability(
        _stability(found.atoms, potential, evidence), allow_unknown=allow_unknown_stability
    )
    found, lowest = _settled(atoms, found, lowest, potential=potential, evidence=evidence)
    minimum = found.atoms
    return minimum, Minimised(
        energy=found.energy_eV,
        energy_drop=before - found.energy_eV,
        largest_displacement_A=found.farthest_A,
        largest_force_eV_per_A=found.largest_force_eV_per_A,
        pressure_GPa=_pressure(minimum, potential, evidence),
        lowest_eigenvalue_eV_per_A2=lowest,
        force_calls=found.force_calls,
    )


@dataclass(frozen=True)
class Relaxed:
    """A structure at rest.

    Attributes:
        atoms: positions next to where they were, without drift.
        energy_eV: of it. farthest_A: the largest displacement of an atom.
        largest_force_eV_per_A: on a free atom. force_calls: it took.
    """

    atoms: Atoms
    energy_eV: float
    farthest_A: float
    largest_force_eV_per_A: float
    force_calls: int


def _settled(
    atoms: Atoms, found: Relaxed, lowest: float | None, *, potential: Potential, evidence: Path
) -> tuple[Relaxed, float | None]:
    """The minimum near `atoms` and its lowest eigenvalue; in a flat landscape the usual force leaves its place open."""
    force = minimum_force(lowest)
    if not force < MINIMUM_FORCE_EV_PER_A:
        return found, lowest
    again = relaxed(found.atoms, potential, evidence=evidence / "minimization", force=force)
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    moved = wrap(again.atoms.positions - atoms.positions, cell)
    whole = replace(
        again,
        farthest_A=float(np.linalg.norm(moved, axis=1).max()),
        force_calls=found.force_calls + again.force_calls,
    )
    return whole, _check_stability(
        _stability(again.atoms, potential, evidence), allow_unknown=lowest is None
    )


def relaxed(
    atoms: Atoms,
    potential: Potential,
    *,
    evidence: Path,
    force: float = MINIMUM_FORCE_EV_PER_A,
) -> Relaxed:
    """Minimise positions under the potential; the cell stays.

    Args:
        atoms: restricted triclinic; fixed atoms stay.
        potential: the run's.
        evidence: folder for the directory of a failed job, of its own.
        force: the largest on an atom at which it is at rest, eV/A.

    Raises:
        PotentialError: the potential cannot be evaluated on this structure.
        StructureError: it does not come to rest.
        ExtrapolationError: atoms are nearer than the potential's minimum distances allow.
    """
    left, results = _minimised_by_client(atoms, potential, evidence=evidence, force=force)
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    moved = without_drift(
        wrap(from_con(left["min.con"]).positions - atoms.positions, cell),
        anchored=bool(atoms.constraints),
    )
    minimum = atoms.copy()
    minimum.positions = atoms.positions + moved
    forces = _forces(left["min.con"])[free_atoms(atoms)]
    return Relaxed(
        atoms=minimum,
        energy_eV=float(results["potential_energy"]),
        farthest_A=float(np.linalg.norm(moved, axis=1).max()),
        largest_force_eV_per_A=float(np.linalg.norm(forces, axis=1).max()),
        force_calls=int(float(results.get("total_force_calls", 0))),
    )


def _minimised_by_client(
    atoms: Atoms, potential: Potential, *, evidence: Path, force: float
) -> tuple[dict[str, str], dict[str, float | str]]:
    """The texts that eOn's minimisation leaves, and its results."""
    left = _client(
        atoms,
        potential,
        "minimization",
        evidence=evidence.parent,
        kept=evidence.name,
        returns=(RESULTS_FILE, "min.con"),
        options={
            "Optimizer": {
                "convergence_metric": "max_atom",
                "opt_method": "lbfgs",
                "converged_force": force,
                "max_iterations": 5000,
            }
        },
    )
    results = parse_results(left.get(RESULTS_FILE, ""))
    if results.get("termination_reason") != 0 or "min.con" not in left:
        raise StructureError(
            "minimising the structure did not come to rest in 5000 iterations (forces stay above "
            f"{force:.3g} eV/A); start from a structure nearer to a minimum"
        )
    return left, results


def point_energy(atoms: Atoms, potential: Potential, *, evidence: Path) -> float:
    """Energy of a structure in eV, by eOn's client.

    Raises:
        PotentialError: no usable energy comes back.
        ExtrapolationError: atoms are nearer than the potential's minimum distances allow.
    """
    left = _client(atoms, potential, "point", evidence=evidence, returns=(RESULTS_FILE,))
    energy = float(parse_results(left.get(RESULTS_FILE, "")).get("Energy", np.nan))
    if not abs(energy) <= _FORCE_WALL_EV * len(atoms):
        raise PotentialError(
            f"the potential gives an energy of {energy:.6g} eV for the structure, which is no usable number",
            kept=evidence / "point",
            advice="check that the potential fits it",
        )
    return energy


def _client(
    atoms: Atoms,
    potential: Potential,
    job: str,
    *,
    evidence: Path,
    returns: tuple[str, ...],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    kept: str = "",
) -> dict[str, str]:
    """Texts that one eOn job on a structure leaves; its failure is the potential's, and `kept` names what is left of it."""
    species = species_of(atoms)
    settings: dict[str, Mapping[str, Any]] = {
        "Main": {"job": job, "parallel": False, "quiet": True, "write_con_forces": True},
        "Potential": {"potential": potential.eon_name},
        **(options or {}),
    }
    done = run_job(
        ClientJob(
            name=job,
            files={
                "pos.con": to_con(atoms),
                "config.ini": ini_text(settings),
                **potential.job_files(species),
            },
            links=potential.job_links(),
            time_limit_s=_TIME_LIMIT_S,
            evidence=evidence / (kept or job),
        ),
        reader=texts_of(*returns),
    )
    if done.end is End.HALTED:
        raise ExtrapolationError(
            f"the structure is beyond what the potential knows: {done.message}",
            kept=evidence / (kept or job),
            advice="check the structure for overlapping atoms",
        )
    if done.end is not End.FINISHED:
        raise PotentialError(
            f"the potential cannot be evaluated on the structure: {done.message or done.end}",
            kept=evidence / (kept or job),
        )
    return done.found


def _forces(con: str) -> Array:
    """(N, 3) forces in eV/A that eOn's client wrote into its `.con`; fixed atoms have none."""
    frame = readcon.read_con_string(con)[-1]
    if not frame.has_forces:
        raise PotentialError(
            "eOn's client gave no forces; check that the potential knows these elements"
        )
    entries = sorted(frame.atoms, key=lambda entry: entry.atom_id)
    return np.array([[entry.fx, entry.fy, entry.fz] for entry in entries], dtype=np.float64)


def _pressure(atoms: Atoms, potential: Potential, evidence: Path) -> float:
    """Residual pressure in GPa from the energies of the cell scaled by a little more and less; atoms move with it."""
    energies = []
    for sign in (1, -1):
        scaled = atoms.copy()
        scaled.set_cell(atoms.cell.array * (1 + sign * _STRAIN), scale_atoms=True)
        energies.append(point_energy(scaled, potential, evidence=evidence))
    volume = float(atoms.get_volume())
    step = volume * ((1 + _STRAIN) ** 3 - (1 - _STRAIN) ** 3)
    return -(energies[0] - energies[1]) / step * GPA_PER_EV_A3


def _nearest_neighbour(atoms: Atoms) -> float:
    """The shortest distance between two atoms, A; 3 A where they are far apart."""
    _, _, distances = neighbours(atoms, 5.0)
    return float(distances.min()) if len(distances) else 3.0


def _stability(atoms: Atoms, potential: Potential, evidence: Path) -> Lowest:
    """Lowest eigenvalue of the Hessian of the free atoms without masses; motions that cost nothing are left out.

    Those are translations where no atom is fixed, and rotations of what is free to turn, as a cluster in vacuum.
    """
    free = free_atoms(atoms)
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    places = gathered(np.asarray(atoms.positions, dtype=np.float64), cell)
    held = places[np.setdiff1d(np.arange(len(atoms)), free)]
    if not isinstance(potential, BuiltinPotential):
        return lowest_eigenvalue(
            _forces_by(calculator_of(potential), atoms),
            np.asarray(atoms.positions),
            free=free,
            rigid=partial(rigid_directions, positions_A=places[free], held_A=held, cell_A=cell),
        )
    left = _client(
        atoms,
        potential,
        "hessian",
        evidence=evidence,
        returns=("hessian.dat",),
        options={"Main": hessian_options()["Main"], "Hessian": hessian_options()["Hessian"]},
    )
    weighted = np.loadtxt(io.StringIO(left.get("hessian.dat", "")), ndmin=2)
    if weighted.shape != (3 * len(free), 3 * len(free)):
        return Lowest(float("nan"), float("inf"), 0, converged=False)
    roots = np.sqrt(np.repeat(atoms.get_masses()[free], 3))
    plain = weighted * np.outer(roots, roots)
    rigid = rigid_directions(
        lambda vector: plain @ vector, positions_A=places[free], held_A=held, cell_A=cell
    )
    return lowest_of(plain, rigid=rigid)


def _forces_by(calculator: object, atoms: Atoms) -> Callable[[Array], Array]:
    """Forces (N, 3) in eV/A at positions (N, 3), of the atoms by ASE's calculator."""
    probe = atoms.copy()
    probe.set_constraint()
    probe.calc = calculator

    def forces(positions: Array) -> Array:
        probe.positions = positions
        return np.asarray(probe.get_forces(), dtype=np.float64)

    return forces


def _check_stability(found: Lowest, *, allow_unknown: bool) -> float | None:
    """The lowest eigenvalue in eV/A^2 of what is a minimum; None where that could not be told, and may be so.

    Raises:
        StructureError: it is a saddle, or nothing shows that it is none.
    """
    if found.eV_per_A2 < _SADDLE_EV_PER_A2:  # where it did not converge the lowest is lower still
        raise StructureError(
            f"the structure rests on a saddle: the lowest eigenvalue of its Hessian is {found.eV_per_A2:.4f} eV/A^2; displace "
            "its atoms a little (0.05 A at random) and start again"
        )
    if found.converged and found.eV_per_A2 >= _SADDLE_EV_PER_A2:
        return found.eV_per_A2
    if allow_unknown:
        return None
    raise StructureError(
        f"whether the structure is a minimum could not be told: after {found.products} products with its Hessian the lowest "
        f"eigenvalue is {found.eV_per_A2:.4f} eV/A^2, give or take {found.residual_eV_per_A2:.4f}; look whether the potential's "
        "forces are finite and smooth there, or set structure.allow_unknown_stability to start all the same"
    )
