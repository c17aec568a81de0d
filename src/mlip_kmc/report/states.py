"""The page's part about states: of each visited one its numbers, its processes, pictures of them, and the data."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from mlip_kmc.model.records import Process
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.figures.processes import PROCESS_COLUMNS, process_row
from mlip_kmc.report.numbers import ProcessNumbers, StateNumbers
from mlip_kmc.report.pictures import Motion, picture
from mlip_kmc.report.summary import Report

MOST_STATES = 40
MOST_ROWS = 30
PICTURES = (6, 3)
MOST_PICTURES = 24


@dataclass(frozen=True)
class Picture:
    """A process that is drawn: SVG, words below it, and the positions of its moved atoms."""

    svg: Markup
    caption: str
    link: Link


@dataclass(frozen=True)
class Block:
    """A state's part of the page: its numbers, the rows that are shown, its pictures, its data."""

    state: StateNumbers
    rows: tuple[ProcessNumbers, ...]
    pictures: tuple[Picture, ...]
    link: Link


def blocks_of(report: Report) -> Iterator[Block]:
    """Blocks of the visited states, in the order of the first visit."""
    numbers, records = report.numbers, {state.number: state for state in report.view.states}
    by_number = {state.state: state for state in numbers.states}
    drawn = 0
    for place, number in enumerate(numbers.visited[:MOST_STATES]):
        if number not in by_number:
            continue
        state = by_number[number]
        wanted = min(PICTURES[min(place, 1)], MOST_PICTURES - drawn)
        rows = {row.process: row for row in records[number].processes}
        pictures = tuple(
            found
            for process in _worth_drawing(state)[:wanted]
            if (found := _picture(process, rows[process.process])) is not None
        )
        drawn += len(pictures)
        yield Block(
            state=state,
            rows=_rows(state),
            pictures=pictures,
            link=table_link(
                f"state_{number}.csv", PROCESS_COLUMNS, map(process_row, state.processes), most=200
            ),
        )


def _rows(state: StateNumbers) -> tuple[ProcessNumbers, ...]:
    """The lowest barriers, and every process that a KMC step used."""
    return tuple(
        row
        for index, row in enumerate(state.processes)
        if index < MOST_ROWS or (row.used and index < 4 * MOST_ROWS)
    )


def _worth_drawing(state: StateNumbers) -> list[ProcessNumbers]:
    return sorted(state.processes, key=lambda row: (-row.used, row.rank))


def _picture(process: ProcessNumbers, record: Process) -> Picture | None:
    motion = Motion.read(record)
    if motion is None:
        return None
    many = len(motion.moved)
    axis, right, up = motion.axis_names
    where = "to a state not visited" if process.product is None else f"to state {process.product}"
    used = f", taken {process.used}×" if process.used else ""
    atoms = (
        f"1 atom moves {motion.farthest:.2f} Å"
        if many == 1
        else f"{many} atoms move, up to {motion.farthest:.2f} Å"
    )
    caption = f"{process.barrier_eV:.3f} eV, {where}{used}. {atoms}; seen along {axis} ({right} to the right, {up} up)."
    svg = picture(motion, alternative=f"Process {process.rank} of state {process.state}: {caption}")
    return Picture(
        svg=Markup(svg),  # noqa: S704 - drawn here, its words are escaped
        caption=f"#{process.rank}: {caption}",
        link=_positions_link(motion, f"state_{process.state}_process_{process.rank}.csv"),
    )


def _positions_link(motion: Motion, name: str) -> Link:
    """Positions of the moved atoms, in reactant, saddle and product."""
    columns = (
        "atom",
        "species",
        *(f"{name}_{axis}_A" for name in ("reactant", "saddle", "product") for axis in "xyz"),
    )
    rows = (
        (
            atom,
            motion.species[atom],
            *(
                f"{number:.5f}"
                for number in (
                    *motion.positions[atom],
                    *(motion.positions[atom] + motion.saddle[atom]),
                    *(motion.positions[atom] + motion.product[atom]),
                )
            ),
        )
        for atom in motion.moved
    )
    return table_link(name, columns, rows)
