"""Labels that are sound in themselves, but cannot be of the same oracle as the training set, or are wrong on some atoms.

    check_outliers(label, expected, trusted_gamma=2.0, most_eV_per_A=5.0)
    check_zero(energy_eV, atoms, expected=expected, levels=levels_of(training), most_eV_per_atom=1.0)

The potential is a witness only where it is sure: at atoms of low gamma, and for energies when it agrees with the training set's
level.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from ase import Atoms

from mlip_kmc.ground.wording import plain
from mlip_kmc.learning.cutout.cut_out import Expected
from mlip_kmc.learning.labels.faults import Label, LabelError, LabelFault
from mlip_kmc.model.labelled import LabelledStructure


def levels_of(structures: Iterable[LabelledStructure]) -> dict[str, float]:
    """By element, the energy an atom (eV) that a set's energies are best described with; empty without energies.

    Least squares of the smallest norm: where only sums are known, they are right and single elements are a guess.
    """
    known = [
        structure
        for structure in structures
        if structure.energy_eV is not None and structure.energy_weight > 0
    ]
    symbols = sorted({symbol for entry in known for symbol in entry.atoms.get_chemical_symbols()})
    if not known:
        return {}
    counts = np.array([
        [Counter(entry.atoms.get_chemical_symbols())[symbol] for symbol in symbols]
        for entry in known
    ], dtype=float)  # fmt: skip
    sizes = counts.sum(axis=1)
    energies = np.array([entry.energy_eV for entry in known], dtype=float)
    solution = np.linalg.lstsq(counts / sizes[:, None], energies / sizes, rcond=None)[0]
    return dict(zip(symbols, map(float, solution), strict=True))


def check_outliers(
    label: Label, expected: Expected | None, *, trusted_gamma: float, most_eV_per_A: float
) -> None:
    """Refuse forces that are far from the potential's on atoms that it knows.

    Raises:
        LabelError: on some atom of a gamma up to `trusted_gamma`.
    """
    if expected is None or expected.gammas is None:
        return
    trusted = np.flatnonzero(expected.gammas <= trusted_gamma)
    if not len(trusted):
        return
    apart = np.linalg.norm(
        label.forces_eV_per_A[trusted] - expected.forces_eV_per_A[trusted], axis=1
    )
    worst = int(apart.argmax())
    if not apart[worst] <= most_eV_per_A:
        atom = int(trusted[worst])
        raise LabelError(
            LabelFault.OUTLIER,
            f"the force on atom {atom} is {plain(float(apart[worst]))} eV/A from the potential's, whose gamma there is "
            f"{plain(float(expected.gammas[atom]))}; at most {plain(most_eV_per_A)} is believed",
        )


def check_zero(
    energy_eV: float,
    atoms: Atoms,
    *,
    expected: Expected | None,
    levels: Mapping[str, float],
    most_eV_per_atom: float,
) -> None:
    """Refuse energies of another zero than the training set's.

    Args:
        energy_eV: of the whole structure, with the configured zero taken off.
        atoms: the structure.
        expected: what the present potential says.
        levels: as of `levels_of`, of the training set.
        most_eV_per_atom: so far an energy may be from what is known.

    Raises:
        LabelError: it is far from the potential's and from the training set's level, as far as they are known.
    """
    symbols = atoms.get_chemical_symbols()
    known = [] if expected is None else [expected.energy_eV]
    if levels and set(symbols) <= set(levels):
        known.append(sum(levels[symbol] for symbol in symbols))
    offsets = [(energy_eV - energy) / len(atoms) for energy in known]
    nearest = min(offsets, key=abs, default=0.0)
    if not abs(nearest) <= most_eV_per_atom:
        raise LabelError(
            LabelFault.OTHER_ZERO,
            f"its energy is {plain(nearest)} eV an atom from what the training set and the potential say (at most "
            f"{plain(most_eV_per_atom)} is believed): it has another zero; give each element's in oracle.zero_eV",
        )
