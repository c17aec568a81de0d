"""What follows for a state from its symmetry and from its class, in place of searches: the rules of a run's `symmetry` section.

    kinship = Kinship(states, symmetry=config.symmetry, checks=checks, seed=1)
    kinship.meet(state)                          # before it is searched: is it like a known one?
    kinship.start(state, "7_0", index=0)         # the evaluation that recognises it, or None: a search as usual
    kinship.register(state, outcome, index=0, superbasin=None)
    kinship.images(state, outcome)               # what a new process brings with it

A state that looks like a known one has one first "search", also after a refresh: an evaluation. For a seeded share of the
recognised ones, the next is an audit: a search from one of the saddles that were handed over. If it ends elsewhere the state
loses its table and is explored. Where a class' orbits are incomplete each visit adds some searches.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlip_kmc.akmc.classes import Classes, Likeness
from mlip_kmc.akmc.orbits import images_of
from mlip_kmc.akmc.prefactors import Rest
from mlip_kmc.akmc.queue import SearchStart
from mlip_kmc.akmc.rows import Rows
from mlip_kmc.akmc.stale import StaleProcesses
from mlip_kmc.akmc.state_files import text_of
from mlip_kmc.config import SymmetrySection
from mlip_kmc.evaluate.client import End
from mlip_kmc.model.isometry import Isometry, site_symmetry
from mlip_kmc.model.records import AUDIT, Registered, SearchRecord
from mlip_kmc.model.structure import from_con, moved_con
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, Termination
from mlip_kmc.search.points import CLASS, CheckRecipe


class Kinship:
    """Symmetry and classes of a run's states, as far as the configuration asks for them."""

    def __init__(
        self,
        states: Any,
        *,
        symmetry: SymmetrySection | None,
        checks: CheckRecipe | None,
        seed: int,
    ) -> None:
        """Read what is known.

        Args:
            states: eOn's list.
            symmetry: what is asked for; None: nothing.
            checks: what an evaluation must give, where classes are asked for.
            seed: the run's.
        """
        self._states = states
        symmetry = symmetry or SymmetrySection()
        self._symmetry, self._checks = symmetry, checks
        self._classes = (
            Classes(
                states,
                seed=seed,
                tolerance_A=symmetry.tolerance_A,
                audit_share=symmetry.audit_share,
                orbits=symmetry.orbits,
                visit_searches=symmetry.visit_searches,
            )
            if symmetry.classes and checks is not None
            else None
        )

    def meet(self, state: Any) -> None:
        """The run is about to search a state: it is of a class, or looks like one, or begins one."""
        classes = self._classes
        if classes is None or classes.of(state) is not None:
            return
        if not _is_unsearched(state) or classes.looks_like(state) is None:
            classes.alone(state)

    def catch_up(self, state: Any) -> None:
        """The run comes to a state that may have been there before."""
        if self._classes is not None:
            self._classes.catch_up(state)
            self._classes.visit(state, registered=int(state.get_total_saddle_count()))

    def most(self, state: Any) -> int | None:
        """So many searches of the state are wanted, until it is told what it is; None: as many as its confidence takes."""
        if self._classes is None:
            return None
        membership, first = self._classes.of(state), _first_search(state)
        if membership is None:
            return first + 1 if self._looks(state) is not None else None
        if membership.audit is not None:
            return first + 2
        return membership.up_to(int(state.get_total_saddle_count()))

    def would_look(self, state: Any) -> bool:
        """A state that is not of the run's list looks like a known one."""
        return self._classes is not None and self._classes.likeness_of(state) is not None

    def explores(self, state: Any) -> bool:
        """The state is known by searches of its own, not by its class."""
        membership = None if self._classes is None else self._classes.of(state)
        return membership is not None and membership.like is None

    def first_of(self, superbasin: Any) -> Any:
        """The state of a superbasin that is to be searched: one that may be a known one, or the one with least confidence."""
        for state in superbasin.states:
            if self.most(state) is not None:
                return state
        return superbasin.get_lowest_confidence_state()

    def _looks(self, state: Any) -> Likeness | None:
        if self._classes is None or not _is_unsearched(state):
            return None
        return self._classes.looks_like(state)

    def start(self, state: Any, name: str, *, index: int) -> SearchStart | None:
        """What is done in place of a search from a random displacement; None: nothing.

        Args:
            state: eOn's.
            name: of the search, `state_index`.
            index: its number.
        """
        if self._classes is None or self._checks is None:
            return None
        membership, looks = self._classes.of(state), self._looks(state)
        first = _first_search(state)
        if membership is None and looks is not None and index == first:
            con = moved_con(state.reactant_con, looks.image_A)
            expected = self._checks.expected(looks.energy_eV)
            return SearchStart(name, kind=CLASS, files={"pos.con": con}, expected=expected)
        if membership is not None and membership.audit is not None and index == first + 1:
            files = {
                "displacement.con": text_of(state.proc_saddle_path(membership.audit)),
                "direction.dat": text_of(state.proc_mode_path(membership.audit)),
            }
            return SearchStart(name, kind=AUDIT, files=files)
        return None

    def rest(self, state: Any) -> Rest:
        """What a state's own Hessian is of: of a class always its first state, of which all others are exact images.

        Args:
            state: eOn's.
        """
        membership = None if self._classes is None else self._classes.of(state)
        first = state if membership is None else self._states.get_state(membership.first)
        return Rest(int(first.number), str(first.reactant_con))

    def images(self, state: Any, outcome: SearchOutcome) -> Sequence[FoundProcess]:
        """What follows from a new process by the state's symmetry, to be checked.

        Args:
            state: eOn's.
            outcome: of the search that found it.
        """
        if not self._symmetry.orbits or outcome.found is None:
            return ()
        con = state.reactant_con
        return images_of(
            outcome.found,
            atoms=from_con(con),
            symmetry=_symmetry_of(con, self._symmetry.tolerance_A),
        )

    def register(
        self, state: Any, outcome: SearchOutcome, *, index: int, superbasin: Any
    ) -> SearchRecord:
        """Count a search, and take up what it found and what follows from it.

        Args:
            state: eOn's.
            outcome: of the search, or of the evaluation in its place.
            index: its number.
            superbasin: that holds the state, or None.
        """
        if outcome.kind == CLASS:
            return self._recognised(state, outcome, index=index, superbasin=superbasin)
        membership = None if self._classes is None else self._classes.of(state)
        if outcome.kind == AUDIT and self._classes is not None and membership is not None:
            if state.known_as(outcome) == membership.audit:
                self._classes.audited(state)
            else:
                state.renew(reactant_con=state.reactant_con, energy_eV=state.get_energy())
                self._classes.alone(state)
                outcome = _failed(outcome, f"its saddle is not that of state {membership.like}")
        record: SearchRecord = state.register(outcome, index=index, superbasin=superbasin)
        process = record.process
        if record.outcome != Registered.NEW or process is None:
            return record
        if self._classes is not None:
            self._classes.news(state)
        if self._classes is not None and outcome.images_left:
            self._classes.incomplete(state)
        return replace(
            record,
            images=Rows(state).add_images(outcome.images, of=process) if outcome.images else (),
            images_again=outcome.images_again,
            images_left=outcome.images_left,
        )

    def _recognised(
        self, state: Any, outcome: SearchOutcome, *, index: int, superbasin: Any
    ) -> SearchRecord:
        """The state has the table of the one that it looks like; or it does not, and is explored."""
        looks = self._looks(state)
        if (
            self._classes is None
            or looks is None
            or outcome.termination is not Termination.RECOGNISED
        ):
            record: SearchRecord = state.register(outcome, index=index, superbasin=superbasin)
            if self._classes is not None:
                self._classes.alone(state)
            return record
        StaleProcesses(first=index).write_over(
            Path(state.path)
        )  # what waited is in the known table
        copied = self._classes.join(state, looks)
        state.register_known(outcome, index=index, superbasin=superbasin)
        self._classes.visit(state, registered=index + 1)
        return SearchRecord(
            state=state.number,
            index=index,
            outcome=Registered.KNOWN,
            reason="",
            process=None,
            barrier=None,
            force_calls=outcome.force_calls.total,
            seconds=round(outcome.seconds, 3),
            kind=outcome.kind,
            images=tuple(sorted(set(copied.values()))),
            like=looks.known,
        )


def _failed(outcome: SearchOutcome, message: str) -> SearchOutcome:
    """What an audit is registered as that did not end where it should."""
    if outcome.end is not End.FINISHED:
        return outcome
    return replace(
        outcome, found=None, termination=Termination.NOT_RECOGNISED, message=message, rated=None
    )


def _first_search(state: Any) -> int:
    """The number of the state's first search of the present potential."""
    return StaleProcesses.read(Path(state.path)).first


def _is_unsearched(state: Any) -> bool:
    """No search of the state is registered since its potential is what it is."""
    return bool(state.get_total_saddle_count() == _first_search(state))


@lru_cache(maxsize=8)
def _symmetry_of(con: str, tolerance_A: float) -> tuple[Isometry, ...]:
    return site_symmetry(from_con(con), tolerance_A=tolerance_A)
