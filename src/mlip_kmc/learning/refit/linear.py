"""Linear ACE, fitted again: design matrices by python-ace, ridge regression, the strength by validation over folds.

    fitted = fit_linear(LinearBasis.read(Path("cu.yaml")), structures, section=section, baseline=None, prior=None)
    fitted.coefficients, fitted.strength

What is penalised are coefficients in natural units: multiplied by what their function comes to in structures without symmetry,
which differs by ten orders of magnitude from function to function. Folds follow from the structures' names.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.evaluate.calculator import short_range
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.learning.refit.barriers import KnownEnergy, barrier_rows, takes_part
from mlip_kmc.learning.refit.design import LinearBasis, Rows
from mlip_kmc.learning.refit.ridge import Chosen, Triangle, choose
from mlip_kmc.learning.refit.weights import Weights, heights_above_hull, weights_of
from mlip_kmc.learning.spanning import natural_scales
from mlip_kmc.model.labelled import LabelledStructure, Role, labelled_text
from mlip_kmc.model.structure import Array
from mlip_kmc.potential.baseline import Baseline

FOLDS = 5
DIGITS = 12
"""Significant digits of coefficients, as written."""


@dataclass(frozen=True)
class Fitted:
    """A fit.

    Attributes:
        coefficients: (n,), rounded to `DIGITS`.
        strength: of the regularisation, as validation chose it.
        losses: by strength, the root mean square of weighted residuals in the folds that were left out.
        shares: (M,) how much each structure counts for its energy.
        checked: the rows of the first structure, for comparison with what is written.
    """

    coefficients: Array
    strength: float
    losses: tuple[tuple[float, float], ...]
    shares: tuple[float, ...]
    checked: Rows


def in_order(structures: Iterable[LabelledStructure]) -> tuple[LabelledStructure, ...]:
    """The structures in the one order that follows from their names and contents.

    Raises:
        StructureError: a number of one is not finite.
    """
    return tuple(sorted(structures, key=lambda one: (one.role, one.name, labelled_text([one]))))


def fold_numbers(structures: Sequence[LabelledStructure]) -> list[int]:
    """For each structure the fold that it is in: of every role as many in each, dealt in the order of their names' digests."""
    order = sorted(
        range(len(structures)),
        key=lambda index: (
            structures[index].role,
            hashlib.sha256(structures[index].name.encode()).digest(),
            index,
        ),
    )
    numbers = [0] * len(structures)
    for place, index in enumerate(order):
        numbers[index] = place % FOLDS
    return numbers


def fit_linear(
    basis: LinearBasis,
    structures: Sequence[LabelledStructure],
    *,
    section: RefitSection,
    baseline: Baseline | None,
    prior: Array | None = None,
    old: LinearBasis | None = None,
) -> Fitted:
    """Fit all coefficients.

    Args:
        basis: to fit; its own coefficients play no role.
        structures: in their order (`in_order`).
        section: strengths and weights.
        baseline: what is added to the ACE: subtracted from the labels.
        prior: (n,) coefficients that no data means; 0 where None.
        old: the present potential, whose energies of single atoms anchors hold.

    Raises:
        PotentialError: nothing counts, or no finite coefficients come out. StructureError: see `LinearBasis.rows_of`.
    """
    folds = [Triangle(basis.size) for _ in range(min(FOLDS, max(1, len(structures))))]
    heights, numbers = heights_above_hull(structures), fold_numbers(structures)
    weights = [
        weights_of(one, height, section) for one, height in zip(structures, heights, strict=True)
    ]
    first, count, known = None, 0, dict[str, KnownEnergy]()
    of_barriers = takes_part(structures)
    for one, weight, fold in zip(structures, weights, numbers, strict=True):
        rows = basis.rows_of(one.atoms)
        first = first or rows
        blocks = [
            _forces(one, rows, weight, baseline),
            _atoms(one, rows, old, section)
            if one.role is Role.ANCHOR and old is not None
            else _energy(one, rows, weight, baseline),
        ]
        for matrix, targets in blocks:
            folds[fold].add(matrix, targets)
            count += len(targets)
        if one.name in of_barriers:
            known[one.name] = KnownEnergy(rows.energy, _above_offset_eV(one, rows, baseline))
    for barrier in barrier_rows(structures, known=known, weight=section.barrier_weight):
        folds[numbers[barrier.saddle]].add(barrier.matrix, barrier.target)
        count += 1
    if first is None or count == 0:
        raise PotentialError("no energy and no force counts in the fit: all weights are 0")
    chosen = _solved(basis, folds, strengths=section.ridge, prior=prior)
    return Fitted(
        coefficients=np.array([float(f"{value:.{DIGITS}g}") for value in chosen.solution]),
        strength=chosen.strength,
        losses=tuple((one, float(np.sqrt(loss / count))) for one, loss in chosen.losses),
        shares=tuple(weight.share for weight in weights),
        checked=first,
    )


