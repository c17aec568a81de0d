"""KMC steps."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlip_kmc.model.records.json_line import JsonLine


@dataclass(frozen=True)
class Event(JsonLine):
    """One KMC step, or a relabelling in its place.

    Attributes:
        step: number of the event, from 0.
        reactant: number of the state that was left. In a superbasin step: the state from which the superbasin was left.
        process: number of the process in the process table of `reactant`.
        product: number of the state that was entered.
        step_time_s: residence time drawn for this step, s.
        time_s: simulated time after the step, s: the double that is nearest to it.
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
        epoch: number of the epoch in which the step was made.
        turn: rotation of the product state's frame against that of state 0, nine numbers row by row; empty where nothing turned
            (all but free clusters).
        ambiguous: whether an atom may have gone by another periodic image than `images` says: see `atom_path.Hop`.
        time_rest_s: what `time_s` leaves out of the simulated time, s (see `mlip_kmc.model.clock`); 0 in earlier versions.
        relabelled: no step of the kinetics: under a new potential the state became the same as another, and the run is in that
            one now. It takes no time, `process` is -1 and `rate` 0.
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
    epoch: int = 0
    ambiguous: bool = False
    turn: tuple[float, ...] = ()
    time_rest_s: float = 0.0
    relabelled: bool = False


def made(events: Iterable[Event]) -> list[Event]:
    """The KMC steps among a run's events: those that only relabel are none."""
    return [event for event in events if not event.relabelled]


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
