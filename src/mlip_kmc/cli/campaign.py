"""`mlip-kmc campaign`: explore, and repair the potential wherever it extrapolates."""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import (
    PATH,
    Command,
    StoppedError,
    on_stop_signals,
    run_dir_option,
    write_reason,
)
from mlip_kmc.ground.errors import EXIT_HALTED, EXIT_MORE_TO_DO

if TYPE_CHECKING:
    from mlip_kmc.campaign.exploring import AkmcExplorer


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option(
    "The campaign's directory [default: the configuration's name, beside it, ending in .campaign]."
)
@click.option("--approve", is_flag=True, help="Make the labels that wait for approval.")
@click.option(
    "--until",
    type=click.Choice(["explore", "select", "label", "refit", "refresh"]),
    default=None,
    help="End after the next such step, with exit code 75.",
)
@click.option("--quiet", is_flag=True, help="Print only warnings and the result.")
@click.option(
    "--remote-workers",
    is_flag=True,
    help="Run no search in this process, but on workers that join: `mlip-kmc worker DIR/run`, on any node.",
)
@click.option(
    "--interface",
    default=None,
    help="With --remote-workers: the network interface to listen on, as ib0.",
)
@click.option(
    "--grace-s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="After SIGUSR1: how long running searches may take to finish.",
)
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
    """Explore; on a halt select, label, refit and refresh; explore again, to the target.

    CONFIG is a campaign's (docs/campaign.md; `mlip-kmc init --campaign` writes one). The same command goes on after a stop, a
    kill, or when labels are still computed (exit code 75). A campaign that does not converge ends with exit code 100 and says
    why.

    \b
    Example:  mlip-kmc campaign campaign.yaml --dir my-campaign
              mlip-kmc campaign campaign.yaml --dir my-campaign --until select
    """  # noqa: D301
    from mlip_kmc.akmc.options import Remote
    from mlip_kmc.campaign.exploring import AkmcExplorer
    from mlip_kmc.campaign.real import campaign_of
    from mlip_kmc.campaign.state import Step
    from mlip_kmc.cli.campaign_table import table_of
    from mlip_kmc.cli.display import Display
    from mlip_kmc.config import load_campaign, load_config

    if interface and not remote_workers:
        raise click.UsageError("--interface goes with --remote-workers")
    settings = load_campaign(config)
    run_settings = load_config(settings.explore)
    where = run_dir or config.with_suffix(".campaign")
    with Display(quiet=quiet, settings=run_settings) as display:
        explorer = AkmcExplorer(
            run_dir=where / "run",
            on_progress=display.progress,
            remote=Remote(interface=interface) if remote_workers else None,
            grace_s=grace_s,
        )
        _stop_on_signals(explorer, grace_s=grace_s)
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


def _stop_on_signals(explorer: "AkmcExplorer", *, grace_s: float) -> None:
    """As those of a run: Ctrl-C and SIGTERM end it at its last commit, SIGUSR1 when its searches have.

    Where nothing is searched, labels that run here end at once; a fit may go on, while SIGUSR1 comes again, for the grace.
    """
    asked_at: list[float] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if explorer.starting:
            raise StoppedError(signal.Signals(number).name)
        if explorer.stop.is_set():
            os._exit(EXIT_MORE_TO_DO)
        explorer.stop.set()

    def on_usr1(number: int, _: FrameType | None) -> None:
        if explorer.starting:
            raise StoppedError(signal.Signals(number).name)
        asked_at.append(time.monotonic())
        if explorer.exploring:
            explorer.drain.set()
        else:
            explorer.stop.set()
            if asked_at[-1] - asked_at[0] > grace_s:
                os._exit(EXIT_MORE_TO_DO)

    on_stop_signals(on_signal)
    signal.signal(signal.SIGUSR1, on_usr1)
