"""Before state 0: evaluate, minimise, and look at what was found. eOn itself does none of this.

    minimised, report = prepare_start(prepared.atoms, potential, evidence=run / "evidence")

Positions are relaxed by eOn's client under the run's own potential; the cell stays. A structure that explodes, or that
comes to rest on a saddle, is refused.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import readcon
from ase import Atoms

from mlip_kmc.constants import GPA_PER_EV_A3
from mlip_kmc.eon.options import MINIMUM_FORCE_EV_PER_A, ini_text
from mlip_kmc.errors import ExtrapolationError, PotentialError, StructureError
from mlip_kmc.potential import BuiltinPotential, Potential
from mlip_kmc.records import Minimised
from mlip_kmc.searches.run import ClientDone, ClientJob, End, run_job
from mlip_kmc.structure import fixed_atoms, from_con, species_of, to_con
from mlip_kmc.trajectory import without_drift, wrap

Array = npt.NDArray[np.float64]

_FORCE_WALL_EV = 1e5  # eOn turns every evaluation error into 1e6 eV
_SADDLE_EV_PER_A2 = -1e-3
_STRAIN = 1e-4
_SHIFT_EV_PER_A2 = 1e3  # takes rigid translations out of the way of the lowest eigenvalue
_TIME_LIMIT_S = 3600.0


def prepare_start(atoms: Atoms, potential: Potential, *, evidence: Path) -> tuple[Atoms, Minimised]:
    """Minimise positions under the potential and report.

    Args:
        atoms: restricted triclinic; fixed atoms stay.
        potential: the run's.
        evidence: folder for the directories of failed jobs.

    Returns:
        the minimised structure, and the report.

    Raises:
        PotentialError: the potential cannot be evaluated on this structure.
        StructureError: it explodes, does not come to rest, or rests on a saddle.
        ExtrapolationError: atoms are nearer than the potential's minimum distances allow.
    """
    before = point_energy(atoms, potential, evidence=evidence)
    done = _client(atoms, potential, "minimization", evidence=evidence, returns=("min.con",), options={"Optimizer": {
        "convergence_metric": "max_atom",
        "opt_method": "lbfgs", "converged_force": MINIMUM_FORCE_EV_PER_A, "max_iterations": 5000}})
    results = done.results()
    if results.get("termination_reason") != 0 or "min.con" not in done.files:
        raise StructureError(
            "minimising the structure did not come to rest in 5000 iterations (forces stay above "
            f"{MINIMUM_FORCE_EV_PER_A} eV/A); start from a structure nearer to a minimum"
        )
    relaxed = from_con(done.files["min.con"])
    anchored = bool(atoms.constraints)
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    moved = without_drift(wrap(relaxed.positions - atoms.positions, cell), anchored=anchored)
    energy = float(results["potential_energy"])
    farthest = float(np.linalg.norm(moved, axis=1).max())
    if not np.isfinite(energy) or energy > before + 1e-3:
        raise StructureError(
            f"minimising the structure took its energy from {before:.4f} to {energy:.4f} eV; check the potential"
        )
    nearest = _nearest_neighbour(atoms)
    if farthest > max(nearest, 1.0):
        raise StructureError(
            f"an atom moves {farthest:.2f} A when the structure is minimised, farther than its neighbours are ({nearest:.2f} A): "
            "it explodes under this potential, or is no minimum of it; give a structure near a minimum"
        )
    minimum = atoms.copy()
    minimum.positions = atoms.positions + moved
    forces = _forces(done.files["min.con"])
    free = np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms))
    lowest = _lowest_eigenvalue(minimum, potential, free, evidence)
    if lowest < _SADDLE_EV_PER_A2:
        raise StructureError(
            f"the structure rests on a saddle: the lowest eigenvalue of its Hessian is {lowest:.4f} eV/A^2; displace its "
            "atoms a little (0.05 A at random) and start again"
        )
    return minimum, Minimised(
        energy=energy, energy_drop=before - energy, largest_displacement_A=farthest,
        largest_force_eV_per_A=float(np.linalg.norm(forces[free], axis=1).max()),
        pressure_GPa=_pressure(minimum, potential, evidence), lowest_eigenvalue_eV_per_A2=lowest,
        force_calls=int(float(results.get("total_force_calls", 0))),
    )


def point_energy(atoms: Atoms, potential: Potential, *, evidence: Path) -> float:
    """Energy of a structure in eV, by eOn's client.

    Raises:
        PotentialError: no usable energy comes back.
        ExtrapolationError: atoms are nearer than the potential's minimum distances allow.
    """
    done = _client(atoms, potential, "point", evidence=evidence)
    energy = float(done.results().get("Energy", np.nan))
    if not np.isfinite(energy) or abs(energy) > _FORCE_WALL_EV * len(atoms):
        raise PotentialError(
            f"the potential gives an energy of {energy:.6g} eV for the structure, which is no usable number; check that "
            f"the potential fits it (the job is kept at {evidence / 'point'})"
        )
    return energy


def _client(
    atoms: Atoms, potential: Potential, job: str, *, evidence: Path, options: Mapping[str, Mapping[str, Any]] | None = None,
    returns: tuple[str, ...] = (),
) -> ClientDone:
    """Run one eOn job on a structure; its failure is the potential's."""
    species = species_of(atoms)
    settings: dict[str, Mapping[str, Any]] = {"Main": {"job": job, "parallel": False, "quiet": True, "write_con_forces": True},
                "Potential": {"potential": potential.eon_name}, **(options or {})}
    done = run_job(ClientJob(
        name=job, files={"pos.con": to_con(atoms), "config.ini": ini_text(settings), **potential.job_files(species)},
        links=potential.job_links(), returns=("results.dat", *returns), time_limit_s=_TIME_LIMIT_S, evidence=evidence / job,
    ))
    if done.end is End.HALTED:
        raise ExtrapolationError(f"the structure is beyond what the potential knows: {done.message}; the job is kept at "
                                 f"{evidence / job}; check the structure for overlapping atoms")
    if done.end is not End.FINISHED:
        raise PotentialError(
            f"the potential cannot be evaluated on the structure: {done.message or done.end}; the job is kept at {evidence / job}"
        )
    return done


