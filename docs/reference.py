"""Make the reference pages from the program: all keys of the configuration, --help of all commands, the Python interface.

`just docs` runs it and writes docs/configuration.md, docs/campaign-settings.md, docs/commands.md, docs/release-settings.md and
docs/python.md.
"""

import ast
import importlib
import inspect
import re
import textwrap
import typing
from dataclasses import dataclass
from dataclasses import field as made_by
from enum import Enum
from pathlib import Path

import click
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mlip_kmc.cli.main import COMMANDS, cli
from mlip_kmc.config import CampaignConfig, Config
from mlip_kmc.config.explain import _sections_in
from mlip_kmc.release.settings import ReleaseSettings

HERE = Path(__file__).resolve().parent
CONFIGURATION = """# The configuration

<!-- made by docs/reference.py: edit the docstrings in src/mlip_kmc/config/ -->

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
CAMPAIGN_SETTINGS = """# The settings of a campaign

<!-- made by docs/reference.py: edit the docstrings in src/mlip_kmc/config/campaign.py -->

`campaign.yaml`. Unknown and duplicate keys are refused; relative paths start at the file. [campaign.md](campaign.md) says
what they are for, `mlip-kmc init --campaign` writes one with comments, `mlip-kmc schema --campaign` prints their JSON Schema.
`oracle` has one of the keys `ase` and `command`. `explore` and `training` stay for all of a campaign; the others may change
when it goes on, and count from the next step on.

{table}"""
RELEASE_SETTINGS = """# The settings of a release

<!-- made by docs/reference.py: edit the docstrings in src/mlip_kmc/release/settings.py -->

`release.yaml`: one section, `release`. Unknown and duplicate keys are refused; relative paths start at the file.
[release.md](release.md) says what they are for, `mlip-kmc release schema --settings` prints their JSON Schema.

{table}"""
PYTHON = """# The Python interface

<!-- made by docs/reference.py: edit the docstrings in src/mlip_kmc -->

What `mlip-kmc run`, `search` and `release build` do can be done from Python, with the Python of the image:
`apptainer exec image.sif python3 script.py`. A test runs the examples of this page (`tests/integration/test_python_page.py`).

