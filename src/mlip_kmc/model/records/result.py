"""What a run has come to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from mlip_kmc.model.records.event import Event
from mlip_kmc.model.records.start import Minimised
from mlip_kmc.model.records.state import StateRecord


class Status(StrEnum):
    """How `run_akmc` ended; a failure is raised, and `FAILED` stands only in what it left."""

    DONE = "done"
    MORE_TO_DO = "more to do"
    HALTED = "halted"
    FAILED = "failed"


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
