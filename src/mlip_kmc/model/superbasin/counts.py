"""How often every hop of a superbasin is made before it is left: one draw, whatever their number.

Example:
    walk = draw_counts(elimination, rng)
    walk.visits, walk.exit, walk.loops

Kinetic path sampling (Athenes and Bulatov, Phys. Rev. Lett. 113, 230601 (2014)): a walk is drawn on the chain that is left when
all states but one are eliminated; then the eliminations are undone in reverse order, and each time the numbers of hops that
went through the state come from binomial laws, that of its loops from a negative binomial one. Hops are not drawn one by one,
so 1e15 of them cost what ten do. Exit and numbers have their exact joint law, up to what `_binomial` and `_failures` say.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.superbasin.chain import Elimination, EliminationStep

Array = npt.NDArray[np.float64]

_RARE = 1e-9
"""Below this probability a binomial number is drawn as Poisson's; the total variation distance of the two is at most the same."""
_EXACT = 2.0**53
"""Whole numbers above are not all floats: beyond, numbers are drawn from a normal law (relative error below 1e-7)."""


@dataclass(frozen=True)
class Walk:
    """One walk through a superbasin.

    Attributes:
        visits: (n,) how often each state was left by any hop, whole numbers (as floats: there may be 1e30).
        exit: index of the state that the superbasin was left from.
        first: whether the walk came to the state that was kept. loops: how often it came back to it.
    """

    visits: Array
    exit: int
    first: bool
    loops: float


def draw_counts(found: Elimination, rng: np.random.Generator) -> Walk:
    """Draw one walk.

    Args:
        found: the chain, eliminated for the entry of the walk.
        rng: where the random numbers come from.
    """
    size = found.size
    hops = np.zeros((size + 1, size))
    out = np.zeros(size + 1)
    first = bool(rng.random() * float(found.first + found.never) < float(found.first))
    loops = float(_failures(np.array([1.0]), found.stay, found.leaving, rng)[0]) if first else 0.0
    if first:
        hops[size, found.kept], hops[found.kept, found.kept], out[found.kept] = 1.0, loops, 1.0
    else:
        out[size] = 1.0
    for step in reversed(found.steps):
        _undo(step, hops, out, rng)
    return Walk(
        visits=hops[:size].sum(axis=1) + out[:size],
        exit=int(np.flatnonzero(out[:size])[0]),
        first=first,
        loops=loops,
    )


def _undo(step: EliminationStep, hops: Array, out: Array, rng: np.random.Generator) -> None:
    """Split the hops of the chain without a state into direct ones and those that went through it, in place."""
    block = step.rows[:, None], step.columns
    through = _binomial(hops[block], step.arrive[:, None] * step.leave, step.direct, rng)
    through_out = _binomial(out[step.rows], step.arrive * step.out, step.direct_out, rng)
    hops[block] -= through
    out[step.rows] -= through_out
    hops[step.rows, step.state] = through.sum(axis=1) + through_out
    hops[step.state, step.columns] = through.sum(axis=0)
    out[step.state] = through_out.sum()
    visits = hops[step.rows, step.state].sum()
    hops[step.state, step.state] = _failures(np.array([visits]), step.stay, step.leaving, rng)[0]


def _binomial(
    count: Array, yes: npt.ArrayLike, no: npt.ArrayLike, rng: np.random.Generator
) -> Array:
    """How many of `count` are of the one kind, which weighs `yes`, and not of the other, which weighs `no`.

    Neither weight comes from a difference, so a kind of probability 1e-30 among 1e30 is drawn right. Exact where the number is a
    whole float and the rarer kind has a probability of at least 1e-9; else Poisson's law (total variation distance at most that
    probability), or from 2^53 on the normal one.
    """
    weight, other = np.asarray(yes, dtype=np.longdouble), np.asarray(no, dtype=np.longdouble)
    total = np.where(weight + other > 0, weight + other, 1)
    rarer = np.minimum(weight, other) / total
    share = np.asarray(rarer, dtype=np.float64)
    mean = np.asarray(count * rarer, dtype=np.float64)
    drawn = np.where((share < _RARE) | (count > _EXACT), _poisson(mean, rng), 0.0)
    exact = (share >= _RARE) & (count <= _EXACT)
    drawn = np.where(
        exact,
        rng.binomial(np.where(exact, count, 0).astype(np.int64), np.where(exact, share, 0.0)),
        drawn,
    )
    wide = (share >= _RARE) & (count > _EXACT)
    drawn = np.where(
        wide, np.round(mean + np.sqrt(mean * (1 - share)) * rng.standard_normal(mean.shape)), drawn
    )
    drawn = np.clip(drawn, 0.0, count)
    return np.where(weight <= other, drawn, count - drawn)


def _failures(
    successes: Array, fail: npt.ArrayLike, succeed: npt.ArrayLike, rng: np.random.Generator
) -> Array:
    """How many trials fail before so many succeed: negative binomial, as Poisson's number of a gamma-distributed mean."""
    ratio = float(np.asarray(fail, dtype=np.longdouble) / np.asarray(succeed, dtype=np.longdouble))
    return _poisson(rng.standard_gamma(successes) * ratio, rng)


def _poisson(mean: Array, rng: np.random.Generator) -> Array:
    """Poisson's law; from 1e15 on the normal one, whose skewness (3e-8) is left out."""
    small = mean < 1e15
    drawn = rng.poisson(np.where(small, mean, 0.0)).astype(np.float64)
    wide = np.round(mean + np.sqrt(mean) * rng.standard_normal(np.shape(mean)))
    return np.where(small, drawn, wide)
