"""Saddles that a search found beside a known one, of the same barrier and product: converged further until they are told apart.

    doubt = doubt_of(outcome.found, state=state, images=images)
    desk = TwinDesk(cluster, force_eV_per_A=1e-4)
    desk.ask("0_17", outcome.found, doubt, search=task)
    desk.answer("0_17")                    # ToldApart(kind=Twin.SAME, process=3, ...), or None: not yet

A search stops where the largest force on an atom is below F, at F over the curvature from the saddle. Where the landscape is flat
two searches that end at one saddle leave it more than 0.1 A apart, and by eOn's comparison that is two processes: their rate
counts twice. No distance tells them from two saddles that are there: both are converged to a hundredth of F, and compared then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlip_kmc.akmc.desk import BY_CHANCE, Desk
from mlip_kmc.akmc.rows import NEAR_A, SAME_A, Rows
from mlip_kmc.config.eon_options import LEAST_FORCE_EV_PER_A, with_converged_forces
from mlip_kmc.ground.errors import SearchesFailedError
from mlip_kmc.model.atom_path import without_drift
from mlip_kmc.model.records import Twin
from mlip_kmc.model.structure import Array, fixed_atoms, from_con, minimum_image
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, ToldApart
from mlip_kmc.search.task import ProcessSearch

TWIN = "twin"
"""The kind of a search that converges a saddle further."""
FURTHER = 1e-2
"""The force to which both are converged, over that of the searches, as for low barriers."""


@dataclass(frozen=True)
class Doubt:
    """What a new saddle may be.

    Attributes:
        known: processes of the table, each with what is known of it.
        settled: those of them that were converged further before.
        own: an image of the saddle by the state's symmetry lies beside it, or beside a known one: where it is decides how many
            images it has.
    """

    known: tuple[tuple[int, FoundProcess], ...] = ()
    settled: frozenset[int] = frozenset()
    own: bool = False

    def __bool__(self) -> bool:
        """There is one."""
        return bool(self.known) or self.own


def doubt_of(found: FoundProcess, *, state: Any, images: Sequence[FoundProcess] = ()) -> Doubt:
    """What a saddle that the table does not have may be all the same.

    Args:
        found: in the frame of the state.
        state: a `RecordingState`.
        images: of what was found, by the state's symmetry.
    """
    known = tuple((process, row) for process, row in _near(found, state))
    own = any(_is_beside(image, found, state) for image in images) or any(
        _is_beside(image, row, state) for image in images for _, row in _near(image, state)
    )
    return Doubt(known, frozenset(state.settled), own=own)


def _near(found: FoundProcess, state: Any) -> list[tuple[int, FoundProcess]]:
    """Processes of the table whose saddle, barrier and product are near."""
    rows = Rows(state)
    known = [(process, _known(state, rows, process)) for process in state.near(found, NEAR_A)]
    return [(process, row) for process, row in known if _leads_there(row, found, state)]


def _known(state: Any, rows: Rows, process: int) -> FoundProcess:
    """A row of the table, as a search would have found it."""
    row, home = rows.of(process), np.asarray(from_con(state.reactant_con).positions)
    values = row.values
    return FoundProcess(
        reactant_eV=float(state.get_energy()),
        saddle_eV=values["saddle_energy"],
        product_eV=values["product_energy"],
        forward_per_s=values["prefactor"],
        back_per_s=values["product_prefactor"],
        reactant_A=home,
        saddle_A=state.settled.get(process, home + row.saddle),
        product_A=home + row.product,
        mode=row.mode,
    )


def _leads_there(one: FoundProcess, other: FoundProcess, state: Any) -> bool:
    return _apart_A(one.product_A, other.product_A, state) < NEAR_A


def _is_beside(one: FoundProcess, other: FoundProcess, state: Any) -> bool:
    """Saddles of the same product, near each other and not the same."""
    apart_A = _apart_A(one.saddle_A, other.saddle_A, state)
    return SAME_A <= apart_A < NEAR_A and _leads_there(one, other, state)


def _apart_A(one: Array, other: Array, state: Any) -> float:  # noqa: N802 - a unit
    """The largest distance of an atom from itself."""
    home = from_con(state.reactant_con)
    off = minimum_image(one - other, np.asarray(home.cell.array))
    left = without_drift(off, anchored=bool(len(fixed_atoms(home))))
    return float(np.linalg.norm(left, axis=1).max())


@dataclass
class _Asked:
    """One search's saddle, what it may be, and what came back of both."""

    found: FoundProcess
    doubt: Doubt
    search: str
    anchored: bool
    came: dict[str, SearchOutcome] = field(default_factory=dict)

    def name(self, place: int) -> str:
        """Of the search that converges the saddle itself (0) or a known one further."""
        return f"{self.search}.{TWIN}-{place}"

    @property
    def searches(self) -> dict[str, FoundProcess]:
        """By name, what is converged further."""
        rows = [self.found, *(row for _, row in self.doubt.known)]
        there = [False, *(process in self.doubt.settled for process, _ in self.doubt.known)]
        return {
            self.name(place): row
            for place, (row, is_there) in enumerate(zip(rows, there, strict=True))
            if not is_there
        }

    @property
    def further(self) -> FoundProcess | None:
        """The saddle itself, where it ended beside where it was."""
        return self._kept(0, self.found)

    @property
    def known(self) -> list[tuple[int, FoundProcess]]:
        """The known ones that ended beside where they were."""
        kept = [
            (process, self._kept(place, row))
            for place, (process, row) in enumerate(self.doubt.known, start=1)
        ]
        return [(process, row) for process, row in kept if row is not None]

    def _kept(self, place: int, before: FoundProcess) -> FoundProcess | None:
        if self.name(place) not in self.searches:
            return before
        found = self.came[self.name(place)].found
        return None if found is None or not self.apart_A(found, before) < NEAR_A else found

    def apart_A(self, one: FoundProcess, other: FoundProcess) -> float:  # noqa: N802 - a unit
        """The largest distance of an atom between two saddles."""
        off = without_drift(one.saddle_A - other.saddle_A, anchored=self.anchored)
        return float(np.linalg.norm(off, axis=1).max())

    def is_same(self, one: FoundProcess, other: FoundProcess) -> bool:
        """Two saddles that were converged further are one."""
        return self.apart_A(one, other) < SAME_A


