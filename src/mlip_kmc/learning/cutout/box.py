"""A periodic box out of a larger structure, whose faces meet as the structure itself goes on.

    box = box_around(Host.of(atoms), offending=[17], core_A=3.0, buffer_A=5.0)
    box.atoms, box.index_of                     # what was atom index_of[k] there is atom k here

A crystal that is cut at any place has a grain boundary where the faces meet. So an edge of the box is a vector that carries the
structure near one face onto itself at the other (`edges`). A gap without atoms (vacuum beside a slab) keeps its width: along
that edge the structure is kept whole, or cut to a thinner slab. Near the faces an atom may belong to two sides or to none: of
two in one place one is left out, and one that is missing is taken in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.neighborlist import neighbor_list

from mlip_kmc.learning.cutout.edges import Axis, Span, edge_of
from mlip_kmc.learning.cutout.host import Host
from mlip_kmc.learning.cutout.surroundings import Indices, Lookup
from mlip_kmc.model.structure import Array

_OVERLAP, _MISSING = 0.5, 0.85
"""Of the nearest distance of two atoms: so near they are two in one place; so far from all others there is room for one more."""
_SHIFT_A, _OUTSIDE_A, _SLIVER_A, _ROUNDING_A = 0.6, 1.5, 3.0, 1e-6


@dataclass(frozen=True)
class Box:
    """A part of a structure as a periodic one of its own.

    Attributes:
        atoms: positions and cell in A.
        index_of: (n,) index of each atom in the structure.
        core: (n,) whether an atom is in the core.
        cut: which of its edges are none of the structure's.
    """

    atoms: Atoms
    index_of: Indices
    core: npt.NDArray[np.bool_]
    cut: tuple[bool, ...]


@dataclass(frozen=True)
class _Sites:
    """Atoms and images of atoms: positions (n, 3) in A, and the index of each in the structure."""

    positions: Array
    index: Indices

    def taken(self, which: npt.NDArray[np.bool_]) -> "_Sites":
        return _Sites(self.positions[which], self.index[which])


def box_around(
    host: Host,
    *,
    offending: Sequence[int],
    core_A: float,
    buffer_A: float,
    thin: bool = False,
) -> Box:
    """The box around some atoms.

    Args:
        host: the structure.
        offending: the atoms that matter, near to each other.
        core_A: around each of them, the core.
        buffer_A: from the core to the faces of the box.
        thin: cut slabs to what core and buffer need, too; otherwise they are whole.
    """
    atoms, axes, nearest_A = host.atoms, host.axes, host.limits.of_all_A
    marked = host.together(list(offending))
    spans = [Span.of(marked, axis, reach_A=core_A + buffer_A) for axis in axes]
    found = [
        edge_of(atoms, axes, number, spans=spans, lookup=host.lookup, nearest_A=nearest_A)
        for number in range(3)
    ]
    edges, cut = np.array([edge for edge, _ in found]), [was_cut for _, was_cut in found]
    middle = (marked.max(axis=0) + marked.min(axis=0)) / 2
    sites, origin = _inside(atoms, axes, edges=edges, middle=middle, nearest_A=nearest_A)
    if thin:
        sites, edges, cut = _thinned(sites, axes, spans=spans, edges=edges, cut=cut)
    return _finished(
        atoms, sites, axes=axes, edges=edges, cut=cut, origin=origin, marked=marked, core_A=core_A
    )


def _inside(
    atoms: Atoms, axes: Sequence[Axis], *, edges: Array, middle: Array, nearest_A: float
) -> tuple[_Sites, Array]:
    """The atoms of the box with these edges, and its corner."""
    sites = _images(atoms, axes, middle)
    inverse = np.linalg.inv(edges)
    periodic = np.array([axis.vacuum_A is None for axis in axes])
    scaled = (sites.positions - middle) @ inverse
    margins = _OUTSIDE_A * np.linalg.norm(inverse, axis=0)
    near = (np.abs(scaled) <= 0.5 + margins) | ~periodic
    sites, scaled = sites.taken(near.all(axis=1)), scaled[near.all(axis=1)]
    low = np.array([
        _face(scaled[:, axis], width=margins[axis] * _SHIFT_A / _OUTSIDE_A) - 1.0
        for axis in range(3)
    ])  # fmt: skip
    within = ((scaled >= low) & (scaled < low + 1.0)) | ~periodic
    inside = within.all(axis=1)
    box = sites.taken(inside)
    box = _without_doubles(box, _as_atoms(box, edges, axes), middle=middle, nearest_A=nearest_A)
    box = _with_missing(box, sites.taken(~inside), edges, axes, nearest_A=nearest_A)
    return box, middle + low @ edges


def _images(atoms: Atoms, axes: Sequence[Axis], middle: Array) -> _Sites:
    """Each atom and its images next to it, about the middle; none of them across vacuum."""
    cell = np.array([axis.edge for axis in axes])
    scaled = (atoms.positions - middle) @ np.linalg.inv(cell)
    at = middle @ np.linalg.inv(cell)
    for number, axis in enumerate(axes):
        if axis.vacuum_A is None:
            scaled[:, number] -= np.round(scaled[:, number])
        elif atoms.pbc[number]:
            scaled[:, number] = (scaled[:, number] + at[number] - axis.start) % 1.0
            scaled[:, number] += axis.start - at[number]
            scaled[:, number] -= np.round(scaled[:, number].mean())
    positions, index = scaled @ cell + middle, np.arange(len(atoms))
    for axis in axes:
        if axis.vacuum_A is None:
            positions = np.vstack([positions + shift * axis.edge for shift in (0, -1, 1)])
            index = np.tile(index, 3)
    return _Sites(positions, index)


def _face(values: Array, *, width: float) -> float:
    """Where a face goes through the fewest atoms: the middle of the widest gap of fractional coordinates near 1/2."""
    near = values % 1.0
    near = np.sort(near[np.abs(near - 0.5) < width])
    bounds = np.concatenate([[0.5 - width], near, [0.5 + width]])
    widest = int(np.argmax(np.diff(bounds)))
    return float((bounds[widest] + bounds[widest + 1]) / 2)


def _as_atoms(sites: _Sites, edges: Array, axes: Sequence[Axis]) -> Atoms:
    pbc = [axis.vacuum_A is None for axis in axes]
    return Atoms(positions=sites.positions, cell=edges, pbc=pbc)


def _without_doubles(sites: _Sites, box: Atoms, *, middle: Array, nearest_A: float) -> _Sites:
    """Of two atoms in one place, across the faces, the one that is farther from the middle is left out."""
    distance = np.linalg.norm(sites.positions - middle, axis=1)
    kept = np.ones(len(distance), dtype=bool)
    for pair in zip(*neighbor_list("ij", box, _OVERLAP * nearest_A), strict=True):
        if kept[list(pair)].all():
            kept[max(pair, key=lambda site: (round(float(distance[site]), 6), site))] = False
    return sites.taken(kept)


def _with_missing(
    sites: _Sites, outside: _Sites, edges: Array, axes: Sequence[Axis], *, nearest_A: float
) -> _Sites:
    """What lies just outside of the box and meets no atom when it is brought into it."""
    wanted_A = _MISSING * nearest_A
    while len(outside.index):
        distances, _ = Lookup(_as_atoms(sites, edges, axes)).nearest(outside.positions)
        outside = outside.taken(distances >= wanted_A)
        if not len(outside.index):
            break
        sites = _Sites(
            np.vstack([sites.positions, outside.positions[:1]]),
            np.append(sites.index, outside.index[0]),
        )
    return sites


def _thinned(
    sites: _Sites, axes: Sequence[Axis], *, spans: Sequence[Span], edges: Array, cut: Sequence[bool]
) -> tuple[_Sites, Array, list[bool]]:
    """Slabs cut to the span of core and buffer; the gap keeps its width."""
    edges, was_cut = edges.copy(), list(cut)
    for number, (axis, span) in enumerate(zip(axes, spans, strict=True)):
        if axis.vacuum_A is None:
            continue
        height = sites.positions @ axis.normal
        low = span.low_A if span.low_A - height.min() > _SLIVER_A else height.min()
        high = span.high_A if height.max() - span.high_A > _SLIVER_A else height.max()
        within = (height >= low) & (height <= high)
        sites = sites.taken(within)
        thickness_A = float(np.ptp(height[within]))
        if not within.all():
            edges[number] = axis.edge * ((thickness_A + axis.vacuum_A) / axis.height_A)
            was_cut[number] = True
    return sites, edges, was_cut


def _finished(
    atoms: Atoms,
    sites: _Sites,
    *,
    axes: Sequence[Axis],
    edges: Array,
    cut: Sequence[bool],
    origin: Array,
    marked: Array,
    core_A: float,
) -> Box:
    """The sites in the order of the structure, in the cell that begins at 0."""
    order = np.lexsort([*np.round(sites.positions.T, 6), sites.index])
    sites = _Sites(sites.positions[order], sites.index[order])
    core = np.zeros(len(order), dtype=bool)
    for point in marked:
        near = np.linalg.norm(sites.positions - point, axis=1) <= core_A + _ROUNDING_A
        core |= near
    box = Atoms(
        atoms.numbers[sites.index],
        positions=sites.positions - origin,
        cell=edges,
        pbc=atoms.pbc,
    )
    for number, axis in enumerate(axes):
        if axis.vacuum_A is not None:
            scaled = box.get_scaled_positions(wrap=False)[:, number]
            box.positions += (0.5 - (scaled.max() + scaled.min()) / 2) * edges[number]
    return Box(atoms=box, index_of=sites.index, core=core, cut=tuple(cut))
