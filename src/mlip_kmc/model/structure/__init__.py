"""Structures: read, check, and carry to and from eOn's `.con` without loss.

Example:
    atoms = read_structure(Path("vacancy.xyz"))
    prepared = prepare(atoms, elements=("Cu",), cutoff_A=5.0)
    text = to_con(prepared.atoms)          # eOn's file; from_con(text) gives the same atoms back

eOn and LAMMPS want restricted triclinic cells (a along x, b in the xy plane). A structure that is not is rotated, and
`vectors @ prepared.rotation` rotates back what users get. Long vectors of a lattice give way to short ones.
"""

# ruff: noqa: E402 - what is late is so before others import it
from mlip_kmc.ground.late import late

for _package in (
    "ase.dft",  # all that ASE's constraints import through these two takes a third of a second
    "ase.spacegroup",
    "numpy.f2py",  # and what SciPy imports by `from numpy import *`, a tenth
    "numpy.testing",
    "numpy.polynomial",
):
    late(_package)

from mlip_kmc.model.structure.attributes import carried, check_carried, distinct
from mlip_kmc.model.structure.cell import Array, minimum_image, width
from mlip_kmc.model.structure.con import from_con, moved_con, to_con
from mlip_kmc.model.structure.constraints import fixed_atoms
from mlip_kmc.model.structure.elements import element_of
from mlip_kmc.model.structure.fragments import atoms_apart, attached_in
from mlip_kmc.model.structure.neighbours import neighbours, shells
from mlip_kmc.model.structure.notes import Unused, unused_in
from mlip_kmc.model.structure.prepare import Prepared, prepare, species_of
from mlip_kmc.model.structure.reader import read_structure
from mlip_kmc.model.structure.xyz import read_frames, text_of
from mlip_kmc.model.structure.xyz_text import extended_xyz

__all__ = [
    "Array",
    "Prepared",
    "Unused",
    "atoms_apart",
    "attached_in",
    "carried",
    "check_carried",
    "distinct",
    "element_of",
    "extended_xyz",
    "fixed_atoms",
    "from_con",
    "minimum_image",
    "moved_con",
    "neighbours",
    "prepare",
    "read_frames",
    "read_structure",
    "shells",
    "species_of",
    "text_of",
    "to_con",
    "unused_in",
    "width",
]
