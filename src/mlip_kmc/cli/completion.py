"""`mlip-kmc completion`: a script by which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class

from mlip_kmc.cli.common import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete mlip-kmc's commands and options.

    The shell must find mlip-kmc on PATH: a function or an alias will not do. `just wrapper` puts it there, or a link to
    slurm/mlip-kmc beside the image. In zsh, compinit comes first.

    \b
    Example:  eval "$(mlip-kmc completion bash)"          in ~/.bashrc; for zsh in ~/.zshrc
              mlip-kmc completion fish | source           in ~/.config/fish/config.fish
    """  # noqa: D301
    from mlip_kmc.cli.main import COMPLETE, cli

    kind = get_completion_class(shell)
    if kind is None:  # the choice names only what click has
        raise click.UsageError(f"no completion for {shell}")
    made = kind(cli, {}, "mlip-kmc", COMPLETE)
    script = made.source_template % made.source_vars()
    # what follows the first comma is the option and its help, which may have commas, too
    click.echo(script.replace('string split ","', 'string split --max 1 ","'))
