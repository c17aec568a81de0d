"""A superbasin as an absorbing Markov chain, and its exact expectations, without a subtraction.

Example:
    chain = Chain(inside=[[0, 1e12], [1e12, 0]], out=[1e-3, 1e-3])
    found = absorption(chain, entry=0)
    found.mean_time_s, found.exits                             # 1000.0, [0.5, 0.5]

States are eliminated one by one. The pivot is the sum of the probabilities to go elsewhere, never one less that to stay
(Grassmann, Taksar and Heyman, Oper. Res. 33, 1107 (1985)), so nothing cancels, whatever the rates: every result is a sum of
products of positive numbers. Extended precision adds range, for ladders whose products underflow in double.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Long = npt.NDArray[np.longdouble]

SUM_TOLERANCE = 1e-12
"""By so much the probabilities of all ways out may sum to something else than 1."""


class NoWayOutError(ValueError):
    """From some state of a superbasin no known process leads out, however many hops one takes.

    Attributes:
        states: indices of those states.
    """

    def __init__(self, states: tuple[int, ...]) -> None:
        super().__init__(f"no way out of states {', '.join(map(str, states))}")
        self.states = states


@dataclass(frozen=True)
class Chain:
    """Rates of a superbasin.

    Attributes:
        inside: (n, n) rates between its states, 1/s; on the diagonal those of processes that lead back to their own state.
        out: (n,) rates out of it.
    """

    inside: Array
    out: Array

    def __post_init__(self) -> None:
        inside, out = (
            np.asarray(self.inside, dtype=np.float64),
            np.asarray(self.out, dtype=np.float64),
        )
        if inside.shape != (len(out), len(out)) or not (
            np.isfinite(inside).all() and np.isfinite(out).all()
        ):
            raise ValueError("a superbasin needs finite rates, one row a state")
        if not ((inside >= 0).all() and (out >= 0).all()):
            raise ValueError("a superbasin needs rates that are not negative")
        object.__setattr__(self, "inside", inside)
        object.__setattr__(self, "out", out)

    @property
    def total(self) -> Long:
        """(n,) rates of all that can happen in a state."""
        return np.asarray(
            self.inside.astype(np.longdouble).sum(axis=1) + self.out, dtype=np.longdouble
        )


@dataclass(frozen=True)
class Absorption:
    """What is expected of a superbasin entered at one state.

    Attributes:
        mean_time_s: until it is left.
        exits: (n,) probability that it is left from each state; they sum to 1.
        visits: (n,) expected visits of each state.
        hops: expected processes until it is left, the last one included.
    """

    mean_time_s: float
    exits: Array
    visits: Array
    hops: float


@dataclass(frozen=True)
class EliminationStep:
    """The elimination of one state.

    Attributes:
        state: the one eliminated.
        rows: (r,) states not yet eliminated from which it can be reached in one hop; the source of walks counts as state n.
        columns: (c,) states not yet eliminated that it reaches.
        arrive: (r,) probabilities to hop to it. stay: that to hop from it to itself.
        leave: (c,) probabilities that it is left for each column. out: that it is left for good. They sum to 1.
        leaving: of a hop from it, that it does not lead back to itself.
        direct: (r, c) what the other hops from rows to columns had before. direct_out: (r,) the same for leaving for good.
    """

    state: int
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    arrive: Long
    stay: np.longdouble
    leave: Long
    out: np.longdouble
    leaving: np.longdouble
    direct: Long
    direct_out: Long


@dataclass(frozen=True)
class Elimination:
    """All states but one, `kept`, eliminated; a walk starts at the source.

    Attributes:
        size: number of states, those out of reach included; the source has this number.
        steps: in the order of elimination.
        kept: the state that is left.
        first: probability that a walk comes to `kept` before it leaves for good. never: that it does not.
        stay: of a hop of the reduced chain from `kept`, that it leads back there. leaving: that it leaves for good.
    """

    size: int
    steps: tuple[EliminationStep, ...]
    kept: int
    first: np.longdouble
    never: np.longdouble
    stay: np.longdouble
    leaving: np.longdouble


def reached(chain: Chain, *, entry: int) -> npt.NDArray[np.int64]:
    """States that a walk can come to.

    Raises:
        NoWayOutError: from some of them it would never leave.
    """
    seen = _closure(chain.inside > 0, np.arange(len(chain.out)) == entry)
    leaves = _closure(chain.inside.T > 0, chain.out > 0)
    if not leaves[seen].all():
        raise NoWayOutError(tuple(int(state) for state in np.flatnonzero(seen & ~leaves)))
    return np.flatnonzero(seen)


def _closure(links: npt.NDArray[np.bool_], start: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    seen = start.copy()
    while (more := (links[seen].any(axis=0) & ~seen)).any():
        seen |= more
    return seen


def eliminate(chain: Chain, *, entry: int, kept: int) -> Elimination:
    """Eliminate every state that can be reached but `kept`.

    Args:
        chain: of n states.
        entry: where a walk starts.
        kept: one that can be reached.

    Raises:
        NoWayOutError: a walk would never leave.
    """
    size = len(chain.out)
    alive = [int(state) for state in reached(chain, entry=entry)]
    total = chain.total
    hop = np.zeros((size + 1, size), dtype=np.longdouble)
    out = np.zeros(size + 1, dtype=np.longdouble)
    hop[alive], out[alive] = (
        chain.inside[alive] / total[alive, None],
        chain.out[alive] / total[alive],
    )
    hop[size, entry] = 1
    steps = []
    for state in [state for state in alive if state != kept]:
        alive.remove(state)
        steps.append(_without(state, hop, out, others=np.array(alive, dtype=np.int64), source=size))
    return Elimination(
        size=size,
        steps=tuple(steps),
        kept=kept,
        first=hop[size, kept],
        never=out[size],
        stay=hop[kept, kept],
        leaving=out[kept],
    )


def _without(
    state: int, hop: Long, out: Long, *, others: npt.NDArray[np.int64], source: int
) -> EliminationStep:
    """Eliminate one state from the probabilities, in place."""
    sources = np.append(others, source)
    rows, columns = sources[hop[sources, state] > 0], others[hop[state, others] > 0]
    leaving = hop[state, columns].sum() + out[state]
    block = np.ix_(rows, columns)
    step = EliminationStep(
        state=state,
        rows=rows,
        columns=columns,
        arrive=hop[rows, state].copy(),
        stay=hop[state, state],
        leave=hop[state, columns] / leaving,
        out=out[state] / leaving,
        leaving=leaving,
        direct=hop[block].copy(),
        direct_out=out[rows].copy(),
    )
    hop[block] += np.outer(step.arrive, step.leave)
    out[rows] += step.arrive * step.out
    return step


@np.errstate(
    over="ignore", under="ignore", invalid="ignore", divide="ignore"
)  # what comes of it is looked at
def absorption(chain: Chain, *, entry: int) -> Absorption:
    """Mean time, probabilities of the ways out, and expected visits.

    Args:
        chain: of n states, of which those that can be reached from `entry` must lead out.
        entry: index of the state that is entered.

    Raises:
        NoWayOutError: a walk would never leave.
        ArithmeticError: the probabilities do not sum to 1, or a number is beyond what extended precision holds.
    """
    found = eliminate(chain, entry=entry, kept=entry)
    source, total = len(chain.out), chain.total
    visits = np.zeros(source + 1, dtype=np.longdouble)
    visits[source] = 1
    visits[entry] = 1 / found.leaving
    for step in reversed(found.steps):
        visits[step.state] = (visits[step.rows] @ step.arrive) / step.leaving
    inside = visits[:source]
    here = inside > 0
    exits = np.zeros(source, dtype=np.longdouble)
    exits[here] = inside[here] * (chain.out[here] / total[here])
    time = float((inside[here] / total[here]).sum())
    if not abs(float(exits.sum()) - 1) <= SUM_TOLERANCE:
        raise ArithmeticError(
            f"the probabilities of the ways out sum to {float(exits.sum()):.17g}, not to 1"
        )
    hops = float(inside.sum())
    if not (0 < time < np.inf and hops < np.inf):
        raise ArithmeticError(
            f"it is left after {time:g} s and {hops:g} hops in the mean, beyond what a number holds"
        )
    return Absorption(
        mean_time_s=time,
        exits=np.asarray(exits, dtype=np.float64),
        visits=np.asarray(inside, dtype=np.float64),
        hops=hops,
    )
