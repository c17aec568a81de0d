"""What changes of the potential did to a run: its epochs, how barriers moved, and what waits for its refresh.

found = refreshes_of(view)           # view = RunView.read(run, detail="numbers")
found.moves[0].moved_eV, found.moves[0].fate, found.waiting      # by state, how many processes wait
found.courses()                                                  # each process' barriers from epoch to epoch
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlip_kmc.ground.wording import counted
from mlip_kmc.model.records import (
    Epoch,
    Event,
    Fate,
    RefreshedProcess,
    RefreshedState,
    SearchRecord,
    potential_epochs,
    refreshed_processes,
)
from mlip_kmc.store.view import RunView

_TAIL = 6
FATE_WORDS = {
    Fate.KEPT: "kept",
    Fate.MERGED: "merged with another",
    Fate.VANISHED: "vanished",
    Fate.HIGH: "beyond the window",
    Fate.HALTED: "halted",
}


@dataclass(frozen=True)
class EpochNumbers:
    """One epoch: what was made with its potential, and what that cost.

    Attributes:
        epoch: its number. potential: name of its file; empty where there is none. sha256: of that file; empty likewise.
        first_step: KMC steps before it. kmc_steps: made in it, without those that only relabel.
        searches, force_calls: of those that refresh nothing. refreshes, refresh_force_calls: of those that do.
        minimisation_force_calls: of states that were minimised again at its beginning.
    """

    epoch: int
    potential: str
    sha256: str
    first_step: int
    kmc_steps: int
    searches: int
    force_calls: int
    refreshes: int
    refresh_force_calls: int
    minimisation_force_calls: int


@dataclass(frozen=True)
class BarrierMove:
    """A process before and after a change of the potential.

    Attributes:
        state: that it starts from. epoch: in which it was refreshed. fate: what became of it.
        process_before, epoch_before: its number then, and of which epoch that is; the epoch is None where it is not known.
        process: its number now, or of the process that it has merged with; None where it is gone.
        barrier_before_eV, barrier_eV: then and now; the latter None where it is gone.
        moved_eV: by how much the barrier moved; None where it is gone, or merged with another.
        reason: why it is gone, in eOn's words or ours.
        force_calls: of the search that refreshed it.
    """

    state: int
    epoch: int
    fate: Fate
    process_before: int
    epoch_before: int | None
    process: int | None
    barrier_before_eV: float
    barrier_eV: float | None
    moved_eV: float | None
    reason: str
    force_calls: int


@dataclass(frozen=True)
class Course:
    """One process through the epochs.

    Attributes:
        state: that it starts from. points: (epoch, barrier in eV), in order. end: what became of it last; `KEPT` where it is
            still there.
    """

    state: int
    points: tuple[tuple[int, float], ...]
    end: Fate


@dataclass(frozen=True)
class Refreshes:
    """All changes of the potential in one run.

    Attributes:
        epochs: in order; one alone where the potential never changed.
        states: every state at the beginning of each later epoch.
        moves: refreshed processes, in the order of their searches.
        waiting: by state, how many processes of earlier epochs wait for the present one's refresh.
        dropped: how many waited in states that have become the same as another: nothing refreshes them.
        relabelled: KMC steps that took no time, because the run's state became another.
    """

    epochs: tuple[EpochNumbers, ...]
    states: tuple[RefreshedState, ...]
    moves: tuple[BarrierMove, ...]
    waiting: Mapping[int, int]
    dropped: int
    relabelled: int

    @property
    def changed(self) -> bool:
        """The potential changed at least once."""
        return len(self.epochs) > 1

    @property
    def present(self) -> tuple[BarrierMove, ...]:
        """Processes that were refreshed in the present epoch."""
        return tuple(move for move in self.moves if move.epoch == self.epochs[-1].epoch)

    def fates(self) -> dict[str, int]:
        """How many processes of the present epoch had each fate; those that none had are left out."""
        counts = Counter(move.fate for move in self.present)
        return {str(fate): counts[fate] for fate in Fate if counts[fate]}

    def courses(self) -> tuple[Course, ...]:
        """Barriers from epoch to epoch, each process once, in the order of their first refresh."""
        found: list[_Open] = []
        latest: dict[tuple[int, int, int], _Open] = {}
        for move in self.moves:
            before = _epoch_before(move)
            course = latest.pop((move.state, before, move.process_before), None)
            if course is None:
                course = _Open(move.state, [(before, move.barrier_before_eV)])
                found.append(course)
            course.end = move.fate
            if move.fate is Fate.KEPT and move.barrier_eV is not None and move.process is not None:
                course.points.append((move.epoch, move.barrier_eV))
                latest[move.state, move.epoch, move.process] = course
        return tuple(Course(one.state, tuple(one.points), one.end) for one in found)

    def to_json(self) -> dict[str, Any]:
        """JSON values; eOn's process numbers, of 63 bits, are strings."""
        return {
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "states": [asdict(state) for state in self.states],
            "processes": [_move_json(move) for move in self.moves],
            "waiting": [
                {"state": state, "processes": count} for state, count in self.waiting.items()
            ],
            "dropped": self.dropped,
            "relabelled_steps": self.relabelled,
        }


@dataclass
class _Open:
    """A course that further refreshes may go on with."""

    state: int
    points: list[tuple[int, float]]
    end: Fate = Fate.KEPT


