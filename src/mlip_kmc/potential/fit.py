"""Whether a structure and a potential fit each other: one check for every command.

Example:
    prepared = fitted(atoms, potential, config.structure)
    potential = adapted(potential, prepared)         # an ASE calculator sees the structure's charges, tags, ...
"""

from typing import TYPE_CHECKING

from ase import Atoms

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure import Prepared, check_carried, prepare
from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.ase_calculator import AsePotential
from mlip_kmc.potential.builtin import BuiltinPotential
from mlip_kmc.potential.driven import DrivenPotential

if TYPE_CHECKING:
    from mlip_kmc.config import StructureSection


def fitted(
    atoms: Atoms,
    potential: AcePotential | BuiltinPotential | DrivenPotential | None,
    section: "StructureSection",
) -> Prepared:
    """The structure as eOn sees it, checked against what the potential knows and asks of cells.

    Args:
        atoms: the user's structure.
        potential: the run's; None where it cannot be read: the structure's own checks are made then.
        section: the configuration's.

    Raises:
        StructureError: one line that says what to change.
    """
    if isinstance(potential, DrivenPotential) and isinstance(potential.inner, AsePotential):
        check_carried(atoms)
    elements, cutoff_A = (potential.elements, potential.cutoff_A) if potential else (None, None)
    prepared = prepare(
        atoms,
        elements=elements,
        cutoff_A=cutoff_A,
        minimum_distance_A=section.minimum_distance_A,
        allow_small_cell=section.allow_small_cell,
    )
    if isinstance(potential, BuiltinPotential):
        try:
            potential.check(prepared.atoms)
        except StructureError as error:
            raise StructureError(f"{section.file}: {error}") from error
    return prepared


def adapted(
    potential: AcePotential | BuiltinPotential | DrivenPotential, prepared: Prepared
) -> AcePotential | BuiltinPotential | DrivenPotential:
    """The potential of one structure: an ASE calculator is given what that says of its atoms, by their index."""
    return potential.of(prepared.atoms) if isinstance(potential, DrivenPotential) else potential
