"""The setup of a run: all that determines its trajectory, the digest of it, and the differences between two setups.

Example:
    identity_of({"seed": 1, "confidence.value": 0.99})     # equal for equal trajectories
    changed({"seed": 1}, {"seed": 2})                      # {'seed': (1, 2)}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlip_kmc.config import Config
from mlip_kmc.config.native_options import names_engine
from mlip_kmc.evaluate.warm import Recipe
from mlip_kmc.model.records import Minimised, identity_of
from mlip_kmc.search.native.task import NativeSetup
from mlip_kmc.search.watch import Watch

_SHOWN = 12
ENGINE = {"search.engine", "search.start_energy_eV", "search.region_A"}
"""Settings that say who searches: with others a run goes on, in a new epoch."""


@dataclass(frozen=True)
class Setup:
    """The inputs of a run besides its configuration.

    Attributes:
        facts: all settings that determine the trajectory, by dotted key.
        inputs: names and digests of potential and structure, for the report (`structure_file`,
            `potential_file`, `potential_sha256`).
        pos_con: `.con` text of state 0.
        config_ini: eOn's options.
        minimised: the report on state 0.
        job_files, job_links: text files and links in the directory of each search.
        watch: thresholds and files for watching gamma; None where gamma is unknown.
        native: what our own searches need; None where eOn's client searches.
        hessian_files: text files in the directory of a Hessian job. point_files: of a job that evaluates one structure.
        recipe: of the potential, for what is evaluated where it runs; None where eOn alone evaluates it.
        distinct_atoms: atoms of one element differ for the potential.
        cutoff_A: as far as an atom sees another; None where that is not known.
    """

    facts: dict[str, Any]
    inputs: dict[str, str]
    pos_con: str
    config_ini: str
    minimised: Minimised
    job_files: dict[str, str]
    job_links: dict[str, Path]
    hessian_files: dict[str, str]
    point_files: dict[str, str]
    watch: Watch | None = None
    recipe: Recipe | None = None
    distinct_atoms: bool = False
    native: NativeSetup | None = None
    cutoff_A: float | None = None

    @property
    def identity(self) -> str:
        """Digest of `facts`."""
        return identity_of(self.facts)


def with_recorded_engine(config: Config, facts: Mapping[str, Any] | None) -> Config:
    """A run that is there goes on with the engine that it has, where the configuration names none.

    Args:
        config: of this start.
        facts: of the run's last epoch; None where it begins.
    """
    if facts is None or names_engine(config.search):
        return config
    search = config.search.model_copy(update={"engine": facts.get("search.engine") or "eon"})
    return config.model_copy(update={"search": search})


def difference(facts: Mapping[str, Any], *, wanted: dict[str, Any]) -> str:
    """The differences between the settings of the present epoch and the wanted ones, in words."""
    found = changed(facts, wanted)
    return "; ".join(
        f"{key} was {_shown(old)}, is {_shown(new)}" for key, (old, new) in found.items()
    )


def differs_by_engine_alone(facts: Mapping[str, Any], *, wanted: Mapping[str, Any]) -> bool:
    """May a run go on with the wanted settings, in a new epoch? What it knows of its states holds whoever searches."""
    return changed(facts, wanted).keys() <= ENGINE


def _shown(value: Any) -> str:
    text = str(value)
    return f"{text[:_SHOWN]}..." if len(text) == 64 else text  # a digest


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by dotted key: (old, new)."""
    return {
        key: (old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    }
