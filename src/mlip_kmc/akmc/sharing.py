"""What runs of one potential take over from each other: where a search starts, and how often others have searched in vain.

    sharing = Sharing(states, pool=pool, tolerance_A=0.03, takes_part=kinship.explores)
    sharing.look(state)                     # what do other runs know of it?
    sharing.start(state, "7_0", index=0)    # a search from a saddle of theirs, or None: a search as usual
    sharing.exchange()                      # after a commit

No number of another run enters a table. A saddle that another run knows, and this one does not, is where a search of this run
starts; what it finds is registered like anything else. Once the table has all that the other run knows of the state, the searches
in a row that brought that run nothing new count here, too: their displacements have other seeds, so they are as good as own ones.
Each run tells its own searches only, so none counts twice. Where a search from such a saddle does not find it, that run's
knowledge of the state is refused.

What was taken over is noted in the state's folder, and committed with the state: a run directory needs nothing from outside.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np

from mlip_kmc.akmc.eon_files import mode_of
from mlip_kmc.akmc.pool import Known, KnownSaddle, Pool, Table
from mlip_kmc.akmc.queue import SearchStart
from mlip_kmc.akmc.rows import SAME_A, SAME_EV, Row, Rows
from mlip_kmc.akmc.state_files import SHARE, notes, write_note
from mlip_kmc.model.isometry import Isometry, isometries
from mlip_kmc.model.records import SHARED
from mlip_kmc.model.structure import from_con, moved_con

_log = logging.getLogger(__name__)

_EVERY_S = 0.5
_SHARE_OF_TIME = 0.1
"""Reading and writing there takes no more of the server's time, but for a look every so often:"""
_AT_LEAST_EVERY_S = 5.0


@dataclass(frozen=True)
class Hint:
    """A saddle of another run that a search is to start at.

    Attributes:
        source: `run-state` there. process: its number there.
        displacement_con, direction_dat: texts that the search starts from.
    """

    source: str
    process: int
    displacement_con: str
    direction_dat: str


@dataclass
class _Notes:
    """What a state's folder says.

    Attributes:
        hints: by the number of the search that starts there; not registered yet.
        tried: processes whose search is registered, by source.
        refused: sources that are not believed.
        seen: repeats of a source that were taken into account. repeats: of the state's repeats, those of others.
        seen_counts: likewise of each process, by source. counts: by the number of the process here.
    """

    hints: dict[int, Hint] = field(default_factory=dict)
    tried: dict[str, list[int]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    repeats: int = 0
    seen_counts: dict[str, dict[int, int]] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Any) -> Self:
        """Of JSON values, whose keys are words."""
        return cls(
            hints={int(index): Hint(**hint) for index, hint in raw["hints"].items()},
            tried={str(source): list(map(int, them)) for source, them in raw["tried"].items()},
            refused=list(map(str, raw["refused"])),
            seen={str(source): int(count) for source, count in raw["seen"].items()},
            repeats=int(raw["repeats"]),
            seen_counts={
                str(source): _counts(found) for source, found in raw["seen_counts"].items()
            },
            counts=_counts(raw["counts"]),
        )


