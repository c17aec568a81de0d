"""What the oracle gets of a structure: the whole, where that is small, else a periodic box around the atoms that matter.

    piece = cut_out(atoms, [17, 4], name="0_17-240", section=CutoutSection(), cutoff_A=5.0, calculator=calculator)
    piece.atoms, piece.force_weights         # 1 in the core, 0 in the buffer, whose faces are no part of the structure

The core is what lies within `core_A` of the offending atoms; its forces count. The buffer around it gives the core its
surroundings; its forces do not count, and where its faces meet it is relaxed under the present potential. No pair in the box is
nearer than any such pair in the structure. The energy of a box is that of another structure: by default it carries no weight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.config.campaign import CutoutSection
from mlip_kmc.evaluate.calculator import evaluated
from mlip_kmc.ground.errors import MlipKmcError, StructureError
from mlip_kmc.learning.cutout.box import Box, box_around
from mlip_kmc.learning.cutout.edges import Span
from mlip_kmc.learning.cutout.host import Host
from mlip_kmc.learning.cutout.seam import settle
from mlip_kmc.learning.cutout.surroundings import Indices
from mlip_kmc.model.structure import Array

_LARGEST_BUFFER, _SMALLEST_BUFFER = 1.5, 0.6
"""Of the potential's cutoff: what the buffer shall be, and at least must be."""
_BUFFER_STEP_A = 0.5
_HELD = 0.75
"""Of the buffer, what is held with the core when the faces are relaxed."""
_NOT_WORTH_IT = 0.8
"""A box of more than this share of a structure that may be labelled whole is none."""
_TIGHTEST = 0.75
"""A box has at least this share of the atoms that its volume leads to expect."""


@dataclass(frozen=True)
class Expected:
    """What the present potential says of a structure.

    Attributes:
        energy_eV: of the whole structure.
        forces_eV_per_A: (N, 3).
        gammas: (N,) extrapolation grades; None where they are not known.
    """

    energy_eV: float
    forces_eV_per_A: Array
    gammas: Array | None


@dataclass(frozen=True)
class CutOut:
    """A structure to label.

    Attributes:
        name: letters, digits and `_ . + -`.
        atoms: positions and cell in A.
        force_weights: (N,) from 0 to 1. energy_weight: from 0 to 1.
        index_of: (N,) index of each atom in the structure it is of.
        whole: it is that structure.
        left_out: offending atoms that had no room in the box, by their index in the structure.
        buffer_A: of a box, the buffer's width; None for a whole structure.
        expected: what the present potential says; None where it cannot be evaluated.
    """

    name: str
    atoms: Atoms
    force_weights: Array
    energy_weight: float
    index_of: Indices
    whole: bool
    left_out: tuple[int, ...] = ()
    buffer_A: float | None = None
    expected: Expected | None = None


def cut_out(
    atoms: Atoms,
    offending: Sequence[int],
    *,
    name: str,
    section: CutoutSection,
    cutoff_A: float,
    calculator: Any | None = None,
    gammas_of: Callable[[Atoms], Array] | None = None,
) -> CutOut:
    """What is to be labelled of a structure.

    Args:
        atoms: the structure; periodic, or with vacuum.
        offending: the atoms that matter, the most important first; where not all have room in one box, the last are left out.
        name: of what is labelled.
        section: sizes.
        cutoff_A: the potential's.
        calculator: the present potential's (ASE): relaxes faces, and says what it expects.
        gammas_of: gives the extrapolation grades (N,) of a structure.

    Raises:
        StructureError: it is too large, and no box of `most_atoms` holds the first offending atom, its core and its buffer.
    """
    if len(atoms) <= section.whole_up_to_atoms:
        return _whole(atoms, name, calculator, gammas_of)
    if not len(offending) or not all(0 <= index < len(atoms) for index in offending):
        raise StructureError(
            f"{name} has {len(atoms)} atoms, of which {list(offending)[:5]} shall be cut out: there must be some, each its own"
        )
    found = _box(atoms, list(offending), section=section, cutoff_A=cutoff_A, calculator=calculator)
    small = len(atoms) <= section.most_atoms
    if small and (found is None or not len(found[0].atoms) <= _NOT_WORTH_IT * len(atoms)):
        return _whole(atoms, name, calculator, gammas_of)
    if found is None:
        raise StructureError(
            f"{name} has {len(atoms)} atoms, and no box of at most {section.most_atoms} holds atom {offending[0]} with its core "
            f"({section.core_A:g} A) and buffer; raise cutout.most_atoms, or lower cutout.core_A or cutout.buffer_A"
        )
    box, kept, buffer_A = found
    return CutOut(
        name=name,
        atoms=box.atoms,
        force_weights=box.core.astype(float),
        energy_weight=section.box_energy_weight,
        index_of=box.index_of,
        whole=False,
        left_out=tuple(int(index) for index in offending[kept:]),
        buffer_A=buffer_A,
        expected=expected_of(box.atoms, calculator, gammas_of),
    )


