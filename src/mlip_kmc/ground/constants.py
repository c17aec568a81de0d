"""Constants of nature and units, the one source of them: whatever computes with one takes it from here.

    GPA_PER_EV_A3 * stress_eV_per_A3

CODATA 2018 (Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021)). Elementary charge, Boltzmann's and Avogadro's constant define
the SI since 2019 and are exact; ASE's own units are those of CODATA 2014 unless it is told otherwise. LAMMPS' digits for its pair
styles are in `driver/standalone/short_range.py`, which travels alone.
"""

ELEMENTARY_CHARGE_C = 1.602176634e-19
"""Exact; one eV in J."""
AVOGADRO_PER_MOL = 6.02214076e23
"""Exact."""
ATOMIC_MASS_KG = 1.66053906660e-27
"""Of the unified atomic mass unit."""
BOHR_A = 0.529177210903
HARTREE_EV = 27.211386245988

EON_KELVIN_PER_EV = 11604.5
"""eOn's convention, throughout: kT = T / 11604.5 eV; CODATA 2018 gives 11604.518."""
GPA_PER_EV_A3 = 160.2176634
"""Exact: 1 eV/A^3 in GPa is 1e21 elementary charges."""
EV_PER_KJ_PER_MOL = 1e3 / AVOGADRO_PER_MOL / ELEMENTARY_CHARGE_C
EV_PER_KCAL_PER_MOL = 4.184 * EV_PER_KJ_PER_MOL
