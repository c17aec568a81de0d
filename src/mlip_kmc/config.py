"""YAML -> one frozen, validated `Config`; the only reader of YAML and of the environment.

    config = load_config(Path("akmc.yaml"))
    config.temperature_K, config.confidence.scheme, config.potential

Every quantity carries its unit in its name. Unknown and duplicate keys are refused. Relative paths are taken from the
configuration file's own folder.
"""

import os
import sys
import unicodedata
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mlip_kmc.errors import ConfigError
from mlip_kmc.explain import explain, shown
from mlip_kmc.schema import Options, normalised, options_schema
from mlip_kmc.yaml_file import read_keys


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"must be a number (it is {str(value).lower()})")  # noqa: TRY004
    return value


_NUMBER = BeforeValidator(_no_truth_value)  # pydantic takes true for 1
Positive = Annotated[float, _NUMBER, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, _NUMBER, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, _NUMBER, Field(ge=1, lt=2**31)]


def _count_or_auto(value: Any) -> Any:
    if value == "auto" or (isinstance(value, str) and value.strip().isdecimal()):
        return value if value == "auto" else int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError(f"must be a whole number of at least 1, or auto (it is {shown(value)})")
    return value


class _Section(BaseModel):
    """Base of all sections: frozen, and nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _existing_file(value: Path, info: ValidationInfo) -> Path:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in str(value)):
        raise ValueError("must be a file name without line breaks and other control characters")
    base: Path = (info.context or {}).get("base", Path.cwd())
    try:
        path = (base / value.expanduser()).resolve()
        if path.is_dir():
            raise ValueError(f"{path} is a directory, not a file; name a file in it")
        found = path.is_file()
    except (OSError, RuntimeError) as error:  # too long a name, a loop of links, ~ of an unknown user
        raise ValueError(f"{shown(str(value))} names no file: {getattr(error, 'strerror', None) or error}") from error
    if not found:
        raise ValueError(f"there is no file {path}; correct the path, which starts at the configuration's own folder")
    return path


class StructureSection(_Section):
    """Where the run starts, and what its checks may overlook."""

    file: Path
    """Anything ASE reads; the last frame of several."""
    format: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+-]*$")] | None = None
    """ASE's name of the file's format, as `lammps-data`, or `con`; left out: told by content and name."""
    species: tuple[Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")], ...] = ()
    """Elements of types 1, 2, ..., as [Cu, Ni], where the file numbers types of atoms (LAMMPS' data and dumps)."""
    allow_small_cell: bool = False
    """Accept a periodic cell narrower than twice the potential's cutoff (atoms then meet their own images)."""
    allow_unknown_stability: bool = False
    """Start also where it cannot be told whether the minimised structure is a minimum or a saddle."""
    minimum_distance_A: Positive = 1.0
    """A structure with two atoms nearer than this is refused; during searches `potential.minimum_distance_A` acts."""

    _file = field_validator("file")(_existing_file)


class ZblSection(_Section):
    """Ziegler, Biersack, Littmark repulsion of the nuclei."""

    inner_A: Positive
    """Up to here it is whole."""
    outer_A: Positive
    """From here on it is zero."""


class LennardJonesSection(_Section):
    """The repulsive part of a Lennard-Jones potential, truncated and shifted."""

    epsilon_eV: Positive
    """Its well depth: the scale of its energies."""
    sigma_A: Positive
    """Where it would be zero, were it not shifted."""
    inner_A: Positive
    """Up to here it is whole."""
    outer_A: Positive
    """From here on it is zero."""


class RepulsionSection(_Section):
    """Which repulsion: one of the two."""

    zbl: ZblSection | None = None
    """Ziegler, Biersack, Littmark: the nuclei's, with nothing to fit."""
    lj: LennardJonesSection | None = None
    """Lennard-Jones without its attraction."""

    @model_validator(mode="after")
    def _at_most_one(self) -> "RepulsionSection":
        if self.zbl and self.lj:
            raise ValueError("has both of 'zbl' and 'lj'; leave one of them out")
        return self


class BaselineSection(RepulsionSection):
    """A short-range repulsion that is added to the ACE."""

    pairs: dict[str, RepulsionSection] = {}
    """Other than for all pairs, by pair: `{Cu-Ni: {zbl: {inner_A: 0.7, outer_A: 1.1}}}`."""


class AcePotentialSection(_Section):
    """An ACE potential, evaluated by LAMMPS ML-PACE."""

    ace: Path
    """The `.yace` file."""
    basis: Path | None = None
    """The B-basis `.yaml`; needed, with `active_set`, for the extrapolation grade gamma."""
    active_set: Path | None = None
    """The active set `.asi`."""
    training: Path | None = None
    """The training set, extended XYZ in A; where it is named, `check` and `run` say what the active set rests on."""
    evaluator: Literal["product", "recursive"] = "product"
    """LAMMPS' algorithm; the numbers agree to 1e-10, the speed differs by potential."""
    path: Literal["lammps", "driver"] = "lammps"
    """How eOn gets at it: through its own LAMMPS, or through the persistent driver (docs/driver.md)."""
    baseline: BaselineSection | None = None
    """A short-range repulsion that is added to the ACE: see baseline.md."""
    minimum_distance_A: float | dict[str, float] = {}
    """Atoms that come nearer halt the search (exit code 100): one number, or by pair of elements, as `{Cu-Ni: 1.2}`."""

    @field_validator("minimum_distance_A", mode="before")
    @classmethod
    def _distances(cls, value: Any) -> Any:
        for name, entry in value.items() if isinstance(value, dict) else [("", value)]:
            number = isinstance(entry, int | float) and not isinstance(entry, bool)
            if not number or not 0 < entry < float("inf"):
                raise ValueError(f"{name}{': ' if name else ''}must be a number of A above zero, or a section of pairs with one "
                                 f"each, as {{Cu-Ni: 1.2}} (it is {shown(entry)})")
        return value

    @field_validator("ace", "basis", "active_set", "training")
    @classmethod
    def _files(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else _existing_file(value, info)

    @model_validator(mode="after")
    def _both_or_none(self) -> "AcePotentialSection":
        if (self.basis is None) != (self.active_set is None):
            raise ValueError("needs both of 'basis' and 'active_set', or neither")
        return self


class AsePotentialSection(_Section):
    """Any ASE calculator that is installed: code that you run, with your rights."""

    ase: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")
    """Its class, as `ase.calculators.emt:EMT`."""
    kwargs: dict[str, Any] = {}
    """Its keyword arguments. Name files with their whole paths; what is in them is not watched."""


class BuiltinPotentialSection(_Section):
    """One of eOn's built-in potentials, for checks against published values."""

    eon: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    """eOn's name of it, as `eam_al`."""


class ConfidenceSection(_Section):
    """When a state is known well enough for a KMC step (eOn's confidence schemes)."""

    scheme: Literal["old", "new", "sampling"] = "old"
    """eOn's `dynamics` is left out: it counts molecular dynamics, not process searches."""
    value: Annotated[float, _NUMBER, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.99
    """What each choice misses was measured: see confidence.md."""


class ConstantPrefactor(_Section):
    """The same attempt frequency for every process."""

    constant_per_s: Positive = 1e13
    """In place of `harmonic`."""

    @property
    def default_per_s(self) -> float:
        """What a search writes down for its process."""
        return self.constant_per_s


class HarmonicPrefactor(_Section):
    """The harmonic prefactor of each process (Vineyard, J. Phys. Chem. Solids 3, 121 (1957)), from its Hessians."""

    harmonic: Literal[True]
    """In place of `constant_per_s`: `true`. Each new process then takes two Hessians, and each state one."""
    fallback_per_s: Positive = 1e13
    """Of a process that has no harmonic prefactor, in both directions; table, status and report say which."""
    most_atoms: Count = 1000
    """Hessians are of all free atoms; in a larger structure of so many, nearest to what moves, the others held."""

    @property
    def default_per_s(self) -> float:
        """What a search writes down for its process."""
        return self.fallback_per_s


class SearchSection(_Section):
    """How process searches start and when one is given up."""

    displace: Literal["random", "under_coordinated", "least_coordinated"] = "random"
    """Where a search starts: any atom; one with at most `max_coordination` neighbours; one of the least coordinated."""
    max_coordination: Count = 11
    """With so many neighbours within 3.3 A, or fewer, an atom counts as under-coordinated."""
    displacement_A: Positive = 0.1
    """Standard deviation of the Gaussian displacement of each coordinate."""
    displacement_radius_A: NonNegative = 5.0
    """Atoms within this distance of the starting atom are displaced."""
    converged_force_eV_per_A: Positive = 0.01
    """Largest force on an atom at a saddle; minima are relaxed to 0.001 at least."""
    max_energy_eV: Positive = 20.0
    """A search that climbs further above the reactant ends as bad."""
    max_iterations: Count = 1000
    """Of the saddle search; one that needs more is bad."""
    time_limit_min: Positive = 120.0
    """A search that takes longer hangs: it is made again, and stops the run when that takes longer, too."""
    max_bad_in_a_row: Count = 50
    """So many bad searches in a row stop the run."""
    thermal_window_kT: Positive = 20.0
    """Processes whose barrier is further above the lowest one stay out of the rate table."""
    superbasin_lead: Count = 24
    """In a superbasin: which state a search starts from follows from what was registered so many searches before."""


class StopSection(_Section):
    """When the run is finished (steps, simulated time) or pauses with exit code 75 (wall time)."""

    kmc_steps: Count | None = None
    """The run is done after so many KMC steps (exit code 0)."""
    simulated_time_s: Positive | None = None
    """The run is done at this simulated time (exit code 0)."""
    wall_time_min: Positive | None = None
    """This start pauses then (exit code 75); the same command continues."""
    wait_for_room_min: NonNegative | None = None
    """A full disk pauses the run until there is room; after so long it ends (exit code 8). Left out: it waits."""


class RetentionSection(_Section):
    """How much disk may be used for what only helps to look into failures."""

    evidence_MB: NonNegative = 200.0
    """Directories of failed searches, in `evidence/`; beyond, the oldest go."""


class GammaSection(_Section):
    """What the extrapolation grade gamma leads to, where the potential has one."""

    select: Positive = 3.0
    """A structure at or above it is remembered, as a candidate for the training set."""
    halt: Positive = 15.0
    """A search that reaches it is ended, and never enters a rate table."""
    every: Count = 10
    """Force calls from one evaluation to the next; saddles and minima are always evaluated."""
    on_halt: Literal["stop", "continue"] = "stop"
    """What a halted search means for the run: it stops with exit code 100, or goes on, its confidence conditional."""

    @model_validator(mode="after")
    def _in_order(self) -> "GammaSection":
        if not self.select < self.halt:
            raise ValueError(f"select ({self.select:g}) must be less than halt ({self.halt:g})")
        return self

    def reaches_select(self, gamma: float) -> bool:
        """Is a gamma at or above `select`, or no number?"""
        return not gamma < self.select

    def reaches_halt(self, gamma: float) -> bool:
        """Is a gamma at or above `halt`, or no number? Every path halts at the threshold itself, as LAMMPS' `>=` does."""
        return not gamma < self.halt


def _one_of(kinds: dict[str, type[_Section]], message: str) -> Discriminator:
    """Which of several sections is meant: the one whose own key is there, alone."""

    def choose(value: Any) -> str | None:
        if isinstance(value, _Section):
            return type(value).__name__
        chosen = [kind for kind in kinds if isinstance(value, dict) and kind in value]
        return kinds[chosen[0]].__name__ if len(chosen) == 1 else None

    return Discriminator(choose, custom_error_type="mlip_kmc_choice", custom_error_message=message)


PotentialSection = Annotated[
    Annotated[AcePotentialSection, Tag("AcePotentialSection")]
    | Annotated[BuiltinPotentialSection, Tag("BuiltinPotentialSection")]
    | Annotated[AsePotentialSection, Tag("AsePotentialSection")],
    _one_of({"ace": AcePotentialSection, "eon": BuiltinPotentialSection, "ase": AsePotentialSection},
            "must be a section with exactly one of the keys 'ace' (a .yace file), 'eon' (a built-in's name) and 'ase' (a class)"),
]
PrefactorSection = Annotated[
    Annotated[ConstantPrefactor, Tag("ConstantPrefactor")] | Annotated[HarmonicPrefactor, Tag("HarmonicPrefactor")],
    _one_of({"constant_per_s": ConstantPrefactor, "harmonic": HarmonicPrefactor},
            "must be a section with exactly one of the keys 'constant_per_s' (a number) and 'harmonic' (true)"),
]


class Config(_Section):
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
    stop: StopSection = StopSection()
    """When the run is done, or pauses."""
    retention: RetentionSection = RetentionSection()
    """How much disk may be used for looking into failures."""
    workers: Annotated[int | Literal["auto"], BeforeValidator(_count_or_auto)] = "auto"
    """Searches at a time on this machine; `auto` takes the processors this process may use."""
    seed: Annotated[int, _NUMBER, Field(ge=0, lt=2**63)] = 1
    """Everything random follows from it."""
    superbasins: bool = False
    """Groups of states between which the run flickers count as one (docs/superbasins.md; `eon: {Coarse Graining: ...}`)."""
    recycling: bool = False
    """eOn's saddle recycling from the previous state."""
    eon: Options = {}
    """Any other eOn option, by section, checked against eOn's own schema."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, value: Any) -> Any:
        """A section whose keys are all commented out is as good as absent."""
        return {key: entry for key, entry in value.items() if entry is not None} if isinstance(value, dict) else value

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
                raise ValueError(f"eon.{repr(str(section))[1:-1]} must be a section of eOn's options")  # noqa: TRY004
            for key, entry in entries.items():
                if not isinstance(entry, bool | int | float | str):
                    raise ValueError(f"eon.{section}.{key} must be one value; put a list in quotes")  # noqa: TRY004
        return normalised({str(section): {str(key): entry for key, entry in entries.items()}
                           for section, entries in value.items()}) if value else {}

    @cached_property
    def worker_count(self) -> int:
        """How many searches run at a time on this machine."""
        return processors() if self.workers == "auto" else self.workers

    def physics(self) -> dict[str, Any]:
        """What decides the trajectory besides structure and potential, by dotted key.

        Limits, workers and the temperature are left out: a run may go on with others.
        """
        facts = _dotted(self.model_dump(mode="json", exclude={"structure": True, "potential": True, "search": _SEARCH_LIMITS,
                                                              "gamma": _GAMMA_LIMITS, **_LIMITS}))
        return {key: value for key, value in facts.items() if key not in _LATER or value != _LATER[key]}

    def limits(self) -> dict[str, Any]:
        """What may change while a run goes on, by dotted key: what `physics` leaves out."""
        return _dotted(self.model_dump(mode="json", include={"search": _SEARCH_LIMITS, "gamma": _GAMMA_LIMITS, **_LIMITS}))


_SEARCH_LIMITS = {"max_bad_in_a_row", "time_limit_min"}
_GAMMA_LIMITS = {"on_halt"}
_LATER = {"search.superbasin_lead": SearchSection.model_fields["superbasin_lead"].default}
"""Keys younger than the first runs, which did what the default says."""
_LIMITS = {"stop": True, "workers": True, "temperature_K": True, "retention": True}


def _dotted(facts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in facts.items():
        flat.update(_dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def json_schema() -> dict[str, Any]:
    """The configuration's JSON Schema (draft 2020-12), eOn's own options included where eOn is installed."""
    found: dict[str, Any] = Config.model_json_schema()
    properties = found["properties"]
    section = properties["structure"].pop("$ref")
    properties["structure"]["anyOf"] = [{"type": "string", "description": "A structure file."}, {"$ref": section}]
    properties["workers"] = {**properties["workers"], "anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}
    properties["eon"] = {**properties["eon"], **options_schema()}
    found["title"] = "mlip-kmc configuration"
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return found


def load_config(path: str | Path) -> Config:
    """Read and validate a configuration file, and the environment that goes with it.

    Raises:
        ConfigError: one line for each thing that is wrong.
    """
    path = Path(path)
    scratch_directory()
    raw = read_keys(path)
    try:
        return Config.model_validate(raw, context={"base": path.resolve().parent})
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in explain(error, Config))) from error


def example_directory() -> Path:
    """The worked example: the image's, or the repository's.

    Raises:
        ConfigError: it is in neither place.
    """
    for root in (Path(sys.prefix) / "share", Path(__file__).resolve().parents[2] / "examples"):
        if (root / "cu-vacancy").is_dir():
            return root / "cu-vacancy"
    raise ConfigError("the example's files are not here; run inside the image, or name your own: `mlip-kmc init "
                      "DIRECTORY --structure FILE --potential FILE`")


def runtime_directories() -> list[Path]:
    """Where a socket may lie, best first: XDG_RUNTIME_DIR, the scratch directory, /tmp."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(named).absolute()] if named else []), scratch_directory(), Path("/tmp")]  # noqa: S108 - a private one is made in it


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def node_name() -> str:
    """Slurm's name of this node; empty outside of Slurm."""
    return os.environ.get("SLURMD_NODENAME", "")


def job_name() -> str:
    """Slurm's name of this job, with its restarts; empty outside of Slurm."""
    job, restarts = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_RESTART_COUNT", "")
    return f"{job}, restart {restarts}" if job and restarts else job


def source_date_epoch() -> int | None:
    """SOURCE_DATE_EPOCH: seconds since 1970 that stand for now in what must come out the same again; None where it is not set.

    Raises:
        ConfigError: it is no whole number of seconds between 1980 and 2107, which a zip can hold.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return None
    if not given.isascii() or not given.isdecimal() or not 315532800 <= int(given[:12]) < 4354819200:
        raise ConfigError(f"SOURCE_DATE_EPOCH must be whole seconds since 1970, of the years 1980 to 2107 (it is {shown(given)})")
    return int(given)


def scratch_directory() -> Path:
    """Where searches run: MLIP_KMC_SCRATCH, else the job's scratch, else the system's temporary folder.

    Raises:
        ConfigError: MLIP_KMC_SCRATCH names no directory.
    """
    named = os.environ.get("MLIP_KMC_SCRATCH")
    if named and not Path(named).is_dir():
        raise ConfigError(f"MLIP_KMC_SCRATCH names no directory: {named!r}; create it or unset the variable")
    for name in ("MLIP_KMC_SCRATCH", "SLURM_TMPDIR", "TMPDIR"):
        if os.environ.get(name) and Path(os.environ[name]).is_dir():
            return Path(os.environ[name]).absolute()
    return Path("/tmp")  # noqa: S108 - a private directory is made in it
