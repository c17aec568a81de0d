"""`mlip-kmc schema`: the configuration's JSON Schema, for editors."""

import json

import click

from mlip_kmc.cli.common import Command


@click.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of the configuration.

    Editors that speak it complete keys and mark mistakes while you type.

    \b
    Example:  mlip-kmc schema > akmc.schema.json
              and as the first line of akmc.yaml:
              # yaml-language-server: $schema=akmc.schema.json
    """  # noqa: D301
    from mlip_kmc.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
