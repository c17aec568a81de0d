"""What a confidence means: the fraction of the rate that is missed when a scheme says stop, beside 1 - confidence.

    containers/in-image python3 bench/confidence.py [--repeats 20] [--searches 3500] [--workers 2]

Runs process searches of the example's state 0 through `mlip-kmc run` itself (one long run that never reaches its
confidence), then deals them out to independent repeats: the searches are independent draws, so each repeat takes the next
ones from the list until its scheme stops it. The confidence formulas are eOn's own, evaluated by eOn's own state.
"""

import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml
from eon.akmcstate import AKMCState
from example import EXAMPLE, by_eon_alone

from mlip_kmc.model.records import SearchRecord, read_lines

SETTINGS = [
    ("old", 0.9),
    ("old", 0.95),
    ("old", 0.98),
    ("old", 0.99),
    ("new", 0.9),
    ("new", 0.95),
    ("new", 0.99),
    ("new", 0.999),
    ("sampling", 0.9),
    ("sampling", 0.95),
    ("sampling", 0.99),
    ("sampling", 0.999),
]
KT = 500 / 11604.5


class Table:
    """Just enough of an eOn state for its `get_confidence`: counts of what was found."""

    def __init__(self, scheme):
        self.config = SimpleNamespace(
            sb_superbasin_confidence=False,
            recycling_on=False,
            disp_moved_only=False,
            akmc_confidence_correction=False,
            akmc_confidence_scheme=scheme,
        )
        self.counts, self.barriers, self.repeats = {}, {}, 0

    def get_ratetable(self, _=None):
        lowest = min(self.barriers.values(), default=0.0)
        return [
            (k, math.exp(-b / KT), 1e13) for k, b in self.barriers.items() if b <= lowest + 20 * KT
        ]

    def get_proc_random_count(self):
        return dict(self.counts)

    def get_repeats(self):
        return self.repeats

    def register(self, record):
        """As eOn's `add_process` counts."""
        known = record.process in self.counts
        self.counts[record.process] = self.counts.get(record.process, 0) + 1
        self.barriers.setdefault(record.process, record.barrier)
        self.repeats = self.repeats + 1 if known else 0

    confidence = AKMCState.get_confidence


def searches(number, workers, folder):
    """Records of so many searches of state 0; `old` at 1 - 1e-9 is never reached."""
    settings = by_eon_alone()
    settings.update(
        structure=str(EXAMPLE / "vacancy.xyz"),
        potential={"ace": str(EXAMPLE / "cu.yace")},
        workers=workers,
        confidence={"scheme": "old", "value": 1 - 1e-9},
        stop={"kmc_steps": 1, "wall_time_min": 5},
    )
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    journal = folder / "run" / "journal" / "searches.jsonl"
    while (found := len(read_lines(journal, SearchRecord))) < number:
        print(f"{found} of {number} searches", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "mlip_kmc", "run", "akmc.yaml", "--dir", "run", "--quiet"],
            cwd=folder,
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if done.returncode != 75:
            sys.exit(f"the run ended with exit code {done.returncode}")
    return read_lines(journal, SearchRecord)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--searches", type=int, default=3500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--journal",
        type=Path,
        help="take the searches of a run that is there: its journal/searches.jsonl",
    )
    arguments = parser.parse_args()
    if arguments.journal:
        records = [
            record for record in read_lines(arguments.journal, SearchRecord) if record.state == 0
        ]
    else:
        with tempfile.TemporaryDirectory() as folder:
            records = searches(arguments.searches, arguments.workers, Path(folder))
    good = [record for record in records if record.process is not None]
    barriers = {record.process: record.barrier for record in reversed(good)}
    rates = {process: math.exp(-barrier / KT) for process, barrier in barriers.items()}
    total = sum(rates.values())
    print(
        f"{len(records)} searches of state 0, {len(good)} good, {len(barriers)} processes; lowest barriers (eV):",
        *(f"{barrier:.4f}" for barrier in sorted(barriers.values())[:14]),
    )
    print(
        f"\n{'scheme':10}{'confidence':>11}{'1 - conf.':>11}{'repeats':>9}{'missed rate':>13}{'(worst)':>9}{'all found':>11}"
        f"{'searches':>10}"
    )
    for scheme, wanted in SETTINGS:
        missed, used, position = [], [], 0
        while len(missed) < arguments.repeats and position < len(records):
            table, begin = Table(scheme), position
            while position < len(records):
                record = records[position]
                position += 1
                if record.process is not None:
                    table.register(record)
                    if table.confidence() >= wanted:
                        missed.append(1 - sum(rates[process] for process in table.counts) / total)
                        used.append(position - begin)
                        break
        if not missed:
            print(f"{scheme:10}{wanted:11.4f}  too few searches for one repeat")
            continue
        complete = np.mean([value < 1e-3 for value in missed])
        print(
            f"{scheme:10}{wanted:11.4f}{1 - wanted:11.4f}{len(missed):9}{np.mean(missed):13.4f}{max(missed):9.4f}"
            f"{complete:11.2f}{np.mean(used):10.1f}"
        )


if __name__ == "__main__":
    main()
