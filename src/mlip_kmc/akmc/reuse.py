"""What a hop left as it was is carried over to the state behind it, and searches are aimed at what it changed.

    reuse = Reuse(states, section=config.reuse, radius_A=6.0, lag=48, seed=1)
    reuse.reached(departure)                    # a step leads to a state that was never searched
    reuse.begin(state)                          # no class knows it: what is carried over, and where searches start
    reuse.start(state, "7_3", index=3)          # a search from a saddle that is carried over, or None
    reuse.epicentres(state, 40)                 # atoms that search 40 starts at one of; None: any
    reuse.note(state, outcome, record, index=40)

Of the state that was left, the processes whose moving atoms are all further than `radius_A` from every atom that the hop moved by
more than `tolerance_A` (`model/surroundings.py`) have the surroundings that they had. Each of their saddles, put on the new
state's own minimum, is converged again by the state's first searches, and counts as no repeat. All further searches start at an
atom near the change, and confidence counts those alone: about the rest is known what was known before the hop. A seeded share
starts elsewhere, as audits. One that finds a process in the thermal window, far from the change and not listed, shows that
something was missed or has changed: likewise a process that cannot be carried over. Then confidence begins anew, and searches
start anywhere, from `lag` searches later on; those in between, which may have been under way, count for nothing.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlip_kmc.akmc.eon_files import mode_of
from mlip_kmc.akmc.ports import Departure
from mlip_kmc.akmc.queue import SearchStart
from mlip_kmc.akmc.rows import Row, Rows
from mlip_kmc.akmc.state_files import REUSE, notes, write_note
from mlip_kmc.config import ReuseSection
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.atom_path import match_atoms
from mlip_kmc.model.kinetics import search_seed
from mlip_kmc.model.records import Registered, Reused, SearchRecord
from mlip_kmc.model.structure import fixed_atoms, from_con, minimum_image, moved_con
from mlip_kmc.model.surroundings import Change, Indices, change_of, moving_atoms
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome

CARRIED = "carried"
"""The kind of a search that converges a saddle which is carried over."""
ELSEWHERE = "elsewhere"
"""The kind of an audit: a search that starts far from what the hop changed."""
NEAR = "near"
"""The kind of a search near the change that counts for nothing, since an audit before it went wrong."""
MARGIN_A = 1.0
"""Beyond the potential's cutoff, where `radius_A` is left out."""
_SAME_A = 0.5
_DRAW = 13


@dataclass(frozen=True)
class Hop:
    """What a state's folder says of the hop that first led to it.

    Attributes:
        of: the state that was left. process: the one that was made.
        first: number of the search that converges the first process carried over; None: that is not begun.
        carried: processes of `of`, in the order of their searches.
        near: indices of the state's free atoms near what changed.
        off: number of the search that showed something wrong, or None.
    """

    of: int
    process: int
    first: int | None = None
    carried: tuple[int, ...] = ()
    near: tuple[int, ...] = ()
    off: int | None = None

    @classmethod
    def of_note(cls, raw: Any) -> "Hop":
        """Of JSON values."""
        return cls(**{**raw, "carried": tuple(raw["carried"]), "near": tuple(raw["near"])})


@dataclass(frozen=True)
class _Left:
    """The state that was left, seen from the one behind the hop.

    Attributes:
        order: (N,) atom i of it is atom `order[i]` of the new state. change: of its atoms.
    """

    order: Indices
    change: Change

    def has(self, row: Row, found: FoundProcess, state: Any) -> bool:
        """The saddle that a search came to is that of this row, from which it started."""
        atoms = from_con(state.reactant_con)
        here = np.asarray((found.saddle_A - atoms.positions)[self.order])
        off = minimum_image(here - row.saddle, np.asarray(atoms.cell.array))
        off = off - np.median(off, axis=0)
        return bool(np.linalg.norm(off, axis=1).max() < _SAME_A)


def _left(
    known: Any, process: int, state: Any, *, radius_A: float, tolerance_A: float
) -> _Left | None:
    """What a process of the state that was left changed; None where the new state is not its product, atom by atom."""
    before, after = from_con(known.reactant_con), from_con(state.reactant_con)
    cell = np.asarray(before.cell.array, dtype=np.float64)
    arrived = np.asarray(before.positions) + Rows(known).of(process).product
    there = np.asarray(after.positions)
    try:
        order = match_atoms(arrived, there, cell, before.get_chemical_symbols())
    except RunStateError:
        return None
    change = change_of(before, there[order], radius_A=radius_A, tolerance_A=tolerance_A)
    return _Left(order, change)


