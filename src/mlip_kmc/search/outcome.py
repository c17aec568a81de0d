"""What one process search came to, with numbers and arrays: all that leaves the process that ran it.

    outcome = task.run()                       # a SearchOutcome, whatever became of the search
    outcome.end, outcome.termination, outcome.reason
    outcome.found.saddle_A                     # (N, 3), of a search that found a process

Energies in eV, lengths in A, prefactors in 1/s.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from mlip_kmc.evaluate.client import End
from mlip_kmc.model.frames import KeptFrame
from mlip_kmc.model.records import Grown, HaltKind, Rated, Twin

Array = npt.NDArray[np.float64]


class Termination(StrEnum):
    """Why a search ended, in the words that are shown; eOn's reasons first, in the order of its numbers."""

    GOOD = "Good"
    INIT = "Init"
    NO_CONVEX_REGION = "Saddle Search No Convex Region"
    HIGH_ENERGY = "Saddle Search Terminated High Energy"
    CONCAVE_ITERATIONS = "Saddle Search Terminated Concave Iterations"
    TOTAL_ITERATIONS = "Saddle Search Terminated Total Iterations"
    NOT_CONNECTED = "Not Connected"
    BAD_PREFACTOR = "Bad Prefactor"
    BAD_BARRIER = "Bad Barrier"
    MINIMUM_NOT_CONVERGED = "Minimum Not Converged"
    PREFACTOR_FAILED = "Failed Prefactor Calculation"
    POTENTIAL_FAILED = "Potential Failed"
    NONNEGATIVE_DISPLACEMENT = "Nonnegative Displacement Abort"
    NONLOCAL = "Nonlocal Abort"
    NEGATIVE_BARRIER = "Negative Barrier"
    TRAJECTORY_TOO_SHORT = "MD Trajectory Too Short"
    NO_NEGATIVE_MODE = "No Negative Mode at Saddle"
    NO_FORWARD_BARRIER = "No Forward Barrier in Minimized Band"
    ZERO_MODE = "MinMode Zero Mode Abort"
    OPTIMIZER_ERROR = "Optimizer Error"

    NOT_FINITE = "energies that are no finite numbers"
    DAMAGED = "the client's files are damaged"
    NOT_A_SADDLE = "no first-order saddle"
    HALTED = "halted"
    ENDED_PROCESS = "the potential ended its process"
    KNOWN_SADDLE = "known saddle"
    OUT_OF_WINDOW = "above the energy window"
    RECOGNISED = "recognised"
    NOT_RECOGNISED = "not the state that it looks like"

    @classmethod
    def of_number(cls, number: int) -> "Termination":
        """eOn's reason of that number; the last one where its client knows more than its server."""
        return _EONS[number] if 0 <= number < len(_EONS) else cls.OPTIMIZER_ERROR

    @property
    def number(self) -> int:
        """The number by which eOn registers it; that of a potential that failed for a reason that eOn does not know."""
        return _NUMBERS.get(self, _NUMBERS[Termination.POTENTIAL_FAILED])


_OURS = (
    Termination.NOT_FINITE,
    Termination.DAMAGED,
    Termination.NOT_A_SADDLE,
    Termination.HALTED,
    Termination.ENDED_PROCESS,
    Termination.KNOWN_SADDLE,
    Termination.OUT_OF_WINDOW,
    Termination.RECOGNISED,
    Termination.NOT_RECOGNISED,
)
_EONS = tuple(entry for entry in Termination if entry not in _OURS)
_NUMBERS = {entry: number for number, entry in enumerate(_EONS)}


