"""Potentials as one value each: what eOn, LAMMPS and python-ace need to evaluate the same energy."""

from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.builtin import BuiltinPotential

Potential = AcePotential | BuiltinPotential

__all__ = ["AcePotential", "BuiltinPotential", "Potential"]
