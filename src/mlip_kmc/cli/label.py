"""`mlip-kmc label`: a campaign's oracle, on structures that somebody has."""

import sys
import threading
from pathlib import Path

import click

from mlip_kmc.cli.common import PATH, Command, on_stop_signals
from mlip_kmc.ground.errors import EXIT_MORE_TO_DO


@click.command(cls=Command)
@click.argument("config", type=PATH)
@click.argument("structures", type=PATH)
@click.option("--output", type=PATH, required=True, help="The file of the labelled structures.")
@click.option(
    "--work",
    type=PATH,
    default=None,
    help="Folder of requests, answers and states [default: OUTPUT's name, ending in .work].",
)
def label(config: Path, structures: Path, *, output: Path, work: Path | None) -> None:
    """Label STRUCTURES (extended XYZ) by the oracle of a campaign's CONFIG, as a campaign does.

    A structure larger than cutout.whole_up_to_atoms is cut down to where the run's potential extrapolates. The same command
    makes what is missing, and ends with exit code 75 while labels are with the scheduler.

    \b
    Example:  mlip-kmc label campaign.yaml my-run/selection/selected.xyz --output labelled.xyz
    """  # noqa: D301
    from mlip_kmc.campaign.alone import label_alone
    from mlip_kmc.config import load_campaign, load_config
    from mlip_kmc.ground.errors import PotentialError, StructureError
    from mlip_kmc.ground.files import why_no_file
    from mlip_kmc.ground.wording import counted
    from mlip_kmc.model.labelled import write_labelled
    from mlip_kmc.model.structure import read_frames

    settings = load_campaign(config)
    run_settings = load_config(settings.explore)
    if wrong := why_no_file(structures):
        raise StructureError(wrong)
    frames = read_frames(structures)
    stop = threading.Event()
    on_stop_signals(lambda *_: stop.set())
    done = label_alone(
        settings,
        run_config=run_settings,
        structures=frames,
        folder=work or output.with_suffix(".work"),
        stop=stop,
    )
    for line in (*done.refused, *(f"no label for {name}: {why}" for name, why in done.failures)):
        click.echo(f"warning: {line}", err=True)
    if done.labels.waiting:
        click.echo(
            f"{counted(done.labels.done, 'label')} of {len(frames)} done, {done.labels.waiting} to come; the same command "
            "continues"
        )
        sys.exit(EXIT_MORE_TO_DO)
    if not done.structures:
        raise PotentialError(f"not one of {counted(len(frames), 'structure')} has a label")
    write_labelled(output, done.structures)
    click.echo(f"written: {output}, {counted(len(done.structures), 'label')} of {len(frames)}")
