"""What a refresh saves: force calls against exploring anew with the new potential, same engine, options and confidence.

A state is explored under one potential until its confidence is reached. Then the run is carried over to another potential: its
saddles are refreshed, and the state is searched until its confidence is reached again. Beside it a new run explores the same
state with that potential. Limits: refresh at most 25 % of exploring anew, refresh and confirmation together no more; barriers
within 1 meV; no process missing whose rate is over 1 % of the sum.

    python3 bench/refresh.py OLD.yace NEW.yace STRUCTURE [--folder DIR] [--repeats 2]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from mlip_kmc.model.records import SearchRecord, read_lines
from mlip_kmc.store.eon_tree import read_states

LIMIT, TOGETHER, MOST_MEV, MOST_MISSED = 0.25, 1.0, 1.0, 0.01


def configuration(potential: Path, structure: Path, *, seed: int, steps: int) -> dict[str, object]:
    """Of a run that ends when state 0, and the next one, are confident."""
    return {
        "structure": str(structure),
        "potential": {"ace": str(potential)},
        "temperature_K": 500,
        "search": {
            "displace": "under_coordinated",
            "max_coordination": 11,
            "displacement_A": 0.3,
            "displacement_radius_A": 3.0,
            "max_iterations": 300,
            "converged_force_eV_per_A": 0.003,
        },
        "gamma": {"on_halt": "continue"},
        "confidence": {"scheme": "old", "value": 0.99},
        "stop": {"kmc_steps": steps},
        "workers": 2,
        "seed": seed,
    }


def mlip_kmc(*arguments: str, cwd: Path) -> str:
    """What it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "mlip_kmc", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 75}:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr}")
    return done.stdout


def explored(folder: Path, name: str, settings: dict[str, object]) -> Path:
    """The run directory in which state 0 was searched until it was confident."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    mlip_kmc("run", f"{name}.yaml", "--dir", name, "--quiet", cwd=folder)
    return folder / name


def calls(run: Path, *, epoch: int, state: int = 0) -> tuple[int, int]:
    """Force calls in a state, as the clients count them: of refreshes, and of other searches."""
    records = [
        record
        for record in read_lines(run / "journal" / "searches.jsonl", SearchRecord)
        if record.epoch == epoch and record.state == state
    ]
    refresh = sum(record.force_calls for record in records if record.stale is not None)
    return refresh, sum(record.force_calls for record in records) - refresh


def processes(run: Path) -> list[tuple[float, float]]:
    """Barriers (eV) and rates (1/s) of state 0, lowest first."""
    searches = read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    state = read_states(run / "eon", searches)[0]
    return sorted((process.barrier, process.rate) for process in state.processes)


def one(old: Path, new: Path, structure: Path, folder: Path, *, seed: int) -> dict[str, float]:
    """Ratios of one seed."""
    folder.mkdir(parents=True, exist_ok=True)
    run = explored(folder, "old", configuration(old, structure, seed=seed, steps=1))
    # a run that has made its step has left state 0: searches of state 0 alone, until it is confident
    records = read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    count = sum(record.state == 0 for record in records)
    shutil.rmtree(run)
    mlip_kmc("search", "old.yaml", "--dir", "old", "--count", str(count), cwd=folder)
    settings = configuration(new, structure, seed=seed, steps=1)
    (folder / "new.yaml").write_text(yaml.safe_dump(settings))
    mlip_kmc("refresh", "new.yaml", "--dir", "old", cwd=folder)
    mlip_kmc("run", "new.yaml", "--dir", "old", "--quiet", cwd=folder)
    refresh, confirmation = calls(run, epoch=1)
    anew = explored(folder, "anew", configuration(new, structure, seed=seed + 1000, steps=1))
    _, alone = calls(anew, epoch=0)
    first, second = processes(run), processes(anew)
    total = sum(rate for _, rate in second)
    missing = [
        rate
        for barrier, rate in second
        if not any(abs(barrier - other) <= MOST_MEV / 1e3 for other, _ in first)
    ]
    common = min(len(first), len(second))
    return {
        "refresh": refresh / alone,
        "together": (refresh + confirmation) / alone,
        "processes": len(first),
        "anew": len(second),
        "largest_meV": max(
            1e3 * abs(first[index][0] - second[index][0]) for index in range(common)
        ),
        "missed": max(missing, default=0.0) / total,
    }


def main() -> None:
    """Print each seed, and whether the limits hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("structure", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("refresh-bench"))
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    files = [path.resolve() for path in (arguments.old, arguments.new, arguments.structure)]
    good = True
    for seed in range(1, arguments.repeats + 1):
        found = one(*files, arguments.folder.resolve() / str(seed), seed=seed)
        print(json.dumps({"seed": seed, **{key: round(value, 4) for key, value in found.items()}}))
        good = good and found["refresh"] <= LIMIT and found["together"] <= TOGETHER
        good = good and found["largest_meV"] <= MOST_MEV and found["missed"] <= MOST_MISSED
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
