"""How much of a large cell a search would evaluate in a region of it."""

import numpy as np
from ase import Atoms

from mlip_kmc.check.findings import Finding, Level
from mlip_kmc.config import Config
from mlip_kmc.model.structure import fixed_atoms, neighbours
from mlip_kmc.search.native.region import Region

FIRST_A, LAST_A = 6.0, 13.5
"""A first radius that pays, and the one that barriers of a vacancy in copper end with (docs/regions.md)."""
_BONDED_A = 3.3


def regions(config: Config, atoms: Atoms, *, cutoff_A: float) -> tuple[list[Finding], bool]:
    """What `search.region_A` evaluates, or would; no finding where a cut-out is no gain in this cell.

    Args:
        config: the run's.
        atoms: its structure.
        cutoff_A: of the ACE potential.
    """
    wanted_A = config.search.region_A
    first, last = (
        _about(atoms, radius_A=radius_A, cutoff_A=cutoff_A)
        for radius_A in (wanted_A or FIRST_A, LAST_A)
    )
    if first.is_whole or (wanted_A is None and last.is_whole):
        return [], True
    counts = len(first.indices), len(last.indices), len(atoms)
    text = f"{counts[0]} of {counts[2]} atoms in a region of {first.radius_A:g} A, {counts[1]} in one of {LAST_A:g} A"
    if wanted_A is None:
        text = f"a search evaluates the whole cell; {text}"
    return [
        Finding(
            "regions",
            Level.OK,
            text,
            advice=""
            if wanted_A is not None
            else f"search.engine: native with search.region_A: {FIRST_A:g} evaluates less (regions.md)",
            values={
                "region_A": wanted_A,
                "first_radius_A": first.radius_A,
                "first_atoms": counts[0],
                "last_radius_A": LAST_A,
                "last_atoms": counts[1],
                "atoms": counts[2],
            },
        )
    ], True


def _about(atoms: Atoms, *, radius_A: float, cutoff_A: float) -> Region:
    """A region about the free atom that has the fewest neighbours, where most searches start."""
    free = np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms))
    bonds = np.bincount(neighbours(atoms, _BONDED_A)[0], minlength=len(atoms))
    middle = int(free[bonds[free].argmin()])
    centre = np.asarray(atoms.positions[middle], dtype=np.float64)
    return Region.about(atoms, centre_A=centre, radius_A=radius_A, cutoff_A=cutoff_A)
