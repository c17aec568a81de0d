"""Registered searches and their outcomes."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mlip_kmc.model.records.json_line import JsonLine

_GAMMAS = ("gamma_reactant", "gamma_saddle", "gamma_product", "gamma_path")


class Registered(StrEnum):
    """What a registered search came to."""

    NEW = "new"
    """A process that the state's table did not have."""
    REPEAT = "repeat"
    """A process of the table, found again."""
    HIGH = "high"
    """A barrier far beyond the thermal window."""
    BAD = "bad"
    """Nothing: see the record's `reason`."""
    HALTED = "halted"
    """It was ended where gamma or a distance crossed a limit."""
    KNOWN = "known"
    """No search: the state is one of a class, and its process table follows from that of another."""


OUTCOMES = tuple(Registered)


class Early(StrEnum):
    """What came of a climb that was on its way to a known saddle, or out of the thermal window."""

    STOPPED = "stopped"
    """It ended there."""
    CONFIRMED = "confirmed"
    """It went on to its end as an audit, which was that saddle."""
    WRONG = "wrong"
    """It went on to its end as an audit, which was another."""
    BEYOND = "beyond"
    """It ended, as its saddle was sure to be out of the thermal window."""
    OUTSIDE = "outside"
    """It went on to its end as an audit, which was no saddle in the window."""
    INSIDE = "inside"
    """It went on to its end as an audit, which was one."""


class Reused(StrEnum):
    """What a search says of processes that were carried over a hop (docs/reuse.md)."""

    CARRIED = "carried"
    """It started from such a saddle, and came to it."""
    FADED = "faded"
    """It started from such a saddle and did not come to it; in this state its rate would not matter."""
    LOST = "lost"
    """It started from such a saddle and did not come to it: searches start anywhere from then on."""
    CONFIRMED = "confirmed"
    """It started far from the change, as an audit, and found no process that should have been listed."""
    WRONG = "wrong"
    """It did find one: searches start anywhere from then on."""


class Grown(StrEnum):
    """Why the region of a search had to grow (docs/regions.md)."""

    LEFT = "left"
    """An atom moved out of it: the search was made again in a wider one."""
    BARRIER = "barrier"
    """In a wider one the barrier is another, by more than 5 meV."""
    OTHER = "other"
    """In a wider one its saddle or its product is another, or none: the search was made again there."""


class Twin(StrEnum):
    """What came of a saddle that was found beside a known one of the same barrier and product, and converged further."""

    SAME = "same"
    """It is the known one: a repeat."""
    OTHER = "other"
    """It is another one."""
    UNSURE = "unsure"
    """One of the two did not converge further: they stay two."""


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
class Stale:
    """A process as the potential of an earlier epoch knew it, and which its refresh starts from.

    Attributes:
        process: its number in the process table of that epoch.
        epoch: that epoch's number; None where it is not known.
        barrier_eV, prefactor_per_s: of then.
        repeats: how often it had been found again.
    """

    process: int
    epoch: int | None
    barrier_eV: float
    prefactor_per_s: float
    repeats: int


@dataclass(frozen=True)
class SearchRecord(JsonLine):
    """One registered process search.

    Attributes:
        state: the state it started from.
        index: its number among the searches of that state, from 0: its displacement and seed follow from both.
        outcome: one of `Registered`.
        reason: why it is bad or halted, in eOn's words or ours; empty for good ones.
        process: number of the process that it found, in the process table of `state`; None where it found none.
        barrier: eV; None for a bad search.
        force_calls: eOn's own count (it leaves out dimer rotations).
        seconds: time that the search took on its worker, s.
        kind: `random`, `recycling` or `refresh`: the origin of the displacement; `class`: a state is recognised, by one
            evaluation; `audit`: it starts at a saddle that such a state's table has; `carried`: at one that was carried over a
            hop; `elsewhere`: far from what the hop changed, as an audit; `near`: near that, but it counts for nothing.
        gamma_reactant: the largest extrapolation grade of an atom in the reactant; None where gamma is unknown.
        gamma_saddle: the same at the saddle.
        gamma_product: the same in the product.
        gamma_path: the largest extrapolation grade among the evaluated force calls of the search.
        rated: prefactors of a new process where they are harmonic (see `Rated`); None otherwise.
        epoch: number of the epoch in which the search was made (see `Epoch`).
        barrier_error: bound of the error of a low barrier, eV, from force and curvature (docs/low-barriers.md); None where the
            barrier is not low, and in earlier versions.
        stale: the process of an earlier epoch that the search started from; None where it is no refresh.
        images: numbers of further processes that follow from what was found: its images by the state's symmetry; of a state that
            is recognised, all that were carried over. like: the state that they were carried over from, or None.
        images_again: so many of the images by symmetry were converged again. images_left: so many more did not hold, and are
            left to searches.
        reused: one of `Reused`; None where the search says nothing of what was carried over. `like` is then the state that the
            process was carried over from.
        centres: of atoms that its own force calls evaluated, calls times atoms; None where eOn's client searched, and in earlier
            versions.
        region_A: the radius within which atoms could move last; None: all could. grown: why it was too small before, each one of
            `Grown`.
        early: one of `Early`; None where the climb was told of no saddle, or came near none.
        twin: one of `Twin`; None where the saddle is not beside a known one, and in earlier versions.
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
    barrier_error: float | None = None
    stale: Stale | None = None
    images: tuple[int, ...] = ()
    like: int | None = None
    early: str | None = None
    images_again: int = 0
    images_left: int = 0
    reused: str | None = None
    centres: int | None = None
    region_A: float | None = None
    grown: tuple[str, ...] = ()
    twin: str | None = None

    def to_json(self) -> str:
        """One line of JSON. A gamma that is not finite is written as unknown; the reason has its value."""
        known: dict[str, Any] = {
            name: None
            for name in _GAMMAS
            if (gamma := getattr(self, name)) is not None and not math.isfinite(gamma)
        }
        record = replace(self, **known) if known else self
        return super(SearchRecord, record).to_json()

    @staticmethod
    def _values(raw: dict[str, Any]) -> dict[str, Any]:
        for name, kind in (("rated", Rated), ("stale", Stale)):
            if isinstance(raw.get(name), dict):
                raw[name] = kind(**raw[name])
        for name in ("images", "grown"):
            if name in raw:
                raw[name] = tuple(raw[name])
        return raw


def prefactor_reasons(searches: Iterable[SearchRecord]) -> dict[str, int]:
    """Number of processes with the constant prefactor in place of a harmonic one, by reason, the most frequent first."""
    return dict(
        Counter(
            record.rated.reason for record in searches if record.rated and record.rated.reason
        ).most_common()
    )


def reasons_of(searches: Iterable[SearchRecord]) -> dict[str, int]:
    """Number of bad searches by reason, the most frequent first."""
    return dict(
        Counter(record.reason for record in searches if record.outcome == "bad").most_common()
    )
