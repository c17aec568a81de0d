"""The extrapolation grade at the start of a run: of state 0, and whether the active set sees at all.

minimised = graded(minimum, minimised, potential, thresholds=config.gamma, halts=run / "halts")
log_sight(minimum, potential, config)
"""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.config import AcePotentialSection, Config, GammaSection
from mlip_kmc.evaluate.eyesight import blind_lines, look_around
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.wording import plain
from mlip_kmc.learning.active_set_maker import support_of
from mlip_kmc.learning.training_set import read_training
from mlip_kmc.model.frames import KeptFrame, Kind, Stage, write_kept_frame
from mlip_kmc.model.records import Minimised
from mlip_kmc.potential import AcePotential, Potential, ace_of

_log = logging.getLogger(__name__)


def graded(
    minimum: Atoms,
    minimised: Minimised,
    potential: Potential,
    *,
    thresholds: GammaSection,
    halts: Path,
) -> Minimised:
    """The report with gamma; the structure is kept in the directory of halts if it is worth labelling."""
    return replace(minimised, gamma=kept(minimum, potential, thresholds=thresholds, halts=halts))


def kept(
    atoms: Atoms, potential: Potential, *, thresholds: GammaSection, halts: Path
) -> float | None:
    """The largest gamma of a structure to begin with, which is kept among the halts if it is worth labelling."""
    grade = Extrapolation.of(potential)
    if grade is None:
        return None
    gammas = grade.gamma_of(atoms)
    largest = float(np.max(gammas))
    if thresholds.reaches_select(largest):
        kind = Kind.HALT if thresholds.reaches_halt(largest) else Kind.CANDIDATE
        write_kept_frame(
            halts,
            KeptFrame(
                atoms=atoms,
                gammas=gammas,
                search=f"start_{grade.digest[:8]}",  # each potential has a start of its own
                state=0,
                stage=Stage.REACTANT,
                step=0,
                kind=kind,
                potential=grade.digest,
            ),
        )
    return largest


def log_sight(minimum: Atoms, potential: Potential, config: Config) -> None:
    """Log what the active set rests on, where its training set is named; and warn of each structure that it does not see.

    Raises:
        StructureError: the training set cannot be read.
    """
    ace, grade = ace_of(potential), Extrapolation.of(potential)
    if ace is None or grade is None:
        return
    section = config.potential
    if isinstance(section, AcePotentialSection) and section.training is not None:
        support = support_of(grade, read_training(section.training))
        _log.info("the active set rests on %s", "; ".join(support.lines))
        if not support.belongs:
            _log.warning(
                "a gamma of %s is in %s itself: the active set was made from another training set, or from a part of this "
                "one",
                plain(support.largest_gamma),
                section.training,
            )
    for look in look_around(minimum, ace, grade=grade):
        for line in blind_lines(look, halt=config.gamma.halt):
            _log.warning("%s", line)


def described_gamma(gamma: GammaSection, potential: AcePotential, minimised: Minimised) -> str:
    """What is known of gamma at a start, in one line."""
    if minimised.gamma is None:
        return (
            f"gamma is unknown (there are no .yaml and .asi with {potential.yace.name}): nothing will tell when the "
            "potential extrapolates"
        )
    return (
        f"gamma: at most {plain(minimised.gamma)} in state 0; structures from {gamma.select:g} on are remembered, searches "
        f"from {gamma.halt:g} on halted; looked at every {gamma.every} force calls"
    )
