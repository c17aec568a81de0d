"""One draw of how a superbasin is left: exit, time and what has become of the atoms.

Example:
    leave = draw(basin, entry=0, rng=rng)
    leave.exit, leave.time_s, leave.effect

Up to `EXPLICIT_HOPS` expected hops the walk is made hop by hop. Above, exit, numbers of hops and time come from kinetic path
sampling (`counts`), with their exact joint law, and what the order of hops does to the atoms from samples of loops (`samples`).
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.clock import NoStepError, StepFault
from mlip_kmc.model.superbasin.chain import (
    Absorption,
    Chain,
    Elimination,
    absorption,
    eliminate,
)
from mlip_kmc.model.superbasin.counts import draw_counts
from mlip_kmc.model.superbasin.effects import Effects, product
from mlip_kmc.model.superbasin.samples import Links, effect_of_walk

Indices = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

EXPLICIT_HOPS = 1e6
"""Up to so many expected hops a walk is made hop by hop."""
_BLOCK = 65536


@dataclass(frozen=True)
class Basin:
    """A superbasin's processes.

    Attributes:
        states: how many.
        start, end, rate_per_s: (E,) of each process inside: indices of its states, and its rate.
        effects: E effects of those processes on the atoms, all in one order of atoms (that of a common frame).
        exit_start, exit_rate_per_s: (X,) of each process that leads out: the state that it leaves, and its rate.
    """

    states: int
    start: Indices
    end: Indices
    rate_per_s: Array
    effects: Effects
    exit_start: Indices
    exit_rate_per_s: Array

    @cached_property
    def chain(self) -> Chain:
        """The rates alone."""
        inside, out = np.zeros((self.states, self.states)), np.zeros(self.states)
        np.add.at(inside, (self.start, self.end), self.rate_per_s)
        np.add.at(out, self.exit_start, self.exit_rate_per_s)
        return Chain(inside=inside, out=out)

    @cached_property
    def _expected(self) -> dict[int, Absorption]:
        return {}

    @cached_property
    def _eliminated(self) -> dict[tuple[int, int], Elimination]:
        return {}

    @cached_property
    def moving(self) -> tuple[Indices, Effects]:
        """Indices of the atoms that anything inside changes, and the effects on those alone."""
        atoms = self.effects.atoms
        return atoms, self.effects.of(atoms)

    def eliminated(self, entry: int, *, kept: int) -> Elimination:
        """The chain after the elimination of all states but one, computed once as well.

        Raises:
            NoWayOutError: as of `eliminate`.
        """
        if (entry, kept) not in self._eliminated:
            self._eliminated[entry, kept] = eliminate(self.chain, entry=entry, kept=kept)
        return self._eliminated[entry, kept]

    def expected(self, entry: int) -> Absorption:
        """Expectations for an entry; the rates stay as they are, so they are computed once.

        Raises:
            NoWayOutError, NoStepError, ArithmeticError: as of `absorption`.
        """
        if entry not in self._expected:
            self._expected[entry] = absorption(self.chain, entry=entry)
        return self._expected[entry]


@dataclass(frozen=True)
class Leave:
    """How a superbasin is left.

    Attributes:
        exit: index of the process that leads out.
        time_s: from entry to then. mean_time_s: its expectation.
        hops: processes made, the one that leads out included; a whole number.
        effect: one effect: what the processes inside did to the atoms.
    """

    exit: int
    time_s: float
    mean_time_s: float
    hops: float
    effect: Effects


def draw(
    basin: Basin, *, entry: int, rng: np.random.Generator, explicit_hops: float = EXPLICIT_HOPS
) -> Leave:
    """Draw how a superbasin is left.

    Args:
        basin: with rates in 1/s.
        entry: index of the state that is entered.
        rng: where all random numbers come from.
        explicit_hops: up to so many expected hops the walk is made hop by hop.

    Raises:
        NoWayOutError: a walk would never leave.
        NoStepError: there is no time that is a positive finite number.
        ArithmeticError: the rates are beyond what can be computed with.
        ValueError: a rate is negative or not finite.
    """
    expected = basin.expected(entry)
    if expected.hops <= explicit_hops:
        visits, way_out, effect = _explicit(basin, entry, rng)
    else:
        visits, way_out, effect = _by_counts(basin, expected, entry, rng)
    time = _time(visits, basin.chain, rng)
    if not 0 < time < np.inf:
        fault = StepFault.TOO_FAST if time <= 0 else StepFault.TOO_SLOW
        raise NoStepError(fault, f"the time drawn is {time:.6g} s")
    return Leave(
        exit=way_out,
        time_s=time,
        mean_time_s=expected.mean_time_s,
        hops=float(visits.sum()),
        effect=effect,
    )


def _time(visits: Array, chain: Chain, rng: np.random.Generator) -> float:
    """The time of so many visits: of each state a sum of exponential residence times, which is gamma-distributed."""
    here = np.flatnonzero(visits > 0)
    return float(
        (rng.standard_gamma(visits[here]) / np.asarray(chain.total[here], dtype=np.float64)).sum()
    )


def _explicit(basin: Basin, entry: int, rng: np.random.Generator) -> tuple[Array, int, Effects]:
    """Hop by hop: visits, the process that leads out, and the effect."""
    inside, ways, bounds = len(basin.start), [], []
    for state in range(basin.states):
        here, out = np.flatnonzero(basin.start == state), np.flatnonzero(basin.exit_start == state)
        ways.append([*here.tolist(), *(inside + out).tolist()])
        bounds.append(
            list(
                accumulate([*basin.rate_per_s[here].tolist(), *basin.exit_rate_per_s[out].tolist()])
            )
        )
    end, changing = basin.end.tolist(), basin.effects.changing.tolist()
    state, visits, made, numbers, block = (
        entry,
        [0] * basin.states,
        list[int](),
        iter(list[float]()),
        64,
    )
    while True:
        visits[state] += 1
        number = next(numbers, None)
        if number is None:
            block = min(2 * block, _BLOCK)
            numbers = iter(rng.random(block).tolist())
            number = next(numbers)
        cumulative = bounds[state]
        way = ways[state][
            min(bisect_right(cumulative, number * cumulative[-1]), len(cumulative) - 1)
        ]
        if way >= inside:
            break
        if changing[way]:
            made.append(way)
        state = end[way]
    return np.array(visits, dtype=np.float64), way - inside, _of_sequence(basin, made)


def _of_sequence(basin: Basin, made: list[int]) -> Effects:
    (atoms, effects), count = basin.moving, basin.effects.mapping.shape[1]
    return product(effects, np.array(made, dtype=np.int64)).among(atoms, count=count)


def _by_counts(
    basin: Basin, expected: Absorption, entry: int, rng: np.random.Generator
) -> tuple[Array, int, Effects]:
    """By kinetic path sampling: visits, the process that leads out, and the effect."""
    found = basin.eliminated(entry, kept=int(np.argmax(expected.visits)))
    walk = draw_counts(found, rng)
    ways = np.flatnonzero(basin.exit_start == walk.exit)
    bounds = np.cumsum(basin.exit_rate_per_s[ways])
    way = int(
        ways[
            min(
                int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right")), len(ways) - 1
            )
        ]
    )
    count = basin.effects.mapping.shape[1]
    if not basin.effects.changing.any():
        return walk.visits, way, Effects.none(count=1, atoms=count)
    atoms, effects = basin.moving
    links = Links(start=basin.start, end=basin.end, rate_per_s=basin.rate_per_s, effects=effects)
    effect = effect_of_walk(walk, links, found=found, rng=rng)
    return walk.visits, way, effect.among(atoms, count=count)
