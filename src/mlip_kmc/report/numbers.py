"""What a run has come to, in numbers: states, processes, searches, cost. Pure: records in, records out.

Example:
    numbers = summarise(states=view.states, events=view.events, searches=view.searches, settings=view.settings,
                        time_s=view.numbers.time_s, starts=view.starts)
    numbers.states[0].lowest_barrier_eV, numbers.outcomes["new"]

kT is eOn's throughout: T / 11604.5 eV.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlip_kmc.model.records import (
    OUTCOMES,
    Event,
    Process,
    Registered,
    SearchRecord,
    Start,
    StateRecord,
    made,
    unsound_steps,
)
from mlip_kmc.report.classes import like_of
from mlip_kmc.report.curves import Curve, curves_of, thermal
from mlip_kmc.store.view import RunSettings

FLAT_EV = 0.001
"""Energies of states that differ by less are what convergence leaves."""


@dataclass(frozen=True)
class ProcessNumbers:
    """A row of a process table.

    Attributes:
        state, process: eOn's numbers. rank: among the state's processes by barrier, from 1.
        product: the state it leads to, or None where the run has not been there.
        barrier_eV, reverse_barrier_eV: from the reactant, and from the product.
        prefactor_per_s, rate_per_s: of the step forward. prefactor_kind: `constant`, `harmonic` or `eon` (see `records.Process`).
        share: of the state's total rate, among the processes in the rate table; 0 beyond it.
        in_rate_table: within the thermal window.
        repeats: how often later searches found it again. used: KMC steps that took it.
        gamma_saddle: the largest extrapolation grade of an atom at the saddle; gamma_path: of the search's force calls that
            were looked at. None where unknown.
    """

    state: int
    process: int
    rank: int
    product: int | None
    barrier_eV: float
    reverse_barrier_eV: float
    prefactor_per_s: float
    rate_per_s: float
    share: float
    in_rate_table: bool
    repeats: int
    used: int
    gamma_saddle: float | None = None
    gamma_path: float | None = None
    prefactor_kind: str = "constant"


@dataclass(frozen=True)
class StateNumbers:
    """A state.

    Attributes:
        state: its number. energy_eV: None before the first search.
        visits: how often the run came to it (state 0 starts with one). first_step: KMC steps before the first visit, or None.
        residence_s: simulated time spent in it; of a superbasin step, counted for the state that was left.
        lowest_barrier_eV, rate_per_s: of its rate table; rate is the total.
        searches, force_calls, seconds: what its searches cost; by outcome in `outcomes`.
        confidence: of now, replayed; 0 where all searches were made at another temperature; None without searches, and where an
            earlier version did not note which of them were.
        processes: by barrier.
        like: the state whose table it has, as it was recognised as like it; None where it has its own (see `classes`).
    """

    state: int
    energy_eV: float | None
    visits: int
    first_step: int | None
    residence_s: float
    lowest_barrier_eV: float | None
    rate_per_s: float
    searches: int
    outcomes: Mapping[str, int]
    force_calls: int
    seconds: float
    confidence: float | None
    processes: tuple[ProcessNumbers, ...]
    like: int | None = None

    @property
    def was_searched(self) -> bool:
        """Something else was done for it than to recognise it."""
        return self.searches > self.outcomes[Registered.KNOWN]


@dataclass(frozen=True)
class Edge:
    """KMC steps between two states.

    Attributes:
        reactant, product: state numbers. count: steps. lowest_barrier_eV: of the processes that they took.
        superbasin: whether one of them left a superbasin.
    """

    reactant: int
    product: int
    count: int
    lowest_barrier_eV: float
    superbasin: bool


@dataclass(frozen=True)
class RunNumbersSummary:
    """A run.

    Attributes:
        kT_eV, window_eV: thermal energy at the present temperature, and how far above the lowest barrier the rate table reaches.
        steps, time_s: KMC steps and simulated time. relabelled: events beside them that took no time: with another potential the
            run's state became another.
        returns: steps that undo the one before (they lead to the state that it came from).
        superbasin_steps: steps out of a superbasin. unsound_superbasin_steps: those of a version whose times may be wrong.
        states: all of them, by number. visited: numbers, in the order of the first visit.
        edges: events by pair of states, in the order of the first one.
        outcomes: registered searches by outcome. reasons: of those that were no use, the most frequent first.
        curves: confidence after each search of the present epoch, by state, of those that have a table of their own.
        force_calls, seconds: of all searches; eOn's count, which leaves out dimer rotations. centres: evaluated in native ones.
    """

    kT_eV: float | None
    window_eV: float
    steps: int
    time_s: float
    relabelled: int
    returns: int
    superbasin_steps: int
    unsound_superbasin_steps: int
    states: tuple[StateNumbers, ...]
    visited: tuple[int, ...]
    edges: tuple[Edge, ...]
    outcomes: Mapping[str, int]
    reasons: tuple[tuple[str, str, int], ...]
    curves: Mapping[int, tuple[float, ...]]
    force_calls: int
    centres: int
    seconds: float

    @property
    def processes(self) -> tuple[ProcessNumbers, ...]:
        """Of all states."""
        return tuple(process for state in self.states for process in state.processes)


@dataclass(frozen=True)
class _Walk:
    """Which states the events came through.

    Attributes:
        visits: by state (state 0 starts with one). first_step: KMC steps before the first visit, in the order of those visits.
        residence_s: by state; of a superbasin step, counted for the state that was left.
        used: KMC steps by (reactant, process).
    """

    visits: Counter[int]
    first_step: Mapping[int, int]
    residence_s: Mapping[int, float]
    used: Counter[tuple[int, int]]

    @classmethod
    def of(cls, events: Sequence[Event], *, begun: bool) -> "_Walk":
        """Of all events; a run that has not begun has not visited state 0."""
        where = [0, *(event.product for event in events)] if begun else []
        first: dict[int, int] = {}
        for step, state in enumerate(where):
            first.setdefault(state, step)
        residence: dict[int, float] = defaultdict(float)
        for event in events:
            residence[event.reactant] += event.step_time_s
        used = Counter((event.reactant, event.process) for event in events)
        return cls(visits=Counter(where), first_step=first, residence_s=residence, used=used)


def summarise(
    *,
    states: Sequence[StateRecord],
    events: Sequence[Event],
    searches: Sequence[SearchRecord],
    settings: RunSettings,
    time_s: float,
    starts: Sequence[Start] = (),
    epoch: int = 0,
) -> RunNumbersSummary:
    """All numbers of a run but its diffusion; rate tables and confidences are of the present temperature and epoch."""
    kT, window = thermal(settings, settings.temperature_K)
    by_state: dict[int, list[SearchRecord]] = defaultdict(list)
    for record in searches:
        by_state[record.state].append(record)
    curves = curves_of(states, searches, settings, starts, epoch=epoch)
    walk = _Walk.of(events, begun=bool(states))
    like = like_of(record for record in searches if record.epoch >= epoch)
    return RunNumbersSummary(
        kT_eV=kT,
        window_eV=window,
        steps=len(made(events)),
        time_s=time_s,
        relabelled=len(events) - len(made(events)),
        returns=sum(
            after.product == before.reactant
            for before, after in pairwise(events)
            if not (before.relabelled or after.relabelled)
        ),
        superbasin_steps=sum(event.superbasin is not None for event in events),
        unsound_superbasin_steps=len(unsound_steps(events)),
        states=tuple(
            _state(
                state,
                by_state[state.number],
                walk=walk,
                window_eV=window,
                curve=curves.get(state.number),
                like=like.get(state.number),
            )
            for state in states
        ),
        visited=tuple(walk.first_step),
        edges=_edges(made(events)),
        outcomes={
            outcome: sum(record.outcome == outcome for record in searches) for outcome in OUTCOMES
        },
        reasons=_reasons(searches),
        curves={
            number: curve.values
            for number, curve in curves.items()
            if curve.values and number not in like
        },
        force_calls=sum(record.force_calls for record in searches),
        centres=sum(record.centres or 0 for record in searches),
        seconds=sum(record.seconds for record in searches),
    )


def _state(
    state: StateRecord,
    searches: Sequence[SearchRecord],
    *,
    walk: _Walk,
    window_eV: float,
    curve: Curve | None,
    like: int | None,
) -> StateNumbers:
    processes = _processes(state, walk.used, window_eV)
    table = [process for process in processes if process.in_rate_table]
    return StateNumbers(
        state=state.number,
        energy_eV=state.energy,
        visits=walk.visits[state.number],
        first_step=walk.first_step.get(state.number),
        residence_s=float(walk.residence_s.get(state.number, 0.0)),
        lowest_barrier_eV=table[0].barrier_eV if table else None,
        rate_per_s=sum(process.rate_per_s for process in table),
        searches=len(searches),
        outcomes={name: sum(record.outcome == name for record in searches) for name in OUTCOMES},
        force_calls=sum(record.force_calls for record in searches),
        seconds=sum(record.seconds for record in searches),
        confidence=curve.now if curve else None,
        processes=processes,
        like=like,
    )


def _processes(
    state: StateRecord, used: Mapping[tuple[int, int], int], window_eV: float
) -> tuple[ProcessNumbers, ...]:
    """By barrier; in the rate table is what is within the window above the lowest barrier, as in eOn's `get_ratetable`."""
    rows = sorted(state.processes, key=lambda row: (row.barrier, row.process))
    if not rows:
        return ()
    highest = rows[0].barrier + window_eV
    total = sum(row.rate for row in rows if row.barrier <= highest)
    return tuple(
        _process(
            row,
            rank,
            used=used.get((state.number, row.process), 0),
            inside=row.barrier <= highest,
            total=total,
        )
        for rank, row in enumerate(rows, start=1)
    )


