"""YAML -> one frozen, validated `Config`; the only reader of YAML and of the environment.

    config = load_config(Path("akmc.yaml"))
    config.temperature_K, config.confidence.scheme, config.potential

Every quantity carries its unit in its name. Unknown and duplicate keys are refused. Relative paths are taken from the
configuration file's own folder.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from mlip_kmc.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
_FORBIDDEN_IN_PATHS = "\n\r\0"


class _Section(BaseModel):
    """Base of all sections: frozen, and nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _existing_file(value: Path, info: ValidationInfo) -> Path:
    if any(character in str(value) for character in _FORBIDDEN_IN_PATHS):
        raise ValueError("a path cannot hold line breaks")
    base: Path = (info.context or {}).get("base", Path.cwd())
    path = (base / value.expanduser()).resolve()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


class StructureSection(_Section):
    """Where the run starts, and what its checks may overlook."""

    file: Path
    """Anything ASE reads; the last frame of several."""
    allow_small_cell: bool = False
    """Accept a periodic cell narrower than twice the potential's cutoff (atoms then meet their own images)."""
    minimum_distance_A: Positive = 1.0
    """Two atoms nearer than this are refused."""

    _file = field_validator("file")(_existing_file)


class AcePotentialSection(_Section):
    """An ACE potential, evaluated by LAMMPS ML-PACE."""

    ace: Path
    """The `.yace` file."""
    basis: Path | None = None
    """The B-basis `.yaml`; needed, with `active_set`, for the extrapolation grade gamma."""
    active_set: Path | None = None
    """The active set `.asi`."""
    evaluator: Literal["product", "recursive"] = "product"
    """LAMMPS' algorithm; the numbers agree to 1e-10, the speed differs by potential."""

    @field_validator("ace", "basis", "active_set")
    @classmethod
    def _files(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else _existing_file(value, info)


class BuiltinPotentialSection(_Section):
    """One of eOn's built-in potentials, for checks against published values."""

    eon: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    """eOn's name of it, as `eam_al`."""


class ConfidenceSection(_Section):
    """When a state is known well enough for a KMC step (eOn's confidence schemes)."""

    scheme: Literal["old", "new", "sampling", "dynamics"] = "old"
    value: Annotated[float, Field(gt=0, lt=1)] = 0.99


class ConstantPrefactor(_Section):
    """The same attempt frequency for every process."""

    constant_per_s: Positive = 1e13


class HarmonicPrefactor(_Section):
    """eOn's own harmonic prefactor (Vineyard, J. Phys. Chem. Solids 3, 121 (1957)) by finite differences."""

    harmonic: Literal[True]


class SearchSection(_Section):
    """How process searches start and when one is given up."""

    displace: Literal["random", "under_coordinated", "least_coordinated"] = "random"
    """Where a search starts: any atom; one with at most `max_coordination` neighbours; one of the least coordinated."""
    max_coordination: Count = 11
    displacement_A: Positive = 0.1
    """Standard deviation of the Gaussian displacement of each coordinate."""
    displacement_radius_A: NonNegative = 5.0
    """Atoms within this distance of the starting atom are displaced."""
    converged_force_eV_per_A: Positive = 0.01
    max_energy_eV: Positive = 20.0
    """A search that climbs further above the reactant ends as bad."""
    max_iterations: Count = 1000
    time_limit_min: Positive = 30.0
    """A search that takes longer is given up and counts as bad."""
    max_bad_in_a_row: Count = 50
    """So many bad searches in a row stop the run."""
    thermal_window_kT: Positive = 20.0
    """Processes whose barrier is further above the lowest one stay out of the rate table."""


class StopSection(_Section):
    """When the run is finished (steps, simulated time) or pauses with exit code 75 (wall time)."""

    kmc_steps: Count | None = None
    simulated_time_s: Positive | None = None
    wall_time_min: Positive | None = None


class Config(_Section):
    """Everything a run needs."""

    structure: StructureSection
    potential: AcePotentialSection | BuiltinPotentialSection
    temperature_K: Positive
    confidence: ConfidenceSection = ConfidenceSection()
    prefactor: ConstantPrefactor | HarmonicPrefactor = ConstantPrefactor()
    search: SearchSection = SearchSection()
    stop: StopSection = StopSection()
    workers: Count | Literal["auto"] = "auto"
    """Searches at a time on this machine; `auto` takes the processors this process may use."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    superbasins: bool = False
    """eOn's MCAMC superbasins (scheme and its parameters through `eon: {Coarse Graining: ...}`)."""
    recycling: bool = False
    """eOn's saddle recycling from the previous state."""
    eon: dict[str, dict[str, bool | int | float | str]] = {}
    """Any other eOn option, by section, checked against eOn's own schema."""

    @field_validator("structure", mode="before")
    @classmethod
    def _structure_by_name(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str | Path) else value

    @field_validator("potential", mode="before")
    @classmethod
    def _which_potential(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            raise ValueError("is a section: {ace: FILE.yace} or {eon: NAME}")  # noqa: TRY004
        kinds = {"ace": AcePotentialSection, "eon": BuiltinPotentialSection}
        chosen = [kind for kind in kinds if kind in value]
        if len(chosen) != 1:
            raise ValueError("needs exactly one of the keys 'ace' (a .yace file) and 'eon' (a built-in's name)")
        return kinds[chosen[0]].model_validate(value, context=info.context)

    @field_validator("prefactor", mode="before")
    @classmethod
    def _which_prefactor(cls, value: Any) -> Any:
        if not isinstance(value, dict) or len(value) != 1:
            raise ValueError("is {constant_per_s: NUMBER} or {harmonic: true}")
        return HarmonicPrefactor.model_validate(value) if "harmonic" in value else ConstantPrefactor.model_validate(value)

    @model_validator(mode="after")
    def _eon_options(self) -> "Config":
        from mlip_kmc.eon.options import check_options

        check_options(self.eon)
        return self

    @cached_property
    def worker_count(self) -> int:
        """How many searches run at a time on this machine."""
        return len(os.sched_getaffinity(0)) if self.workers == "auto" else self.workers

    def physics_digest(self) -> str:
        """Identity of all that decides the trajectory; limits and workers are left out, files count by content."""
        from mlip_kmc.files import sha256_of

        facts = self.model_dump(mode="json", exclude={"stop", "workers"})
        facts["search"].pop("max_bad_in_a_row")
        facts["structure"]["file"] = sha256_of(self.structure.file)
        if isinstance(self.potential, AcePotentialSection):
            for key in ("ace", "basis", "active_set"):
                path = getattr(self.potential, key)
                facts["potential"][key] = sha256_of(path) if path else None
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML 1.1 without the silent overwriting of duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key '{key}'", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: one line for each thing that is wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8 text") from error
    try:
        raw = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader with one more check
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: {getattr(error, 'problem', None) or 'not valid YAML'}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} is not a configuration: it holds no keys")
    try:
        return Config.model_validate(raw, context={"base": path.resolve().parent})
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in _explain(error))) from error


