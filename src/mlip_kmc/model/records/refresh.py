"""States that were minimised again under a new potential, and what became of the processes of an earlier one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mlip_kmc.model.records.json_line import JsonLine
from mlip_kmc.model.records.search import Registered, SearchRecord


@dataclass(frozen=True)
class RefreshedState(JsonLine):
    """A state at the beginning of an epoch, minimised from where it was in the one before.

    Attributes:
        state: its number. epoch: the new epoch's.
        energy_before_eV, energy_eV: under the earlier potential, and now.
        moved_A: the largest displacement of an atom.
        same_as: the lower number of a state that it has become the same as; None where it stays one of its own.
        force_calls: of the minimisation.
        stale: how many processes of earlier epochs wait in it.
        lost: why it could not be minimised; it stays as it was, and its processes are dropped. Empty where it could.
    """

    state: int
    epoch: int
    energy_before_eV: float | None
    energy_eV: float
    moved_A: float
    same_as: int | None
    force_calls: int
    stale: int
    lost: str = ""


class Fate(StrEnum):
    """What became of a process of an earlier epoch."""

    KEPT = "kept"
    MERGED = "merged"
    """Its saddle went to that of another process, which had been refreshed before."""
    VANISHED = "vanished"
    """From its saddle no process of its state was found."""
    HIGH = "high"
    """It is still there, but its barrier is far beyond the thermal window now."""
    HALTED = "halted"


@dataclass(frozen=True)
class RefreshedProcess:
    """A process before and after a refit.

    Attributes:
        record: the search that refreshed it.
        fate: what became of it.
    """

    record: SearchRecord
    fate: Fate

    @property
    def moved_eV(self) -> float | None:  # noqa: N802 - a unit
        """How far its barrier moved; None where it is gone."""
        if self.record.stale is None or self.record.barrier is None or self.fate is not Fate.KEPT:
            return None
        return self.record.barrier - self.record.stale.barrier_eV


_FATES = {
    Registered.NEW: Fate.KEPT,
    Registered.HIGH: Fate.HIGH,
    Registered.BAD: Fate.VANISHED,
    Registered.HALTED: Fate.HALTED,
}


def refreshed_processes(searches: Iterable[SearchRecord]) -> Sequence[RefreshedProcess]:
    """Of all searches those that refreshed a process, with its fate.

    A repeat of a process that no refresh of its epoch has claimed is kept: a KMC step from a neighbouring state had brought it as
    a reverse.
    """
    claimed: set[tuple[int, int, int | None]] = set()
    found = []
    for record in searches:
        if record.stale is None:
            continue
        place = (record.epoch, record.state, record.process)
        fate = _FATES.get(
            Registered(record.outcome), Fate.MERGED if place in claimed else Fate.KEPT
        )
        if record.process is not None:
            claimed.add(place)
        found.append(RefreshedProcess(record, fate))
    return found
