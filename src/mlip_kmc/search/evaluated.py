"""What is displaced of a structure by its symmetry, the Hessian from the forces that this causes, and whether symmetry is right.

    plan, positions = symmetric_plan(atoms)
    evaluated = Evaluated(plan, audits(plan, atoms=107, seed="0_17.saddle"), forces)
    hessian = evaluated.hessian()
    evaluated.doubt(hessian)                         # None, or why symmetry is not to be trusted

The structure that is displaced was made symmetric: what a relaxation left of asymmetry would count once for each of its images.
Four things must hold: it is as much at rest as the structure was; forces on it are symmetric; the completed matrix is so too; and
displacements of all atoms at once, drawn by seed, cause the forces that follow from the matrix.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.evaluate.points import Points
from mlip_kmc.model.isometry import Isometry, site_symmetry
from mlip_kmc.model.rates import Plan, symmetrised
from mlip_kmc.model.structure import fixed_atoms
from mlip_kmc.search.hessian import Doubt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

STEP_A = 2e-3
"""Of one atom. The error grows with its square and with the number of modes: of a prefactor in 255 atoms it is 0.1 %."""
AUDITS = 2
"""Displacements of all atoms, two evaluations each."""
AUDITED_A = 2e-3
"""Small: all neighbours move too, and what is not harmonic grows with the square."""
SAME = 1e-3
"""What must be equal is so to this part of the matrix' largest entry; in copper by ACE it is to 6e-5."""
AT_REST_EV_PER_A = 2e-3
"""Forces are zero, or equal, to this: minima are relaxed to 1e-3."""


@dataclass(frozen=True)
class Evaluated:
    """Forces from which a Hessian follows.

    Attributes:
        plan: what was displaced.
        audited: (A, N, 3) displacements of all atoms by which is seen whether symmetry is right.
        forces_eV_per_A: (P, N, 3) at the points of `points_of`.
    """

    plan: Plan
    audited: Array
    forces_eV_per_A: Array

    def hessian(self) -> Array:
        """(3 n, 3 n) in eV/A^2, of the plan's free atoms, not made symmetric."""
        changes = self.forces_eV_per_A[1 : 1 + len(self.plan.moves)] - self.forces_eV_per_A[0]
        return self.plan.hessian(changes, step_A=STEP_A)

    def doubt(self, hessian: Array) -> Doubt | None:
        """Why symmetry is not to be trusted; a number that is none is a doubt."""
        if not self.plan.reduces:
            return None
        free, rest, before = self.plan.free, self.forces_eV_per_A[0], self.forces_eV_per_A[-1]
        allowed = max(1.5 * float(np.abs(before[free]).max()), AT_REST_EV_PER_A)
        if not float(np.abs(rest[free]).max()) <= allowed:
            return Doubt.NOT_AT_REST
        for one in self.plan.operations:
            if not np.abs(rest[one.mapping] - rest @ one.rotation.T).max() <= AT_REST_EV_PER_A:
                return Doubt.FORCES
        limit = SAME * float(np.abs(hessian).max())
        if not np.abs(hessian - hessian.T).max() <= limit:
            return Doubt.HALVES
        return None if self._responds(hessian) else Doubt.RESPONSE

    def _responds(self, hessian: Array) -> bool:
        """The matrix times a displacement of all atoms is what that does to forces: every entry has a part in it."""
        first, free = 1 + len(self.plan.moves), self.plan.free
        limit = SAME * float(np.abs(hessian).max()) * AUDITED_A
        for number, step in enumerate(self.audited):
            forth, back = self.forces_eV_per_A[first + 2 * number : first + 2 * number + 2, free]
            if not np.abs((back - forth).ravel() / 2 - hessian @ step[free].ravel()).max() <= limit:
                return False
        return True


def symmetric_plan(atoms: Atoms, *, by_index: bool = False) -> tuple[Plan, Array]:
    """What is displaced of a structure, and from which positions.

    Args:
        atoms: N, at rest; those that are not in the Hessian are fixed.
        by_index: no atom is like another.

    Returns:
        a plan; (N, 3) positions made symmetric, those of the structure where it has no symmetry.
    """
    free = free_of(atoms)
    positions = np.asarray(atoms.positions, dtype=np.float64)
    operations = () if by_index or not np.all(atoms.pbc) else site_symmetry(atoms)
    if len(operations) > 1:
        mean = symmetrised(positions, operations, cell_A=np.asarray(atoms.cell.array))
        if mean is not None:
            return Plan.of(operations, free=free), mean
    return plain_plan(atoms), positions


def plain_plan(atoms: Atoms) -> Plan:
    """Every atom that is not fixed is displaced."""
    return Plan.of((Isometry(np.eye(3), np.arange(len(atoms)), 0.0),), free=free_of(atoms))


def free_of(atoms: Atoms) -> Indices:
    """Atoms that are not fixed, ascending."""
    return np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms)).astype(np.int64)


def audits(plan: Plan, *, atoms: int, seed: str) -> Array:
    """(A, N, 3) displacements of all atoms of the Hessian, in A: each by `AUDITED_A` in a direction of its own."""
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    found = np.zeros((AUDITS if plan.reduces else 0, atoms, 3))
    directions = rng.normal(size=(len(found), len(plan.free), 3))
    found[:, plan.free] = AUDITED_A * directions / np.linalg.norm(directions, axis=2)[:, :, None]
    return found


def points_of(atoms: Atoms, plan: Plan, *, positions_A: Array, audited: Array) -> Points:
    """Where forces are evaluated: at rest, after each move, and, where symmetry is looked into, what that needs.

    That is each audited displacement forth and back, and the structure as it was before it was made symmetric.

    Args:
        atoms: at rest.
        plan: what is displaced of it.
        positions_A: (N, 3) from where.
        audited: of `audits`.
    """
    ends = [positions_A + sign * step for step in audited for sign in (1, -1)]
    given = [np.asarray(atoms.positions, dtype=np.float64)] if plan.reduces else []
    points = Points(
        atoms.numbers.astype(np.int64),
        np.asarray(atoms.cell.array),
        bases=(positions_A, *ends, *given),
    ).at_rest(0)
    points = points.displaced([(move.atom, STEP_A * move.vector) for move in plan.moves])
    for base in range(1, len(points.bases)):
        points = points.at_rest(base)
    return points
