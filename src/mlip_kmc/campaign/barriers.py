"""Barriers that carry the rate, and what the oracle says of them.

    kinds = carrying(processes, rate_share=0.99, at_most=6)
    wanted, minima = wanted_of(kinds, prefix="g000-", whole_up_to_atoms=120)
    compare("0_3", saddle=label, minimum=other, calculator=calculator).error_eV     # in the same two structures

The potential's barrier is that of its own minimum and saddle. The oracle is asked about these two structures alone, so the
difference is the error of the potential there; that the oracle's saddle lies elsewhere shows in its forces at the potential's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.campaign.parts import FoundProcess, Wanted
from mlip_kmc.config.campaign import ConfirmSection
from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.ground.wording import plain
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.model.structure import Array

ALIKE_EV = 0.002
"""Processes whose barriers, and the energies of whose products, differ by no more are of one kind."""
_MOVED = 0.5
"""Of the largest displacement between minimum and saddle: who moved so far is in the core of a box."""


@dataclass(frozen=True)
class Kind:
    """Processes with equal numbers, of which one is confirmed for all.

    Attributes:
        process: that one. count: how many there are. rate_share: of the total rate of the states, each of which counts alike.
    """

    process: FoundProcess
    count: int
    rate_share: float


@dataclass(frozen=True)
class Compared:
    """A barrier by the potential and by the oracle.

    Attributes:
        name: of the process.
        here_eV, oracle_eV: energy of the saddle above the minimum, in the labelled structures; None where no energies are known.
        force_error_eV_per_A: the largest difference of an atom's force, of those that count; None where the saddle has no label.
    """

    name: str
    here_eV: float | None
    oracle_eV: float | None
    force_error_eV_per_A: float | None

    @property
    def error_eV(self) -> float | None:  # noqa: N802 - a unit
        """By so much the potential's barrier is higher."""
        if self.here_eV is None or self.oracle_eV is None:
            return None
        return self.here_eV - self.oracle_eV

    def known(self, *, energies: bool) -> bool:
        """There are labels of all that was to be compared: of forces, and of energies or not."""
        forces = self.force_error_eV_per_A is not None
        return forces and (self.error_eV is not None or not energies)

    def faults(self, limits: ConfirmSection) -> tuple[str, ...]:
        """What is beyond the limits, in words; nothing of what has no label."""
        found = []
        error = self.error_eV
        if error is not None and not abs(error) <= limits.barrier_error_eV:
            found.append(
                f"the barrier of {self.name} is {plain(1e3 * error)} meV off the oracle's, allowed "
                f"{plain(1e3 * limits.barrier_error_eV)}"
            )
        force = self.force_error_eV_per_A
        if force is not None and not force <= limits.force_error_eV_per_A:
            found.append(
                f"a force at the saddle of {self.name} is {plain(force)} eV/A off the oracle's, allowed "
                f"{plain(limits.force_error_eV_per_A)}"
            )
        return tuple(found)


def carrying(
    processes: Sequence[FoundProcess], *, rate_share: float, at_most: int
) -> tuple[Kind, ...]:
    """The kinds of processes that carry the rate, the largest share first.

    Args:
        processes: of all states.
        rate_share: so much of the rate is enough; with 1 the only limit is `at_most`.
        at_most: so many kinds.
    """
    totals: dict[int, float] = {}
    for one in processes:
        totals[one.state] = totals.get(one.state, 0.0) + one.rate_per_s
    found: list[list[FoundProcess]] = []
    for one in sorted(processes, key=lambda one: (one.barrier_eV, one.state, one.process)):
        for kind in found:
            if _alike(kind[0], one):
                kind.append(one)
                break
        else:
            found.append([one])
    kinds = sorted((_kind(members, totals) for members in found), key=lambda kind: -kind.rate_share)
    before = np.cumsum([0.0, *(kind.rate_share for kind in kinds)])
    enough = [rate_share < 1.0 and bool(share >= rate_share) for share in before[:-1]]
    return tuple(kind for kind, after in zip(kinds, enough, strict=True) if not after)[:at_most]


def _alike(one: FoundProcess, other: FoundProcess) -> bool:
    return (
        abs(one.barrier_eV - other.barrier_eV) <= ALIKE_EV
        and abs(one.reaction_eV - other.reaction_eV) <= ALIKE_EV
    )


def _kind(members: Sequence[FoundProcess], totals: Mapping[int, float]) -> Kind:
    first = min(members, key=lambda one: (one.state, one.process))
    shares = [
        one.rate_per_s / totals[one.state] if totals[one.state] > 0 else 0.0 for one in members
    ]
    return Kind(first, len(members), float(sum(shares)) / len(totals))


def wanted_of(
    kinds: Sequence[Kind], *, prefix: str, whole_up_to_atoms: int
) -> tuple[tuple[Wanted, ...], dict[str, str]]:
    """Structures to label, and by a saddle's name that of its minimum.

    Args:
        kinds: in order.
        prefix: of all names, which are unique in a campaign.
        whole_up_to_atoms: larger structures are cut down, so that energies cannot be compared: no minimum is labelled then.
    """
    wanted: dict[str, Wanted] = {}
    minima: dict[str, str] = {}
    for kind in kinds:
        process = kind.process
        saddle = saddle_name(process, prefix=prefix)
        if len(process.saddle) <= whole_up_to_atoms:
            minimum = f"{prefix}{process.state}-minimum"
            wanted.setdefault(minimum, Wanted(minimum, process.minimum, (0,)))
            minima[saddle] = minimum
        wanted[saddle] = Wanted(saddle, process.saddle, moved_most(process))
    return tuple(wanted.values()), minima


def saddle_name(process: FoundProcess, *, prefix: str) -> str:
    """Of a labelled structure."""
    return f"{prefix}{process.name}-saddle"


def moved_most(process: FoundProcess) -> tuple[int, ...]:
    """Indices of the atoms that are elsewhere at the saddle, the farthest first."""
    distances_A = np.linalg.norm(_displacements_A(process.minimum, process.saddle), axis=1)
    order = np.argsort(-distances_A, kind="stable")
    relevant = distances_A[order] >= _MOVED * distances_A.max()
    return tuple(int(index) for index in order[relevant])


def _displacements_A(one: Atoms, other: Atoms) -> Array:  # noqa: N802 - a unit
    from ase.geometry import find_mic

    return np.asarray(find_mic(other.positions - one.positions, one.cell, pbc=one.pbc)[0])


def compare(
    name: str,
    *,
    saddle: LabelledStructure | None,
    minimum: LabelledStructure | None,
    calculator: Any,
) -> Compared:
    """A potential against the oracle, in the structures that this labelled.

    Args:
        name: of the process.
        saddle: None where it has no label.
        minimum: None where it has none, or the saddle is a box.
        calculator: the potential's (ASE).

    Raises:
        PotentialError: the potential cannot be evaluated.
    """
    if saddle is None:
        return Compared(name, None, None, None)
    above_eV, forces = evaluated(saddle.atoms, calculator)
    counting = np.asarray(saddle.force_weights) == 1.0
    apart = np.linalg.norm(forces - saddle.forces_eV_per_A, axis=1)[counting]
    force = float(np.max(apart))  # numpy's maximum with a NaN is NaN
    if minimum is None or saddle.energy_eV is None or minimum.energy_eV is None:
        return Compared(name, None, None, force)
    below_eV = evaluated(minimum.atoms, calculator)[0]
    return Compared(
        name,
        here_eV=above_eV - below_eV,
        oracle_eV=saddle.energy_eV - minimum.energy_eV,
        force_error_eV_per_A=force,
    )
