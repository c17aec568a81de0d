"""`mlip-kmc run`: start a run, or continue it."""

import sys
from pathlib import Path

import click

from mlip_kmc.cli.common import (
    PATH,
    Command,
    exit_code,
    release_option,
    remote_of,
    remote_options,
    run_dir_option,
    stop_on_signals,
)


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
@remote_options(run="RUN")
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
    from mlip_kmc.akmc.wrapper import EonWrapper
    from mlip_kmc.cli.display import Display
    from mlip_kmc.cli.release import deployer_of
    from mlip_kmc.config import load_config
    from mlip_kmc.model.records import Status
    from mlip_kmc.potential.inputs import inputs_of

    remote = remote_of(remote_workers=remote_workers, interface=interface)
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
            remote=remote,
            grace_s=grace_s,
            signals=stop_on_signals(),
        )
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
