"""The tree of a disconnectivity graph: which states are joined below which energy. Pure.

Example:
    roots = tree({0: 0.0, 1: 0.1, 2: 0.3}, [(0, 1, 0.8), (1, 2, 1.1)])
    roots[0].level, [child.level for child in roots[0].children]         # 1.1, [0.8, 0.3]

Two states are joined at the lowest energy that a path between them must reach: the highest saddle of the best path
(Becker and Karplus, J. Chem. Phys. 106, 1495 (1997)), which is where the spanning tree of lowest saddles joins them (Kruskal).
What is joined at nearly the same energy is one node.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

SAME_EV = 1e-3


@dataclass(frozen=True)
class Node:
    """A state, or several that are joined.

    Attributes:
        level: energy of the state, or of the lowest saddle that joins the children, in eV.
        state: its number; None of a joined one. children: of a joined one, by their lowest states.
        equal: numbers of further states that are drawn as this one (see `bundled`).
    """

    level: float
    state: int | None
    children: tuple["Node", ...] = ()
    equal: tuple[int, ...] = ()

    @property
    def leaves(self) -> Iterator["Node"]:
        """The states below, in the order of the children."""
        if self.state is not None:
            yield self
        for child in self.children:
            yield from child.leaves


def tree(
    energies: Mapping[int, float], saddles: Iterable[tuple[int, int, float]]
) -> tuple[Node, ...]:
    """One root for all states that saddles connect, several where they do not.

    Args:
        energies: of the states in eV, by number.
        saddles: two states, and the energy of a saddle between them in eV; others than those of `energies` are left out.
    """
    root = {state: state for state in energies}
    nodes = {state: Node(level, state) for state, level in energies.items()}
    known = [
        (level, one, other)
        for one, other, level in saddles
        if one in root and other in root and math.isfinite(level)
    ]
    for level, one, other in sorted(known):
        first, second = sorted((_root(root, one), _root(root, other)))
        if first != second:
            root[second] = first
            nodes[first] = _joined(nodes[first], nodes.pop(second), level)
    return tuple(sorted(nodes.values(), key=_order))


def bundled(node: Node) -> Node:
    """The node with those states as one that have the same energy and are joined at the same one."""
    parts = [bundled(child) for child in node.children]
    kept: list[Node] = []
    for part in parts:
        places = (place for place, one in enumerate(kept) if _equal(one, part))
        place = next(places, None)
        if place is None or part.state is None:
            kept.append(part)
        else:
            one = kept[place]
            kept[place] = replace(one, equal=(*one.equal, part.state, *part.equal))
    return replace(node, children=tuple(kept))


def _equal(one: Node, other: Node) -> bool:
    return (
        one.state is not None
        and other.state is not None
        and abs(other.level - one.level) <= SAME_EV
    )


def _root(root: dict[int, int], state: int) -> int:
    while root[state] != state:
        root[state] = root[root[state]]
        state = root[state]
    return state


def _joined(one: Node, other: Node, level: float) -> Node:
    """A saddle is never below what it joins, whatever the convergence of minima left."""
    level = max(level, one.level, other.level)
    children = [part for node in (one, other) for part in _parts(node, level)]
    return Node(level, None, tuple(sorted(children, key=_order)))


def _parts(node: Node, level: float) -> tuple[Node, ...]:
    return node.children if node.children and level - node.level <= SAME_EV else (node,)


def _order(node: Node) -> tuple[float, int]:
    leaf = min((one.level, one.state if one.state is not None else -1) for one in node.leaves)
    return round(leaf[0] / SAME_EV) * SAME_EV, leaf[1]
