"""YAML -> one frozen, validated `Config`; the only reader of YAML.

Example:
    config = load_config(Path("akmc.yaml"))
    config.temperature_K, config.confidence.scheme, config.potential

Every quantity carries its unit in its name. Unknown and duplicate keys are refused. Relative paths are taken from the
configuration file's own folder.
"""

import sys
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from mlip_kmc.config.eon_schema import EonOptionError, Options, normalised, options_schema
from mlip_kmc.config.explain import explain
from mlip_kmc.config.native_options import check_native, names_engine, obeys
from mlip_kmc.config.sections import (
    NUMBER,
    AcePotentialSection,
    AsePotentialSection,
    BuiltinPotentialSection,
    ConfidenceSection,
    ConstantPrefactor,
    GammaSection,
    HarmonicPrefactor,
    Positive,
    RetentionSection,
    ReuseSection,
    SearchSection,
    Section,
    StopSection,
    StructureSection,
    SymmetrySection,
    count_or_auto,
)
from mlip_kmc.config.yaml_file import read_keys
from mlip_kmc.ground.environment import scratch_directory
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.ground.processors import processors


def _one_of(kinds: dict[str, type[Section]], message: str) -> Discriminator:
    """Which of several sections is meant: the one whose own key is there, alone."""

    def choose(value: Any) -> str | None:
        if isinstance(value, Section):
            return type(value).__name__
        chosen = [kind for kind in kinds if isinstance(value, dict) and kind in value]
        return kinds[chosen[0]].__name__ if len(chosen) == 1 else None

    return Discriminator(choose, custom_error_type="mlip_kmc_choice", custom_error_message=message)


PotentialSection = Annotated[
    Annotated[AcePotentialSection, Tag("AcePotentialSection")]
    | Annotated[BuiltinPotentialSection, Tag("BuiltinPotentialSection")]
    | Annotated[AsePotentialSection, Tag("AsePotentialSection")],
    _one_of(
        {"ace": AcePotentialSection, "eon": BuiltinPotentialSection, "ase": AsePotentialSection},
        "must be a section with exactly one of the keys 'ace' (a .yace file), 'eon' (a built-in's name) and 'ase' (a class)",
    ),
]
PrefactorSection = Annotated[
    Annotated[ConstantPrefactor, Tag("ConstantPrefactor")]
    | Annotated[HarmonicPrefactor, Tag("HarmonicPrefactor")],
    _one_of(
        {"constant_per_s": ConstantPrefactor, "harmonic": HarmonicPrefactor},
        "must be a section with exactly one of the keys 'constant_per_s' (a number) and 'harmonic' (true)",
    ),
]


