"""`mlip-kmc serve`: keep a potential loaded behind a Unix socket."""

import json
from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command
from mlip_kmc.ground import garbage


@click.command(cls=Command)
@click.argument("config", type=PATH, required=False)
@click.option(
    "--socket",
    "socket_path",
    type=PATH,
    required=True,
    help="Where to listen: in a directory of its own, which only you can enter; it is made if it is missing.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Evaluations at a time.",
)
@click.option(
    "--recipe",
    type=PATH,
    default=None,
    hidden=True,
    help="Options of the driver, as JSON, instead of CONFIG.",
)
@click.option(
    "--until-stdin-ends",
    is_flag=True,
    hidden=True,
    help="Stop when standard input ends, as when the run that started it dies.",
)
def serve(
    config: Path | None,
    socket_path: Path,
    workers: int,
    recipe: Path | None,
    until_stdin_ends: bool,  # noqa: FBT001
) -> None:
    """Keep the potential of CONFIG loaded, and answer pace_driver.py --socket.

    \b
    Example:  mlip-kmc serve akmc.yaml --socket /tmp/mine/socket
              python3 pace_driver.py --socket /tmp/mine/socket <structure.txt
    """  # noqa: D301
    from mlip_kmc.driver.server import serve as run_server

    def ready(digest: str) -> None:
        garbage.settle()
        click.echo(f"potential {digest} at {socket_path}, {workers} at a time")

    run_server(
        _options(config, recipe),
        socket_path=socket_path,
        workers=workers,
        on_ready=ready,
        until_stdin_ends=until_stdin_ends,
    )


def _options(config: Path | None, recipe: Path | None) -> dict[str, str]:
    if (config is None) == (recipe is None):
        raise click.UsageError("give the configuration file")
    if recipe is not None:
        found: dict[str, str] = json.loads(recipe.read_text(encoding="utf-8"))
        return found
    from mlip_kmc.config import load_config
    from mlip_kmc.ground.errors import PotentialError
    from mlip_kmc.potential import AcePotential, AsePotential, DrivenPotential
    from mlip_kmc.potential.fit import fitted
    from mlip_kmc.potential.inputs import potential_of, structure_of

    settings = load_config(config or Path())
    potential = potential_of(settings)
    driven = DrivenPotential(potential) if isinstance(potential, AcePotential) else potential
    if not isinstance(driven, DrivenPotential):
        raise PotentialError(
            "eOn's built-in potentials need no server; serve an ACE potential or an ASE calculator"
        )
    if isinstance(driven.inner, AsePotential):
        driven = driven.of(fitted(structure_of(settings), driven, settings.structure).atoms)
    return {**driven.recipe(), **driven.gamma_recipe()}
