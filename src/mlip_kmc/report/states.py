"""The page's part about states: of each visited one its numbers, its kinds of processes, a picture of each, and the data."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from mlip_kmc.ground.wording import plural
from mlip_kmc.model.records import Process, StateRecord
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.figures.processes import PROCESS_COLUMNS, process_row
from mlip_kmc.report.kinds import Kind, by_use
from mlip_kmc.report.numbers import StateNumbers
from mlip_kmc.report.pictures import Motion, picture, profile
from mlip_kmc.report.state_kinds import state_kinds
from mlip_kmc.report.summary import Report

MOST_STATES = 40
MOST_ROWS = 30
PICTURES = (8, 4)
MOST_PICTURES = 32


@dataclass(frozen=True)
class Picture:
    """A kind of process that is drawn.

    Attributes:
        key: of the process that stands for the kind, `0-1`: state and place in its table.
        svg: the picture. profile: the energies below it.
        title: in a few words. caption: sentences.
        link: the positions of its moved atoms. motion: what moves.
    """

    key: str
    svg: Markup
    profile: Markup
    title: str
    caption: str
    link: Link
    motion: Motion


@dataclass(frozen=True)
class Block:
    """A state's part of the page, which stands for the states like it, too.

    Attributes:
        state: its numbers; visits, residence and KMC steps are those of all of them.
        alike: numbers of the visited states that are like it, in the order of the first visit.
        kinds: of its processes. rows: those that are rows of the table. pictures, link: of them, and its data.
    """

    state: StateNumbers
    alike: tuple[int, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[Kind, ...]
    pictures: tuple[Picture, ...]
    link: Link

    @property
    def drawn(self) -> Mapping[int, str]:
        """Keys of the pictures, by number of the process."""
        ranks = {row.rank: row.process for row in self.state.processes}
        return {ranks[int(one.key.partition("-")[2])]: one.key for one in self.pictures}


def blocks_of(report: Report) -> Iterator[Block]:
    """Blocks of the visited states, in the order of the first visit; states that are like an earlier one are in its block."""
    records = {state.number: state for state in report.view.states}
    by_number = {state.state: state for state in report.numbers.states}
    drawn = 0
    for place, (number, alike) in enumerate(grouped(report)[:MOST_STATES]):
        record = records[number]
        state = together(by_number[number], [by_number[other] for other in alike])
        kinds = state_kinds(state, record)
        wanted = min(PICTURES[min(place, 1)], MOST_PICTURES - drawn)
        pictures = _pictures(by_use(kinds)[:wanted], record)
        drawn += len(pictures)
        yield Block(
            state=state,
            alike=alike,
            kinds=kinds,
            rows=_rows(kinds),
            pictures=pictures,
            link=table_link(
                f"state_{number}.csv", PROCESS_COLUMNS, map(process_row, state.processes), most=200
            ),
        )


def grouped(report: Report) -> list[tuple[int, tuple[int, ...]]]:
    """Visited states that have a part of their own, each with those that are like it."""
    like = {state.state: state.like for state in report.numbers.states}
    visited = [number for number in report.numbers.visited if number in like]
    groups: dict[int, list[int]] = {}
    for number in visited:
        known = like[number]
        if known is not None and known in groups:
            groups[known].append(number)
        else:
            groups[number] = []
    return [(number, tuple(alike)) for number, alike in groups.items()]


def together(one: StateNumbers, others: Sequence[StateNumbers]) -> StateNumbers:
    """A state with the visits, residence and KMC steps of those that are like it.

    A process of theirs counts for the one of the nearest barriers: tables that were handed over have the same numbers.
    """
    if not others or not one.processes:
        return one
    used: Counter[int] = Counter()
    for row in (row for other in others for row in other.processes if row.used):
        nearest = min(
            one.processes,
            key=lambda own: (
                abs(own.barrier_eV - row.barrier_eV)
                + abs(own.reverse_barrier_eV - row.reverse_barrier_eV)
            ),
        )
        used[nearest.process] += row.used
    return replace(
        one,
        visits=one.visits + sum(other.visits for other in others),
        residence_s=one.residence_s + sum(other.residence_s for other in others),
        processes=tuple(replace(row, used=row.used + used[row.process]) for row in one.processes),
    )


def _rows(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """The lowest barriers, and every kind that a KMC step used."""
    return tuple(
        kind
        for index, kind in enumerate(kinds)
        if index < MOST_ROWS or (kind.used and index < 4 * MOST_ROWS)
    )


def _pictures(kinds: list[Kind], record: StateRecord) -> tuple[Picture, ...]:
    processes = {row.process: row for row in record.processes}
    highest_eV = max((kind.lead.barrier_eV for kind in kinds), default=0.0)
    found = (_picture(kind, processes[kind.lead.process], highest_eV) for kind in kinds)
    return tuple(one for one in found if one is not None)


def _picture(kind: Kind, record: Process, highest_eV: float) -> Picture | None:
    motion = Motion.read(record)
    if motion is None:
        return None
    process = kind.lead
    many = len(motion.moved)
    axis, right, up = motion.axis_names
    times = f"{kind.count} × " if kind.count > 1 else ""
    title = f"{times}{process.barrier_eV:.3f} eV"
    why = f" ({kind.said})" if kind.said else ""
    used = f", taken {kind.used}×" if kind.used else ""
    atoms = (
        f"1 {motion.species[motion.moved[0]]} atom moves {motion.farthest:.2f} Å"
        if many == 1
        else f"{many} atoms ({motion.what_moves}) move, up to {motion.farthest:.2f} Å"
    )
    caption = (
        f"{why}{where_to(kind)}{used}. {atoms}; seen along {axis} ({right} to the right, {up} up)."
    )
    name = f"Process {process.rank} of state {process.state}: {title}{caption}"
    back = f"{process.reverse_barrier_eV:.3f} eV"
    return Picture(
        key=f"{process.state}-{process.rank}",
        svg=Markup(picture(motion, alternative=name)),  # noqa: S704 - drawn here, its words are escaped
        profile=Markup(  # noqa: S704 - likewise
            profile(
                barrier_eV=process.barrier_eV,
                reverse_barrier_eV=process.reverse_barrier_eV,
                highest_eV=highest_eV,
                alternative=f"Energies of process {process.rank} of state {process.state}: up by {title.removeprefix(times)}, "
                f"down by {back}",
            )
        ),
        title=title,
        caption=caption,
        link=_positions_link(motion, f"state_{process.state}_process_{process.rank}.csv"),
        motion=motion,
    )


def where_to(kind: Kind) -> str:
    """The states that a kind leads to, in words that follow a comma."""
    if not kind.products:
        return f", to {'a state' if kind.count == 1 else 'states'} not visited"
    shown = ", ".join(map(str, kind.products[:4])) + (", …" if len(kind.products) > 4 else "")
    more = f" and to {kind.open} not visited" if kind.open else ""
    return f", to {plural(len(kind.products), 'state')} {shown}{more}"


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