class Config(Section):
    """Everything a run needs."""

    structure: StructureSection
    """A file that ASE reads, or a section with the key `file`."""
    potential: PotentialSection
    """Either `ace` (with its other keys) or `eon`."""
    temperature_K: Positive
    """Of the rates; it may change when a run goes on."""
    confidence: ConfidenceSection = ConfidenceSection()
    """When a state is known well enough for a KMC step."""
    prefactor: PrefactorSection = ConstantPrefactor()
    """Attempt frequency of a process: either `constant_per_s` or `harmonic`."""
    gamma: GammaSection = GammaSection()
    """What the extrapolation grade leads to."""
    search: SearchSection = SearchSection()
    """How process searches start, and when one is given up."""
    symmetry: SymmetrySection = SymmetrySection()
    """What follows from symmetry in place of searches."""
    reuse: ReuseSection = ReuseSection()
    """What is carried over from the state that a hop leaves."""
    stop: StopSection = StopSection()
    """When the run is done, or pauses."""
    retention: RetentionSection = RetentionSection()
    """How much disk may be used for looking into failures."""
    workers: Annotated[int | Literal["auto"], BeforeValidator(count_or_auto)] = "auto"
    """Searches at a time on this machine; `auto`: the least of affinity, Slurm's number and cgroup quota."""
    seed: Annotated[int, NUMBER, Field(ge=0, lt=2**63)] = 1
    """Everything random follows from it."""
    superbasins: bool = False
    """Groups of states between which the run flickers count as one (docs/superbasins.md; `eon: {Coarse Graining: ...}`)."""
    recycling: bool = False
    """eOn's saddle recycling from the previous state."""
    eon: Options = {}  # noqa: RUF012 - pydantic copies it
    """Any other eOn option, by section, checked against eOn's own schema."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, value: Any) -> Any:
        """A section whose keys are all commented out is as good as absent."""
        return (
            {key: entry for key, entry in value.items() if entry is not None}
            if isinstance(value, dict)
            else value
        )

    @field_validator("structure", mode="before")
    @classmethod
    def _structure_by_name(cls, value: Any) -> Any:
        if not isinstance(value, str | Path | dict | StructureSection):
            raise ValueError("must be a file name, or a section with the key 'file'")  # noqa: TRY004
        return {"file": value} if isinstance(value, str | Path) else value

    @field_validator("eon", mode="before")
    @classmethod
    def _eon_options(cls, value: Any) -> Options:
        if not isinstance(value, dict):
            raise ValueError("must be a section of eOn's sections, as {Optimizer: {max_move: 0.1}}")  # noqa: TRY004
        for section, entries in value.items():
            if not isinstance(entries, dict):
                raise EonOptionError(
                    f"eon.{repr(str(section))[1:-1]} must be a section of eOn's options"
                )
            for key, entry in entries.items():
                if not isinstance(entry, bool | int | float | str):
                    raise EonOptionError(
                        f"eon.{section}.{key} must be one value; put a list in quotes"
                    )
        return (
            normalised(
                {
                    str(section): {str(key): entry for key, entry in entries.items()}
                    for section, entries in value.items()
                }
            )
            if value
            else {}
        )

    @model_validator(mode="after")
    def _engine_left_out(self) -> "Config":
        """Where none is named, and our own search cannot do what is asked for, eOn's client searches."""
        native_can = not isinstance(self.potential, BuiltinPotentialSection) and obeys(self.eon)
        if not native_can and not names_engine(self.search):
            search = self.search.model_copy(update={"engine": "eon"})
            object.__setattr__(
                self, "search", search
            )  # what a default is, before anyone has seen it
        return self

    @model_validator(mode="after")
    def _engine_can(self) -> "Config":
        if self.search.early_stop and self.search.engine != "native":
            raise ValueError(
                "search.early_stop: eOn's client is told nothing while it climbs; set search.engine: native with it"
            )
        if self.search.region_A is not None and self.search.engine != "native":
            raise ValueError(
                "search.region_A: eOn's client evaluates the whole cell; set search.engine: native with it"
            )
        if self.search.region_A is not None and not isinstance(self.potential, AcePotentialSection):
            raise ValueError(
                "search.region_A: how far this potential sees is not known; leave it out, or use an ACE potential"
            )
        if self.search.engine == "native":
            check_native(self.eon)
            if isinstance(self.potential, BuiltinPotentialSection):
                raise EonOptionError(
                    "search.engine: native cannot evaluate eOn's built-in potentials; use an ACE potential or an ASE "
                    "calculator, or engine: eon"
                )
        return self

    @model_validator(mode="after")
    def _ahead_can(self) -> "Config":
        others = {
            "superbasins": self.superbasins,
            "recycling": self.recycling,
            "reuse.after_hop": self.reuse.after_hop,
        }
        if self.search.ahead and any(others.values()):
            named = next(name for name, is_on in others.items() if is_on)
            raise ValueError(
                f"search.ahead and {named}: where the searches of the next state start is known only when the run is there; "
                "leave one out"
            )
        return self

    @model_validator(mode="after")
    def _reuse_can(self) -> "Config":
        if not self.reuse.after_hop:
            return self
        if self.symmetry.share is not None:
            raise ValueError(
                "symmetry.share and reuse.after_hop both say where the first searches of a state start; leave one out"
            )
        if self.recycling:
            raise ValueError("reuse.after_hop and recycling both start at old saddles; set one")
        aims = [key for key in self.eon.get("Saddle Search", {}) if key.startswith("displace_")]
        if aims:
            raise EonOptionError(
                f"eon.Saddle Search.{aims[0]} and reuse.after_hop both say where searches start; leave one out, and set "
                "search.displace"
            )
        if self.reuse.radius_A is None and not isinstance(self.potential, AcePotentialSection):
            raise ValueError(
                "reuse.radius_A: how far this potential sees is not known; set a radius of its cutoff and 1 A more"
            )
        return self

    @property
    def most_ahead(self) -> int | None:
        """No more searches are under way at a time, as what one knows follows from those before; None: no matter."""
        late = self.search.early_stop or self.reuse.after_hop
        return self.search.early_stop_lag if late else None

    @cached_property
    def worker_count(self) -> int:
        """How many searches run at a time on this machine."""
        return processors().count if self.workers == "auto" else self.workers

    def physics(self) -> dict[str, Any]:
        """What decides the trajectory besides structure and potential, by dotted key.

        Limits, workers and the temperature are left out: a run may go on with others.
        """
        facts = _dotted(
            self.model_dump(
                mode="json",
                exclude={
                    "structure": True,
                    "potential": True,
                    "search": _SEARCH_LIMITS,
                    "symmetry": _SYMMETRY_LIMITS,
                    "gamma": _GAMMA_LIMITS,
                    **_LIMITS,
                },
            )
        )
        return {
            key: value for key, value in facts.items() if key not in _LATER or value != _LATER[key]
        }

    def limits(self) -> dict[str, Any]:
        """What may change while a run goes on, by dotted key: what `physics` leaves out."""
        return _dotted(
            self.model_dump(
                mode="json",
                include={
                    "potential": _POTENTIAL_LIMITS,
                    "search": _SEARCH_LIMITS,
                    "symmetry": _SYMMETRY_LIMITS,
                    "gamma": _GAMMA_LIMITS,
                    **_LIMITS,
                },
            )
        )


