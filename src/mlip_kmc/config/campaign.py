"""A campaign's configuration: the run that explores, the oracle, and how labels become a better potential.

Example:
    campaign = load_campaign(Path("campaign.yaml"))
    campaign.explore, campaign.oracle.time_limit_min, campaign.budget.labels

Relative paths are taken from the file's own folder. The keys are those of docs/campaign.md.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from mlip_kmc.config.explain import explain
from mlip_kmc.config.sections import (
    NUMBER,
    Count,
    NonNegative,
    Positive,
    Section,
    existing_file,
)
from mlip_kmc.config.yaml_file import read_keys
from mlip_kmc.ground.errors import ConfigError

NonNegativeCount = Annotated[int, NUMBER, Field(ge=0)]
Share = Annotated[float, NUMBER, Field(gt=0, le=1, allow_inf_nan=False)]
_OWN_OPTIONS = (
    "--array",
    "--wrap",
    "--job-name",
    "--output",
    "--parsable",
    "--chdir",
    "--test-only",
)
Facts = dict[str, str | int | float | bool]


class TrainingSection(Section):
    """The set that the present potential was fitted to; left out for a potential whose set is not known."""

    data: Path
    """Extended XYZ with energies (eV) and forces (eV/A)."""
    test: Path
    """Another such set, never fitted to: no generation may be worse on it."""
    energy_key: str = "energy"
    """Name of the energies in both files."""
    forces_key: str = "forces"
    """Name of the forces in both files."""
    oracle_settings: Facts = {}  # noqa: RUF012 - pydantic copies it
    """What labelled the set; each key that `oracle.settings` has too must have the same value there."""

    _files = field_validator("data", "test")(existing_file)


class _Oracle(Section):
    settings: Facts = {}  # noqa: RUF012 - pydantic copies it
    """What decides the labels: code, version, functional, cutoff, k-point density, spin, smearing; recorded with each label."""
    zero_eV: dict[Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")], float] = {}  # noqa: RUF012 - as above
    """By element, what is subtracted for each atom, so that energies have the zero of the training set."""
    time_limit_min: Positive = 60.0
    """A label that takes longer has failed."""
    largest_force_eV_per_A: Positive = 50.0
    """A label with a larger force is absurd, and is left out."""
    largest_net_force_eV_per_A: Positive | None = 1.0
    """Forces of a label must add up to zero within this; null: not for this oracle (an outer field)."""
    free_energy: bool = False
    """Take the free energy, of which the forces are the derivative, where the code smears: what the training set has decides."""


class AseOracle(_Oracle):
    """Any ASE calculator that is installed."""

    ase: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")
    """Its class, as `ase.calculators.emt:EMT`."""
    kwargs: dict[str, Any] = {}  # noqa: RUF012 - as above
    """Its keyword arguments."""


class CommandOracle(_Oracle):
    """Any command that reads a structure and writes it back with energy and forces, both extended XYZ."""

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    """Program and arguments; `{input}` and `{output}` stand for the two files. It runs in a folder of its own."""

    @field_validator("command")
    @classmethod
    def _command(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for placeholder in ("{input}", "{output}"):
            if not any(placeholder in word for word in value[1:]):
                raise ValueError(f"must name {placeholder} in an argument")
        if any(not word.isprintable() for word in value):
            raise ValueError("must hold no line breaks and other control characters")
        base: Path = (info.context or {}).get("base", Path.cwd())
        return tuple(
            str(base / word) if (base / word).is_file() and (index or "/" in word) else word
            for index, word in enumerate(value)
        )


def _oracle_kind(value: Any) -> str | None:
    if isinstance(value, _Oracle):
        return type(value).__name__
    kinds = {"ase": "AseOracle", "command": "CommandOracle"}
    chosen = [kind for kind in kinds if isinstance(value, dict) and kind in value]
    return kinds[chosen[0]] if len(chosen) == 1 else None


OracleSection = Annotated[
    Annotated[AseOracle, Tag("AseOracle")] | Annotated[CommandOracle, Tag("CommandOracle")],
    Discriminator(
        _oracle_kind,
        custom_error_type="mlip_kmc_choice",
        custom_error_message="must be a section with exactly one of the keys 'ase' (a class) and 'command' (a program)",
    ),
]


class LabelsSection(Section):
    """Where labels are computed, and what is believed."""

    where: Literal["here", "slurm"] = "here"
    """By processes of the campaign's own, or by jobs of `slurm/label.sbatch`."""
    at_a_time: Count = 1
    """So many labels at a time, here."""
    sbatch: tuple[
        Annotated[str, Field(pattern=r"^--[a-z][a-z-]*(=[A-Za-z0-9_.:,/@%+-]+)?$")], ...
    ] = ()
    """Options of `sbatch` for each job, as `--time=02:00:00`."""
    cost_per_label: Annotated[str, Field(max_length=80)] = ""
    """What a label costs, for people, as `about 40 core hours`; shown before labels are made."""
    trusted_gamma: Positive = 2.0
    """At atoms of a gamma up to this the present potential is a witness against wrong forces."""
    outlier_eV_per_A: Positive = 5.0
    """A label whose force on such an atom is so far from the potential's is left out."""
    largest_offset_eV_per_atom: Positive = 1.0
    """Energies farther from potential and training set have another zero: the campaign stops and says so."""

    @field_validator("sbatch")
    @classmethod
    def _ours(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for option in value:
            if option.partition("=")[0] in _OWN_OPTIONS:
                raise ValueError(f"must not hold {option.partition('=')[0]}: the program sets it")
        return value


class CutoutSection(Section):
    """How large structures are cut down to what the oracle can label."""

    whole_up_to_atoms: Count = 120
    """A structure with so few atoms is labelled whole."""
    core_A: Positive = 3.0
    """Around each offending atom: forces of the atoms within it count."""
    buffer_A: Positive | None = None
    """Around the core: atoms whose forces do not count. Left out: 1.5 cutoffs of the potential, or what there is room for."""
    most_atoms: Count = 250
    """So many atoms the oracle can take; with less than 0.6 cutoffs of buffer left, atoms are not labelled."""
    relax_steps: NonNegativeCount = 40
    """Steps by which the faces of a box are relaxed under the present potential; the core is held."""
    box_energy_weight: Annotated[float, NUMBER, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    """Weight of a box's energy in the fit; a whole structure has 1."""


class RefitSection(Section):
    """How a potential is fitted again."""

    backend: Literal["linear", "pacemaker"] = "linear"
    """Linear ACE by ridge regression (seconds), or pacemaker, for non-linear embeddings."""
    ridge: Annotated[tuple[Positive, ...], Field(min_length=1)] = (
        1e-12,
        1e-11,
        1e-10,
        1e-9,
        1e-8,
        1e-7,
        1e-6,
        1e-5,
        1e-4,
    )
    """Strengths of the regularisation, of which validation chooses; they have no unit (docs/refit.md)."""
    energy_weight: Positive = 30.0
    """Weight of an energy an atom (1 eV) against a force component (1 eV/A)."""
    label_weight: Positive = 3.0
    """A campaign's label counts like so many structures of the training set."""
    barrier_weight: NonNegative = 10.0
    """Weight of a barrier that the oracle labelled (1 eV), whatever the structure's size, against a force component (1 eV/A)."""
    energy_scale_eV: Positive = 1.0
    """Energies an atom so far above the lowest count half."""
    force_scale_eV_per_A: Positive = 3.0
    """Forces of this size count half."""
    anchors: Count = 60
    """Without a training set: so many structures that the old potential labels."""
    pacemaker_iterations: Count = 50
    """So many iterations of pacemaker's optimiser at most."""
    time_limit_min: Positive = 60.0
    """A fit that takes longer has failed."""
    larger_bases: tuple[Path, ...] = ()
    """B-basis files, from small to large, that are tried when the present basis cannot be fitted well enough."""

    @field_validator("larger_bases")
    @classmethod
    def _bases(cls, value: tuple[Path, ...], info: ValidationInfo) -> tuple[Path, ...]:
        return tuple(existing_file(path, info) for path in value)


class AcceptSection(Section):
    """When a generation is accepted."""

    worse_at_most: NonNegative = 0.10
    """Errors on the test set may grow by this share of those of generation 0."""
    good_energy_rmse_eV_per_atom: NonNegative = 0.001
    """An error of energies up to here is good enough, however small generation 0's was."""
    good_force_rmse_eV_per_A: NonNegative = 0.02
    """An error of force components up to here is good enough, however small generation 0's was."""
    energy_rmse_eV_per_atom: Positive | None = None
    """Largest error of energies on the test set, whatever generation 0's was."""
    force_rmse_eV_per_A: Positive | None = None
    """Largest error of force components on the test set, whatever generation 0's was."""


class ConfirmSection(Section):
    """How barriers are confirmed at the target: the oracle labels saddles and minima as the potential has them."""

    processes: NonNegativeCount = 6
    """So many kinds of processes at most, those with the largest share of the rate first; 0: none."""
    rate_share: Share = 0.99
    """No more of them than make up this share of the rate."""
    barrier_error_eV: Positive = 0.015
    """Largest error of a barrier: saddle less minimum by the potential, against the oracle, in the same two structures."""
    force_error_eV_per_A: Positive = 0.2
    """Largest difference of an atom's force there; of boxes cut out of large structures only this is compared."""


class BudgetSection(Section):
    """When a campaign that does not converge ends."""

    generations: Count = 10
    """So many refits at most."""
    labels: Count = 200
    """So many labels at most, over all generations."""
    labels_at_once: Count = 20
    """So many labels a generation at most."""
    wall_time_h: Positive | None = None
    """So long at most, over all starts."""
    without_progress: Count = 3
    """So many generations in a row that halt where the last one did."""


class CampaignConfig(Section):
    """Everything a campaign needs."""

    explore: Path
    """The configuration of the run that explores; its potential is generation 0."""
    method: Literal["akmc"] = "akmc"
    """How new structures are found."""
    training: TrainingSection | None = None
    """Left out where the potential's training set is not known: then a linear correction is fitted."""
    oracle: OracleSection
    """Gives the labels."""
    labels: LabelsSection = LabelsSection()
    """Where labels are computed."""
    cutout: CutoutSection = CutoutSection()
    """How large structures are cut down."""
    refit: RefitSection = RefitSection()
    """How a potential is fitted again."""
    accept: AcceptSection = AcceptSection()
    """When a generation is accepted."""
    confirm: ConfirmSection = ConfirmSection()
    """How barriers are confirmed at the target."""
    budget: BudgetSection = BudgetSection()
    """When it ends without convergence."""
    calm_steps: Count | None = None
    """The target: so many KMC steps in a row under one potential, without a halt. Left out: the run's own `stop`."""
    halts_at_once: Count = 8
    """So many searches are halted before exploring stops for a repair; a KMC step is never made past one."""
    approve: bool = False
    """Pause before labels are made (exit code 75); the same command with --approve goes on."""
    release: Path | None = None
    """Release configuration (docs/release.md); at the target the best generation is released."""

    _explore = field_validator("explore")(existing_file)

    @field_validator("release")
    @classmethod
    def _release(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else existing_file(value, info)

    @model_validator(mode="after")
    def _one_oracle(self) -> "CampaignConfig":
        if self.training is not None:
            for key, value in self.training.oracle_settings.items():
                if self.oracle.settings.get(key, value) != value:
                    raise ValueError(
                        f"oracle.settings.{key} is {self.oracle.settings[key]!r}, but the training set was labelled with "
                        f"{value!r}: energies of two oracles are never mixed"
                    )
        return self


def load_campaign(path: str | Path) -> CampaignConfig:
    """Read and validate a campaign's configuration.

    Args:
        path: a YAML file; relative paths in it start at its folder.

    Raises:
        ConfigError: the message has one line for each fault.
    """
    path = Path(path)
    raw = read_keys(path)
    try:
        return CampaignConfig.model_validate(raw, context={"base": path.resolve().parent})
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"{path}: {line}" for line in explain(error, CampaignConfig))
        ) from error


def campaign_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a campaign's configuration."""
    found: dict[str, Any] = CampaignConfig.model_json_schema()
    found["title"] = "mlip-kmc campaign"
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return found
