#!/bin/sh
# ASE 3.29.0, eOn's format `.con`: a cell that does not lie along the axes comes back with its atoms in the wrong places.
#
# Valid input: eight atoms of fcc copper in the primitive cell that ase.build.bulk makes, whose vectors are (0, a/2, a/2) and so on. `.con` has
# three lengths and three angles. ASE writes them, and the Cartesian positions as they are in the turned cell; it does not turn them
# with the cell. The reader puts the first vector along x. The result is another structure, without a word: 19 eV an atom above
# the crystal by EMT. A cell along the axes is right. Output seen:
#   cubic cell: -0.0057 eV an atom before, -0.0057 eV an atom after; nearest neighbours 2.55 A and 2.55 A
#   primitive cell: -0.0057 eV an atom before, 19.3297 eV an atom after; nearest neighbours 2.55 A and 0.99 A
#
# Run: sh findings/ase-con-turned-cell.sh      (a minute for pip; nothing of this project)
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
from ase.neighborlist import neighbor_list

warnings.simplefilter("error")


def energy_and_nearest(atoms):
    atoms = atoms.copy()
    atoms.pbc = True  # .con does not say it: eOn is periodic
    atoms.calc = EMT()
    return atoms.get_potential_energy() / len(atoms), neighbor_list("d", atoms, 3.0).min()


def there_and_back(name, atoms):
    write("copy.con", atoms, format="eon")
    (before, near), (after, nearer) = energy_and_nearest(atoms), energy_and_nearest(read("copy.con", format="eon"))
    print(f"{name}: {before:.4f} eV an atom before, {after:.4f} eV an atom after; nearest neighbours {near:.2f} A and {nearer:.2f} A")
    return after - before


same = there_and_back("cubic cell", bulk("Cu", cubic=True) * 2)
other = there_and_back("primitive cell", bulk("Cu") * 2)
sys.exit(0 if abs(same) < 1e-6 and other > 1.0 else 1)
PYTHON
venv/bin/python show.py
