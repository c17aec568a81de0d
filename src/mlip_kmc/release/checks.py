"""The checks of the gate that are one comparison each: forces, the training set, the image.

    forces_check(atoms, potential).verdict          # Verdict.PASSED

Symmetry, smoothness, reference values, agreement, validation and the run's history have files of their own.
"""

from collections.abc import Callable

from ase import Atoms

from mlip_kmc.evaluate.by_eon import Evaluation, evaluate
from mlip_kmc.evaluate.gradient import largest_deviation
from mlip_kmc.potential import AcePotential, Potential
from mlip_kmc.potential.record import PotentialRecord, Training
from mlip_kmc.release.gate import LIMITS, Check, measured, not_tested
from mlip_kmc.release.manifest import Image
from mlip_kmc.release.training import LabelledSet

_SAME_DISTANCE_A = 2e-4
"""A record has four digits."""


def forces_check(
    atoms: Atoms,
    potential: AcePotential,
    *,
    evaluate: Callable[[Atoms, Potential], Evaluation] = evaluate,
) -> Check:
    """Are forces the energy's gradient? By the run's own path: eOn's client and its LAMMPS.

    Args:
        atoms: restricted triclinic; it is shaken first.
        potential: the run's.
        evaluate: gives energy and forces.
    """
    return measured(
        "forces",
        largest_deviation(atoms, potential, evaluate=evaluate).deviation_eV_per_A,
        limit=LIMITS["forces"],
        unit="eV/A",
        about="forces against central differences of the energy, by eOn and LAMMPS",
    )


def training_check(
    training: LabelledSet, record: PotentialRecord | None, *, cutoff_A: float
) -> Check:
    """Is it the set that the potential's record tells of?"""
    about = "structures, atoms and shortest distances of the training set, against the potential's record"
    if record is None or record.training is None:
        return not_tested(
            "training-set",
            about=about,
            why="the potential has no record that tells of its training set",
        )
    found, told = (
        Training.of([one.atoms for one in training.structures], cutoff_A=cutoff_A),
        record.training,
    )
    apart = [found.structures != told.structures, found.atoms != told.atoms]
    apart += [
        not abs(found.smallest_distance_A.get(name, 0.0) - told.smallest_distance_A.get(name, 0.0))
        <= _SAME_DISTANCE_A
        for name in {*found.smallest_distance_A, *told.smallest_distance_A}
    ]
    return measured(
        "training-set",
        float(sum(apart)),
        limit=LIMITS["training-set"],
        unit="differences",
        about=about,
        detail=f"{found.structures} structures, {found.atoms} atoms; the record has {told.structures}, {told.atoms}",
    )


def image_check(image: Image, *, made_of: str | None = None) -> Check:
    """Is the image that the manifest names the one that this runs in?

    Args:
        image: its file's digest, and the recipe of the image that this runs in.
        made_of: the recipe that the file itself names; None where it names none.
    """
    about = "the recipe in the named image's file, against that of the image that the release was computed in"
    if image.sha256 is None:
        return not_tested(
            "image", about=about, why="the image's file is not at hand: set release.image"
        )
    if image.recipe is None or made_of is None:
        return not_tested(
            "image",
            about=about,
            why="the image names no recipe; use an image of mlip-kmc",
        )
    return measured(
        "image",
        float(made_of != image.recipe),
        limit=LIMITS["image"],
        unit="differences",
        about=about,
        detail=f"the file is of the recipe {made_of[:12]}, this runs in {image.recipe[:12]}",
    )
