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
    """How `run_akmc` ended. A failure raises an error; `FAILED` stands only in the files that a failed run leaves."""

    DONE = "done"
    MORE_TO_DO = "more to do"
    HALTED = "halted"
    FAILED = "failed"


OUTCOMES = ("new", "repeat", "high", "bad", "halted")
"""The possible outcomes of a registered search: see `SearchRecord`."""


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
        state: number of the state that the search started from.
        index: number among the searches of that state, from 0. The displacement and the client's seed follow from `state`,
            `index` and the run's seed.
        outcome: `new`, `repeat`, `high` (a barrier far beyond the thermal window), `bad`, or `halted` (gamma above `halt`).
        reason: why it is bad or halted, in eOn's words or ours; empty for good ones.
        process: number of the process that it found, in the process table of `state`; None where it found none.
        barrier: eV; None for a bad search.
        force_calls: eOn's own count (it leaves out dimer rotations).
        seconds: time that the search took on its worker, s.
        kind: `random` or `recycling`: the origin of the displacement.
        gamma_reactant: the largest extrapolation grade of an atom in the reactant; None where gamma is unknown.
        gamma_saddle: the same at the saddle.
        gamma_product: the same in the product.
        gamma_path: the largest extrapolation grade among the evaluated force calls of the search.
        rated: prefactors of a new process where they are harmonic (see `Rated`); None otherwise.
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
        step: number of the step, from 0.
        reactant: number of the state that was left. In a superbasin step: the state from which the superbasin was left.
        process: number of the process in the process table of `reactant`.
        product: number of the state that was entered.
        step_time_s: residence time drawn for this step, s.
        time_s: simulated time after the step, s.
        barrier: eV.
        rate: 1/s. In a superbasin step: one over the mean time to leave.
        energy: energy of the reactant state, eV.
        mapping: index in the initial structure -> index in the product state, for each atom whose index changes in this step.
        images: index in the initial structure -> (n_a, n_b, n_c), for each atom whose periodic image changes: the number of
            cell vectors to add to its position for unwrapped positions.
        drift_A: offset of the product state's frame from that of state 0, (3,), A.
        superbasin: number of the superbasin that was left; None for a step out of a single state.
        temperature_K: temperature of the rates.
        hops: number of processes made in the superbasin until it was left, the last one included. None for a step out of a
            single state, and for superbasin steps of the first versions, whose times and paths may be wrong (`unsound_steps`).
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
    """Superbasin steps made by the first versions, which solved the absorption problem in plain double precision.

    Their exit processes and times may be wrong by any factor, each time was drawn from an exponential law, and atoms took the
    shortest path. All later steps of such a run depend on them.
    """
    return [event for event in events if event.superbasin is not None and event.hops is None]


def unsound(events: Iterable[Event]) -> str:
    """A warning for users about superbasin steps of the first versions; empty where a run has none."""
    steps = unsound_steps(events)
    if not steps:
        return ""
    return (
        f"{len(steps)} superbasin {'step was' if len(steps) == 1 else 'steps were'} made by an earlier version: times, exit "
        f"processes and atoms' paths may be wrong from KMC step {steps[0].step + 1} on; run again in a new directory"
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
    """A process: one row of a state's process table.

    Attributes:
        state: number of the reactant state.
        process: number of the process in the table of that state, from 0.
        product: number of the product state; None before the run has visited it.
        barrier: energy of the saddle above the reactant, eV.
        prefactor: 1/s.
        rate: prefactor x exp(-barrier / kT), 1/s.
        saddle_energy: eV.
        product_energy: eV.
        repeats: number of later searches that found the process again.
        saddle: file of the saddle structure, in eOn's `.con` format.
        product_structure: file of the product structure, in eOn's `.con` format.
        gamma_saddle: the largest extrapolation grade of an atom at the saddle, from the search that found the process; None
            where gamma is unknown.
        gamma_product: the same in the product.
        gamma_path: the largest extrapolation grade among the evaluated force calls of that search.
        prefactor_kind: `constant`, `harmonic`, or `eon` (computed by eOn, in runs before version 0.2).
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
    """A state: a local minimum that the run has visited.

    Attributes:
        number: number of the state, from 0.
        energy: eV; None where eOn has not noted it.
        good: number of registered good searches from this state.
        bad: number of registered bad searches from this state.
        structure: file of the minimised structure, in eOn's `.con` format.
        processes: the state's process table.
    """

    number: int
    energy: float | None
    good: int
    bad: int
    structure: Path
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class Minimised(_Json):
    """The minimisation of the given structure under the run's own potential, which gives state 0.

    Attributes:
        energy: energy after the minimisation, eV.
        energy_drop: decrease of the energy, eV.
        largest_displacement_A: largest displacement of an atom.
        largest_force_eV_per_A: largest force on a free atom after the minimisation.
        pressure_GPa: residual pressure, positive when the cell pushes outward.
        lowest_eigenvalue_eV_per_A2: lowest eigenvalue of the Hessian (without masses, rigid translations projected out); None
            where it could not be determined and `structure.allow_unknown_stability` accepts that.
        force_calls: number of force calls of the minimisation.
        gamma: the largest extrapolation grade of an atom in state 0; None where gamma is unknown.
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
    """The progress of a run, as the terminal shows it after every tick.

    Attributes:
        kmc_steps: number of KMC steps done.
        simulated_time_s: s.
        state: number of the present state.
        confidence: confidence of the present state, 0 to 1.
        states: number of known states.
        processes: number of processes in the table of the present state. Reverse processes that searches of other states found
            are in it before the first own search.
        searches_here: number of registered searches of the present state.
        good: number of registered searches, over all states, that found a new process.
        repeated: number of those that found a process already in the table.
        high: number of registered searches whose barrier lies beyond the thermal window.
        bad: number of registered bad searches.
        halted: number of registered halted searches.
        running: number of searches that workers run now.
        last_event: the last KMC step; None before the first.
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
    """The whole run so far, over all its starts.

    Attributes:
        status: done, more to do (the same call continues the run), or halted.
        reason: one line that says why the call ended.
        run_dir: the run directory.
        kmc_steps: number of KMC steps done.
        simulated_time_s: simulated time, s.
        minimised: the report on state 0; None where the run ended before there was one.
        states: all visited states with their process tables, by number.
        events: the KMC steps, in order.
        searches: number of registered searches by outcome (`new`, `repeat`, `high`, `bad`, `halted`).
        prefactor_reasons: number of processes with the constant prefactor in place of a harmonic one, by reason.
        reasons: number of bad searches, by reason.
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
        """True where searches were halted: the rate tables lack what they would have found, so confidences are conditional."""
        return self.searches.get("halted", 0) > 0


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


def read_lines(path: Path, kind: type[Any]) -> list[Any]:
    """All records of a `.jsonl` file; none where it is missing."""
    if not path.is_file():
        return []
    return [kind.from_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