@dataclass
class TwinDesk(Desk):
    """Saddles that are being told apart.

    Attributes:
        force_eV_per_A: at which the searches themselves stop.
    """

    force_eV_per_A: float
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _alone: set[str] = field(default_factory=set)

    def doubt_once(self, name: str, doubt: Callable[[], Doubt]) -> Doubt:
        """What a search's saddle may be; where that is nothing else it is not compared again while the search waits.

        The table does not change meanwhile: it is this search's turn.

        Args:
            name: of the search.
            doubt: compares it.
        """
        if name in self._alone:
            return Doubt()
        if not (found := doubt()):
            self._alone.add(name)
        return found

    def ask(self, name: str, found: FoundProcess, doubt: Doubt, *, search: ProcessSearch) -> None:
        """Have a search's saddle, and the known ones that it may be, converged further.

        Args:
            name: of the search, `state_index`.
            found: what it found.
            doubt: what that may be.
            search: that search.
        """
        if name in self._asked:
            return
        anchored = bool(len(fixed_atoms(from_con(search.reactant_con))))
        asked = self._asked[name] = _Asked(found, doubt, name, anchored)
        further = self._further(search)
        for one, row in asked.searches.items():
            self.send(further.from_saddle(row, name=one, kind=TWIN))

    def _further(self, search: ProcessSearch) -> ProcessSearch:
        force = max(FURTHER * self.force_eV_per_A, LEAST_FORCE_EV_PER_A)
        files = {
            **search.job.files,
            "config.ini": with_converged_forces(search.job.files["config.ini"], force),
        }
        return replace(search, job=replace(search.job, files=files), settling=None)

    def take(self, done: SearchOutcome) -> None:
        """Take what came back, where it is still wanted."""
        if self.came_back(done):
            self._asked[done.name.partition(".")[0]].came[done.name] = done

    def waiting(self, name: str) -> bool:
        """Asked, and not all there."""
        return name in self._asked and any(
            task in self.tasks for task in self._asked[name].searches
        )

    def answer(self, name: str) -> ToldApart | None:
        """What the search's saddle is; None where that is not asked for, or not told yet.

        Raises:
            SearchesFailedError: it could not be converged, for no reason of its own.
        """
        asked = self._asked.get(name)
        if asked is None or self.waiting(name):
            return None
        for done in asked.came.values():
            if done.end in BY_CHANCE:
                del self._asked[name]
                raise SearchesFailedError(
                    f"a saddle beside that of search {name} was not converged ({done.end}: {done.message}); the same command "
                    "tries again; a larger search.time_limit_min gives it more time"
                )
        return _told(asked)

    def forget(self, name: str) -> None:
        """A search is registered, or no longer wanted."""
        self._alone.discard(name)
        if (asked := self._asked.pop(name, None)) is not None:
            self.take_back(asked.searches)


def _told(asked: _Asked) -> ToldApart:
    calls = sum(done.force_calls.total for done in asked.came.values())
    further, known = asked.further, asked.known
    if further is None:
        return ToldApart(Twin.UNSURE, calls=calls)
    same = [process for process, row in known if asked.is_same(further, row)]
    unsure = len(known) < len(asked.doubt.known)
    kind = Twin.SAME if same else Twin.UNSURE if unsure else Twin.OTHER
    return ToldApart(
        kind,
        process=same[0] if same else None,
        found=further,
        known=tuple((process, row.saddle_A) for process, row in known),
        calls=calls,
    )
