"""A saddle whose barrier is low, converged until the barrier is known: by force and curvature, with exactly one negative mode.

    settling = Settling(files=setup.hessian_files, converged_force_eV_per_A=0.01)
    if settling.wanted(outcome):
        outcome = settling.settle(task, outcome)         # its `barrier_error_eV` is a bound, in eV

A search stops where the largest force on an atom is below F. Near a stationary point of curvature k that is an energy F^2/2k away
from it, and F/k in position. Where the landscape between two minima rises by no more than forces of F do, any place on it passes
for a saddle, and different places pass for different saddles. A sinusoidal barrier E at the distance d from its minimum has the
curvature pi^2 E / 2 d^2 at its top, so F leaves an error of (F d / pi E)^2 of it. A search whose error would be above 1 % by
that is made again from its own saddle with a smaller F, until its Hessian shows that it is known. Others take no force call more.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from ase import Atoms

from mlip_kmc.config.eon_options import (
    FLAT_A,
    LEAST_FORCE_EV_PER_A,
    with_converged_forces,
)
from mlip_kmc.evaluate.client import ClientJob, End, run_job
from mlip_kmc.model.rates import Spectrum
from mlip_kmc.model.rates.vineyard import SOFT
from mlip_kmc.model.structure import from_con, moved_con
from mlip_kmc.search.hessian import HessianOutcome, Indices, hessian_task, moving_atoms
from mlip_kmc.search.outcome import (
    Array,
    ForceCalls,
    FoundProcess,
    Graded,
    SearchOutcome,
    Termination,
)
from mlip_kmc.search.reading import SearchReader
from mlip_kmc.search.reading import Task as ReadTask

ACCURACY = 0.01
"""Of the barrier (the lower one of both directions)."""
LOW_SLOPE = 1 / (math.pi * math.sqrt(ACCURACY))
"""A barrier is low where its mean slope, E/d, is below so many times the force at which a saddle counts as converged."""
FLOOR_EV = 1e-6
"""An error below this is good enough at any temperature from 1 K on, where 1 % of kT is as much."""
_FIRST = 1e-2
"""The first force to converge to again, over the search's own."""
_ROUNDS = 3
_MOST_ATOMS = 30
"""In the Hessian: those nearest to what moves."""


class Task(ReadTask, Protocol):
    """What of a search's task is made again; see `SearchTask`."""

    @property
    def job(self) -> ClientJob:
        """The client's."""

    def again(self, outcome: SearchOutcome, *, force_eV_per_A: float, tag: str) -> SearchOutcome:
        """The search to a smaller force: from its own saddle, or where that is none, from its start; what it took alone."""


@dataclass(frozen=True)
class Settling:
    """How low barriers are converged.

    Attributes:
        files: texts in the directory of a Hessian: the client's `config.ini` and what the potential needs.
        converged_force_eV_per_A: at which the searches themselves stop.
    """

    files: Mapping[str, str]
    converged_force_eV_per_A: float

    def wanted(self, outcome: SearchOutcome) -> bool:
        """The barrier, or the one back, is low: where the search ended may be no saddle, and its barrier wrong."""
        found = outcome.found
        if found is None:
            too_soon = outcome.led_back or outcome.termination is Termination.NO_NEGATIVE_MODE
            return too_soon and self._is_low(outcome.barrier_eV, outcome.saddle_distance_A)
        ends = ((found.reactant_eV, found.reactant_A), (found.product_eV, found.product_A))
        return any(
            self._is_low(found.saddle_eV - energy, float(np.linalg.norm(found.saddle_A - places)))
            for energy, places in ends
        )

    def _is_low(self, barrier_eV: float, distance_A: float) -> bool:
        return not barrier_eV >= LOW_SLOPE * self.converged_force_eV_per_A * distance_A

    def settle(self, task: Task, first: SearchOutcome, *, tag: str = "") -> SearchOutcome:
        """Converge what a search found, here and now; never raises for what the client does.

        Args:
            task: of the search.
            first: what it found.
            tag: by which `cancel_jobs` knows it.

        Returns:
            the search with the converged process, or with the reason why it is none.
        """
        outcome = first
        force = max(_FIRST * self.converged_force_eV_per_A, LEAST_FORCE_EV_PER_A)
        for _ in range(_ROUNDS):
            now = task.again(outcome, force_eV_per_A=force, tag=tag)
            outcome = _together(outcome, now)
            if (found := outcome.found) is None:
                return outcome
            reactant = from_con(task.reactant_con)
            moving = moving_atoms(*_structures(reactant, found), most=_MOST_ATOMS)
            done = self._hessian(task, found, moving, tag=tag)
            outcome = _with_work(outcome, done)
            if done.spectrum is None or not done.spectrum.finite:
                return _without_process(outcome, done.end, done.message)
            if not _is_first_order(done.spectrum):
                return _no_saddle(outcome, done.spectrum)
            soft = _softest(done.spectrum, reactant.get_masses()[moving])
            needed = _needed_force(found, soft, atoms=len(moving))
            outcome = replace(outcome, barrier_error_eV=len(moving) * force**2 / soft)
            if force <= needed:
                break
            force = needed
        return outcome

    def _hessian(
        self,
        task: Task,
        found: FoundProcess,
        moving: Indices,
        *,
        tag: str,
    ) -> HessianOutcome:
        saddle = from_con(task.reactant_con)
        saddle.positions = found.saddle_A
        job = task.job
        made = hessian_task(
            f"{job.name}.settled",
            atoms=saddle,
            moving=moving,
            recipe=self.files,
            links=dict(job.links),
            time_limit_s=job.time_limit_s,
            evidence=job.evidence,
        )
        return made.run(tag=tag or job.name)


