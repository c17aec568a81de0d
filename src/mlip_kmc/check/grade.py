"""The extrapolation grade gamma: how far a structure is from what the potential was fitted to.

    findings, largest = grade(atoms, potential, where="the minimum", ...)      # by python-ace, and by LAMMPS

Lysogorskiy et al., Phys. Rev. Mater. 7, 043801 (2023). Without the B-basis `.yaml` and the active set `.asi` it is not known;
python-ace says 0 then, which is no answer.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.config import GammaSection
from mlip_kmc.evaluate.by_lammps import largest_gamma
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import EXIT_HALTED, PotentialError
from mlip_kmc.ground.wording import counted, plain
from mlip_kmc.potential import AcePotential, Potential

Array = npt.NDArray[np.float64]
_SAME_EV_PER_ATOM = 1e-6
_SAME_GAMMA = 1e-3


def level_of(gamma: float, thresholds: GammaSection) -> tuple[Level, str]:
    """How a largest gamma is judged, and what to do: up to 1 is interpolation, above `halt` energies are guesses."""
    if not np.isfinite(gamma):
        return (
            Level.WARN,
            "gamma is not a finite number: make the active set again (mlip-kmc potential activeset)",
        )
    if not thresholds.reaches_select(gamma):
        return Level.OK, ""
    if not thresholds.reaches_halt(gamma):
        return Level.WARN, (
            f"outside of the training set (fine below {thresholds.select:g}): fit again with such structures to "
            "trust rates"
        )
    return Level.WARN, (
        f"FAR outside of the training set ({thresholds.halt:g} or more), energies are guesses: fit again with "
        "such structures"
    )


def grade(
    atoms: Atoms,
    potential: Potential,
    *,
    where: str,
    energy_eV: float,
    folder: Path,
    thresholds: GammaSection,
) -> tuple[list[Finding], float | None]:
    """Gamma of a structure.

    Args:
        atoms: restricted triclinic.
        potential: the run's.
        where: which structure it is, in words.
        energy_eV: by the run's own path, to see that the B-basis is the potential's.
        folder: for LAMMPS.
        thresholds: the run's.

    Returns:
        the finding, and the largest gamma of an atom (None where it is unknown).
    """
    if (
        not isinstance(potential, AcePotential)
        or potential.active_set is None
        or potential.basis is None
    ):
        return [_unknown(potential)], None
    gamma, energy = Extrapolation.read(
        basis=potential.basis, active_set=potential.active_set
    ).graded(atoms)
    off = abs(energy - energy_eV) / len(atoms)
    if not off <= _SAME_EV_PER_ATOM:
        return [_of_another(potential.basis, off)], None
    lammps = largest_gamma(
        atoms, basis=potential.basis, active_set=potential.active_set, folder=folder
    )
    return [_graded(gamma, lammps, where=where, thresholds=thresholds)], float(gamma.max())


def _unknown(potential: Potential) -> Finding:
    ace = isinstance(potential, AcePotential)
    return Finding(
        "gamma",
        Level.UNKNOWN,
        "no .yaml and .asi beside the .yace" if ace else "only ACE potentials have it",
        values={"largest_gamma": None},
        advice="make the active set (mlip-kmc potential activeset) and name it in potential.active_set"
        if ace
        else "",
    )


def _of_another(basis: Path, off_eV_per_atom: float) -> Finding:
    return Finding(
        "gamma",
        Level.FAIL,
        f"{basis.name} is of another potential: energies differ by {off_eV_per_atom:.1e} eV an atom",
        advice="bring the .yaml and .asi that belong to the .yace",
        exit_code=PotentialError.exit_code,
        values={"largest_gamma": None, "energy_difference_eV_per_atom": off_eV_per_atom},
    )


def _graded(gamma: Array, lammps: float, *, where: str, thresholds: GammaSection) -> Finding:
    """Gamma of each atom by python-ace, judged; the largest one by LAMMPS must be the same."""
    largest = float(gamma.max())
    level, advice = level_of(largest, thresholds)
    values: dict[str, Value] = {
        "largest_gamma": largest,
        "mean_gamma": float(gamma.mean()),
        "atom": int(gamma.argmax()),
        "largest_gamma_lammps": lammps,
        "fine_below": thresholds.select,
        "far_above": thresholds.halt,
    }
    if not abs(lammps - largest) <= _SAME_GAMMA * max(1.0, largest):
        level, advice = (
            Level.WARN,
            f"LAMMPS gives {plain(lammps)}: make the active set again (mlip-kmc potential activeset)",
        )
    text = f"at most {plain(largest)} in {where} (atom {int(gamma.argmax())} from 0; mean {plain(gamma.mean(), digits=2)})"
    if thresholds.reaches_halt(largest):
        return Finding(
            "gamma",
            Level.FAIL,
            text,
            values=values,
            exit_code=EXIT_HALTED,
            advice=f"{advice}; the run would halt before any search",
        )
    return Finding("gamma", level, text, advice=advice, values=values)


def grade_saddles(
    saddles: list[Atoms], potential: AcePotential, *, thresholds: GammaSection
) -> tuple[list[Finding], bool]:
    """The largest gamma at the saddles that trial searches found, where the energy is what barriers are made of."""
    extrapolation = Extrapolation.of(potential)
    if not saddles or extrapolation is None:
        return [Finding("saddle gamma", Level.UNKNOWN, "no saddle was found")], False
    largest = [float(extrapolation.gamma_of(saddle).max()) for saddle in saddles]
    level, advice = level_of(
        float(np.max(largest)), thresholds
    )  # max() alone may pass over what is no number
    span = " to ".join(dict.fromkeys((plain(min(largest)), plain(max(largest)))))
    return [
        Finding(
            "saddle gamma",
            level,
            f"largest of an atom {span}, at {counted(len(largest), 'saddle')}",
            advice=advice,
            values={"largest_gamma": max(largest), "of_each": tuple(largest)},
        )
    ], True
