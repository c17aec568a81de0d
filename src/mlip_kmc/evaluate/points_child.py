"""Forces at many points, in a process of its own: what `points.py` starts.

python3 -m mlip_kmc.evaluate.points_child        # reads points.npz and potential.json here, writes forces.npy
"""

import json
import sys
from pathlib import Path

import numpy as np

from mlip_kmc.driver.standalone import DriverError, Evaluator, Structure

POINTS, POTENTIAL, FORCES = "points.npz", "potential.json", "forces.npy"


def main() -> int:
    """Evaluate; answer the driver's exit code."""
    try:
        forces = _evaluated(
            json.loads(Path(POTENTIAL).read_text(encoding="utf-8")),
            np.load(POINTS, allow_pickle=False),
        )
    except DriverError as error:
        sys.stderr.write(f"{error}\n")
        return error.code
    np.save(FORCES, forces, allow_pickle=False)
    return 0


def _evaluated(options: dict[str, str], points: "np.lib.npyio.NpzFile") -> np.ndarray:
    """(P, N, 3) forces at each point."""
    evaluator = Evaluator(options)
    cell, numbers = points["cell"].ravel().tolist(), points["numbers"].tolist()
    bases, found = points["bases"], []
    for base, atom, step in zip(points["base"], points["atom"], points["step"], strict=True):
        places = bases[base].copy()
        if atom >= 0:
            places[atom] += step
        answer = evaluator.evaluate(Structure(cell, numbers, places.ravel().tolist()))
        if answer.halt:
            raise DriverError(100, answer.halt)
        found.append(np.array(answer.forces).reshape(-1, 3))
    return np.array(found)


if __name__ == "__main__":
    sys.exit(main())
