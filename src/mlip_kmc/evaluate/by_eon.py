"""Energy and forces of a structure by the run's own path: eOn's client, and LAMMPS behind it.

    found = evaluate(atoms, potential)
    found.energy_eV, found.forces_eV_per_A

A minimisation that is content with any force ends where it starts and leaves both, with all digits, in its `min.con`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import readcon
from ase import Atoms

from mlip_kmc.config.eon_options import ANY_FORCE_EV_PER_A, ini_text
from mlip_kmc.evaluate.client import ClientJob, End, run_job, texts_of
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import species_of, to_con
from mlip_kmc.potential import Potential

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection

Array = npt.NDArray[np.float64]
_TIME_LIMIT_S = 600.0


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation gives.

    Attributes:
        energy_eV: of the structure.
        forces_eV_per_A: (N, 3), of fixed atoms, too.
    """

    energy_eV: float
    forces_eV_per_A: Array


def evaluate(
    atoms: Atoms, potential: Potential, *, gamma: "GammaSection | None" = None
) -> Evaluation:
    """Energy and forces by eOn's client.

    Args:
        atoms: restricted triclinic.
        potential: the run's.
        gamma: evaluate as searches do, beside gamma; None: as state 0 is minimised.

    Raises:
        PotentialError: no usable numbers come back.
    """
    found = client_job(
        atoms,
        potential,
        options={
            "Optimizer": {"converged_force": ANY_FORCE_EV_PER_A, "convergence_metric": "max_atom"}
        },
        returns=("min.con",),
        gamma=gamma,
    )
    return evaluation_of(found.get("min.con", ""), atoms=len(atoms), by=potential.eon_name)


def evaluation_of(con: str, *, atoms: int, by: str = "this potential") -> Evaluation:
    """The numbers in the `min.con` that eOn's client left.

    Args:
        con: its text.
        atoms: how many it must have.
        by: what evaluated it, in words.

    Raises:
        PotentialError: it has no usable numbers.
    """
    frames = readcon.read_con_string(con) if con else []
    entries = sorted(frames[-1].atoms, key=lambda entry: entry.atom_id) if frames else []
    if (
        not frames
        or frames[-1].energy is None
        or len(entries) != atoms
        or not frames[-1].has_forces
    ):
        raise PotentialError(
            f"eOn's client gave no energy and forces by {by}; check that it knows these elements"
        )
    energy = float(frames[-1].energy)
    forces = np.array([[entry.fx, entry.fy, entry.fz] for entry in entries], dtype=np.float64)
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise PotentialError(
            "the potential gives energies or forces that are not finite; check that it fits the structure"
        )
    return Evaluation(energy_eV=energy, forces_eV_per_A=forces)


def client_job(
    atoms: Atoms,
    potential: Potential,
    *,
    options: Mapping[str, Mapping[str, Any]],
    returns: tuple[str, ...],
    gamma: "GammaSection | None" = None,
) -> dict[str, str]:
    """Texts that one minimisation job of eOn's client leaves, with other options.

    Args:
        atoms: restricted triclinic.
        potential: the run's.
        options: of eOn's `config.ini`, by section.
        returns: names of the texts.
        gamma: as of `evaluate`.

    Raises:
        PotentialError: it failed.
    """
    settings: dict[str, Mapping[str, Any]] = {
        "Main": {"job": "minimization", "parallel": False, "quiet": True, "write_con_forces": True},
        "Potential": {"potential": potential.eon_name},
        **options,
    }
    done = run_job(
        ClientJob(
            name="check",
            files={
                "pos.con": to_con(atoms),
                "config.ini": ini_text(settings),
                **potential.job_files(species_of(atoms), gamma=gamma),
            },
            links=potential.job_links(),
            time_limit_s=_TIME_LIMIT_S,
        ),
        reader=texts_of(*returns),
    )
    if done.end is not End.FINISHED:
        raise PotentialError(
            f"the potential cannot be evaluated on the structure: {done.message or done.end}"
        )
    return done.found
