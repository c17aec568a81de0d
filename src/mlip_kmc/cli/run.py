"""`mlip-kmc run`: start a run, or continue it."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import (
    PATH,
    Command,
    StoppedError,
    exit_code,
    on_stop_signals,
    release_option,
    run_dir_option,
)
from mlip_kmc.ground.errors import EXIT_MORE_TO_DO

if TYPE_CHECKING:
    from mlip_kmc.akmc.wrapper import EonWrapper


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option("The run directory [default: the configuration's name, beside it, ending in .run].")
@release_option
@click.option("--quiet", is_flag=True, help="Print only warnings and the result.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=None,
    help="In place of the configuration's: for replicas.",
)
@click.option(
    "--remote-workers",
    is_flag=True,
    help="Run no search in this process, but on workers that join: `mlip-kmc worker RUN`, on any node.",
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
def run(
    config: Path,
    *,
    run_dir: Path | None,
    release: Path | None,
    quiet: bool,
    seed: int | None,
    remote_workers: bool,
    interface: str | None,
    grace_s: float,
) -> None:
    """Start the run of CONFIG, or continue it.

    SIGTERM and Ctrl-C stop it at its last commit; SIGUSR1 lets running searches finish first and starts no others. Both end
    with exit code 75.

    \b
    Example:  mlip-kmc run akmc.yaml --dir my-run
    """  # noqa: D301
    from mlip_kmc.akmc.options import Remote
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.cli.display import Display
    from mlip_kmc.cli.release import deployer_of
    from mlip_kmc.config import load_config
    from mlip_kmc.model.records import Status
    from mlip_kmc.potential.inputs import inputs_of

    if interface and not remote_workers:
        raise click.UsageError("--interface goes with --remote-workers")
    settings = load_config(config)
    settings = settings if seed is None else settings.model_copy(update={"seed": seed})
    where = run_dir or config.with_suffix(".run")
    potential, structure = inputs_of(settings)
    with Display(quiet=quiet, settings=settings) as display:
        deployer = deployer_of(release)
        wrapper = EonWrapper(
            settings,
            run_dir=where,
            on_progress=display.progress,
            remote=Remote(interface=interface) if remote_workers else None,
            grace_s=grace_s,
        )
        stop_on_signals(wrapper)
        result = wrapper.run_akmc(potential, structure)
        display.result(result)
        package = (
            deployer.finalize(where)
            if deployer is not None and result.status is Status.DONE
            else None
        )
    if package is not None:
        click.echo(f"released: {package}")
    sys.exit(exit_code(result))


def stop_on_signals(wrapper: "EonWrapper") -> None:
    """Ctrl-C and SIGTERM end the run at its last commit, SIGUSR1 when its searches have; before the first there is nothing."""

    def on_signal(number: int, _: FrameType | None) -> None:
        if wrapper.starting:
            raise StoppedError(signal.Signals(number).name)
        if (
            wrapper.stop.is_set()
        ):  # the second time: at once; what is committed is safe, clients end with their parent
            os._exit(EXIT_MORE_TO_DO)
        wrapper.stop.set()

    def on_usr1(number: int, _: FrameType | None) -> None:
        if wrapper.starting:
            raise StoppedError(signal.Signals(number).name)
        wrapper.drain.set()

    on_stop_signals(on_signal)
    signal.signal(signal.SIGUSR1, on_usr1)
