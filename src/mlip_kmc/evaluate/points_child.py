"""Forces at many points, in a process of its own: what `points.py` starts, by this file's path.

    python3 -P points_child.py .../mlip_kmc/driver        # reads points.npz and potential.json here, writes forces.npy

Of the package it loads the standalone driver alone, under its folder's name: the rest takes longer than a hundred evaluations.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

POINTS, POTENTIAL, FORCES = "points.npz", "potential.json", "forces.npy"
STANDALONE = "standalone"


def main(folder: str) -> int:
    """Evaluate; answer the driver's exit code.

    Args:
        folder: that the standalone driver's is in.
    """
    sys.path.append(folder)
    driver = import_module(STANDALONE)
    try:
        evaluator = driver.Evaluator(json.loads(Path(POTENTIAL).read_text(encoding="utf-8")))
        forces = _forces(driver, evaluator, np.load(POINTS, allow_pickle=False))
    except driver.DriverError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.code)
    np.save(FORCES, forces, allow_pickle=False)
    return 0


def _forces(driver: Any, evaluator: Any, points: Any) -> Any:
    """(P, N, 3) in eV/A."""
    cell, numbers = points["cell"].ravel().tolist(), points["numbers"].tolist()
    bases, found = points["bases"], []
    for base, atom, step in zip(points["base"], points["atom"], points["step"], strict=True):
        places = bases[base].copy()
        if atom >= 0:
            places[atom] += step
        answer = evaluator.evaluate(driver.Structure(cell, numbers, places.ravel().tolist()))
        found.append(np.array(answer.forces).reshape(-1, 3))
    return np.array(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
