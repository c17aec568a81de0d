"""Whether a generation is accepted: no worse on the fixed test set, physically sound, and calmer where the last one halted.

verdict = judge(candidate, present, test=test, halted=frames, first_errors=errors, section=section, select=3.0)
verdict.accepted, [reason.line for reason in verdict.reasons]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms

from mlip_kmc.campaign.barriers import compare
from mlip_kmc.campaign.physics import physical_checks
from mlip_kmc.config.campaign import AcceptSection, ConfirmSection
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import plain
from mlip_kmc.learning.errors import Errors, errors_on, whole_calculator
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential
from mlip_kmc.release.gate import Check, sentence
from mlip_kmc.release.gate import Verdict as CheckVerdict

USUAL = ConfirmSection()


class Refusal(StrEnum):
    """Why a generation is not accepted."""

    ENERGIES = "energies"
    """Errors of energies on the test set are above a limit."""
    FORCES = "forces"
    """Errors of forces on the test set are above a limit."""
    PHYSICS = "physics"
    """A physical check failed."""
    NOT_CALMER = "not-calmer"
    """The largest gamma of the structures that were halted on did not fall."""
    NOT_CALM = "not-calm"
    """It fell, but reaches the select threshold still."""
    BARRIERS = "barriers"
    """Barriers, or forces at saddles, that were to be mended are beyond the limits still."""


@dataclass(frozen=True)
class Reason:
    """One reason.

    Attributes:
        refusal: its kind.
        line: in words, with the numbers.
        check: the physical check's name; empty for other kinds.
    """

    refusal: Refusal
    line: str
    check: str = ""


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        reasons: why it is not accepted; none where it is.
        errors_before, errors_after: on the test set, of the present potential and of the candidate; None without a test set.
        gamma_before, gamma_after: largest of the structures that were halted on; None where there are none.
        checks: the physical ones.
    """

    reasons: tuple[Reason, ...]
    errors_before: Errors | None
    errors_after: Errors | None
    gamma_before: float | None
    gamma_after: float | None
    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons


def judge(
    candidate: AcePotential,
    present: AcePotential,
    *,
    test: Sequence[LabelledStructure],
    halted: Sequence[Atoms],
    first_errors: Errors | None,
    section: AcceptSection,
    select: float,
    barriers: Sequence[LabelledStructure] = (),
    confirm: ConfirmSection = USUAL,
    programs: bool = True,
) -> Verdict:
    """Compare a candidate with the present potential.

    Args:
        candidate: the fitted one.
        present: what it is to replace.
        test: the fixed test set; empty where there is none.
        halted: the structures that the present one was halted on.
        first_errors: of generation 0 on the test set; None where there is none: only limits in the section hold then.
        section: limits.
        select: no gamma of `halted` may reach it.
        barriers: saddles and minima that the present one did not have right.
        confirm: limits of these.
        programs: compare with eOn's client and LAMMPS, too.

    Raises:
        StructureError: a potential does not know an element. ProgramError: eOn's client or LAMMPS is missing.
    """
    before = errors_on(present, test) if test else None
    after = errors_on(candidate, test) if test else None
    gammas = [_largest_gamma(potential, halted) for potential in (present, candidate)]
    probe = next(iter([*halted, *(one.atoms for one in (*barriers, *test))]), None)
    checks = (
        () if probe is None else physical_checks(candidate, present, probe=probe, programs=programs)
    )
    reasons = [
        *_error_reasons(after, first_errors, section),
        *(
            Reason(Refusal.PHYSICS, sentence(check), check.name)
            for check in checks
            if check.verdict is CheckVerdict.FAILED
        ),
        *_gamma_reasons(gammas[0], gammas[1], select),
        *_barrier_reasons(candidate, barriers, confirm),
    ]
    return Verdict(
        reasons=tuple(reasons),
        errors_before=before,
        errors_after=after,
        gamma_before=gammas[0],
        gamma_after=gammas[1],
        checks=checks,
    )


def _largest_gamma(potential: AcePotential, frames: Sequence[Atoms]) -> float | None:
    if not frames:
        return None
    grade = Extrapolation.of(potential)
    if grade is None:
        raise PotentialError(f"{potential.yace} has no active set, so its gamma is not known")
    return float(np.max([grade.gamma_of(atoms).max() for atoms in frames]))


def _error_reasons(
    after: Errors | None, first: Errors | None, section: AcceptSection
) -> list[Reason]:
    if after is None:
        return []
    found = []
    kinds = (
        (
            Refusal.ENERGIES,
            "energies",
            "meV/atom",
            after.energy_rmse_eV_per_atom,
            first.energy_rmse_eV_per_atom if first else None,
            section.good_energy_rmse_eV_per_atom,
            section.energy_rmse_eV_per_atom,
        ),
        (
            Refusal.FORCES,
            "forces",
            "meV/A",
            after.force_rmse_eV_per_A,
            first.force_rmse_eV_per_A if first else None,
            section.good_force_rmse_eV_per_A,
            section.force_rmse_eV_per_A,
        ),
    )
    for refusal, what, unit, error, was, good, most in kinds:
        relative = None if was is None else max(was * (1.0 + section.worse_at_most), good)
        limits = [limit for limit in (relative, most) if limit is not None]
        if error is None or all(error <= limit for limit in limits):
            continue
        found.append(
            Reason(
                refusal,
                f"the error of {what} on the test set is {plain(1e3 * error)} {unit}, allowed "
                f"{plain(1e3 * min(limits)) if limits else 'any number'}"
                + ("" if was is None else f" ({plain(1e3 * was)} in generation 0)"),
            )
        )
    return found


def _barrier_reasons(
    candidate: AcePotential, structures: Sequence[LabelledStructure], confirm: ConfirmSection
) -> list[Reason]:
    minima = {one.minimum for one in structures}
    known = {one.name: one for one in structures}
    calculator = whole_calculator(candidate) if structures else None
    found = [
        compare(
            one.name,
            saddle=one,
            minimum=known.get(one.minimum),
            calculator=calculator,
        )
        for one in structures
        if one.name not in minima
    ]
    return [
        Reason(Refusal.BARRIERS, fault) for compared in found for fault in compared.faults(confirm)
    ]


def _gamma_reasons(before: float | None, after: float | None, select: float) -> list[Reason]:
    if before is None or after is None:
        return []
    if not after < before:
        return [
            Reason(
                Refusal.NOT_CALMER,
                f"the largest gamma of the structures that were halted on is {plain(after)}, not less than the "
                f"{plain(before)} before",
            )
        ]
    if not after < select:
        return [
            Reason(
                Refusal.NOT_CALM,
                f"the largest gamma of the structures that were halted on is {plain(after)} ({plain(before)} before), "
                f"still not below {select:g}",
            )
        ]
    return []
