"""Check a structure and rotate its cell to the restricted triclinic form that eOn and LAMMPS want."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.attributes import carry
from mlip_kmc.model.structure.cell import Array, in_place, width
from mlip_kmc.model.structure.constraints import fixed_atoms
from mlip_kmc.model.structure.masses import check_masses
from mlip_kmc.model.structure.neighbours import neighbours
from mlip_kmc.model.structure.notes import FILE

_FARTHEST_A = 1e6
_WHOLE = 1e-3
"""An occupancy this near to 1 is 1."""


@dataclass(frozen=True)
class Prepared:
    """A structure as eOn sees it.

    Attributes:
        atoms: restricted triclinic, with vectors of the same lattice where the user's are long; constraints at most one FixAtoms.
        rotation: (3, 3) proper rotation Q with `user positions = eOn positions @ Q`.
    """

    atoms: Atoms
    rotation: Array

    @property
    def species(self) -> tuple[str, ...]:
        """Elements in the order of first appearance, which is eOn's and LAMMPS' order of types."""
        return species_of(self.atoms)


def species_of(atoms: Atoms) -> tuple[str, ...]:
    """Elements in the order of first appearance."""
    return tuple(dict.fromkeys(atoms.get_chemical_symbols()))


def prepare(
    atoms: Atoms,
    *,
    elements: tuple[str, ...] | None,
    cutoff_A: float | None,
    minimum_distance_A: float = 1.0,
    allow_small_cell: bool = False,
) -> Prepared:
    """Check a structure and rotate its cell to the restricted triclinic form.

    Args:
        atoms: the user's structure.
        elements: what the potential knows; None where that is not known (eOn's built-ins).
        cutoff_A: the potential's cutoff; None where that is not known.
        minimum_distance_A: a pair of atoms nearer than this is refused.
        allow_small_cell: accept cells narrower than twice the cutoff.

    Raises:
        StructureError: one line that says what to change.
    """
    try:
        _check_numbers(atoms)
        _check_species(atoms, elements)
        _check_occupancies(atoms)
        check_masses(atoms)
        _check_cell(atoms)
        least = 0.0 if cutoff_A is None or allow_small_cell else 2 * cutoff_A
        cell, rotation = in_place(np.asarray(atoms.cell.array, dtype=float), least_width=least)
        _check_width(cell, least=least)
        _check_distances(atoms, minimum_distance_A)
        fixed = fixed_atoms(atoms)
    except StructureError as error:
        where = f"{atoms.info[FILE]}: " if FILE in atoms.info else ""
        raise StructureError(f"{where}{error}") from error
    prepared = Atoms(
        atoms.get_chemical_symbols(), positions=atoms.positions @ rotation.T, cell=cell, pbc=True
    )
    prepared.set_masses(atoms.get_masses())
    carry(atoms, prepared, rotation=rotation)
    if len(fixed):
        prepared.set_constraint(FixAtoms(indices=fixed))
    return Prepared(atoms=prepared, rotation=rotation)


def _check_numbers(atoms: Atoms) -> None:
    if len(atoms) == 0:
        raise StructureError("the structure holds no atoms; give one that does")
    for what, numbers in (("positions", atoms.positions), ("cell vectors", atoms.cell.array)):
        if not np.isfinite(numbers).all():
            raise StructureError(
                f"the structure has {what} that are not finite numbers; correct them"
            )
        if not np.abs(numbers).max() <= _FARTHEST_A:
            raise StructureError(
                f"the structure has {what} beyond {_FARTHEST_A:g} A; give lengths in A"
            )


def _check_species(atoms: Atoms, elements: tuple[str, ...] | None) -> None:
    if "X" in atoms.get_chemical_symbols():
        raise StructureError(
            "the structure has atoms of no known element (X); name their elements or remove them"
        )
    if elements is None:
        return
    unknown = [symbol for symbol in species_of(atoms) if symbol not in elements]
    if unknown:
        raise StructureError(
            f"the potential does not know {', '.join(unknown)} (it knows {', '.join(elements)}); "
            "use another structure or potential"
        )


def _check_occupancies(atoms: Atoms) -> None:
    for site, occupancy in _occupancies(atoms):
        if not abs(occupancy - 1.0) <= _WHOLE:
            raise StructureError(
                f"{site} is occupied to {occupancy:g} only, but a run moves whole atoms: build a supercell, put an atom of one "
                "element or a vacancy on each of its sites, and give that"
            )


def _occupancies(atoms: Atoms) -> Iterator[tuple[str, float]]:
    """Where a file says so: each site's name, and how far it is occupied by one element."""
    for index, occupancy in enumerate(atoms.arrays.get("occupancy", ())):
        yield f"atom {index} (from 0)", float(occupancy)
    sites = atoms.info.get("occupancy")
    for site, shares in sites.items() if isinstance(sites, dict) else ():
        for symbol, occupancy in shares.items() if isinstance(shares, dict) else ():
            yield f"site {site} (by {symbol})", float(occupancy)


def _check_cell(atoms: Atoms) -> None:
    if not all(atoms.pbc):
        raise StructureError(
            f"the structure is periodic along {list(map(bool, atoms.pbc))}, but eOn needs all three; "
            "for a slab or a cluster add vacuum and set pbc to True"
        )
    lengths = np.linalg.norm(atoms.cell.array, axis=1)
    if lengths.min() < 1e-3:
        raise StructureError(
            "the structure's cell has no volume; give three independent cell vectors"
        )
    flatness = float(np.linalg.det(atoms.cell.array / lengths[:, None]))
    if abs(flatness) < 1e-6:
        raise StructureError(
            "the structure's cell has no volume; give three independent cell vectors"
        )
    if flatness < 0:
        raise StructureError("the structure's cell is left-handed; swap two of its vectors")


def _check_width(cell: Array, *, least: float) -> None:
    if not width(cell) >= least:
        raise StructureError(
            f"the cell is {width(cell):.3f} A wide, less than twice the potential's cutoff of {least / 2:.3f} A; "
            "use a larger cell, or set structure.allow_small_cell to accept interactions with own images"
        )


def _check_distances(atoms: Atoms, minimum_distance_A: float) -> None:
    first, second, distance = neighbours(atoms, float(minimum_distance_A))
    if len(distance):
        nearest = int(np.argmin(distance))
        pair = f"atoms {first[nearest]} and {second[nearest]} (from 0)"
        if first[nearest] == second[nearest]:
            pair = f"atom {first[nearest]} (from 0) and its own image"
        raise StructureError(
            f"{pair} are {distance[nearest]:.3f} A apart, nearer than "
            f"structure.minimum_distance_A = {minimum_distance_A}; check the structure for overlapping atoms"
        )
