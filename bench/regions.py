"""What a search evaluates in a region of a large cell and in the whole, its barrier in both, and the error of a held boundary.

    containers/in-image python3 bench/regions.py [--searches 5] [--region 6.0] [--cells 8x8x4 16x16x16] [--radii 5 6 8] [--whole]

A vacancy in copper by the example's potential, from the same starts in each cell: 0.3 A within 3.0 A about a neighbour of the
vacancy. Evaluations are counted by centre: calls times atoms in the cut-out, also those that are evaluated in vain. The state at
rest of the whole cell is evaluated once a state and process, and is counted apart. Prints, for each cell, the evaluations a
search, the barriers, and their ratio to those of the first cell; then, in the last cell, the error of a boundary that is held and
the cost, by radius. With --whole, the first search is made in the whole of the last cell, too.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

import numpy as np
from ase.build import bulk

from mlip_kmc.config import load_config
from mlip_kmc.config.eon_options import config_ini
from mlip_kmc.evaluate.warm import recipe_of, warm
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.search.native.calls import Calls
from mlip_kmc.search.native.local import LocalSearch, Plan, WholeSearch
from mlip_kmc.search.native.reference import Reference
from mlip_kmc.search.native.stages import Stages
from mlip_kmc.search.native.start import Settings, Start

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy"
WITHIN_A, DISPLACED_A, NEXT_A = 3.0, 0.3, 2.8
MEV = 1e3
LIMIT, SAME_EV = 2.0, 5e-3


class Held(LocalSearch):
    """A search that takes what it finds in its first region: for the error of the boundary."""

    def _confirmed(self, found):
        return found


class Cell:
    """A vacancy in a cell, at rest."""

    def __init__(self, name):
        """Of copper, `name` as 8x8x4."""
        ace = AcePotential.read(EXAMPLE / "cu.yace")
        config = load_config(EXAMPLE / "akmc.yaml")
        self.settings = Settings.of(config_ini(config, potential_name="lammps", jobs_ahead=1))
        self.evaluator, self.cutoff_A = warm(recipe_of(ace)), ace.cutoff_A
        atoms = bulk("Cu", a=3.615, cubic=True).repeat(tuple(map(int, name.split("x"))))
        del atoms[0]
        atoms = from_con(to_con(atoms))
        self.reference = Reference.of(atoms, self.calls(atoms), self.settings)
        self.atoms = self.reference.atoms

    def calls(self, atoms=None):
        """Counted."""
        return Calls(
            self.evaluator,
            atoms=self.atoms if atoms is None else atoms,
            cancelled=threading.Event(),
            time_limit_s=3600.0,
            search="0_0",
        )

    def near(self, place):
        """(N,) distances from a place."""
        vectors = self.atoms.positions - place
        cell = self.atoms.cell.array
        return np.linalg.norm(vectors - np.round(vectors @ np.linalg.inv(cell)) @ cell, axis=1)

    def starts(self, count, *, seed):
        """The same in all cells: the vacancy is at the origin, and atoms are drawn by their places about it."""
        cell = self.atoms.cell.array
        places = self.atoms.positions - np.round(self.atoms.positions @ np.linalg.inv(cell)) @ cell
        few = self._ordered(np.flatnonzero(self.near(np.zeros(3)) < NEXT_A), places)
        for index in range(count):
            random = np.random.default_rng([seed, index])
            chosen = random.choice(few)
            near = self._ordered(
                np.flatnonzero(self.near(self.atoms.positions[chosen]) <= WITHIN_A), places
            )
            moved = np.zeros_like(self.atoms.positions)
            moved[near] = random.normal(0.0, DISPLACED_A, (len(near), 3))
            yield Start(self.atoms, self.atoms.positions + moved, moved / np.linalg.norm(moved))

    @staticmethod
    def _ordered(atoms, places):
        return atoms[np.lexsort(np.round(places[atoms], 1).T)]

    def searched(self, start, *, radius_A, kind=LocalSearch):
        """Termination, barrier in eV, centres, calls, last radius, reasons, seconds; in the whole where there is no radius."""
        calls, began = self.calls(), time.monotonic()
        stages = Stages(start, self.settings, forces=calls)
        search = WholeSearch(stages)
        if radius_A is not None:
            plan = Plan.of(start, radius_A=radius_A, cutoff_A=self.cutoff_A)
            if not plan.region(self.atoms).is_whole:
                search = kind(stages, plan, calls, lambda: self.reference)
        result = search.run().result
        height = np.nan
        if result.product is not None:
            height = result.climbed.point.energy_eV - result.reactant.energy_eV
        return (
            result.termination,
            height,
            calls.centres,
            calls.count,
            search.radius_A,
            list(map(str, search.grown)),
            time.monotonic() - began,
        )


def shown(found):
    """One search, in a line."""
    termination, height, centres, calls, radius_A, grown, seconds = found
    where = "whole cell" if radius_A is None else f"{radius_A:.1f} A"
    return (
        f"{height:10.4f} eV {centres:9d} {calls:5d} calls {where:>11} {seconds:6.1f} s  {termination}"
        f"{', grew: ' + ', '.join(grown) if grown else ''}"
    )


def by_radius(cell, start, radii, whole_eV):
    """The error of a boundary that is held, and what a search costs there."""
    print("\nradius   error, meV   evaluations of a centre   atoms   of which may move")
    for radius_A in radii:
        found = cell.searched(start, radius_A=radius_A, kind=Held)
        region = Plan.of(start, radius_A=radius_A, cutoff_A=cell.cutoff_A).region(cell.atoms)
        error = MEV * (found[1] - whole_eV)
        free = len(region.atoms) - len(region.held)
        print(
            f"{radius_A:4.1f} A {error:12.1f} {found[2]:25d} {len(region.atoms):7d} {free:8d}  {found[0]}",
            flush=True,
        )


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=5)
    parser.add_argument("--region", type=float, default=6.0, help="first radius, A")
    parser.add_argument("--cells", nargs="+", default=["8x8x4", "16x16x16"])
    parser.add_argument("--radii", nargs="*", type=float, default=[5.0, 6.0, 8.0, 10.0, 13.0])
    parser.add_argument("--whole", action="store_true", help="a search in the whole last cell")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    means, cell, start = [], None, None
    for name in arguments.cells:
        cell = Cell(name)
        print(
            f"\n{name}: {len(cell.atoms)} atoms; the state at rest took {cell.reference.calls} calls of the whole"
        )
        runs = []
        for start in cell.starts(arguments.searches, seed=arguments.seed):
            runs.append(cell.searched(start, radius_A=arguments.region))
            print(shown(runs[-1]), flush=True)
        means.append(float(np.mean([found[2] for found in runs])))
        apart = cell.reference.calls * len(cell.atoms) / arguments.searches
        print(
            f"{means[-1]:.0f} evaluations of a centre a search ({means[-1] / means[0]:.2f} times those in {arguments.cells[0]}), "
            f"and {apart:.0f} for the state at rest"
        )
    print(f"ratio {means[-1] / means[0]:.2f}, wanted at most {LIMIT:g}")
    start = next(iter(cell.starts(1, seed=arguments.seed)))
    whole = cell.searched(start, radius_A=None if arguments.whole else arguments.region)
    print(("whole " if arguments.whole else "wider ") + shown(whole))
    by_radius(cell, start, arguments.radii, whole[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
