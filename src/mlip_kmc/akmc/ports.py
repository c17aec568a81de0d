"""What the server of a run asks of states, searches, the store and workers.

eOn implements `States` and `Place` (`eon_states.py`), the run directory `Store`, dask `Workers`. The server itself
(`server.py`) knows only what stands here, so its decisions are tested on invented states, thousands of ticks in seconds.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlip_kmc.akmc.prefactors import Rest
from mlip_kmc.akmc.queue import SearchStart
from mlip_kmc.akmc.twins import Doubt
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.records import Epoch, SearchRecord
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome


@dataclass(frozen=True)
class Departure:
    """One KMC step, drawn and not yet made.

    Attributes:
        left, process, product: state that is left, process that leads out of it, state that is reached.
        time_s: residence time. rate_per_s: of the process; of all ways out where a superbasin is left.
        barrier_eV: of the process. energy_eV: of the state that is left.
        path: where every atom is in the state that is reached.
        apart: how many atoms have left the rest in the state that is reached.
        superbasin: number of the superbasin that is left, or None. hops: processes made inside it, the one out included.
    """

    left: int
    process: int
    product: int
    time_s: float
    rate_per_s: float
    barrier_eV: float
    energy_eV: float
    path: AtomPath
    apart: int = 0
    superbasin: int | None = None
    hops: float | None = None


class Place(Protocol):
    """Where the run is: a state, or the superbasin that holds it."""

    @property
    def state(self) -> int:
        """The state that is searched; in a superbasin the one that was least known when the place was made."""

    @property
    def states(self) -> Collection[int]:
        """States whose searches are wanted."""

    @property
    def superbasin(self) -> int | None:
        """Its number, or None."""

    @property
    def least_known(self) -> int:
        """The state with the lowest confidence now."""

    @property
    def confidence(self) -> float:
        """Of the state, or of the superbasin."""

    @property
    def confident(self) -> bool:
        """It is time for a KMC step."""

    @property
    def registered(self) -> int:
        """How many searches of `state` are registered."""

    @property
    def still_needed(self) -> int:
        """How many more searches `state` will probably take."""

    @property
    def most(self) -> int | None:
        """So many searches of `state` are wanted until it is told what it is; None: as many as its confidence takes."""

    @property
    def processes(self) -> int:
        """How many processes of `state` are known."""

    @property
    def shut_in(self) -> bool:
        """It is a superbasin, and nothing within its states' thermal windows leads out."""

    def reactant_con(self, state: int) -> str:
        """The structure that searches of one of `states` start from, as `.con` text."""

    def start(self, name: str) -> SearchStart:
        """The start of a search by its name `state_index`, always the same.

        Raises:
            SearchesFailedError: no search can start. RunStateError: a start that was kept is damaged.
        """

    def is_new(self, outcome: SearchOutcome) -> bool:
        """Registering it would give the process table a row."""

    def rest(self, outcome: SearchOutcome) -> Rest:
        """What the Hessian of the state that was searched is of: the same for all states of a class."""

    def doubt(self, outcome: SearchOutcome) -> Doubt:
        """Known processes that a new one may be, though its saddle is beside theirs."""

    def images(self, outcome: SearchOutcome) -> Sequence[FoundProcess]:
        """What follows from a new process by the state's symmetry, not yet checked."""

    def register(self, outcome: SearchOutcome) -> SearchRecord:
        """Count a search, and take up the process that it found."""

    def depart(self, path: AtomPath, rng: np.random.Generator) -> Departure:
        """Draw a KMC step.

        Args:
            path: where every atom is.
            rng: of the step.

        Raises:
            SearchesFailedError: no way out is known.
            NoStepError: the rates give no residence time.
        """

    def drawn(self, rng: np.random.Generator) -> int | None:
        """The process that the next KMC step takes, by what is known now; None where that cannot be said.

        Args:
            rng: of the step.
        """

    def no_way_out(self) -> str:
        """What to tell of a superbasin that is shut in."""


class States(Protocol):
    """All states of a run, with their process tables."""

    def place(self, state: int, *, previous: int) -> Place:
        """Where the run is, with what is known now.

        Args:
            state: the run's present one.
            previous: where it came from, or -1.
        """

    def moved(self, departure: Departure) -> None:
        """The run has made a KMC step."""

    @property
    def count(self) -> int:
        """How many are known."""

    def written(self) -> set[str]:
        """Write down what changed; answer the places in the store's live tree that may have changed since `committed`."""

    def committed(self) -> None:
        """What was written is committed."""


class Store(Protocol):
    """Generations and journals of the run: see `mlip_kmc.store.checkpoints.Checkpoints`."""

    @property
    def root(self) -> Path:
        """Its live tree."""

    @property
    def epochs(self) -> Sequence[Epoch]:
        """With which potential and physics records are made; the present epoch comes last."""

    def begin_epoch(self, facts: dict[str, Any], *, inputs: dict[str, str]) -> Any:
        """A new one, from the next record on."""

    def append(self, name: str, line: str) -> None:
        """Add a record to a journal."""

    def records(self, name: str) -> list[str]:
        """The committed records of a journal."""

    def commit(self, state: dict[str, Any], *, touched: Iterable[str]) -> int:
        """Make all that durable."""


class Workers(Protocol):
    """Who runs searches: see `mlip_kmc.workers.cluster.SearchCluster`."""

    @property
    def slots(self) -> int:
        """Searches at a time."""

    @property
    def running(self) -> int:
        """Searches that run now."""

    @property
    def waiting(self) -> int:
        """Searches that wait for a worker."""

    def hold(self) -> int:
        """Start nothing more."""

    def capacity_s(self) -> float:
        """Slots times seconds so far."""
