"""Typed records of a run: what was searched, found, and done. Everything between modules is one of these.

Energies in eV, lengths in A, times in s, rates in 1/s.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Self


class Status(StrEnum):
    """How `run_akmc` ended; a failure is raised, and `FAILED` stands only in what it left."""

    DONE = "done"
    MORE_TO_DO = "more to do"
    HALTED = "halted"
    FAILED = "failed"


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


OUTCOMES = tuple(Registered)


class _Json:
    """To and from one line of JSON, exact for floats."""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The record of one line; keys of newer versions are ignored."""
        raw = json.loads(line)
        return cls(**{entry.name: raw[entry.name] for entry in fields(cls) if entry.name in raw})  # type: ignore[arg-type]


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
class SearchRecord(_Json):
    """One registered process search.

    Attributes:
        state: the state it started from.
        index: its number among the searches of that state, from 0: its displacement and seed follow from both.
        outcome: one of `Registered`.
        reason: why it is bad or halted, in eOn's words or ours; empty for good ones.
        process: the process that it found, or None.
        barrier: eV; None for a bad one.
        force_calls: eOn's own count (it leaves out dimer rotations).
        seconds: how long it took where it ran.
        kind: `random`, or `recycling`: where its displacement came from.
        gamma_reactant, gamma_saddle, gamma_product: the largest extrapolation grade of an atom there; None where unknown.
        gamma_path: the largest of the force calls that were looked at.
        rated: of a new process where prefactors are harmonic: see `Rated`; None otherwise.
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

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The record of one line; keys of newer versions are ignored."""
        found = super().from_json(line)
        return (
            found
            if not isinstance(found.rated, dict)
            else replace(found, rated=Rated(**found.rated))
        )


@dataclass(frozen=True)
class Event(_Json):
    """One KMC step.

    Attributes:
        step: from 0.
        reactant, process, product: state, process and state numbers. In a superbasin step the reactant is the state that
            the superbasin was left from.
        step_time_s: residence time drawn for this step.
        time_s: simulated time after it.
        barrier: eV. rate: 1/s. energy: of the reactant state, eV.
        mapping: original atoms whose index in the present state changes, with the new index.
        images: original atoms whose whole-cell offset changes, with the new one.
        drift_A: offset of the product state's frame (see `trajectory.Path`).
        superbasin: the superbasin's number, or None.
        temperature_K: at which the rates were taken.
        hops: of a superbasin step, processes made until it was left, the one out included; None for one of the first versions,
            whose times, ways out and paths may be wrong (see `unsound_steps`).
    """

    step: int
    reactant: int
    process: int
    product: int
    step_time_s: float
    time_s: float
    barrier: float
    rate: float
    energy: float
    mapping: dict[str, int]
    images: dict[str, tuple[int, int, int]]
    drift_A: tuple[float, float, float]
    superbasin: int | None = None
    temperature_K: float | None = None
    hops: float | None = None


def unsound_steps(events: Iterable[Event]) -> list[Event]:
    """Superbasin steps of a version that solved them in plain double.

    Their ways out and times may be wrong by any factor, each time was drawn from an exponential law, and atoms took the
    shortest way; all that follows them rests on that.
    """
    return [event for event in events if event.superbasin is not None and event.hops is None]


def unsound(events: Iterable[Event]) -> str:
    """What superbasin steps of the first versions mean for a run, in words; empty where there are none."""
    steps = unsound_steps(events)
    if not steps:
        return ""
    return (
        f"{len(steps)} superbasin {'step was' if len(steps) == 1 else 'steps were'} made by an earlier version: times, ways "
        f"out and atoms' paths may be wrong from KMC step {steps[0].step + 1} on; run again in a new directory"
    )


@dataclass(frozen=True)
class Start(_Json):
    """One start of a run's process: the first, or one that continued it.

    Attributes:
        number: from 1.
        time_s: when, in seconds since 1970.
        host: where. pid: its process there.
        version: of mlip-kmc.
        workers: searches at a time.
        temperature_K: from here on.
        kmc_step: how many KMC steps were done before.
        changes: settings that differ from the start before, by dotted key: (old, new).
    """

    number: int
    time_s: float
    host: str
    pid: int
    version: str
    workers: int
    temperature_K: float
    kmc_step: int
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RunNumbers:
    """What a generation holds besides files and journals.

    Attributes:
        steps: KMC steps done. time_s: simulated time.
        state: where the run is. previous: where it came from, or -1.
        bad_in_a_row: searches. starts: of the process.
        confidence: of the present state, at the last commit.
        wall_s: over all starts. busy_s: of all searches that came back, where they ran.
        capacity_s: seconds that the workers there were could have worked.
        discarded: searches that were started and not registered, because a KMC step made them useless.
        pending: searches that are not registered, in order.
        halt: what halted the run, in words; empty where nothing did.
    """

    steps: int = 0
    time_s: float = 0.0
    state: int = 0
    previous: int = -1
    bad_in_a_row: int = 0
    starts: int = 0
    confidence: float = 0.0
    wall_s: float = 0.0
    busy_s: float = 0.0
    capacity_s: float = 0.0
    discarded: int = 0
    pending: tuple[str, ...] = ()
    halt: str = ""

    @property
    def events_a_day(self) -> float | None:
        """KMC steps a day of the time that the run's processes ran; None before there was any."""
        return self.steps / self.wall_s * 86400 if self.wall_s > 0 else None

    def utilisation(self, *, workers: int) -> float | None:
        """Busy share of what the workers could have worked, over the run's whole life.

        Args:
            workers: of the last start, where the first development versions noted no capacity.
        """
        capacity_s = self.capacity_s or self.wall_s * workers
        return min(self.busy_s / capacity_s, 1.0) if capacity_s > 0 else None


