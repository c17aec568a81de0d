"""The other back end: the program `pacemaker`, for embeddings that are not linear. It begins with the present coefficients.

    fit_pacemaker(scratch, yaml, structures, section=section, baseline=None, present=potential)     # the fitted B-basis

Its optimiser (BFGS) changes the coefficients of functions, not the radial functions, so that the rows that gamma is made of stay.
In the image it evaluates by python-ace, with finite differences: an iteration costs an evaluation of the whole set for each
coefficient. Iterations are bounded by `refit.pacemaker_iterations`, time by `refit.time_limit_min`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml as yaml_format

from mlip_kmc.config.campaign import RefitSection
from mlip_kmc.evaluate.calculator import evaluated, short_range
from mlip_kmc.ground.errors import PotentialError, ProgramError
from mlip_kmc.ground.files import make_directory, write_whole
from mlip_kmc.ground.programs import Program, ProgramEnd
from mlip_kmc.learning.errors import whole_calculator
from mlip_kmc.learning.refit.request import KERNELS
from mlip_kmc.learning.refit.weights import Weights, heights_above_hull, weights_of
from mlip_kmc.model.labelled import LabelledStructure
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.baseline import Baseline

_SET, _OUTPUT = "set.pckl.gzip", "output_potential.yaml"
_RANGE_EV_PER_ATOM = (-20.0, 250.0)
"""pacemaker takes energies outside for those of another zero, and replaces all of them by shifted ones."""
_L2 = 1e-12
_NEXT_TO_NOTHING = 1e-30
"""pacemaker divides by the sum of the weights, which must not be 0."""


def fit_pacemaker(
    scratch: Path,
    basis: Path,
    structures: Sequence[LabelledStructure],
    *,
    section: RefitSection,
    baseline: Baseline | None,
    present: AcePotential,
) -> tuple[Any, tuple[float, ...]]:
    """Fit the coefficients of a B-basis.

    Args:
        scratch: a directory for what it writes.
        basis: to begin from.
        structures: in their order.
        section: weights and bounds.
        baseline: subtracted from the labels.
        present: gives the energies that do not count a number.

    Returns:
        python-ace's basis, and how much each structure counts for its energy.

    Raises:
        PotentialError: no force counts, or pacemaker would shift the energies. ProgramError: it failed, or took too long.
    """
    heights = heights_above_hull(structures)
    weights = [
        weights_of(one, height, section) for one, height in zip(structures, heights, strict=True)
    ]
    folder = make_directory(scratch / "pacemaker")
    share = _write_set(folder / _SET, structures, weights, baseline=baseline, present=present)
    write_whole(folder / "present.yaml", basis.read_bytes())
    write_whole(folder / "input.yaml", yaml_format.safe_dump(_input(section, share)).encode())
    limit_s = 60.0 * section.time_limit_min
    done = Program.find("pacemaker").run(
        ["input.yaml", "--no-predict", "-o", _OUTPUT],
        cwd=folder,
        time_limit_s=limit_s,
        variables={**KERNELS, "MPLBACKEND": "Agg"},
    )
    if done.end is ProgramEnd.TIMED_OUT:
        raise ProgramError(
            f"pacemaker took longer than {section.time_limit_min:g} min; raise refit.time_limit_min, or lower "
            "refit.pacemaker_iterations"
        )
    if done.end is not ProgramEnd.EXITED or done.returncode != 0:
        raise ProgramError(
            f"pacemaker failed (exit code {done.returncode}): {done.last_line() or 'it said nothing'}"
        )
    return _result(folder / _OUTPUT), tuple(weight.share for weight in weights)


def _input(section: RefitSection, share_of_forces: float) -> dict[str, Any]:
    return {
        "seed": 1,
        "data": {"filename": _SET},
        "potential": "present.yaml",
        "fit": {
            "loss": {
                "kappa": share_of_forces,
                "L1_coeffs": 0.0,
                "L2_coeffs": _L2,
                "w0_rad": 0.0,
                "w1_rad": 0.0,
                "w2_rad": 0.0,
            },
            "optimizer": "BFGS",
            "maxiter": section.pacemaker_iterations,
            "trainable_parameters": "func",
        },
        "backend": {"evaluator": "pyace", "parallel_mode": "serial", "display_step": 1},
    }


def _write_set(
    path: Path,
    structures: Sequence[LabelledStructure],
    weights: Sequence[Weights],
    *,
    baseline: Baseline | None,
    present: AcePotential,
) -> float:
    """pacemaker's table: labels without the baseline, and squared weights of our own.

    It divides weights of energies by their sum, and those of forces by theirs; the answer is the share of forces in both
    together, `kappa`, with which its loss is ours up to a factor.
    """
    import pandas as pd  # type: ignore[import-untyped]

    calculator, table = whole_calculator(present), []
    for one, weight in zip(structures, weights, strict=True):
        counts = one.energy_eV is not None and weight.energy > 0.0
        energy_eV = one.energy_eV if counts else evaluated(one.atoms, calculator)[0]
        base_eV, base_forces = short_range(baseline, one.atoms)
        table.append(
            {
                "ase_atoms": one.atoms,
                "energy_corrected": float(energy_eV or 0.0) - base_eV,
                "forces": one.forces_eV_per_A - base_forces,
                "w_energy": weight.energy**2 if counts else _NEXT_TO_NOTHING,
                "w_forces": np.square(weight.forces),
            }
        )
    per_atom = [row["energy_corrected"] / len(row["ase_atoms"]) for row in table]
    least, most = _RANGE_EV_PER_ATOM
    if not (min(per_atom) >= least and max(per_atom) <= most):
        raise PotentialError(
            f"energies from {min(per_atom):g} to {max(per_atom):g} eV an atom do not count from free atoms: pacemaker "
            f"takes none outside {least:g} to {most:g} as they are; set oracle.zero_eV to the energies of free atoms"
        )
    energies = sum(row["w_energy"] for row in table)
    forces = sum(float(row["w_forces"].sum()) for row in table)
    if not forces > 0.0:
        raise PotentialError("no force counts in the fit: all weights are 0")
    pd.DataFrame(table).to_pickle(path, compression="gzip", protocol=4)
    return float(forces / (forces + energies))


def _result(path: Path) -> Any:
    from mlip_kmc.potential.python_ace import ACEBBasisSet

    try:
        found = ACEBBasisSet(str(path))
    except Exception as error:  # python-ace raises anything
        raise ProgramError(f"pacemaker wrote no potential: {error}") from error
    if not np.isfinite(np.array(found.all_coeffs)).all():
        raise ProgramError("pacemaker's potential has coefficients that are not finite")
    return found
