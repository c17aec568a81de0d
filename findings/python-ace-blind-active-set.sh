#!/bin/sh
# python-ace 0.4.0rc1: an active set of deficient rank is inverted by a pseudo-inverse, and gamma is small everywhere.
#
# Valid input: a B-basis of copper with 36 functions, and 108 atoms of perfect fcc copper, shifted by an arbitrary vector.
# python-ace's own recipe, compute_B_projections -> compute_active_set -> compute_A_active_inverse -> save_active_inverse_set, as
# its command pace_activeset does it, raises and prints nothing, though all environments are the same one (rank 1 of 36). By the
# `.asi` it writes, structures with nothing in common with the crystal have gamma far below 1, "interpolation"; so has the crystal
# itself (1/36, where a regular active set gives 1), so looking at gamma in the training set shows nothing either. Output seen:
#   python-ace 0.4.0rc1: 108 environments, numerical rank 1 of 36
#     gamma    0.0278  the crystal
#     gamma    0.0377  rattled by 0.3 A
#     gamma    0.0278  Cu(100) surface
#     gamma    0.0261  bcc
#     gamma    0.0043  diamond
# MaxVol itself raises "Input matrix must not be singular" only where the rows are the same to the last bit.
#
# Run: sh findings/python-ace-blind-active-set.sh      (a few minutes for pip, seconds for the rest; nothing of this project)
# Ends with 0 while the behaviour is as described, with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install python-ace==0.4.0rc1 ase==3.29.0
cd "$folder"
cat >show.py <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from ase.build import bulk, fcc100
from pyace import ACEBBasisSet, PyACECalculator, create_multispecies_basis_config
from pyace.activelearning import (
    compute_A_active_inverse,
    compute_active_set,
    compute_B_projections,
    save_active_inverse_set,
)

configuration = create_multispecies_basis_config({
    "deltaSplineBins": 0.001, "elements": ["Cu"],
    "embeddings": {"ALL": {"npot": "FinnisSinclairShiftedScaled", "fs_parameters": [1, 1], "ndensity": 1}},
    "bonds": {"ALL": {"radbase": "ChebExpCos", "radparameters": [3.0], "rcut": 5.0, "dcut": 0.01, "NameOfCutoffFunction": "cos"}},
    "functions": {"ALL": {"nradmax_by_orders": [8, 3, 2], "lmax_by_orders": [0, 2, 1]}}})
configuration.set_func_coeffs(np.linspace(1e-3, 1e-2, len(configuration.get_func_coeffs())))
configuration.save("cu.yaml")

crystal = bulk("Cu", "fcc", a=3.61, cubic=True) * 3
crystal.translate(np.random.default_rng(0).uniform(0, 3.61, 3))
basis = ACEBBasisSet("cu.yaml")
rows = compute_B_projections(basis, [crystal])
inverse = compute_A_active_inverse(compute_active_set({0: rows[0].copy()}, tol=1.001))
save_active_inverse_set("cu.asi", inverse, elements_name=["Cu"])

scaled = inverse[0] / np.abs(inverse[0]).max()
calculator = PyACECalculator("cu.yaml")
calculator.set_active_set("cu.asi")
rattled = crystal.copy()
rattled.rattle(0.3, seed=1)
largest = {}
for name, atoms in {"the crystal": crystal, "rattled by 0.3 A": rattled, "Cu(100) surface": fcc100("Cu", (2, 2, 6), a=3.61, vacuum=8,
                    periodic=True), "bcc": bulk("Cu", "bcc", a=2.87, cubic=True), "diamond": bulk("Cu", "diamond", a=5.4)}.items():
    calculator.calculate(atoms)
    largest[name] = float(np.max(calculator.results["gamma"]))
print(f"python-ace {version('python-ace')}: {len(rows[0])} environments, numerical rank {np.linalg.matrix_rank(scaled)} of {len(scaled)}")
for name, gamma in largest.items():
    print(f"  gamma {gamma:9.4f}  {name}")
outside = [gamma for name, gamma in largest.items() if name != "the crystal"]
sys.exit(0 if np.linalg.matrix_rank(scaled) == 1 and max(outside) < 1.0 else 1)
PYTHON
"$folder/venv/bin/python" show.py 2>/dev/null
