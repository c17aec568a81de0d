"""Structures and potentials of the benches that compare engines: four defects, each potential fitted to EMT's labels in seconds.

    from cases import CASES
    case = CASES["adatom"]
    start, potential = case.made(folder)          # structure and .yace, made where they are missing

Fits and structures are those of `bench/campaign.py`, with frames along the hops in the training set: what counts here is that
both engines search the same landscape, which has saddles where the metal has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc100
from ase.constraints import FixAtoms
from campaign import CASES as DEMOS
from campaign import _slab, recipe
from example import EXAMPLE

COPPER = EXAMPLE / "cu.yace"
UNDER = {"displace": "under_coordinated", "max_coordination": 11}
LEAST = {"displace": "least_coordinated"}
FIT_SEED = 17
TENTH = 0.1


@dataclass(frozen=True)
class Case:
    """A defect that searches start at.

    Attributes:
        structure: where the run starts.
        search: what differs from the example's section.
        potential: writes a .yace, or is one.
        symmetric: orbits and classes help.
        superbasins: fast exchanges are left as one.
    """

    structure: Callable[[], Atoms]
    search: dict[str, Any]
    potential: Path | Callable[[Path], None]
    symmetric: bool = True
    superbasins: bool = False

    def made(self, folder: Path) -> tuple[Path, Path]:
        """Structure and potential."""
        folder.mkdir(parents=True, exist_ok=True)
        start = folder / "start.xyz"
        self.structure().write(start)
        if isinstance(self.potential, Path):
            return start, self.potential
        fitted = folder / "fitted.yace"
        if not fitted.is_file():
            self.potential(folder)
        return start, fitted


def crystal(cells: int) -> Atoms:
    """Copper, conventional cells a side."""
    return bulk("Cu", a=3.615, cubic=True).repeat(cells)


def vacancy(cells: int) -> Atoms:
    """Without an atom."""
    atoms = crystal(cells)
    del atoms[0]
    return atoms


def divacancy() -> Atoms:
    """Without two neighbours, of 108 atoms."""
    atoms = crystal(3)
    near = int(np.argsort(atoms.get_distances(0, range(len(atoms)), mic=True))[1])
    del atoms[[0, near]]
    return atoms


def alloy() -> Atoms:
    """A vacancy in a random alloy of copper with a tenth of nickel: no symmetry, and no two states alike."""
    atoms = vacancy(3)
    random = np.random.default_rng(FIT_SEED)
    chosen = random.choice(len(atoms), size=round(TENTH * len(atoms)), replace=False)
    symbols = np.array(atoms.get_chemical_symbols())
    symbols[chosen] = "Ni"
    atoms.symbols = symbols.tolist()
    return atoms


def fit_adatom(folder: Path) -> None:
    """Bulk, surfaces, and an adatom on its way to the next sites."""
    make = recipe().make
    demo, random = DEMOS["adatom"](make), np.random.default_rng(FIT_SEED)
    frames = [*demo.training, *_on_the_way(demo.ends.values(), make, random, each=16)]
    _fitted(folder, ("Cu",), frames)


def fit_alloy(folder: Path) -> None:
    """Random alloys, with a vacancy, and with an atom on its way into it."""
    make = recipe().make
    demo, random = DEMOS["alloy"](make), np.random.default_rng(FIT_SEED)
    frames = [*demo.training, *_on_the_way(demo.ends.values(), make, random, each=20)]
    for hop in list(frames[-20:]):
        mixed = hop.copy()
        others = random.choice(len(mixed), size=10, replace=False)
        symbols = np.array(mixed.get_chemical_symbols())
        symbols[others] = "Ni"
        mixed.symbols = symbols.tolist()
        frames.append(mixed)
    _fitted(folder, ("Cu", "Ni"), frames)


def _on_the_way(ends: Any, make: Any, random: np.random.Generator, *, each: int) -> list[Atoms]:
    found = []
    for one, other in ends:
        for share in random.random(each):
            atoms = one.copy()
            atoms.set_constraint()
            atoms.positions += share * (other.positions - one.positions)
            found.append(make.rattled(atoms, random, random.uniform(0.02, 0.15)))
    return found


def _fitted(folder: Path, elements: tuple[str, ...], frames: list[Atoms]) -> None:
    first = recipe()
    training = [first.labelled(f"train-{i}", atoms) for i, atoms in enumerate(frames)]
    first.fit(folder, "fitted", training, elements=elements)


def two_adatoms() -> Atoms:
    """Copper on Cu(100), 14 A apart in a long cell: 178 atoms, of which the lowest layer is held."""
    slab = fcc100("Cu", (11, 4, 4), a=3.59, vacuum=7.0, periodic=True)
    for cell in (0, 5):
        add_adsorbate(slab, "Cu", 1.75, "hollow", offset=(cell, 0))
    slab.info.pop("adsorbate_info")
    slab.set_constraint(FixAtoms([atom.index for atom in slab if atom.tag == 4]))
    return slab


def adatom() -> Atoms:
    """Copper on Cu(100): 65 atoms, of which the lowest layer is held."""
    slab = _slab(adatom=True)
    slab.info.pop("adsorbate_info")
    return slab


CASES = {
    "vacancy": Case(lambda: vacancy(4), UNDER, COPPER),
    "vacancy-107": Case(lambda: vacancy(3), UNDER, COPPER),
    "adatom": Case(adatom, LEAST, fit_adatom),
    "two-adatoms": Case(two_adatoms, {"displace": "least_coordinated"}, fit_adatom),
    "divacancy": Case(divacancy, UNDER, COPPER, superbasins=True),
    "alloy": Case(alloy, UNDER, fit_alloy, symmetric=False),
}
