"""The potentials of a campaign: generation 0 is given, each later one is a candidate that was accepted.

begin(directory, run_config=config, training=training)
config_of(generation, config=config, run_config=run_config)         # the run's configuration with the generation's potential
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlip_kmc.campaign.generation import FACTS, TRAINING, Generation, write_facts
from mlip_kmc.config import AcePotentialSection, CampaignConfig, Config
from mlip_kmc.ground.errors import ConfigError, PotentialError
from mlip_kmc.ground.files import make_directory, write_durably
from mlip_kmc.model.labelled import LabelledStructure, labelled_text, write_labelled
from mlip_kmc.potential import AcePotential, ace_of
from mlip_kmc.potential.inputs import potential_of

_SUFFIXES = (".yaml", ".yace", ".asi", ".record.json")


def begin(directory: Path, *, run_config: Config, training: Sequence[LabelledStructure]) -> None:
    """Generation 0, where there is none yet: copies of the potential that the run names, and of its training set.

    Raises:
        PotentialError: its gamma is not known. ConfigError: generation 0 is there, of another potential or training set.
    """
    first = Generation(directory, 0)
    ace = with_gamma(run_config)
    if first.made:
        _refuse_others(first, ace, training)
        return
    folder = make_directory(make_directory(first.folder) / "potential")
    for suffix in _SUFFIXES:
        named = {".yaml": ace.basis, ".asi": ace.active_set}
        source = named.get(suffix, ace.yace.with_suffix(suffix))
        if source is not None and source.is_file():
            write_durably(folder / f"{ace.yace.stem}{suffix}", source.read_bytes())
    if training:
        write_labelled(first.folder / TRAINING, training)
    facts = {
        "number": 0,
        "potential": ace.yace.name,
        "digests": ace.digests.model_dump(),
        "origin": "given",
        "structures": {"training": len(training)},
    }
    write_facts(first.folder / FACTS, facts)


def _refuse_others(
    first: Generation, ace: AcePotential, training: Sequence[LabelledStructure]
) -> None:
    """What every later generation is measured against stays."""
    changed = []
    known = first.facts()["digests"]
    if any(known.get(name, value) != value for name, value in ace.digests.model_dump().items()):
        changed.append(f"the potential ({ace.yace})")
    path = first.folder / TRAINING
    if labelled_text(training) != (path.read_text(encoding="utf-8") if path.is_file() else ""):
        changed.append("training.data")
    if changed:
        raise ConfigError(
            f"{' and '.join(changed)}: not what the campaign in {first.directory} began with; restore the configuration, or "
            "begin a campaign in another directory (--dir)"
        )


def promote(
    yace: Path,
    after: Generation,
    *,
    structures: Sequence[LabelledStructure],
    facts: Mapping[str, object],
) -> None:
    """A candidate becomes a generation: its files first, what it is last.

    Args:
        yace: of the candidate.
        after: the generation.
        structures: what it was fitted to.
        facts: how, and the verdict on it.
    """
    folder = make_directory(make_directory(after.folder) / "potential")
    for suffix in _SUFFIXES:
        source = yace.with_suffix(suffix)
        if source.is_file():
            write_durably(folder / source.name, source.read_bytes())
    write_labelled(after.folder / TRAINING, structures)
    potential = AcePotential.read(folder / yace.name)
    known = {
        "number": after.number,
        "potential": yace.name,
        "digests": potential.digests.model_dump(),
        "origin": "refit",
    }
    write_facts(after.folder / FACTS, {**known, **facts})


def config_of(generation: Generation, *, config: CampaignConfig, run_config: Config) -> Config:
    """The run's configuration with the potential of a generation; it stops where labels can help.

    Raises:
        ConfigError: the run has no ACE potential.
    """
    section = run_config.potential
    if not isinstance(section, AcePotentialSection):
        raise ConfigError(
            "a campaign repairs an ACE potential: name one in the run's configuration (potential.ace)"
        )
    ace = section.model_copy(update={"ace": generation.yace, "basis": None, "active_set": None})
    gamma = run_config.gamma.model_copy(
        update={"on_halt": "repair", "repair_after": config.halts_at_once}
    )
    return run_config.model_copy(update={"potential": ace, "gamma": gamma})


def with_gamma(config: Config) -> AcePotential:
    """The potential of a configuration.

    Raises:
        PotentialError: it is none whose gamma is known: nothing halts without it, and nothing can be selected.
    """
    ace = ace_of(potential_of(config))
    if ace is None or not ace.knows_gamma:
        raise PotentialError(
            "a campaign needs the potential's gamma: give its B-basis .yaml and active set .asi "
            "(potential.basis, potential.active_set); mlip-kmc potential activeset makes the latter"
        )
    return ace
