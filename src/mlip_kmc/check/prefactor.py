"""One harmonic prefactor, made as the run makes them: of the lowest process that trial searches found.

Example:
    findings, done = prefactor(config.prefactor, potential, minimum=atoms, process=trial.processes[0], time_limit_s=1800)
"""

import time

from ase import Atoms

from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.config import HarmonicPrefactor
from mlip_kmc.config.eon_options import hessian_ini
from mlip_kmc.evaluate.agreement import free_atoms
from mlip_kmc.evaluate.client import End
from mlip_kmc.evaluate.warm import recipe_if_any
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import plain
from mlip_kmc.model.rates import Point, PrefactorFailure, Prefactors, prefactors
from mlip_kmc.model.records import Process
from mlip_kmc.model.structure import from_con, species_of
from mlip_kmc.potential import DrivenPotential, Potential
from mlip_kmc.search.displaced import HessianRecipe, HessianWork
from mlip_kmc.search.hessian import moving_atoms


def prefactor(
    section: HarmonicPrefactor,
    potential: Potential,
    *,
    minimum: Atoms,
    process: Process,
    time_limit_s: float,
) -> tuple[list[Finding], bool]:
    """Make the Hessians of a process and judge what comes of them.

    Args:
        section: of the configuration.
        potential: the run's; served, where it is driven.
        minimum: state 0.
        process: one of its processes.
        time_limit_s: of a Hessian.

    Raises:
        PotentialError: a Hessian could not be made.
    """
    points = _points(minimum, process)
    moving = moving_atoms(*points.values(), most=section.most_atoms)
    recipe = HessianRecipe(
        files={
            "config.ini": hessian_ini(potential.eon_name),
            **potential.job_files(species_of(minimum)),
        },
        links=potential.job_links(),
        time_limit_s=time_limit_s,
        recipe=recipe_if_any(potential),
        by_index=isinstance(potential, DrivenPotential) and potential.distinct_atoms,
    )
    begun, spectra, calls = time.monotonic(), [], 0
    for point, atoms in points.items():
        done = HessianWork.of(f"check.{point}", atoms=atoms, moving=moving, recipe=recipe).here()
        if done.spectrum is None:
            end = "" if done.end is End.FINISHED else f" ({done.end})"
            raise PotentialError(
                f"no Hessian of the {point} comes back{end}: {done.message or 'its forces are no numbers'}"
            )
        spectra.append(done.spectrum)
        calls += done.force_calls
    each_s, of = (time.monotonic() - begun) / len(points), len(free_atoms(minimum))
    values: dict[str, Value] = {
        "barrier_eV": process.barrier,
        "atoms": len(moving),
        "free_atoms": of,
        "force_calls": calls,
        "hessian_s": each_s,
    }
    cost, over = _cost(len(moving), free=of, each_s=each_s), f"{process.barrier:.3f} eV"
    try:
        made = prefactors(*spectra)
    except PrefactorFailure as failure:
        return [_none(section, failure, values, over, cost)], True
    return [_made(made, values, over, cost, whole=len(moving) == of)], True


def _points(minimum: Atoms, process: Process) -> dict[Point, Atoms]:
    return {
        Point.REACTANT: minimum,
        Point.SADDLE: from_con(process.saddle.read_text(encoding="utf-8")),
        Point.PRODUCT: from_con(process.product_structure.read_text(encoding="utf-8")),
    }


def _cost(moving: int, *, free: int, each_s: float) -> str:
    which = (
        f"all {free} free atoms"
        if moving == free
        else f"{moving} of {free} free atoms, the others held"
    )
    return f"Hessians of {which}, {each_s:.1f} s each: two a process and one a state"


def _made(
    made: Prefactors, values: dict[str, Value], process: str, cost: str, *, whole: bool
) -> Finding:
    text = f"harmonic, over {process}: {plain(made.forward_per_s)} per s, back {plain(made.back_per_s)}; {cost}"
    advice = (
        ""
        if whole
        else (
            "they may be off by up to a factor of two, for the cell keeps its volume and a part of it does not: raise "
            "prefactor.most_atoms if time and memory are there, or use a smaller cell"
        )
    )
    return Finding(
        "prefactor",
        Level.OK if whole else Level.WARN,
        text,
        advice=advice,
        values={
            **values,
            "forward_per_s": made.forward_per_s,
            "back_per_s": made.back_per_s,
            "reason": "",
        },
    )


def _none(
    section: HarmonicPrefactor,
    failure: PrefactorFailure,
    values: dict[str, Value],
    process: str,
    cost: str,
) -> Finding:
    return Finding(
        "prefactor",
        Level.WARN,
        f"none over {process}, so it gets {plain(section.fallback_per_s)} per s in both directions: "
        f"{failure}; {cost}",
        values={**values, "forward_per_s": None, "back_per_s": None, "reason": str(failure)},
        advice="converge saddles further (search.converged_force_eV_per_A: 0.001), or look into the potential's smoothness",
    )