def _forces(con: str) -> Array:
    """(N, 3) forces in eV/A that eOn's client wrote into its `.con`; fixed atoms have none."""
    frame = readcon.read_con_string(con)[-1]
    if not frame.has_forces:
        raise PotentialError("eOn's client gave no forces; the image is damaged: build it again")
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
    from ase.neighborlist import neighbor_list

    distances = neighbor_list("d", atoms, 5.0)
    return float(distances.min()) if len(distances) else 3.0


def _lowest_eigenvalue(atoms: Atoms, potential: Potential, free: npt.NDArray[np.int64], evidence: Path) -> float:
    """Lowest eigenvalue of the Hessian of the free atoms without masses, eV/A^2; rigid translations left out."""
    if not isinstance(potential, BuiltinPotential):
        return lowest_eigenvalue(atoms, potential.calculator(), free)
    done = _client(atoms, potential, "hessian", evidence=evidence, returns=("hessian.dat",))
    weighted = np.loadtxt(io.StringIO(done.files["hessian.dat"]), ndmin=2)
    roots = np.sqrt(np.repeat(atoms.get_masses()[free], 3))
    hessian = weighted * np.outer(roots, roots)
    rigid = _translations(len(free), anchored=len(free) < len(atoms))
    hessian = hessian + _SHIFT_EV_PER_A2 * rigid @ rigid.T
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[0])


def _translations(count: int, *, anchored: bool) -> Array:
    """(3 count, 3) orthonormal rigid translations; zero where fixed atoms hold the frame."""
    return np.zeros((3 * count, 3)) if anchored else np.tile(np.eye(3), (count, 1)) / np.sqrt(count)


def lowest_eigenvalue(atoms: Atoms, calculator: object, free: npt.NDArray[np.int64], *, step_A: float = 1e-3) -> float:
    """Lowest eigenvalue of the Hessian by Lanczos iterations on finite differences of forces.

    Args:
        atoms: at rest.
        calculator: ASE's, of the potential.
        free: indices of the atoms that move.
        step_A: displacement norm per component of a unit vector.

    Returns:
        eV/A^2; rigid translations are shifted out of the way where nothing is fixed.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    probe = atoms.copy()
    probe.set_constraint()
    probe.calc = calculator
    rest = probe.positions.copy()
    size = 3 * len(free)
    rigid = _translations(len(free), anchored=len(free) < len(atoms))

    def times(vector: Array) -> Array:
        vector = np.asarray(vector).ravel()
        scale = step_A / max(float(np.abs(vector).max()), 1e-300)
        forces = []
        for sign in (1, -1):
            probe.positions = rest
            probe.positions[free] += sign * scale * vector.reshape(-1, 3)
            forces.append(probe.get_forces()[free].ravel())
        return np.asarray((forces[1] - forces[0]) / (2 * scale) + _SHIFT_EV_PER_A2 * rigid @ (rigid.T @ vector))

    if size <= 30:
        dense = np.column_stack([times(column) for column in np.eye(size)])
        return float(np.linalg.eigvalsh((dense + dense.T) / 2)[0])
    operator = LinearOperator((size, size), matvec=times, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)
    start -= rigid @ (rigid.T @ start)
    try:
        values = eigsh(operator, k=1, which="SA", v0=start, tol=1e-2, ncv=min(40, size - 1), maxiter=20,
                       return_eigenvectors=False)
    except ArpackNoConvergence as error:
        values = error.eigenvalues if len(error.eigenvalues) else np.array([np.nan])
    return float(np.min(values))
