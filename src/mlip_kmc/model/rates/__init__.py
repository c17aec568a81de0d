"""Rates of processes: Hessians, rigid motions, harmonic prefactors. Pure: numpy in, numpy out.

reactant, saddle, product = (spectrum(hessian, masses_u=masses, positions_A=places, held_A=fixed) for ...)
found = prefactors(reactant, saddle, product)
found.forward_per_s, found.back_per_s
"""

from mlip_kmc.model.rates.hessian import Lowest, dense_hessian, lowest_eigenvalue, lowest_of
from mlip_kmc.model.rates.rigid import gathered, is_free_cluster, rigid_directions, rigid_motions
from mlip_kmc.model.rates.symmetric import Plan, symmetrised
from mlip_kmc.model.rates.vineyard import (
    FailureKind,
    Point,
    PrefactorFailure,
    Prefactors,
    Spectrum,
    prefactors,
    spectrum,
)

__all__ = [
    "FailureKind",
    "Lowest",
    "Plan",
    "Point",
    "PrefactorFailure",
    "Prefactors",
    "Spectrum",
    "dense_hessian",
    "gathered",
    "is_free_cluster",
    "lowest_eigenvalue",
    "lowest_of",
    "prefactors",
    "rigid_directions",
    "rigid_motions",
    "spectrum",
    "symmetrised",
]