class Sharing:
    """The rules, over all states of a run; without a pool nothing is shared.

    Long because what is searched for, what counts and what is told rest on the same note of a state.
    """

    def __init__(
        self,
        states: Any,
        *,
        pool: Pool | None,
        tolerance_A: float,
        takes_part: Callable[[Any], bool],
        first_eV: float | None = None,
    ) -> None:
        """Read what the states' folders say.

        Args:
            states: eOn's list.
            pool: where the others are; None: nothing is shared.
            tolerance_A: of an atom from where an operation puts it.
            takes_part: a state is explored by searches of its own, not known by its class.
            first_eV: energy of state 0, where the run begins: eOn knows it only from the first search. None: it goes on.
        """
        self._states, self._pool, self._tolerance_A = states, pool, tolerance_A
        self._takes_part, self._first_eV = takes_part, first_eV
        self._notes = notes(states.path, SHARE, _Notes.of)
        self._last: dict[int, int] = {}
        self._turned: dict[tuple[int, str], tuple[Table, tuple[KnownSaddle, ...] | None]] = {}
        self._published: dict[int, int] = {}
        self._read: tuple[Any, tuple[Row, ...], Table] | None = None
        self._not_before_s = 0.0
        self._searched: Any = None
        self._left: Any = None

    # -- searches that start at saddles of other runs

    def start(self, state: Any, name: str, *, index: int) -> SearchStart | None:
        """A search from a saddle of another run; None where this number is another search's.

        Args:
            state: eOn's.
            name: of the search, `state_index`.
            index: its number.
        """
        self._last[state.number] = max(index, self._last.get(state.number, -1))
        hint = self._of(state).hints.get(index)
        if hint is None:
            return None
        files = {"displacement.con": hint.displacement_con, "direction.dat": hint.direction_dat}
        return SearchStart(name, kind=SHARED, files=files)

    def waiting(self, state: Any) -> int:
        """So many searches from saddles of other runs are not registered."""
        return len(self._of(state).hints)

    def most(self, state: Any) -> int | None:
        """So many searches of the state are wanted until those are registered; None: as many as its confidence takes."""
        hints = self._of(state).hints
        return max(hints) + 1 if hints else None

    def registered(self, state: Any, *, index: int, repeats_before: int) -> None:
        """A search is registered.

        Args:
            state: eOn's.
            index: its number.
            repeats_before: the state's, before that.
        """
        if self._pool is None:
            return
        own = self._of(state)
        if own.repeats and int(state.get_repeats()) < repeats_before:
            own.repeats = 0  # something new was found: repeats begin anew, those of others too
            self._write(state, own)
        hint = own.hints.pop(index, None)
        if hint is None:
            return
        own.tried.setdefault(hint.source, []).append(hint.process)
        self._write(state, own)
        if not own.hints:
            self.look(state)

    def forget(self, state: Any) -> None:
        """Counts of the state begin anew: what others have counted is of another temperature."""
        if self._notes.pop(state.number, None) is not None:
            self._write(state, _Notes())

    # -- what the others know

    def leave(self, state: Any) -> None:
        """The run makes a KMC step out of a state."""
        self._left = state

    def search(self, state: Any) -> None:
        """The run is about to search a state; None: a superbasin, where nothing is shared."""
        self._searched = state
        if state is not None and (self._left is not None or self._first_eV is not None):
            self.look(state)  # it has just come there: nothing is under way

    def look(self, state: Any) -> None:
        """Take up what other runs know of a state."""
        energy, first_eV, self._first_eV = state.get_energy(), self._first_eV, None
        energy = first_eV if energy is None else energy
        if self._pool is None or energy is None or not self._takes_part(state):
            return
        for known in self._pool.others(near_eV=energy):
            source = f"{known.run}-{known.state}"
            if source in self._of(state).refused:
                continue
            turned = self._in_frame_of(state, known, source)
            if turned is not None:
                self._weigh(state, known, turned, source)

    def _in_frame_of(self, state: Any, known: Known, source: str) -> tuple[KnownSaddle, ...] | None:
        """Their saddles as this state would have them; None where the states are not alike."""
        if any(number != state.number for number, _ in self._turned):
            self._turned.clear()
        table, turned = self._turned.get((state.number, source), (None, None))
        if table is not known.table:
            there, here = from_con(known.table.reactant_con), from_con(state.reactant_con)
            found = isometries(there, here, tolerance_A=self._tolerance_A, most=1)
            turned = _turned(known.table, found[0]) if found else None
            self._turned[state.number, source] = (known.table, turned)
        return turned

    def _weigh(self, state: Any, known: Known, turned: Sequence[KnownSaddle], source: str) -> None:
        """Their saddles that are missing here are searched for; where none is, their counts count."""
        own, (here, _) = self._of(state), self._table_of(state)
        alike = {one.process: _process_of(one, here) for one in turned}
        missing = [one for one in turned if alike[one.process] is None and self._counts(state, one)]
        if not missing:
            self._credit(state, known, alike, source)
            return
        hinted = [_displacement(hint, state) for hint in own.hints.values()]
        first = _firsts(missing, known.table.orbits)
        tried = own.tried.get(source, [])
        for one in first:
            if one.process in tried:
                own.refused.append(source)
                self._write(state, own)
                _log.warning(
                    "symmetry.share: process %d of state %d of the run with seed %d is not there when it is searched for; "
                    "what that run knows of this state is not used",
                    one.process,
                    known.state,
                    known.run,
                )
                return
        new = [one for one in first if not any(_near(one.saddle_A, saddle) for saddle in hinted)]
        if new:
            self._hint(state, own, new, source)

    def _counts(self, state: Any, one: KnownSaddle) -> bool:
        """Its barrier is low enough for a row here."""
        states, lowest = self._states, min(state.get_lowest_barrier(), one.barrier_eV)
        window = states.kT * (states.thermal_window + states.max_thermal_window)
        return bool(one.barrier_eV - lowest <= window)

    def _hint(self, state: Any, own: _Notes, new: Sequence[KnownSaddle], source: str) -> None:
        con = state.reactant_con
        home = np.asarray(from_con(con).positions)
        last = max([self._last.get(state.number, -1), *own.hints])
        index = max(int(state.get_total_saddle_count()), last + 1)
        for place, one in enumerate(new):
            own.hints[index + place] = Hint(
                source, one.process, moved_con(con, home + one.saddle_A), mode_of(one.mode)
            )
        self._write(state, own)

    def _credit(
        self, state: Any, known: Known, alike: Mapping[int, int | None], source: str
    ) -> None:
        """Their searches since the last look count."""
        own = self._of(state)
        repeats = max(known.repeats - own.seen.get(source, 0), 0)
        seen = own.seen_counts.get(source, {})
        counts: dict[int, int] = {}
        for process, count in known.counts.items():
            here = alike.get(process)
            if here is not None and count > seen.get(process, 0):
                counts[here] = counts.get(here, 0) + count - seen.get(process, 0)
        if known.repeats == own.seen.get(source, 0) and not counts:
            return
        own.seen[source], own.seen_counts[source] = known.repeats, dict(known.counts)
        own.repeats += repeats
        for process, count in counts.items():
            own.counts[process] = own.counts.get(process, 0) + count
        state.add_counts(repeats=repeats, counts=counts)
        self._write(state, own)

    # -- what this run tells

    def exchange(self) -> None:
        """After a commit: tell what this run knows, and look at what the others do, not too often."""
        begun = time.monotonic()
        left, self._left = self._left, None
        if self._pool is None or (begun < self._not_before_s and left is None):
            return
        for one in (left, self._searched):
            if one is not None and self._takes_part(one):
                self._publish(one)
        if self._searched is not None:
            self.look(self._searched)
        now = time.monotonic()
        pause_s = max(_EVERY_S, (now - begun) / _SHARE_OF_TIME)
        self._not_before_s = now + min(pause_s, _AT_LEAST_EVERY_S)

    def _publish(self, state: Any) -> None:
        if self._pool is None or state.get_energy() is None:
            return
        if self._published.get(state.number) == state.version:
            return
        own = self._of(state)
        counts = {
            process: max(count - own.counts.get(process, 0), 0)
            for process, count in state.get_proc_random_count().items()
        }
        _, table = self._table_of(state)
        known = Known(
            run=self._pool.run,
            state=state.number,
            energy_eV=float(state.get_energy()),
            repeats=max(int(state.get_repeats()) - own.repeats, 0),
            counts=counts,
            table=table,
        )
        if table.saddles and self._pool.publish(known):
            self._published[state.number] = state.version

    def _table_of(self, state: Any) -> tuple[tuple[Row, ...], Table]:
        """The rows of a state, and as others are told of them; read once as long as the same processes are there."""
        state.load_process_table()
        orbits = tuple(map(tuple, state.orbits))
        key = (state.number, state.reactant_con, tuple(sorted(state.procs)), orbits)
        if self._read is None or self._read[0] != key:
            rows = tuple(Rows(state))
            saddles = tuple(
                KnownSaddle(row.process, float(row.values["barrier"]), row.saddle, row.mode)
                for row in rows
            )
            self._read = (key, rows, Table(state.reactant_con, saddles, orbits))
        return self._read[1:]

    def _of(self, state: Any) -> _Notes:
        return self._notes.get(state.number) or _Notes()

    def _write(self, state: Any, own: _Notes) -> None:
        self._notes[state.number] = own
        write_note(state, SHARE, asdict(own))


