"""A command as an oracle: reads and writes extended XYZ, by EMT; `fault` says what goes wrong.

command_oracle.py input.xyz output.xyz [FAULT]
"""

import sys
from pathlib import Path

import numpy as np
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

given, output, fault = [*sys.argv[1:], ""][:3]
atoms = read(given, format="extxyz")
atoms.calc = EMT()
energy, forces = atoms.get_potential_energy(), atoms.get_forces()
if fault == "raises":
    sys.exit("no k points")
if fault == "hangs":
    import time

    time.sleep(1000)
if fault == "nan":
    forces[0, 0] = np.nan
if fault == "scf":
    atoms.info["converged"] = False
if fault == "outlier":
    forces[1, 2] += 10.0
if fault == "reordered":
    order = np.random.default_rng(1).permutation(len(atoms))
    atoms, forces = atoms[order], forces[order]
if fault == "swapped":  # two elements change places, and the forces with them
    atoms.numbers = atoms.numbers[::-1]
if fault == "moved":
    atoms.positions[0, 0] += 0.2
if fault == "cell":
    atoms.cell[0, 0] += 0.1
if fault == "fewer":
    atoms, forces = atoms[1:], forces[1:]
if fault == "zero":
    energy -= 3000.0 * len(atoms)
atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
if fault != "silent":
    write(output, atoms, format="extxyz")
if fault in ("shape", "torn"):
    text = Path(output).read_text()
    shape = text.replace("forces:R:3", "forces:R:2:more:R:1")
    Path(output).write_text(shape if fault == "shape" else text[: len(text) // 2])
