#!/bin/sh
# ASE 3.29.0: in extended XYZ an empty text in `info` takes the next entry with it, here the energy.
#
# Valid input: a structure with an energy (EMT), and a remark that is empty. ASE writes `remark= energy=-0.0227...`, unquoted, and reads
# that as one entry, whose value is the text of the next: remark is 'energy=-0.0227...', and the structure has forces, stress and
# free energy, but no energy. Nothing is raised and no warning is given. A training set that is copied by ASE loses, of
# each structure whose remark is empty, whatever came next. Output seen:
#   remark 'bulk': remark 'bulk', results energies, energy, forces, free_energy, stress
#   remark '': remark 'energy=-0.022726', results energies, forces, free_energy, stress
#
# Run: sh findings/ase-empty-value-takes-the-energy.sh      (a minute for pip; nothing of this project)
# Ends with 0 while the behaviour is as described, with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install ase==3.29.0
cd "$folder"
cat >show.py <<'PYTHON'
import sys
import warnings

from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read, write

warnings.simplefilter("error")


def copied(remark):
    atoms = bulk("Cu", cubic=True)
    atoms.info["remark"] = remark
    atoms.calc = EMT()
    atoms.get_potential_energy()
    write("copy.xyz", atoms)
    copy = read("copy.xyz")
    print(f"remark {remark!r}: remark {str(copy.info['remark'])[:16]!r}, results {', '.join(sorted(copy.calc.results))}")
    return copy


full, empty = copied("bulk"), copied("")
as_described = (full.info["remark"] == "bulk" and "energy" in full.calc.results
                and str(empty.info["remark"]).startswith("energy=") and "energy" not in empty.calc.results)
sys.exit(0 if as_described else 1)
PYTHON
venv/bin/python show.py
