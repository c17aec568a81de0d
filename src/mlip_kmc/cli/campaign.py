"""`mlip-kmc campaign`: explore, and repair the potential wherever it extrapolates."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import (
    PATH,
    Command,
    remote_of,
    remote_options,
    run_dir_option,
    stop_on_signals,
    write_reason,
)
from mlip_kmc.ground.errors import EXIT_HALTED, EXIT_MORE_TO_DO

if TYPE_CHECKING:
    from mlip_kmc.akmc.options import Signals


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option(
    "The campaign's directory [default: the configuration's name, beside it, ending in .campaign]."
)
@click.option("--approve", is_flag=True, help="Make the labels that wait for approval.")
@click.option(
    "--until",
    type=click.Choice(["explore", "select", "label", "refit", "refresh", "confirm"]),
    default=None,
    help="End after the next such step, with exit code 75.",
)
@click.option("--quiet", is_flag=True, help="Print only warnings and the result.")
@remote_options(run="DIR/run")
def campaign(
    config: Path,
    *,
    run_dir: Path | None,
    approve: bool,
    until: str | None,
    quiet: bool,
    remote_workers: bool,
    interface: str | None,
    grace_s: float,
) -> None:
    """Explore; on a halt select, label, refit and refresh; explore again; confirm barriers at the target.

    CONFIG is a campaign's (docs/campaign.md; `mlip-kmc init --campaign` writes one). The same command goes on after a stop, a
    kill, or when labels are still computed (exit code 75). A campaign that does not converge ends with exit code 100 and says
    why.

    \b
    Example:  mlip-kmc campaign campaign.yaml --dir my-campaign
              mlip-kmc campaign campaign.yaml --dir my-campaign --until select
    """  # noqa: D301
    from mlip_kmc.campaign.exploring import AkmcExplorer
    from mlip_kmc.campaign.real import campaign_of
    from mlip_kmc.campaign.state import Step
    from mlip_kmc.cli.campaign_table import table_of
    from mlip_kmc.cli.display import Display
    from mlip_kmc.config import load_campaign, load_config

    remote = remote_of(remote_workers=remote_workers, interface=interface)
    settings = load_campaign(config)
    run_settings = load_config(settings.explore)
    where = run_dir or config.with_suffix(".campaign")
    with Display(quiet=quiet, settings=run_settings) as display:
        explorer = AkmcExplorer(
            run_dir=where / "run",
            on_progress=display.progress,
            remote=remote,
            grace_s=grace_s,
            signals=stop_on_signals(_on_notice(grace_s)),
        )
        made = campaign_of(
            settings,
            directory=where,
            run_config=run_settings,
            explorer=explorer,
            approved=approve,
            until=None if until is None else Step(until),
        )
        ending = made.run()
        if ending.result is not None:
            display.result(ending.result)
    if ending.exit_code == EXIT_HALTED:
        click.echo(table_of(where))
    click.echo(ending.line)
    write_reason(ending.line)
    sys.exit(ending.exit_code)


def _on_notice(grace_s: float) -> "Callable[[Signals], None]":
    """What SIGUSR1 means: a run ends when its searches have.

    Where nothing is searched, labels that run here end at once; a fit may go on, while SIGUSR1 comes again, for the grace.
    """
    asked_at: list[float] = []

    def on_notice(signals: "Signals") -> None:
        asked_at.append(time.monotonic())
        if signals.exploring:
            signals.drain.set()
        else:
            signals.stop.set()
            if asked_at[-1] - asked_at[0] > grace_s:
                os._exit(EXIT_MORE_TO_DO)

    return on_notice