@dataclass(frozen=True)
class Live(_Json):
    """What a running process says of itself every few seconds, for `status`; not durable.

    Attributes:
        time_s: when, in seconds since 1970.
        host, pid: of the process.
        phase: what it does.
        workers: searches at a time. busy: searches that run now. waiting: submitted and not running yet.
        interval_s: how often it says so.
        nodes: searches at a time, by machine; empty where all run in this process.
    """

    time_s: float
    host: str
    pid: int
    phase: str
    workers: int
    busy: int
    waiting: int
    interval_s: float
    nodes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Process:
    """A row of a state's process table; gammas are those of the search that found it, None where they are unknown.

    `prefactor_kind` is `constant`, `harmonic`, or `eon` (harmonic as eOn does it, of runs before version 0.2).
    """

    state: int
    process: int
    product: int | None
    barrier: float
    prefactor: float
    rate: float
    saddle_energy: float
    product_energy: float
    repeats: int
    saddle: Path
    product_structure: Path
    gamma_saddle: float | None = None
    gamma_product: float | None = None
    gamma_path: float | None = None
    prefactor_kind: str = "constant"


@dataclass(frozen=True)
class StateRecord:
    """A state: a minimum that the run has been in or found."""

    number: int
    energy: float | None
    good: int
    bad: int
    structure: Path
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class Minimised(_Json):
    """What minimising the given structure under the run's own potential did.

    Attributes:
        energy: eV, after.
        energy_drop: eV, how much it fell.
        largest_displacement_A: of any atom.
        largest_force_eV_per_A: what is left.
        pressure_GPa: residual, positive when the cell pushes outward.
        lowest_eigenvalue_eV_per_A2: of the Hessian without masses, rigid translations left out; None where it could not be told,
            which `structure.allow_unknown_stability` let pass.
        force_calls: of the minimisation.
        gamma: the largest extrapolation grade of an atom; None where it is unknown.
    """

    energy: float
    energy_drop: float
    largest_displacement_A: float
    largest_force_eV_per_A: float
    pressure_GPa: float
    lowest_eigenvalue_eV_per_A2: float | None
    force_calls: int
    gamma: float | None = None


@dataclass(frozen=True)
class Progress:
    """What the terminal shows while a run goes on.

    Attributes:
        kmc_steps, simulated_time_s: done.
        state: where the run is. states: how many are known. confidence: of the present one.
        processes: of the present state; those that searches of other states led back over are known before its own first.
        searches_here: registered ones of the present state.
        good, repeated, high, bad, halted: registered ones of all states, by outcome.
        running: searches that workers are at now.
        last_event: the last KMC step.
    """

    kmc_steps: int
    simulated_time_s: float
    state: int
    confidence: float
    states: int
    processes: int
    searches_here: int
    good: int
    repeated: int
    high: int
    bad: int
    halted: int
    running: int
    last_event: Event | None = None


@dataclass(frozen=True)
class EonResult:
    """What a run has come to.

    Attributes:
        status: done, more to do (run the same again), or halted.
        reason: one line that says why it ended.
        run_dir: the run directory.
        kmc_steps, simulated_time_s: how far it is.
        minimised: the report on state 0.
        states: every state with its process table.
        events: the trajectory.
        searches: counts of registered searches by outcome. reasons: counts of bad ones by why they are bad.
        prefactor_reasons: why processes that should have a harmonic prefactor have the constant one: counts by reason.
    """

    status: Status
    reason: str
    run_dir: Path
    kmc_steps: int
    simulated_time_s: float
    minimised: Minimised | None
    states: tuple[StateRecord, ...]
    events: tuple[Event, ...]
    searches: Mapping[str, int] = field(default_factory=dict)
    prefactor_reasons: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def conditional(self) -> bool:
        """Some searches were halted: what they would have found is not in the rate tables, so confidences are conditional."""
        return self.searches.get("halted", 0) > 0


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


def read_lines(path: Path, kind: type[Any]) -> list[Any]:
    """All records of a `.jsonl` file; none where it is missing."""
    if not path.is_file():
        return []
    return [kind.from_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
