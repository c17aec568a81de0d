"""The events as a network: states on a line, in the order of their first visit, KMC steps as arcs between them.

Example:
    figure = network(numbers, states)          # None where there is no event

Arcs above lead to a state that was first visited later, arcs below back. Deterministic; bounded to the states visited most.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlip_kmc.model.records import StateRecord
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale, goes_to, label, padded, px
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.numbers import FLAT_EV, Edge, RunNumbersSummary, energies_of

MOST_NODES = 40
_ALL_EQUAL = f"All these states have the same energy within {1000 * FLAT_EV:g} meV."
_BASE_PX = 126
_ARC_PX = 92
_LEAST_ARC_PX = 30
_TOP_PX = 262
_HEIGHT_PX, _FLAT_HEIGHT_PX = 400, 312
_LABELLED_EDGES = 20
_LABEL_PX = (6.3, 15.0)  # of a letter, and of a line


@dataclass(frozen=True)
class _Shown:
    """What of the network is drawn: states by first visit, their places, the edges between them, energies in eV, visits."""

    nodes: Sequence[int]
    places: Mapping[int, int]
    edges: Sequence[Edge]
    energies: Mapping[int, float]
    visits: Mapping[int, int]

    @property
    def is_flat(self) -> bool:
        """All energies are the same: a picture of them says nothing."""
        return (
            len(self.energies) == len(self.nodes)
            and max(self.energies.values()) - min(self.energies.values()) < FLAT_EV
        )

    @classmethod
    def of(cls, numbers: RunNumbersSummary, states: Sequence[StateRecord]) -> "_Shown":
        visits = {state.state: state.visits for state in numbers.states}
        most = sorted(
            numbers.visited, key=lambda state: (-visits.get(state, 0), numbers.visited.index(state))
        )[:MOST_NODES]
        nodes = [state for state in numbers.visited if state in set(most)]
        places = {state: index for index, state in enumerate(nodes)}
        found = energies_of(states)
        return cls(
            nodes=nodes,
            places=places,
            edges=[
                edge for edge in numbers.edges if edge.reactant in places and edge.product in places
            ],
            energies={state: found[state] - found.get(0, 0.0) for state in nodes if state in found},
            visits=visits,
        )


def network(numbers: RunNumbersSummary, states: Sequence[StateRecord]) -> Figure | None:
    """The figure, with the states' energies below the arcs."""
    if not numbers.edges:
        return None
    shown, steps = _Shown.of(numbers, states), numbers.steps
    left_out = (
        f"Drawn are the {len(shown.nodes)} most visited of {len(numbers.visited)} states and the {len(shown.edges)} of "
        f"{len(numbers.edges)} pairs between them; the data has all."
    )
    basin = any(edge.superbasin for edge in shown.edges)
    return Figure(
        key="network",
        title="Which states led where",
        drawings=drawings(lambda width: _draw(width, shown, steps=steps)),
        legend=(("s1", "to a state first visited later"), ("s2", "back")),
        caption=(
            (
                f"n = {words.steps(steps)} between {words.count(len(numbers.visited), 'state')}. Discs: states in the "
                "order of their first visit, larger for more visits. Arcs: steps, wider for more, with their number and the "
                "lowest barrier taken where there is room."
            ),
            _ALL_EQUAL if shown.is_flat else "Below: energy of each state above state 0.",
            *(("Dashed: at least one of these steps left a superbasin.",) if basin else ()),
            *((left_out,) if len(shown.nodes) < len(numbers.visited) else ()),
        ),
        link=table_link(
            "events_by_pair.csv",
            ("reactant", "product", "kmc_steps", "lowest_barrier_eV", "superbasin"),
            (
                (
                    edge.reactant,
                    edge.product,
                    edge.count,
                    edge.lowest_barrier_eV,
                    int(edge.superbasin),
                )
                for edge in numbers.edges
            ),
        ),
    )


