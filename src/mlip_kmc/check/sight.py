"""Whether the active set sees: what it rests on, and whether structures that are outside by construction reach `gamma.halt`.

Example:
    findings, _ = eyesight(minimum, potential, thresholds=config.gamma)
    findings, _ = rests_on(potential, Path("train.xyz"))
"""

from pathlib import Path

from ase import Atoms

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.config import GammaSection
from mlip_kmc.evaluate.eyesight import Look, look_around
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.wording import plain
from mlip_kmc.learning.active_set_maker import support_of
from mlip_kmc.learning.training_set import read_training
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.active_set import ActiveSet
from mlip_kmc.potential.basis import BBasis

_ADVICE = (
    "searches would not halt there: unless the training set holds such structures, make the active set again from more of "
    "them, or by `mlip-kmc potential activeset --complete` (docs/selection.md)"
)


def eyesight(
    atoms: Atoms, potential: AcePotential, *, thresholds: GammaSection
) -> tuple[list[Finding], bool]:
    """Structures outside by construction, made from one that the run begins with.

    Args:
        atoms: state 0, or the structure as given.
        potential: the run's.
        thresholds: the run's.
    """
    grade = Extrapolation.of(potential)
    if grade is None:
        return [Finding("eyesight", Level.UNKNOWN, "gamma is unknown: no search would halt")], False
    looks = look_around(atoms, potential, grade=grade)
    blind = {
        f"{look.name}, {element}": gamma
        for look in looks
        for element, gamma in look.blind(halt=thresholds.halt).items()
    }
    values: dict[str, Value] = {
        "halt": thresholds.halt,
        "least_gamma": min(
            (gamma for look in looks for gamma in look.gammas.values()), default=None
        ),
        "blind": tuple(blind),
    }
    text = "; ".join(map(_said, looks))
    if not blind:
        return [Finding("eyesight", Level.OK, f"gamma {text}", values=values)], True
    names = ", ".join(f"{plain(gamma)} with {name}" for name, gamma in blind.items())
    return [
        Finding(
            "eyesight",
            Level.WARN,
            f"gamma does not reach {thresholds.halt:g} (gamma.halt) outside: {names} (all: {text})",
            advice=_ADVICE,
            values=values,
        )
    ], True


def _said(look: Look) -> str:
    if look.why_not:
        return f"{look.name} not tried ({look.why_not})"
    return f"{', '.join(f'{plain(gamma)} of {element}' for element, gamma in look.gammas.items())} with {look.name}"


def rests_on(potential: AcePotential, training: Path | None) -> tuple[list[Finding], bool]:
    """The active set's rank and condition, and, where the training set is named, how many independent environments it holds.

    Raises:
        PotentialError: the active set cannot be used. StructureError: the training set cannot be read.
    """
    grade = Extrapolation.of(potential)
    if grade is None or potential.basis is None or potential.active_set is None:
        return [Finding("active set", Level.UNKNOWN, "there is none: gamma is unknown")], False
    ranks = ActiveSet.read(potential.active_set, basis=BBasis.read(potential.basis)).ranks
    values: dict[str, Value] = {
        "condition": max(rank.condition for rank in ranks.values()),
        "independent": tuple(float(rank.independent) for rank in ranks.values()),
    }
    text = ", ".join(
        f"{rank.independent} of {rank.functions} directions of {element} (condition {rank.condition:.1e})"
        for element, rank in ranks.items()
    )
    if training is None:
        return [Finding("active set", Level.OK, f"full rank: {text}", values=values)], True
    support = support_of(grade, read_training(training))
    values |= {
        "training_gamma": support.largest_gamma,
        "environments": tuple(float(rank.independent) for rank in support.ranks.values()),
    }
    short = [element for element, rank in support.ranks.items() if not rank.full]
    text += f"; the training set: {'; '.join(support.lines)}, largest gamma {plain(support.largest_gamma)}"
    if not support.belongs:
        return [
            Finding(
                "active set",
                Level.WARN,
                text,
                values=values,
                advice=(
                    "a gamma above 1 in the training set: the active set was made from another one, or from a part of it"
                ),
            )
        ], True
    return [
        Finding(
            "active set",
            Level.WARN if short else Level.OK,
            text,
            values=values,
            advice=(
                f"{' and '.join(short)}: the rest was completed by small rows, and gamma is huge there; searches will halt often"
                if short
                else ""
            ),
        )
    ], True
