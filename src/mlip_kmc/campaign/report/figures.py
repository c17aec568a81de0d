"""The campaign's figures: what labels bought, where searches halted, how barriers moved; as the run's page draws them.

for figure in figures_of(report):
    figure.title, figure.drawings, figure.link.href
"""

import math
from collections.abc import Sequence

from mlip_kmc.campaign.report.account import CampaignReport
from mlip_kmc.ground.wording import counted, plain
from mlip_kmc.model.frames import Stage
from mlip_kmc.report.charts import Chart, Point, Scale
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.figures import Figure, moves
from mlip_kmc.report.figures.figure import drawings

_HEIGHT_PX = 260
_LABELS = "Labels spent"
_FEWEST_TICKS = 3


def figures_of(report: CampaignReport) -> dict[str, Figure]:
    """By key, in the order of the page, which numbers them."""
    explored = report.explored
    drawn = (
        errors(report),
        gammas(report),
        None
        if explored is None
        else moves(
            explored.refreshes, explored.names, axis="Generation", oracle=report.oracle_barriers_eV
        ),
        halts(report),
    )
    return {figure.key: figure for figure in drawn if figure is not None}


def errors(report: CampaignReport) -> Figure | None:
    """Errors on the fixed test set by labels spent."""
    spent = report.spent
    energies = [
        (float(labels), 1e3 * one.energy_rmse_eV_per_atom)
        for labels, one in zip(spent, report.generations, strict=True)
        if one.energy_rmse_eV_per_atom
    ]
    forces = [
        (float(labels), 1e3 * one.force_rmse_eV_per_A)
        for labels, one in zip(spent, report.generations, strict=True)
        if one.force_rmse_eV_per_A
    ]
    if not energies and not forces:
        return None
    series = (("s1", "meV/atom", energies), ("s2", "meV/Å", forces))
    return Figure(
        key="errors",
        title="What the labels bought: errors on the test set",
        drawings=drawings(
            lambda width: _draw_log(
                width, series, y_label="Root mean square error", lines=(), spent=spent[-1]
            )
        ),
        legend=(("s1", "energies, meV/atom"), ("s2", "force components, meV/Å")),
        caption=(
            (
                f"The same fixed test set for {counted(len(report.generations), 'generation')}; nothing is fitted to it. "
                "Each dot is a generation, at the labels that had been asked for when it was fitted; the scale is logarithmic."
            ),
        ),
        link=_curve_link(report),
    )


def gammas(report: CampaignReport) -> Figure | None:
    """The largest gamma of what each generation halted on, under it and under the one after it."""
    spent = dict(zip((one.generation for one in report.generations), report.spent, strict=True))
    before = [
        (float(spent[one.generation]), one.largest_gamma)
        for one in report.generations
        if one.largest_gamma
    ]
    after = [
        (float(spent[one.generation + 1]), one.gamma)
        for one in report.refits
        if one.accepted and one.gamma and one.generation + 1 in spent
    ]
    if not before and not after:
        return None
    lines = [
        (name, value)
        for name, value in (("select", report.select), ("halt", report.halt))
        if value is not None
    ]
    series = (("s2", "under this generation", before), ("s1", "of what was repaired", after))
    return Figure(
        key="gammas",
        title="What the labels bought: the largest γ",
        drawings=drawings(
            lambda width: _draw_log(
                width, series, y_label="Largest γ of an atom", lines=lines, spent=report.spent[-1]
            )
        ),
        legend=(
            ("s2", "of what a generation was halted on"),
            ("s1", "of what the one before was halted on"),
        ),
        caption=(
            (
                "The extrapolation grade γ of structures that were selected for labels, under the generation whose searches met "
                "them, and of the same structures under the generation that was fitted to their labels. Dotted: the thresholds "
                "of the run."
            ),
        ),
        link=_curve_link(report),
    )


def _curve_link(report: CampaignReport) -> Link:
    return table_link(
        "learning_curve.csv",
        (
            "generation",
            "labels_spent",
            "energy_rmse_eV_per_atom",
            "force_rmse_eV_per_A",
            "largest_gamma",
            "kmc_steps",
        ),
        (
            (
                one.generation,
                labels,
                one.energy_rmse_eV_per_atom,
                one.force_rmse_eV_per_A,
                one.largest_gamma,
                one.kmc_steps,
            )
            for labels, one in zip(report.spent, report.generations, strict=True)
        ),
    )


