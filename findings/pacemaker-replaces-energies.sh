#!/bin/sh
# pacemaker (python-ace 0.4.0rc1): the column `energy_corrected`, which a fit is made to, is replaced where one energy is below
# -20 eV an atom, though nothing asks for it.
#
# Valid input: three structures of copper whose table has `energy_corrected`, the energies to fit, and `energy`, total energies of
# the code (100 eV an atom lower); no `reference_energy` is set, and `pacemaker --dry-run` keeps the table that it would fit to
# in fitting_data_info.pckl.gzip. With energies of -19 eV an atom that table has `energy_corrected` as given. With -21 eV an atom
# (a zero of energy that is not the free atom's: nothing forbids it) all energies are replaced by others, fitted to the column
# `energy` by least squares: differences between structures stay, the zero that was given does not. A warning in the log tells of
# it; the exit code is 0. Output seen:
#   energy_corrected given -19.000 -18.900 -18.800 eV an atom: fitted to -19.000 -18.900 -18.800
#   energy_corrected given -21.000 -20.900 -20.800 eV an atom: fitted to 0.000 0.100 0.200
#   energy_corrected given -21.000 -20.900 -20.800 eV an atom: fitted to KeyError: 'energy'
# The last is the second set without the column `energy`, which is not needed otherwise.
#
# Run: sh findings/pacemaker-replaces-energies.sh      (a few minutes for pip, seconds for the rest; nothing of this project)
# Ends with 0 while the behaviour is as described, with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install python-ace==0.4.0rc1 ase==3.29.0
cd "$folder"
cat >show.py <<'PYTHON'
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
from ase.build import bulk
from pyace import create_multispecies_basis_config

PROGRAM = os.path.join(os.path.dirname(sys.executable), "pacemaker")
BOND = {"radbase": "ChebExpCos", "radparameters": [3.0], "rcut": 5.0, "dcut": 0.01, "NameOfCutoffFunction": "cos"}
create_multispecies_basis_config({
    "deltaSplineBins": 0.001, "elements": ["Cu"], "bonds": {"ALL": BOND},
    "embeddings": {"ALL": {"npot": "FinnisSinclairShiftedScaled", "fs_parameters": [1, 1], "ndensity": 1}},
    "functions": {"ALL": {"nradmax_by_orders": [2], "lmax_by_orders": [0]}},
}).save("potential.yaml")
SETTINGS = {"seed": 1, "data": {"filename": "set.pckl.gzip"}, "potential": "potential.yaml",
            "fit": {"optimizer": "BFGS", "maxiter": 1}, "backend": {"evaluator": "pyace"}}
with open("input.yaml", "w") as stream:
    json.dump(SETTINGS, stream)  # JSON is YAML


def fitted_to(energies, *, total=True):
    rows = []
    for seed, energy in enumerate(energies):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=seed)
        row = {"ase_atoms": atoms, "energy_corrected": 4 * energy, "forces": np.zeros((4, 3))}
        rows.append({**row, "energy": 4 * (energy - 100.0)} if total else row)
    pd.DataFrame(rows).to_pickle("set.pckl.gzip", compression="gzip", protocol=4)
    done = subprocess.run([PROGRAM, "input.yaml", "--dry-run"], capture_output=True, text=True,
                          env={**os.environ, "MPLBACKEND": "Agg"})
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return pd.read_pickle("fitting_data_info.pckl.gzip", compression="gzip")["energy_corrected"].to_numpy() / 4


def row(values):
    return values if isinstance(values, str) else " ".join(f"{value:.3f}" for value in values)


kept, beyond = np.array([-19.0, -18.9, -18.8]), np.array([-21.0, -20.9, -20.8])
found = [fitted_to(kept), fitted_to(beyond), fitted_to(beyond, total=False)]
for given, got in zip((kept, beyond, beyond), found):
    print(f"energy_corrected given {row(given)} eV an atom: fitted to {row(got)}")
as_described = np.allclose(found[0], kept) and not isinstance(found[1], str) and not np.allclose(found[1], beyond, atol=1.0) \
    and found[2] == "KeyError: 'energy'"
print("as described" if as_described else "the behaviour has changed")
sys.exit(0 if as_described else 1)
PYTHON
venv/bin/python show.py
