"""Potentials as one value each: what eOn, LAMMPS and python-ace need to evaluate the same energy."""

from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.ase_calculator import AsePotential
from mlip_kmc.potential.builtin import BuiltinPotential
from mlip_kmc.potential.driven import DrivenPotential

Potential = AcePotential | BuiltinPotential | DrivenPotential


def ace_of(potential: Potential) -> AcePotential | None:
    """The ACE potential that is evaluated, whichever way eOn gets at it; None where it is another kind."""
    inner = potential.inner if isinstance(potential, DrivenPotential) else potential
    return inner if isinstance(inner, AcePotential) else None


__all__ = ["AcePotential", "AsePotential", "BuiltinPotential", "DrivenPotential", "Potential", "ace_of"]
