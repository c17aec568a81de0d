"""The manifest of a release: one typed, frozen value, its JSON, and its JSON Schema.

Example:
    manifest = read_manifest(data)
    manifest.version, manifest.training_set_size, manifest.files["potential.yace"].sha256

The schema is shipped in every release, and printed by `mlip-kmc release schema`. Releases of the first format, which told neither
the example's gamma nor what errors were allowed, are still read.
"""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AwareDatetime,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from mlip_kmc.config.explain import explain
from mlip_kmc.config.sections import Section
from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.ground.json_text import JsonError, read_json
from mlip_kmc.potential.baseline import Pairs
from mlip_kmc.release.gate import CHECKS, Check
from mlip_kmc.release.settings import (
    SEMVER,
    ErrorLimit,
    Licences,
    Line,
    Oracle,
    Organization,
)

FORMAT = 2
"""It changes with the meaning of a key."""
_SCHEMA = "urn:mlip-kmc:release-manifest:"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
PREFIX = "release_v"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Errors(Section):
    """Root mean square errors of a set of structures under this potential."""

    structures: Annotated[int, Field(ge=1)]
    energy_rmse_eV_per_atom: NonNegative
    force_rmse_eV_per_A: NonNegative


class ValidationMetrics(Errors):
    """Errors on structures that the potential was not fitted to."""

    source: Line
    """Where they are from: a set that was evaluated for this release, or the potential's record."""


class GroupErrors(Errors):
    """Errors of one group of a set."""

    set: Literal["training", "validation"]
    group: Line
    """The structures' key `group`; `all` where they have none."""


class FileEntry(Section):
    """A file of the release."""

    sha256: Digest
    bytes: Count


class TrainingSet(Section):
    """What the potential was fitted to, so that somebody who has it can tell that it is the same."""

    fingerprint: Digest
    """sha256 over the sorted sha256s of the structures' canonical text (docs/release.md): order and file format do not count."""
    files: dict[str, Digest]
    """sha256 of the files it was read from, by name."""
    structures: Annotated[int, Field(ge=1)]
    atoms: Annotated[int, Field(ge=1)]
    smallest_distance_A: dict[str, Positive]
    included: bool
    """Is it in the release, as training_set.xyz?"""


class GammaThresholds(Section):
    """Where the extrapolation grade says that the potential is not to be believed."""

    select: Positive
    """Above it a structure is worth adding to the training set."""
    halt: Positive
    """Above it the run did not believe the potential."""


class Image(Section):
    """The image that everything was computed in."""

    sha256: Digest | None
    """Of the SIF file; null where the file was not at hand, which the gate asks about."""
    recipe: Digest | None
    """Over all that the image is built from."""


class Run(Section):
    """The run that the potential earned its release with."""

    id: Digest
    """Digest of all that decides its trajectory."""
    temperature_K: Positive | None
    """Of all its KMC steps; null where they were made at several, which its report tells apart."""
    kmc_steps: Count
    simulated_time_s: NonNegative
    states: Count
    searches: Count
    halted_searches: Count
    gamma_state_0: Number | None
    """The largest extrapolation grade of an atom, in the minimum that the run starts from."""
    gamma_saddle: Number | None
    """At the saddles of all processes."""
    gamma_path: Number | None
    """On the way of searches that were not halted."""


class Example(Section):
    """A structure and its energy, to try the potential with: `mlip-kmc release verify --try`."""

    structure: Literal["example.xyz"] = "example.xyz"
    atoms: Annotated[int, Field(ge=1)]
    energy_eV: Number
    tolerance_eV: Positive = 1e-8


class GradedExample(Example):
    """A structure, its energy and its extrapolation grade."""

    gamma: Positive
    """The largest of an atom, by which an active set of another potential is known."""


