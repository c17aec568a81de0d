"""Short-range pair repulsion and the shortest distances: the formulae, in numpy alone.

    pairs = {"Cu-Cu": {"kind": "zbl", "inner_A": 0.8, "outer_A": 1.2}}
    energy_and_forces(pairs, ["Cu", "Cu"], positions, cell)          # eV, (2, 3) eV/A
    shortest_distances(["Cu", "Cu"], positions, cell, limit_A=3.0)   # {'Cu-Cu': 1.1}

A pair is named by its elements, sorted. `zbl` is LAMMPS' `pair_style zbl`: Ziegler, Biersack, Littmark, The Stopping and
Range of Ions in Matter, vol. 1 (Pergamon, 1985), with LAMMPS' switching polynomial. `lj` is LAMMPS' `lj/smooth`, shifted.
Both, with two derivatives, are continuous at `inner_A` and zero at `outer_A`. Constants have LAMMPS' digits (metal units).
This file imports nothing else of the package: it also travels alone, as text.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Pairs = Mapping[str, Mapping[str, Any]]

COULOMB_EV_A = 14.399645
_ZBL_LENGTH_A, _ZBL_POWER = 0.46850, 0.23
_ZBL_WEIGHTS = np.array([0.02817, 0.28022, 0.50986, 0.18175])
_ZBL_RATES = np.array([0.20162, 0.40290, 0.94229, 3.19980])
_BLOCK = 1_000_000  # atom pairs looked at together
_CACHED = 20_000  # images of them
_ELEMENTS = """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo
Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At
Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og""".split()  # noqa: SIM905 - 118 names


def energy_and_forces(
    pairs: Pairs, symbols: Sequence[str], positions: Array, cell: Array
) -> tuple[float, Array]:
    """Energy in eV and (N, 3) forces in eV/A of atoms at (N, 3) positions in A in a periodic (3, 3) cell, rows its vectors."""
    energy, forces, _ = energy_forces_virial(pairs, symbols, positions, cell)
    return energy, forces


def energy_forces_virial(
    pairs: Pairs, symbols: Sequence[str], positions: Array, cell: Array
) -> tuple[float, Array, Array]:
    """Energy in eV, forces in eV/A, and dE/d(strain) (3, 3) in eV: over the volume, the stress."""
    positions = np.asarray(positions, dtype=float)
    energy, forces, virial = 0.0, np.zeros_like(positions), np.zeros((3, 3))
    limit_A = max((float(pair["outer_A"]) for pair in pairs.values()), default=0.0)
    for first, second, vectors, distances in near_pairs(positions, cell, limit_A):
        for name, named in _by_name(symbols, first, second):
            if name not in pairs:
                continue
            chosen = named & (distances < pairs[name]["outer_A"])
            values, slopes = energy_and_slope(pairs[name], name, distances[chosen])
            pulls = (slopes / distances[chosen])[:, None] * vectors[chosen]
            energy += float(values.sum())
            np.add.at(forces, first[chosen], pulls)
            np.add.at(forces, second[chosen], -pulls)
            virial += pulls.T @ vectors[chosen]
    return energy, forces, virial


def energy_and_slope(pair: Mapping[str, Any], name: str, distances: Array) -> tuple[Array, Array]:
    """Energy in eV and its derivative in eV/A of one pair, at distances in A of at most `outer_A`."""
    inner_A, outer_A = float(pair["inner_A"]), float(pair["outer_A"])
    if pair["kind"] == "lj":
        return _lennard_jones(
            float(pair["epsilon_eV"]),
            float(pair["sigma_A"]),
            inner_A,
            outer_A,
            np.asarray(distances),
        )
    first, second = (_ELEMENTS.index(symbol) + 1 for symbol in name.split("-"))
    return _zbl(first, second, inner_A, outer_A, np.asarray(distances, dtype=float))


def _zbl(first: int, second: int, inner_A: float, outer_A: float, r: Array) -> tuple[Array, Array]:
    """Screened Coulomb repulsion of two nuclear charges, plus the polynomial that ends it: A/3 t^3 + B/4 t^4 + C."""
    width = outer_A - inner_A
    value, slope, curvature = (
        float(part[0]) for part in _screened(first, second, np.array([outer_A]))
    )
    a = (-3.0 * slope + width * curvature) / width**2
    b = (2.0 * slope - width * curvature) / width**3
    c = -value + width / 2.0 * slope - width**2 / 12.0 * curvature
    t = np.maximum(r - inner_A, 0.0)
    energies, slopes, _ = _screened(first, second, r)
    return energies + c + t**3 * (a / 3.0 + b / 4.0 * t), slopes + t**2 * (a + b * t)


def _screened(first: int, second: int, r: Array) -> tuple[Array, Array, Array]:
    """Z1 Z2 e^2 / r phi(r / a) and its first two derivatives."""
    rates = _ZBL_RATES * (first**_ZBL_POWER + second**_ZBL_POWER) / _ZBL_LENGTH_A
    terms = _ZBL_WEIGHTS * np.exp(-r[:, None] * rates)
    phi, falls, bends = (
        terms.sum(axis=1),
        (terms * rates).sum(axis=1),
        (terms * rates**2).sum(axis=1),
    )
    strength = first * second * COULOMB_EV_A / r
    return (
        strength * phi,
        -strength * (falls + phi / r),
        strength * (bends + 2.0 * falls / r + 2.0 * phi / r**2),
    )


def _lennard_jones(
    epsilon_eV: float, sigma_A: float, inner_A: float, outer_A: float, r: Array
) -> tuple[Array, Array]:
    """4 epsilon ((sigma/r)^12 - (sigma/r)^6) up to inner; from there a force of third order in t ends it at outer."""
    width, sixth = outer_A - inner_A, (sigma_A / inner_A) ** 6
    s1 = 24.0 * epsilon_eV * sixth * (2.0 * sixth - 1.0) / inner_A
    s2 = -24.0 * epsilon_eV * sixth * (26.0 * sixth - 7.0) / inner_A**2
    s3 = -(3.0 / width**2) * (s1 + 2.0 / 3.0 * s2 * width)
    s4 = -(s2 + 2.0 * s3 * width) / (3.0 * width**2)

    def switched(t: Array) -> Array:
        value: Array = 4.0 * epsilon_eV * sixth * (sixth - 1.0) - t * (
            s1 + t * (s2 / 2.0 + t * (s3 / 3.0 + t * s4 / 4.0))
        )
        return value

    t = np.maximum(r - inner_A, 0.0)
    sixths = (sigma_A / r) ** 6
    within = r < inner_A
    energies = np.where(within, 4.0 * epsilon_eV * sixths * (sixths - 1.0), switched(t)) - switched(
        np.array(width)
    )
    forces = np.where(
        within,
        24.0 * epsilon_eV * sixths * (2.0 * sixths - 1.0) / r,
        s1 + t * (s2 + t * (s3 + t * s4)),
    )
    return energies, -forces


def _by_name(
    symbols: Sequence[str], first: Indices, second: Indices
) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The names of pairs of atoms, and which of the pairs bear them."""
    kinds, index = np.unique(np.asarray(symbols, dtype=str), return_inverse=True)
    low, high = np.minimum(index[first], index[second]), np.maximum(index[first], index[second])
    codes = low * len(kinds) + high
    for code in np.unique(codes):
        yield f"{kinds[code // len(kinds)]}-{kinds[code % len(kinds)]}", codes == code


