"""Small pictures of processes: the atoms around the ones that move, with arrows from the reactant to the product.

Example:
    motion = Motion.read(process)                  # positions of reactant, saddle and product, or None
    picture(motion, alternative="Process 1 of state 0: ...")

Seen along the axis (x, y or z of eOn's cell) in which the moved atoms move least, so that the arrows are longest. Drawn are atoms
within a slab around them; nearer ones lie on top. Rings are the moved atoms at the saddle.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from ase.data import atomic_numbers, covalent_radii

from mlip_kmc.model.atom_path import Hop
from mlip_kmc.model.records import Process
from mlip_kmc.model.structure import minimum_image, read_structure
from mlip_kmc.report.charts import px, wrap

Array = npt.NDArray[np.float64]

SIZE_PX = 168
MOVED_A = 0.4
_MOST_MOVED = 8
_REACH_A = 4.2
_SLAB_A = 2.4
_MOST_ATOMS = 60
_AXES = "xyz"


@dataclass(frozen=True)
class Motion:
    """One process.

    Attributes:
        species: N symbols.
        positions: (N, 3) in A, of the reactant.
        saddle, product: (N, 3) displacements from it, in A, at their minimum image.
        cell: (3, 3).
        moved: indices of the atoms that move by more than 0.4 A, the farthest first, at most eight; at least one.
    """

    species: tuple[str, ...]
    positions: Array
    saddle: Array
    product: Array
    cell: Array
    moved: tuple[int, ...]

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
        )

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

    def px(self, place: Array) -> tuple[float, float]:
        return SIZE_PX / 2 + self.scale * float(place[0]), SIZE_PX / 2 - self.scale * float(
            place[1]
        )


def picture(motion: Motion, *, alternative: str) -> str:
    """The SVG, 168 px square."""
    view = _view(motion)
    parts = [_atom(motion, view, atom) for atom in view.shown]
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
    anchor = motion.positions[motion.moved[0]] + motion.product[motion.moved[0]] / 2
    relative = minimum_image(motion.positions - anchor, motion.cell)
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
    )


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
