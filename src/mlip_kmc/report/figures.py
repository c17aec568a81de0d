"""The page's figures: each a wide and a narrow drawing, a legend, a caption, and its data.

Example:
    for figure in (energy(events, states), barriers(numbers)):
        figure.title, figure.drawings, figure.caption, figure.link.href

None where there is nothing to draw. What is too much to draw is thinned or left out, and the caption says so.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mlip_kmc.model.records import OUTCOMES, Event, SearchRecord, StateRecord
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Point, Scale, nice_step, padded, thinned
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.diffusion import SpeciesDiffusion, Trajectory
from mlip_kmc.report.numbers import ProcessNumbers, RunNumbersSummary, energies_of

WIDTHS = (("wide", 820), ("narrow", 350))
MOST_POINTS = 1200
MOST_STATES_WITH_CURVES = 40
MOST_BARS = 20
_NAMED_CURVES = 3
_LEAST_ENERGY_RANGE_EV = 0.1
_LEAST_BARRIER_RANGE_EV = 0.4
_FEW = 60
OUTCOME_WORDS = {
    "new": "new process",
    "repeat": "known process",
    "high": "barrier too high",
    "bad": "bad",
    "halted": "halted",
}


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        key: short name, also of its place in the page. title: what it shows.
        drawings: (class, SVG) for wide and narrow pages. legend: (class of the mark, words).
        caption: sentences. link: its data.
    """

    key: str
    title: str
    drawings: tuple[tuple[str, str], ...]
    legend: tuple[tuple[str, str], ...]
    caption: tuple[str, ...]
    link: Link


def _drawings(draw: Callable[[int], str]) -> tuple[tuple[str, str], ...]:
    return tuple((css, draw(width)) for css, width in WIDTHS)


def energy(events: Sequence[Event], states: Sequence[StateRecord]) -> Figure | None:
    """Energy of the occupied state against simulated time."""
    energies = energies_of(states)
    if not events or energies.get(0) is None:
        return None
    reference = energies[0]
    path: list[Point] = [(0.0, 0.0)]
    path += [(event.time_s, energies.get(event.product, reference) - reference) for event in events]
    unit_s, unit = words.si_time(path[-1][0])
    low, high = padded([value for _, value in path], least=_LEAST_ENERGY_RANGE_EV)
    basins = [
        point for point, event in zip(path[1:], events, strict=True) if event.superbasin is not None
    ]

    def draw(width: int) -> str:
        chart = Chart(
            width=width,
            height=280,
            x=Scale(0.0, path[-1][0] / unit_s),
            y=Scale(low, high),
            x_label=f"Simulated time ({unit})",
            y_label="Energy above state 0 (eV)",
        )
        chart.steps(
            [(time / unit_s, value) for time, value in thinned(path, MOST_POINTS)], css="line s1"
        )
        if len(path) <= _FEW:
            for event, (time, value) in zip(events, path[1:], strict=True):
                chart.dot(
                    (time / unit_s, value),
                    css="dot s1",
                    note=f"step {event.step + 1}: state {event.reactant} to "
                    f"{event.product}, barrier {event.barrier:.3f} eV",
                )
        for time, value in thinned(basins, 200):
            chart.dot((time / unit_s, value), css="dot s2", note="step out of a superbasin")
        return chart.svg(
            f"Step plot: energy of the occupied state above state 0, from {min(v for _, v in path):.3f} to "
            f"{max(v for _, v in path):.3f} eV, over {words.time(path[-1][0])} of simulated time."
        )

    thin = (
        (
            f"Drawn with at most {MOST_POINTS} of {len(path)} points, the extremes of each stretch among them.",
        )
        if len(path) > MOST_POINTS
        else ()
    )
    basin = (
        ("A step out of a superbasin is drawn as one: inside it the run has no definite state.",)
        if basins
        else ()
    )
    return Figure(
        key="energy",
        title="Energy of states against simulated time",
        drawings=_drawings(draw),
        legend=(
            ("s1", "occupied state"),
            *((("s2", "step out of a superbasin"),) if basins else ()),
        ),
        caption=(
            (
                f"Potential energy of the state that the run is in, above that of state 0; n = {words.steps(len(events))}. All "
                f"structures are minima (largest force in Methods); the axis spans at least {_LEAST_ENERGY_RANGE_EV} eV, so "
                "that differences of round-off do not look like structure."
            ),
            *basin,
            *thin,
        ),
        link=table_link(
            "energy.csv",
            ("step", "time_s", "state", "energy_above_state_0_eV"),
            (
                (step, time, 0 if step == 0 else events[step - 1].product, value)
                for step, (time, value) in enumerate(path)
            ),
        ),
    )


