#!/bin/sh
# ASE 3.29.0: a Nose-Hoover chain thermostat (NoseHooverChainNVT) with FixAtoms cools the free atoms to 0 K.
#
# Valid input: a slab of copper, EMT, its two lower layers of four fixed, velocities drawn, 300 K asked for. FixAtoms is the constraint
# that ASE's integrators honour; Langevin and Bussi hold the free atoms at 300 K, and IsotropicMTKNPT, in the same module, refuses
# constraints with NotImplementedError. NoseHooverChainNVT takes them and warns of nothing. It keeps momenta of its own, in which
# the fixed atoms are accelerated by the forces on them though they never move, and the thermostat holds the kinetic energy of
# all those momenta at 3N/2 kT. So the fixed atoms' momenta, which nobody sees, grow, and take what the free atoms have. Without
# fixed atoms the same thermostat is right. Rates and diffusion coefficients from such a run are those of a cold surface.
# Output seen (kelvin; windows of 1.25 ps):
#   Langevin, 2 layers fixed: 286 289 353 276
#   Bussi, 2 layers fixed: 260 238 307 343
#   Nose-Hoover chain, 0 layers fixed: 282 314 296 287
#   Nose-Hoover chain, 2 layers fixed: 125 3 0 0
#   IsotropicMTKNPT, 2 layers fixed: NotImplementedError: Current implementation does not support constraints
#
# Run: sh findings/ase-nose-hoover-chain-fixed-atoms.sh      (a minute for pip, half a minute for the rest; nothing of this project)
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

import numpy as np
from ase import units
from ase.build import fcc100
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT, NoseHooverChainNVT
from ase.md.velocitydistribution import thermalize_momenta

warnings.simplefilter("error")
STEP, KELVIN, DAMPING = 5 * units.fs, 300.0, 100 * units.fs


def slab(*, layers_fixed):
    atoms = fcc100("Cu", (2, 2, 4), a=3.61, vacuum=6, periodic=True)
    if layers_fixed:
        atoms.set_constraint(FixAtoms(mask=atoms.get_tags() > 4 - layers_fixed))
    atoms.calc = EMT()
    thermalize_momenta(atoms, temperature_K=2 * KELVIN, rng=np.random.default_rng(1))  # half of it becomes potential energy
    return atoms


def temperatures(name, dynamics, *, layers_fixed):
    """Mean temperature of the free atoms in each of four windows, K."""
    atoms = slab(layers_fixed=layers_fixed)
    free = atoms.get_tags() <= 4 - layers_fixed
    run, means = dynamics(atoms), []
    for _ in range(4):
        seen = []
        for _ in range(50):
            run.run(5)
            seen.append(atoms[free].get_kinetic_energy() / (1.5 * units.kB * free.sum()))
        means.append(float(np.mean(seen)))
    print(f"{name}, {layers_fixed} layers fixed: " + " ".join(f"{mean:.0f}" for mean in means), flush=True)
    return means


def chain(atoms):
    return NoseHooverChainNVT(atoms, STEP, temperature_K=KELVIN, tdamp=DAMPING)


def langevin(atoms):
    return Langevin(atoms, STEP, temperature_K=KELVIN, friction=1 / DAMPING, fixcm=False, rng=np.random.default_rng(1))


def bussi(atoms):
    return Bussi(atoms, STEP, temperature_K=KELVIN, taut=DAMPING, rng=np.random.default_rng(1))


right = [temperatures("Langevin", langevin, layers_fixed=2), temperatures("Bussi", bussi, layers_fixed=2),
         temperatures("Nose-Hoover chain", chain, layers_fixed=0)]
cold = temperatures("Nose-Hoover chain", chain, layers_fixed=2)
try:
    IsotropicMTKNPT(slab(layers_fixed=2), STEP, temperature_K=KELVIN, pressure_au=0.0, tdamp=DAMPING, pdamp=10 * DAMPING)
    refused = False
except NotImplementedError as error:
    refused = True
    print(f"IsotropicMTKNPT, 2 layers fixed: {type(error).__name__}: {error}")
as_described = refused and cold[-1] < 20 and all(200 < np.mean(means[1:]) < 400 for means in right)
sys.exit(0 if as_described else 1)
PYTHON
venv/bin/python show.py