def _explain(error: ValidationError) -> list[str]:
    """One line for each thing that is wrong, in the user's words."""
    lines = []
    for problem in error.errors():
        location = ".".join(str(part) for part in problem["loc"] if not str(part).endswith("Section"))
        if problem["type"] == "extra_forbidden":
            lines.append(_unknown_key(problem["loc"]))
        elif problem["type"] == "missing":
            lines.append(f"'{location}' is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            given = problem.get("input")
            shown = f" (it is {given!r})" if isinstance(given, str | int | float | bool) else ""
            lines.append(f"'{location}': {message}{shown}" if location else f"{message}")
    return list(dict.fromkeys(lines))


def _unknown_key(location: tuple[int | str, ...]) -> str:
    """`unknown key`, with the closest name that exists there."""
    section: type[BaseModel] = Config
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        if field and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            section = field.annotation
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    advice = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
    return f"unknown key '{'.'.join(map(str, location))}'; {advice}"


def scratch_directory() -> Path:
    """Where searches run: MLIP_KMC_SCRATCH, else the job's scratch, else the system's temporary folder."""
    for name in ("MLIP_KMC_SCRATCH", "SLURM_TMPDIR", "TMPDIR"):
        if os.environ.get(name):
            return Path(os.environ[name])
    return Path("/tmp")  # noqa: S108 - a private directory is made in it
