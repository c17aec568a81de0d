"""Rates of one state's kinds of processes against inverse temperature, and up to which temperature its table is searched."""

import math
from collections.abc import Sequence

from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.kinds import Kind

MOST_KINDS = 4
_COLDER, _HOTTER = 0.7, 1.5
"""The axis reaches from so many times the run's temperature to so many."""


def rates(
    kinds: Sequence[Kind], *, state: int, temperature_K: float | None, window_kT: float | None
) -> Figure | None:
    """Rates of the lowest kinds of a state; None without a temperature or a process with a rate.

    Args:
        kinds: of the state, by barrier.
        state: its number.
        temperature_K: of the run: up to it the thermal window was searched.
        window_kT: how far the window reaches above the lowest barrier; None where it is not known.
    """
    known = [kind for kind in kinds if kind.in_rate_table and _has_rates(kind)]
    if not known or temperature_K is None:
        return None
    shown = known[:MOST_KINDS]
    left_out = f"Drawn are the {len(shown)} lowest of {len(known)} kinds in the rate table."
    window = "" if window_kT is None else f", {window_kT:g} kT above the lowest barrier"
    return Figure(
        key="rates",
        title=f"Rates of state {state} against inverse temperature",
        drawings=drawings(lambda width: _draw(width, shown, temperature_K)),
        legend=tuple((f"s{index}", _name(kind)) for index, kind in enumerate(shown, start=1)),
        caption=(
            (
                "Rates of all processes of a kind together, ν exp(−E/kT) with the prefactors of the table. The dotted line is "
                f"the run's {temperature_K:g} K: its table was searched up to the thermal window of that temperature{window}. "
                "At higher temperatures the window reaches further and processes that nobody looked for may matter: there the "
                "lines are dashed."
            ),
            *((left_out,) if len(shown) < len(known) else ()),
        ),
        link=table_link(
            "rates.csv",
            ("barrier_eV", "prefactor_per_s", "processes"),
            ((kind.lead.barrier_eV, kind.lead.prefactor_per_s, kind.count) for kind in known),
        ),
    )


def _has_rates(kind: Kind) -> bool:
    return math.isfinite(kind.lead.barrier_eV) and all(
        0 < row.prefactor_per_s < math.inf for row in kind.rows
    )


def log_rate(kind: Kind, temperature_K: float) -> float:
    """log10 of the rate in 1/s of all processes of a kind."""
    prefactors = math.log10(sum(row.prefactor_per_s for row in kind.rows))
    return prefactors - kind.lead.barrier_eV * EON_KELVIN_PER_EV / temperature_K / math.log(10)


def _name(kind: Kind) -> str:
    times = f"{kind.count} × " if kind.count > 1 else ""
    return f"{times}{kind.lead.barrier_eV:.3f} eV"


def _draw(width: int, kinds: Sequence[Kind], temperature_K: float) -> str:
    cold, here, hot = (temperature_K * factor for factor in (_COLDER, 1.0, _HOTTER))
    ends = [log_rate(kind, kelvin) for kind in kinds for kelvin in (cold, hot)]
    low, high = math.floor(min(ends)), math.ceil(max(ends))
    every = max(1, (high - low) // 6)
    chart = Chart(
        width=width,
        height=300,
        x=Scale(1000 / hot, 1000 / cold),
        y=Scale(
            low,
            max(high, low + 1),
            ticks=tuple(
                (float(power), words.power(power)) for power in range(low, max(high, low + 1) + 1, every)
            ),
        ),
        x_label="1000 K / T",
        y_label="Rate (1/s)",
    )  # fmt: skip
    chart.line([(1000 / here, chart.y.low), (1000 / here, chart.y.high)], css="line begin")
    chart.text((1000 / here, chart.y.high), f"{here:g} K", dx=4, dy=10)
    for index, kind in enumerate(kinds, start=1):
        cold_end, middle, hot_end = (
            (1000 / kelvin, log_rate(kind, kelvin)) for kelvin in (cold, here, hot)
        )
        chart.line([cold_end, middle], css=f"line s{index}")
        chart.line([middle, hot_end], css=f"line dashed s{index}")
    return chart.svg(
        f"Straight lines on a logarithmic axis: rates of {words.count(len(kinds), 'kind')} of processes from {cold:.0f} to "
        f"{hot:.0f} K, dashed above {here:g} K."
    )
