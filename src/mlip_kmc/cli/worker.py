"""`mlip-kmc worker`: work for a run that was started with --remote-workers, from this or another node."""

import signal
from functools import partial
from pathlib import Path
from types import FrameType

import click

from mlip_kmc.cli.common import PATH, Command, on_stop_signals
from mlip_kmc.cli.log_lines import printed


@click.command(cls=Command)
@click.argument("run", type=PATH)
@click.option(
    "--slots",
    type=click.IntRange(1, 4096),
    default=None,
    help="Searches at a time [default: the least of affinity, Slurm's number and cgroup quota].",
)
@click.option(
    "--patience-min",
    type=click.FloatRange(min=0),
    default=15.0,
    show_default=True,
    help="How long to wait for a run that has not begun, or whose process died.",
)
@click.option("--interface", default=None, help="The network interface to be reached on, as ib0.")
def worker(run: Path, slots: int | None, patience_min: float, interface: str | None) -> None:
    """Run searches for the run in the directory RUN, which was started with --remote-workers.

    It joins through RUN/cluster/connection.json, joins again when the run was started again, and ends when the run ends.
    Searches run in MLIP_KMC_SCRATCH, which should be on this node's own disk.

    \b
    Example:  srun --ntasks-per-node=1 apptainer exec image.sif mlip-kmc worker my-run
    """  # noqa: D301
    from mlip_kmc.ground.processors import processors
    from mlip_kmc.workers.crew import Crew

    crew = Crew(
        run.absolute(),
        slots=slots or processors().count,
        interface=interface,
    )

    def on_signal(_: int, __: FrameType | None) -> None:
        crew.stop.set()

    on_stop_signals(on_signal)
    signal.signal(
        signal.SIGUSR1, signal.SIG_IGN
    )  # it is for the run; workers go on until that ends
    with printed(partial(click.echo, err=True)):
        crew.serve(patience_s=patience_min * 60)
