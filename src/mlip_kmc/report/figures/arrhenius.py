"""Diffusion coefficients against inverse temperature, with the line of an effective barrier."""

import math
from collections.abc import Sequence

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale
from mlip_kmc.report.compare import Line
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings

_MOST_LINES = 4
COLUMNS = ("species", "potential_sha256", "structure", "temperature_K", "D_m2_per_s", "error_m2_per_s", "runs")  # fmt: skip


def arrhenius(lines: Sequence[Line]) -> Figure | None:
    """Tracer diffusion coefficients at several temperatures; None where no species has two."""
    if not lines:
        return None
    shown = lines[:_MOST_LINES]
    left_out = f"Drawn are {len(shown)} of {len(lines)} lines; the data has all."
    return Figure(
        key="arrhenius",
        title="Diffusion against inverse temperature",
        drawings=drawings(lambda width: _draw(width, shown)),
        legend=tuple((f"s{index}", _name(line)) for index, line in enumerate(shown, start=1)),
        caption=(
            "Tracer D* of one atom, pooled over runs; bars: one standard error. Lines: D₀ exp(−E/kT) by weighted least squares.",
            *((left_out,) if len(shown) < len(lines) else ()),
        ),
        link=table_link(
            "arrhenius.csv",
            COLUMNS,
            (
                (
                    line.species,
                    line.potential,
                    line.structure,
                    kelvin,
                    one.value,
                    one.error,
                    one.runs,
                )
                for line in lines
                for kelvin, one in line.points
            ),
        ),
    )


def _name(line: Line) -> str:
    barrier = f"{line.fit.barrier_eV:.3f} ± {line.fit.barrier_error_eV:.3f} eV"
    return f"{line.species} in {line.structure}: {barrier}"


def _draw(width: int, lines: Sequence[Line]) -> str:
    points = [(1000 / kelvin, one) for line in lines for kelvin, one in line.points]
    ends = [one.value + sign * one.error for _, one in points for sign in (-1, 0, 1)]
    logs = [math.log10(end) for end in ends if end > 0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    margin = 0.08 * ((right - left) or 1.0)
    every = max(1, (high - low) // 6)
    chart = Chart(
        width=width,
        height=300,
        x=Scale(left - margin, right + margin),
        y=Scale(low, max(high, low + 1), ticks=tuple(
            (float(power), words.power(power)) for power in range(low, max(high, low + 1) + 1, every)
        )),
        x_label="1000 K / T",
        y_label="Tracer D* (m²/s)",
    )  # fmt: skip
    for index, line in enumerate(lines, start=1):
        _draw_line(chart, line, css=f"s{index}")
    return chart.svg(
        "Points with errors on a logarithmic axis: tracer diffusion coefficients against 1000 K / T; "
        + "; ".join(map(_name, lines))
    )


def _draw_line(chart: Chart, line: Line, *, css: str) -> None:
    spots = [(1000 / kelvin, line.fit.at(kelvin / EON_KELVIN_PER_EV)) for kelvin, _ in line.points]
    chart.line([(x, math.log10(value)) for x, value in spots if value > 0], css=f"line thin {css}")
    for kelvin, one in line.points:
        if not one.value > 0:
            continue
        at = 1000 / kelvin
        least = one.value - one.error
        bottom = math.log10(least) if least > 0 else chart.y.low
        chart.line([(at, bottom), (at, math.log10(one.value + one.error))], css=f"line {css}")
        note = f"{kelvin:g} K: {words.with_error(one.value, one.error)} m²/s, {words.count(one.runs, 'run')}"
        chart.dot((at, math.log10(one.value)), css=f"dot {css}", radius=4, note=note)
