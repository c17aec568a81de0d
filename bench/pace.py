"""KMC events an hour on two workers: all techniques, and a build without them, in turn; `just bench-pace`.

    containers/in-image python3 bench/pace.py [--before CHECKOUT] [--repeats 3] [--folder DIR]

The example's vacancy, confidence `old` 0.99, from nothing: the first event is in it. Ours makes 100 KMC steps; the other makes
two, each of which explores a state from nothing. The other is an earlier checkout of this project, its sources on top of this
image's programs, else this build with eOn's client, without orbits and classes. Exit code 1: ours makes less than 30 times as
many.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from events import NATIVE, SHARING, STEPS
from example import EXAMPLE, by_eon_alone
from table import spread

LIMIT = 30.0
BEFORE_STEPS = 2


def settings(*, steps: int, seed: int, example: Path, **changes: Any) -> dict[str, Any]:
    """A configuration of the example."""
    found: dict[str, Any] = yaml.safe_load((example / "akmc.yaml").read_text(encoding="utf-8"))
    found |= {
        "structure": str(EXAMPLE / "vacancy.xyz"),
        "potential": {"ace": str(EXAMPLE / "cu.yace")},
        "workers": 2,
        "stop": {"kmc_steps": steps},
        "seed": seed,
    }
    found["gamma"] = {"on_halt": "continue"}
    return found | changes


def events_an_hour(config: dict[str, Any], where: Path, source: Path) -> float:
    """Of one run, from the command to its end.

    Args:
        config: of it.
        where: its directory; made anew.
        source: the package's sources.
    """
    shutil.rmtree(where, ignore_errors=True)
    where.parent.mkdir(parents=True, exist_ok=True)
    written = where.with_suffix(".yaml")
    written.write_text(yaml.safe_dump(config))
    path = os.pathsep.join([str(source), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    line = [sys.executable, "-m", "mlip_kmc", "run", written, "--dir", where, "--quiet"]
    began = time.monotonic()
    done = subprocess.run(
        line,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=7200,
    )
    if done.returncode != 0:
        raise SystemExit(f"{written}: exit code {done.returncode}: {done.stderr[-2000:]}")
    steps: int = config["stop"]["kmc_steps"]
    return 3600 * steps / (time.monotonic() - began)


def main() -> None:
    """Print each run, and the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--before", type=Path, help="an earlier checkout of this project")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("pace-bench"))
    arguments = parser.parse_args()
    here, folder = Path(__file__).resolve().parents[1], arguments.folder.resolve()
    ratios = []
    for seed in range(1, arguments.repeats + 1):
        ours = settings(steps=STEPS, seed=seed, example=EXAMPLE, symmetry=SHARING)
        ours["search"] |= NATIVE
        if arguments.before is None:
            theirs, source = by_eon_alone() | {"workers": 2, "seed": seed}, here / "src"
            theirs |= {"stop": {"kmc_steps": BEFORE_STEPS}, "gamma": {"on_halt": "continue"}}
        else:
            example = arguments.before.resolve() / "examples" / "cu-vacancy"
            theirs = settings(steps=BEFORE_STEPS, seed=seed, example=example)
            source = arguments.before.resolve() / "src"
        slow = events_an_hour(theirs, folder / f"before-{seed}", source)
        fast = events_an_hour(ours, folder / f"ours-{seed}", here / "src")
        ratios.append(fast / slow)
        print(
            f"seed {seed}: {fast:.0f} events an hour, {slow:.1f} before: {fast / slow:.0f} times",
            flush=True,
        )
    print(f"ratio {spread(ratios, '.0f')}")
    sys.exit(0 if min(ratios) >= LIMIT else 1)


if __name__ == "__main__":
    main()
