"""Errors on structures that the potential was not fitted to, against what the settings allow for each group.

Example:
    check = validation_check(metrics, errors, limits=settings.validation_limits)

How large an error may be depends on what the potential is for, so the limits come with their reasons; without any the check is
not made, and does not pass.
"""

from collections.abc import Mapping

import numpy as np

from mlip_kmc.release.gate import LIMITS, Check, Verdict, measured, not_tested
from mlip_kmc.release.manifest import ValidationMetrics
from mlip_kmc.release.settings import ErrorLimit
from mlip_kmc.release.training import ANY_GROUP, SetErrors


def validation_check(
    metrics: ValidationMetrics | None,
    errors: Mapping[str, SetErrors],
    *,
    limits: Mapping[str, ErrorLimit],
    shared: int = 0,
    from_set: bool = True,
) -> Check:
    """Are the errors on structures that the potential was not fitted to as small as the settings say they must be?

    Args:
        metrics: of all of them together; None where there are none.
        errors: by group; of `all` where only the record tells of some.
        limits: by group, `all` for groups without one of their own.
        shared: how many of these structures are in the training set, too.
        from_set: they are of a set; else of the record, which does not know groups.
    """
    about = "errors on structures that the potential was not fitted to, the worst as a part of its limit"
    unknown = sorted(set(limits) - set(errors) - {ANY_GROUP})
    without = [group for group in errors if limit_of(group, limits) is None]
    if metrics is None:
        why = "there is no validation set, and no record that tells of one"
    elif not limits:
        why = "no limits are given: set release.validation_limits"
    elif unknown and set(errors) == {ANY_GROUP} and not from_set:
        why = "limits are by group, and the record tells of all structures together: set release.validation_set"
    elif unknown:
        why = f"release.validation_limits names {', '.join(unknown)}; the validation set has {', '.join(errors)}"
    elif without:
        why = f"release.validation_limits has no limit of {', '.join(without)}, and none of {ANY_GROUP}"
    else:
        share, detail, reason = worst_error(errors, limits)
        found = measured(
            "validation",
            share,
            limit=LIMITS["validation"],
            unit="",
            about=about,
            source=reason,
            detail=f"{detail}; {metrics.structures} structures, from {metrics.source}",
        )
        if not shared:
            return found
        why = f"{shared} of {metrics.structures} structures are in the training set, too"
        return found.model_copy(update={"verdict": Verdict.FAILED, "number": None, "detail": why})
    return not_tested("validation", about=about, why=why)


def limit_of(group: str, limits: Mapping[str, ErrorLimit]) -> ErrorLimit | None:
    """A group's own limit, else that of all groups."""
    return limits.get(group, limits.get(ANY_GROUP))


def worst_error(
    errors: Mapping[str, SetErrors], limits: Mapping[str, ErrorLimit]
) -> tuple[float, str, str]:
    """The largest part that an error is of its limit, which that is, and why its limit is what it is.

    Args:
        errors: by group, finite.
        limits: at least one for each of them.
    """
    found = []
    for group, error in errors.items():
        limit = limit_of(group, limits)
        if limit is None:
            raise ValueError(f"there is no limit of {group}")
        energy_meV = 1e3 * error.energy_eV_per_atom
        found += [
            (
                energy_meV / limit.energy_meV_per_atom,
                f"energy of {group}: {energy_meV:.3g} of {limit.energy_meV_per_atom:g} meV/atom",
                limit.reason,
            ),
            (
                error.force_eV_per_A / limit.force_eV_per_A,
                f"forces of {group}: {error.force_eV_per_A:.3g} of {limit.force_eV_per_A:g} eV/A",
                limit.reason,
            ),
        ]
    return max(found, key=lambda entry: np.inf if np.isnan(entry[0]) else entry[0])
