"""How long a force call takes: in LAMMPS alone, in eOn's client around it, and with LAMMPS' other evaluator."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from mlip_kmc.check.estimates import Ratio, ratio_of
from mlip_kmc.check.findings import Finding, Level, Value
from mlip_kmc.evaluate.by_eon import client_job
from mlip_kmc.evaluate.by_lammps import ms_per_call
from mlip_kmc.evaluate.client import RESULTS_FILE, parse_results
from mlip_kmc.evaluate.gradient import shaken
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.wording import plain
from mlip_kmc.potential import AcePotential, Potential

_SERIES_MS = 200.0
_SHORT = 2
_FEWEST = 50
_LEAST_MS = 0.1
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
    calls = _calls_for(max(_creep(atoms, potential, iterations=20).ms / 20, _LEAST_MS))
    short, long, bare = [], [], []
    for _ in range(_REPEATS):
        short.append(_creep(atoms, potential, iterations=_SHORT))
        long.append(_creep(atoms, potential, iterations=calls + _SHORT))
        if isinstance(potential, AcePotential):
            bare.append(ms_per_call(atoms, potential, calls=calls, folder=folder))
    client, start = client_times(short, long)
    shortest, longest = min(short, key=_ms), max(short, key=_ms)
    if (
        longest.ms - shortest.ms > min(long, key=_ms).ms - shortest.ms
    ):  # the difference is that of other work
        return [
            Finding(
                "force call",
                Level.UNKNOWN,
                "not to be timed: other work on this machine disturbs more than it takes",
                advice="check again on a quiet machine",
                values={"client_ms": None, "lammps_ms": min(bare, default=None)},
            )
        ], min(client)
    return [judge_calls(client, bare, start_ms=start, calls=calls)], min(client)


def _ms(creep: "Creep") -> float:
    return creep.ms


def client_times(short: Sequence["Creep"], long: Sequence["Creep"]) -> tuple[list[float], float]:
    """Milliseconds of a force call in each long minimisation, and of the client's start, from the least disturbed short one.

    Raises:
        PotentialError: long ones made no more calls than short ones.
    """
    few = min(short, key=lambda creep: creep.ms)
    more = long[0].calls - few.calls
    if more <= 0:
        raise PotentialError(
            f"eOn's client counted {long[0].calls} force calls in a long job and {few.calls} in a short one"
        )
    each = [max((creep.ms - few.ms) / more, 1e-3) for creep in long]
    return each, max(few.ms - few.calls * min(each), 0.0)


def judge_calls(
    client: Sequence[float], bare: Sequence[float], *, start_ms: float, calls: int
) -> Finding:
    """The finding on force calls: the least times are those that other work on the machine disturbed least.

    Args:
        client: milliseconds a call in eOn's client, of each repeat.
        bare: in LAMMPS alone; empty where it cannot be asked.
        start_ms: of the client.
        calls: in a repeat.
    """
    values: dict[str, Value] = {
        "client_ms": min(client),
        "client_most_ms": max(client),
        "client_start_ms": start_ms,
        "calls": calls,
        "repeats": len(client),
    }
    text = f"{min(client):.2f} ms in eOn's client (up to {max(client):.2f}), its start {start_ms:.0f} ms"
    if not bare:
        return Finding("force call", Level.OK, text, values=values)
    overhead, least, most = (
        1 - min(bare) / min(client),
        1 - max(bare) / min(client),
        1 - min(bare) / max(client),
    )
    values |= {
        "lammps_ms": min(bare),
        "lammps_most_ms": max(bare),
        "overhead_share": overhead,
        "overhead_share_least": least,
        "overhead_share_most": most,
    }
    text += f"; {min(bare):.2f} ms in LAMMPS alone (up to {max(bare):.2f}): "
    text += f"overhead {overhead:.0%}" if overhead > 0 else "no overhead to be seen"
    large = not least <= OVERHEAD
    return Finding(
        "force call",
        Level.WARN if large else Level.OK,
        text,
        values=values,
        advice=(
            "much of it is eOn's own work: usual for small structures and cheap potentials"
            if large
            else ""
        ),
    )


@dataclass(frozen=True)
class Creep:
    """A minimisation that never arrives: its force calls, and its milliseconds."""

    calls: int
    ms: float


def _creep(atoms: Atoms, potential: Potential, *, iterations: int) -> Creep:
    """A minimisation in steps so small that it never arrives; eOn counts its calls rightly (one an iteration)."""
    begun = time.perf_counter()
    left = client_job(
        shaken(atoms),
        potential,
        returns=(RESULTS_FILE,),
        options={
            "Optimizer": {
                "opt_method": "fire",
                "converged_force": 1e-12,
                "max_iterations": iterations,
                "max_move": 1e-4,
            }
        },
    )
    return Creep(
        calls=int(float(parse_results(left[RESULTS_FILE]).get("total_force_calls", 0))),
        ms=1e3 * (time.perf_counter() - begun),
    )


def _calls_for(ms: float) -> int:
    return int(np.clip(_SERIES_MS / ms, _FEWEST, 2000))


def evaluators(
    atoms: Atoms, potential: AcePotential, *, folder: Path
) -> tuple[list[Finding], Ratio]:
    """Which of LAMMPS' two evaluators is the faster here, measured by turns."""
    calls = _calls_for(ms_per_call(atoms, potential, calls=10, folder=folder))
    times: dict[str, list[float]] = {"product": [], "recursive": []}
    for turn in range(_PAIRS):
        for name in ("product", "recursive") if turn % 2 == 0 else ("recursive", "product"):
            times[name].append(
                ms_per_call(
                    atoms,
                    potential,
                    calls=calls,
                    folder=folder,
                    evaluator="product" if name == "product" else "recursive",
                )
            )
    ratio = ratio_of(times["recursive"], times["product"])
    finding = judge(
        ratio,
        chosen=potential.evaluator,
        product_ms=float(np.median(times["product"])),
        recursive_ms=float(np.median(times["recursive"])),
    )
    if potential.knows_gamma:
        finding = replace(
            finding,
            level=Level.OK,
            advice="",
            text=f"{finding.text}; searches with gamma use pace/extrapolation, which is recursive",
        )
    return [finding], ratio


