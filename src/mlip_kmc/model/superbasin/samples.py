"""What becomes of the atoms in a walk of too many hops to make one by one: its order, from samples.

Example:
    effect = effect_of_walk(walk, links, found=elimination, rng=rng)

A hop of a chain without some of its states is a direct hop, or one to an eliminated state, loops there, and one on. Samples of
the effect of each such hop are kept up through the eliminations, each drawn from the samples of its parts. What is exact and
what is not:

- Exit, time and the number of loops at the most visited state are those of the walk, drawn exactly before.
- Effects are products of the chain's own hops, so permutations and images belong together. Where no closed walk changes the
  atoms, the effect is exact.
- Loops at a state have the law of `SAMPLES` samples and their inverses, drawn anew for every walk. The mean square of what
  accumulates is right over walks; that of one walk's law has a relative standard deviation of sqrt(2 b / SAMPLES) in 2^b loops,
  0.12 in 1e9; which adds 6 b / SAMPLES (0.04 in 1e9) to the kurtosis of displacements.
- Loops at other states are not those by which the time was drawn: their number has the right law, but is independent of the time.
- That inverses are as likely as the loops themselves is detailed balance: each process inside has its reverse, with the rate that
  belongs to it, as eOn registers them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.superbasin.chain import Elimination, EliminationStep
from mlip_kmc.model.superbasin.counts import Walk
from mlip_kmc.model.superbasin.effects import Effects, powers

Indices = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

SAMPLES = 4096
"""Of the effect of each hop; fewer where they would not fit into memory."""
_FEWEST = 64
_MEMORY = 400e6
_BYTES = 32  # an atom in one effect
_MOST_LOOPS = 1e30
"""Beyond, images would not fit into 64 bits."""


@dataclass(frozen=True)
class Links:
    """Processes inside a superbasin.

    Attributes:
        start, end, rate_per_s: (E,) indices of the states, and the rate, of each. effects: E.
    """

    start: Indices
    end: Indices
    rate_per_s: Array
    effects: Effects


def effect_of_walk(
    walk: Walk, links: Links, *, found: Elimination, rng: np.random.Generator
) -> Effects:
    """One effect, that of the processes inside.

    Args:
        walk: drawn on `found`.
        links: the processes.
        found: the elimination of all states but one.
        rng: where the random numbers come from.

    Raises:
        ArithmeticError: there are more loops than images can be counted for.
    """
    samples = _Samples(links, found=found, rng=rng)
    samples.leave_from(walk.exit)
    for step in found.steps:
        samples.eliminate(step)
    source, kept, out = found.size, found.kept, found.size + 1
    if not walk.first:
        return samples.drawn(source, out)[:1]
    around = samples.powers(kept, np.where(np.arange(samples.count) == 0, walk.loops, 0.0))
    return samples.drawn(source, kept)[:1].then(around[:1]).then(samples.drawn(kept, out)[:1])


class _Samples:
    """Samples of effects, by the two ends of a hop; hops that change nothing have none."""

    def __init__(self, links: Links, *, found: Elimination, rng: np.random.Generator) -> None:
        """Those of the processes themselves."""
        self._rng, self._atoms, self._out = rng, links.effects.mapping.shape[1], found.size + 1
        pairs = np.unique(np.stack([links.start, links.end], axis=1), axis=0)
        size = _BYTES * self._atoms * min((found.size + 1) ** 2, len(pairs) * found.size)
        self.count = int(np.clip(_MEMORY / max(size, 1), _FEWEST, SAMPLES))
        self._leaves = np.zeros(found.size + 1, dtype=np.longdouble)
        self._samples: dict[tuple[int, int], Effects] = {}
        for start, end in pairs.tolist():
            of = np.flatnonzero((links.start == start) & (links.end == end))
            if links.effects[of].changing.any():
                share = links.rate_per_s[of] / links.rate_per_s[of].sum()
                self._samples[start, end] = links.effects[rng.choice(of, size=self.count, p=share)]

    def leave_from(self, state: int) -> None:
        """Leave for good from that state; only what leads there counts."""
        self._leaves[state] = 1.0

    def drawn(self, start: int, end: int) -> Effects:
        """As many as there are samples, drawn from those of a hop."""
        found = self._samples.get((start, end))
        if found is None:
            return Effects.none(count=self.count, atoms=self._atoms)
        return found[self._rng.integers(self.count, size=self.count)]

    def powers(self, state: int, times: Array) -> Effects:
        """Products of so many loops at a state."""
        if (state, state) not in self._samples:
            return Effects.none(count=self.count, atoms=self._atoms)
        if not times.max() <= _MOST_LOOPS:
            raise ArithmeticError(
                f"{times.max():g} loops inside move atoms, more than images can be counted for"
            )
        return powers(self._samples[state, state], times, self._rng)

    def eliminate(self, step: EliminationStep) -> None:
        """Samples of the hops of the chain without that state."""
        around = (
            self.powers(step.state, self._loops(step))
            if (step.state, step.state) in self._samples
            else None
        )
        for column, end in enumerate(step.columns.tolist()):
            for row, start in enumerate(step.rows.tolist()):
                self._join(
                    start,
                    step.state,
                    end,
                    around,
                    through=step.arrive[row] * step.leave[column],
                    direct=step.direct[row, column],
                )
        out = self._leaves[step.state] / step.leaving
        for row, start in enumerate(step.rows.tolist()):
            self._join(
                start,
                step.state,
                self._out,
                around,
                through=step.arrive[row] * out,
                direct=self._leaves[start],
            )
            self._leaves[start] += step.arrive[row] * out
        self._samples = {
            ends: found for ends, found in self._samples.items() if step.state not in ends
        }

    def _loops(self, step: EliminationStep) -> Array:
        """How often a hop that goes through a state comes back to it first: geometric."""
        if not step.stay > 0:
            return np.zeros(self.count)
        decay = -np.log(step.stay) if step.stay < 0.5 else -np.log1p(-step.leaving)
        return np.asarray(np.floor(self._rng.standard_exponential(self.count) / float(decay)))

    def _join(
        self,
        start: int,
        state: int,
        end: int,
        around: Effects | None,
        *,
        through: np.longdouble,
        direct: np.longdouble,
    ) -> None:
        parts = ((start, state), (state, end), (start, end))
        if not through > 0 or (around is None and not any(ends in self._samples for ends in parts)):
            return
        via = self.drawn(start, state)
        if around is not None:
            via = via.then(around[self._rng.integers(self.count, size=self.count)])
        via = via.then(self.drawn(state, end))
        chosen = self._rng.random(self.count) * float((through + direct) / through) < 1.0
        self._samples[start, end] = via.where(chosen, self.drawn(start, end))