def _draw_log(
    width: int,
    series: Sequence[tuple[str, str, Sequence[Point]]],
    *,
    y_label: str,
    lines: Sequence[tuple[str, float]],
    spent: int,
) -> str:
    """Dots and lines on a logarithmic scale: (class, unit or words, points); lines across by name."""
    points = [point for _, _, some in series for point in some]
    values = [value for _, value in points] + [value for _, value in lines]
    chart = Chart(
        width=width,
        height=_HEIGHT_PX,
        x=_labels_scale(spent),
        y=_log_scale(min(values), max(values)),
        x_label=_LABELS,
        y_label=y_label,
    )
    for name, value in lines:
        at = math.log10(value)
        chart.line([(chart.x.low, at), (chart.x.high, at)], css="line target")
        chart.text((chart.x.high, at), f"{name}: {plain(value)}", anchor="end", dy=-5)
    for css, unit, some in series:
        drawn = [(x, math.log10(value)) for x, value in some]
        chart.line(drawn, css=f"line {css}")
        for (x, y), (_, value) in zip(drawn, some, strict=True):
            note = f"{counted(int(x), 'label')}: {plain(value)} {unit}"
            chart.dot((x, y), css=f"dot {css}", radius=4, note=note)
    told = "; ".join(
        f"{unit}, from {plain(some[0][1])} to {plain(some[-1][1])}"
        for _, unit, some in series
        if some
    )
    return chart.svg(f"Lines on a logarithmic scale by labels spent: {told}.")


def _labels_scale(spent: int) -> Scale:
    longest = max(spent, 1)
    return Scale(-0.03 * longest, 1.03 * longest, integers=True)


def _log_scale(low: float, high: float) -> Scale:
    """Of log10; ticks at powers of ten, and between them where those are few."""
    first, last = math.log10(low), math.log10(high)
    margin = max(0.05 * (last - first), 0.1)
    first, last = first - margin, last + margin
    ticks: tuple[tuple[float, str], ...] = ()
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = tuple(
            (at, plain(factor * 10.0**power))
            for power in range(math.floor(first), math.ceil(last) + 1)
            for factor in factors
            if first <= (at := math.log10(factor) + power) <= last
        )
        if len(ticks) >= _FEWEST_TICKS:
            break
    return Scale(first, last, ticks=ticks)


def halts(report: CampaignReport) -> Figure | None:
    """Kept halts by generation, as bars, by what the search was doing."""
    rows = [one for one in report.halts if one.stages]
    if not rows:
        return None
    totals = {stage: sum(one.stages.get(stage, 0) for one in rows) for stage in Stage}
    return Figure(
        key="halts",
        title="Where searches halted",
        drawings=drawings(lambda width: _draw_halts(width, report)),
        legend=tuple(
            (f"o{css}", f"{stage}: {totals[stage]}")
            for css, stage in enumerate(Stage, start=1)
            if totals[stage]
        ),
        caption=(
            (
                f"n = {counted(sum(totals.values()), 'halt')} by the generation whose potential did not know the structure, and "
                "by what the search was doing then."
            ),
        ),
        link=table_link(
            "halts.csv",
            ("generation", *Stage, "candidates", "evidence"),
            (
                (
                    "" if one.generation is None else one.generation,
                    *(one.stages.get(stage, 0) for stage in Stage),
                    one.candidates,
                    one.evidence,
                )
                for one in report.halts
            ),
        ),
    )


def _draw_halts(width: int, report: CampaignReport) -> str:
    rows = [one for one in report.halts if one.stages]
    count = len(rows)
    names = ["other" if one.generation is None else str(one.generation) for one in rows]
    chart = Chart(
        width=width,
        height=76 + 24 * count,
        x=Scale(0, max(sum(one.stages.values()) for one in rows), integers=True),
        y=Scale(0, count, ticks=tuple((count - i - 0.5, name) for i, name in enumerate(names))),
        x_label="Halts",
        y_label="Generation",
    )
    for index, (name, one) in enumerate(zip(names, rows, strict=True)):
        start, bottom = 0, count - index - 0.82
        for css, stage in enumerate(Stage, start=1):
            many = one.stages.get(stage, 0)
            if many:
                chart.bar(
                    (start, bottom),
                    (start + many, bottom + 0.64),
                    css=f"fill o{css}",
                    note=f"generation {name}: {many} × {stage}",
                )
            start += many
    return chart.svg("Stacked bars: halts by generation and by what the search was doing.")
