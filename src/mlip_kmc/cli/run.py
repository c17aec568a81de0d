"""`mlip-kmc run`: start a run, or continue it."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from mlip_kmc.cli.common import PATH, Command, StoppedError, exit_code, on_stop_signals, run_dir_option
from mlip_kmc.errors import EXIT_MORE_TO_DO

if TYPE_CHECKING:
    from mlip_kmc.eon.wrapper import EonWrapper


@click.command(cls=Command)
@click.argument("config", type=PATH)
@run_dir_option("The run directory [default: the configuration's name, beside it, ending in .run].")
@click.option("--quiet", is_flag=True, help="Print only warnings and the result.")
def run(config: Path, run_dir: Path | None, quiet: bool) -> None:  # noqa: FBT001
    """Start the run of CONFIG, or continue it.

    \b
    Example:  mlip-kmc run akmc.yaml --dir my-run
    """  # noqa: D301
    from mlip_kmc.config import load_config
    from mlip_kmc.display import Display
    from mlip_kmc.eon.wrapper import EonWrapper, inputs_of

    settings = load_config(config)
    where = run_dir or config.with_suffix(".run")
    potential, structure = inputs_of(settings)
    with Display(quiet=quiet, settings=settings) as display:
        wrapper = EonWrapper(settings, run_dir=where, on_progress=display.progress, on_start=display.note)
        stop_on_signals(wrapper)
        result = wrapper.run_akmc(potential, structure)
        display.result(result)
    sys.exit(exit_code(result))


def stop_on_signals(wrapper: "EonWrapper") -> None:
    """Ctrl-C and SIGTERM end the run at its last commit; before the first there is nothing to keep."""

    def on_signal(number: int, _: FrameType | None) -> None:
        if wrapper.starting:
            raise StoppedError(signal.Signals(number).name)
        if wrapper.stop.is_set():  # the second time: at once; what is committed is safe, clients end with their parent
            os._exit(EXIT_MORE_TO_DO)
        wrapper.stop.set()

    on_stop_signals(on_signal)