def _solved(
    basis: LinearBasis,
    folds: Sequence[Triangle],
    *,
    strengths: Sequence[float],
    prior: Array | None,
) -> Chosen:
    """The coefficients, with the strength that validation chooses.

    Raises:
        PotentialError: they are not finite.
    """
    scales = natural_scales(basis.projector)
    chosen = choose(
        folds,
        strengths=strengths,
        scales=np.concatenate([scales[element].sizes for element in basis.functions]),
        prior=np.zeros(basis.size) if prior is None else prior,
    )
    if not np.isfinite(chosen.solution).all():
        raise PotentialError(
            f"the fit of {basis.path} gives coefficients that are not finite; give stronger values of refit.ridge"
        )
    return chosen


Block = tuple[Array, Array]
"""Weighted rows (m, n) and targets (m,)."""


def _forces(
    structure: LabelledStructure, rows: Rows, weights: Weights, baseline: Baseline | None
) -> Block:
    """Of the components of those forces that count."""
    by_component = np.repeat(weights.forces, 3)
    counting = by_component > 0.0
    wanted = structure.forces_eV_per_A - short_range(baseline, structure.atoms)[1]
    target = (wanted.reshape(-1) - rows.forces_offset) * by_component
    return rows.forces[counting] * by_component[counting, None], target[counting]


def _energy(
    structure: LabelledStructure, rows: Rows, weights: Weights, baseline: Baseline | None
) -> Block:
    """Of the energy an atom, where it counts."""
    if structure.energy_eV is None or not weights.energy > 0.0:
        return np.zeros((0, rows.forces.shape[1])), np.zeros(0)
    factor = weights.energy / len(structure.atoms)
    return rows.energy[None, :] * factor, np.array(
        [_above_offset_eV(structure, rows, baseline) * factor]
    )


def _above_offset_eV(  # noqa: N802 - a unit
    structure: LabelledStructure, rows: Rows, baseline: Baseline | None
) -> float:
    """Energy of a structure that has one, less what does not depend on the coefficients."""
    assert structure.energy_eV is not None  # noqa: S101 - the callers have looked
    wanted = structure.energy_eV - short_range(baseline, structure.atoms)[0]
    return float(wanted - rows.energy_offset_eV)


def _atoms(
    structure: LabelledStructure, rows: Rows, old: LinearBasis, section: RefitSection
) -> Block:
    """Of the mean energy of those atoms of an anchor that count: forces alone say nothing of a constant."""
    chosen = np.asarray(structure.force_weights) == 1.0
    weight = section.energy_weight / max(1, int(chosen.sum()))
    before = old.atom_rows_of(structure.atoms)[chosen] @ old.coefficients
    return (
        rows.by_atom[chosen].sum(axis=0)[None, :] * weight,
        np.array([float(before.sum()) * weight]),
    )


def carried_over(old: LinearBasis, new: LinearBasis) -> Array | None:
    """(n,) coefficients of a larger basis that give the old energies: those of the functions in common, 0 for the others.

    None where the radial functions differ, so that there are no such coefficients.
    """
    known = dict(zip(_functions(old), old.coefficients.tolist(), strict=True))
    wanted = _functions(new)
    if not set(known) <= set(wanted):
        return None
    prior = np.array([known.get(key, 0.0) for key in wanted])
    return prior if _same_energies(old, new, prior) else None


def _functions(basis: LinearBasis) -> list[tuple[object, ...]]:
    """What tells a function from the others of its basis."""
    pyace = basis.projector.pyace
    return [
        (
            index,
            *(tuple(map(int, numbers)) for numbers in (one.mus, one.ns, one.ls, one.LS)),
        )
        for index in range(len(basis.functions))
        for one in (*pyace.basis_rank1[index], *pyace.basis[index])
    ]


def _same_energies(old: LinearBasis, new: LinearBasis, prior: Array) -> bool:
    from mlip_kmc.learning.spanning import probes

    for atoms in probes(tuple(old.functions)):
        one, other = old.rows_of(atoms), new.rows_of(atoms)
        wanted = one.forces_offset + one.forces @ old.coefficients
        found = other.forces_offset + other.forces @ prior
        if not np.abs(found - wanted).max() <= 1e-8 * max(1.0, float(np.abs(wanted).max())):
            return False
    return True