def _process(row: Process, rank: int, *, used: int, inside: bool, total: float) -> ProcessNumbers:
    return ProcessNumbers(
        state=row.state,
        process=row.process,
        rank=rank,
        product=row.product,
        barrier_eV=row.barrier,
        reverse_barrier_eV=row.saddle_energy - row.product_energy,
        prefactor_per_s=row.prefactor,
        rate_per_s=row.rate,
        share=row.rate / total if inside and total > 0 else 0.0,
        in_rate_table=inside,
        repeats=row.repeats,
        used=used,
        gamma_saddle=row.gamma_saddle,
        gamma_path=row.gamma_path,
        prefactor_kind=row.prefactor_kind,
    )


def _edges(events: Sequence[Event]) -> tuple[Edge, ...]:
    grouped: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        grouped[event.reactant, event.product].append(event)
    return tuple(
        Edge(
            reactant=reactant,
            product=product,
            count=len(group),
            lowest_barrier_eV=min(event.barrier for event in group),
            superbasin=any(event.superbasin is not None for event in group),
        )
        for (reactant, product), group in grouped.items()
    )


def _reasons(searches: Sequence[SearchRecord]) -> tuple[tuple[str, str, int], ...]:
    """(outcome, reason, count); a superbasin's number at the end of eOn's words is left out."""
    counts = Counter(
        (
            record.outcome,
            "gamma above the threshold"
            if record.outcome == "halted"
            else record.reason.split(" [", maxsplit=1)[0],
        )
        for record in searches
        if record.reason
    )
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple((outcome, reason, count) for (outcome, reason), count in ordered)


def energies_of(states: Sequence[StateRecord]) -> dict[int, float]:
    """Energies in eV by state; of one that was not searched yet, as the process that leads there has it."""
    found = {
        process.product: process.product_energy
        for state in states
        for process in state.processes
        if process.product is not None
    }
    return {**found, **{state.number: state.energy for state in states if state.energy is not None}}
