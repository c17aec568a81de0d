#!/bin/sh
# vesin 0.6.2: the drop-in replacement for ASE's neighbor_list answers one quantity in a tuple, and indices without a sign, silently.
#
# Valid input: a copper crystal of one atom in its primitive cell and one of four, neighbours within 3 A, each with 12. The docstring of
# vesin.ase_neighbor_list promises the API of ase.neighborlist.neighbor_list and lists what is not supported; neither of these is
# listed. ASE answers a single quantity as an array, so that len(neighbor_list("i", ...)) is the number of neighbours; with vesin it is 1, a
# tuple of one array, and a mean over it is right by chance. Indices are uint64 where ASE's are int64: the difference j - i of a pair
# wraps around to 18446744073709551615 in place of -1, with no error.
# The distances themselves are the same.
# Output seen:
#   ase    len 12, shape of S (12, 3), smallest j - i -3
#   vesin  len 1, shape of S (1, 12, 3), smallest j - i 1, largest 18446744073709551615
#   distances agree to 0.0e+00 A
#
# Run: sh findings/vesin-drop-in-neighbours.sh      (half a minute for pip, a second for the rest; nothing of this project)
# Ends with 0 while the behaviour is as described, with 1 when it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip --quiet install ase==3.29.0 vesin==0.6.2
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from ase.build import bulk
from ase.neighborlist import neighbor_list
from vesin import ase_neighbor_list

one, four = bulk("Cu", a=3.615), bulk("Cu", a=3.615, cubic=True)


def seen(function):
    alone, shifts = function("i", one, 3.0), function("S", one, 3.0)
    first, second, distances = function("ijd", four, 3.0)
    return len(alone), np.shape(shifts), second - first, np.sort(distances)


size, shape, steps, distances = seen(neighbor_list)
print(f"ase    len {size}, shape of S {shape}, smallest j - i {steps.min()}")
found = [(size, shape, int(steps.min())) == (12, (12, 3), -3)]

size, shape, steps, others = seen(ase_neighbor_list)
print(f"vesin  len {size}, shape of S {shape}, smallest j - i {steps.min()}, largest {steps.max()}")
found.append((size, shape) == (1, (1, 12, 3)))
found.append((int(steps.min()), int(steps.max())) == (1, 2**64 - 1))

print(f"distances agree to {abs(distances - others).max():.1e} A")
found.append(bool(np.allclose(distances, others, atol=1e-12)))
sys.exit(0 if all(found) else 1)
PYTHON
