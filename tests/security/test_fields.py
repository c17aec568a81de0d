"""Every field of the configuration, with text that something else would act on: refused, or kept as text.

The rows come from the model itself, so a new field is here the day it is made.
"""

import itertools
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from tests.integration.conftest import EXAMPLE

from mlip_kmc.config import AcePotentialSection, Config, load_config
from mlip_kmc.config.eon_options import config_ini
from mlip_kmc.config.eon_schema import RESERVED, RESERVED_SECTIONS, check_options, schema
from mlip_kmc.ground.errors import ConfigError, MlipKmcError
from mlip_kmc.potential.inputs import potential_of

from .nasty import CANARY, TEXTS

BASES = {
    "AcePotentialSection": {"ace": "cu.yace"},
    "AsePotentialSection": {"ase": "ase.calculators.emt:EMT"},
    "BuiltinPotentialSection": {"eon": "eam_al"},
}
HARMLESS = re.compile("[A-Za-z0-9 _-]*", re.ASCII)
"""Words: where they stand, in the value of an option, nobody takes them for a command."""
KEY = "<key>"
"""In a row's path: the key itself is what is nasty."""
FREE = ("potential", "kwargs")
"""Takes any text, which goes to the calculator that the user names, as JSON."""


@dataclass(frozen=True)
class Field:
    """One field: where it is, and with which kind of potential."""

    path: tuple[str, ...]
    kind: str = "AcePotentialSection"

    @property
    def name(self):
        return ".".join(self.path)

    def spoilt(self, text):
        """Settings in which this field holds the text."""
        settings = {
            "structure": "vacancy.xyz",
            "temperature_K": 500,
            "potential": dict(BASES[self.kind]),
        }
        place = settings
        for key in self.path[:-1]:
            if not isinstance(place.get(key), dict):
                place[key] = {} if key != "structure" else {"file": "vacancy.xyz"}
            place = place[key]
        if self.path[-1] == KEY:
            place[text] = 1
        else:
            place[self.path[-1]] = text
        return settings


def models_in(annotation):
    """The sections that an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        return [model for part in typing.get_args(annotation) for model in models_in(part)]
    return []


def fields_of(model=Config, path=(), belongs=()):
    """Every field that holds a value, and one for the keys of each section that takes any."""
    for name, field in model.model_fields.items():
        inner = models_in(
            typing.Annotated[(field.annotation, *field.metadata)]
            if field.metadata
            else field.annotation
        )
        here = (*path, name)
        for kind in inner:
            yield from fields_of(
                kind, here, (kind.__name__,) if here == ("potential",) else belongs
            )
        yield Field(here, *belongs)  # also text in the place of a section
        if not inner and "dict" in str(field.annotation):
            yield Field((*here, KEY), *belongs)


FIELDS = list(dict.fromkeys(fields_of()))
OF_EON = [
    (section, key)
    for section, options in schema().items()
    if section not in RESERVED_SECTIONS
    for key in options
    if (section, key) not in RESERVED
]
DEEPER = [
    Field(("eon", "Optimizer", "max_move")),
    Field(("eon", "Saddle Search", "displace_type_list")),
    Field(("eon", "Optimizer", KEY)),
    Field(("potential", "baseline", "pairs", "Cu-Cu")),
    Field(("potential", "minimum_distance_A", "Cu-Cu")),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("cu.yace", "cu.yaml", "cu.asi", "cu.record.json", "vacancy.xyz"):
        (tmp_path / name).symlink_to(EXAMPLE / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_table_holds_every_field():
    names = {field.name for field in FIELDS}
    assert {
        "structure.file",
        "potential.ace",
        "potential.ase",
        "potential.eon",
        "potential.kwargs",
        "seed",
        "eon",
        "workers",
        f"potential.minimum_distance_A.{KEY}",
        "search.displace",
        "stop.kmc_steps",
        "gamma.on_halt",
    } <= names
    assert len(FIELDS) + len(DEEPER) >= 60
    assert len(TEXTS) >= 30


@pytest.mark.parametrize("field", [*FIELDS, *DEEPER], ids=lambda field: field.name)
def test_no_field_lets_it_through(folder, field):
    """A field refuses it with lines that a terminal can show, or what is made of it for eOn and LAMMPS does not hold it."""
    for what, text in TEXTS.items():
        (folder / "akmc.yaml").write_text(yaml.safe_dump(field.spoilt(text)))
        try:
            config = load_config(folder / "akmc.yaml")
            potential = potential_of(config)
        except MlipKmcError as error:
            lines = str(error).split("\n")
            assert all(line.isprintable() or "\u202e" in line for line in lines), (what, lines)
            assert all(len(line) < 900 for line in lines)
        else:
            assert field.path[:2] == FREE or HARMLESS.fullmatch(text), f"{what} is taken"
            if field.path[:2] == FREE:
                assert text not in config_ini(
                    config, potential_name=potential.eon_name, jobs_ahead=2
                )
            if isinstance(config.potential, AcePotentialSection):
                assert text not in "".join(
                    potential.job_files(("Cu",), gamma=config.gamma).values()
                )
    assert not (folder / CANARY).exists()
    assert {path.name for path in folder.iterdir()} == {
        "akmc.yaml",
        "cu.yace",
        "cu.yaml",
        "cu.asi",
        "cu.record.json",
        "vacancy.xyz",
    }


@pytest.mark.parametrize("what", TEXTS)
def test_no_option_of_eons_takes_it(what):
    text = TEXTS[what]
    taken = []
    for section, key in OF_EON:
        try:
            check_options({section: {key: text}})
        except ValueError as error:
            assert len(str(error).split("\n")) == 1  # noqa: PT017
        else:
            taken.append(f"{section}.{key}")
    assert not taken or HARMLESS.fullmatch(text), f"{len(taken)} options take {text!r}: {taken[:5]}"


def test_options_that_start_programs_cannot_be_set():
    for section, key in itertools.chain(
        RESERVED, ((name, next(iter(schema()[name]))) for name in RESERVED_SECTIONS)
    ):
        with pytest.raises(ValueError, match="cannot be set"):
            check_options({section: {key: "1"}})
    assert ("Potential", "ext_pot_path") in RESERVED
    commands = [
        (section, key)
        for section, key in OF_EON
        if any(
            word in key
            for word in ("command", "script", "launcher", "ext_pot", "library", "host", "socket")
        )
    ]
    assert not commands, (
        "an option that names a program or a host: reserve it in config/eon_schema.py"
    )


def test_the_environment_is_checked_too(folder, monkeypatch):
    (folder / "akmc.yaml").write_text(yaml.safe_dump(Field(("seed",)).spoilt(1)))
    for text in TEXTS.values():
        if "\0" in text:
            continue
        monkeypatch.setenv("MLIP_KMC_SCRATCH", text)
        if not Path(text).expanduser().is_dir():
            with pytest.raises(ConfigError, match="MLIP_KMC_SCRATCH names no directory") as caught:
                load_config(folder / "akmc.yaml")
            assert "\n" not in str(caught.value)
            assert "\x1b" not in str(caught.value)
