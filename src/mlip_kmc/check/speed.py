"""How long a force call takes: in LAMMPS alone, in eOn's client around it, and with LAMMPS' other evaluator."""

import time
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.check.estimates import Ratio, ratio_of
from mlip_kmc.check.evaluate import client_job
from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.check.gradient import shaken
from mlip_kmc.check.lammps import ms_per_call
from mlip_kmc.errors import PotentialError
from mlip_kmc.potential import AcePotential, Potential

_SERIES_MS = 300.0
_REPEATS = 3
_PAIRS = 5
OVERHEAD = 0.3
"""eOn's own part of a force call is 5 to 15 % of one in metals of hundreds of atoms."""
WORTH = 1.05
"""A gain below 5 % is not worth a change of the configuration."""


def force_call(atoms: Atoms, potential: Potential, *, folder: Path) -> tuple[list[Finding], float]:
    """Time force calls by turns in LAMMPS alone and in eOn's client.

    Returns:
        the finding, and milliseconds of a force call in eOn's client.
    """
    calls = _calls_for(client_ms(atoms, potential, calls=20)[0])
    inside, bare, start_up = [], [], []
    for _ in range(_REPEATS):
        client, started = client_ms(atoms, potential, calls=calls)
        inside.append(client)
        start_up.append(started)
        if isinstance(potential, AcePotential):
            bare.append(ms_per_call(atoms, potential, calls=calls, folder=folder))
    client, start = float(np.median(inside)), float(np.median(start_up))
    values: dict[str, Value] = {"client_ms": client, "client_least_ms": min(inside), "client_most_ms": max(inside),
                                "client_start_ms": start, "calls": calls, "repeats": _REPEATS}
    text = f"{client:.2f} ms in eOn's client ({min(inside):.2f} to {max(inside):.2f}); its start {start:.0f} ms"
    if not bare:
        return [Finding("force call", Level.OK, text, values=values)], client
    share = ratio_of(bare, inside)
    overhead = 1.0 - share.middle
    least, most = 1.0 - share.high, 1.0 - share.low
    values |= {"lammps_ms": float(np.median(bare)), "overhead_share": overhead, "overhead_share_least": least,
               "overhead_share_most": most}
    large = least > OVERHEAD
    text += f"; {np.median(bare):.2f} ms in LAMMPS alone: overhead {overhead:.0%} ({least:.0%} to {most:.0%})"
    return [Finding("force call", Level.WARN if large else Level.OK, text, values=values, advice=(
        "eOn costs more than the potential: small structures are like that; a busy machine, too" if large else ""))], client


def client_ms(atoms: Atoms, potential: Potential, *, calls: int) -> tuple[float, float]:
    """Milliseconds of a force call inside eOn's client, and of its start: from a short and a long minimisation.

    The time of both ends is the same, so that the difference is that of the calls, which eOn counts itself.

    Raises:
        PotentialError: it cannot be evaluated, or the minimisation ended early.
    """
    few_calls, few_ms = _creep(atoms, potential, iterations=2)
    many_calls, many_ms = _creep(atoms, potential, iterations=calls)
    if many_calls <= few_calls:
        raise PotentialError(f"eOn's client counted {many_calls} force calls in {calls} iterations, {few_calls} in 2")
    each = max((many_ms - few_ms) / (many_calls - few_calls), 1e-6)
    return each, max(few_ms - few_calls * each, 0.0)


def _creep(atoms: Atoms, potential: Potential, *, iterations: int) -> tuple[int, float]:
    """Force calls and milliseconds of a minimisation in steps so small that it never arrives."""
    begun = time.perf_counter()
    done = client_job(shaken(atoms), potential, returns=(), options={"Optimizer": {
        "opt_method": "fire", "converged_force": 1e-12, "max_iterations": iterations, "max_move": 1e-4}})
    return int(float(done.results().get("total_force_calls", 0))), 1e3 * (time.perf_counter() - begun)


def _calls_for(ms: float) -> int:
    return int(np.clip(_SERIES_MS / ms, 20, 2000))


def evaluators(atoms: Atoms, potential: AcePotential, *, folder: Path) -> tuple[list[Finding], Ratio]:
    """Which of LAMMPS' two evaluators is the faster here, measured by turns."""
    calls = _calls_for(ms_per_call(atoms, potential, calls=10, folder=folder))
    times: dict[str, list[float]] = {"product": [], "recursive": []}
    for turn in range(_PAIRS):
        for name in ("product", "recursive") if turn % 2 == 0 else ("recursive", "product"):
            times[name].append(ms_per_call(atoms, potential, calls=calls, folder=folder,
                                           evaluator="product" if name == "product" else "recursive"))
    ratio = ratio_of(times["recursive"], times["product"])
    return [judge(ratio, chosen=potential.evaluator, product_ms=float(np.median(times["product"])),
                  recursive_ms=float(np.median(times["recursive"])))], ratio


def judge(ratio: Ratio, *, chosen: str, product_ms: float, recursive_ms: float) -> Finding:
    """The finding on evaluators, from the time of `recursive` over that of `product`."""
    values: dict[str, Value] = {"chosen": chosen, "product_ms": product_ms, "recursive_ms": recursive_ms,
                                "recursive_over_product": ratio.middle, "least": ratio.low, "most": ratio.high, "pairs": _PAIRS}
    numbers = f"recursive takes {ratio.middle:.2f} of product's time ({ratio.low:.2f} to {ratio.high:.2f}, {_PAIRS} pairs)"
    if not ratio.differs:
        return Finding("evaluator", Level.OK, f"no difference: {numbers}", values={**values, "faster": None})
    faster = "product" if ratio.middle > 1 else "recursive"
    gain = max(ratio.middle, 1 / ratio.middle)
    wrong = faster != chosen and gain >= WORTH
    return Finding("evaluator", Level.WARN if wrong else Level.OK, f"{faster} is the faster: {numbers}",
                   advice=f"set potential.evaluator: {faster}" if wrong else "", values={**values, "faster": faster})
