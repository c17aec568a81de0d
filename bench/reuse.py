"""What reuse after a hop saves, and whether it misses anything, beside the same state explored anew; `just bench-reuse`.

    containers/in-image python3 bench/reuse.py [--cases two-adatoms alloy] [--hops 3] [--confidence 0.99] [--folder DIR]

At 0.99 two adatoms take hours: each has some forty processes. `--cases two-adatoms --hops 1 --confidence 0.8` is for a quarter of
an hour.

A run with `reuse.after_hop` makes some KMC steps. Each state behind a hop is then explored by a run of its own that begins there,
without reuse, to the same confidence. Printed for each: force calls of both, how many processes were carried over, and what share
of the rate each of them misses of what both know together. Processes are the same where their saddles are, atom by atom.

Exit code 1: a process is missing with reuse whose rate is over 1 % of all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml
from cases import CASES, Case
from example import by_eon_alone

from mlip_kmc.model.records import SearchRecord, StateRecord, read_lines
from mlip_kmc.model.structure import from_con, minimum_image
from mlip_kmc.store.eon_tree import read_states

LIMIT = 0.01
SAME_A = 0.1


@dataclass(frozen=True)
class Explored:
    """A state as one run knows it.

    Attributes:
        calls: evaluations of its searches. carried: processes that were carried over. wrong: lost ones, and audits that failed.
        saddles: (N, 3) and rate of each process.
    """

    calls: int
    carried: int
    wrong: int
    saddles: list[tuple[Any, float]]


def settings_of(
    case: Case, start: Path, potential: Path, *, reuse: bool, steps: int, confidence: float
) -> Any:
    """Of a run; both have the same."""
    settings = by_eon_alone()
    for key in ("displace", "max_coordination"):
        settings["search"].pop(key, None)
    settings["search"] |= case.search | {"engine": "native", "max_bad_in_a_row": 1000}
    settings |= {"structure": str(start), "potential": {"ace": str(potential)}, "workers": 1}
    settings["confidence"] = {"scheme": "old", "value": confidence}
    settings |= {"stop": {"kmc_steps": steps}, "gamma": {"on_halt": "continue"}}
    return settings | {"reuse": {"after_hop": reuse}}


def made(where: Path, settings: Any) -> Path:
    """The run's directory."""
    config = where.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(settings))
    line = [sys.executable, "-m", "mlip_kmc", "run", str(config), "--dir", str(where), "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{where} ended with exit code {done.returncode}: {done.stderr[-2000:]}")
    return where


def explored(where: Path, state: StateRecord) -> Explored:
    """What a run knows of a state."""
    journal = read_lines(where / "journal" / "searches.jsonl", SearchRecord)
    records = [record for record in journal if record.state == state.number]
    told = [record.reused for record in records]
    return Explored(
        calls=sum(record.force_calls for record in records),
        carried=told.count("carried"),
        wrong=told.count("lost") + told.count("wrong"),
        saddles=[
            (from_con(process.saddle.read_text()).positions, process.rate)
            for process in state.processes
        ],
    )


def missing(one: Explored, other: Explored, cell: Any) -> tuple[int, float]:
    """How many processes of the other the first does not have, and the largest rate of one, of the sum of the other's."""
    total = sum(rate for _, rate in other.saddles)
    lost = [
        rate / total
        for saddle, rate in other.saddles
        if not any(_apart(saddle - there, cell) < SAME_A for there, _ in one.saddles)
    ]
    return len(lost), max(lost, default=0.0)


def _apart(difference: Any, cell: Any) -> float:
    vectors = minimum_image(difference, cell)
    return float(np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).max())


def compared(name: str, folder: Path, hops: int, confidence: float) -> bool:
    """Print each state behind a hop; whether nothing of weight is missing."""
    case = CASES[name]
    start, potential = case.made(folder)
    settings = partial(settings_of, case, potential=potential, confidence=confidence)
    run = made(folder / "reuse", settings(start, reuse=True, steps=hops + 1))
    states = {state.number: state for state in read_states(run / "eon")}
    journal = read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    good, shares = True, []
    for number in sorted({record.state for record in journal} - {0}):
        mine = explored(run, states[number])
        atoms = from_con(states[number].structure.read_text())
        atoms.write(there := folder / f"state-{number}.xyz")
        anew = made(folder / f"anew-{number}", settings(there, reuse=False, steps=1))
        other = explored(anew, read_states(anew / "eon")[0])
        cell = np.asarray(atoms.cell.array)
        lost, worst = missing(mine, other, cell)
        more, least = missing(other, mine, cell)
        shares.append(mine.calls / other.calls)
        print(
            f"{name}, state {number}: {mine.calls} force calls with reuse ({mine.carried} processes carried over, {mine.wrong} "
            f"errors found), {other.calls} anew: {shares[-1]:.2f}; {len(mine.saddles)} and {len(other.saddles)} processes; "
            f"missing with reuse {lost} (at most {worst:.2%} of the rate), anew {more} (at most {least:.2%})",
            flush=True,
        )
        good = good and worst <= LIMIT
    if shares:
        print(
            f"{name}: {median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f}) of the force calls"
        )
    return good and bool(shares)


def main() -> None:
    """Print each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["two-adatoms", "alloy"])
    parser.add_argument("--hops", type=int, default=3)
    parser.add_argument("--confidence", type=float, default=0.99)
    parser.add_argument("--folder", type=Path, default=Path("reuse-bench"))
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    good = [
        compared(name, folder / name, arguments.hops, arguments.confidence)
        for name in arguments.cases
    ]
    print(f"limits {'hold' if all(good) else 'are MISSED'}")
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
