"""Does a manifest agree with itself? Every verdict is computed again, from its number and its limit, and compared.

Example:
    refuse_contradictions(manifest)          # ReleaseError: the check c11 passed, but its number 5 is above its limit 0.001

A signature says who let a release out, not that what it says can be so.
"""

import math
from collections.abc import Callable, Iterator

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.release.gate import CHECKS, LIMITS, Check, Verdict, rounded
from mlip_kmc.release.manifest import FirstManifest, GroupErrors, Manifest, ProductionManifest
from mlip_kmc.release.training import ANY_GROUP, SetErrors
from mlip_kmc.release.validation import worst_error

_SHOWN = 1e-2
"""Relative: numbers have three digits,"""
_VALUES = 1e-4
"""and the potential's values five."""


def refuse_contradictions(manifest: Manifest) -> None:
    """Refuse a manifest that cannot be right, whoever signed it.

    Raises:
        ReleaseError: the first contradiction, one line.
    """
    for said in contradictions(manifest):
        raise ReleaseError(f"the manifest contradicts itself: {said}")


def contradictions(manifest: Manifest) -> Iterator[str]:
    """What does not fit together, one line each."""
    names = tuple(check.name for check in manifest.checks)
    if names != CHECKS:
        missing = [name for name in CHECKS if name not in names]
        yield (
            f"its gate lacks {', '.join(missing)}"
            if missing
            else f"its gate has {len(names)} checks, a release has these "
            f"{len(CHECKS)} in their order: {', '.join(CHECKS)}"
        )
    for check in manifest.checks:
        yield from _of_check(check, manifest)
    if not manifest.gamma.select < manifest.gamma.halt:
        yield f"gamma.select {manifest.gamma.select:g} is not less than gamma.halt {manifest.gamma.halt:g}"
    if isinstance(manifest, ProductionManifest):
        yield from _of_validation(manifest)


def _of_check(check: Check, manifest: Manifest) -> Iterator[str]:
    allowed = check.because is not None
    if allowed == (check.verdict is Verdict.PASSED):
        yield f"the check {check.name} is {check.verdict}, and was{'' if allowed else ' not'} allowed not to pass"
    if check.verdict is Verdict.NOT_TESTED:
        if not (check.number is None and check.value is None):
            yield f"the check {check.name} is not tested, and has a number"
        return
    if check.limit is None:
        if not _needs_no_limit(check, manifest):
            yield f"the check {check.name} {check.verdict}, and tells no limit"
        return
    if check.name in LIMITS and check.limit != LIMITS[check.name]:
        yield f"the check {check.name} has the limit {check.limit:g}, a release has {LIMITS[check.name]:g}"
    within = check.number is not None and check.number <= check.limit
    if within != (check.verdict is Verdict.PASSED):
        number = "none" if check.number is None else f"{check.number:g}"
        yield f"the check {check.name} {check.verdict}, but its number is {number} and its limit {check.limit:g}"
    yield from _of_reference(check)
    if check.name == "image" and within and manifest.image.sha256 is None:
        yield "the check image passed, but the image's digest is not known"


def _needs_no_limit(check: Check, manifest: Manifest) -> bool:
    """Checks that had nothing to measure; in the first format those, too, that could not fail."""
    metrics = manifest.validation_metrics
    rules: dict[str, Callable[[], bool]] = {
        "baseline": lambda: manifest.baseline is None and check.number is None
    }
    if isinstance(manifest, FirstManifest):
        rules |= {
            "image": lambda: manifest.image.sha256 is not None and check.number is None,
            "validation": lambda: (
                metrics is not None and check.number == metrics.force_rmse_eV_per_A
            ),
        }
    return check.verdict is Verdict.PASSED and check.name in rules and rules[check.name]()


def _of_reference(check: Check) -> Iterator[str]:
    """The number is the distance of the potential's value from the reference."""
    if check.reference is None or check.name in LIMITS:
        if check.name not in LIMITS:
            yield f"the check {check.name} tells no reference"
        return
    if check.value is None or check.number is None:
        if check.value is not check.number:
            yield f"the check {check.name} tells only one of value and number"
        return
    apart = abs(check.value - check.reference)
    if not math.isclose(
        apart, check.number, rel_tol=_SHOWN, abs_tol=_VALUES * abs(check.value) + 1e-9
    ):
        yield f"the check {check.name} tells of {check.number:g} between {check.value:g} and {check.reference:g}"


def _of_validation(manifest: ProductionManifest) -> Iterator[str]:
    check = next((check for check in manifest.checks if check.name == "validation"), None)
    if check is None or check.number is None or check.limit is None:
        return
    metrics = manifest.validation_metrics
    rows = [row for row in manifest.errors_by_group if row.set == "validation"]
    if metrics is None:
        yield "the check validation has a number, and there are no errors"
        return
    errors = {row.group: _errors(row) for row in rows} or {
        ANY_GROUP: SetErrors(
            structures=metrics.structures,
            energy_eV_per_atom=metrics.energy_rmse_eV_per_atom,
            force_eV_per_A=metrics.force_rmse_eV_per_A,
        )
    }
    try:
        worst = rounded(worst_error(errors, manifest.validation_limits)[0], check.limit)
    except ValueError as error:
        yield f"the check validation has a number, and {error}"
        return
    if not math.isclose(worst, check.number, rel_tol=1e-9):
        yield f"the check validation tells of {check.number:g} of its limit, its errors and limits of {worst:g}"


def _errors(row: GroupErrors) -> SetErrors:
    return SetErrors(
        structures=row.structures,
        energy_eV_per_atom=row.energy_rmse_eV_per_atom,
        force_eV_per_A=row.force_rmse_eV_per_A,
    )
