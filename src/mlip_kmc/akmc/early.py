"""Climbs that end early: a search is told which saddles its state knows, and how high a saddle may be to count.

    early = EarlyStops(states, search=config.search, seed=1)
    early.told(state, 60)                        # what search 60 of the state is told, or None
    early.register(state, outcome, index=60, superbasin=None)       # of one that ended early: a repeat of that process
    early.note(state, outcome, record, index=60) # of any other

Search *k* knows what was registered before search *k* - `search.early_stop_lag`, no more: so what it is told does not depend on
how many workers there are. The first 60 such climbs of a run go on to their end, to see whether they come to that saddle; from
then on a share drawn by seed does. One that ends elsewhere halves the distance at which climbs end early, and takes back the
repeats of its state. Nothing is told in a superbasin, where searches of several states are under way.

A climb also ends where its saddle is sure to be higher above the lowest known one than a process of the table may be: it counts
as too high, as it would. The lowest barrier of all is no higher, so nothing is left out that the whole table would have.
A share drawn by seed goes on to its end; one that ends at a lower saddle switches this off, for all states.
"""

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np

from mlip_kmc.akmc.rows import Rows
from mlip_kmc.akmc.state_files import EARLY, notes, write_note
from mlip_kmc.config import SearchSection
from mlip_kmc.model.kinetics import search_seed
from mlip_kmc.model.records import Early, Registered, SearchRecord
from mlip_kmc.model.structure import Array, from_con
from mlip_kmc.search.native.identify import KnownSaddles
from mlip_kmc.search.native.stages import Told
from mlip_kmc.search.outcome import SearchOutcome, Termination

CLEAN = 60
"""So many audits without an error bound the share of wrong early stops by 3/60, with 95 % confidence."""
SHARE = 0.07
_DRAW, _DRAW_WINDOW = 11, 12


@dataclass
class _Notes:
    """What a state's folder says: the search that found each process; audits by their searches, of saddles and of the window."""

    found: dict[int, int] = field(default_factory=dict)
    audits: dict[int, bool] = field(default_factory=dict)
    beyond: dict[int, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Any) -> Self:
        """Of JSON values, whose keys are words."""
        return cls(
            found={int(process): int(index) for process, index in raw["found"].items()},
            audits={int(index): bool(confirmed) for index, confirmed in raw["audits"].items()},
            beyond={int(at): bool(good) for at, good in raw.get("beyond", {}).items()},
        )


