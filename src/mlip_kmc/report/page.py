"""The page: one HTML file that asks for nothing else.

Example:
    html = render(report)

The same report gives the same bytes: there is no date and no random number in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlip_kmc.model.records import unsound
from mlip_kmc.report import words
from mlip_kmc.report.changes import changes_of
from mlip_kmc.report.compare import lines_of
from mlip_kmc.report.data import Link, table_link
from mlip_kmc.report.diffusion import TRUSTED_STEPS, SpeciesDiffusion, Trajectory
from mlip_kmc.report.environment import environment, page_style
from mlip_kmc.report.figures import (
    Figure,
    barriers,
    confidence,
    displacement,
    displacement_key,
    energy,
    is_flat,
    landscape,
    moves,
    network,
    outcomes,
    path,
    rates,
)
from mlip_kmc.report.figures.arrhenius import arrhenius
from mlip_kmc.report.figures.searches import OUTCOME_WORDS
from mlip_kmc.report.film import Film, film_of
from mlip_kmc.report.following import Age
from mlip_kmc.report.heading import facts, headline
from mlip_kmc.report.numbers import StateNumbers
from mlip_kmc.report.result import result_of
from mlip_kmc.report.scenes import scenes_of
from mlip_kmc.report.states import MOST_ROWS, Block, blocks_of
from mlip_kmc.report.summary import Report
from mlip_kmc.report.viewer import Viewer, policy

MOST_COSTS = 40
OPEN_STATES = 1


@dataclass(frozen=True)
class Diffusivity:
    """A row of the table of diffusion coefficients, in words."""

    species: str
    atoms: int
    hops: str
    hops_summed: str
    tracer: str
    tracer_summed: str
    axes: tuple[str, ...]
    ratio: str


@dataclass(frozen=True)
class DiffusionAt:
    """What the page says of diffusion at one temperature with one potential: both in words, rows, and the key of its figure."""

    conditions: str
    walk: Trajectory
    rows: tuple[Diffusivity, ...]
    blocks: int
    figure: str


@dataclass(frozen=True)
class GateRow:
    """A check of a release's gate, in words: what was compared, the number, its limit and unit, the outcome, and a remark."""

    name: str
    about: str
    number: str
    limit: str
    unit: str
    verdict: str
    remark: str


def render(
    report: Report,
    *,
    gate: tuple[GateRow, ...] = (),
    release: str = "",
    library: str = "",
    age: Age | None = None,
) -> str:
    """The page's text.

    Args:
        report: of the run.
        gate: the checks of a release that the page is part of.
        release: its name.
        library: of the three-dimensional viewer (see `viewer`); without it the page has pictures alone, and no script.
        age: of a page that is written anew as the run commits; it says so.
    """
    film = film_of(report.view.states, report.view.events)
    blocks = tuple(blocks_of(report))
    numbers, figures = report.numbers, _figures(report, film, blocks)
    viewer, style = _viewer(blocks, film, library), page_style()
    searched = [state for state in numbers.states if state.was_searched]
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            numbers=numbers,
            settings=report.view.settings,
            facts=tuple(facts(report)),
            figures=figures,
            numbering={key: index for index, key in enumerate(figures, start=1)},
            blocks=blocks,
            viewer=viewer,
            style=style,
            policy=policy(style, viewer),
            result=result_of(report, blocks),
            headline=headline(report),
            diffusion=tuple(_diffusion(report)),
            trusted=TRUSTED_STEPS,
            open_states=OPEN_STATES,
            costs=searched[:MOST_COSTS],
            searched=searched,
            shown_states=sum(1 + len(block.alike) for block in blocks),
            outcome_words=OUTCOME_WORDS,
            total_searches=sum(numbers.outcomes.values()),
            cost_link=_costs_link(searched),
            most_rows=MOST_ROWS,
            gate=gate,
            release=release,
            age=age,
            unsound=unsound(report.view.events),
            changes=changes_of(report) if report.refreshes.changed else None,
        )
    )


def _diffusion(report: Report) -> Iterator[DiffusionAt]:
    for walk, found in zip(report.walks, report.diffusion, strict=True):
        yield DiffusionAt(
            conditions=walk.name,
            walk=walk,
            rows=tuple(map(_diffusivity, found)),
            blocks=found[0].blocks,
            figure=displacement_key(walk, of=len(report.walks)),
        )


def _viewer(blocks: tuple[Block, ...], film: Film | None, text: str) -> Viewer | None:
    """None without a library, and where there is nothing to show."""
    if not text or (film is None and not any(block.pictures for block in blocks)):
        return None
    return Viewer.of(text, scenes=scenes_of(blocks, film=film))


def _figures(report: Report, film: Film | None, blocks: tuple[Block, ...]) -> dict[str, Figure]:
    """The figures by key, in the order of the page, which numbers them."""
    numbers, view, walks = report.numbers, report.view, report.walks
    drawn = (
        (path(film) if is_flat(view.events, view.states) else None)
        or energy(view.events, view.states),
        network(numbers, view.states),
        landscape(numbers, view.states),
        *(
            displacement(found, walk, key=displacement_key(walk, of=len(walks)))
            for walk, found in zip(walks, report.diffusion, strict=True)
            if walk.steps > 1
        ),
        arrhenius(lines_of(report)),
        barriers(numbers),
        _rates(report, blocks),
        moves(report.refreshes, [str(one.epoch) for one in report.refreshes.epochs]),
        outcomes(numbers),
        confidence(
            numbers,
            view.searches_now,
            target=view.settings.confidence,
            scheme=view.settings.confidence_scheme,
            superbasins=view.settings.superbasins,
            epoch=view.since,
        ),
    )
    return {figure.key: figure for figure in drawn if figure is not None}


def _rates(report: Report, blocks: tuple[Block, ...]) -> Figure | None:
    """Of the state that the run was in for the longest time."""
    settings = report.view.settings
    block = max(blocks, key=lambda one: one.state.residence_s, default=None)
    if block is None:
        return None
    return rates(
        block.kinds,
        state=block.state.state,
        temperature_K=settings.temperature_K,
        window_kT=settings.thermal_window_kT,
    )


def _diffusivity(one: SpeciesDiffusion) -> Diffusivity:
    value, error = one.tracer_m2_per_s, one.tracer_error_m2_per_s
    few = "too few steps"

    def summed(number: float, spread: float) -> str:
        return words.with_error(number * one.atoms, spread * one.atoms)

    return Diffusivity(
        species=one.species,
        atoms=one.atoms,
        hops=words.with_error(one.hop_m2_per_s, one.hop_error_m2_per_s),
        hops_summed=summed(one.hop_m2_per_s, one.hop_error_m2_per_s),
        tracer=few if value is None or error is None else words.with_error(value, error),
        tracer_summed=few if value is None or error is None else summed(value, error),
        axes=tuple(map(words.scientific, one.axes_m2_per_s or (None, None, None))),
        ratio=f"{value / one.hop_m2_per_s:.2f}"
        if value is not None and one.hop_m2_per_s > 0
        else words.MISSING,
    )


def _costs_link(searched: list[StateNumbers]) -> Link:
    return table_link(
        "cost.csv",
        ("state", "searches", "force_calls_without_dimer_rotations", "seconds"),
        (
            (state.state, state.searches, state.force_calls, round(state.seconds, 3))
            for state in searched
        ),
    )
