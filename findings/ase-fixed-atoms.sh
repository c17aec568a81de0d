#!/usr/bin/env bash
# ASE 3.29.0 and words for fixed atoms, valid where they come from:
#   POSCAR: VASP takes the first letter after an optional dot, in either case (a Fortran logical). ASE takes `F` alone for fixed;
#           `f`, `.FALSE.` and `False` leave the atom free, without a word.
#   extended XYZ: a move_mask of `true` (extended XYZ's grammar allows it) leaves the atom fixed, without a word.
# Prints what ASE makes of each, and fails where that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install ase==3.29.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from ase.io import read

POSCAR = "words\n1.0\n4 0 0\n0 4 0\n0 0 9\nCu\n2\nSelective dynamics\nDirect\n0 0 0 {0} {0} {0}\n0 0 0.5 T T T\n"
XYZ = '2\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:move_mask:L:1\nCu 0 0 0 {0}\nCu 3 0 0 T\n'


def fixed(name, text):
    with open(name, "w") as stream:
        stream.write(text)
    return sorted(int(index) for constraint in read(name).constraints for index in constraint.get_indices())


found = {f"POSCAR {word}": fixed("POSCAR", POSCAR.format(word)) for word in ("F", "f", ".FALSE.", "False")}
found |= {f"move_mask {word}": fixed("a.xyz", XYZ.format(word)) for word in ("T", "True", "true", "TRUE", "F")}
for what, atoms in found.items():
    print(f"{what}: fixed atoms {atoms}")
assert found == {"POSCAR F": [0], "POSCAR f": [], "POSCAR .FALSE.": [], "POSCAR False": [],
                 "move_mask T": [], "move_mask True": [], "move_mask true": [0], "move_mask TRUE": [0], "move_mask F": [0]}
PYTHON
