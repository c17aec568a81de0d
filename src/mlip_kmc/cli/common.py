"""What the commands share: their class, types of arguments, and how an ending becomes an exit code."""

import contextlib
import os
import signal
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from mlip_kmc.ground.environment import reason_file, settle
from mlip_kmc.ground.errors import (
    EXIT_DONE,
    EXIT_HALTED,
    EXIT_MORE_TO_DO,
    MlipKmcError,
    StorageError,
)
from mlip_kmc.ground.files import place_named, write_whole

if TYPE_CHECKING:
    from mlip_kmc.akmc.options import Remote, Signals
    from mlip_kmc.model.records import EonResult

PATH = click.Path(path_type=Path)
_PLACES = ("--dir", "--output", "--unpack")


class Command(click.Command):
    """A command that knows `--debug`, before or after its name."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params.append(debug_option())

    def invoke(self, ctx: click.Context) -> Any:
        """As click does; advice to write elsewhere names an option that this command has."""
        settle()
        with place_named(self.place):
            return super().invoke(ctx)

    @property
    def place(self) -> str:
        """The option or argument that says where this command writes."""
        names = [name for parameter in self.params for name in parameter.opts]
        return next((name for name in _PLACES if name in names), "directory")


def debug_option() -> click.Option:
    """`--debug`: `main` looks for it when an error ends the command."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        help="On an error, print where in the program it arose, too.",
    )


def run_dir_option(help_text: str) -> Callable[[Any], Any]:
    """`--dir`."""
    return click.option("--dir", "run_dir", type=PATH, default=None, help=help_text)


def release_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--release`."""
    return click.option(
        "--release",
        type=PATH,
        default=None,
        metavar="FILE",
        help="When the target is reached, check and release the potential with the settings in FILE (docs/release.md).",
    )(command)


def exit_code(result: "EonResult") -> int:
    """What a command that ran ends with."""
    from mlip_kmc.model.records import Status

    return {Status.DONE: EXIT_DONE, Status.MORE_TO_DO: EXIT_MORE_TO_DO, Status.HALTED: EXIT_HALTED}[
        result.status
    ]


def printable(line: str) -> str:
    """The line with what would steer a terminal written out: names of files may hold anything."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def write_reason(text: str) -> None:
    """For the program that started this one (MLIP_KMC_REASON_FILE): why it ends, without prefix and on one line."""
    path = reason_file()
    if path is not None:
        line = "; ".join(map(printable, text.split("\n")))
        with contextlib.suppress(OSError, StorageError):  # the exit code says it, too
            write_whole(path, f"{line}\n".encode())


class StoppedError(MlipKmcError):
    """A signal came before the first commit."""

    exit_code = EXIT_MORE_TO_DO

    def __str__(self) -> str:
        return f"stopped by {super().__str__()}; the same command continues"


def on_stop_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    """Call `handler` for Ctrl-C, SIGTERM and SIGHUP, unless they are ignored (nohup)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def stop_on_signals(on_notice: "Callable[[Signals], None] | None" = None) -> "Signals":
    """Ctrl-C and SIGTERM end a run at its last commit, SIGUSR1 when its searches have; before the first there is nothing.

    Args:
        on_notice: what SIGUSR1 does instead, once there is something.

    Returns:
        what the handlers set.
    """
    from mlip_kmc.akmc.options import Signals

    signals = Signals()

    def on_signal(number: int, _: FrameType | None) -> None:
        if signals.starting:
            raise StoppedError(signal.Signals(number).name)
        if (
            signals.stop.is_set()
        ):  # the second time: at once; what is committed is safe, clients end with their parent
            os._exit(EXIT_MORE_TO_DO)
        signals.stop.set()

    def on_usr1(number: int, _: FrameType | None) -> None:
        if signals.starting:
            raise StoppedError(signal.Signals(number).name)
        if on_notice is None:
            signals.drain.set()
        else:
            on_notice(signals)

    on_stop_signals(on_signal)
    signal.signal(signal.SIGUSR1, on_usr1)
    return signals


def remote_options(*, run: str) -> Callable[[Any], Any]:
    """`--remote-workers`, `--interface` and `--grace-s`.

    Args:
        run: what `mlip-kmc worker` is given.
    """
    options = (
        click.option(
            "--remote-workers",
            is_flag=True,
            help=f"Run no search in this process, but on workers that join: `mlip-kmc worker {run}`, on any node.",
        ),
        click.option(
            "--interface",
            default=None,
            help="With --remote-workers: the network interface to listen on, as ib0.",
        ),
        click.option(
            "--grace-s",
            type=click.FloatRange(min=0),
            default=60.0,
            show_default=True,
            help="After SIGUSR1: how long running searches may take to finish.",
        ),
    )
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def remote_of(*, remote_workers: bool, interface: str | None) -> "Remote | None":
    """Who runs the searches, by these options; None: this process.

    Raises:
        click.UsageError: they do not go together.
    """
    from mlip_kmc.akmc.options import Remote

    if interface and not remote_workers:
        raise click.UsageError("--interface goes with --remote-workers")
    return Remote(interface=interface) if remote_workers else None
