"""The numbers of a seeded run: events, searches and process tables, as they came out before the house was rebuilt.

    python3 tests/integration/golden.py RUN golden/NAME.json.gz     # writes them, from a run directory

They are compared number by number: integers and words exactly, real numbers to `RELATIVE` (another processor may round the last
digits of a sum in another order).
"""

import gzip
import hashlib
import json
import math
import sys
from pathlib import Path

HERE = Path(__file__).parent / "golden"
RELATIVE = 1e-9
EVENT = (
    "step",
    "reactant",
    "process",
    "product",
    "step_time_s",
    "time_s",
    "barrier",
    "rate",
    "energy",
    "mapping",
    "images",
)
SEARCH = ("state", "index", "outcome", "reason", "process", "barrier", "force_calls", "kind")
GAMMAS = ("gamma_reactant", "gamma_saddle", "gamma_product", "gamma_path")
PROCESS = 9


def numbers_of(run):
    """Events, searches and process tables of a run directory, read without the program."""
    return {
        "events": [
            [record[key] for key in EVENT] for record in _lines(run / "journal" / "events.jsonl")
        ],
        "searches": [
            [record[key] for key in (*SEARCH, *GAMMAS)]
            for record in _lines(run / "journal" / "searches.jsonl")
        ],
        "tables": {
            folder.name: [[float(word) for word in line.split()] for line in _rows(folder)]
            for folder in sorted((run / "eon" / "states").iterdir())
            if folder.name.isdigit()
        },
    }


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def _rows(folder):
    return [
        line
        for line in (folder / "processtable").read_text().splitlines()[1:]
        if len(line.split()) == PROCESS
    ]


def digest(numbers):
    """Of all digits: equal on one machine before and after a change that computes nothing else."""
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()


def golden(name):
    return json.loads(gzip.decompress((HERE / f"{name}.json.gz").read_bytes()))


def differences(found, wanted, where=""):
    """Where two sets of numbers differ, one line each."""
    if isinstance(wanted, float) and isinstance(found, float | int):
        same = math.isclose(found, wanted, rel_tol=RELATIVE, abs_tol=1e-12)
        return [] if same else [f"{where}: {found!r} for {wanted!r}"]
    if isinstance(wanted, dict) and isinstance(found, dict) and found.keys() == wanted.keys():
        return [
            line
            for key in wanted
            for line in differences(found[key], wanted[key], f"{where}/{key}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(found) == len(wanted):
        return [
            line
            for k, pair in enumerate(zip(found, wanted, strict=True))
            for line in differences(*pair, f"{where}/{k}")
        ]
    return [] if found == wanted else [f"{where}: {found!r} for {wanted!r}"[:300]]


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    numbers = numbers_of(Path(sys.argv[1]))
    Path(sys.argv[2]).write_bytes(
        gzip.compress(json.dumps(numbers, sort_keys=True).encode(), mtime=0)
    )
    print(digest(numbers), sys.argv[2])
