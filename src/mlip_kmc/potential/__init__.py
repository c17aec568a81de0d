"""Potentials as one value each: what eOn, LAMMPS and python-ace need to evaluate the same energy."""

from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.ase_calculator import AsePotential
from mlip_kmc.potential.builtin import BuiltinPotential
from mlip_kmc.potential.driven import DrivenPotential, ace_of

Potential = AcePotential | BuiltinPotential | DrivenPotential

__all__ = [
    "AcePotential",
    "AsePotential",
    "BuiltinPotential",
    "DrivenPotential",
    "Potential",
    "ace_of",
]