def displacement(found: Sequence[SpeciesDiffusion], walk: Trajectory) -> Figure:
    """Mean squared displacement against lag time, for every species."""
    longest = found[0].lags_s[-1]
    unit_s, unit = words.si_time(longest)
    highest = max(
        msd + error
        for one in found
        for msd, error in zip(one.msd_A2, one.msd_error_A2 or (0.0,) * len(one.msd_A2), strict=True)
    )
    few = not found[0].blocks

    def draw(width: int) -> str:
        chart = Chart(
            width=width,
            height=280,
            x=Scale(0.0, longest / unit_s),
            y=Scale(0.0, max(highest, 1e-3) * 1.05),
            x_label=f"Lag time ({unit})",
            y_label="Summed mean squared displacement (Å²)",
        )
        for index, one in enumerate(found[:4], start=1):
            lags = [0.0, *(lag / unit_s for lag in one.lags_s)]
            values, errors = (0.0, *one.msd_A2), (0.0, *one.msd_error_A2)
            if one.msd_error_A2:
                chart.band(
                    [
                        (lag, max(0.0, value - error))
                        for lag, value, error in zip(lags, values, errors, strict=True)
                    ],
                    [
                        (lag, value + error)
                        for lag, value, error in zip(lags, values, errors, strict=True)
                    ],
                    css=f"band s{index}",
                )
            chart.line(list(zip(lags, values, strict=True)), css=f"line s{index}")
            if one.tracer_m2_per_s is not None:
                slope = 6 * one.tracer_m2_per_s * 1e20 * one.atoms * unit_s
                end = min(longest / unit_s, chart.y.high / slope if slope > 0 else longest / unit_s)
                chart.line([(0.0, 0.0), (end, slope * end)], css=f"line dashed s{index}")
        return chart.svg(
            "Line plot: mean squared displacement, summed over the atoms of each species, up to "
            + ", ".join(f"{max(one.msd_A2):.3g} Å² ({one.species})" for one in found)
            + f", against lag times up to {words.time(longest)}."
        )

    frame = (
        "Fixed atoms hold the frame."
        if walk.anchored
        else f"The centre of mass rests, which makes the values smaller by about 1/N = 1/{len(walk.species)}."
    )
    return Figure(
        key="displacement",
        title="Mean squared displacement",
        drawings=_drawings(draw),
        legend=tuple(
            (f"s{index}", f"{one.species}, sum over {one.atoms} atoms")
            for index, one in enumerate(found[:4], start=1)
        ),
        caption=(
            (
                f"Squared displacement summed over the atoms of a species, averaged over time origins; {len(walk.grid)} "
                f"equal-time samples of one trajectory, n = {words.steps(walk.steps)}, lags up to half of it. {frame}"
            ),
            "No error is drawn: there are too few steps for blocks."
            if few
            else (
                f"Band: one standard error, jackknife over {found[0].blocks} blocks of time origins. Dashed: 6DNτ with the "
                "tracer value of the table."
            ),
            "Lag times beyond a tenth of the run rest on few independent stretches.",
        ),
        link=table_link(
            "displacement.csv",
            ("species", "lag_s", "summed_msd_A2", "error_A2"),
            (
                (one.species, lag, msd, one.msd_error_A2[index] if one.msd_error_A2 else "")
                for one in found
                for index, (lag, msd) in enumerate(zip(one.lags_s, one.msd_A2, strict=True))
            ),
        ),
    )


def histogram(barriers: Sequence[float], *, low: float, width: float, bins: int) -> tuple[int, ...]:
    """How many barriers fall into each of `bins` boxes from `low` up; a barrier on an edge counts above it."""
    counts = [0] * bins
    for barrier in barriers:
        counts[min(bins - 1, max(0, math.floor((barrier - low) / width + 1e-9)))] += 1
    return tuple(counts)


