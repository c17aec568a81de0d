"""What a campaign asks of its parts: who explores, who labels, who fits.

The real ones are `exploring.py`, `labelling.py` and `fitting.py`; a test of the loop gives others, which keep the same promises:
each call may be repeated after a kill and then finds what it had done.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from mlip_kmc.config import Config
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.model.records import EonResult
from mlip_kmc.model.structure import Array
from mlip_kmc.potential import AcePotential


@dataclass(frozen=True)
class Wanted:
    """A structure that needs a label.

    Attributes:
        name: of the frame it is of.
        atoms: positions and cell in A.
        offending: indices of the atoms that the potential does not know, the least known first.
    """

    name: str
    atoms: Atoms
    offending: tuple[int, ...]

    @classmethod
    def of(cls, name: str, atoms: Atoms, gammas: Array, *, threshold: float) -> "Wanted":
        """With the atoms whose gamma reaches the threshold, or, where none does, that of the largest.

        Args:
            name: of the frame.
            atoms: N of them.
            gammas: (N,).
            threshold: what is not below it offends, what is no number too.
        """
        sure = np.where(np.isnan(gammas), np.inf, gammas)
        order = np.argsort(-sure, kind="stable")
        count = max(1, int(np.count_nonzero(~(sure < threshold))))
        return cls(name, atoms, tuple(int(index) for index in order[:count]))


@dataclass(frozen=True)
class FoundProcess:
    """A process of a state that the run has left, or is in, under its present potential.

    Attributes:
        state, process: their numbers.
        minimum, saddle: positions and cell in A, the same atoms in the same order.
        barrier_eV: of the saddle above the minimum. reaction_eV: of the product above it.
        rate_per_s: its rate.
    """

    state: int
    process: int
    minimum: Atoms
    saddle: Atoms
    barrier_eV: float
    reaction_eV: float
    rate_per_s: float

    @property
    def name(self) -> str:
        """As `0_3`."""
        return f"{self.state}_{self.process}"


@dataclass(frozen=True)
class Labels:
    """How labels stand.

    Attributes:
        done, failed: with an end. waiting: with none, here or with a scheduler.
    """

    done: int
    failed: int
    waiting: int


@dataclass(frozen=True)
class Judged:
    """A candidate and the verdict on it.

    Attributes:
        yace: of the candidate.
        accepted: it may be the next generation. reasons: why not, in words.
        more_labels: more labels may help. larger_basis: a larger basis is left to try.
        facts: all that is told of it: how it was fitted, errors, gammas, checks; JSON values.
    """

    yace: Path
    accepted: bool
    reasons: tuple[str, ...]
    more_labels: bool
    larger_basis: bool
    facts: dict[str, Any]

    def verdict(self) -> dict[str, Any]:
        """Content of its `verdict.json`."""
        return {"accepted": self.accepted, "reasons": list(self.reasons), **self.facts}


class Explorer(Protocol):
    """Explores with a potential, and carries its run over to another."""

    @property
    def stop(self) -> threading.Event:
        """Set it, and exploring ends at its last commit."""

    def explore(self, config: Config) -> EonResult:
        """Go on until the run is done, paused or halted."""

    def refresh(self, config: Config) -> str:
        """Carry the run over to the configuration's potential; answer what was done, in words."""

    def processes(self) -> Sequence[FoundProcess]:
        """Of the present potential, those of the states that the run has left or is in."""


class Labeller(Protocol):
    """Has structures labelled by an oracle."""

    def request(
        self, folder: Path, wanted: Sequence[Wanted], *, potential: AcePotential
    ) -> tuple[int, tuple[str, ...]]:
        """Cut out what is to be labelled, and note it; answer how many there are, and why others are not."""

    def label(self, folder: Path, *, stop: threading.Event) -> Labels:
        """Go on with what is noted; come back when all have an end, or when the rest is with a scheduler."""

    def labelled(self, folder: Path) -> tuple[LabelledStructure, ...]:
        """What counts of it, in order of request."""

    def failures(self, folder: Path) -> tuple[tuple[str, str], ...]:
        """Names of what has no label, with the reason."""

    def other_oracle(self, folder: Path) -> tuple[str, ...]:
        """Names of what differs between the oracle that made a folder's labels and the present one; none where it is the same."""


class Fitter(Protocol):
    """Fits a potential again, and judges it."""

    def fit(
        self,
        present: AcePotential,
        *,
        labels: Sequence[LabelledStructure],
        halted: Sequence[Atoms],
        barriers: Sequence[LabelledStructure],
        folder: Path,
        name: str,
        larger: int,
    ) -> Judged:
        """Fit, and judge.

        Args:
            present: the potential of the present generation.
            labels: of all generations.
            halted: structures that the present one was halted on.
            barriers: saddles and minima whose barriers it did not have right.
            folder: where the candidate goes.
            name: of its files.
            larger: how many steps up the ladder of bases.
        """

    def training(self) -> tuple[LabelledStructure, ...]:
        """The set of generation 0; empty where it is not known."""
