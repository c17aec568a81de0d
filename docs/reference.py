"""Make the reference pages from the program itself: every key of the configuration, every command's --help.

containers/in-image python3 docs/reference.py     writes docs/configuration.md, docs/commands.md, docs/release-settings.md
"""

import typing
from pathlib import Path

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mlip_kmc.cli.main import COMMANDS, cli
from mlip_kmc.config import Config
from mlip_kmc.config.explain import _sections_in
from mlip_kmc.release.settings import ReleaseSettings

HERE = Path(__file__).resolve().parent
CONFIGURATION = """# The configuration

<!-- made by docs/reference.py: edit the docstrings in src/mlip_kmc/config.py -->

One YAML file. Unknown and duplicate keys are refused; every quantity has its unit in its name; relative paths start at the file.
`mlip-kmc init` writes one with comments, `mlip-kmc schema` its JSON Schema for editors.

{table}
What decides the trajectory is fixed for a run directory: another value is refused there, and named. When a run goes on, these may
differ: {limits}.
A new temperature is marked in the trajectory, all rates are taken anew, and confidences start from zero.

eOn's temperature factor is used throughout: kT = T / 11604.5 eV.
"""
COMMANDS_PAGE = """# The commands

<!-- made by docs/reference.py: edit the commands in src/mlip_kmc/cli/ -->

{pages}"""
RELEASE_SETTINGS = """# The settings of a release

<!-- made by docs/reference.py: edit the docstrings in src/mlip_kmc/release/settings.py -->

`release.yaml`: one section, `release`. Unknown and duplicate keys are refused; relative paths start at the file.
[release.md](release.md) says what they are for, `mlip-kmc release schema --settings` prints their JSON Schema.

{table}"""
LIMITS = (
    "`temperature_K`, `workers`, `stop.*`, `search.max_bad_in_a_row`, `search.time_limit_min`, and the checks in "
    "`structure` (`allow_small_cell`, `minimum_distance_A`)"
)


def shown_default(field):
    """A field's default as YAML would have it; nothing where there is none or it is a section."""
    if (
        field.default is PydanticUndefined
        or isinstance(field.default, BaseModel)
        or field.default in (None, {}, ())
    ):
        return ""
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"


def choices(annotation):
    """What a Literal allows, in words."""
    if typing.get_origin(annotation) is typing.Literal:
        return [f"`{value}`" for value in typing.get_args(annotation)]
    return [text for part in typing.get_args(annotation) for text in choices(part)]


def rows(model, prefix=""):
    """(key, default, meaning) of a section and what is in it."""
    for name, field in model.model_fields.items():
        sections = _sections_in(field.annotation)
        about = " ".join((field.description or "").split())
        allowed = (
            []
            if sections
            else [
                text for text in choices(field.annotation) if text.strip("`") != str(field.default)
            ]
        )
        if allowed and allowed != ["`True`"]:
            about = (
                f"{about} Also: {', '.join(allowed)}."
                if shown_default(field)
                else f"{about} One of {', '.join(allowed)}."
            )
        yield f"{prefix}{name}", shown_default(field), about.strip()
        own = "NAME." if sections and typing.get_origin(field.annotation) is dict else ""
        for section in sections:
            yield from rows(section, f"{prefix}{name}.{own}")


def table(model, prefix=""):
    """All keys of a model, a row each."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{key}` | {default} | {about} |" for key, default, about in rows(model, prefix)]
    return "\n".join(lines) + "\n"


def configuration():
    """The page of all keys."""
    return CONFIGURATION.format(table=table(Config), limits=LIMITS)


def release_settings():
    """The page of a release's keys."""
    return RELEASE_SETTINGS.format(table=table(ReleaseSettings, "release."))


def help_of(command, name):
    """--help, 100 columns wide."""
    command._help_option = None  # noqa: SLF001 - click keeps the first call's, which a test may have made with other names
    context = click.Context(
        command, info_name=name, max_content_width=100, terminal_width=100, **cli.context_settings
    )
    return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


def commands():
    """The page of all commands."""
    pages = [help_of(cli, "mlip-kmc")]
    for name in COMMANDS:
        command = cli.get_command(None, name)
        pages.append(help_of(command, f"mlip-kmc {name}"))
        pages += [
            help_of(inner, f"mlip-kmc {name} {key}")
            for key, inner in getattr(command, "commands", {}).items()
        ]
    return COMMANDS_PAGE.format(pages="\n".join(pages))


if __name__ == "__main__":
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")
    (HERE / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "release-settings.md").write_text(release_settings(), encoding="utf-8")
