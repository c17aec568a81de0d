"""LAMMPS numbers the types of atoms, which are no elements: `structure.species` names them."""

from collections.abc import Iterable, Mapping, Sequence

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.elements import element_of, element_of_mass

ADVICE = "name the elements of types 1, 2, ... in structure.species, as [Cu, Ni]"


def elements_of_types(types: Iterable[str | int], species: Sequence[str]) -> list[str]:
    """The element of each atom, from its type's number.

    Raises:
        StructureError: no species are given, or a type is none of them.
    """
    numbers = [int(number) for number in types]
    known = sorted(set(numbers))
    if not species:
        raise StructureError(f"it has types of atoms ({_listed(known)}) and no elements; {ADVICE}")
    outside = [number for number in known if not 1 <= number <= len(species)]
    if outside:
        raise StructureError(
            f"it has atoms of type {outside[0]}, but structure.species names {len(species)} (types 1 to "
            f"{len(species)}); {ADVICE}"
        )
    return [species[number - 1] for number in numbers]


def species_of_types(
    count: int, *, species: Sequence[str], labels: Mapping[int, str], masses: Mapping[int, float]
) -> tuple[str, ...]:
    """The element of each type of a LAMMPS data file: the configuration's, else the label's, else the mass's.

    Args:
        count: how many types there are.
        species: what the configuration names; empty where it names nothing.
        labels: type labels, or comments beside masses, by type.
        masses: in u, by type.

    Raises:
        StructureError: a type's element is not known, or what is said of it does not agree.
    """
    if species and len(species) != count:
        raise StructureError(
            f"it has {count} types of atoms, but structure.species names {len(species)}; {ADVICE}"
        )
    return tuple(
        _element(
            number, species[number - 1] if species else None, labels.get(number), masses.get(number)
        )
        for number in range(1, count + 1)
    )


def _element(number: int, named: str | None, label: str | None, mass: float | None) -> str:
    by_mass = None if mass is None else element_of_mass(mass)
    by_label = None
    if label is not None:
        try:
            by_label = element_of(label, where=f"type {number}")
        except StructureError:  # labels are free
            if named is None and by_mass is None:
                raise
    told = {
        f"structure.species says {named}": named,
        f"its label {label}": by_label,
        f"its mass {mass}": by_mass,
    }
    found = {source: symbol for source, symbol in told.items() if symbol is not None}
    if len(set(found.values())) > 1:
        said = ", ".join(
            source
            if symbol == named and source.startswith("structure")
            else f"{source} is that of {symbol}"
            for source, symbol in found.items()
        )
        raise StructureError(
            f"statements about the element of type {number} does not agree: {said}; correct the file, or {ADVICE}"
        )
    if not found:
        why = (
            "no mass"
            if mass is None
            else f"the mass {mass:g}, which is no element's standard atomic weight"
        )
        raise StructureError(f"type {number} has {why}, so its element is not known; {ADVICE}")
    return next(iter(found.values()))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:4])) + (", ..." if len(numbers) > 4 else "")
