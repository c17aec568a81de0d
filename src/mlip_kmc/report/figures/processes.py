"""The processes: a histogram of their barriers, and each as a row of a CSV file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale, nice_step, padded
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.numbers import ProcessNumbers, RunNumbersSummary

_LEAST_BARRIER_RANGE_EV = 0.4

PROCESS_COLUMNS = (
    "state",
    "process",
    "rank",
    "product",
    "barrier_eV",
    "reverse_barrier_eV",
    "prefactor_per_s",
    "rate_per_s",
    "share",
    "in_rate_table",
    "repeats",
    "kmc_steps",
    "gamma_saddle",
    "gamma_path",
    "prefactor_kind",
)


def process_row(one: ProcessNumbers) -> tuple[object, ...]:
    """A process as a row of a CSV file."""
    return (
        one.state,
        one.process,
        one.rank,
        one.product,
        one.barrier_eV,
        one.reverse_barrier_eV,
        one.prefactor_per_s,
        one.rate_per_s,
        one.share,
        int(one.in_rate_table),
        one.repeats,
        one.used,
        one.gamma_saddle,
        one.gamma_path,
        one.prefactor_kind,
    )


def histogram(barriers: Sequence[float], *, low: float, width: float, bins: int) -> tuple[int, ...]:
    """How many barriers fall into each of `bins` boxes from `low` up; a barrier on an edge counts above it."""
    counts = [0] * bins
    for barrier in barriers:
        counts[min(bins - 1, max(0, math.floor((barrier - low) / width + 1e-9)))] += 1
    return tuple(counts)


@dataclass(frozen=True)
class _Histogram:
    """Barriers in boxes of `width` eV from `first` eV up: counts of those in a rate table, and of those beyond."""

    first: float
    width: float
    inside: tuple[int, ...]
    outside: tuple[int, ...]

    @classmethod
    def of(cls, processes: Sequence[ProcessNumbers]) -> "_Histogram":
        values = [process.barrier_eV for process in processes]
        low, high = padded(values, least=_LEAST_BARRIER_RANGE_EV)
        width = nice_step((high - low) / 40)
        first = math.floor(low / width) * width
        if min(values) >= 0:
            first = max(0.0, first)
        bins = math.ceil((high - first) / width)

        def counts(*, in_rate_table: bool) -> tuple[int, ...]:
            chosen = [one.barrier_eV for one in processes if one.in_rate_table == in_rate_table]
            return histogram(chosen, low=first, width=width, bins=bins)

        return cls(first, width, counts(in_rate_table=True), counts(in_rate_table=False))


def barriers(numbers: RunNumbersSummary) -> Figure | None:
    """Histogram of the barriers of all processes; None where one box holds them all, which says less than the tables."""
    processes = numbers.processes
    if not processes:
        return None
    boxes = _Histogram.of(processes)
    if sum(map(bool, map(sum, zip(boxes.inside, boxes.outside, strict=True)))) == 1:
        return None
    total, inside = len(processes), sum(boxes.inside)
    window = (
        ""
        if math.isinf(numbers.window_eV)
        else f" (thermal window: {numbers.window_eV:.3f} eV above its lowest barrier)"
    )
    return Figure(
        key="barriers",
        title="Barriers",
        drawings=drawings(lambda width: _draw_barriers(width, boxes, processes)),
        legend=(
            ("s1", f"in a rate table: {inside}"),
            ("s2", f"beyond the thermal window: {total - inside}"),
        ),
        caption=(
            (
                f"All n = {words.count(total, 'process')} of {words.count(len(numbers.states), 'state')}, each counted "
                f"in the state that it starts from{window}; boxes of {boxes.width:g} eV. Only those in a rate table can be drawn."
            ),
        ),
        link=table_link("processes.csv", PROCESS_COLUMNS, map(process_row, processes)),
    )


def _draw_barriers(pixels: int, boxes: _Histogram, processes: Sequence[ProcessNumbers]) -> str:
    first, width = boxes.first, boxes.width
    highest = max(a + b for a, b in zip(boxes.inside, boxes.outside, strict=True))
    chart = Chart(
        width=pixels,
        height=260,
        x=Scale(first, first + len(boxes.inside) * width),
        y=Scale(0, highest * 1.08, integers=True),
        x_label="Barrier (eV)",
        y_label="Processes",
    )
    for index, (near, far) in enumerate(zip(boxes.inside, boxes.outside, strict=True)):
        left, right = first + index * width, first + (index + 1) * width
        note = f"{left:.3f} to {right:.3f} eV: {near} in the rate table, {far} beyond"
        if near:
            chart.bar((left, 0), (right, near), css="fill s1", note=note)
        if far:
            chart.bar((left, near), (right, near + far), css="fill s2", note=note)
    values, inside = [process.barrier_eV for process in processes], sum(boxes.inside)
    return chart.svg(
        f"Histogram of {len(values)} barriers from {min(values):.3f} to {max(values):.3f} eV; {inside} "
        f"are in a rate table, {len(values) - inside} beyond the thermal window."
    )
