#!/bin/sh
# dpdata 1.1.0 and pymatgen-core 2026.10.16: LAMMPS's dump of a general triclinic box is read as a box of right angles, silently.
#
# Valid input: two atoms of magnesium (hcp, a 3.2 A, c 5.2 A, the axis c along -y), as LAMMPS (22 July 2025) writes them after
# `dump_modify ... triclinic/general yes`, which it has had since April 2024: ITEM: BOX BOUNDS abc origin pp pp pp, and then in each
# line the three components of a cell vector and one of the origin. Both readers look for "xy xz yz" in that line, do not find it,
# and take the first two numbers of each line for the lower and the upper bound of a box along the axes: the x and y of each
# vector. dpdata wraps the atoms into that box as well. The cell has half the volume and another shape, and looks sound. ASE
# 3.29.0 reads the file right. MDAnalysis 2.11.0 and mdtraj 1.11.1.post2 raise errors, as one expects of a line they do not know.
# Output seen:
#   ase       volume 46.11 A^3, angles 90 90 120, nearest neighbours 3.19 A
#   dpdata    volume 26.62 A^3, angles 90 90 90, nearest neighbours 1.60 A
#   pymatgen  volume 26.62 A^3, angles 90 90 90, nearest neighbours 1.60 A
#
# Run: sh findings/lammps-general-triclinic-dump.sh      (a minute or two for pip, seconds for the rest; nothing of this project)
# Ends with 0 while the behaviour is as described, with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install ase==3.29.0 dpdata==1.1.0 pymatgen-core==2026.10.16
cd "$folder"
cat >mg.dump <<'DUMP'
ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
2
ITEM: BOX BOUNDS abc origin pp pp pp
3.2000000000000002e+00 0.0000000000000000e+00 0.0000000000000000e+00 0.0000000000000000e+00
-1.6000000000000001e+00 6.1534805964047475e-16 2.7712812920999998e+00 0.0000000000000000e+00
0.0000000000000000e+00 -5.2000000000000002e+00 0.0000000000000000e+00 0.0000000000000000e+00
ITEM: ATOMS id type x y z
1 1 0 0 0
2 1 -4.44089e-16 -2.6 1.84752
DUMP
cat >show.py <<'PYTHON'
import sys
import warnings

import dpdata
import numpy as np
from ase import Atoms
from ase.io import read
from ase.neighborlist import neighbor_list
from pymatgen.io.lammps.outputs import parse_lammps_dumps

warnings.simplefilter("error")


def by_ase():
    atoms = read("mg.dump", format="lammps-dump-text")
    return atoms.cell.array, atoms.positions


def by_dpdata():
    system = dpdata.System("mg.dump", fmt="lammps/dump")
    return system["cells"][0], system["coords"][0]


def by_pymatgen():
    dump = next(iter(parse_lammps_dumps("mg.dump")))
    return dump.box.to_lattice().matrix, dump.data[["x", "y", "z"]].to_numpy(dtype=float)


def volume(name, cell, positions):
    atoms = Atoms("Mg2", positions=positions, cell=cell, pbc=True)
    angles = " ".join(f"{angle:.0f}" for angle in atoms.cell.angles())
    nearest = neighbor_list("d", atoms, 6.0).min()
    print(f"{name:9} volume {atoms.get_volume():5.2f} A^3, angles {angles}, nearest neighbours {nearest:.2f} A")
    return atoms.get_volume(), nearest


right, *others = [volume(reader.__name__[3:], *reader()) for reader in (by_ase, by_dpdata, by_pymatgen)]
as_described = (np.isclose(right[0], 3.2**2 * 0.75**0.5 * 5.2, atol=1e-4) and np.isclose(right[1], 3.19, atol=0.01)
                and all(np.isclose(other[0], 3.2 * 1.6 * 5.2, atol=1e-4) for other in others))
sys.exit(0 if as_described else 1)
PYTHON
venv/bin/python show.py
