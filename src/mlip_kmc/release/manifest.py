"""The manifest of a release: one typed, frozen value, its JSON, and its JSON Schema.

    manifest = ProductionManifest.from_json(data)
    manifest.version, manifest.training_set_size, manifest.files["potential.yace"].sha256

The schema is shipped in every release, and printed by `mlip-kmc release schema`.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, ValidationError, field_serializer, model_validator

from mlip_kmc.errors import ReleaseError
from mlip_kmc.explain import explain
from mlip_kmc.potential.baseline import Pairs
from mlip_kmc.release.gate import Check
from mlip_kmc.release.settings import SEMVER, Licences, Line, Oracle, Section

FORMAT = 1
"""It changes with the meaning of a key."""
SCHEMA_ID = f"urn:mlip-kmc:release-manifest:{FORMAT}"
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


class ProductionManifest(Section):
    """What a release is."""

    schema_id: Literal["urn:mlip-kmc:release-manifest:1"] = Field(default="urn:mlip-kmc:release-manifest:1", alias="$schema")
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
    elements: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")], ...], Field(min_length=1)]
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

    @field_serializer("creation_date")
    def _date(self, value: datetime) -> str:
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")

    @model_validator(mode="after")
    def _named_from_version(self) -> Self:
        if self.name != release_name(self.version):
            raise ValueError(f"the name {self.name} is not that of version {self.version}, {release_name(self.version)}")
        if self.training_set_size != self.training_set.structures:
            raise ValueError("training_set_size and training_set.structures differ")
        return self

    def to_json(self) -> bytes:
        """Its file's content: the same manifest gives the same bytes."""
        text = json.dumps(self.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False, allow_nan=False)
        return f"{text}\n".encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The manifest of a file's content.

        Raises:
            ReleaseError: it is none, or of another format.
        """
        try:
            raw = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ReleaseError("the manifest is not JSON") from error
        found = raw.get("$schema") if isinstance(raw, dict) else None
        if found != SCHEMA_ID:
            raise ReleaseError(f"the manifest follows the schema {str(found)[:80]!r}, which this version does not know; it knows "
                               f"{SCHEMA_ID}")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise ReleaseError(f"the manifest does not follow its schema: {explain(error, cls)[0]}") from error


def release_name(version: str) -> str:
    """The package's name without `.zip`: `release_v1.0` for 1.0.0, `release_v1.0.2` for 1.0.2, `release_v2.0-rc.1`."""
    numbers, dash, pre = version.partition("-")
    return f"{PREFIX}{numbers.removesuffix('.0') if numbers.count('.') == 2 else numbers}{dash}{pre}"


def manifest_schema() -> dict[str, Any]:
    """The manifest's JSON Schema (draft 2020-12)."""
    found = ProductionManifest.model_json_schema(mode="serialization", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **found,
            "title": "mlip-kmc release manifest"}


def schema_bytes() -> bytes:
    """The schema as it is shipped."""
    return (json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n").encode()


def named_version(package: Path) -> str:
    """What a package's file name says of its version, as `1.0`.

    Raises:
        ReleaseError: it is no release's name.
    """
    name = package.name
    if not (name.startswith(PREFIX) and name.endswith(".zip")):
        raise ReleaseError(f"{name} is not named as a release is, {PREFIX}VERSION.zip")
    return name.removeprefix(PREFIX).removesuffix(".zip")
