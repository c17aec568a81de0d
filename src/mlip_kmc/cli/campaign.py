"""`mlip-kmc campaign`: explore, and on a halt choose what to label."""

import sys
from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command, release_option, run_dir_option
from mlip_kmc.cli.run import stop_on_signals


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option(
    "The campaign's directory [default: the configuration's name, beside it, ending in .campaign]."
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=None,
    help="The largest number of structures to label.",
)
@release_option
@click.option("--quiet", is_flag=True, help="Print only warnings and the result.")
def campaign(
    config: Path,
    run_dir: Path | None,
    most: int | None,
    release: Path | None,
    quiet: bool,  # noqa: FBT001
) -> None:
    """Explore with CONFIG; on a halt, choose the structures to label. The same command goes on.

    Labels, refits and the refresh of rates are done by hand today: the command then ends with 100 and says what waits where.

    \b
    Example:  mlip-kmc campaign akmc.yaml --dir my-campaign
    """  # noqa: D301
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.campaign.loop import Campaign
    from mlip_kmc.cli.display import Display
    from mlip_kmc.cli.release import deployer_of
    from mlip_kmc.config import load_config

    settings = load_config(config)
    where = run_dir or config.with_suffix(".campaign")
    with Display(quiet=quiet, settings=settings) as display:
        wrapper = EonWrapper(settings, run_dir=where / "run", on_progress=display.progress)
        stop_on_signals(wrapper)
        ending = Campaign(
            settings,
            directory=where,
            most=most,
            wrapper=wrapper,
            deployer=deployer_of(release),
        ).run()
        if ending.result is not None:
            display.result(ending.result)
    click.echo(ending.line)
    sys.exit(ending.exit_code)
