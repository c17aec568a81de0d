"""Small pictures of processes: the atoms around the ones that move, with arrows from the reactant to the product.

Example:
    motion = Motion.read(process)                  # positions of reactant, saddle and product, or None
    picture(motion, alternative="Process 1 of state 0: ...")

Seen along the axis (x, y or z of eOn's cell) in which the moved atoms move least, so that the arrows are longest. Drawn are atoms
within a slab around them; nearer ones lie on top. Rings are the moved atoms at the saddle, squares vacancies of the reactant.
Below each, `profile` draws the energies of reactant, saddle and product.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from ase.data import atomic_numbers, covalent_radii

from mlip_kmc.model.atom_path import Hop
from mlip_kmc.model.records import Process
from mlip_kmc.model.structure import fixed_atoms, minimum_image, read_structure
from mlip_kmc.report import words
from mlip_kmc.report.charts import label, px, wrap
from mlip_kmc.report.vacancies import vacancies_near

Array = npt.NDArray[np.float64]

SIZE_PX = 168
MOVED_A = 0.4
_MOST_MOVED = 8
_REACH_A = 4.2
_SLAB_A = 2.4
_MOST_ATOMS = 60
_AXES = "xyz"
_PROFILE_PX = 78


@dataclass(frozen=True)
class Motion:
    """One process.

    Attributes:
        species: N symbols.
        positions: (N, 3) in A, of the reactant.
        saddle, product: (N, 3) displacements from it, in A, at their minimum image.
        cell: (3, 3).
        moved: indices of the atoms that move by more than 0.4 A, the farthest first, at most eight; at least one.
        vacant: (M, 3) places of vacancies of the reactant near them, in A.
        fixed: indices of the atoms that are held.
    """

    species: tuple[str, ...]
    positions: Array
    saddle: Array
    product: Array
    cell: Array
    moved: tuple[int, ...]
    vacant: Array
    fixed: tuple[int, ...]

    @classmethod
    def read(cls, process: Process) -> Self | None:
        """From a process' three structures; None where one is missing or has another number of atoms.

        The process' own reactant counts: a reverse process has the order of atoms of the state that it was copied from.
        """
        own = process.saddle.with_name(f"reactant_{process.process}.con")
        start = own if own.is_file() else process.saddle.parents[1] / "reactant.con"
        if not all(path.is_file() for path in (start, process.saddle, process.product_structure)):
            return None
        reactant, saddle, product = map(
            read_structure, (start, process.saddle, process.product_structure)
        )
        if not len(reactant) == len(saddle) == len(product):
            return None
        cell = np.asarray(reactant.cell.array)
        positions = np.asarray(reactant.positions)
        there = Hop.through(
            np.asarray(saddle.positions),
            reactant=positions,
            product=np.asarray(product.positions),
            cell=cell,
        ).moved
        lengths = np.linalg.norm(there, axis=1)
        order = np.argsort(-lengths, kind="stable")
        moved = [int(atom) for atom in order[:_MOST_MOVED] if lengths[atom] > MOVED_A] or [
            int(order[0])
        ]
        return cls(
            species=tuple(reactant.get_chemical_symbols()),
            positions=positions,
            product=there,
            cell=cell,
            saddle=minimum_image(np.asarray(saddle.positions) - positions, cell),
            moved=tuple(moved),
            vacant=vacancies_near(
                positions[moved[0]] + there[moved[0]] / 2, positions=positions, cell=cell
            ),
            fixed=tuple(map(int, fixed_atoms(reactant))),
        )

    @property
    def what_moves(self) -> str:
        """The species of the moved atoms with their numbers: `1 Cu`, `2 Cu, 1 Zn`."""
        counts = Counter(self.species[atom] for atom in self.moved)
        return ", ".join(f"{count} {symbol}" for symbol, count in sorted(counts.items()))

    @property
    def anchor(self) -> Array:
        """(3,) the middle of the way of the atom that moves farthest, in A."""
        return np.asarray(self.positions[self.moved[0]] + self.product[self.moved[0]] / 2)

    @property
    def axis(self) -> int:
        """Which of x, y, z to look along: the moved atoms move least in it; the last of equals."""
        extent = np.round((self.product[list(self.moved)] ** 2).sum(axis=0), 3)
        return int(2 - np.argmin(extent[::-1]))

    @property
    def axis_names(self) -> tuple[str, str, str]:
        """Along which it is seen, which goes right, and which goes up."""
        right, up = _across(self.axis)
        return _AXES[self.axis], _AXES[right], _AXES[up]

    @property
    def farthest(self) -> float:
        """How far the farthest atom moves, A."""
        return float(np.linalg.norm(self.product[self.moved[0]]))


@dataclass(frozen=True)
class _View:
    """The projection: (N, 2) places and (N,) heights in A, relative to the middle of what moves."""

    places: Array
    heights: Array
    shown: tuple[int, ...]
    across: tuple[int, int]
    scale: float
    vacant: Array

    def px(self, place: Array) -> tuple[float, float]:
        return SIZE_PX / 2 + self.scale * float(place[0]), SIZE_PX / 2 - self.scale * float(
            place[1]
        )


def picture(motion: Motion, *, alternative: str) -> str:
    """The SVG, 168 px square."""
    view = _view(motion)
    parts = [_atom(motion, view, atom) for atom in view.shown]
    parts += [_vacancy(motion, view, place) for place in view.vacant]
    parts += [_ring(motion, view, atom) for atom in motion.moved]
    parts += [
        _arrow(view, view.places[atom], view.places[atom] + motion.product[atom][list(view.across)])
        for atom in reversed(motion.moved)
    ]
    return wrap(parts, width=SIZE_PX, height=SIZE_PX, alternative=alternative)


def _across(axis: int) -> tuple[int, int]:
    """The axes that go right and up."""
    return (1, 2) if axis == 0 else (0, 2) if axis == 1 else (0, 1)


def _view(motion: Motion) -> _View:
    axis = motion.axis
    across = _across(axis)
    relative = minimum_image(motion.positions - motion.anchor, motion.cell)
    moving = list(motion.moved)
    flat = list(across)
    ends = np.concatenate([relative[moving][:, flat], (relative + motion.product)[moving][:, flat]])
    middle = (ends.min(axis=0) + ends.max(axis=0)) / 2
    places = relative[:, flat] - middle
    reach = max(_REACH_A, float(np.abs(ends - middle).max()) + 1.5)
    heights = relative[:, axis]
    depth = np.abs(heights - np.median(heights[moving]))
    near = (np.abs(places).max(axis=1) < reach + 1.0) & (depth < _SLAB_A)
    near[moving] = True
    candidates = sorted(
        np.flatnonzero(near),
        key=lambda atom: (atom not in motion.moved, float(depth[atom]), int(atom)),
    )
    shown = sorted(
        map(int, candidates[:_MOST_ATOMS]),
        key=lambda atom: (atom in motion.moved, float(heights[atom]), atom),
    )
    return _View(
        places=places,
        heights=heights,
        shown=tuple(shown),
        across=across,
        scale=SIZE_PX / (2 * reach),
        vacant=_vacant_in_slab(
            motion, flat, middle, level=float(np.median(heights[moving])), reach=reach
        ),
    )


def _vacant_in_slab(
    motion: Motion, flat: list[int], middle: Array, *, level: float, reach: float
) -> Array:
    """(M, 2) places of the vacancies that lie in what is drawn."""
    relative = motion.vacant - motion.anchor
    places = relative[:, flat] - middle
    drawn = (np.abs(places).max(axis=1) < reach) & (
        np.abs(relative[:, motion.axis] - level) < _SLAB_A
    )
    return np.asarray(places[drawn])


def _radius_px(species: str, scale: float) -> float:
    return float(covalent_radii[atomic_numbers[species]]) * 0.72 * scale


def _atom(motion: Motion, view: _View, atom: int) -> str:
    x, y = view.px(view.places[atom])
    moved = atom in motion.moved
    kind = list(dict.fromkeys(motion.species)).index(motion.species[atom]) % 4
    top = max(view.heights[other] for other in view.shown)
    depth = min(1.0, max(0.0, (top - view.heights[atom]) / (2 * _SLAB_A)))
    css = "atom moved" if moved else f"atom k{kind}"
    fade = "" if moved else f' opacity="{1 - 0.55 * depth:.2f}"'
    return (
        f'<circle class="{css}" cx="{px(x)}" cy="{px(y)}" r="{px(_radius_px(motion.species[atom], view.scale))}"{fade}>'
        f"<title>{motion.species[atom]} {atom}</title></circle>"
    )


def _vacancy(motion: Motion, view: _View, place: Array) -> str:
    x, y = view.px(place)
    half = 0.8 * _radius_px(motion.species[motion.moved[0]], view.scale)
    return (
        f'<rect class="vacancy" x="{px(x - half)}" y="{px(y - half)}" width="{px(2 * half)}" height="{px(2 * half)}">'
        "<title>vacancy</title></rect>"
    )


def _ring(motion: Motion, view: _View, atom: int) -> str:
    x, y = view.px(view.places[atom] + motion.saddle[atom][list(view.across)])
    return f'<circle class="ring" cx="{px(x)}" cy="{px(y)}" r="{px(_radius_px(motion.species[atom], view.scale))}"/>'


def _arrow(view: _View, start: Array, end: Array) -> str:
    """A line with a head of its own: a shared marker would need an id in the page."""
    (x0, y0), (x1, y1) = view.px(start), view.px(end)
    length = float(np.hypot(x1 - x0, y1 - y0))
    if length < 4:
        return ""
    along = np.array([x1 - x0, y1 - y0]) / length
    side = np.array([-along[1], along[0]])
    head = min(8.0, length / 2)
    neck = np.array([x1, y1]) - head * along
    left, right = neck + 0.45 * head * side, neck - 0.45 * head * side
    return (
        f'<path class="arrow" d="M{px(x0)},{px(y0)}L{px(neck[0])},{px(neck[1])}"/>'
        f'<path class="head" d="M{px(x1)},{px(y1)}L{px(left[0])},{px(left[1])}L{px(right[0])},{px(right[1])}Z"/>'
    )


def profile(
    *, barrier_eV: float, reverse_barrier_eV: float, highest_eV: float, alternative: str
) -> str:
    """The SVG of a process' energies: levels of reactant, saddle and product, joined by dashes.

    Args:
        barrier_eV: from the reactant.
        reverse_barrier_eV: from the product.
        highest_eV: what the height stands for: profiles side by side have one scale.
        alternative: in words.
    """
    product_eV = barrier_eV - reverse_barrier_eV
    scale = (_PROFILE_PX - 34) / max(highest_eV, barrier_eV, 1e-3)
    floor = _PROFILE_PX - 18 + min(0.0, max(-14.0, scale * min(product_eV, 0.0)))

    def level(energy_eV: float) -> float:
        return min(_PROFILE_PX - 4.0, floor - scale * energy_eV)

    ends = ((8.0, 50.0), (64.0, 104.0), (118.0, 160.0))
    energies = (0.0, barrier_eV, product_eV)
    heights = [level(energy) for energy in energies]
    parts = [
        f'<path class="level" d="M{px(left)},{px(y)}H{px(right)}"/>'
        for (left, right), y in zip(ends, heights, strict=True)
    ]
    parts += [
        f'<path class="step" d="M{px(ends[k][1])},{px(heights[k])}L{px(ends[k + 1][0])},{px(heights[k + 1])}"/>'
        for k in range(2)
    ]
    said = (words.fixed(round(energy, 3) + 0.0, 3) for energy in energies[1:])
    parts += [
        label((left + right) / 2, y - 5, text, anchor="middle")
        for (left, right), y, text in zip(ends[1:], heights[1:], said, strict=True)
    ]
    return wrap(parts, width=SIZE_PX, height=_PROFILE_PX, alternative=alternative)
