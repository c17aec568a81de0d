"""The energy landscape that the run has seen: its states, and at which energy saddles join them."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from mlip_kmc.ground.wording import plural
from mlip_kmc.model.records import StateRecord
from mlip_kmc.report import words
from mlip_kmc.report.charts import Chart, Scale, goes_to, padded
from mlip_kmc.report.data import table_link
from mlip_kmc.report.figures.figure import Figure, drawings
from mlip_kmc.report.landscape import Node, bundled, tree
from mlip_kmc.report.numbers import RunNumbersSummary, energies_of

MOST_STATES, _MOST_LINKED = 40, 400
_LEAST_LEAVES = 2
"""One alone would say nothing: all states are equal, and are joined at one energy."""


def landscape(numbers: RunNumbersSummary, states: Sequence[StateRecord]) -> Figure | None:
    """A disconnectivity graph; None where no saddle joins states of different energies, or at different ones.

    States that have the same energy and are joined at the same one are drawn as one.
    """
    saddles = tuple(_saddles(states))
    visits = {state.state: state.visits for state in numbers.states}
    found = {state: level for state, level in energies_of(states).items() if isfinite(level)}
    linked = {state for one, other, _ in saddles for state in (one, other) if state in found}
    order = sorted(linked, key=lambda state: (-visits.get(state, 0), state))
    reference = found.get(0, 0.0)
    for most in (_MOST_LINKED, MOST_STATES):  # fewer where too many of them differ
        energies = {state: found[state] - reference for state in order[:most]}
        joined = tree(energies, ((one, other, level - reference) for one, other, level in saddles))
        roots = [node for node in map(bundled, joined) if node.children]
        drawn = [leaf for node in roots for leaf in node.leaves]
        if len(drawn) <= MOST_STATES:
            break
    if len(drawn) < _LEAST_LEAVES:
        return None
    left_out = (
        f"Drawn are the {len(energies)} states visited most of {len(linked)}; the data has all."
    )
    equal = "Larger dots: several states of the same energy that are joined at the same one (5 +2: state 5 and two more)."
    return Figure(
        key="landscape",
        title="Energy landscape seen so far",
        drawings=drawings(lambda width: _draw(width, roots)),
        legend=(("s1", "state"), ("faint", "lowest saddle between states")),
        caption=(
            (
                "Disconnectivity graph (Becker and Karplus, J. Chem. Phys. 106, 1495 (1997)): a line ends below at the energy of "
                "a state; lines join at the lowest known saddle that a path between their states must cross. Saddles that were "
                "not found would join them lower."
            ),
            *((equal,) if any(leaf.equal for leaf in drawn) else ()),
            *((left_out,) if len(energies) < len(linked) else ()),
        ),
        link=table_link(
            "saddles.csv",
            ("state", "product", "saddle_energy_above_state_0_eV"),
            ((one, other, level - reference) for one, other, level in saddles),
        ),
    )


def _saddles(states: Sequence[StateRecord]) -> Iterator[tuple[int, int, float]]:
    for state in states:
        for process in state.processes:
            if process.product is not None and process.product != state.number:
                yield state.number, process.product, process.saddle_energy


def _draw(width: int, roots: Sequence[Node]) -> str:
    leaves = [leaf for node in roots for leaf in node.leaves]
    places = {leaf.state: float(index) for index, leaf in enumerate(leaves)}
    top = max(node.level for node in roots)
    low, high = padded([*(leaf.level for leaf in leaves), top], least=0.1)
    every = max(1, -(-len(leaves) * _name_px(leaves) // (width - 80)))
    chart = Chart(
        width=width,
        height=300,
        x=Scale(
            -0.6,
            len(leaves) - 0.4,
            ticks=tuple(
                (float(index), _name(leaf))
                for index, leaf in enumerate(leaves)
                if index % every == 0
            ),
        ),
        y=Scale(low, high),
        x_label="State",
        y_label="Energy above state 0 (eV)",
    )
    for node in roots:
        _draw_node(chart, node, places)
    count = sum(1 + len(leaf.equal) for leaf in leaves)
    return chart.svg(
        f"Disconnectivity graph of {words.count(count, 'state')}, joined at energies up to {top:.3f} eV above state 0."
    )


def _name(leaf: Node) -> str:
    return f"{leaf.state} +{len(leaf.equal)}" if leaf.equal else str(leaf.state)


def _name_px(leaves: Sequence[Node]) -> int:
    return 8 * max(len(_name(leaf)) for leaf in leaves) + 8


def _draw_node(chart: Chart, node: Node, places: Mapping[int | None, float]) -> float:
    """The node with all below it; answers where across it stands."""
    if not node.children:
        at = places[node.state]
        numbers = ", ".join(map(str, (node.state, *node.equal)))
        note = (
            f"{plural(1 + len(node.equal), 'state')} {numbers}: {node.level:.4f} eV above state 0"
        )
        radius = 5 if node.equal else 3.5
        goes = goes_to(state=node.state)
        chart.dot((at, node.level), css="dot s1", radius=radius, note=note, goes=goes)
        return at
    spots = [(_draw_node(chart, child, places), child.level) for child in node.children]
    across = [at for at, _ in spots]
    for at, level in spots:
        chart.line([(at, level), (at, node.level)], css="line thin s1")
    chart.line([(min(across), node.level), (max(across), node.level)], css="line faint")
    return (min(across) + max(across)) / 2
