"""The searches: what each state's came to, and how the confidence grew with them."""

import math
from collections.abc import Mapping, Sequence

from mlip_kmc.model.records import OUTCOMES, Registered, SearchRecord
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Point, Scale, thinned
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.numbers import RunNumbersSummary, StateNumbers

MOST_STATES_WITH_CURVES = 40
MOST_BARS = 20
_NAMED_CURVES = 3
OUTCOME_WORDS = {
    "new": "new process",
    "repeat": "known process",
    "high": "barrier too high",
    "bad": "bad",
    "halted": "halted",
    "known": "state recognised",
}
_BASINS = (
    "With superbasins eOn asks for the confidence of the superbasin's least known state, and may leave out processes "
    "that stay inside; the lines are those of single states with all their processes."
)

_EPOCH = (
    "Searches of the present epoch ({epoch}) alone: another potential starts every confidence from zero, and the searches that "
    "refresh a process count as no repeats."
)


def outcomes(numbers: RunNumbersSummary) -> Figure | None:
    """What each state's searches came to, as bars."""
    searched = [state for state in numbers.states if state.was_searched]
    if not searched:
        return None
    left_out = f"The first {MOST_BARS} of {len(searched)} searched states."
    recognised = (
        f"{words.count(numbers.outcomes[Registered.KNOWN], 'state')} recognised as like another, by one evaluation each: "
        "those without a search have no bar."
    )
    total = sum(numbers.outcomes.values())
    return Figure(
        key="outcomes",
        title="What the searches came to",
        drawings=drawings(
            lambda width: _draw_outcomes(width, searched[:MOST_BARS], numbers.outcomes)
        ),
        legend=tuple(
            (f"o{css}", f"{OUTCOME_WORDS[name]}: {numbers.outcomes[name]}")
            for css, name in enumerate(OUTCOMES, start=1)
            if _is_shown(name, numbers.outcomes)
        ),
        caption=(
            (
                f"n = {total} registered searches. New: a process that its state did not have; known: one that it had; too "
                "high: a barrier far beyond the thermal window, not kept; bad: no saddle that connects the state to another, "
                "for the reasons below; halted: left what the potential was trained on, and ended there."
            ),
            *((recognised,) if numbers.outcomes[Registered.KNOWN] else ()),
            *((left_out,) if len(searched) > MOST_BARS else ()),
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


def _is_shown(outcome: str, totals: Mapping[str, int]) -> bool:
    """States are recognised only where that is asked for."""
    return outcome != Registered.KNOWN or totals[outcome] > 0


def _draw_outcomes(width: int, shown: Sequence[StateNumbers], totals: Mapping[str, int]) -> str:
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
        + ", ".join(
            f"{totals[name]} {OUTCOME_WORDS[name]}" for name in OUTCOMES if _is_shown(name, totals)
        )
        + "."
    )


def confidence(
    numbers: RunNumbersSummary,
    searches: Sequence[SearchRecord],
    *,
    target: float | None,
    scheme: str,
    superbasins: bool,
    epoch: int = 0,
) -> Figure | None:
    """Confidence against searches, a line for each state, on a scale of nines."""
    if not numbers.curves:
        return None
    order = [state for state in (*numbers.visited, *numbers.curves) if state in numbers.curves]
    shown = list(dict.fromkeys(order))[:MOST_STATES_WITH_CURVES]
    curves = {state: numbers.curves[state] for state in shown}
    hidden = len(numbers.curves) - len(shown)
    more = f" {hidden} more states are not drawn." if hidden else ""
    named = tuple(
        (f"s{index}", f"state {state}")
        for index, state in enumerate(shown[:_NAMED_CURVES], start=1)
    )
    return Figure(
        key="confidence",
        title="How the confidence grew",
        drawings=drawings(lambda width: _draw_confidence(width, curves, target=target)),
        legend=(*named, *((("faint", "other states"),) if len(shown) > _NAMED_CURVES else ())),
        caption=(
            (
                f"eOn's confidence (scheme {scheme}) after each registered search, replayed from the journal, for "
                f"{words.count(len(shown), 'state')} and n = {words.count(len(searches), 'search')}.{more} Each unit of the "
                "vertical scale is a factor of ten in 1 − confidence. It falls where a search finds a new process."
            ),
            *((_BASINS,) if superbasins else ()),
            *((_EPOCH.format(epoch=epoch),) if epoch else ()),
        ),
        link=table_link(
            "confidence.csv",
            ("state", "search", "confidence"),
            (
                (state, count, value)
                for state, curve in curves.items()
                for count, value in enumerate(curve, start=1)
            ),
        ),
    )


def _draw_confidence(
    width: int, curves: Mapping[int, Sequence[float]], *, target: float | None
) -> str:
    longest = max(map(len, curves.values()))
    chart = Chart(
        width=width,
        height=280,
        x=Scale(0, longest, integers=True),
        y=_scale_of_nines(curves, target),
        x_label="Searches registered in the state",
        y_label="Confidence (scale of 1 − confidence)",
    )
    for index, curve in reversed(list(enumerate(curves.values()))):
        points: list[Point] = [(0, 0.0), *enumerate(map(_nines, curve), start=1)]
        chart.steps(
            thinned(points, 400),
            css=f"line s{index + 1}" if index < _NAMED_CURVES else "line faint",
        )
    if target is not None:
        chart.line([(0, _nines(target)), (longest, _nines(target))], css="line target")
        chart.text((longest, _nines(target)), f"asked for: {target:g}", anchor="end", dy=-6)
    return chart.svg(
        f"Step plot: confidence of {words.count(len(curves), 'state')} against their searches, up to "
        f"{words.count(longest, 'search')}"
        + (f"; {target:g} is asked for." if target is not None else ".")
    )


def _scale_of_nines(curves: Mapping[int, Sequence[float]], target: float | None) -> Scale:
    """Up to the highest curve or the target, with a tick for each power of ten of 1 - confidence."""
    highest = max(_nines(target or 0.9), *(max(map(_nines, curve)) for curve in curves.values()))
    top = highest * 1.08 + 0.1
    ticks = tuple(
        (float(power), "0" if power == 0 else f"{1 - 10.0**-power:.{power}f}")
        for power in range(math.floor(top) + 1)
    )
    return Scale(0, top, ticks=ticks)


def _nines(value: float) -> float:
    """-log10(1 - confidence): 0.9 is 1, 0.99 is 2; at most 6."""
    return -math.log10(max(1e-6, 1.0 - value))
