"""Free clusters: structures that differ by a rotation are one, whatever order their atoms have.

Example:
    found = turned_match(here, there, species, tolerance_A=0.1)
    there[found.mapping] == here @ found.turn + found.shift_A       # up to the tolerance; None where they are not the same

Mirror images are not the same: no rotation takes one to the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_CENTRE_A = 0.3
"""An atom nearer than this to the centre has no direction."""
_LINE = 1e-2
"""Sine of the angle below which two atoms and the centre are on a line."""


@dataclass(frozen=True)
class Turned:
    """How one structure is turned into another.

    Attributes:
        mapping: (N,) index in the other of each atom.
        turn: (3, 3) proper rotation of row vectors. shift_A: (3,) after it.
        farthest_A: the largest distance that is left.
    """

    mapping: Indices
    turn: Array
    shift_A: Array
    farthest_A: float


def turned(here: Array, there: Array) -> Turned:
    """The rotation that takes one structure nearest to another in the same order (Kabsch, Acta Cryst. A32, 922 (1976)).

    Args:
        here: (N, 3) positions of a whole cluster.
        there: likewise.
    """
    centre, other = here.mean(axis=0), there.mean(axis=0)
    left, _, right = np.linalg.svd((here - centre).T @ (there - other))
    proper = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right)) or 1.0])
    turn = np.asarray(left @ proper @ right, dtype=np.float64)
    shift = other - centre @ turn
    distance = np.linalg.norm(here @ turn + shift - there, axis=1)
    return Turned(np.arange(len(here), dtype=np.int64), turn, shift, float(distance.max()))


def turned_match(
    here: Array, there: Array, species: Sequence[str], *, tolerance_A: float
) -> Turned | None:
    """A rotation, and a permutation of like atoms, that take one structure to another.

    Two atoms and the centre fix a rotation: those of `here` that the fewest pairs of `there` may be are tried on all of them.

    Args:
        here: (N, 3) positions of a whole cluster.
        there: likewise.
        species: N symbols, the same for both orders.
        tolerance_A: the largest distance of a pair of atoms.

    Returns:
        None where there is none.
    """
    names = np.asarray(species)
    if len(here) != len(there):
        return None
    if (found := turned(here, there)).farthest_A < tolerance_A:
        return found
    ours, theirs = here - here.mean(axis=0), there - there.mean(axis=0)
    far, away = np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1)
    if not np.abs(np.sort(far) - np.sort(away)).max() <= tolerance_A:
        return None
    alike = (names[:, None] == names) & (np.abs(far[:, None] - away) < tolerance_A)
    for turn in _turns(ours, theirs, alike, tolerance_A=tolerance_A):
        mapping = _permutation(ours @ turn, theirs, names, tolerance_A=2 * tolerance_A)
        if mapping is not None and (end := turned(here, there[mapping])).farthest_A < tolerance_A:
            return Turned(mapping, end.turn, end.shift_A, end.farthest_A)
    return None


def _turns(
    ours: Array, theirs: Array, alike: npt.NDArray[np.bool_], *, tolerance_A: float
) -> list[Array]:
    """(3, 3) rotations that take two atoms to two others that they may be; one where all atoms are on a line."""
    far = np.linalg.norm(ours, axis=1)
    order = [atom for atom in np.lexsort((-far, alike.sum(axis=1))) if far[atom] > _CENTRE_A]
    if not order:
        return [np.eye(3)]
    first = order[0]
    units = ours / np.maximum(far, 1e-300)[:, None]
    second = next(
        (atom for atom in order if np.linalg.norm(np.cross(units[first], units[atom])) > 0.3),
        next(
            (atom for atom in order if np.linalg.norm(np.cross(units[first], units[atom])) > _LINE),
            first,
        ),
    )
    apart = np.linalg.norm(ours[first] - ours[second])
    found = []
    for one in np.flatnonzero(alike[first]):
        for two in np.flatnonzero(alike[second]):
            if (one == two) != (first == second):
                continue
            if abs(np.linalg.norm(theirs[one] - theirs[two]) - apart) < 2 * tolerance_A:
                found.append(_frame(ours[first], ours[second]).T @ _frame(theirs[one], theirs[two]))
    return found


def _frame(one: Array, two: Array) -> Array:
    """(3, 3) orthonormal rows: along the first vector, in the plane of both, and across it; right-handed."""
    x = one / np.linalg.norm(one)
    z = np.cross(x, two)
    if not np.linalg.norm(z) > _LINE * np.linalg.norm(two):
        z = np.cross(x, np.eye(3)[int(np.argmin(np.abs(x)))])
    z = z / np.linalg.norm(z)
    return np.array([x, np.cross(z, x), z])


def _permutation(
    here: Array,
    there: Array,
    names: npt.NDArray[np.str_],
    *,
    tolerance_A: float,
) -> Indices | None:
    """(N,) the atom of `there` that is nearest to each of `here`, of the same species; None where two share one."""
    from scipy.spatial import cKDTree  # few of the processes that import this come here

    found = np.full(len(here), -1, dtype=np.int64)
    for name in np.unique(names):
        members = np.flatnonzero(names == name)
        distance, nearest = cKDTree(there[members]).query(here[members])
        if not distance.max() <= tolerance_A:
            return None
        found[members] = members[nearest]
    return found if len(np.unique(found)) == len(found) else None
