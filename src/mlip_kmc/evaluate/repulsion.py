"""Down to which distance the energy rises as two atoms of a structure are pushed together: below it, the potential has a hole.

    repulsive_down_to(atoms, nearest_pairs(atoms, limit_A=5.0)["Cu-Cu"], calculator)     # 1.0: as near as is looked

What falls into a hole never comes out again: a search then ends with atoms on top of each other.
"""

from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.model.structure import neighbours
from mlip_kmc.potential.baseline import pair_name

NEAREST_A = 1.0
STEP_A = 0.05
_WELL = 0.25
"""The bond's own minimum is within this part of the first distance."""


def nearest_pairs(atoms: Atoms, *, limit_A: float) -> dict[str, tuple[int, int]]:
    """By pair of elements, the two atoms that are nearest, periodic images of one atom apart; the first of equal ones."""
    found: dict[str, tuple[float, int, int]] = {}
    symbols = atoms.get_chemical_symbols()
    for i, j, distance_A in zip(*neighbours(atoms, limit_A), strict=True):
        if i >= j:
            continue
        name, entry = (
            pair_name(symbols[i], symbols[j]),
            (round(float(distance_A), 6), int(i), int(j)),
        )
        found[name] = min(found.get(name, entry), entry)
    return {name: (first, second) for name, (_, first, second) in sorted(found.items())}


def repulsive_down_to(atoms: Atoms, pair: tuple[int, int], calculator: Any) -> float:
    """In A: the energy rises at every step of 0.05 A from the bond's minimum down to here; `NEAREST_A` where it never falls.

    Args:
        atoms: a structure.
        pair: indices of two neighbours, which move towards each other along their line.
        calculator: an ASE calculator.
    """
    first, second = pair
    vector = np.asarray(atoms.get_distance(first, second, mic=bool(atoms.pbc.any()), vector=True))
    length_A = float(np.linalg.norm(vector))
    distances = np.arange(length_A, NEAREST_A - 1e-9, -STEP_A)
    energies = np.array(
        [
            evaluated(_pushed(atoms, pair, vector * (1.0 - distance / length_A) / 2.0), calculator)[
                0
            ]
            for distance in distances
        ]
    )
    if not np.isfinite(energies).all():
        return float(distances[np.flatnonzero(~np.isfinite(energies))[0]])
    near = max(1, int(np.sum(distances > (1.0 - _WELL) * length_A)))
    begin = int(np.argmin(energies[:near]))
    falls = np.flatnonzero(np.diff(energies[begin:]) <= 0.0)
    return float(distances[begin + falls[0]]) if len(falls) else NEAREST_A


def _pushed(atoms: Atoms, pair: tuple[int, int], move: Any) -> Atoms:
    moved = atoms.copy()
    moved.positions[pair[0]] += move
    moved.positions[pair[1]] -= move
    return moved
