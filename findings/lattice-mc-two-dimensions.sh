#!/usr/bin/env bash
# lattice_mc 1.0.4, kinetic Monte Carlo of hops on a lattice: the diffusion coefficients of its two-dimensional lattices are two thirds of
# what they are.
#
# Valid input: one atom on the square lattice that the package makes, each neighbour reached at the rate k, spacing a. That is a random walk
# in a plane: D = k a^2, from <r^2> = 4 D t. tracer_diffusion_coefficient divides by 6 t whatever the lattice, and its collective
# sibling, too: 0.67 k a^2. In the cubic lattice the same atom has k a^2, as it should.
# And where a lattice has two sites along an axis, hops of half its length are always taken to the same side: an atom never comes
# farther than one site from where it began, so D goes to 0 as time goes on, without a word.
# Prints D in units of k a^2, mean of 1200 runs of 60 hops with its error, and fails where that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install lattice_mc==1.0.4 'numpy<2' 'scipy<1.15'
cd "$folder"
venv/bin/python - <<'PYTHON'
import random

import numpy as np
from lattice_mc import init_lattice
from lattice_mc.global_vars import rate_prefactor
from lattice_mc.simulation import Simulation

A, HOPS, RUNS = 2.0, 60, 1200


def coefficients(lattice):
    """D / k a^2 of independent runs of one atom."""
    simulation = Simulation()
    simulation.lattice = lattice
    simulation.set_number_of_atoms(1)
    simulation.set_number_of_jumps(HOPS)
    found = []
    for _ in range(RUNS):
        simulation.reset()
        simulation.run()
        found.append(simulation.tracer_diffusion_coefficient / (rate_prefactor * A**2))
    return np.array(found)


random.seed(1)
cases = {
    "square, 10 x 10": (init_lattice.square_lattice(10, 10, A), 2 / 3),
    "cubic, 5 x 5 x 5": (init_lattice.cubic_lattice(5, 5, 5, A), 1.0),
    "cubic, 2 x 2 x 2": (init_lattice.cubic_lattice(2, 2, 2, A), 0.0),
}
for name, (lattice, expected) in cases.items():
    found = coefficients(lattice)
    mean, error = found.mean(), found.std() / RUNS**0.5
    print(f"{name}: {mean:.3f} +- {error:.3f} k a^2 (a random walk: 1)")
    if expected:
        assert abs(mean - expected) < 4 * error < 0.15
    else:
        assert mean < 0.05, "an atom oscillates between two sites along each axis"
PYTHON
