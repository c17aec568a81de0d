"""`mlip-kmc refresh`: carry a run over to another potential."""

from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command, run_dir_option


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option("The run directory [default: the configuration's name, beside it, ending in .run].")
def refresh(config: Path, run_dir: Path | None) -> None:
    """Carry a run over to the potential that CONFIG names now.

    Clock and trajectory stay. All states are minimised again, and their processes wait: the next visit of a state searches from
    its old saddles first, then on until it is confident again. `mlip-kmc run CONFIG` goes on afterwards.

    \b
    Example:  mlip-kmc refresh akmc.yaml --dir my-run
    """  # noqa: D301
    from mlip_kmc.akmc.refresh import Refresh
    from mlip_kmc.config import load_config
    from mlip_kmc.potential.inputs import inputs_of

    settings = load_config(config)
    where = run_dir or config.with_suffix(".run")
    click.echo(Refresh(settings, run_dir=where).go(*inputs_of(settings)).line)
