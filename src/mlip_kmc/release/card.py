"""The model card: one page on what the potential is good for, how well it does, and where gamma says that it is not.

    card(manifest_facts)         # model_card.html, which asks for nothing else
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mlip_kmc.release.gate import Check, Verdict
from mlip_kmc.release.manifest import ProductionManifest
from mlip_kmc.report import GateRow

_TEMPLATES = Path(__file__).parent / "templates"


def card(manifest: ProductionManifest) -> str:
    """The page's text: the same manifest gives the same one."""
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["milli"] = lambda value: f"{1e3 * value:.3g}"
    open_checks = [check for check in manifest.checks if check.verdict is not Verdict.PASSED]
    return environment.get_template("card.html.j2").render(
        m=manifest, date=manifest.creation_date.strftime("%Y-%m-%d"), open_checks=open_checks,
        references=[row for check, row in zip(manifest.checks, gate_rows(manifest.checks), strict=True) if check.source],
        passed=sum(check.verdict is Verdict.PASSED for check in manifest.checks),
    )


def gate_rows(checks: tuple[Check, ...]) -> tuple[GateRow, ...]:
    """The checks in words."""
    return tuple(GateRow(
        name=check.name, about=check.about, verdict=str(check.verdict),
        number="–" if check.number is None else _with_unit(check.number, check.unit),  # noqa: RUF001
        limit="–" if check.limit is None else _with_unit(check.limit, check.unit),  # noqa: RUF001
        remark="; ".join(filter(None, (check.detail, check.source and f"reference: {check.source}",
                                       check.because and f"allowed because {check.because}"))),
    ) for check in checks)


def _with_unit(number: float, unit: str) -> str:
    return f"{number:.3g}{f' {unit}' if unit else ''}"
