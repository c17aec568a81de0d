"""The page's part about changes of the potential, in words: epochs, states, processes, and what waits."""

from dataclasses import dataclass

from mlip_kmc.model.records import RefreshedState
from mlip_kmc.report import words
from mlip_kmc.report.refreshes import (
    FATE_WORDS,
    BarrierMove,
    EpochNumbers,
    by_size,
    moved,
    short,
    waiting,
)
from mlip_kmc.report.summary import Report

MOST_ROWS = 60


@dataclass(frozen=True)
class MoveRow:
    """A process of the table; its numbers are shortened, with all digits in the title."""

    move: BarrierMove
    before: str
    now: str
    fate: str


@dataclass(frozen=True)
class Changes:
    """What the page says.

    Attributes:
        epochs: rows. waiting: a sentence on what is not refreshed yet. moved: one on those that are.
        states: of the last change, those that moved, or became another; states_left_out: so many others did neither.
        rows: processes of the present epoch; rows_left_out: so many more are in the data.
    """

    epochs: tuple[EpochNumbers, ...]
    waiting: str
    moved: str
    states: tuple[RefreshedState, ...]
    states_left_out: int
    rows: tuple[MoveRow, ...]
    rows_left_out: int


def changes_of(report: Report) -> Changes:
    """Of a run whose potential changed."""
    found = report.refreshes
    now = found.epochs[-1].epoch
    states = [state for state in found.states if state.epoch == now]
    ranks = {(row.state, row.process): row.rank for row in report.numbers.processes}
    ordered = sorted(found.present, key=by_size)
    return Changes(
        epochs=found.epochs,
        waiting=waiting(found),
        moved=moved(found).replace("-", words.MINUS),
        states=tuple(states[:MOST_ROWS]),
        states_left_out=max(len(states) - MOST_ROWS, 0),
        rows=tuple(_row(move, ranks) for move in ordered[:MOST_ROWS]),
        rows_left_out=max(len(ordered) - MOST_ROWS, 0),
    )


def _row(move: BarrierMove, ranks: dict[tuple[int, int], int]) -> MoveRow:
    rank = None if move.process is None else ranks.get((move.state, move.process))
    return MoveRow(
        move=move,
        before=short(move.process_before),
        now=short(move.process) if rank is None else f"#{rank}",
        fate=FATE_WORDS[move.fate],
    )
