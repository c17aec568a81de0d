"""Classes of states: those that are equal but for their place share one process table.

    classes = Classes(states, seed=1, tolerance_A=0.03, audit_share=0.05)
    looks = classes.looks_like(state)              # Likeness to the best known state of a class, or None
    copied = classes.join(state, looks)            # after an evaluation: table, counts and confidence of the class
    classes.news(state)                            # a search of a member found what the class did not know

A vacancy makes one class of all its sites. A state is recognised by its energy and by an operation that takes every atom of the
known state to an atom of it (`model/isometry.py`); one evaluation of the image must then give the known energy, and no force.
Where the site symmetry leaves several operations one is drawn by seed, so that a process that was missed is not always missing
in the same direction. The member that knows most hands over its table; what a later member finds reaches the others when the run
comes to them again. Where orbits are incomplete each visit adds searches (`visit`): what was missed is missed in all of them.
Trajectory and superbasins stay on sites: a member has its own atoms, products and number.

A member's minimum becomes the exact image of the known one. Otherwise each hop would add the error of a relaxation to the last.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.akmc.rows import Rows
from mlip_kmc.akmc.state_files import CLASS, notes, write_note
from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.isometry import Isometry, isometries
from mlip_kmc.model.kinetics import search_seed
from mlip_kmc.model.structure import Array, fixed_atoms, from_con, minimum_image

ENERGY_TOLERANCE_EV = 2e-3
"""Energies of equal minima differ by this at most, as each was relaxed on its own."""
_SURE = 0.1
_DRAW = 7
"""Its random stream is apart from those of searches."""


@dataclass(frozen=True)
class Membership:
    """What a state's folder says of its class.

    Attributes:
        first: the number of the class: that of its first state.
        revision: of the class' table, as this state has it: it grows with each process that a member finds.
        like: the state that the table was handed over from; None where it is this state's own.
        audit: the process of the table whose saddle is converged again before a step, or None.
        left: an image of one of its processes did not hold: its orbits are incomplete.
        until: so many searches of the state are wanted before the next step, as it was visited; None: no more than before.
    """

    first: int
    revision: int = 0
    like: int | None = None
    audit: int | None = None
    left: bool = False
    until: int | None = None

    def up_to(self, registered: int) -> int | None:
        """So many searches are wanted since the last visit; None where they are registered."""
        return self.until if self.until is not None and registered < self.until else None


@dataclass(frozen=True)
class Likeness:
    """How a state looks like a known one.

    Attributes:
        known: the number of the known state.
        operation: takes it to this one.
        image_A: (N, 3) the known minimum's image, next to this state's atoms.
        energy_eV: of the known minimum.
    """

    known: int
    operation: Isometry
    image_A: Array
    energy_eV: float


class Classes:
    """The classes of a run's states."""

    def __init__(
        self,
        states: Any,
        *,
        seed: int,
        tolerance_A: float,
        audit_share: float,
        orbits: bool = True,
        visit_searches: int = 0,
    ) -> None:
        """Read what the states' folders say.

        Args:
            states: eOn's list.
            seed: the run's.
            tolerance_A: of an atom from its place.
            audit_share: of recognised states, whose table is audited.
            orbits: a new process brings its images.
            visit_searches: so many each visit adds to a class whose orbits are incomplete.
        """
        self._states, self._seed = states, seed
        self._orbits, self._visit_searches = orbits, visit_searches
        self._tolerance_A, self._audit_share = tolerance_A, audit_share
        self._members = notes(states.path, CLASS, lambda raw: Membership(**raw))
        self._looks: dict[int, Likeness | None] = {}
        self._best: dict[int, int] = {}
        self._incomplete = _incomplete(self._members)
        self._handing: tuple[tuple[int, int], Rows] | None = None
        states.recounted.update(self._members)

    def of(self, state: Any) -> Membership | None:
        """The class of a state; None where it is not yet known."""
        return self._members.get(state.number)

    def best(self, first: int) -> int:
        """The member of a class that knows most, by revision, then by repeats; the lowest number of equals."""
        self._look_again()
        return self._best[first]

    def _look_again(self) -> None:
        """Find the best of each class in which a state's folder has changed since; all are looked at where the best one's has."""
        changed = self._states.recounted & self._members.keys()
        self._states.recounted.clear()
        for first in {self._members[number].first for number in changed}:
            news = {number for number in changed if self._members[number].first == first}
            best = self._best.get(first)
            if best is None or best in news:
                news = {number for number, own in self._members.items() if own.first == first}
            else:
                news.add(best)
            self._best[first] = max(news, key=self._knowledge)

    def _knowledge(self, number: int) -> tuple[int, int, int]:
        repeats = int(self._states.get_state(number).get_repeats())
        return self._members[number].revision, repeats, -number

    def looks_like(self, state: Any) -> Likeness | None:
        """The known state that one without a class looks like; None where it looks like none."""
        if state.number not in self._looks:
            self._looks[state.number] = self.likeness_of(state)
        return self._looks[state.number]

    def likeness_of(self, state: Any) -> Likeness | None:
        """As `looks_like`, but of a state that need not be of the run's list: nothing is remembered."""
        energy = state.get_energy()
        if energy is None:
            return None
        atoms = _minimum(state)
        self._look_again()
        for first in sorted(self._best):
            known = self._states.get_state(self.best(first))
            if not abs(known.get_energy() - energy) <= ENERGY_TOLERANCE_EV:
                continue
            if (found := self._likeness(known, state, atoms)) is not None:
                return found
        return None

    def _likeness(self, known: Any, state: Any, atoms: Atoms) -> Likeness | None:
        other = _minimum(known)
        operations = isometries(other, atoms, tolerance_A=self._tolerance_A)
        if not operations:
            return None
        drawn = operations[int(self._draw(state.number).integers(len(operations)))]
        return Likeness(
            known=known.number,
            operation=drawn,
            image_A=_image(other, atoms, drawn),
            energy_eV=float(known.get_energy()),
        )

    def _draw(self, number: int) -> np.random.Generator:
        return np.random.default_rng([search_seed(seed=self._seed, state=number, index=0), _DRAW])

    def join(self, state: Any, looks: Likeness) -> Mapping[int, int]:
        """Hand the known state's table over to one that is recognised.

        Args:
            state: eOn's, without registered searches.
            looks: as of `looks_like`.

        Returns:
            the number in its table of each process of the known state's.
        """
        known = self._states.get_state(looks.known)
        class_of = self._members[looks.known]
        state.move_minimum(looks.image_A, energy_eV=looks.energy_eV)
        copied = Rows(state).take(self._rows_of(known), looks.operation)
        state.take_counts(known, copied)
        rng, audit = self._draw(state.number), None
        rng.integers(2)
        if copied and rng.random() < self._audit_share:
            audit = sorted(copied.values())[int(rng.integers(len(copied)))]
        self._note(state, replace(class_of, like=looks.known, audit=audit, until=None))
        return copied

    def _rows_of(self, known: Any) -> Rows:
        """The table that is handed over, read once as long as the same state hands over the same."""
        if self._handing is None or self._handing[0] != (known.number, known.version):
            self._handing = ((known.number, known.version), Rows(known))
        return self._handing[1]

    def alone(self, state: Any) -> None:
        """A state begins a class of its own."""
        self._looks[state.number] = None
        self._note(state, Membership(first=state.number))

    def audited(self, state: Any) -> None:
        """A state's audit came out as it should."""
        self._note(state, replace(self._members[state.number], audit=None))

    def news(self, state: Any) -> None:
        """A search of a member found a process that its table did not have."""
        own = self._members[state.number]
        newest = max(entry.revision for entry in self._members.values() if entry.first == own.first)
        self._note(state, replace(own, revision=newest + 1, like=None))

    def incomplete(self, state: Any) -> None:
        """An image of a process of this state did not hold, and was left to searches."""
        self._note(state, replace(self._members[state.number], left=True))

    def visit(self, state: Any, *, registered: int) -> None:
        """The run comes to a member: where its class may lack something, some more searches are wanted.

        That is where orbits are off or incomplete, until the class' doubt is a tenth of what a state alone may have.

        Args:
            state: eOn's.
            registered: so many searches of it are.
        """
        own = self._members.get(state.number)
        if own is None or not self._visit_searches or self._is_complete(own.first):
            return
        if not 1 - state.get_confidence() > _SURE * (1 - self._states.config.akmc_confidence):
            return
        more = self._visit_searches + (own.audit is not None)
        self._note(state, replace(own, until=registered + more))

    def _is_complete(self, first: int) -> bool:
        return self._orbits and first not in self._incomplete

    def catch_up(self, state: Any) -> None:
        """A member that the run comes to again takes up what others have found since."""
        own = self._members.get(state.number)
        if own is None:
            return
        best = self.best(own.first)
        known = self._states.get_state(best)
        behind = self._members[best].revision > own.revision
        if best == state.number or not (behind or known.get_repeats() > state.get_repeats()):
            return
        looks = self._likeness(known, state, _minimum(state))
        if looks is None:  # they were one when the state joined: minima do not change since
            raise RunStateError(
                f"states {best} and {state.number} are of one class, and no operation takes one to the other: report this with "
                "the run directory"
            )
        copied = Rows(state).take(self._rows_of(known), looks.operation)
        state.take_counts(known, copied)
        self._note(state, replace(own, revision=self._members[best].revision, like=best))

    def _note(self, state: Any, membership: Membership) -> None:
        before, self._members[state.number] = self._members.get(state.number), membership
        if before is not None and before.first != membership.first:
            self._best.pop(before.first, None)
            self._states.recounted.update(self._members)
        if membership.left or (before is not None and before.left):
            self._incomplete = _incomplete(self._members)
        write_note(state, CLASS, asdict(membership))


def _incomplete(members: Mapping[int, Membership]) -> set[int]:
    """Numbers of the classes that some image is missing from."""
    return {entry.first for entry in members.values() if entry.left}


def _minimum(state: Any) -> Atoms:
    return from_con(state.reactant_con)


def _image(known: Atoms, atoms: Atoms, operation: Isometry) -> Array:
    """(N, 3) the known minimum where the other one is: turned, and shifted so that its atoms are nearest to the other's."""
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    there = np.asarray(atoms.positions, dtype=np.float64)
    turned = np.empty_like(there)
    turned[operation.mapping] = known.positions @ operation.rotation.T
    off = minimum_image(turned - there - (turned[0] - there[0]), cell)
    fixed = fixed_atoms(atoms)
    held = off[fixed] if len(fixed) else off
    return np.asarray(there + off - held.mean(axis=0), dtype=np.float64)
