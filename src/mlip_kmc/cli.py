"""The command `mlip-kmc`: arguments, printing, exit codes; nothing else exits or prints.

    mlip-kmc --version
    mlip-kmc run akmc.yaml --dir run
"""

import json
import os
import signal
import sys
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mlip_kmc import __version__
from mlip_kmc.errors import EXIT_DONE, EXIT_HALTED, EXIT_MORE_TO_DO, MlipKmcError

if TYPE_CHECKING:
    from mlip_kmc.eon.wrapper import EonWrapper
    from mlip_kmc.records import EonResult

_PACKAGES = ("ase", "numpy", "distributed", "pydantic")


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if not value:
        return
    etc = Path(sys.prefix) / "etc"
    parts, image = _json(etc / "parts.json"), _json(etc / "image.json")
    click.echo(f"mlip-kmc {__version__}")
    click.echo(f"eOn {parts.get('eon', 'not in an image')}")
    click.echo(f"LAMMPS {parts.get('lammps', 'not in an image')}")
    click.echo(f"python-ace {parts.get('python-ace', 'not in an image')}")
    for name in _PACKAGES:
        click.echo(f"{name} {metadata.version(name)}")
    click.echo(f"Python {sys.version.split()[0]}")
    click.echo(f"compiled for {parts.get('march', 'unknown')}")
    click.echo(f"image recipe {image.get('recipe', 'not in an image')}")
    context.exit(0)


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
              help="Versions of every part, and the digest of the image's recipe.")
def cli() -> None:
    """Adaptive kinetic Monte Carlo on an ACE potential.

    \b
    Example:  mlip-kmc run examples/cu-vacancy/akmc.yaml --dir my-run

    \b
    Exit codes:  0 done   75 more to do: run the same command again
                 100 halted on extrapolation   others: failed, with one line that says why
    """  # noqa: D301 - click's own mark for lines that are not to be wrapped


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--dir", "run_dir", type=click.Path(path_type=Path), default=None,
              help="The run directory [default: the configuration's name, beside it, ending in .run].")
@click.option("--quiet", is_flag=True, help="Print only the result.")
def run(config: Path, run_dir: Path | None, quiet: bool) -> None:  # noqa: FBT001
    """Start the run of CONFIG, or continue it.

    \b
    Example:  mlip-kmc run akmc.yaml --dir my-run
    """  # noqa: D301
    from mlip_kmc.config import load_config
    from mlip_kmc.display import Display

    settings = load_config(config)
    where = run_dir or config.with_suffix(".run")
    from mlip_kmc.eon.wrapper import EonWrapper, inputs_of

    potential, structure = inputs_of(settings)
    with Display(quiet=quiet, settings=settings) as display:
        wrapper = EonWrapper(settings, run_dir=where, on_progress=display.progress, on_start=display.note)
        _stop_on_signals(wrapper)
        result = wrapper.run_akmc(potential, structure)
        display.result(result)
    sys.exit(_exit_code(result))


def _exit_code(result: "EonResult") -> int:
    from mlip_kmc.records import Status

    return {Status.DONE: EXIT_DONE, Status.MORE_TO_DO: EXIT_MORE_TO_DO, Status.HALTED: EXIT_HALTED}[result.status]


def _stop_on_signals(wrapper: "EonWrapper") -> None:
    """Ctrl-C and SIGTERM end the run at its last commit; before the first there is nothing to keep."""

    def on_signal(number: int, _: FrameType | None) -> None:
        if wrapper.starting:
            raise _StoppedError(signal.Signals(number).name)
        if wrapper.stop.is_set():  # the second time: at once; what is committed is safe, clients end with their parent
            os._exit(EXIT_MORE_TO_DO)
        wrapper.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, on_signal)


class _StoppedError(MlipKmcError):
    """A signal came before the first commit."""

    exit_code = EXIT_MORE_TO_DO

    def __str__(self) -> str:
        return f"stopped by {super().__str__()}; the same command continues"


def main() -> NoReturn:
    """Run the command line; every error that a user can meet ends as one line and an exit code."""
    try:
        cli.main(standalone_mode=False)
    except MlipKmcError as error:
        for line in str(error).splitlines():
            click.echo(f"mlip-kmc: {line}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("mlip-kmc: stopped", err=True)
        sys.exit(EXIT_MORE_TO_DO)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(0)