{parts}"""
INTERFACE = {
    "A run": ("mlip_kmc", "load_config", "inputs_of", "EonWrapper"),
    "Results": ("mlip_kmc", "EonResult", "Status", "Minimised", "StateRecord", "Process", "Event"),
    "A release": ("mlip_kmc.release.package", "ProductionDeployer"),
    "Settings of a release": ("mlip_kmc.release.settings", "load_settings"),
    "Errors": ("mlip_kmc.ground.errors", "MlipKmcError"),
}
"""By heading: the module to import from, and the names of its classes and functions."""
LIMITS = (
    "`temperature_K`, `workers`, `stop.*`, `search.max_bad_in_a_row`, `search.time_limit_min`, and the checks in "
    "`structure` (`allow_small_cell`, `minimum_distance_A`)"
)


def shown_default(field):
    """A field's default as YAML would have it; nothing where there is none or it is a section."""
    if (
        field.default is PydanticUndefined
        or isinstance(field.default, BaseModel)
        or field.default in (None, {}, (), "")
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
    """All keys of a model, a row each; what two kinds of a section share stands once."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{key}` | {default} | {about} |" for key, default, about in rows(model, prefix)]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def configuration():
    """The page of all keys."""
    return CONFIGURATION.format(table=table(Config), limits=LIMITS)


def campaign_settings():
    """The page of a campaign's keys."""
    return CAMPAIGN_SETTINGS.format(table=table(CampaignConfig))


def release_settings():
    """The page of a release's keys."""
    return RELEASE_SETTINGS.format(table=table(ReleaseSettings, "release."))


@dataclass
class Docstring:
    """A docstring in its parts: the text, and by the name of a section (`Args`, `Raises`, ...) its entries or its text."""

    text: str
    entries: dict[str, dict[str, str]] = made_by(default_factory=dict)
    texts: dict[str, str] = made_by(default_factory=dict)

    @classmethod
    def of(cls, found):
        """That of a module, a class or a function."""
        parts = re.split(r"^([A-Z][a-z]+):\n", inspect.getdoc(found) or "", flags=re.MULTILINE)
        made = cls(parts[0].strip())
        for name, following in zip(parts[1::2], parts[2::2], strict=True):
            inside, after = re.match(r"((?:[ ]+.*\n?|\n)*)(.*)", following, re.DOTALL).groups()
            made.text = f"{made.text}\n\n{after}".strip()
            body = textwrap.dedent(inside).strip()
            if name in ("Example", "Returns"):
                made.texts[name] = body
            else:
                entries = re.findall(r"^([\w, ]+): (.*(?:\n .*)*)", body, re.MULTILINE)
                made.entries[name] = {key: " ".join(about.split()) for key, about in entries}
        return made


HEADINGS = {"Attributes": "", "Args": "Arguments:\n\n", "Raises": "Raises:\n\n"}


def in_markdown(docstring):
    """A docstring as Markdown; the example as a block of Python, at the end."""
    yield " ".join(docstring.text.split()) if "\n\n" not in docstring.text else docstring.text
    for name, heading in HEADINGS.items():
        if name == "Raises" and "Returns" in docstring.texts:
            yield f"Returns: {' '.join(docstring.texts['Returns'].split())}"
        if entries := docstring.entries.get(name):
            yield heading + "\n".join(f"- `{key}`: {about}" for key, about in entries.items())
    if "Example" in docstring.texts:
        yield f"```python\n{docstring.texts['Example']}\n```"


def signature_of(function, name):
    """`name(arguments) -> result` as its source has it, without `self`."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    given = [ast.unparse(one) for one in node.args.args if one.arg not in ("self", "cls")]
    if node.args.kwonlyargs:
        given.append("*")
    for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        given.append(ast.unparse(one) + (f" = {ast.unparse(default)}" if default else ""))
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name[0].islower() else ""
    text = f"{name}({', '.join(given)}){returns}"
    if len(text) > 100:
        text = f"{name}(\n" + "".join(f"    {one},\n" for one in given) + f"){returns}"
    return f"```text\n{text}\n```"


def fields_of(found):
    """(name, type) of a dataclass' fields, as its source has them."""
    node = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
    return [
        (item.target.id, ast.unparse(item.annotation))
        for item in node.body
        if isinstance(item, ast.AnnAssign)
    ]


def about_class(found, name):
    """The entry of a class: its docstring, its fields or its constructor, its public methods and properties."""
    docstring = Docstring.of(found)
    types = dict(fields_of(found)) if "__dataclass_fields__" in vars(found) else {}
    attributes = docstring.entries.get("Attributes", {})
    docstring.entries["Attributes"] = {
        f"{key}: {types[key]}" if key in types else key: about for key, about in attributes.items()
    }
    if issubclass(found, Enum):
        docstring.text += f" Values: {', '.join(f'`{one.name}` (`{one.value}`)' for one in found)}."
    yield from in_markdown(docstring)
    if "__init__" in vars(found) and not types:
        yield signature_of(found.__init__, name)
        yield from in_markdown(Docstring.of(found.__init__))
    for key, method in vars(found).items():
        if key.startswith("_") or not (inspect.isfunction(method) or isinstance(method, property)):
            continue
        yield f"#### {name}.{key}"
        if inspect.isfunction(method):
            yield signature_of(method, key)
        yield from in_markdown(Docstring.of(method))


def about_errors():
    """The errors, one a row, with the exit codes of the commands that end with them."""
    errors = importlib.import_module("mlip_kmc.ground.errors")
    rows = ["| error | exit code | |", "| --- | --- | --- |"]
    for name, found in vars(errors).items():
        if inspect.isclass(found) and issubclass(found, errors.MlipKmcError):
            about = " ".join(Docstring.of(found).text.split())
            rows.append(f"| `{name}` | {found.exit_code} | {about} |")
    return "\n".join(rows)


def python():
    """The page of the Python interface."""
    parts = list(in_markdown(Docstring.of(importlib.import_module("mlip_kmc"))))
    for heading, (place, *names) in INTERFACE.items():
        parts += [f"## {heading}", f"```python\nfrom {place} import {', '.join(names)}\n```"]
        for name in names:
            found = getattr(importlib.import_module(place), name)
            if heading == "Errors":
                parts.append(about_errors())
                continue
            parts.append(f"### {name}")
            if inspect.isclass(found):
                parts += about_class(found, name)
            else:
                parts += [signature_of(found, name), *in_markdown(Docstring.of(found))]
    return PYTHON.format(parts="\n\n".join(parts) + "\n")


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
    (HERE / "campaign-settings.md").write_text(campaign_settings(), encoding="utf-8")
    (HERE / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "release-settings.md").write_text(release_settings(), encoding="utf-8")
    (HERE / "python.md").write_text(python(), encoding="utf-8")
