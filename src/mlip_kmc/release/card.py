"""The model card: one page on what the potential is good for, how well it does, and where gamma says that it is not.

Example:
    card(manifest_facts)         # model_card.html, which asks for nothing else
"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlip_kmc.release.gate import Check, Verdict
from mlip_kmc.release.manifest import GroupErrors, ProductionManifest
from mlip_kmc.report.page import GateRow
from mlip_kmc.report.words import MISSING, scientific

_TEMPLATES = Path(__file__).parent / "templates"


def card(manifest: ProductionManifest) -> str:
    """The page's text: the same manifest gives the same one."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        milli=lambda value: f"{1e3 * value:.3g}",
        angstrom=in_angstrom,
        capitalize_first=lambda text: text[:1].upper() + text[1:],
    )
    references = [check for check in manifest.checks if check.reference is not None]
    sources = list(dict.fromkeys(check.source for check in references if check.source))
    open_checks = [check for check in manifest.checks if check.verdict is not Verdict.PASSED]
    return environment.get_template("card.html.j2").render(
        m=manifest,
        date=manifest.creation_date.strftime("%Y-%m-%d"),
        open_checks=open_checks,
        references=references,
        sources=sources,
        groups=_groups(manifest),
        passed=sum(check.verdict is Verdict.PASSED for check in manifest.checks),
    )


def gate_rows(checks: tuple[Check, ...]) -> tuple[GateRow, ...]:
    """The checks in words."""
    return tuple(
        GateRow(
            name=check.name,
            about=in_angstrom(check.about),
            verdict=str(check.verdict),
            unit=in_angstrom(check.unit),
            number=scientific(check.number),
            limit=MISSING if check.limit is None else scientific(check.limit),
            remark="; ".join(
                filter(
                    None,
                    (
                        in_angstrom(check.detail or ""),
                        _of_source(check),
                        check.because and f"allowed because {check.because}",
                    ),
                )
            ),
        )
        for check in checks
    )


def _of_source(check: Check) -> str | None:
    """Where the reference is from; of limits that the settings give, why."""
    return check.source and f"{'limit' if check.reference is None else 'reference'}: {check.source}"


def in_angstrom(text: str) -> str:
    """A line of ours as a page shows it."""
    return re.sub(r"\bA\b(?=$|[ ,;)/])", "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}", text)


def _groups(
    manifest: ProductionManifest,
) -> list[tuple[str, GroupErrors | None, GroupErrors | None]]:
    """By group: errors of the training set, and of the validation set."""
    found: dict[str, dict[str, GroupErrors]] = {}
    for row in manifest.errors_by_group:
        found.setdefault(row.group, {})[row.set] = row
    return [(group, sets.get("training"), sets.get("validation")) for group, sets in found.items()]