def _move_json(move: BarrierMove) -> dict[str, Any]:
    return {
        **asdict(move),
        "fate": str(move.fate),
        "process_before": str(move.process_before),
        "process": None if move.process is None else str(move.process),
    }


def _epoch_before(move: BarrierMove) -> int:
    """Where it is not known, the one just before: process tables are emptied at the beginning of each."""
    return move.epoch - 1 if move.epoch_before is None else move.epoch_before


def refreshes_of(view: RunView) -> Refreshes:
    """Of a run; its numbers suffice."""
    return summarise_refreshes(
        view.epochs, view.searches, events=view.events, refreshes=view.refreshes
    )


def summarise_refreshes(
    epochs: Sequence[Epoch],
    searches: Sequence[SearchRecord],
    *,
    events: Sequence[Event],
    refreshes: Sequence[RefreshedState],
) -> Refreshes:
    """From the journals of a run; epochs of one potential count as one."""
    first = potential_epochs(epochs)
    epochs = [epoch for epoch in epochs if first[epoch.number] == epoch.number]
    searches = [replace(record, epoch=first.get(record.epoch, record.epoch)) for record in searches]
    events = [replace(event, epoch=first.get(event.epoch, event.epoch)) for event in events]
    last = epochs[-1].number
    done = Counter(
        record.state for record in searches if record.stale is not None and record.epoch == last
    )
    here = [state for state in refreshes if state.epoch == last]
    left = {state.state: max(state.stale - done[state.state], 0) for state in here}
    gone = {state.state for state in here if state.same_as is not None or state.lost}
    return Refreshes(
        epochs=_epochs(epochs, searches, events, refreshes),
        states=tuple(refreshes),
        moves=tuple(
            _move(entry, entry.record)
            for entry in refreshed_processes(searches)
            if entry.record.stale is not None
        ),
        waiting={state: count for state, count in left.items() if count and state not in gone},
        dropped=sum(left[state] for state in gone),
        relabelled=sum(event.relabelled for event in events),
    )


def _move(entry: RefreshedProcess, record: SearchRecord) -> BarrierMove:
    stale = record.stale
    assert stale is not None  # noqa: S101 - only such are asked for
    return BarrierMove(
        state=record.state,
        epoch=record.epoch,
        fate=entry.fate,
        process_before=stale.process,
        epoch_before=stale.epoch,
        process=record.process,
        barrier_before_eV=stale.barrier_eV,
        barrier_eV=record.barrier,
        moved_eV=entry.moved_eV,
        reason=record.reason,
        force_calls=record.force_calls,
    )


def _epochs(
    epochs: Sequence[Epoch],
    searches: Sequence[SearchRecord],
    events: Sequence[Event],
    refreshes: Sequence[RefreshedState],
) -> tuple[EpochNumbers, ...]:
    steps = Counter(event.epoch for event in events if not event.relabelled)
    count: dict[tuple[int, bool], int] = defaultdict(int)
    calls: dict[tuple[int, bool], int] = defaultdict(int)
    for record in searches:
        kind = (record.epoch, record.stale is not None)
        count[kind] += 1
        calls[kind] += record.force_calls
    minimised: Counter[int] = Counter()
    for state in refreshes:
        minimised[state.epoch] += state.force_calls
    return tuple(
        EpochNumbers(
            epoch=epoch.number,
            potential=str(epoch.inputs.get("potential_file") or ""),
            sha256=str(epoch.inputs.get("potential_sha256") or ""),
            first_step=epoch.first_step,
            kmc_steps=steps[epoch.number],
            searches=count[epoch.number, False],
            force_calls=calls[epoch.number, False],
            refreshes=count[epoch.number, True],
            refresh_force_calls=calls[epoch.number, True],
            minimisation_force_calls=minimised[epoch.number],
        )
        for epoch in epochs
    )


def by_size(move: BarrierMove) -> tuple[bool, float]:
    """A key that sorts: what is gone first, then the largest differences."""
    return move.moved_eV is not None, -abs(move.moved_eV or 0.0)


def short(process: int | None) -> str:
    """A process number of 63 bits by its last digits."""
    if process is None:
        return "–"
    text = str(process)
    return text if len(text) <= _TAIL else f"…{text[-_TAIL:]}"


def waiting(found: Refreshes) -> str:
    """What is not refreshed yet."""
    total = sum(found.waiting.values())
    dropped = (
        f" {counted(found.dropped, 'process')} of states that became another, or are no minima any more, will not be refreshed."
        if found.dropped
        else ""
    )
    if not total:
        return f"No process waits for its refresh.{dropped}"
    where = counted(len(found.waiting), "state")
    return (
        f"{counted(total, 'process')} in {where} {'waits' if total == 1 else 'wait'} for the refresh, with which a "
        f"state's next searches begin.{dropped}"
    )


def moved(found: Refreshes) -> str:
    """How the processes of the present epoch fared."""
    present = found.present
    if not present:
        return "None is refreshed yet."
    fates = ", ".join(f"{count} {FATE_WORDS[Fate(fate)]}" for fate, count in found.fates().items())
    moves_meV = [1e3 * move.moved_eV for move in present if move.moved_eV is not None]
    told = f"{counted(len(present), 'process')} refreshed: {fates}"
    if moves_meV:
        told += f"; barriers moved by {min(moves_meV):+.1f} to {max(moves_meV):+.1f} meV"
    return f"{told}."
