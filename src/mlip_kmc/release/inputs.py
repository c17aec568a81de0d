"""Ready inputs: what a recipient includes in LAMMPS, runs with ASE, or starts eOn with; and the example that they evaluate.

Example:
    files = ready_inputs(potential, example)
    files["in.potential"], files["ase_example.py"]

Everything lies in one directory, under fixed names, and needs nothing of this package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from mlip_kmc.config.eon_options import ini_text
from mlip_kmc.evaluate.by_lammps import data_text
from mlip_kmc.evaluate.gradient import shaken
from mlip_kmc.model.structure import extended_xyz, species_of, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.release import members

_DIGITS = 8
_POTENTIAL = """\
# Units metal; types 1 to {count} are {elements}. Include it after the structure is there.
{commands}{masses}
# With the extrapolation grade gamma of each atom (f_gamma), in place of pair_style and pair_coeff above:
{graded}
# In a run, every 10 steps; fix pair looks at steps that its interval divides, and at no others:
#   fix gamma all pair 10 pace/extrapolation gamma 1
# After a minimize, or a run whose last step is none of these, f_gamma is that of an earlier structure. For the present one, then:
{now}
"""
_GRADE_NOW = """\
fix gamma all pair 1 pace/extrapolation gamma 1
run 0
"""
_EXAMPLE = """\
# lmp -in in.example       prints the energy that manifest.json has, example.energy_eV
units metal
atom_style atomic
atom_modify map array sort 0 0
box tilt large
read_data example.data
include in.potential
thermo_modify norm no
dump forces all custom 1 forces.txt id fx fy fz
dump_modify forces sort id format float %.17g
run 0
print "energy $(pe:%.17g) eV"
"""
_ASE = """\
from ase.io import read
from pyace import PyACECalculator
atoms = read("example.xyz")
atoms.calc = PyACECalculator("potential.yace")
print(atoms.get_potential_energy(), "eV")
"""
_ASE_WITH_BASELINE = """\
from ase.io import read
from ase_baseline import ace_with_baseline
atoms = read("example.xyz")
atoms.calc = ace_with_baseline("potential.yace")
print(atoms.get_potential_energy(), "eV")
"""
EON_OPTIONS: dict[str, Mapping[str, Any]] = {
    "Main": {"job": "minimization", "quiet": True, "write_con_forces": True},
    "Potential": {"potential": "lammps"},
    "Optimizer": {"converged_force": 0.001},
}
"""eOn minimises pos.con and writes min.con."""


def example_of(atoms: Atoms) -> Atoms:
    """A structure to try the potential with: the given one shaken a little, free of constraints, with as many digits as the file.

    Args:
        atoms: restricted triclinic, as eOn has it.
    """
    moved = shaken(atoms)
    example = Atoms(
        moved.get_chemical_symbols(),
        positions=np.round(moved.positions, _DIGITS),
        cell=np.round(moved.cell.array, _DIGITS),
        pbc=True,
    )
    example.wrap()
    example.positions = np.round(example.positions, _DIGITS)
    return example


def ready_inputs(potential: AcePotential, example: Atoms) -> dict[str, bytes]:
    """Files by name."""
    plain = replace(
        potential, minimum_distance_A={}
    )  # what halts a search of ours is no part of the energy
    files = {
        members.IN_POTENTIAL: in_potential(plain),
        members.IN_EXAMPLE: _EXAMPLE,
        members.DATA: data_text(example, species=potential.elements),
        members.STRUCTURE: extended_xyz(example),
        members.ASE_EXAMPLE: _ASE if potential.baseline is None else _ASE_WITH_BASELINE,
        members.EON_CONFIG: ini_text(EON_OPTIONS),
        members.EON_LAMMPS: plain.lammps_input(species_of(example)),
        members.EON_STRUCTURE: to_con(example),
    }
    if potential.baseline is not None:
        own = resources.files("mlip_kmc")
        template = (own / "release" / "templates" / "ase_baseline.py.txt").read_text(
            encoding="utf-8"
        )
        files[members.BASELINE] = template.replace(
            "PAIRS = {}", f"PAIRS = {potential.baseline.to_driver()!r}"
        )
        files[members.SHORT_RANGE] = (own / "driver" / "standalone" / "short_range.py").read_text(
            encoding="utf-8"
        )
    return {name: text.encode() for name, text in files.items()}


def in_potential(potential: AcePotential) -> str:
    """LAMMPS commands for all elements of the potential, in its order."""
    elements = " ".join(potential.elements)
    masses = "".join(
        f"mass {number} {float(atomic_masses[atomic_numbers[symbol]])!r}\n"
        for number, symbol in enumerate(potential.elements, start=1)
    )
    return _POTENTIAL.format(
        count=len(potential.elements),
        elements=elements,
        masses=masses,
        commands=potential.lammps_input(potential.elements),
        graded=_remarks(_graded(potential)),
        now=_remarks(_GRADE_NOW.splitlines()),
    )


def _graded(potential: AcePotential) -> list[str]:
    """The same potential by the pair style that knows gamma."""
    elements = " ".join(potential.elements)
    styles, lines = (
        potential.baseline.lammps(potential.elements) if potential.baseline else ([], [])
    )
    overlay, name = ("hybrid/overlay ", "pace/extrapolation ") if styles else ("", "")
    return [
        f"pair_style {overlay}{' '.join(['pace/extrapolation', *styles])}",
        f"pair_coeff * * {name}{members.BASIS} {members.ACTIVE_SET} {elements}",
        *lines,
    ]


def _remarks(lines: Sequence[str]) -> str:
    return "\n".join(f"#   {line}" for line in lines)