def _turned(table: Table, operation: Isometry) -> tuple[KnownSaddle, ...]:
    return tuple(
        replace(one, saddle_A=operation.displaced(one.saddle_A), mode=operation.displaced(one.mode))
        for one in table.saddles
    )


def _process_of(one: KnownSaddle, here: Sequence[Row]) -> int | None:
    """The process of this run's table with that saddle."""
    for row in here:
        if not abs(row.values["barrier"] - one.barrier_eV) <= SAME_EV:
            continue
        if _near(row.saddle, one.saddle_A):
            return row.process
    return None


def _near(one: Any, other: Any) -> bool:
    return bool(np.linalg.norm(one - other, axis=1).max() < SAME_A)


def _displacement(hint: Hint, state: Any) -> Any:
    home = from_con(state.reactant_con).positions
    return from_con(hint.displacement_con).positions - home


def _firsts(missing: Sequence[KnownSaddle], orbits: Sequence[Sequence[int]]) -> list[KnownSaddle]:
    """One of each orbit: the others follow from it."""
    orbit_of = {process: number for number, orbit in enumerate(orbits) for process in orbit}
    found: dict[Any, KnownSaddle] = {}
    for one in missing:
        found.setdefault(
            ("orbit", orbit_of[one.process]) if one.process in orbit_of else one.process, one
        )
    return list(found.values())


def _counts(raw: Mapping[Any, Any]) -> dict[int, int]:
    return {int(process): int(count) for process, count in raw.items()}