class Manifest(Section):
    """What all formats tell of a release."""

    schema_id: str = Field(alias="$schema")
    name: Line
    """Of the package, as `release_v1.0`."""
    title: Line
    description: Line | None = None
    version: Annotated[str, Field(pattern=SEMVER)]
    """Semantic versioning 2.0.0."""
    author: Line
    creation_date: AwareDatetime
    """UTC, whole seconds."""
    citation: Line
    licences: Licences
    elements: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")], ...], Field(min_length=1)
    ]
    cutoff_A: Positive
    baseline: Pairs | None
    """By pair, `Cu-Ni`: the repulsion that is added to the ACE; null where there is none."""
    minimum_distance_A: dict[str, Positive]
    """By pair: atoms that were nearer were not evaluated."""
    gamma: GammaThresholds
    training_set_size: Annotated[int, Field(ge=1)]
    """Structures."""
    training_set: TrainingSet
    validation_metrics: ValidationMetrics | None
    errors_by_group: tuple[GroupErrors, ...]
    oracle: Oracle
    run: Run
    image: Image
    parts: dict[str, str]
    """Versions of the programs and packages that took part."""
    checks: tuple[Check, ...]
    """The gate: each check with its number, and why it was allowed not to pass."""
    good_for: tuple[Line, ...]
    not_for: tuple[Line, ...]
    example: Example
    files: dict[str, FileEntry]
    """Every file of the release but the manifest itself and SHA256SUMS."""

    @field_validator("creation_date", mode="before")
    @classmethod
    def _written_one_way(cls, value: Any) -> Any:
        if isinstance(value, datetime):
            return value
        if not (isinstance(value, str) and _DATE.fullmatch(value)):
            raise ValueError("must be a time in UTC in whole seconds, as '2026-11-25T12:00:00Z'")
        return datetime.fromisoformat(value)

    @field_serializer("creation_date")
    def _date(self, value: datetime) -> str:
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")

    @model_validator(mode="after")
    def _named_from_version(self) -> Self:
        if self.name != release_name(self.version):
            raise ValueError(
                f"the name {self.name} is not that of version {self.version}, {release_name(self.version)}"
            )
        if self.training_set_size != self.training_set.structures:
            raise ValueError("training_set_size and training_set.structures differ")
        return self

    def to_json(self) -> bytes:
        """Its file's content: the same manifest gives the same bytes."""
        text = json.dumps(
            self.model_dump(mode="json", by_alias=True),
            indent=2,
            ensure_ascii=False,
            allow_nan=False,
        )
        return f"{text}\n".encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The manifest of a file's content.

        Raises:
            ReleaseError: it is none, or of another format.
        """
        raw = _raw(data)
        if raw.get("$schema") not in get_args(cls.model_fields["schema_id"].annotation):
            raise _unknown(raw.get("$schema"))
        try:
            return cls.model_validate_json(json.dumps(raw), strict=True)
        except ValidationError as error:
            raise ReleaseError(
                f"the manifest does not follow its schema: {explain(error, cls)[0]}"
            ) from error


class FirstManifest(Manifest):
    """Of earlier releases: the example's gamma and the allowed errors are not known."""

    schema_id: Literal["urn:mlip-kmc:release-manifest:1"] = Field(
        default="urn:mlip-kmc:release-manifest:1", alias="$schema"
    )


class ProductionManifest(Manifest):
    """What a release is."""

    schema_id: Literal["urn:mlip-kmc:release-manifest:2"] = Field(
        default="urn:mlip-kmc:release-manifest:2", alias="$schema"
    )
    organization: Organization
    """Of the author; the publisher."""
    validation_limits: dict[str, ErrorLimit]
    """How large errors on structures that it was not fitted to might be, by group; `all` is for groups without their own."""
    checks: Annotated[
        tuple[Check, ...],
        Field(
            json_schema_extra={
                "minItems": len(CHECKS),
                "maxItems": len(CHECKS),
                "allOf": [
                    {"contains": {"properties": {"name": {"const": name}}, "required": ["name"]}}
                    for name in CHECKS
                ],
            }
        ),
    ]
    """The gate: each check with its number, and why it was allowed not to pass; always the same ones."""
    example: GradedExample


FORMATS: tuple[type[Manifest], ...] = (FirstManifest, ProductionManifest)
"""All that can be read, the newest last."""


def read_manifest(data: bytes) -> Manifest:
    """A manifest of any known format.

    Raises:
        ReleaseError: it is none, or of an unknown format.
    """
    wanted = _raw(data).get("$schema")
    for kind in FORMATS:
        if wanted in get_args(kind.model_fields["schema_id"].annotation):
            return kind.from_json(data)
    raise _unknown(wanted)


def _raw(data: bytes) -> dict[str, Any]:
    try:
        raw = read_json(data)
    except JsonError as error:
        raise ReleaseError(f"the manifest cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise ReleaseError("the manifest is no object of keys")
    return raw


def _unknown(found: object) -> ReleaseError:
    known = ", ".join(f"{_SCHEMA}{number}" for number in range(1, FORMAT + 1))
    return ReleaseError(
        f"the manifest follows the schema {str(found)[:80]!r}, which this version does not know; it knows "
        f"{known}"
    )


def release_name(version: str) -> str:
    """The package's name without `.zip`: `release_v1.0` for 1.0.0, `release_v1.0.2` for 1.0.2, `release_v2.0-rc.1`."""
    numbers, dash, pre = version.partition("-")
    return (
        f"{PREFIX}{numbers.removesuffix('.0') if numbers.count('.') == 2 else numbers}{dash}{pre}"
    )


def manifest_schema(kind: type[Manifest] = ProductionManifest) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a format."""
    found = kind.model_json_schema(mode="serialization", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": kind.model_fields["schema_id"].default,
        **found,
        "title": "mlip-kmc release manifest",
    }


def schema_bytes(kind: type[Manifest] = ProductionManifest) -> bytes:
    """The schema as it is shipped."""
    return (json.dumps(manifest_schema(kind), indent=2, ensure_ascii=False) + "\n").encode()


def same_schema(data: bytes, kind: type[Manifest] = ProductionManifest) -> bool:
    """Is a shipped schema a format's, but for its words? They may be improved without a new format."""
    try:
        found = read_json(data)
    except JsonError:
        return False
    return bool(_without_words(found) == _without_words(manifest_schema(kind)))


def _without_words(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _without_words(value)
            for key, value in schema.items()
            if not (key in ("description", "title") and isinstance(value, str))
        }
    return [_without_words(entry) for entry in schema] if isinstance(schema, list) else schema


def named_version(package: Path) -> str:
    """What a package's file name says of its version, as `1.0`.

    Raises:
        ReleaseError: it is no release's name.
    """
    name = package.name
    if not (name.startswith(PREFIX) and name.endswith(".zip")):
        raise ReleaseError(f"{name} is not named as a release is, {PREFIX}VERSION.zip")
    return name.removeprefix(PREFIX).removesuffix(".zip")