def _audited(state: Any, record: SearchRecord, *, near: tuple[int, ...]) -> Reused | None:
    """What an audit says; nothing where it came to nothing."""
    if record.outcome not in (Registered.NEW, Registered.REPEAT, Registered.HIGH):
        return None
    process = record.process
    if record.outcome != Registered.NEW or process is None:
        return Reused.CONFIRMED
    if process not in state.get_relevant_procids(None):
        return Reused.CONFIRMED
    row = Rows(state).of(process)
    there = Change(np.array(near), np.array(near))
    unlisted = there.spares(moving_atoms(row.saddle, row.product))
    return Reused.WRONG if unlisted else Reused.CONFIRMED


def _free_atoms(state: Any) -> Indices:
    """(F,) indices of those of a state's atoms that are not fixed."""
    atoms = from_con(state.reactant_con)
    return np.setdiff1d(np.arange(len(atoms)), fixed_atoms(atoms))


class Reuse:
    """What is carried over from state to state, where the configuration asks for it.

    Long because all of it reads and changes one note of a hop, from the step that leads to a state to its last audit.
    """

    def __init__(
        self, states: Any, *, section: ReuseSection | None, radius_A: float, lag: int, seed: int
    ) -> None:
        """Read what the states' folders say.

        Args:
            states: eOn's list.
            section: what is asked for; None: nothing.
            radius_A: as far as an atom sees a change.
            lag: no more searches are under way at a time.
            seed: the run's.
        """
        self._states, self._seed, self._lag, self._radius_A = states, seed, lag, radius_A
        self._section = section if section is not None and section.after_hop else None
        asked = self._section is not None and not states.config.comp_check_rotation
        self._hops = notes(states.path, REUSE, Hop.of_note) if asked else {}
        self._asked = asked
        self._last_left: tuple[tuple[int, int, str, str], _Left | None] | None = None

    def reached(self, departure: Departure) -> None:
        """A step leads to a state; from a superbasin nothing is carried over, as its states are not known one by one.

        Args:
            departure: the step.
        """
        state = self._states.get_state(departure.product)
        if not self._asked or departure.superbasin is not None or state.number in self._hops:
            return
        if int(state.get_total_saddle_count()) == 0:
            self._note(state, Hop(departure.left, departure.process))

    def begin(self, state: Any) -> None:
        """The state is to be searched: what is carried over to it, and where searches start.

        Args:
            state: eOn's; what it is like, as far as classes know, is told.
        """
        hop = self._hops.get(state.number)
        if hop is None or hop.first is not None:
            return
        left = self._left(state)
        free = _free_atoms(state)
        near = np.intersect1d(free, free if left is None else left.order[left.change.near])
        if left is None or len(near) in (0, len(free)):
            self.drop(state)
            return
        carried = [
            row.process
            for row in Rows(self._states.get_state(hop.of))
            if left.change.spares(moving_atoms(row.saddle, row.product))
        ]
        first = int(state.get_total_saddle_count())
        self._note(
            state, replace(hop, first=first, carried=tuple(carried), near=tuple(near.tolist()))
        )

    def drop(self, state: Any) -> None:
        """Nothing is carried over: the state is recognised, or all of it is near the change, or it is left alone."""
        if self._hops.pop(state.number, None) is not None:
            (Path(state.path) / REUSE).unlink(missing_ok=True)
            state.note()

    def waiting(self, state: Any) -> int:
        """So many processes that are carried over are not yet converged."""
        hop = self._hops.get(state.number)
        if hop is None or hop.first is None:
            return 0
        return max(hop.first + len(hop.carried) - int(state.get_total_saddle_count()), 0)

    def start(self, state: Any, name: str, *, index: int) -> SearchStart | None:
        """A search that starts at a saddle which is carried over; None where this number is another search's.

        Args:
            state: eOn's.
            name: of the search, `state_index`.
            index: its number.
        """
        process = self._carried(state, index)
        if process is None:
            return None
        hop = self._hops[state.number]
        left = self._left(state)
        if left is None:  # it was there when the hop began
            raise RunStateError(f"state {state.number} is not behind process {hop.process}")
        row = Rows(self._states.get_state(hop.of)).of(process)
        saddle, mode = np.empty_like(row.saddle), np.empty_like(row.mode)
        saddle[left.order], mode[left.order] = row.saddle, row.mode
        con = state.reactant_con
        files = {
            "displacement.con": moved_con(con, np.asarray(from_con(con).positions) + saddle),
            "direction.dat": mode_of(mode),
        }
        return SearchStart(name, kind=CARRIED, files=files)

    def _carried(self, state: Any, index: int) -> int | None:
        hop = self._hops.get(state.number)
        if hop is None or hop.first is None:
            return None
        place = index - hop.first
        return hop.carried[place] if 0 <= place < len(hop.carried) else None

    def epicentres(self, state: Any, index: int) -> Collection[int] | None:
        """The atoms that a search starts at one of; None: any.

        Args:
            state: eOn's.
            index: the search's number.
        """
        if not self._is_aimed(state, index):
            return None
        near = self._hops[state.number].near
        if not self.is_audit(state, index):
            return frozenset(near)
        return frozenset(np.setdiff1d(_free_atoms(state), near).tolist())

    def _is_aimed(self, state: Any, index: int) -> bool:
        hop = self._hops.get(state.number)
        if hop is None or hop.first is None or index < hop.first + len(hop.carried):
            return False
        return hop.off is None or index < hop.off + self._lag

    def is_audit(self, state: Any, index: int) -> bool:
        """A search of this number starts far from the change."""
        if self._section is None or not self._is_aimed(state, index):
            return False
        seed = search_seed(seed=self._seed, state=state.number, index=index)
        return bool(np.random.default_rng([seed, _DRAW]).random() < self._section.audit_share)

    def as_counted(self, state: Any, outcome: SearchOutcome, *, index: int) -> SearchOutcome:
        """A search as it is registered: confidence counts those near the change, while nothing is wrong.

        Args:
            state: eOn's.
            outcome: of the search.
            index: its number.
        """
        if self.is_audit(state, index):
            return replace(outcome, kind=ELSEWHERE)
        hop = self._hops.get(state.number)
        if hop is None or hop.off is None or not self._is_aimed(state, index):
            return outcome
        return replace(outcome, kind=NEAR)

    def note(
        self, state: Any, outcome: SearchOutcome, record: SearchRecord, *, index: int
    ) -> SearchRecord:
        """Tell what a search says of what was carried over.

        Args:
            state: eOn's.
            outcome: of the search, as it was registered.
            record: of its registration.
            index: its number.
        """
        said = self._said(state, outcome, record, index)
        if said is None:
            return record
        hop = self._hops[state.number]
        if said in (Reused.LOST, Reused.WRONG) and hop.off is None:
            self._note(state, replace(hop, off=index))
            state.forget_counts()
        return replace(record, reused=said, like=hop.of if outcome.kind == CARRIED else None)

    def _said(
        self, state: Any, outcome: SearchOutcome, record: SearchRecord, index: int
    ) -> Reused | None:
        if outcome.kind == ELSEWHERE:
            return _audited(state, record, near=self._hops[state.number].near)
        process = self._carried(state, index)
        if process is None or outcome.kind != CARRIED:
            return None
        row = Rows(self._states.get_state(self._hops[state.number].of)).of(process)
        left = self._left(state)
        if outcome.found is not None and left is not None and left.has(row, outcome.found, state):
            return Reused.CARRIED
        above = row.values["barrier"] - state.get_lowest_barrier()
        matters = not above > self._states.kT * self._states.thermal_window
        return Reused.LOST if matters else Reused.FADED

    def _left(self, state: Any) -> "_Left | None":
        assert self._section is not None  # noqa: S101 - else no hop is noted
        hop = self._hops[state.number]
        known = self._states.get_state(hop.of)
        which = (hop.of, hop.process, known.reactant_con, state.reactant_con)
        if self._last_left is None or self._last_left[0] != which:
            limits = {"radius_A": self._radius_A, "tolerance_A": self._section.tolerance_A}
            self._last_left = (which, _left(known, hop.process, state, **limits))
        return self._last_left[1]

    def _note(self, state: Any, hop: Hop) -> None:
        self._hops[state.number] = hop
        write_note(state, REUSE, asdict(hop))
