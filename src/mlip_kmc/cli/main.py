"""The group of all commands, `--version`, and the one place where an error becomes a line and an exit code."""

import contextlib
import importlib
import logging
import os
import sys
import traceback
from importlib import metadata
from typing import NoReturn

import click

from mlip_kmc import __version__
from mlip_kmc.cli.common import debug_option, printable, write_reason
from mlip_kmc.cli.log_lines import LOGGER
from mlip_kmc.ground import garbage
from mlip_kmc.ground.container import binding_for
from mlip_kmc.ground.errors import EXIT_MORE_TO_DO, MlipKmcError
from mlip_kmc.ground.image import PROGRAMS, ImageNotes, strangers

# command: the file of this folder that holds it, in the order that --help shows them
COMMANDS = {
    "init": "init",
    "check": "check",
    "search": "search",
    "run": "run",
    "worker": "worker",
    "status": "status",
    "serve": "serve",
    "select": "select",
    "label": "label",
    "refit": "refit",
    "refresh": "refresh",
    "campaign": "campaign",
    "report": "report",
    "export": "export",
    "release": "release",
    "potential": "potential",
    "schema": "schema",
    "completion": "completion",
}
COMPLETE = "_MLIP_KMC_COMPLETE"
_PACKAGES = ("ase", "numpy", "distributed", "pydantic")


class _Commands(click.Group):
    """Imports a command's file when the command is asked for."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"mlip_kmc.cli.{COMMANDS[name]}"), name.replace("-", "_")
        )
        return command


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if not value:
        return
    notes = ImageNotes.read()
    click.echo(f"mlip-kmc {__version__}")
    for name in PROGRAMS:
        click.echo(f"{name} {notes.programs.get(name, 'not in an image')}")
    for name in _PACKAGES:
        click.echo(f"{name} {metadata.version(name)}")
    for name, path in strangers().items():
        click.echo(f"not the image's: {name} ({path})")
    click.echo(f"Python {sys.version.split()[0]}")
    click.echo(f"compiled for {notes.march or 'unknown'}")
    click.echo(f"image recipe {notes.recipe or 'not in an image'}")
    context.exit(0)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Versions of every part, and the digest of the image's recipe.",
)
def cli() -> None:
    """Adaptive kinetic Monte Carlo on an ACE potential.

    \b
    Example:  mlip-kmc run examples/cu-vacancy/akmc.yaml --dir my-run

    \b
    Exit codes:  0 done   75 more to do: run the same command again
                 100 halted on extrapolation   others: failed, with one line that says why
    """  # noqa: D301 - click's own mark for lines that are not to be wrapped


cli.params.append(debug_option())


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; every error that a user can meet ends as one line and an exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if arguments is None:  # this process is the command's
        garbage.begin()
    # a command that shows no log (`check`) shows no warnings of it either; `log_lines` prints those of the others
    logging.getLogger(LOGGER).addHandler(logging.NullHandler())
    try:
        _run(words)
    finally:
        _flush()
        garbage.end()


def _run(words: list[str]) -> NoReturn:
    try:
        sys.exit(
            cli.main(args=words, prog_name="mlip-kmc", complete_var=COMPLETE, standalone_mode=False)
            or 0
        )
    except MlipKmcError as error:
        if "--debug" in words:
            traceback.print_exc()
        message = _message(error)
        write_reason(message)
        for line in message.split("\n"):
            with contextlib.suppress(OSError):  # the exit code says it, too
                click.echo(f"mlip-kmc: {printable(line)}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("mlip-kmc: stopped", err=True)
        sys.exit(EXIT_MORE_TO_DO)
    except BrokenPipeError:
        sys.exit(1)


def _message(error: MlipKmcError) -> str:
    """What went wrong, and whether it was a folder that the container does not see."""
    said, unseen = str(error), binding_for(error)
    return said if not unseen or unseen in said else f"{said}; {unseen}"


def _flush() -> None:
    """A log on a full disk loses its last lines; the exit code stays."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