class EarlyStops:
    """Early stops and their audits, over all states of a run."""

    def __init__(self, states: Any, *, search: SearchSection | None, seed: int) -> None:
        """Read what the states' folders say.

        Args:
            states: eOn's list.
            search: what is asked for; None: nothing.
            seed: the run's.
        """
        self._search = search if search is not None and search.early_stop else None
        self._seed = seed
        self._notes = {} if self._search is None else notes(states.path, EARLY, _Notes.of)
        self._saddles: dict[tuple[int, int], Array] = {}

    def apart(self) -> "EarlyStops":
        """The same knowledge for states in another folder; what is noted there is not known here."""
        other = copy(self)
        other._notes = deepcopy(self._notes)  # noqa: SLF001 - another of its kind
        other._saddles = {}  # noqa: SLF001
        return other

    def told(self, state: Any, index: int) -> Told | None:
        """What a search is told; None: nothing.

        Args:
            state: eOn's, in no superbasin.
            index: its number among the searches of the state.
        """
        known = self._known(state, index)
        if self._search is None or not known:
            return None
        counted = self._counted(
            {key: noted.audits for key, noted in self._notes.items()}, state, index
        )
        beyond = self._counted(
            {key: noted.beyond for key, noted in self._notes.items()}, state, index
        )
        seed = search_seed(seed=self._seed, state=state.number, index=index)
        chance, other = (
            float(np.random.default_rng([seed, draw]).random()) for draw in (_DRAW, _DRAW_WINDOW)
        )
        return Told(
            saddles=KnownSaddles(np.stack([self._saddle(state, process) for process in known])),
            within_A=self._search.early_stop_A * 0.5 ** counted.count(False),
            audited=counted.count(True) < CLEAN or not chance >= SHARE,
            window_eV=None if False in beyond else self._window_eV(state, known),
            window_audited=not other >= SHARE,
        )

    def _counted(
        self, audits: Mapping[int, Mapping[int, bool]], state: Any, index: int
    ) -> list[bool]:
        """What audits, by state and search, say that the search may know."""
        assert self._search is not None  # noqa: S101 - else nothing is told
        first = index - self._search.early_stop_lag
        return [
            confirmed
            for number, of_state in audits.items()
            for at, confirmed in of_state.items()
            if number != state.number or at < first
        ]

    def _window_eV(self, state: Any, known: Sequence[int]) -> float | None:  # noqa: N802 - a unit
        """How high above the state a process of the table is at most; None in regions, where barriers are not yet exact."""
        assert self._search is not None  # noqa: S101 - else nothing is told
        if self._search.region_A is not None:
            return None
        lowest = min(float(state.procs[process]["barrier"]) for process in known)
        return lowest + float(state.window_eV)

    def _known(self, state: Any, index: int) -> list[int]:
        """Processes of the state that the search may know, always the same."""
        if self._search is None:
            return []
        state.load_process_table()
        found = self._notes.get(state.number, _Notes()).found
        first = index - self._search.early_stop_lag
        return [process for process in sorted(state.procs) if found.get(process, -1) < first]

    def _saddle(self, state: Any, process: int) -> Array:
        key = (state.number, process)
        if key not in self._saddles:
            if any(number != state.number for number, _ in self._saddles):
                self._saddles.clear()  # of a state that was left
            home = np.asarray(from_con(state.reactant_con).positions)
            self._saddles[key] = home + Rows(state).of(process).saddle
        return self._saddles[key]

    def register(
        self, state: Any, outcome: SearchOutcome, *, index: int, superbasin: Any
    ) -> SearchRecord:
        """Count a search that ended early, as a repeat or as too high.

        Args:
            state: eOn's.
            outcome: of the search: `KNOWN_SADDLE` or `OUT_OF_WINDOW`.
            index: its number.
            superbasin: that holds the state, or None.
        """
        if outcome.termination is Termination.OUT_OF_WINDOW:
            high: SearchRecord = state.register_high(outcome, index=index, superbasin=superbasin)
            stopped = outcome.beyond is not None and not outcome.beyond.audited
            return self.note(
                state, outcome, replace(high, early=Early.BEYOND if stopped else None), index=index
            )
        if outcome.known is None:
            raise ValueError(f"search {outcome.name} ended at no known saddle")
        process = self._known(state, index)[outcome.known.index]
        record: SearchRecord = state.register_repeat(
            outcome, process, index=index, superbasin=superbasin
        )
        return replace(record, early=Early.STOPPED)

    def note(
        self, state: Any, outcome: SearchOutcome, record: SearchRecord, *, index: int
    ) -> SearchRecord:
        """Note what any other search found, and whether it was an audit.

        Args:
            state: eOn's.
            outcome: of the search.
            record: of its registration.
            index: its number.
        """
        if self._search is None:
            return record
        noted = self._notes.setdefault(state.number, _Notes())
        new = record.outcome == Registered.NEW
        if new and record.process is not None:
            noted.found.update(dict.fromkeys((record.process, *record.images), index))
        audit = outcome.known if outcome.known is not None and outcome.known.audited else None
        if audit is not None:
            noted.audits[index] = bool(audit.confirmed)
            record = replace(record, early=Early.CONFIRMED if audit.confirmed else Early.WRONG)
            if not audit.confirmed:
                state.reset_repeats()
        beyond = outcome.beyond if outcome.beyond is not None and outcome.beyond.audited else None
        if beyond is not None:
            noted.beyond[index] = bool(beyond.confirmed)
            record = replace(record, early=Early.OUTSIDE if beyond.confirmed else Early.INSIDE)
        if new or audit is not None or beyond is not None:
            write_note(state, EARLY, asdict(noted))
        return record


def ended_early(outcome: SearchOutcome) -> bool:
    """It ended on its way to a known saddle, or out of the window."""
    return outcome.termination in (Termination.KNOWN_SADDLE, Termination.OUT_OF_WINDOW)
