"""The potential and the structure that a configuration names.

potential, structure = inputs_of(load_config("akmc.yaml"))
"""

from ase import Atoms

from mlip_kmc.config import AcePotentialSection, AsePotentialSection, Config
from mlip_kmc.model.structure import read_structure
from mlip_kmc.potential import (
    AcePotential,
    AsePotential,
    BuiltinPotential,
    DrivenPotential,
    Potential,
)
from mlip_kmc.potential.baseline import baseline_of
from mlip_kmc.potential.minimum_distance import minimum_distances_of


def inputs_of(config: Config) -> tuple[Potential, Atoms]:
    """The potential and the structure that a configuration names.

    Args:
        config: the run's configuration.

    Returns:
        the potential, and the structure as `ase.Atoms` (positions and cell in A, fixed atoms as `FixAtoms`).

    Raises:
        PotentialError: the potential cannot be read.
        StructureError: the structure cannot be read.
    """
    return potential_of(config), structure_of(config)


def structure_of(config: Config) -> Atoms:
    """The structure that a configuration names.

    Raises:
        StructureError: it cannot be read.
    """
    section = config.structure
    return read_structure(section.file, file_format=section.format, species=section.species)


def potential_of(config: Config) -> Potential:
    """The potential that a configuration names.

    Raises:
        PotentialError: it cannot be read.
    """
    section = config.potential
    if isinstance(section, AcePotentialSection):
        ace = AcePotential.read(
            section.ace,
            basis=section.basis,
            active_set=section.active_set,
            evaluator=section.evaluator,
        )
        ace = ace.guarded(
            baseline=baseline_of(section.baseline, elements=ace.elements),
            minimum_distance_A=minimum_distances_of(
                section.minimum_distance_A, elements=ace.elements
            ),
        )
        return DrivenPotential(ace) if section.path == "driver" else ace
    if isinstance(section, AsePotentialSection):
        return DrivenPotential(
            AsePotential(
                name=section.ase, arguments=section.kwargs, python_path=section.python_path
            )
        )
    return BuiltinPotential.named(section.eon)
