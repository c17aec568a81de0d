"""`mlip-kmc init`: commented configurations that run."""

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
@click.option(
    "--campaign",
    is_flag=True,
    help="A campaign, too: campaign.yaml, whose run akmc.yaml is. Without your own files it is an example that runs.",
)
@click.option(
    "--training-set",
    type=PATH,
    default=None,
    help="With --campaign: what your potential was fitted to, extended XYZ [default: it is not known].",
)
@click.option(
    "--test-set",
    type=PATH,
    default=None,
    help="With --training-set: such a set that it was not fitted to.",
)
def init(
    directory: Path,
    *,
    structure: Path | None,
    potential: Path | None,
    campaign: bool,
    training_set: Path | None,
    test_set: Path | None,
) -> None:
    """Write a commented configuration, ready to run, into DIRECTORY.

    \b
    Example:  mlip-kmc init my-run --structure slab.xyz --potential cu.yace
              mlip-kmc init my-campaign --campaign
    """  # noqa: D301
    from mlip_kmc.cli.starter import (
        CAMPAIGN,
        CONFIG,
        OwnFiles,
        write_campaign_starter,
        write_starter,
    )

    if (training_set is None) != (test_set is None):
        raise click.UsageError("give --training-set and --test-set, or neither")
    if training_set is not None and not (campaign and structure and potential):
        raise click.UsageError("--training-set goes with --campaign, --structure and --potential")
    own_files = structure is not None
    if not campaign:
        written = write_starter(directory, structure=structure, potential=potential)
    elif structure is not None and potential is not None:
        own = OwnFiles(structure, potential, training_set, test_set)
        written = write_campaign_starter(directory, own=own)
    elif structure is None and potential is None:
        written = write_campaign_starter(directory, own=None)
    else:
        raise click.UsageError("with --campaign give --structure and --potential, or neither")
    for path in written:
        click.echo(f"written: {path}")
    config, its_campaign = (shlex.quote(str(directory / name)) for name in (CONFIG, CAMPAIGN))
    click.echo(f"next: edit {config}{f' and {its_campaign}' if campaign else ''}, then")
    if own_files or not campaign:  # the example's potential is to fail it
        click.echo(f"  mlip-kmc check {config}")
    click.echo(f"  mlip-kmc {f'campaign {its_campaign}' if campaign else f'run {config}'}")
