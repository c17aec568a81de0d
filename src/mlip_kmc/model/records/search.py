"""What a registered search came to."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from mlip_kmc.model.records.json_line import JsonLine

OUTCOMES = ("new", "repeat", "high", "bad", "halted")
"""What a registered search came to: see `SearchRecord`."""
_GAMMAS = ("gamma_reactant", "gamma_saddle", "gamma_product", "gamma_path")


@dataclass(frozen=True)
class Rated:
    """Prefactors of a process, and where they come from.

    Attributes:
        forward_per_s, back_per_s: of the process, and of its reverse.
        kind: `harmonic`, or `constant` for both directions where harmonic theory gives none.
        reason: why it is constant; empty for a harmonic one.
        atoms: that its Hessians are made of. of_atoms: so many are free.
        force_calls: of its own Hessians.
    """

    forward_per_s: float
    back_per_s: float
    kind: str
    reason: str
    atoms: int
    of_atoms: int
    force_calls: int


@dataclass(frozen=True)
class SearchRecord(JsonLine):
    """One registered process search.

    Attributes:
        state: the state it started from.
        index: its number among the searches of that state, from 0: its displacement and seed follow from both.
        outcome: `new`, `repeat`, `high` (a barrier far beyond the thermal window), `bad`, or `halted` (gamma above `halt`).
        reason: why it is bad or halted, in eOn's words or ours; empty for good ones.
        process: the process that it found, or None.
        barrier: eV; None for a bad one.
        force_calls: eOn's own count (it leaves out dimer rotations).
        seconds: how long it took where it ran.
        kind: `random`, or `recycling`: where its displacement came from.
        gamma_reactant, gamma_saddle, gamma_product: the largest extrapolation grade of an atom there; None where unknown.
        gamma_path: the largest of the force calls that were looked at.
        rated: of a new process where prefactors are harmonic: see `Rated`; None otherwise.
        epoch: the number of the epoch that it was made in (see `Epoch`).
    """

    state: int
    index: int
    outcome: str
    reason: str
    process: int | None
    barrier: float | None
    force_calls: int
    seconds: float
    kind: str = "random"
    gamma_reactant: float | None = None
    gamma_saddle: float | None = None
    gamma_product: float | None = None
    gamma_path: float | None = None
    rated: Rated | None = None
    epoch: int = 0

    def to_json(self) -> str:
        """One line of JSON; a gamma that is no finite number is unknown there, and the reason says what it was."""
        known: dict[str, Any] = {
            name: None
            for name in _GAMMAS
            if (gamma := getattr(self, name)) is not None and not math.isfinite(gamma)
        }
        return super(SearchRecord, replace(self, **known)).to_json()

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The record of one line; keys of newer versions are ignored."""
        found = super().from_json(line)
        return (
            found
            if not isinstance(found.rated, dict)
            else replace(found, rated=Rated(**found.rated))
        )


def prefactor_reasons(searches: Iterable[SearchRecord]) -> dict[str, int]:
    """Why processes that should have a harmonic prefactor have the constant one, the most frequent reason first."""
    return dict(
        Counter(
            record.rated.reason for record in searches if record.rated and record.rated.reason
        ).most_common()
    )


def reasons_of(searches: Iterable[SearchRecord]) -> dict[str, int]:
    """Why bad searches are bad, the most frequent reasons first."""
    return dict(
        Counter(record.reason for record in searches if record.outcome == "bad").most_common()
    )
