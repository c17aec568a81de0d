"""Evaluations an event takes, each technique switched on in turn, beside eOn's client without any; `just bench-events`.

    containers/in-image python3 bench/events.py [--cases vacancy low-symmetry] [--steps 20] [--seeds 1 2] [--folder DIR]

The example's vacancy of 107 atoms and its settings (`old`, 0.99), and the same with one atom fixed, where symmetry cannot help.
Runs of two workers, in turn: searches by eOn's client alone (two KMC steps: the first state, and a later one), with orbits, with
classes, by our own search engine, and all of it with early stops. eOn's client does not count the rotations of its dimer: its
counts are multiplied by what LAMMPS counted in a few searches of the same kind, printed first. Checks, audits and bad searches
are counted.

For each run: evaluations to the first event, evaluations a later event, events an hour after the first, processes of state 0 and
the share of the rate that is missed, against the largest sum of rates of all runs of the case. Exit code 1: a limit is missed (
the first event at most 1/3 of eOn's client, or 1/1.7 without symmetry; later events at most 1/30 with symmetry).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml
from ase.constraints import FixAtoms
from ase.io import read, write
from engines import by_eon, client_ini, starts
from example import EXAMPLE, by_eon_alone

from mlip_kmc.evaluate.client import ClientJob
from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.model.structure import from_con, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.store.eon_tree import read_states

FIRST, WITHOUT_SYMMETRY, LATER = 1 / 3, 1 / 1.7, 1 / 30
SHARING = {"orbits": True, "classes": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "eon": {},
    "eon+orbits": {"symmetry": {"orbits": True}},
    "eon+orbits+classes": {"symmetry": SHARING},
    "native": {"search": {"engine": "native"}},
    "native+orbits+classes": {"search": {"engine": "native"}, "symmetry": SHARING},
    "all": {"search": {"engine": "native", "early_stop": True}, "symmetry": SHARING},
}


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        first: evaluations to the first event. later: evaluations an event after it, or None.
        events_an_hour: after the first. barriers: eV, of state 0. searches: registered in state 0.
    """

    first: float
    later: float | None
    events_an_hour: float | None
    barriers: tuple[float, ...]
    searches: int