_SEARCH_LIMITS = {"max_bad_in_a_row", "time_limit_min", "ahead", "ahead_unused_share"}
_SYMMETRY_LIMITS = {"share"}
_GAMMA_LIMITS = {"on_halt", "repair_after"}
_POTENTIAL_LIMITS = {"python_path"}
_LATER = {
    "search.engine": "eon",
    **{
        f"search.{key}": SearchSection.model_fields[key].default
        for key in (
            "superbasin_lead",
            "start_energy_eV",
            "early_stop",
            "early_stop_A",
            "early_stop_lag",
            "region_A",
        )
    },
    **{f"symmetry.{key}": field.default for key, field in SymmetrySection.model_fields.items()},
    **{f"reuse.{key}": field.default for key, field in ReuseSection.model_fields.items()},
}
"""Keys younger than the first runs, and what those did."""
_LIMITS = {"stop": True, "workers": True, "temperature_K": True, "retention": True}


def _dotted(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        flat.update(
            _dotted(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return flat


def json_schema() -> dict[str, Any]:
    """The configuration's JSON Schema (draft 2020-12), eOn's own options included where eOn is installed."""
    found: dict[str, Any] = Config.model_json_schema()
    properties = found["properties"]
    section = properties["structure"].pop("$ref")
    properties["structure"]["anyOf"] = [
        {"type": "string", "description": "A structure file."},
        {"$ref": section},
    ]
    properties["workers"] = {
        **properties["workers"],
        "anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}],
    }
    properties["eon"] = {**properties["eon"], **options_schema()}
    found["title"] = "mlip-kmc configuration"
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return found


def load_config(path: str | Path) -> Config:
    """Read and validate a configuration file, and the environment variable for scratch.

    Args:
        path: a YAML file; relative paths in it start at its folder.

    Returns:
        the frozen configuration. docs/configuration.md lists its keys.

    Raises:
        ConfigError: the message has one line for each fault.
    """
    path = Path(path)
    scratch_directory()
    raw = read_keys(path)
    try:
        return Config.model_validate(raw, context={"base": path.resolve().parent})
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"{path}: {line}" for line in explain(error, Config))
        ) from error


def example_directory(name: str = "cu-vacancy") -> Path:
    """A worked example: the image's, or the repository's.

    Raises:
        ConfigError: it is in neither place.
    """
    for root in (Path(sys.prefix) / "share", Path(__file__).resolve().parents[3] / "examples"):
        if (root / name).is_dir():
            return root / name
    raise ConfigError(
        "the example's files are not here; run inside the image, or name your own: `mlip-kmc init "
        "DIRECTORY --structure FILE --potential FILE`"
    )