def barriers(numbers: RunNumbersSummary) -> Figure | None:
    """Histogram of the barriers of all processes."""
    processes = numbers.processes
    if not processes:
        return None
    values = [process.barrier_eV for process in processes]
    low, high = padded(values, least=_LEAST_BARRIER_RANGE_EV)
    width = nice_step((high - low) / 40)
    first = (
        max(0.0, math.floor(low / width) * width)
        if min(values) >= 0
        else math.floor(low / width) * width
    )
    bins = math.ceil((high - first) / width)
    inside = histogram(
        [one.barrier_eV for one in processes if one.in_rate_table],
        low=first,
        width=width,
        bins=bins,
    )
    outside = histogram(
        [one.barrier_eV for one in processes if not one.in_rate_table],
        low=first,
        width=width,
        bins=bins,
    )
    total_inside = sum(inside)

    def draw(pixels: int) -> str:
        highest = max(a + b for a, b in zip(inside, outside, strict=True))
        chart = Chart(
            width=pixels,
            height=260,
            x=Scale(first, first + bins * width),
            y=Scale(0, highest * 1.08, integers=True),
            x_label="Barrier (eV)",
            y_label="Processes",
        )
        for index, (near, far) in enumerate(zip(inside, outside, strict=True)):
            left, right = first + index * width, first + (index + 1) * width
            note = f"{left:.3f} to {right:.3f} eV: {near} in the rate table, {far} beyond"
            if near:
                chart.bar((left, 0), (right, near), css="fill s1", note=note)
            if far:
                chart.bar((left, near), (right, near + far), css="fill s2", note=note)
        return chart.svg(
            f"Histogram of {len(values)} barriers from {min(values):.3f} to {max(values):.3f} eV; {total_inside} "
            f"are in a rate table, {len(values) - total_inside} beyond the thermal window."
        )

    window = (
        ""
        if math.isinf(numbers.window_eV)
        else f" (thermal window: {numbers.window_eV:.3f} eV above its lowest barrier)"
    )
    return Figure(
        key="barriers",
        title="Barriers",
        drawings=_drawings(draw),
        legend=(
            ("s1", f"in a rate table: {total_inside}"),
            ("s2", f"beyond the thermal window: {len(values) - total_inside}"),
        ),
        caption=(
            (
                f"All n = {words.count(len(values), 'process')} of {words.count(len(numbers.states), 'state')}, each counted "
                f"in the state that it starts from{window}; boxes of {width:g} eV. Only those in a rate table can be drawn."
            ),
        ),
        link=table_link("processes.csv", PROCESS_COLUMNS, map(process_row, processes)),
    )


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


def outcomes(numbers: RunNumbersSummary) -> Figure | None:
    """What each state's searches came to, as bars."""
    searched = [state for state in numbers.states if state.searches]
    if not searched:
        return None
    shown = searched[:MOST_BARS]

    def draw(width: int) -> str:
        rows = len(shown)
        ticks = tuple((rows - index - 0.5, str(state.state)) for index, state in enumerate(shown))
        chart = Chart(
            width=width,
            height=76 + 22 * rows,
            x=Scale(0, max(state.searches for state in shown), integers=True),
            y=Scale(0, rows, ticks=ticks),
            x_label="Searches",
            y_label="State",
            left=44,
        )
        for index, state in enumerate(shown):
            start, bottom = 0, rows - index - 0.82
            for css, outcome in enumerate(OUTCOMES, start=1):
                count = state.outcomes[outcome]
                if count:
                    chart.bar(
                        (start, bottom),
                        (start + count, bottom + 0.64),
                        css=f"fill o{css}",
                        note=f"state {state.state}: {count} × {OUTCOME_WORDS[outcome]}",
                    )
                start += count
        return chart.svg(
            "Stacked bars: registered searches by outcome, for each state; in all "
            + ", ".join(f"{numbers.outcomes[name]} {OUTCOME_WORDS[name]}" for name in OUTCOMES)
            + "."
        )

    left_out = (
        (f"The first {MOST_BARS} of {len(searched)} searched states.",)
        if len(searched) > MOST_BARS
        else ()
    )
    total = sum(numbers.outcomes.values())
    return Figure(
        key="outcomes",
        title="What the searches came to",
        drawings=_drawings(draw),
        legend=tuple(
            (f"o{css}", f"{OUTCOME_WORDS[name]}: {numbers.outcomes[name]}")
            for css, name in enumerate(OUTCOMES, start=1)
        ),
        caption=(
            (
                f"n = {total} registered searches. New: a process that its state did not have; known: one that it had; too "
                "high: a barrier far beyond the thermal window, not kept; bad: no saddle that connects the state to another, "
                "for the reasons below; halted: left what the potential was trained on, and ended there."
            ),
            *left_out,
        ),
        link=table_link(
            "searches_by_state.csv",
            ("state", *OUTCOMES, "force_calls", "seconds"),
            (
                (
                    state.state,
                    *(state.outcomes[name] for name in OUTCOMES),
                    state.force_calls,
                    round(state.seconds, 3),
                )
                for state in searched
            ),
        ),
    )