def structure(case: str, folder: Path) -> Path:
    """The structure file of a case."""
    atoms = read(EXAMPLE / "vacancy.xyz")
    if case == "low-symmetry":
        atoms.set_constraint(FixAtoms(indices=[len(atoms) // 2 + 7]))
    path = folder / f"{case}.xyz"
    write(path, atoms)
    return path


def rotations(start: Path, count: int) -> float:
    """How many force calls LAMMPS counts for one that eOn's client counts."""
    ace = AcePotential.read(EXAMPLE / "cu.yace")
    con = to_con(read(start))
    files = {"pos.con": con, "config.ini": client_ini(0.01), **ace.job_files(("Cu",))}
    job = ClientJob(name="0_0", files=files, links=ace.job_links(), time_limit_s=600.0)
    counted = [by_eon(job, texts) for _, texts in starts(from_con(con), count, seed=5)]
    return sum(calls for _, calls in counted) / sum(o.force_calls.total for o, _ in counted)


def run(folder: Path, start: Path, variant: str, *, steps: int, seed: int) -> tuple[Path, float]:
    """Make a run; answer its directory and seconds."""
    settings = by_eon_alone()
    settings |= {
        "structure": str(start),
        "potential": {"ace": str(EXAMPLE / "cu.yace")},
        "stop": {"kmc_steps": steps},
        "workers": 2,
        "seed": seed,
    }
    for key, value in VARIANTS[variant].items():
        settings[key] = {**settings.get(key, {}), **value}
    where = folder / f"{start.stem}-{variant}-{seed}"
    shutil.rmtree(where, ignore_errors=True)
    config = where.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    began = time.monotonic()
    command = [sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", str(where), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=7200)
    if done.returncode != 0:
        raise SystemExit(
            f"{variant}: exit code {done.returncode}: {done.stderr}{done.stdout[-2000:]}"
        )
    return where, time.monotonic() - began


def measured(where: Path, seconds: float, *, steps: int, factor: float) -> Measured:
    """What a run took.

    Args:
        where: its directory.
        seconds: it took.
        steps: KMC steps.
        factor: evaluations for a force call that it counts in a search.
    """
    records = read_lines(where / "journal" / "searches.jsonl", SearchRecord)

    def taken(record: SearchRecord) -> float:
        if record.kind == "class":
            return record.force_calls
        return factor * record.force_calls

    first = [record for record in records if record.state == 0]
    rest = [record for record in records if record.state != 0]
    spent = sum(record.seconds for record in first)
    return Measured(
        first=sum(map(taken, first)),
        later=sum(map(taken, rest)) / (steps - 1) if steps > 1 else None,
        events_an_hour=3600 * (steps - 1) / max(seconds - spent / 2, 1e-9) if steps > 1 else None,
        barriers=tuple(sorted(p.barrier for p in read_states(where / "eon")[0].processes)),
        searches=len(first),
    )


def rate(barriers: tuple[float, ...], *, temperature_K: float) -> float:
    """Sum of rates in units of the prefactor, of what is within 20 kT of the lowest."""
    kT = 8.617333262e-5 * temperature_K
    low = np.array([entry for entry in barriers if entry <= min(barriers) + 20 * kT])
    return float(np.exp(-low / kT).sum())


def main() -> None:
    """Print each run and each ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["vacancy", "low-symmetry"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--folder", type=Path, default=Path("events-bench"))
    arguments = parser.parse_args()
    if "eon" not in arguments.variants:
        arguments.variants = ["eon", *arguments.variants]
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    good = True
    for case in arguments.cases:
        start = structure(case, folder)
        factor = rotations(start, 8)
        print(f"{case}: LAMMPS counts {factor:.3f} force calls for one of eOn's client", flush=True)
        found: dict[str, list[Measured]] = {}
        for seed in arguments.seeds:
            for variant in arguments.variants:
                shares = VARIANTS[variant].get("symmetry", {}).get("classes", False)
                steps = arguments.steps if shares and case == "vacancy" else 2
                where, seconds = run(folder, start, variant, steps=steps, seed=seed)
                one = measured(
                    where, seconds, steps=steps, factor=factor if variant.startswith("eon") else 1.0
                )
                found.setdefault(variant, []).append(one)
                told = {"seed": seed, "steps": steps, "first": round(one.first), "later": one.later}
                told |= {"events_an_hour": one.events_an_hour, "searches": one.searches}
                told |= {"processes": len(one.barriers), "seconds": round(seconds, 1)}
                print(f"  {variant}: {json.dumps(told)}", flush=True)
        good = compared(case, found) and good
    sys.exit(0 if good else 1)


def compared(case: str, found: dict[str, list[Measured]]) -> bool:
    """Print ratios to eOn's client alone, and whether the limits hold."""
    most = max(rate(one.barriers, temperature_K=500) for runs in found.values() for one in runs)
    good = True
    for variant, runs in found.items():
        firsts = [one.first / base.first for one, base in zip(runs, found["eon"], strict=True)]
        missed = [1 - rate(one.barriers, temperature_K=500) / most for one in runs]
        text = f"  {variant}: first event {median(firsts):.3f} of eon ({min(firsts):.3f} to {max(firsts):.3f})"
        laters = [
            one.later / base.later
            for one, base in zip(runs, found["eon"], strict=True)
            if one.later is not None and base.later
        ]
        text += (
            f", later ones {median(laters):.4f} ({min(laters):.4f} to {max(laters):.4f})"
            if laters
            else ""
        )
        print(f"{text}, missed rate at most {max(missed):.2%}", flush=True)
        if variant == "all":
            limit = FIRST if case == "vacancy" else WITHOUT_SYMMETRY
            good = median(firsts) <= limit and (case != "vacancy" or median(laters) <= LATER)
            print(f"  limits {'hold' if good else 'are MISSED'}", flush=True)
    return good


if __name__ == "__main__":
    main()
