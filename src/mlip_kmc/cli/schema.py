"""`mlip-kmc schema`: the JSON Schemas of the configurations, for editors."""

import json

import click

from mlip_kmc.cli.common import Command


@click.command(cls=Command)
@click.option("--campaign", is_flag=True, help="That of campaign.yaml.")
def schema(*, campaign: bool) -> None:
    """Print the JSON Schema of the configuration.

    Editors that speak it complete keys and mark mistakes while you type.

    \b
    Example:  mlip-kmc schema > akmc.schema.json
              and as the first line of akmc.yaml:
              # yaml-language-server: $schema=akmc.schema.json
    """  # noqa: D301
    from mlip_kmc.config import campaign_schema, json_schema

    click.echo(json.dumps(campaign_schema() if campaign else json_schema(), indent=2))
