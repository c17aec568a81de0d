"""A superbasin as an absorbing Markov chain: mean time, exit probabilities and visits, without cancellation.

Example:
    chain = Chain(inside=[[0, 1e12], [1e12, 0]], out=[1e-3, 1e-3])
    found = absorption(chain, entry=0)
    found.mean_time_s, found.exits                             # 1000.0, [0.5, 0.5]

States are eliminated one by one. The pivot is the sum of the probabilities of leaving the state; it is never computed as one
minus the probability of staying (Grassmann, Taksar and Heyman, Oper. Res. 33, 1107 (1985)). So every result is a sum of products
of positive numbers, and nothing cancels for any rates. Extended precision adds range for chains whose products underflow in
double precision.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.clock import NoStepError, StepFault

Array = npt.NDArray[np.float64]
Long = npt.NDArray[np.longdouble]

SUM_TOLERANCE = 1e-12
"""Largest allowed deviation of the sum of all exit probabilities from 1."""


class NoWayOutError(ValueError):
    """Some states of a superbasin cannot leave it by any sequence of known processes.

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
        inside: (n, n) rates between its states, 1/s; the diagonal has those of processes that lead back to their own state.
        out: (n,) rates out of the superbasin, from each state, 1/s.
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
        """(n,) total rate of each state, 1/s."""
        return np.asarray(
            self.inside.astype(np.longdouble).sum(axis=1) + self.out, dtype=np.longdouble
        )


@dataclass(frozen=True)
class Absorption:
    """Expectations for a superbasin that is entered at one state.

    Attributes:
        mean_time_s: mean time until it is left, s.
        exits: (n,) probability of leaving from each state; the sum is 1.
        visits: (n,) expected number of visits of each state.
        hops: expected number of processes until it is left, the last one included.
    """

    mean_time_s: float
    exits: Array
    visits: Array
    hops: float


@dataclass(frozen=True)
class EliminationStep:
    """The elimination of one state.

    Attributes:
        state: the eliminated state.
        rows: (r,) states not yet eliminated with a hop to it; the source of walks has the number n.
        columns: (c,) states not yet eliminated to which it has a hop.
        arrive: (r,) probability of a hop from each row to it.
        stay: probability of a hop from it to itself.
        leave: (c,) probability that it is left to each column, given that it is left.
        out: probability that it is left out of the superbasin, given that it is left. `leave` and `out` sum to 1.
        leaving: probability that a hop from it does not lead back to it.
        direct: (r, c) probabilities of hops from rows to columns before the elimination.
        direct_out: (r,) probabilities of hops from rows out of the superbasin before the elimination.
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
    """The chain after the elimination of all states but `kept`; a walk starts at the source.

    Attributes:
        size: number of states, unreachable ones included; the source has this number.
        steps: the eliminations, in order.
        kept: the state that is not eliminated.
        first: probability that a walk visits `kept` before it leaves the superbasin.
        never: probability that it does not.
        stay: probability that a hop of the reduced chain from `kept` leads back to it.
        leaving: probability that it leads out of the superbasin.
    """

    size: int
    steps: tuple[EliminationStep, ...]
    kept: int
    first: np.longdouble
    never: np.longdouble
    stay: np.longdouble
    leaving: np.longdouble


def reached(chain: Chain, *, entry: int) -> npt.NDArray[np.int64]:
    """States that a walk can visit.

    Raises:
        NoWayOutError: from some of them it could never leave.
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
    """Eliminate all reachable states except `kept`.

    Args:
        chain: n states.
        entry: state in which a walk starts.
        kept: a reachable state.

    Raises:
        NoWayOutError: a walk could never leave.
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
    block = rows[:, None], columns
    step = EliminationStep(
        state=state,
        rows=rows,
        columns=columns,
        arrive=hop[rows, state],
        stay=hop[state, state],
        leave=hop[state, columns] / leaving,
        out=out[state] / leaving,
        leaving=leaving,
        direct=hop[block],
        direct_out=out[rows],
    )
    hop[block] += step.arrive[:, None] * step.leave
    out[rows] += step.arrive * step.out
    return step


@np.errstate(
    over="ignore", under="ignore", invalid="ignore", divide="ignore"
)  # the results are checked
def absorption(chain: Chain, *, entry: int) -> Absorption:
    """Mean time, exit probabilities, and expected visits.

    Args:
        chain: n states; each state that can be reached from `entry` must have a path out.
        entry: index of the state that is entered.

    Raises:
        NoWayOutError: a walk could never leave.
        NoStepError: the mean time is not a positive finite number.
        ArithmeticError: the exit probabilities do not sum to 1, or a number exceeds the range of extended precision.
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
    if not 0 < time < np.inf:
        fault = StepFault.TOO_FAST if time <= 0 else StepFault.TOO_SLOW
        raise NoStepError(fault, f"a mean time of {time:.6g} s")
    if not hops < np.inf:
        raise ArithmeticError(f"its {hops:g} hops exceed the range of floating-point numbers")
    return Absorption(
        mean_time_s=time,
        exits=np.asarray(exits, dtype=np.float64),
        visits=np.asarray(inside, dtype=np.float64),
        hops=hops,
    )
