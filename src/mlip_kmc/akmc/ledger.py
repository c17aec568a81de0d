"""What a run has done: its numbers, counts and the atoms' path, from the journals on and with each record that is added.

ledger = Ledger.read(store, numbers=RunNumbers(), path=path, remember=50)
ledger.add_search(record)
ledger.add_event(event, path=path, apart=0)
"""

import logging
from collections import Counter, deque
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from mlip_kmc.akmc.ports import Store
from mlip_kmc.config import GammaSection
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.wording import counted, gone, plain
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.frames import Kind
from mlip_kmc.model.records import (
    Event,
    HaltKind,
    Registered,
    RunNumbers,
    SearchRecord,
    potential_epochs,
    unsound,
)
from mlip_kmc.search.outcome import SearchOutcome

_log = logging.getLogger(__name__)

_USELESS = (Registered.BAD, Registered.HALTED)


@dataclass
class Ledger:
    """The run up to now; what is added counts from the store's next commit on.

    Attributes:
        store: where records go.
        numbers: where the run is.
        path: where every atom is, from state 0 on.
        outcomes: registered searches by outcome. now: those of them under the present potential. recent: the last of them.
        last_event: the last KMC step. unsound: what superbasin steps of the first versions mean, in words.
    """

    store: Store
    numbers: RunNumbers
    path: AtomPath
    recent: deque[SearchRecord]
    outcomes: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)
    last_event: Event | None = None
    unsound: str = ""

    @classmethod
    def read(cls, store: Store, *, numbers: RunNumbers, path: AtomPath, remember: int) -> Self:
        """From the committed journals.

        Args:
            store: of the run.
            numbers: of its generation.
            path: where every atom is in state 0.
            remember: so many of the last searches.
        """
        ledger = cls(store=store, numbers=numbers, path=path, recent=deque(maxlen=remember))
        first_of = potential_epochs(store.epochs)
        present = first_of[store.epochs[-1].number] if store.epochs else 0
        for line in store.records("searches"):
            record = SearchRecord.from_json(line)
            ledger.outcomes[record.outcome] += 1
            ledger.now[record.outcome] += first_of.get(record.epoch, 0) == present
            ledger.recent.append(record)
        events = [Event.from_json(line) for line in store.records("events")]
        for event in events:
            ledger.path = ledger.path.changed(
                event.mapping, event.images, event.drift_A, event.turn
            )
            ledger.last_event = event
        ledger.unsound = unsound(events)
        return ledger

    @property
    def epoch(self) -> int:
        """The number of the present one, which every record carries."""
        return self.store.epochs[-1].number

    def add_search(self, record: SearchRecord) -> None:
        """Note a search that was registered."""
        if record.epoch != self.epoch:
            record = replace(record, epoch=self.epoch)
        self.store.append("searches", record.to_json())
        self.outcomes[record.outcome] += 1
        self.now[record.outcome] += 1
        self.recent.append(record)
        if record.stale is not None:  # a process that vanished says nothing of how searches go
            return
        in_a_row = self.numbers.bad_in_a_row + 1 if record.outcome in _USELESS else 0
        if in_a_row != self.numbers.bad_in_a_row:
            self.numbers = replace(self.numbers, bad_in_a_row=in_a_row)

    def add_event(self, event: Event, *, path: AtomPath, apart: int) -> None:
        """Note a KMC step.

        Args:
            event: the step.
            path: where every atom is after it.
            apart: how many atoms have left the rest then.
        """
        self.store.append("events", event.to_json())
        self.path, self.last_event = replace(path, ambiguous=False), event
        before = self.numbers.left
        moved = event.reactant != event.product
        self.numbers = replace(
            self.numbers,
            steps=event.step + 1,
            time_s=event.time_s,
            time_rest_s=event.time_rest_s,
            state=event.product,
            previous=event.reactant if moved else self.numbers.previous,
            apart=apart,
        )
        if self.numbers.left > before:
            _log.warning("KMC step %d: %s", self.numbers.steps, gone(self.numbers.left))


def hopeless(ledger: Ledger, *, in_a_row: int) -> str:
    """Why the run ends after so many bad searches in a row, and what to do, in words."""
    recent = ledger.recent
    reasons = Counter(
        record.reason if record.outcome == Registered.BAD else "halted on extrapolation"
        for record in recent
    )
    why = ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3))
    where = recent[-1].state
    listed = ledger.store.root / "states" / str(where) / "search_results.txt"
    return (
        f"{in_a_row} bad searches in a row in state {where} ({why}); see {listed}; then run "
        "with another `search` section in a new --dir, or with a larger search.max_bad_in_a_row here"
    )


def numbers_from(raw: dict[str, Any]) -> RunNumbers:
    """A generation's numbers, those of older versions completed.

    Raises:
        RunStateError: a newer version notes more.
    """
    unknown = raw.keys() - {entry.name for entry in fields(RunNumbers)}
    if unknown:
        raise RunStateError(
            f"the run was continued by a newer mlip-kmc, which notes {', '.join(sorted(unknown))}; continue it "
            "with that version"
        )
    return RunNumbers(**{**raw, "pending": tuple(raw["pending"])})


def halted_before(
    numbers: RunNumbers, *, gamma: float | None, thresholds: GammaSection
) -> RunNumbers:
    """The numbers with what halted the run before this start; from a state 0 that is outside nothing goes on.

    Args:
        numbers: of the generation.
        gamma: the largest in state 0; None where it is unknown.
        thresholds: of this start.
    """
    if gamma is not None and thresholds.reaches_halt(gamma):
        halt = f"gamma {plain(gamma)} in state 0, stage reactant, before any search"
        return replace(numbers, halt=halt, halt_kind=str(HaltKind.EXTRAPOLATION))
    if thresholds.on_halt == "continue":
        return replace(numbers, halt="", halt_kind="")
    return numbers


def halted_by(
    outcome: SearchOutcome, numbers: RunNumbers, *, thresholds: GammaSection
) -> RunNumbers:
    """The numbers after a halted search: the run halts with it, or goes on.

    Args:
        outcome: of the search.
        numbers: before it.
        thresholds: of this start.
    """
    if numbers.halt or thresholds.on_halt == "continue":
        return numbers
    if thresholds.on_halt == "repair":
        # atoms that overlap, or an energy that no search may reach: no label helps, and the search is as good as bad
        if not any(frame.kind is Kind.HALT for frame in outcome.graded.frames):
            return numbers
        numbers = replace(numbers, to_repair=numbers.to_repair + 1)
        if numbers.to_repair < thresholds.repair_after:
            return numbers
    halt = f"search {outcome.name} was {outcome.reason}"
    return replace(numbers, halt=halt, halt_kind=str(outcome.graded.halt_kind))


def halted_for_repair(numbers: RunNumbers) -> RunNumbers:
    """The numbers of a run that would make a KMC step, were it not for searches that were halted before it."""
    halt = (
        f"{counted(numbers.to_repair, 'search')} halted where the potential extrapolates, and a KMC step now would leave out "
        "what they find"
    )
    return replace(numbers, halt=halt, halt_kind=str(HaltKind.EXTRAPOLATION))
