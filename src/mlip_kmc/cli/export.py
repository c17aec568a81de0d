"""`mlip-kmc export`: a run's trajectory and tables, from its directory."""

from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground.wording import counted


@click.command(cls=Command)
@click.argument("run_dir", metavar="RUN", type=PATH)
@click.option(
    "--output", type=PATH, default=None, help="The folder to write to [default: RUN/results]."
)
def export(run_dir: Path, output: Path | None) -> None:
    """Write the trajectory and tables of the run in RUN anew, also while it goes on.

    Written are trajectory.xyz, events.csv, processes.csv, processes.xyz and states.csv, of the newest generation.

    \b
    Example:  mlip-kmc export my-run --output so-far
    """  # noqa: D301
    import numpy as np

    from mlip_kmc.ground.errors import RunStateError
    from mlip_kmc.model.records import made
    from mlip_kmc.store.export import export as write
    from mlip_kmc.store.view import RunView

    target = output or run_dir / "results"
    with RunView.read(run_dir) as view:
        if not view.states or not view.states[0].structure.is_file():
            raise RunStateError(f"{run_dir} holds no state yet; wait until its first searches run")
        rotation = view.rotation()
        if rotation is None:
            click.echo(
                "the orientation is that of eOn's cell: no earlier trajectory tells the given one",
                err=True,
            )
        write(view.result(), rotation=np.eye(3) if rotation is None else rotation, directory=target)
        click.echo(
            f"{counted(len(made(view.events)), 'KMC step')}, {counted(len(view.states), 'state')}: {target}"
        )
