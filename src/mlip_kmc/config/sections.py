"""The sections of a configuration: frozen models, each quantity with its unit in its name, nothing unknown accepted."""

import os
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from mlip_kmc.config.places import common_folder
from mlip_kmc.ground.container import binding
from mlip_kmc.ground.wording import shown


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"must be a number (it is {str(value).lower()})")  # noqa: TRY004
    return value


NUMBER = BeforeValidator(_no_truth_value)  # pydantic takes true for 1
Positive = Annotated[float, NUMBER, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, NUMBER, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, NUMBER, Field(ge=1, lt=2**31)]


def count_or_auto(value: Any) -> Any:
    """A whole number of at least 1, or the word `auto`."""
    if value == "auto" or (isinstance(value, str) and value.strip().isdecimal()):
        return value if value == "auto" else int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise ValueError(f"must be a whole number of at least 1, or auto (it is {shown(value)})")
    return value


class Section(BaseModel):
    """Base of all sections: frozen, and nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def existing_file(value: Path, info: ValidationInfo) -> Path:
    """A file that is there, as an absolute path; a relative one starts at the context's `base`."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in str(value)):
        raise ValueError("must be a file name without line breaks and other control characters")
    base: Path = (info.context or {}).get("base", Path.cwd())
    try:
        path = (base / value.expanduser()).resolve()
        if path.is_dir():
            raise ValueError(f"{path} is a directory, not a file; name a file in it")
        found = path.is_file()
    except (
        OSError,
        RuntimeError,
    ) as error:  # too long a name, a loop of links, ~ of an unknown user
        raise ValueError(
            f"{shown(str(value))} names no file: {getattr(error, 'strerror', None) or error}"
        ) from error
    if not found:
        advice = "correct the path, which starts at the configuration's own folder"
        raise ValueError(f"there is no file {path}; {binding(path) or advice}")
    return path


def _existing_folders(value: Any, info: ValidationInfo) -> tuple[Path, ...]:
    """One folder, or a list of them, as whole paths."""
    named = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(entry, str | Path) for entry in named):
        raise ValueError(f"must be a folder, or a list of folders (it is {shown(value)})")
    base: Path = (info.context or {}).get("base", Path.cwd())
    found = []
    for entry in named:
        path = (base / Path(entry).expanduser()).absolute()
        if os.pathsep in str(path) or not str(path).isprintable():
            raise ValueError(
                f"Python takes no folder with {os.pathsep!r} or control characters in its name: {shown(str(path))}"
            )
        if not path.is_dir():
            advice = "correct the path, which starts at the configuration's own folder"
            raise ValueError(f"there is no folder {path}; {binding(path) or advice}")
        found.append(path)
    return tuple(found)


class StructureSection(Section):
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

    _file = field_validator("file")(existing_file)


class ZblSection(Section):
    """Ziegler, Biersack, Littmark repulsion of the nuclei."""

    inner_A: Positive
    """Up to here it is whole."""
    outer_A: Positive
    """From here on it is zero."""


class LennardJonesSection(Section):
    """The repulsive part of a Lennard-Jones potential, truncated and shifted."""

    epsilon_eV: Positive
    """Its well depth: the scale of its energies."""
    sigma_A: Positive
    """Where it would be zero, were it not shifted."""
    inner_A: Positive
    """Up to here it is whole."""
    outer_A: Positive
    """From here on it is zero."""


class RepulsionSection(Section):
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


class AcePotentialSection(Section):
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
                raise ValueError(
                    f"{name}{': ' if name else ''}must be a number of A above zero, or a section of pairs with one "
                    f"each, as {{Cu-Ni: 1.2}} (it is {shown(entry)})"
                )
        return value

    @field_validator("ace", "basis", "active_set", "training")
    @classmethod
    def _files(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else existing_file(value, info)

    @model_validator(mode="after")
    def _both_or_none(self) -> "AcePotentialSection":
        if (self.basis is None) != (self.active_set is None):
            raise ValueError("needs both of 'basis' and 'active_set', or neither")
        return self


class AsePotentialSection(Section):
    """Any ASE calculator, of the image or of your own (`python_path`): code that you run, with your rights."""

    ase: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")
    """Its class, as `ase.calculators.emt:EMT`."""
    kwargs: dict[str, Any] = {}
    """Its keyword arguments. Name files with their whole paths; what is in them is not watched."""
    python_path: Annotated[
        tuple[Path, ...],
        BeforeValidator(_existing_folders),
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
        ),
    ] = ()
    """Folders with Python packages of your own, one or a list; Python looks into them after the image's. The run notes them."""


class BuiltinPotentialSection(Section):
    """One of eOn's built-in potentials, for checks against published values."""

    eon: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    """eOn's name of it, as `eam_al`."""


