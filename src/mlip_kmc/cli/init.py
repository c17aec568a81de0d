"""`mlip-kmc init`: a commented configuration that runs."""

import shlex
from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command


@click.command(cls=Command)
@click.argument("directory", type=PATH)
@click.option(
    "--structure",
    type=PATH,
    default=None,
    help="Your structure [default: the example's is copied].",
)
@click.option(
    "--potential", type=PATH, default=None, help="Your .yace [default: the example's is copied]."
)
def init(directory: Path, structure: Path | None, potential: Path | None) -> None:
    """Write a commented configuration, ready to run, into DIRECTORY.

    \b
    Example:  mlip-kmc init my-run --structure slab.xyz --potential cu.yace
    """  # noqa: D301
    from mlip_kmc.cli.starter import CONFIG, write_starter

    for path in write_starter(directory, structure=structure, potential=potential):
        click.echo(f"written: {path}")
    config = shlex.quote(str(directory / CONFIG))
    click.echo(f"next: edit {config}, then\n  mlip-kmc check {config}\n  mlip-kmc run {config}")
