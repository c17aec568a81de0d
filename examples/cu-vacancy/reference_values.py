"""The reference values of release.yaml: the same properties by the oracle itself, ASE's EMT, instead of the potential.

Run as ``python reference_values.py``; it takes about half a minute and prints a line for each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ase.calculators.emt import EMT

from mlip_kmc.release.crystal import CubicCrystal
from mlip_kmc.release.settings import Crystal

sys.path.insert(0, str(Path(__file__).parent))
import make_potential as recipe

CUTOFF_A = 5.9
"""Where EMT's weights have fallen to nothing."""


def main() -> None:
    """Print all values."""
    crystal = CubicCrystal.relaxed(Crystal(formula="Cu", lattice="fcc", a_A=3.6), EMT())
    constants = crystal.elastic_GPa()
    print(f"lattice_constant_A     {crystal.a_A:.4f}")
    for name, value in constants._asdict().items():
        print(f"{name}_GPa                {value:.1f}")
    print(f"vacancy_formation_eV   {crystal.vacancy_eV(cutoff_A=CUTOFF_A):.4f}")
    band = recipe.hop_band(recipe.with_vacancy(3, crystal.a_A), EMT)
    energies = [atoms.get_potential_energy() for atoms in band]
    print(f"barrier_eV             {max(energies) - energies[0]:.4f}")


if __name__ == "__main__":
    main()
