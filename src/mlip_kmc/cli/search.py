"""`mlip-kmc search`: process searches of the starting state, and no KMC step."""

import sys
from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command, exit_code, run_dir_option, stop_on_signals


@click.command(cls=Command)
@click.argument("config", type=PATH)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Searches in all; a larger number later adds to them.",
)
@run_dir_option("The run directory [default: the configuration's name, beside it, ending in .run].")
@click.option("--quiet", is_flag=True, help="Print only warnings and the result.")
def search(config: Path, count: int, run_dir: Path | None, quiet: bool) -> None:  # noqa: FBT001
    """Search processes of CONFIG's structure, without KMC steps.

    The searches are the first of the run itself: `mlip-kmc run` with the same configuration and directory goes on from them.

    \b
    Example:  mlip-kmc search akmc.yaml -n 20 --dir my-run
    """  # noqa: D301
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.cli.display import Display
    from mlip_kmc.config import load_config
    from mlip_kmc.potential.inputs import inputs_of

    settings = load_config(config)
    potential, structure = inputs_of(settings)
    with Display(quiet=quiet, settings=settings, searches=count) as display:
        wrapper = EonWrapper(
            settings,
            run_dir=run_dir or config.with_suffix(".run"),
            on_progress=display.progress,
            signals=stop_on_signals(),
        )
        result = wrapper.search(potential, structure, count=count)
        display.result(result)
    sys.exit(exit_code(result))