@dataclass(frozen=True)
class Graded:
    """What was seen of gamma and distances.

    Attributes:
        gamma_path: the largest of the force calls that were looked at; None where there was none.
        gamma_reactant, gamma_saddle, gamma_product: the largest of an atom; None where the search did not get there.
        halt: what crossed a limit, in words; empty where nothing did. halt_kind: which limit.
        frames: worth keeping.
    """

    gamma_path: float | None = None
    gamma_reactant: float | None = None
    gamma_saddle: float | None = None
    gamma_product: float | None = None
    halt: str = ""
    halt_kind: HaltKind = HaltKind.UNKNOWN
    frames: tuple[KeptFrame, ...] = ()


@dataclass(frozen=True)
class ForceCalls:
    """Force calls by stage: of our own searches all, of eOn's client as it counts them (without dimer rotations).

    Attributes:
        saddle, minimization, prefactors: of the search's stages.
        checks: evaluations of structures that follow from symmetry, what converged some of them again, and what told saddles
            apart.
    """

    saddle: int = 0
    minimization: int = 0
    prefactors: int = 0
    checks: int = 0

    @property
    def total(self) -> int:
        """Of all stages."""
        return self.saddle + self.minimization + self.prefactors + self.checks


@dataclass(frozen=True)
class KnownSaddle:
    """A saddle that was known before, to which a climb came near.

    Attributes:
        index: of it, among those that the search was given.
        distance_A: the largest distance of an atom from it, when the climb was told to be on its way there.
        audited: the climb went on to its end all the same.
        confirmed: where it was audited, whether it ended there.
    """

    index: int
    distance_A: float
    audited: bool = False
    confirmed: bool | None = None


@dataclass(frozen=True)
class Beyond:
    """What became of a climb whose saddle was sure to be out of the window.

    Attributes:
        audited: it went on to its end all the same.
        confirmed: where it was audited, whether it ended at no saddle in the window.
    """

    audited: bool = False
    confirmed: bool | None = None


@dataclass(frozen=True)
class FoundProcess:
    """A saddle point and the minima beside it, in the frame of the state that was searched.

    Positions are next to the state's own, not wrapped into the cell, and without drift where no atom is fixed.

    Attributes:
        reactant_eV, saddle_eV, product_eV: potential energies.
        forward_per_s, back_per_s: prefactors of the process and of its reverse.
        reactant_A, saddle_A, product_A: (N, 3) positions, in the order of the state's atoms.
        mode: (N, 3) direction of the lowest mode at the saddle, without unit.
        provenance: what else the client says: versions, seed, times; kept with a process that is new.
    """

    reactant_eV: float
    saddle_eV: float
    product_eV: float
    forward_per_s: float
    back_per_s: float
    reactant_A: Array
    saddle_A: Array
    product_A: Array
    mode: Array
    provenance: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class ToldApart:
    """What became of a saddle that was found beside a known one, when both were converged further.

    Attributes:
        kind: what it is.
        process: of the table, that it is; None where it is none of them, or that is not known.
        found: the process, converged further; None where that did not succeed.
        known: the known processes that were converged further, each with its saddle's positions (N, 3).
        calls: force calls that it took.
    """

    kind: Twin
    process: int | None = None
    found: FoundProcess | None = None
    known: tuple[tuple[int, Array], ...] = ()
    calls: int = 0


