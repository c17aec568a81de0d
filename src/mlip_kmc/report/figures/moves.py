"""How barriers moved from one potential to the next: a line for each process."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mlip_kmc.model.records import Fate
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale, padded
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.refreshes import FATE_WORDS, BarrierMove, Course, Refreshes

MOST_LINES = 120
_LEAST_RANGE_EV = 0.1
COLUMNS = (
    "state",
    "epoch_before",
    "process_before",
    "barrier_before_eV",
    "epoch",
    "process",
    "barrier_eV",
    "moved_eV",
    "fate",
    "reason",
    "force_calls",
)


def move_row(move: BarrierMove) -> tuple[object, ...]:
    """A process that was refreshed, as a row of a CSV file."""
    return tuple(getattr(move, name) for name in COLUMNS)


def moves(
    found: Refreshes,
    names: Sequence[str],
    *,
    axis: str = "Epoch",
    oracle: Mapping[str, float] = MappingProxyType({}),
) -> Figure | None:
    """Barriers by epoch.

    Args:
        found: of the run.
        names: of its epochs, for the axis.
        axis: what these are.
        oracle: barriers in eV that are known otherwise, by name; drawn beside.
    """
    courses = found.courses()
    if not courses:
        return None
    lowest = sorted(courses, key=lambda one: min(value for _, value in one.points))
    shown = lowest[:MOST_LINES]
    ended = sum(one.end is not Fate.KEPT for one in courses)
    left_out = (
        f"Drawn are the {len(shown)} of the lowest barriers of {len(courses)}; the data has all."
    )
    return Figure(
        key="moves",
        title="How barriers moved",
        drawings=drawings(lambda width: _draw(width, shown, names, axis, oracle)),
        legend=(
            ("s1", f"still there: {len(courses) - ended}"),
            ("s2", f"gone, merged or halted: {ended}"),
        ),
        caption=(
            (
                f"n = {words.count(len(courses), 'process')} that an earlier potential had found and that were converged "
                "again from their old saddles. Each line is one process; where it ends early, the process was not found "
                "again, or is not refreshed yet."
            ),
            *(("Dashed: what the oracle itself gives.",) if oracle else ()),
            *((left_out,) if len(shown) < len(courses) else ()),
        ),
        link=table_link("moved_barriers.csv", COLUMNS, map(move_row, found.moves)),
    )


def _draw(
    width: int,
    shown: Sequence[Course],
    names: Sequence[str],
    axis: str,
    oracle: Mapping[str, float],
) -> str:
    values = [value for one in shown for _, value in one.points]
    low, high = padded([*values, *oracle.values()], least=_LEAST_RANGE_EV)
    last = max(len(names) - 1, 1)
    chart = Chart(
        width=width,
        height=300,
        x=Scale(-0.12 * last, 1.12 * last, ticks=tuple(_ticks(names, width))),
        y=Scale(low, high),
        x_label=axis,
        y_label="Barrier (eV)",
    )
    for one in shown:
        css = "s1" if one.end is Fate.KEPT else "s2"
        chart.line(one.points, css=f"line thin {css}")
        for epoch, value in one.points:
            note = f"state {one.state}, {names[epoch]}: {value:.4f} eV"
            if one.end is not Fate.KEPT and (epoch, value) == one.points[-1]:
                note += f"; then {FATE_WORDS[one.end]}"
            chart.dot((epoch, value), css=f"dot {css}", note=note)
    for name, value in oracle.items():
        chart.line([(chart.x.low, value), (chart.x.high, value)], css="line target")
        chart.text((chart.x.high, value), f"oracle: {name}", css="halo", anchor="end", dy=-5)
    return chart.svg(
        f"Lines: barriers of {words.count(len(shown), 'process')} from {min(values):.3f} to {max(values):.3f} eV, under "
        f"{words.count(len(names), 'potential')}."
    )


def _ticks(names: Sequence[str], width: int) -> list[tuple[float, str]]:
    """As many names as there is room for; the first and the last always."""
    room = max(2, int((width - 72) / (6.6 * (max(map(len, names)) + 2))))
    every = max(1, -(-len(names) // room))
    last = len(names) - 1
    return [
        (float(index), name)
        for index, name in enumerate(names)
        if index == last or (index % every == 0 and last - index >= every)
    ]
