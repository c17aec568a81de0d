"""The checks of the gate that are one comparison each: forces, the training set, validation, the image.

    forces_check(atoms, potential).verdict          # Verdict.PASSED

Symmetry, smoothness, reference values, agreement and the run's history have files of their own.
"""

from collections.abc import Callable

from ase import Atoms

from mlip_kmc.check.gradient import GRADIENT_EV_PER_A, gradient
from mlip_kmc.eon.evaluate import Evaluation, evaluate
from mlip_kmc.potential import AcePotential, Potential
from mlip_kmc.potential.record import PotentialRecord, Training
from mlip_kmc.release.gate import Check, Verdict, measured, not_tested
from mlip_kmc.release.manifest import Image, ValidationMetrics
from mlip_kmc.release.training import LabelledSet

_SAME_DISTANCE_A = 2e-4
"""A record has four digits."""


def forces_check(
    atoms: Atoms, potential: AcePotential, *, evaluate: Callable[[Atoms, Potential], Evaluation] = evaluate
) -> Check:
    """Are forces the energy's gradient? By the run's own path: eOn's client and its LAMMPS.

    Args:
        atoms: restricted triclinic; it is shaken first.
        potential: the run's.
        evaluate: gives energy and forces.
    """
    deviation = gradient(atoms, potential, evaluate=evaluate)[0][0].values["deviation_eV_per_A"]
    return measured("forces", float(deviation) if isinstance(deviation, float) else float("nan"), limit=GRADIENT_EV_PER_A,
                    unit="eV/A", about="forces against central differences of the energy, by eOn and LAMMPS")


def training_check(training: LabelledSet, record: PotentialRecord | None, *, cutoff_A: float) -> Check:
    """Is it the set that the potential's record tells of?"""
    about = "structures, atoms and shortest distances of the training set, against the potential's record"
    if record is None or record.training is None:
        return not_tested("training-set", about=about, why="the potential has no record that tells of its training set")
    found, told = Training.of([one.atoms for one in training.structures], cutoff_A=cutoff_A), record.training
    apart = [found.structures != told.structures, found.atoms != told.atoms]
    apart += [not abs(found.smallest_distance_A.get(name, 0.0) - told.smallest_distance_A.get(name, 0.0)) <= _SAME_DISTANCE_A
              for name in {*found.smallest_distance_A, *told.smallest_distance_A}]
    return measured("training-set", float(sum(apart)), limit=0.0, unit="differences", about=about,
                    detail=f"{found.structures} structures, {found.atoms} atoms; the record has {told.structures}, {told.atoms}")


def validation_check(metrics: ValidationMetrics | None) -> Check:
    """Are there errors on structures that the potential was not fitted to? How large they may be is for the reader."""
    about = "errors on structures that the potential was not fitted to"
    if metrics is None:
        return not_tested("validation", about=about, why="there is no validation set, and no record that tells of one")
    return Check(name="validation", about=about, verdict=Verdict.PASSED, number=metrics.force_rmse_eV_per_A, unit="eV/A",
                 detail=f"{metrics.structures} structures, {1e3 * metrics.energy_rmse_eV_per_atom:.3g} meV/atom; from "
                        f"{metrics.source}")


def image_check(image: Image) -> Check:
    """Is it known which image this was?"""
    about = "the image that the release was computed in"
    if image.sha256 is None:
        return not_tested("image", about=about, why="the image's file is not at hand: give --image FILE")
    return Check(name="image", about=about, verdict=Verdict.PASSED, detail=f"sha256 {image.sha256}")
