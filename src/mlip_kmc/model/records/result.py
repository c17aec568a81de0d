"""The result of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mlip_kmc.model.records.event import Event
from mlip_kmc.model.records.start import Minimised
from mlip_kmc.model.records.state import StateRecord


class Status(StrEnum):
    """How `run_akmc` ended. A failure raises an error; `FAILED` stands only in the files that a failed run leaves."""

    DONE = "done"
    MORE_TO_DO = "more to do"
    HALTED = "halted"
    FAILED = "failed"


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