def confidence(
    numbers: RunNumbersSummary,
    searches: Sequence[SearchRecord],
    *,
    target: float | None,
    scheme: str,
    superbasins: bool,
) -> Figure | None:
    """Confidence against searches, a line for each state, on a scale of nines."""
    if not numbers.curves:
        return None
    order = [state for state in (*numbers.visited, *numbers.curves) if state in numbers.curves]
    shown = list(dict.fromkeys(order))[:MOST_STATES_WITH_CURVES]
    longest = max(len(numbers.curves[state]) for state in shown)
    top = (
        max(_nines(target or 0.9), *(max(map(_nines, numbers.curves[state])) for state in shown))
        * 1.08
        + 0.1
    )
    ticks = tuple(
        (float(power), "0" if power == 0 else f"{1 - 10.0**-power:.{power}f}")
        for power in range(math.floor(top) + 1)
    )

    def draw(width: int) -> str:
        chart = Chart(
            width=width,
            height=280,
            x=Scale(0, longest, integers=True),
            y=Scale(0, top, ticks=ticks),
            x_label="Searches registered in the state",
            y_label="Confidence (scale of 1 − confidence)",
        )
        for index, state in reversed(list(enumerate(shown))):
            points: list[Point] = [
                (0, 0.0),
                *enumerate(map(_nines, numbers.curves[state]), start=1),
            ]
            chart.steps(
                thinned(points, 400),
                css=f"line s{index + 1}" if index < _NAMED_CURVES else "line faint",
            )
        if target is not None:
            chart.line([(0, _nines(target)), (longest, _nines(target))], css="line target")
            chart.text((longest, _nines(target)), f"asked for: {target:g}", anchor="end", dy=-6)
        return chart.svg(
            f"Step plot: confidence of {words.count(len(shown), 'state')} against their searches, up to "
            f"{words.count(longest, 'search')}"
            + (f"; {target:g} is asked for." if target is not None else ".")
        )

    more = (
        f" {len(numbers.curves) - len(shown)} more states are not drawn."
        if len(numbers.curves) > len(shown)
        else ""
    )
    basins = (
        (
            (
                "With superbasins eOn asks for the confidence of the superbasin's least known state, and may leave out processes "
                "that stay inside; the lines are those of single states with all their processes."
            ),
        )
        if superbasins
        else ()
    )
    named = tuple(
        (f"s{index}", f"state {state}")
        for index, state in enumerate(shown[:_NAMED_CURVES], start=1)
    )
    return Figure(
        key="confidence",
        title="How the confidence grew",
        drawings=_drawings(draw),
        legend=(*named, *((("faint", "other states"),) if len(shown) > _NAMED_CURVES else ())),
        caption=(
            (
                f"eOn's confidence (scheme {scheme}) after each registered search, replayed from the journal, for "
                f"{words.count(len(shown), 'state')} and n = {words.count(len(searches), 'search')}.{more} Each unit of the "
                "vertical scale is a factor of ten in 1 − confidence. It falls where a search finds a new process."
            ),
            *basins,
        ),
        link=table_link(
            "confidence.csv",
            ("state", "search", "confidence"),
            (
                (state, count, value)
                for state in shown
                for count, value in enumerate(numbers.curves[state], start=1)
            ),
        ),
    )


def _nines(value: float) -> float:
    """-log10(1 - confidence): 0.9 is 1, 0.99 is 2; at most 6."""
    return -math.log10(max(1e-6, 1.0 - value))
