"""What a refit did: beside the potential as NAME.fit.json, and in lines for people.

report = read_fit(Path("gen-001"), "gen-001", present=potential)       # None where that refit has not ended
report.facts.kind, report.potential.functions
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from mlip_kmc.config.sections import Section
from mlip_kmc.ground.errors import PotentialError, first_line
from mlip_kmc.ground.wording import counted, plain
from mlip_kmc.learning.errors import Errors, baseline_under
from mlip_kmc.potential import AcePotential

SUFFIX = ".fit.json"


class FitKind(StrEnum):
    """How a potential was fitted again."""

    WHOLE = "whole"
    """All coefficients, to its training set and labels."""
    CORRECTION = "correction"
    """Its training set is not known: the smallest change of its coefficients that fits labels and anchors."""


class Fit(Section):
    """The facts of a refit: the same inputs give the same."""

    format: Literal[1] = 1
    kind: FitKind
    backend: str
    """`linear` or `pacemaker`."""
    present: str
    """sha256 of the `.yace` that it began from."""
    basis: str
    """sha256 of the B-basis whose functions were fitted."""
    structures: dict[str, int]
    """How many, by role."""
    strength: float | None = None
    """Of the regularisation; null for pacemaker."""
    losses: tuple[tuple[float, float], ...] = ()
    """By strength, the root mean square of weighted residuals in structures that were left out."""
    errors: dict[str, Errors]
    """By role, of the structures that it was fitted to."""
    active_atoms: int
    """So many environments were looked at for the active set."""
    largest_gamma: float
    """Of these."""
    remarks: tuple[str, ...] = ()
    """What a person should know."""


@dataclass(frozen=True)
class FitReport:
    """A refit that has ended.

    Attributes:
        potential: the new one, with the present one's baseline and least distances.
        facts: see `Fit`. seconds: how long it took; 0 where it is read from files.
    """

    potential: AcePotential
    facts: Fit
    seconds: float = 0.0

    @property
    def kind(self) -> FitKind:
        """Refitted whole, or corrected."""
        return self.facts.kind

    @property
    def lines(self) -> list[str]:
        """It in words."""
        facts = self.facts
        sets = ", ".join(counted(count, _NOUNS[role]) for role, count in facts.structures.items())
        what = (
            "refitted whole"
            if facts.kind is FitKind.WHOLE
            else "linear correction (its training set is not known)"
        )
        strength = "" if facts.strength is None else f", regularisation {facts.strength:.0e}"
        said = [f"{what} to {sets}{strength}"]
        for role, errors in facts.errors.items():
            energy = errors.energy_rmse_eV_per_atom
            force = errors.force_rmse_eV_per_A
            parts = [
                "" if energy is None else f"{plain(1e3 * energy)} meV/atom",
                "" if force is None else f"{plain(1e3 * force)} meV/A",
            ]
            said.append(f"{role}: {', '.join(part for part in parts if part)}")
        return [*said, *facts.remarks]


_NOUNS = {"training": "training structure", "label": "label", "anchor": "anchor"}


def fit_bytes(facts: Fit) -> bytes:
    """The content of NAME.fit.json."""
    return (json.dumps(facts.model_dump(mode="json"), indent=1) + "\n").encode()


def read_guarded(yace: Path, *, present: AcePotential) -> AcePotential:
    """A potential with the baseline and the least distances of another.

    Raises:
        PotentialError: it is none, or is not the one of its record.
    """
    return AcePotential.read(yace, evaluator=present.evaluator).guarded(
        baseline=baseline_under(present), minimum_distance_A=present.minimum_distance_A
    )


def read_fit(directory: Path, name: str, *, present: AcePotential) -> FitReport | None:
    """The report of a refit that has ended; None where it has not.

    Raises:
        PotentialError: its files are damaged.
    """
    path = directory / f"{name}{SUFFIX}"
    try:
        facts = Fit.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError) as error:
        raise PotentialError(
            f"{path} is damaged ({first_line(error)}); remove it and refit again"
        ) from error
    potential = read_guarded(directory / f"{name}.yace", present=present)
    return FitReport(potential=potential, facts=facts)