def _whole(
    atoms: Atoms,
    name: str,
    calculator: Any | None,
    gammas_of: Callable[[Atoms], Array] | None,
) -> CutOut:
    bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    return CutOut(
        name=name,
        atoms=bare,
        force_weights=np.ones(len(bare)),
        energy_weight=1.0,
        index_of=np.arange(len(bare)),
        whole=True,
        expected=expected_of(bare, calculator, gammas_of),
    )


def expected_of(
    atoms: Atoms, calculator: Any | None, gammas_of: Callable[[Atoms], Array] | None = None
) -> Expected | None:
    """What the present potential says; None without one, or where it cannot be evaluated."""
    if calculator is None:
        return None
    try:
        energy_eV, forces = evaluated(atoms, calculator)
        gammas = None if gammas_of is None else np.asarray(gammas_of(atoms), dtype=float)
    except MlipKmcError:
        return None
    if not (np.isfinite(energy_eV) and np.isfinite(forces).all()):
        return None
    return Expected(energy_eV, forces, gammas)


def _box(
    atoms: Atoms,
    offending: list[int],
    *,
    section: CutoutSection,
    cutoff_A: float,
    calculator: Any | None,
) -> tuple[Box, int, float] | None:
    """A box, how many of the offending atoms are in it, and its buffer: first as many as possible, then as large a buffer."""
    host = Host.of(atoms)
    slab = any(axis.vacuum_A is not None for axis in host.axes)
    places = host.together(offending)
    attempts = [
        (count, thin, buffer_A)
        for count in range(len(offending), 0, -1)
        for thin in ((False, True) if slab else (False,))  # a new surface where nothing else fits
        for buffer_A in _buffers(section, cutoff_A)
    ]
    for count, thin, buffer_A in attempts:
        marked = offending[:count]
        least = _least_atoms(host, places[:count], section.core_A + buffer_A, thin=thin)
        if not least <= section.most_atoms:
            continue
        box = box_around(
            host, offending=marked, core_A=section.core_A, buffer_A=buffer_A, thin=thin
        )
        if not any(box.cut) or len(box.atoms) > section.most_atoms:
            continue
        settled = settle(
            box,
            host=host,
            held_A=_HELD * buffer_A,
            calculator=calculator,
            steps=section.relax_steps,
        )
        if settled is not None:
            return settled, count, buffer_A
    return None


def _buffers(section: CutoutSection, cutoff_A: float) -> tuple[float, ...]:
    """Widths to try, the largest first."""
    if section.buffer_A is not None:
        return (section.buffer_A,)
    widths = np.arange(
        _LARGEST_BUFFER * cutoff_A, _SMALLEST_BUFFER * cutoff_A - 1e-9, -_BUFFER_STEP_A
    )
    return tuple(float(width) for width in widths)


def _least_atoms(host: Host, places: Array, reach_A: float, *, thin: bool) -> float:
    """So many atoms a box has at least, by its volume: a box is not made to find that it is far too large."""
    share = 1.0
    for axis in host.axes:
        inside_A = axis.height_A - (axis.vacuum_A or 0.0)
        if inside_A > 0 and (axis.vacuum_A is None or thin):
            share *= min(1.0, Span.of(places, axis, reach_A=reach_A).width / inside_A)
    return _TIGHTEST * share * len(host.atoms)
