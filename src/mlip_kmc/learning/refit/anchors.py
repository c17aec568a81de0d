"""Anchors: structures that the old potential labels, where it is trusted; they hold a correction to zero there.

    anchors = anchors_of(present, structures, count=60)

An anchor is a copy of a given structure, strained and rattled by a little. The forces of an atom count where its extrapolation
grade says that the old potential was trained on its like; the energy counts where that holds of all atoms. The same structures
give the same anchors, whatever their order.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.learning.errors import whole_calculator
from mlip_kmc.model.labelled import LabelledStructure, Role
from mlip_kmc.model.structure import extended_xyz
from mlip_kmc.potential import AcePotential

TRUSTED = 2.0
"""Largest grade at which the old potential is taken at its word: twice that of the environments that it was fitted to."""
RATTLES_A = (0.0, 0.02, 0.05, 0.1)
STRAIN = 0.01
_SEED = 160
_TRIES = 4


def anchors_of(
    present: AcePotential, structures: Sequence[Atoms], *, count: int, seed: int = _SEED
) -> tuple[LabelledStructure, ...]:
    """Structures labelled by the old potential.

    Args:
        present: with active set.
        structures: to make copies of.
        count: how many anchors; fewer where the old potential is trusted nowhere in a copy.
        seed: another one gives others.

    Raises:
        PotentialError: the potential does not know its gamma.
    """
    grade = Extrapolation.of(present)
    if grade is None:
        raise PotentialError(
            f"{present.yace} has no B-basis and active set, so nothing shows where it can be trusted"
        )
    calculator = whole_calculator(present)
    found: list[LabelledStructure] = []
    for atoms in islice(_copies(structures, seed=seed), _TRIES * count):
        if len(found) == count:
            break
        gamma = grade.gamma_of(atoms)
        known = gamma <= TRUSTED
        energy_eV, forces = evaluated(atoms, calculator)
        if not known.any() or not (np.isfinite(forces).all() and np.isfinite(energy_eV)):
            continue
        found.append(
            LabelledStructure(
                name=f"anchor-{len(found):03d}",
                atoms=atoms,
                forces_eV_per_A=forces,
                energy_eV=energy_eV if known.all() else None,
                force_weights=known.astype(float),
                energy_weight=1.0 if known.all() else 0.0,
                role=Role.ANCHOR,
                oracle=present.digest,
            )
        )
    return tuple(found)


def _copies(structures: Sequence[Atoms], *, seed: int) -> Iterator[Atoms]:
    """Copies without end, every structure in turn; those of the first turn are as they were given."""
    bare = [
        Atoms(one.get_chemical_symbols(), one.positions, cell=one.cell, pbc=one.pbc)
        for one in structures
    ]
    ordered = sorted(bare, key=extended_xyz)
    turn = 0
    while ordered:
        rattle_A = RATTLES_A[turn % len(RATTLES_A)]
        for index, original in enumerate(ordered):
            rng = np.random.default_rng([seed, turn, index])
            atoms = original.copy()
            if turn > 0:
                strain = rng.uniform(-STRAIN, STRAIN, (3, 3))
                cell = atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2.0)
                atoms.set_cell(cell, scale_atoms=True)
            atoms.positions += rng.normal(0.0, 1.0, (len(atoms), 3)) * rattle_A
            yield atoms
        turn += 1