def near_pairs(
    positions: Array, cell: Array, limit_A: float
) -> Iterator[tuple[Indices, Indices, Array, Array]]:
    """Indices i, j, vectors from i to j and distances of pairs nearer than the limit, each pair of images once."""
    positions, cell = np.asarray(positions, dtype=float), np.asarray(cell, dtype=float)
    inverse = np.linalg.inv(cell)
    # a fractional component s means a distance of at least |s| times the cell's height
    bounds = limit_A * np.linalg.norm(inverse, axis=0) + 1e-9
    reach = np.floor(bounds + 0.5).astype(int)
    shifts = np.stack(
        np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    ahead = (shifts * [4 * (reach.max() + 1) ** 2, 2 * (reach.max() + 1), 1]).sum(
        axis=1
    ) > 0  # half of an atom's own images
    moves = np.stack([shift @ cell for shift in shifts])
    along = positions @ inverse[:, 0]
    rows = max(1, _BLOCK // max(1, len(positions)))
    for start in range(0, len(positions), rows):
        apart = along[start : start + rows, None] - along[None, start:]
        apart = np.abs(apart - np.round(apart))
        i, j = (part + start for part in np.nonzero(np.triu(apart <= bounds[0])))
        nearest = positions[j] - positions[i]
        nearest -= np.round(nearest @ inverse) @ cell
        several = max(1, _CACHED // max(1, len(i)))
        for begin in range(0, len(shifts), several):
            vectors = nearest[None] + moves[begin : begin + several, None]
            squares = np.einsum("sij,sij->si", vectors, vectors)
            near = (squares < limit_A**2) & ((i != j) | ahead[begin : begin + several, None])
            for shift in np.flatnonzero(near.any(axis=1)):
                found = np.flatnonzero(near[shift])
                yield i[found], j[found], vectors[shift, found], np.sqrt(squares[shift, found])


def shortest_distances(
    symbols: Sequence[str], positions: Array, cell: Array, limit_A: float
) -> dict[str, float]:
    """The shortest distance in A of each pair of elements, where it is below the limit."""
    shortest: dict[str, float] = {}
    for first, second, _, distances in near_pairs(positions, cell, limit_A):
        for name, named in _by_name(symbols, first, second):
            shortest[name] = min(shortest.get(name, np.inf), float(distances[named].min()))
    return {name: shortest[name] for name in sorted(shortest)}


def too_near(
    minimum_A: Mapping[str, float], symbols: Sequence[str], positions: Array, cell: Array
) -> tuple[str, float, float] | None:
    """The pair that is nearer than it may be, its distance and its minimum in A: the worst one, or None."""
    found = shortest_distances(symbols, positions, cell, max(minimum_A.values(), default=0.0))
    worst = min(
        (name for name in found if name in minimum_A),
        key=lambda name: found[name] / minimum_A[name],
        default=None,
    )
    if worst is None or found[worst] >= minimum_A[worst]:
        return None
    return worst, found[worst], minimum_A[worst]
