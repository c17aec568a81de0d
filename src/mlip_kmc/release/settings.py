"""What a person or a site says of its releases: `release.yaml`, read as strictly as a run's configuration.

Example:
    settings = load_settings(Path("release.yaml"))
    settings.author, settings.references.C11_GPa.value

One section, `release`. Unknown keys are refused; relative paths start at the file.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from mlip_kmc.config.explain import explain
from mlip_kmc.config.sections import Section
from mlip_kmc.config.yaml_file import read_keys
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.files import why_no_file

SEMVER = r"^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})(-[0-9A-Za-z]{1,20}(\.[0-9A-Za-z]{1,20}){0,4})?$"
"""Semantic versioning 2.0.0, without build metadata, which does not order releases."""
Lattice = Literal[
    "sc", "bcc", "fcc", "diamond", "rocksalt", "cesiumchloride", "zincblende", "fluorite"
]


def full_version(given: Any) -> Any:
    """`1` and `1.0` become `1.0.0`; everything else stays."""
    text = str(given)
    parts = text.split(".")
    return (
        ".".join([*parts, *["0"] * (3 - len(parts))])
        if len(parts) < 3 and all(part.isdecimal() for part in parts)
        else text
    )


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of printable text")
    return text.strip()


Line = Annotated[str, Field(max_length=1000), AfterValidator(_one_line)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Version = Annotated[str, BeforeValidator(full_version), Field(pattern=SEMVER)]


class Reference(Section):
    """A value that the potential must give, in the unit that its key ends with."""

    value: Number
    """What is right."""
    tolerance: Positive
    """The release is refused where the potential's value is farther away."""
    source: Line
    """Where the value is from: a paper, a calculation, an experiment."""


class Barrier(Reference):
    """The barrier of a process, in eV: the lowest of a state of the run."""

    state: Annotated[int, Field(ge=0)] = 0
    """Of the run, by its number."""


class Crystal(Section):
    """The cubic crystal whose constants are known."""

    formula: Annotated[str, Field(pattern=r"^([A-Z][a-z]?[0-9]?){1,2}$")]
    """As `Cu`, or `NaCl` of a compound."""
    lattice: Lattice
    """As ASE's `bulk` names it."""
    a_A: Positive
    """About its lattice constant: the potential's own is found from there."""


class References(Section):
    """What the gate compares the potential with. What is left out counts as not tested."""

    crystal: Crystal | None = None
    """Which crystal the constants and the vacancy are of."""
    lattice_constant_A: Reference | None = None
    """At rest, without thermal expansion."""
    C11_GPa: Reference | None = None
    """Elastic constant; adiabatic and isothermal are the same at rest."""
    C12_GPa: Reference | None = None
    """Elastic constant."""
    C44_GPa: Reference | None = None
    """Elastic constant."""
    vacancy_formation_eV: Reference | None = None
    """At the crystal's own volume, atoms relaxed; of an element."""
    barrier_eV: Barrier | None = None
    """The lowest barrier of a state of the run."""


class ErrorLimit(Section):
    """How large the errors of a group of structures may be (root mean square)."""

    energy_meV_per_atom: Positive
    """Of the energies."""
    force_eV_per_A: Positive
    """Of the force components."""
    reason: Line
    """Why this is good enough for what the potential is meant for."""


class Organization(Section):
    """Of the author; the release's publisher."""

    name: Line
    """As `Example University`; the author's own name where there is none."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s<>\"]{1,500}$")]
    """Its page."""


class Oracle(Section):
    """What the training set's energies and forces were computed with."""

    name: Line
    """The program, or the method, as `VASP 6.4, PBE`."""
    settings: dict[str, str | int | float | bool] = Field(default={})
    """Whatever decides its numbers, as {cutoff_eV: 520}."""


class Licences(Section):
    """SPDX expressions, or a sentence, for each part of the package."""

    potential: Line
    """As `CC-BY-4.0`."""
    training_set: Line | None = None
    """Of the set, where it is included or can be had."""


