"""The Hessian of one structure by eOn's client; what comes back is its spectrum, not the matrix.

    moving = moving_atoms(reactant, saddle, product, most=1000)
    job = hessian_job("0_17.saddle", atoms=saddle, moving=moving, recipe=recipe, links={}, time_limit_s=600)
    spectrum_in(run_job(job))                        # a Spectrum, or None where forces could not be evaluated

So every potential that can be searched on can be rated, by the same evaluator, on the same workers.
"""

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.model.rates import Spectrum, spectrum
from mlip_kmc.model.rates.rigid import gathered
from mlip_kmc.model.structure import fixed_atoms, from_con, minimum_image, to_con
from mlip_kmc.search.client import ClientDone, ClientJob, End, parse_results

Indices = npt.NDArray[np.int64]

_SPECTRUM = "spectrum.json"
_MATRIX = "hessian.dat"
_MOVES = 0.5
"""An atom that moves half as far as the farthest is part of what moves."""


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


def hessian_job(
    name: str,
    *,
    atoms: Atoms,
    moving: Indices,
    recipe: Mapping[str, str],
    links: dict[str, Path],
    time_limit_s: float,
    evidence: Path | None = None,
) -> ClientJob:
    """The job of one Hessian.

    Args:
        name: unique in the run.
        atoms: at rest.
        moving: indices of those that are displaced; the others are held.
        recipe: texts that its directory holds: the client's `config.ini` and what the potential needs.
        links: files that it links, by name.
        time_limit_s: then it is ended.
        evidence: where the directory is kept if the client fails, or None.
    """
    held = atoms.copy()
    others = np.setdiff1d(np.arange(len(atoms)), moving)
    held.set_constraint([FixAtoms(indices=others)] if len(others) else None)
    con = to_con(held)
    return ClientJob(
        name=name,
        files={**recipe, "pos.con": con},
        links=links,
        returns=("results.dat", _MATRIX),
        time_limit_s=time_limit_s,
        evidence=evidence,
        distil=partial(_distilled, con=con),
    )


def spectrum_in(done: ClientDone) -> Spectrum | None:
    """What a Hessian's job found; None where the potential could not be evaluated on the structure."""
    text = done.files.get(_SPECTRUM) if done.end is End.FINISHED else None
    return None if text is None else Spectrum.from_json(text)


def force_calls_in(done: ClientDone) -> int:
    """How many force calls it took."""
    return int(float(done.results().get("force_calls", 0) or 0))


def _distilled(files: Mapping[str, str], *, con: str) -> dict[str, str]:
    """In the worker: the matrix may have a hundred megabytes, its spectrum has a line."""
    kept = {"results.dat": files.get("results.dat", "")}
    reason = parse_results(kept["results.dat"]).get("termination_reason", 0)
    if _MATRIX not in files or reason != 0:
        return kept
    atoms = from_con(con)
    fixed = fixed_atoms(atoms)
    free = np.setdiff1d(np.arange(len(atoms)), fixed)
    try:
        values = np.loadtxt(io.StringIO(files[_MATRIX]), ndmin=2)
    except ValueError:
        return kept
    if values.shape != (3 * len(free), 3 * len(free)):
        return kept
    places = gathered(np.asarray(atoms.positions), np.asarray(atoms.cell.array))
    found = spectrum(
        values, masses_u=atoms.get_masses()[free], positions_A=places[free], held_A=places[fixed]
    )
    return {**kept, _SPECTRUM: found.to_json()}
