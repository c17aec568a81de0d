"""`mlip-kmc check`: what can be known before a run, a line for each finding, or one JSON object."""

import json
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command, on_stop_signals, run_dir_option

if TYPE_CHECKING:
    from rich.console import Console

    from mlip_kmc.check import Finding

_MARK_WIDTH, _NAME_WIDTH = 9, 12
_STYLES = {
    "ok": "green",
    "warn": "yellow",
    "FAIL": "bold red",
    "unknown": "cyan",
    "not done": "cyan",
}
_NARROWEST = 50


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option("The run directory that is meant; its disk is looked at [default: as for run].")
@click.option(
    "--searches",
    type=click.IntRange(min=0),
    default=4,
    show_default=True,
    help="Process searches to try; 0 for none.",
)
@click.option(
    "--pilot",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Pilot searches with each of some displacements, for a proposal; 0 for none.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object (docs/check.md) instead of lines.",
)
def check(config: Path, run_dir: Path | None, searches: int, pilot: int, as_json: bool) -> None:  # noqa: FBT001
    """See, in about a minute, whether the run of CONFIG is ready to start. Nothing is written but in scratch.

    \b
    Example:  mlip-kmc check akmc.yaml
              mlip-kmc check akmc.yaml --searches 40      a better estimate of the cost
              mlip-kmc check akmc.yaml --pilot 10         which displacement takes the fewest force calls

    \b
    Exit codes:  0 nothing fails   others: as `run` would end, from the first line marked FAIL
    """  # noqa: D301
    on_stop_signals(signal.default_int_handler)  # what is in scratch is removed then, too
    from mlip_kmc.check import examine, exit_code_of, report, verdict
    from mlip_kmc.config import load_config

    settings = load_config(config)
    where = run_dir or config.with_suffix(".run")
    if as_json:
        findings = examine(settings, run_dir=where, searches=searches, pilot=pilot)
        click.echo(json.dumps(report(findings, config=config), indent=2))
        sys.exit(exit_code_of(findings))
    lines = Lines()
    with lines.console.status("") as status:
        findings = examine(
            settings,
            run_dir=where,
            searches=searches,
            pilot=pilot,
            on_finding=lines.show,
            on_doing=lambda what: status.update(f"{what} ..."),
        )
    lines.console.print(f"\n{verdict(findings)}", markup=False, style="bold")
    sys.exit(exit_code_of(findings))


class Lines:
    """Prints findings: wrapped under their own column in a terminal, one whole line each elsewhere."""

    def __init__(self, console: "Console | None" = None) -> None:
        """Where to print; the terminal's own console where None."""
        from rich.console import Console

        self.console = console or Console(
            highlight=False, soft_wrap=True, markup=False, emoji=False
        )

    def show(self, finding: "Finding") -> None:
        """Print one finding."""
        from rich.text import Text

        width = max(self.console.width, _NARROWEST) if self.console.is_terminal else None
        for number, line in enumerate(finding_lines(finding, width=width)):
            text = Text(line)
            if number == 0:
                text.stylize(_STYLES[finding.level], 0, _MARK_WIDTH)
            self.console.print(text)


def finding_lines(finding: "Finding", *, width: int | None) -> Iterator[str]:
    """A finding as lines: its mark, its name, its text; what to do follows on a line of its own, or after `->`.

    Args:
        finding: to be shown.
        width: of the terminal in characters; None for one line without end.
    """
    head = f"{finding.level:<{_MARK_WIDTH}}{finding.name:<{_NAME_WIDTH}} "
    if width is None:
        yield head + finding.text + (f" -> {finding.advice}" if finding.advice else "")
        return
    indent = " " * len(head)
    yield from textwrap.wrap(
        finding.text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    )
    if finding.advice:
        yield from textwrap.wrap(
            finding.advice,
            width,
            initial_indent=indent[:-3] + "-> ",
            subsequent_indent=indent,
            break_on_hyphens=False,
        )
