"""KMC steps."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlip_kmc.model.records.json_line import JsonLine


@dataclass(frozen=True)
class Event(JsonLine):
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
        epoch: the number of the epoch that it was made in (see `Epoch`).
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