def _existing(value: Path, info: ValidationInfo) -> Path:
    base: Path = (info.context or {}).get("base", Path.cwd())
    path = (base / value.expanduser()).resolve()
    wrong = why_no_file(path)
    if wrong:
        raise ValueError(f"{wrong}; correct the path, which starts at the settings' own folder")
    return path


class ReleaseSettings(Section):
    """Everything about a release that the run does not know."""

    version: Version | None = None
    """SemVer; `1.0` is `1.0.0`. `--version` goes before."""
    author: Line | None = None
    """Whom to ask; `--author` goes before."""
    title: Line | None = None
    """Of the model card, in a few words."""
    description: Line | None = None
    """Of the model card, in a sentence or two."""
    good_for: tuple[Line, ...] = ()
    """Lines of the model card: what the potential was made and tested for."""
    not_for: tuple[Line, ...] = ()
    """Lines of the model card: what it is known to do badly."""
    date: datetime | None = None
    """Of the release; SOURCE_DATE_EPOCH goes before. Without both it is that of the last start of the run that made a step."""
    oracle: Oracle
    """What the training set's labels are from."""
    licences: Licences
    """Under which others may use it."""
    citation: Line
    """How to cite the potential."""
    organization: Organization | None = None
    """Of the author, who releases as its member; every release needs one, since archives ask for it."""
    training_sets: tuple[Path, ...] = ()
    """What the potential was fitted to: extended XYZ with energies and forces; `--training-set` goes before."""
    include_training_set: bool = False
    """Put the set itself into the release, not only its fingerprint; `--include-training-set` does so, too."""
    validation_set: Path | None = None
    """Structures that it was not fitted to, likewise; without it the record's errors count. `--validation-set` goes before."""
    validation_limits: dict[Line, ErrorLimit] = Field(default={})
    """How large errors on structures that it was not fitted to may be, by group; `all` is for groups without their own."""
    image: Path | None = None
    """The file of the image that the run was made in; `--image` goes before."""
    allow: dict[str, Line] = Field(default={})
    """Checks that need not pass, each with its reason, which everybody will read; `--allow`, `--because` add to them."""
    quiet_steps: Annotated[int, Field(ge=1)] = 10
    """In the states of so many last KMC steps no search may have been halted."""
    references: References = References()
    """What the gate compares the potential with; what is left out is not tested, and needs `allow`."""

    @field_validator("date", mode="before")
    @classmethod
    def _date(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(
                    "must be a date, as '2026-11-25' or '2026-11-25T12:00:00Z'"
                ) from None
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, datetime):
            value = value.replace(tzinfo=value.tzinfo or UTC, microsecond=0).astimezone(UTC)
            if not 1980 <= value.year <= 2107:
                raise ValueError("must be in the years 1980 to 2107, which a zip can hold")
        return value

    @field_validator("training_sets")
    @classmethod
    def _files(cls, value: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        return tuple(_existing(path, info) for path in value)

    @field_validator("validation_set", "image")
    @classmethod
    def _file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else _existing(value, info)


class _File(Section):
    """The file: one section, so that it may lie in another file of settings."""

    release: ReleaseSettings


def load_settings(path: Path) -> ReleaseSettings:
    """Read and validate the settings of a release.

    Args:
        path: a YAML file with one section, `release`; relative paths in it start at its folder.

    Returns:
        the frozen settings. docs/release-settings.md lists their keys.

    Raises:
        ConfigError: the message has one line for each fault.
    """
    raw = read_keys(path)
    try:
        return _File.model_validate(raw, context={"base": path.resolve().parent}).release
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in explain(error, _File))) from error


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    return {
        **_File.model_json_schema(),
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlip-kmc release settings",
    }


def with_overrides(settings: ReleaseSettings, **given: Any) -> ReleaseSettings:
    """The settings with what the command line says instead, by key; None, nothing and False leave them as they are.

    Raises:
        ConfigError: it is not valid.
    """
    changed = {key: value for key, value in given.items() if value}
    changed["allow"] = {**settings.allow, **given.get("allow", {})}
    try:
        return ReleaseSettings.model_validate({**settings.model_dump(), **changed})
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"the release's {line}" for line in explain(error, ReleaseSettings))
        ) from error
