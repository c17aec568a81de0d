"""The gate: a release is refused unless every check has passed, or is allowed not to, with a reason.

Example:
    checks = pass_gate(checks, allowed={"barrier": "no barrier of this surface is published"})

A check is a number, its limit, and a verdict. What was not tested does not pass. Checks, and reasons, go into the manifest and
the report.
"""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mlip_kmc.config.eon_schema import closest
from mlip_kmc.config.sections import Section
from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.release.settings import Line

CHECKS = (
    "forces",
    "rotation",
    "translation",
    "permutation",
    "cutoff",
    "baseline",
    "paths",
    "gamma",
    "lattice-constant",
    "c11",
    "c12",
    "c44",
    "vacancy",
    "barrier",
    "halts",
    "training-set",
    "validation",
    "image",
)
"""All of them, in the order in which they are made."""
LIMITS = {
    "forces": 1e-3,
    "rotation": 1e-6,
    "translation": 1e-6,
    "permutation": 1e-6,
    "cutoff": 1e-3,
    "baseline": 1e-3,
    "paths": 1e-8,
    "gamma": 1e-4,
    "halts": 0.0,
    "training-set": 0.0,
    "validation": 1.0,
    "image": 0.0,
}
"""What `number` may not be above, in the check's own unit; those of reference values are the settings' tolerances.

`forces`, `cutoff` and `baseline` in eV/A: a tenth of the force at which saddles are converged. `rotation` and the like in eV and
eV/A: the arithmetic differs by 1e-11 in a good potential, by 1e-4 and more in one that knows its axes. `paths` in eV and eV/A.
`gamma` of the larger one: python-ace and LAMMPS agree to 2e-6. `validation` as a part of the limits that the settings give."""
FLOOR = 1e-9
"""Differences below are the arithmetic's: they change from one processor to the next, and are not told apart."""


_LONGEST = 400


class Verdict(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTED = "not tested"


class Check(Section):
    """The outcome of one check."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    """What `--allow` takes."""
    about: Line
    """What was compared, in one line."""
    verdict: Verdict
    number: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """What was found, to three digits; null where nothing was, or it is not finite."""
    limit: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """`number` may not be above."""
    unit: str = ""
    """Of number, limit, value and reference."""
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """What the potential gives, where that is compared with a reference; `number` is then the distance."""
    reference: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """What it was compared with."""
    detail: Line | None = None
    """More of what was found, or why nothing was."""
    source: Line | None = None
    """Of the value that was compared with."""
    because: Line | None = None
    """Why the release went out although this did not pass."""


def measured(
    name: str,
    number: float,
    *,
    limit: float,
    unit: str,
    about: str,
    detail: str | None = None,
    source: str | None = None,
) -> Check:
    """A check that was made: passed if the number is finite and not above its limit."""
    finite = math.isfinite(number)
    return Check(
        name=name,
        about=about,
        verdict=Verdict.PASSED if finite and number <= limit else Verdict.FAILED,
        number=rounded(number, limit) if finite else None,
        limit=limit,
        unit=unit,
        source=source,
        detail="the number is not finite"
        if not finite
        else detail
        if abs(number) > FLOOR or not limit
        else None,
    )


def rounded(number: float, limit: float) -> float:
    """Three digits; on the side of the limit where the number is."""
    shown = float(f"{max(number, FLOOR) if number > 0.0 else number:.3g}")
    return shown if (shown <= limit) == (number <= limit) else number


def not_tested(name: str, *, about: str, why: str) -> Check:
    """A check that could not be made."""
    return Check(
        name=name,
        about=about,
        verdict=Verdict.NOT_TESTED,
        detail=" ".join(why.split())[:_LONGEST],
    )


def check_allowed(names: Iterable[str]) -> None:
    """Refuse to allow what is no check.

    Raises:
        ReleaseError: a name is of none; the closest one is named.
    """
    for name in names:
        if name not in CHECKS:
            raise ReleaseError(
                f"there is no check {name!r} to allow; {closest(name, CHECKS, 'there are ' + ', '.join(CHECKS))}"
            )


def pass_gate(checks: Iterable[Check], *, allowed: Mapping[str, str]) -> tuple[Check, ...]:
    """The checks, with the reasons of those that are allowed not to pass.

    Args:
        checks: all that were made.
        allowed: name of a check: why it need not pass.

    Raises:
        ReleaseError: one has not passed; a line for each, with its number.
    """
    marked = tuple(
        check.model_copy(update={"because": allowed[check.name]})
        if check.name in allowed and check.verdict is not Verdict.PASSED
        else check
        for check in checks
    )
    refused = [
        check for check in marked if check.verdict is not Verdict.PASSED and check.because is None
    ]
    if refused:
        raise ReleaseError(
            "\n".join(
                f"no release: {sentence(check)}; mend that, or give its reason to "
                f"`mlip-kmc release build --allow {check.name} --because TEXT`"
                for check in refused
            )
        )
    return marked


def sentence(check: Check) -> str:
    """A check in one line: its verdict, its number, what is allowed."""
    if check.verdict is Verdict.NOT_TESTED:
        return f"{check.name} is not tested ({check.detail})"
    unit = f" {check.unit}" if check.unit else ""
    parts = [
        check.about,
        "" if check.number is None else f": {check.number:g}{unit}",
        "" if check.limit is None else f", allowed {check.limit:g}",
        f" ({check.detail})" if check.detail else "",
    ]
    return f"{check.name} {check.verdict}: {''.join(parts)}"
