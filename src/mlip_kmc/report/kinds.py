"""Kinds of processes: those of a state that are one by its symmetry, or that have the same numbers.

Example:
    for kind in kinds_of(state, orbits=record.orbits, moved=lambda row: "Cu"):
        kind.count, kind.lead.barrier_eV, kind.said         # 12, 0.79, "equal by symmetry"

Where the run noted orbits (docs/symmetry.md) they are the kinds. Other processes are one kind if barrier, barrier back, prefactor
and moved species agree; that they are images of each other is then likely, and not shown. Pure: numbers in, numbers out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mlip_kmc.report.numbers import ProcessNumbers, StateNumbers

EQUAL_EV = 0.002
"""Barriers that differ by no more are equal: what the convergence of minima and saddles leaves."""
EQUAL_PREFACTORS = 0.05
"""Likewise of prefactors, as a part of the larger one."""


@dataclass(frozen=True)
class Kind:
    """Processes of one state that are shown as one.

    Attributes:
        rows: they, by barrier; at least one.
        symmetric: the state's symmetry makes them one; else their numbers are equal.
    """

    rows: tuple[ProcessNumbers, ...]
    symmetric: bool

    @property
    def count(self) -> int:
        """How many processes it has."""
        return len(self.rows)

    @property
    def lead(self) -> ProcessNumbers:
        """The one that stands for all: KMC steps took it most often; the lowest barrier of equals."""
        return min(self.rows, key=lambda row: (-row.used, row.rank))

    @property
    def said(self) -> str:
        """Why they are one kind; empty for a single process."""
        if self.count == 1:
            return ""
        return "equal by symmetry" if self.symmetric else "equal numbers, symmetry not shown"

    @property
    def rate_per_s(self) -> float:
        """Of all, as far as they are in the rate table."""
        return sum(row.rate_per_s for row in self.rows if row.in_rate_table)

    @property
    def share(self) -> float:
        """Their part of the state's total rate."""
        return sum(row.share for row in self.rows)

    @property
    def in_rate_table(self) -> bool:
        """One of them is."""
        return any(row.in_rate_table for row in self.rows)

    @property
    def used(self) -> int:
        """KMC steps that took one of them."""
        return sum(row.used for row in self.rows)

    @property
    def repeats(self) -> int:
        """How often searches found one of them again."""
        return sum(row.repeats for row in self.rows)

    @property
    def gamma_saddle(self) -> float | None:
        """The largest known of them."""
        return max(
            (row.gamma_saddle for row in self.rows if row.gamma_saddle is not None), default=None
        )

    @property
    def products(self) -> tuple[int, ...]:
        """Visited states that they lead to."""
        return tuple(sorted({row.product for row in self.rows if row.product is not None}))

    @property
    def open(self) -> int:
        """How many of them lead to a state that the run has not been in."""
        return sum(row.product is None for row in self.rows)


def kinds_of(
    state: StateNumbers,
    *,
    orbits: Iterable[Iterable[int]] = (),
    moved: Callable[[ProcessNumbers], str] = lambda _: "",
) -> tuple[Kind, ...]:
    """The kinds of a state's processes, by their lowest barriers.

    Args:
        state: the state.
        orbits: numbers of processes that are images of each other.
        moved: what moves in a process; asked only of processes whose numbers are equal.
    """
    orbit_of = {process: index for index, orbit in enumerate(orbits) for process in orbit}
    known: dict[int, list[ProcessNumbers]] = {}
    others: list[list[ProcessNumbers]] = []
    for row in state.processes:
        orbit = orbit_of.get(row.process)
        if orbit is not None:
            known.setdefault(orbit, []).append(row)
            continue
        same = next((group for group in others if _equal(group[0], row, moved)), None)
        if same is None:
            others.append([row])
        else:
            same.append(row)
    found = [
        *(Kind(tuple(rows), symmetric=True) for rows in known.values()),
        *(Kind(tuple(rows), symmetric=False) for rows in others),
    ]
    return tuple(sorted(found, key=lambda kind: kind.rows[0].rank))


def by_use(kinds: Sequence[Kind]) -> list[Kind]:
    """Those that KMC steps took most often first, then by barrier."""
    return sorted(kinds, key=lambda kind: (-kind.used, kind.rows[0].rank))


def _equal(
    one: ProcessNumbers, other: ProcessNumbers, moved: Callable[[ProcessNumbers], str]
) -> bool:
    larger = max(one.prefactor_per_s, other.prefactor_per_s)
    return (
        abs(one.barrier_eV - other.barrier_eV) <= EQUAL_EV
        and abs(one.reverse_barrier_eV - other.reverse_barrier_eV) <= EQUAL_EV
        and abs(one.prefactor_per_s - other.prefactor_per_s) <= EQUAL_PREFACTORS * larger
        and moved(one) == moved(other)
    )
