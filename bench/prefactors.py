"""What harmonic prefactors of a vacancy's hop cost by symmetry, how near they are to dense ones, and what a few atoms alone give.

    just bench-prefactors                  # both parts, a quarter of an hour on two cores
    just bench-prefactors sizes 3 4 5      # force calls and prefactors in cells of 3, 4 and 5 conventional cells a side
    just bench-prefactors radius 7         # ln of the prefactor by atoms within a radius, in 7 x 7 x 7 cells

Copper by the example's potential. Dense is a central difference of all free atoms at the same places, by the same evaluator.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.optimize import FIRE

from mlip_kmc.evaluate.calculator import calculator_of
from mlip_kmc.evaluate.client import End
from mlip_kmc.evaluate.points import PointsJob, run_points
from mlip_kmc.evaluate.warm import recipe_of
from mlip_kmc.model.rates import prefactors
from mlip_kmc.model.rates.vineyard import FREQUENCY_PER_S
from mlip_kmc.model.structure import minimum_image
from mlip_kmc.potential import AcePotential
from mlip_kmc.search.evaluated import Evaluated, audits, points_of, symmetric_plan
from mlip_kmc.search.hessian import spectrum_of_matrix

EXAMPLE = Path(__file__).parents[1] / "examples" / "cu-vacancy"
FORCE_EV_PER_A = 1e-3
ACCURACY = 0.05


def main(arguments: list[str]) -> int:
    """Print the tables; 1 where a prefactor by symmetry is not within 5 % of the dense one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=("sizes", "radius"))
    parser.add_argument("cells", nargs="*", type=int)
    given = parser.parse_args(arguments)
    potential = AcePotential.read(EXAMPLE / "cu.yace")
    good = True
    if given.part != "radius":
        within = [size(cells, potential) for cells in given.cells or (3, 4, 5)]
        good = all(within)
    if given.part != "sizes":
        radius((given.cells or [7])[0], potential)
    return 0 if good else 1


def size(cells: int, potential: AcePotential) -> bool:
    """One line of the first table."""
    minimum, saddle = structures(cells, potential)
    rows = []
    for by_index in (False, True):
        began = time.monotonic()
        made = [matrix(atoms, potential, by_index=by_index) for atoms in (minimum, saddle)]
        spectra = [
            spectrum_of_matrix(one[0], atoms)
            for one, atoms in zip(made, (minimum, saddle), strict=True)
        ]
        rows.append(
            (
                prefactors(spectra[0], spectra[1], spectra[0]).forward_per_s,
                made,
                time.monotonic() - began,
            )
        )
    (by_symmetry, few, few_s), (dense, all_of, all_s) = rows
    off = by_symmetry / dense - 1
    saved = sum(one[1] for one in all_of) / sum(one[1] for one in few)
    print(
        f"{len(minimum):5d} atoms: {few[0][2]} + {few[1][2]} displacements, {few[0][1]} + {few[1][1]} force calls, "
        f"{few_s:.1f} s; dense {all_of[0][1]} + {all_of[1][1]}, {all_s:.1f} s: 1/{saved:.1f} of the calls; "
        f"{by_symmetry:.4g} per s, dense {dense:.4g}: {100 * off:+.2f} %",
        flush=True,
    )
    return abs(off) <= ACCURACY


def radius(cells: int, potential: AcePotential) -> None:
    """The second table."""
    minimum, saddle = structures(cells, potential)
    made = [matrix(atoms, potential) for atoms in (minimum, saddle)]
    mass = float(minimum.get_masses()[0])
    state, top = ((one[0] + one[0].T) / 2 for one in made)
    whole = ln_prefactor(state, top, mass)
    print(
        f"{len(minimum)} atoms: {made[0][1]} + {made[1][1]} force calls; all of them give {np.exp(whole):.4g} per s\n"
        "radius, atoms within; off by, the others held; off by, the others' own springs as in the state"
    )
    atom = hopping(minimum, saddle)
    distances = np.linalg.norm(
        minimum_image(saddle.positions - saddle.positions[atom], saddle.cell.array), axis=1
    )
    for reach in (3.0, 4.5, 6.0, 7.5, 9.0, 10.5, 12.0, 14.0, 16.0, 18.0):
        near = np.flatnonzero(distances <= reach)
        rows = np.add.outer(3 * near, np.arange(3)).ravel()
        held = ln_prefactor(state[np.ix_(rows, rows)], top[np.ix_(rows, rows)], mass, rigid=False)
        joined = ln_prefactor(state, patched(state, top[:, rows], atoms=near), mass)
        off = [f"{100 * (np.exp(one - whole) - 1):+9.3f} %" for one in (held, joined)]
        print(f"{reach:5.1f} A {len(near):5d} {' '.join(off)}", flush=True)


