"""The Hessian of one structure by eOn's client; what comes back is its spectrum, not the matrix.

    moving = moving_atoms(reactant, saddle, product, most=1000)
    task = hessian_task("0_17.saddle", atoms=saddle, moving=moving, recipe=recipe, links={}, time_limit_s=600)
    task.run().spectrum                              # a Spectrum, or None where forces could not be evaluated

So every potential that can be searched on can be rated, by the same evaluator, on the same workers.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.evaluate.client import (
    RESULTS_FILE,
    ClientJob,
    End,
    Ended,
    parse_results,
    run_job,
    texts_in,
)
from mlip_kmc.model.rates import Spectrum, spectrum
from mlip_kmc.model.rates.rigid import gathered
from mlip_kmc.model.structure import fixed_atoms, minimum_image, to_con

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_MATRIX = "hessian.dat"
_MOVES = 0.5
"""An atom that moves half as far as the farthest is part of what moves."""


class Doubt(StrEnum):
    """Why what symmetry says of a Hessian is not taken."""

    NOT_AT_REST = "made symmetric, the structure is not at rest"
    FORCES = "forces are not symmetric"
    HALVES = "the matrix is not symmetric"
    RESPONSE = "forces after a displacement of all atoms are not those that follow from it"


@dataclass(frozen=True)
class HessianOutcome:
    """What came of one Hessian.

    Attributes:
        name: of its task.
        end: how its client ended. message: more of that.
        seconds: it took where it ran.
        spectrum: None where the potential could not be evaluated on the structure.
        force_calls: that it took.
        doubt: why the structure's symmetry could not be used; None where it was, or where there is none.
    """

    name: str
    end: End
    message: str = ""
    seconds: float = 0.0
    spectrum: Spectrum | None = None
    force_calls: int = 0
    doubt: Doubt | None = None


@dataclass(frozen=True)
class HessianTask:
    """One Hessian; see `hessian_task`.

    Attributes:
        job: the client's.
        atoms: at rest; those that are not displaced are fixed.
    """

    job: ClientJob
    atoms: Atoms

    @property
    def name(self) -> str:
        """Unique in the run."""
        return self.job.name

    def run(self, *, tag: str = "") -> HessianOutcome:
        """Make it, here and now; never raises for what the client does.

        Args:
            tag: by which `cancel_jobs` knows it.
        """
        ran = run_job(
            self.job, reader=lambda directory: SpectrumReader(directory, self.atoms), tag=tag
        )
        found, calls = ran.found
        return HessianOutcome(self.name, ran.end, ran.message, ran.seconds, found, calls)

    def without_result(self, end: End, message: str = "") -> HessianOutcome:
        """What is handed back where no worker could answer."""
        return HessianOutcome(self.name, end, message)


@dataclass(frozen=True)
class SpectrumReader:
    """The matrix may have a hundred megabytes, its spectrum has a line: the matrix stays where it was made."""

    directory: Path
    atoms: Atoms

    def crossed(self) -> bool:
        """Nothing is watched."""
        return False

    def read(self, ended: Ended) -> tuple[Ended, tuple[Spectrum | None, int]]:
        """The spectrum, and how many force calls it took."""
        if ended.end is not End.FINISHED:
            return ended, (None, 0)
        files = texts_in(self.directory, (RESULTS_FILE, _MATRIX))
        results = parse_results(files.get(RESULTS_FILE, ""))
        good = _MATRIX in files and results.get("termination_reason", 0) == 0
        calls = results.get("force_calls", 0)
        return ended, (
            spectrum_of(files[_MATRIX], self.atoms) if good else None,
            int(calls) if isinstance(calls, float) and np.isfinite(calls) else 0,
        )

    def explains(self, ended: Ended) -> bool:  # noqa: ARG002 - there is no spectrum of a failure
        """No failure."""
        return False


def moving_atoms(reactant: Atoms, saddle: Atoms, product: Atoms, *, most: int) -> Indices:
    """Atoms that a process' Hessians are made of: all that are free, or those nearest to what moves.

    Args:
        reactant: the process' first minimum.
        saddle: the same atoms in the same cell.
        product: its second minimum, likewise.
        most: so many at most.

    Returns:
        indices, ascending.
    """
    free = np.setdiff1d(np.arange(len(saddle)), fixed_atoms(saddle)).astype(np.int64)
    if len(free) <= most:
        return free
    cell = np.asarray(saddle.cell.array, dtype=np.float64)
    moved = np.max(
        [
            np.linalg.norm(minimum_image(saddle.positions - end.positions, cell), axis=1)
            for end in (reactant, product)
        ],
        axis=0,
    )
    centres = np.flatnonzero(moved >= _MOVES * moved[free].max())
    distances = np.min(
        [
            np.linalg.norm(
                minimum_image(saddle.positions[free] - saddle.positions[centre], cell), axis=1
            )
            for centre in centres
        ],
        axis=0,
    )
    return np.sort(free[np.argsort(distances.round(6), kind="stable")[:most]])


def hessian_task(
    name: str,
    *,
    atoms: Atoms,
    moving: Indices,
    recipe: Mapping[str, str],
    links: Mapping[str, Path],
    time_limit_s: float,
    evidence: Path | None = None,
) -> HessianTask:
    """The task of one Hessian.

    Args:
        name: unique in the run.
        atoms: at rest.
        moving: indices of those that are displaced; the others are held.
        recipe: texts that its directory holds: the client's `config.ini` and what the potential needs.
        links: files that it links, by name.
        time_limit_s: then it is ended.
        evidence: where the directory is kept if the client fails, or None.
    """
    held = held_but(atoms, moving)
    return HessianTask(
        ClientJob(
            name=name,
            files={**recipe, "pos.con": to_con(held)},
            links=links,
            time_limit_s=time_limit_s,
            evidence=evidence,
        ),
        atoms=held,
    )


def held_but(atoms: Atoms, moving: Indices) -> Atoms:
    """The same with all other atoms fixed."""
    held = atoms.copy()
    others = np.setdiff1d(np.arange(len(atoms)), moving)
    held.set_constraint([FixAtoms(indices=others)] if len(others) else None)
    return held


def spectrum_of(matrix: str, atoms: Atoms) -> Spectrum | None:
    """The spectrum of a Hessian.

    Args:
        matrix: text of (3 M, 3 M) numbers as eOn's client writes them, of the M atoms that are not fixed.
        atoms: N, at rest.

    Returns:
        None where the text is no such matrix.
    """
    size = 3 * (len(atoms) - len(fixed_atoms(atoms)))
    if not matrix.strip():
        return None
    try:
        values = np.loadtxt(io.StringIO(matrix), ndmin=2)
    except ValueError:
        return None
    return _spectrum(values, atoms) if values.shape == (size, size) else None


def spectrum_of_matrix(hessian: Array, atoms: Atoms) -> Spectrum:
    """The spectrum of a Hessian.

    Args:
        hessian: (3 n, 3 n) in eV/A^2, of the n atoms that are not fixed; its symmetric part is taken.
        atoms: N, at rest.
    """
    masses = np.delete(atoms.get_masses(), fixed_atoms(atoms))
    roots = np.sqrt(np.repeat(masses, 3))
    weighted = hessian + hessian.T  # may have some hundred megabytes: no further copies
    weighted /= 2 * roots[:, None]
    weighted /= roots
    return _spectrum(weighted, atoms)


def _spectrum(weighted: Array, atoms: Atoms) -> Spectrum:
    """Of a matrix in eV/(A^2 u)."""
    fixed = fixed_atoms(atoms)
    free = np.setdiff1d(np.arange(len(atoms)), fixed)
    places = gathered(np.asarray(atoms.positions), np.asarray(atoms.cell.array))
    return spectrum(
        weighted, masses_u=atoms.get_masses()[free], positions_A=places[free], held_A=places[fixed]
    )