class ConfidenceSection(Section):
    """When a state is known well enough for a KMC step (eOn's confidence schemes)."""

    scheme: Literal["old", "new", "sampling"] = "old"
    """eOn's `dynamics` is left out: it counts molecular dynamics, not process searches."""
    value: Annotated[float, NUMBER, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.99
    """What each choice misses was measured: see confidence.md."""


class ConstantPrefactor(Section):
    """The same attempt frequency for every process."""

    constant_per_s: Positive = 1e13
    """In place of `harmonic`."""

    @property
    def default_per_s(self) -> float:
        """What a search writes down for its process."""
        return self.constant_per_s


class HarmonicPrefactor(Section):
    """The harmonic prefactor of each process (Vineyard, J. Phys. Chem. Solids 3, 121 (1957)), from its Hessians."""

    harmonic: Literal[True]
    """In place of `constant_per_s`: `true`. Each new process then takes two Hessians, and each state one."""
    fallback_per_s: Positive = 1e13
    """Of a process that has no harmonic prefactor, in both directions; table, status and report say which."""
    most_atoms: Count = 1500
    """Hessians are of all free atoms; in a larger structure of so many, nearest to what moves: see prefactors.md."""

    @property
    def default_per_s(self) -> float:
        """What a search writes down for its process."""
        return self.fallback_per_s


class SearchSection(Section):
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
    """Largest force on an atom at a saddle (low barriers go further: low-barriers.md); minima are relaxed to 0.001 at least."""
    max_energy_eV: Positive = 20.0
    """A search that climbs further above the reactant ends as bad."""
    max_iterations: Count = 1000
    """Of the saddle search; one that needs more is bad."""
    engine: Literal["native", "eon"] = "native"
    """Who searches: our own search, which takes fewer force calls, or eOn's client (native-search.md)."""
    start_energy_eV: Positive = 2.0
    """With `engine: native`: a displaced structure that is further above the state is relaxed down to this, then climbs."""
    early_stop: bool = False
    """With `engine: native`: a climb on its way to a known saddle ends there, as a repeat; a share goes on, as an audit."""
    early_stop_A: Positive = 0.4
    """With `early_stop`: so near is every atom to its place in the known saddle."""
    early_stop_lag: Count = 48
    """With `early_stop`: a search knows what was registered so many searches before it; no more are under way at a time."""
    ahead: bool = False
    """Workers that the present state has no search for search the one that will probably come next: see scaling.md."""
    ahead_unused_share: Annotated[float, NUMBER, Field(ge=0, le=1)] = 0.2
    """With `ahead`: nothing is begun ahead while more of all searches than this were begun so, and never asked for."""
    region_A: Positive | None = None
    """With `engine: native` and ACE: a search evaluates so far about its start, and as much more as it needs; see regions.md."""
    time_limit_min: Positive = 120.0
    """A search that takes longer hangs: it is made again, and stops the run when that takes longer, too."""
    max_bad_in_a_row: Count = 50
    """So many bad searches in a row stop the run."""
    thermal_window_kT: Positive = 20.0
    """Processes whose barrier is further above the lowest one stay out of the rate table."""
    superbasin_lead: Count = 24
    """In a superbasin: which state a search starts from follows from what was registered so many searches before."""


class SymmetrySection(Section):
    """What follows from a state's symmetry, and from its likeness to another state, in place of searches (docs/symmetry.md)."""

    orbits: bool = False
    """A new process brings all equivalent ones of its state, each checked by an evaluation; confidence counts them as one."""
    classes: bool = False
    """States that are equal but for their place share one process table; each is checked by an evaluation."""
    audit_share: Annotated[float, NUMBER, Field(ge=0, le=1)] = 0.05
    """Of states that are recognised: one of their saddles is converged again, and must be the one that was expected."""
    visit_searches: Annotated[int, NUMBER, Field(ge=0, lt=2**31)] = 2
    """With `classes`: searches that a visit adds where an image did not hold, or orbits are off: see symmetry.md."""
    tolerance_A: Positive = 0.03
    """Farthest that an atom may be from where an operation puts it."""
    share: Path | None = None
    """With `classes`: a folder in which runs of other seeds tell each other what they know; it is made (see symmetry.md)."""

    @field_validator("share")
    @classmethod
    def _folder(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else common_folder(value, info)

    @model_validator(mode="after")
    def _share_needs_classes(self) -> "SymmetrySection":
        if self.share is not None and not self.classes:
            raise ValueError(
                "share needs classes: true, by which states of other runs are recognised"
            )
        return self


class ReuseSection(Section):
    """What of the state that a hop leaves is carried over to the one behind it, where no class knows that (docs/reuse.md)."""

    after_hop: bool = False
    """Processes far from what the hop changed are converged again, and searches start near the change."""
    radius_A: Positive | None = None
    """So far from every atom that the hop moved; left out: 1 A beyond the potential's cutoff, where that is known."""
    tolerance_A: Positive = 0.05
    """An atom that the hop moved by less is where it was."""
    audit_share: Annotated[float, NUMBER, Field(ge=0, lt=1)] = 0.05
    """Of searches, which start far from the change: one that finds something there ends the reuse in that state."""


class StopSection(Section):
    """When the run is finished (steps, simulated time) or pauses with exit code 75 (wall time)."""

    kmc_steps: Count | None = None
    """The run is done after so many KMC steps (exit code 0)."""
    simulated_time_s: Positive | None = None
    """The run is done at this simulated time (exit code 0)."""
    desorbed_atoms: Count | None = None
    """The run is done when so many atoms have left the rest since state 0 (exit code 0); else only `status` says so."""
    wall_time_min: Positive | None = None
    """This start pauses then (exit code 75); the same command continues."""
    wait_for_room_min: NonNegative | None = None
    """A full disk pauses the run until there is room; after so long it ends (exit code 8). Left out: it waits."""


class RetentionSection(Section):
    """How much disk may be used for what only helps to look into failures."""

    evidence_MB: NonNegative = 200.0
    """Directories of failed searches, in `evidence/`; beyond, the oldest go."""


class GammaSection(Section):
    """What the extrapolation grade gamma leads to, where the potential has one."""

    select: Positive = 3.0
    """A structure at or above it is remembered, as a candidate for the training set."""
    halt: Positive = 15.0
    """A search that reaches it is ended, and never enters a rate table."""
    every: Count = 10
    """Force calls from one evaluation to the next; saddles and minima are always evaluated."""
    on_halt: Literal["stop", "continue", "repair"] = "stop"
    """What a halted search means: the run stops (exit code 100), goes on, or (campaigns) stops after `repair_after` of them."""
    repair_after: Count = 8
    """With `on_halt: repair`: so many halts that labels can help stop the run; before a KMC step one is enough."""

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
