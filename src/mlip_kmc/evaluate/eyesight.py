"""Does an active set see? Structures that are outside of a training set by construction must reach `gamma.halt`.

    looks = look_around(minimum, potential, grade=Extrapolation.of(potential))
    [line for look in looks for line in blind_lines(look, halt=15.0)]      # empty: it sees

Made from the run's own state 0: the cell 20 % larger and smaller; two neighbours pushed together, below the shortest distance of
the training set and above the core's switch, where ACE turns its own functions off; all species exchanged. gamma is judged by
element: the neighbours of a solute may see what its own, undersampled set does not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.baseline import pair_name
from mlip_kmc.potential.basis import BBasis

Array = npt.NDArray[np.float64]
VOLUME = 0.2
_NARROW_A = 0.1
"""A training set that ends less than this above the core's switch leaves no distance to try."""
_ABOVE_SWITCH = 0.1
"""Of the way from the switch to the training set's shortest distance."""
_DEEPEST, _UNKNOWN, _NEVER = 0.7, 0.5, 0.8
"""Least distance over the training set's shortest; and over the present one where that is not known, or the pair is in none."""


@dataclass(frozen=True)
class Look:
    """A structure outside, and what the active set says of it.

    Attributes:
        name: what was done, in words.
        gammas: by element, the largest of the atoms that were changed; empty where it was not tried.
        why_not: why it was not tried.
    """

    name: str
    gammas: Mapping[str, float]
    why_not: str = ""

    def blind(self, *, halt: float) -> dict[str, float]:
        """The elements that do not reach a threshold, and their gamma."""
        return {element: gamma for element, gamma in self.gammas.items() if not gamma >= halt}


def look_around(atoms: Atoms, potential: AcePotential, *, grade: Extrapolation) -> tuple[Look, ...]:
    """All looks.

    Args:
        atoms: state 0.
        potential: the run's; its record knows the training set's shortest distances.
        grade: its extrapolation grade.
    """
    volumes = [_volume(atoms, grade, sign * VOLUME) for sign in (1, -1)]
    kinds = sorted(set(atoms.get_chemical_symbols()))
    pairs = [
        _pair(atoms, potential, grade, first, second)
        for first, second in combinations_with_replacement(kinds, 2)
    ]
    return (*volumes, *[look for look in pairs if look], *_exchanged(atoms, grade, kinds))


def blind_lines(look: Look, *, halt: float) -> Iterator[str]:
    """A line for each element that a structure leaves below the threshold."""
    for element, gamma in look.blind(halt=halt).items():
        yield (
            f"gamma of {element} is only {gamma:.3g} (gamma.halt is {halt:g}) in state 0 with {look.name}: nothing would halt "
            f"there; unless the training set holds such structures, the active set is blind to them"
        )


def _volume(atoms: Atoms, grade: Extrapolation, change: float) -> Look:
    other = atoms.copy()
    other.set_cell(atoms.cell.array * (1.0 + change) ** (1.0 / 3.0), scale_atoms=True)
    return Look(
        name=f"{100 * abs(change):.0f} % {'more' if change > 0 else 'less'} volume",
        gammas=_by_element(other, grade, np.arange(len(atoms))),
    )


def _exchanged(atoms: Atoms, grade: Extrapolation, kinds: list[str]) -> list[Look]:
    if len(kinds) < 2:
        return []
    turned = dict(zip(kinds, [*kinds[1:], kinds[0]], strict=True))
    other = atoms.copy()
    other.set_chemical_symbols([turned[symbol] for symbol in atoms.get_chemical_symbols()])
    return [
        Look(
            name=f"{' and '.join(kinds)} exchanged",
            gammas=_by_element(other, grade, np.arange(len(atoms))),
        )
    ]


def _pair(
    atoms: Atoms, potential: AcePotential, grade: Extrapolation, first: str, second: str
) -> Look | None:
    """Two neighbours of these elements pushed together; None where the structure has no two such atoms."""
    placed = _neighbours(atoms, first, second)
    if placed is None:
        return None
    other, one, two, vector = placed
    present_A = float(np.linalg.norm(vector))
    name = pair_name(first, second)
    wanted_A, why_not = _distance(potential, name, present_A)
    if why_not:
        return Look(name=f"a {name} pair pushed together", gammas={}, why_not=why_not)
    push = (1.0 - wanted_A / present_A) / 2.0 * vector
    other.positions[one] += push
    other.positions[two] -= push
    return Look(
        name=f"a {name} pair {wanted_A:.2f} A apart",
        gammas=_by_element(other, grade, np.array([one, two])),
    )


def _neighbours(atoms: Atoms, first: str, second: str) -> tuple[Atoms, int, int, Array] | None:
    """The structure with an atom of `first` and its nearest neighbour, which changes places with one of `second` if it must."""
    symbols = np.array(atoms.get_chemical_symbols())
    ones, twos = np.flatnonzero(symbols == first), np.flatnonzero(symbols == second)
    if len(ones) == 0 or len(set(ones.tolist()) | set(twos.tolist())) < 2:
        return None
    one = int(ones[0])
    vectors = np.asarray(
        atoms.get_distances(one, range(len(atoms)), mic=True, vector=True), dtype=np.float64
    )
    lengths = np.linalg.norm(vectors, axis=1)
    lengths[one] = np.inf
    two = int(np.argmin(lengths))
    other = atoms.copy()
    other.set_constraint()
    if symbols[two] != second:
        donor = next(int(index) for index in twos if index != one)
        symbols[two], symbols[donor] = symbols[donor], symbols[two]
        other.set_chemical_symbols(symbols.tolist())
    return other, one, two, vectors[two]


def _distance(potential: AcePotential, name: str, present_A: float) -> tuple[float, str]:
    """How near a pair is pushed, in A; or why there is no distance to try."""
    switch_A = _switch(potential, name)
    training = potential.record.training if potential.record else None
    if training is None:
        return max(_UNKNOWN * present_A, switch_A + _ABOVE_SWITCH * (present_A - switch_A)), ""
    shortest_A = training.smallest_distance_A.get(name)
    if shortest_A is None:  # no such pair within the cutoff
        return max(_NEVER * present_A, switch_A + _ABOVE_SWITCH * (present_A - switch_A)), ""
    if not shortest_A - switch_A > _NARROW_A:
        return 0.0, (
            f"the training set reaches down to {shortest_A:g} A, and from {switch_A:g} A down the core's repulsion or "
            "the minimum distance acts"
        )
    return max(_DEEPEST * shortest_A, switch_A + _ABOVE_SWITCH * (shortest_A - switch_A)), ""


def _switch(potential: AcePotential, name: str) -> float:
    """Down to this distance in A gamma is asked: below, the core, a baseline, or the minimum distance acts."""
    core_A = BBasis.read(potential.basis).core_A.get(name, 0.0) if potential.basis else 0.0
    pair = potential.baseline.pairs.get(name) if potential.baseline else None
    return max(core_A, pair.outer_A if pair else 0.0, potential.minimum_distance_A.get(name, 0.0))


def _by_element(
    atoms: Atoms, grade: Extrapolation, changed: npt.NDArray[np.int64]
) -> dict[str, float]:
    gammas, symbols = grade.gamma_of(atoms), np.array(atoms.get_chemical_symbols())
    return {
        str(element): float(np.max(gammas[changed][symbols[changed] == element]))
        for element in np.unique(symbols[changed])
    }