def structures(cells: int, potential: AcePotential):
    """A vacancy, and a neighbour of it half way into it, both at rest."""
    perfect = bulk("Cu", "fcc", a=3.5898, cubic=True).repeat(cells)
    near = min(range(1, len(perfect)), key=lambda other: perfect.get_distance(0, other, mic=True))
    found = []
    for half in (False, True):
        atoms = perfect.copy()
        if half:
            atoms.positions[near] = perfect.get_distance(0, near, mic=True, vector=True) / 2
        del atoms[0]
        atoms.calc = calculator_of(potential)
        FIRE(atoms, logfile=None).run(fmax=FORCE_EV_PER_A, steps=500)
        atoms.calc = None
        found.append(atoms)
    return found


def hopping(minimum, saddle) -> int:
    """The atom that moves."""
    moved = minimum_image(saddle.positions - minimum.positions, saddle.cell.array)
    return int(np.argmax(np.linalg.norm(moved, axis=1)))


def matrix(atoms, potential: AcePotential, *, by_index: bool = False):
    """The Hessian, its force calls and its displacements."""
    plan, positions = symmetric_plan(atoms, by_index=by_index)
    audited = audits(plan, atoms=len(atoms), seed="bench")
    points = points_of(atoms, plan, positions_A=positions, audited=audited)
    done = run_points(PointsJob("bench", points, recipe=recipe_of(potential), time_limit_s=3000))
    if done.end is not End.FINISHED:
        sys.exit(f"{done.end}: {done.message}")
    evaluated = Evaluated(plan, audited, np.array(done.forces_eV_per_A))
    found = evaluated.hessian()
    if (doubt := evaluated.doubt(found)) is not None:
        sys.exit(f"symmetry is doubted: {doubt}")
    return found, len(points), plan.displacements


def patched(state, columns, *, atoms):
    """(3 n, 3 n) a saddle's Hessian of which some atoms' columns (3 n, 3 m) are known; elsewhere the springs are the state's.

    A shift of all atoms costs what it costs in the state.
    """
    rows = np.add.outer(3 * atoms, np.arange(3)).ravel()
    found = (state + state.T) / 2
    others = np.setdiff1d(np.arange(len(state) // 3), atoms)
    change = (columns - found[:, rows]).reshape(-1, 3, len(atoms), 3).sum(axis=2)
    found[:, rows], found[rows] = columns, columns.T
    found[np.ix_(rows, rows)] = (columns[rows] + columns[rows].T) / 2
    for atom in others:
        own = slice(3 * atom, 3 * atom + 3)
        found[own, own] -= (change[atom] + change[atom].T) / 2
    return found


def ln_prefactor(state, top, mass_u: float, *, rigid: bool = True) -> float:
    """ln of Vineyard's prefactor; translations, where nothing is held, are given the same frequency in both."""
    if rigid:
        shifts = np.tile(np.eye(3), (len(state) // 3, 1)) / np.sqrt(len(state) / 3)
        state, top = state + 10 * shifts @ shifts.T, top + 10 * shifts @ shifts.T
    one, other = np.linalg.slogdet(state), np.linalg.slogdet(top)
    if (one[0], other[0]) != (1, -1):
        return np.nan
    lowest = abs(float(np.linalg.eigvalsh(top)[0])) if len(top) < 200 else lowest_of(top)
    return np.log(FREQUENCY_PER_S) + (one[1] - other[1] + np.log(lowest / mass_u)) / 2


def lowest_of(matrix) -> float:
    """The absolute value of the one negative eigenvalue."""
    from scipy.sparse.linalg import eigsh

    return abs(float(eigsh(matrix, k=1, which="SA", return_eigenvectors=False)[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