def judge(ratio: Ratio, *, chosen: str, product_ms: float, recursive_ms: float) -> Finding:
    """The finding on evaluators, from the time of `recursive` over that of `product`."""
    values: dict[str, Value] = {
        "chosen": chosen,
        "product_ms": product_ms,
        "recursive_ms": recursive_ms,
        "recursive_over_product": ratio.middle,
        "least": ratio.low,
        "most": ratio.high,
        "pairs": _PAIRS,
    }
    numbers = (
        f"recursive takes {plain(ratio.middle, digits=2)} of product's time, {plain(ratio.low, digits=2)} to "
        f"{plain(ratio.high, digits=2)} in {_PAIRS} pairs"
    )
    if not ratio.differs:
        values["faster"] = None
        if max(ratio.middle, 1 / ratio.middle) < WORTH:
            return Finding(
                "evaluator", Level.OK, f"no difference worth a change: {numbers}", values=values
            )
        return Finding(
            "evaluator",
            Level.UNKNOWN,
            f"the faster evaluator is uncertain: {numbers}, which disagree",
            advice="check again on a quiet machine",
            values=values,
        )
    faster = "product" if ratio.middle > 1 else "recursive"
    gain = max(ratio.middle, 1 / ratio.middle)
    wrong = faster != chosen and gain >= WORTH
    return Finding(
        "evaluator",
        Level.WARN if wrong else Level.OK,
        f"{faster} is the faster: {numbers}",
        advice=f"set potential.evaluator: {faster}" if wrong else "",
        values={**values, "faster": faster},
    )