def again_by_client(
    task: Task, outcome: SearchOutcome, *, force_eV_per_A: float, tag: str
) -> SearchOutcome:
    """The search by eOn's client to a smaller force, here and now: see `Task.again`."""
    found, job = outcome.found, task.job
    ini = with_converged_forces(job.files["config.ini"], force_eV_per_A)
    files = {**job.files, "config.ini": ini}
    if found is not None:
        files |= start_at(found, reactant_con=task.reactant_con)
    ran = run_job(
        replace(job, files=files),
        reader=lambda directory: SearchReader(task, directory),
        tag=tag or job.name,
    )
    return replace(ran.found, seconds=ran.seconds)


def start_at(found: FoundProcess, *, reactant_con: str) -> dict[str, str]:
    """`displacement.con` and `direction.dat` of a search that starts at a saddle."""
    rows = (" ".join(f"{value:.17g}" for value in row) for row in found.mode.tolist())
    return {
        "displacement.con": moved_con(reactant_con, found.saddle_A),
        "direction.dat": "".join(f"{row}\n" for row in rows),
    }


def _together(before: SearchOutcome, now: SearchOutcome) -> SearchOutcome:
    """What the last of several came to, and what all of them took."""
    return replace(
        now,
        seconds=before.seconds + now.seconds,
        saddle_distance_A=before.saddle_distance_A,
        force_calls=_sum(before.force_calls, now.force_calls),
        centres=None
        if before.centres is None or now.centres is None
        else before.centres + now.centres,
        grown=(*before.grown, *now.grown),
        graded=_both(before.graded, now.graded),
    )


def _structures(reactant: Atoms, found: FoundProcess) -> tuple[Atoms, Atoms, Atoms]:
    places = (found.reactant_A, found.saddle_A, found.product_A)
    moved = [reactant.copy() for _ in places]
    for atoms, positions in zip(moved, places, strict=True):
        atoms.positions = positions
    return moved[0], moved[1], moved[2]


def _softest(spectrum: Spectrum, masses_u: Array) -> float:
    """A lower bound of the softest mode's curvature without masses, eV/A^2; a minimum beside a low saddle is as soft."""
    return max(spectrum.softest * float(masses_u.min()), 1e-300)


def _needed_force(found: FoundProcess, soft: float, *, atoms: int) -> float:
    """The force with which the barrier's error, n F^2/k of both ends, is small enough, and the saddle where others find it."""
    lower = min(found.saddle_eV - found.reactant_eV, found.saddle_eV - found.product_eV)
    wanted_eV = max(ACCURACY * lower, FLOOR_EV)
    by_energy = math.sqrt(wanted_eV * soft / atoms)
    by_place = FLAT_A * soft / math.sqrt(atoms)
    return max(min(by_energy, by_place), LEAST_FORCE_EV_PER_A)


def _is_first_order(spectrum: Spectrum) -> bool:
    """Exactly one negative mode; one whose sign is within the error of the Hessian counts as neither, and makes a large error."""
    uncertain = not spectrum.softest > SOFT * spectrum.largest
    return spectrum.negative == 1 or (uncertain and spectrum.negative in (0, 2))


def _no_saddle(outcome: SearchOutcome, spectrum: Spectrum) -> SearchOutcome:
    return replace(
        outcome,
        found=None,
        barrier_error_eV=None,
        termination=Termination.NOT_A_SADDLE,
        message=f"{spectrum.negative} negative modes",
    )


def _without_process(outcome: SearchOutcome, end: End, message: str) -> SearchOutcome:
    """Where its Hessian could not be made, the search has no result of its own; where forces could not, no process."""
    termination = Termination.POTENTIAL_FAILED if end is End.FINISHED else None
    return replace(
        outcome,
        end=end,
        message=message,
        termination=termination,
        found=None,
        barrier_error_eV=None,
    )


def _with_work(outcome: SearchOutcome, done: HessianOutcome) -> SearchOutcome:
    calls = replace(outcome.force_calls, saddle=outcome.force_calls.saddle + done.force_calls)
    return replace(outcome, seconds=outcome.seconds + done.seconds, force_calls=calls)


def _sum(one: ForceCalls, other: ForceCalls) -> ForceCalls:
    return ForceCalls(
        saddle=one.saddle + other.saddle,
        minimization=one.minimization + other.minimization,
        prefactors=one.prefactors + other.prefactors,
    )


def _both(first: Graded, now: Graded) -> Graded:
    """What was seen of both: the points are those of the last one."""
    paths = [path for path in (first.gamma_path, now.gamma_path) if path is not None]
    return replace(now, gamma_path=max(paths, default=None), frames=(*first.frames, *now.frames))