def _draw(width: int, shown: _Shown, *, steps: int) -> str:
    nodes, places, energies = shown.nodes, shown.places, shown.energies
    low, high = padded(list(energies.values()) or [0.0], least=0.1)
    every = max(1, math.ceil(len(nodes) * 26 / (width - 80)))
    ticks = tuple(
        (float(index), str(state)) for index, state in enumerate(nodes) if index % every == 0
    )
    chart = Chart(
        width=width,
        height=_FLAT_HEIGHT_PX if shown.is_flat else _HEIGHT_PX,
        x=Scale(-0.5, len(nodes) - 0.5, ticks=ticks),
        y=Scale(low, high, ticks=() if shown.is_flat else None),
        top=_TOP_PX,
        x_label="State",
        y_label="" if shown.is_flat else "Energy above state 0 (eV)",
    )
    across = [chart.at((index, low))[0] for index in range(len(nodes))]
    order = sorted(shown.edges, key=lambda one: -one.count)
    rises = _rises({abs(places[edge.product] - places[edge.reactant]) for edge in order})
    for edge in order:
        chart.marks += _arc(edge, across, places, rises, most=order[0].count)
    if len(order) <= _LABELLED_EDGES:
        chart.marks += _labels(order, across, places, rises)
    _draw_states(chart, shown, across)
    return chart.svg(
        f"Arc diagram of {len(nodes)} states and {len(order)} pairs of states that {words.steps(steps)} "
        f"connect, {max((edge.count for edge in order), default=0)} of them one pair."
        + ("" if shown.is_flat else " Below: the states' energies.")
    )


def _draw_states(chart: Chart, shown: _Shown, across: Sequence[float]) -> None:
    """A disc for each state, larger for more visits, and its energy below."""
    spacing = across[1] - across[0] if len(across) > 1 else float(chart.width)
    busiest = max(shown.visits.values(), default=1) or 1
    for index, state in enumerate(shown.nodes):
        visits = shown.visits.get(state, 0)
        radius = min(0.4 * spacing, 4 + 5 * math.sqrt(visits / busiest))
        chart.marks.append(
            f'<circle class="node" cx="{px(across[index])}" cy="{_BASE_PX}" r="{px(radius)}"{goes_to(state=state)}>'
            f"<title>state {state}: {visits} visits</title></circle>"
        )
        if state in shown.energies and not shown.is_flat:
            half, level = min(0.35, 12 / spacing), shown.energies[state]
            chart.line([(index - half, level), (index + half, level)], css="level")


def _rises(spans: set[int]) -> dict[int, float]:
    """How high an arc over so many places goes: longer ones higher, evenly spaced."""
    longer = sorted(span for span in spans if span)
    gap = (_ARC_PX - _LEAST_ARC_PX) / max(len(longer) - 1, 2)
    return {span: _LEAST_ARC_PX + gap * index for index, span in enumerate(longer)}


def _arc(
    edge: Edge,
    across: Sequence[float],
    places: Mapping[int, int],
    rises: Mapping[int, float],
    *,
    most: int,
) -> list[str]:
    start, end = places[edge.reactant], places[edge.product]
    weight = 1.2 + 3.0 * math.log1p(edge.count) / math.log1p(most)
    css = f"arc {'s1' if end >= start else 's2'}{' dashed' if edge.superbasin else ''}"
    note = (
        f"<title>state {edge.reactant} to {edge.product}: {words.steps(edge.count)}, lowest barrier "
        f"{edge.lowest_barrier_eV:.3f} eV</title>"
    )
    x0, x1 = across[start], across[end]
    if start == end:
        return [
            f'<circle class="{css}" cx="{px(x0)}" cy="{_BASE_PX - 16}" r="10" stroke-width="{px(weight)}">{note}</circle>'
        ]
    # a cubic with both handles at the same height peaks at three quarters of it
    bend = px(_BASE_PX + (-1 if end > start else 1) * rises[abs(end - start)] * 4 / 3)
    path = f"M{px(x0)},{_BASE_PX}C{px(x0)},{bend} {px(x1)},{bend} {px(x1)},{_BASE_PX}"
    return [f'<path class="{css}" stroke-width="{px(weight)}" d="{path}">{note}</path>']


def _labels(
    edges: Sequence[Edge],
    across: Sequence[float],
    places: Mapping[int, int],
    rises: Mapping[int, float],
) -> list[str]:
    """Counts and barriers at the arcs' peaks; one that would cover another is left out."""
    letter, line = _LABEL_PX
    taken: list[tuple[float, float, float]] = []
    parts = []
    for edge in edges:
        start, end = places[edge.reactant], places[edge.product]
        if start == end:
            continue
        said = f"{edge.count}× {words.fixed(edge.lowest_barrier_eV, 2)} eV"
        x, half = (across[start] + across[end]) / 2, len(said) * letter / 2
        y = (
            _BASE_PX - rises[abs(end - start)] - 6
            if end > start
            else _BASE_PX + rises[abs(end - start)] + 15
        )
        if any(
            abs(x - other_x) < half + other_half and abs(y - other_y) < line
            for other_x, other_y, other_half in taken
        ):
            continue
        taken.append((x, y, half))
        parts.append(label(x, y, said, css="halo", anchor="middle"))
    return parts
