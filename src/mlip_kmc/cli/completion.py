"""`mlip-kmc completion`: a script by which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class

from mlip_kmc.cli.common import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete mlip-kmc's commands and options.

    The shell must find a command called mlip-kmc; where the image is the only one, a function does:

    \b
      mlip-kmc() { apptainer exec /path/to/image.sif mlip-kmc "$@"; }

    \b
    Example:  eval "$(mlip-kmc completion bash)"
    """  # noqa: D301
    from mlip_kmc.cli.main import COMPLETE, cli

    kind = get_completion_class(shell)
    if kind is None:  # the choice names only what click has
        raise click.UsageError(f"no completion for {shell}")
    made = kind(cli, {}, "mlip-kmc", COMPLETE)
    click.echo(made.source_template % made.source_vars())