@dataclass(frozen=True)
class SearchOutcome:
    """What one process search came to.

    Attributes:
        name: of the search, `state_index`.
        kind: `random`, or `recycling`: where its displacement came from.
        end: how its client ended. message: more of that.
        seconds: it took where it ran.
        termination: why it ended; None where it has no result of its own (see `End`): it is to be run again.
        barrier_eV: of the client's own minimum; of a search that found no process, how high it was when it ended; or 0.
        saddle_distance_A: between start and saddle, likewise.
        force_calls: by stage.
        found: what it found; None unless `termination` is `GOOD`.
        graded: what was seen of gamma and distances.
        rated: harmonic prefactors that were made for it, in place of the client's; None where there are none.
        barrier_error_eV: of a low barrier, which was converged further (`settling.py`): a bound; None where it is not low.
        images: what follows from it by the state's symmetry, each checked; none before that is asked for. images_again: so many
            of them were converged again. images_left: so many more did not hold, and are left to searches.
        led_back: it is not connected because both sides of where it ended lead back to the state.
        centres: of atoms that were evaluated in its force calls, where they are counted: calls times atoms.
        region_A: the radius within which atoms could move last; None: all could. grown: why it was too small before.
        known: the known saddle that it was on its way to; it ended there with `KNOWN_SADDLE`, or was audited.
        beyond: what became of it where its saddle was sure to be out of the window; None: it was not.
        told_apart: what became of it beside a known saddle; None where it is beside none, or that is not told yet.
    """

    name: str
    kind: str
    end: End
    message: str = ""
    seconds: float = 0.0
    termination: Termination | None = None
    barrier_eV: float = 0.0
    saddle_distance_A: float = 0.0
    force_calls: ForceCalls = field(default_factory=ForceCalls)
    found: FoundProcess | None = None
    graded: Graded = field(default_factory=Graded)
    rated: Rated | None = None
    barrier_error_eV: float | None = None
    led_back: bool = False
    known: KnownSaddle | None = None
    centres: int | None = None
    region_A: float | None = None
    grown: tuple[Grown, ...] = ()
    images: tuple[FoundProcess, ...] = ()
    images_again: int = 0
    images_left: int = 0
    told_apart: ToldApart | None = None
    beyond: Beyond | None = None

    def __post_init__(self) -> None:
        """What was found and why the search ended say the same.

        Raises:
            ValueError: a process without a good end, or a good end without a process.
        """
        if (self.termination is Termination.GOOD) != (self.found is not None):
            raise ValueError(
                f"search {self.name} ended as {self.termination} and found "
                f"{'nothing' if self.found is None else 'a process'}"
            )

    @property
    def reason(self) -> str:
        """Why it found nothing, in words; empty where it found a process or has no result."""
        silent = (None, Termination.RECOGNISED, Termination.KNOWN_SADDLE)
        if self.termination in silent or self.found is not None:
            return ""
        told = self.termination in (
            Termination.DAMAGED,
            Termination.HALTED,
            Termination.ENDED_PROCESS,
            Termination.NOT_A_SADDLE,
            Termination.NOT_RECOGNISED,
        )
        return f"{self.termination}: {self.message}" if told else str(self.termination)

    def with_images(
        self, images: tuple[FoundProcess, ...], *, checks: int, again: int = 0, left: int = 0
    ) -> Self:
        """The same with what follows from it by symmetry.

        Args:
            images: that hold.
            checks: evaluations that it took to tell.
            again: see `images_again`.
            left: see `images_left`.
        """
        rated = self.rated
        if rated is not None:
            images = tuple(
                replace(image, forward_per_s=rated.forward_per_s, back_per_s=rated.back_per_s)
                for image in images
            )
        return replace(
            self,
            images=images,
            images_again=again,
            images_left=left,
            force_calls=replace(self.force_calls, checks=self.force_calls.checks + checks),
        )

    def with_told_apart(self, told: ToldApart | None) -> Self:
        """The same with what became of it beside a known saddle; its process is the one that was converged further."""
        if told is None or self.found is None:
            return self
        calls = replace(self.force_calls, checks=self.force_calls.checks + told.calls)
        found = told.found or self.found
        barrier_eV = found.saddle_eV - found.reactant_eV if told.found else self.barrier_eV
        return replace(self, told_apart=told, found=found, barrier_eV=barrier_eV, force_calls=calls)

    def with_rated(self, rated: Rated | None) -> Self:
        """The same with prefactors of its own."""
        if rated is None or self.found is None:
            return self
        return replace(
            self,
            rated=rated,
            force_calls=replace(self.force_calls, prefactors=rated.force_calls),
            found=replace(
                self.found, forward_per_s=rated.forward_per_s, back_per_s=rated.back_per_s
            ),
        )
