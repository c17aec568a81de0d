"""Where the faces of a box meet: atoms that came too near are left out or moved apart, and what is strained is relaxed.

    settle(box, host=host, held_A=3.0, calculator=calculator, steps=40)      # a Box, or None: the core would be touched

The core never moves. What moves is what has other neighbours than in the structure, and is not next to the core; a relaxation
that leads far away, or that the calculator cannot follow, is forgotten.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.constraints import FixAtoms
from ase.optimize import FIRE

from mlip_kmc.learning.cutout.box import Box
from mlip_kmc.learning.cutout.host import Host
from mlip_kmc.learning.cutout.surroundings import Lookup, PairLimits
from mlip_kmc.model.structure import Array

Mask = npt.NDArray[np.bool_]

_MUCH_TOO_NEAR = 0.8
_STRAIN_A, _OTHER_NEIGHBOURS_A = 0.15, 0.3
_FARTHEST_A, _STEP_A, _CONVERGED = 0.6, 0.05, 0.05
_PUSHES, _A_LITTLE_MORE = 60, 1.0 + 1e-4


def settle(
    box: Box, *, host: Host, held_A: float, calculator: Any | None, steps: int
) -> Box | None:
    """The box with faces that fit; None where that is not possible.

    Args:
        box: of the host.
        host: no pair of the result is nearer than its pairs.
        held_A: atoms so near to the core are held when the faces are relaxed.
        calculator: the present potential's (ASE); None: nothing is relaxed.
        steps: of the relaxation, at most.
    """
    limits = host.limits
    found = _thinned_out(box, limits, below=_MUCH_TOO_NEAR)
    if found is None or not _core_as_before(found, host):
        return None
    if calculator is not None:
        loose = host.strained(found.atoms, found.index_of, tolerance_A=_STRAIN_A) & (
            _depths(found) > held_A
        )
        relaxed = _relaxed(found.atoms, loose, calculator, steps=steps)
        found = replace(found, atoms=relaxed)
    found = replace(found, atoms=_pushed_apart(found, limits))
    found = _thinned_out(found, limits, below=1.0)
    return found if found is not None and _core_as_before(found, host) else None


def _core_as_before(box: Box, host: Host) -> bool:
    """Whether each atom of the core has its neighbours, and no others."""
    changed = host.strained(box.atoms, box.index_of, tolerance_A=_OTHER_NEIGHBOURS_A)
    return bool(box.core.any()) and not changed[box.core].any()


def _thinned_out(box: Box, limits: PairLimits, *, below: float) -> Box | None:
    """Without atoms that are nearer to another than this share of the limit; None where both are of the core."""
    while True:
        first, second, vectors, least = limits.violations(box.atoms)
        near = ~(np.linalg.norm(vectors, axis=1) >= below * least)
        if not near.any():
            return box
        one, other = int(first[near][0]), int(second[near][0])
        if box.core[one] and box.core[other]:
            return None
        loose = [atom for atom in (one, other) if not box.core[atom]]
        depths = _depths(box)
        gone = max(loose, key=lambda atom: (round(float(depths[atom]), 6), atom))
        kept = np.arange(len(box.atoms)) != gone
        box = replace(box, atoms=box.atoms[kept], index_of=box.index_of[kept], core=box.core[kept])


def _depths(box: Box) -> Array:
    """(n,) the distance of each atom to the core, in A."""
    core = Atoms(positions=box.atoms.positions[box.core], cell=box.atoms.cell, pbc=box.atoms.pbc)
    lookup = Lookup(core)
    _, nearest = lookup.nearest(box.atoms.positions)
    apart = lookup.vectors(core.positions[nearest] - box.atoms.positions)
    return np.asarray(np.linalg.norm(apart, axis=1), dtype=float)


def _relaxed(atoms: Atoms, loose: Mask, calculator: Any, *, steps: int) -> Atoms:
    """Loose atoms relaxed, the others held; as it was where that leads nowhere."""
    if not loose.any() or steps == 0:
        return atoms
    trial = atoms.copy()
    trial.set_constraint(FixAtoms(mask=~loose))
    trial.calc = calculator
    try:
        FIRE(trial, logfile=None, maxstep=_STEP_A).run(fmax=_CONVERGED, steps=steps)
    except Exception:  # noqa: BLE001 - whatever the calculator raises: the box is good without it
        return atoms
    moved = np.linalg.norm(trial.positions - atoms.positions, axis=1)
    if not moved.max() <= _FARTHEST_A:
        return atoms
    found = atoms.copy()
    found.positions = trial.positions
    return found


def _pushed_apart(box: Box, limits: PairLimits) -> Atoms:
    """Pairs that are a little too near, moved apart along their line; the core stays."""
    atoms, movable = box.atoms.copy(), (~box.core).astype(float)
    for _ in range(_PUSHES):
        first, second, vectors, least = limits.violations(atoms)
        if not len(first):
            break
        atoms.positions += _pushes(first, second, vectors, least, movable)
    return atoms


def _pushes(first: Any, second: Any, vectors: Array, least: Array, movable: Array) -> Array:
    """(n, 3) displacements that give each pair its distance, half by each atom that may move."""
    distances = np.linalg.norm(vectors, axis=1)
    share = movable[first] + movable[second]
    along = vectors / distances[:, None]
    wanted = (least * _A_LITTLE_MORE - distances) / np.where(share > 0, share, 1.0)
    moves = np.zeros((len(movable), 3))
    np.add.at(moves, first, -along * (wanted * movable[first])[:, None])
    np.add.at(moves, second, along * (wanted * movable[second])[:, None])
    return moves
