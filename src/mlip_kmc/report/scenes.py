"""What the page's three-dimensional viewer shows, as JSON: states, processes, and the trajectory as a film.

Example:
    scenes_of(blocks, film=film_of(report.view.states, report.view.events))      # text for a <script type="application/json">

Lengths are whole hundredths of an A, which nobody sees on a screen. Of large systems the surroundings of what moves
are kept. A character that could end the element is escaped.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlip_kmc.model.structure import minimum_image
from mlip_kmc.report.film import Film, hundredths
from mlip_kmc.report.states import Block, Picture

Array = npt.NDArray[np.float64]

MOST_ATOMS = 500
_LEAST_MOVE_A = 0.02


def scenes_of(blocks: Sequence[Block], *, film: Film | None) -> str:
    """The viewer's data.

    Args:
        blocks: the states' parts of the page, with their pictures.
        film: the trajectory; None where no step is made.
    """
    scenes: dict[str, Any] = {}
    for block in blocks:
        if block.pictures:
            scenes[f"state-{block.state.state}"] = _state(block)
        scenes |= {picture.key: _process(block, picture) for picture in block.pictures}
    if film is not None:
        scenes["film"] = film.scene
    text = json.dumps(scenes, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _state(block: Block) -> dict[str, Any]:
    """The state alone: the reactant of the first of its processes that is drawn."""
    energy = block.state.energy_eV
    return {
        "title": f"State {block.state.state}",
        "of": block.pictures[0].key,
        "said": "a minimum" if energy is None else f"a minimum, {energy:.6f} eV",
    }


def _process(block: Block, picture: Picture) -> dict[str, Any]:
    motion = picture.motion
    row = next(row for row in block.state.processes if f"{row.state}-{row.rank}" == picture.key)
    kept = _kept(motion.positions, motion.anchor, motion.cell, motion.moved)
    place = {int(atom): index for index, atom in enumerate(kept)}
    far = np.maximum(np.linalg.norm(motion.saddle, axis=1), np.linalg.norm(motion.product, axis=1))
    moving = [int(atom) for atom in kept if far[atom] > _LEAST_MOVE_A]
    return {
        "title": f"State {row.state}, process {row.rank}: {picture.title}",
        "cell": hundredths(motion.cell),
        "axis": motion.axis,
        "around": hundredths(motion.anchor),
        "species": [motion.species[atom] for atom in kept],
        "at": hundredths(motion.positions[kept]),
        "moving": [place[atom] for atom in moving],
        "saddle": hundredths(motion.saddle[moving]),
        "product": hundredths(motion.product[moving]),
        "moved": [place[atom] for atom in motion.moved],
        "fixed": [place[atom] for atom in motion.fixed if atom in place],
        "vacant": hundredths(motion.vacant),
        "energies_eV": [0.0, row.barrier_eV, row.barrier_eV - row.reverse_barrier_eV],
        "left_out": len(motion.species) - len(kept),
    }


def _kept(positions: Array, anchor: Array, cell: Array, moved: Sequence[int]) -> list[int]:
    """All atoms of a small system; of a large one those nearest to the anchor, the moved ones among them."""
    if len(positions) <= MOST_ATOMS:
        return list(range(len(positions)))
    away = np.linalg.norm(minimum_image(positions - anchor, cell), axis=1)
    away[list(moved)] = 0.0
    return sorted(int(atom) for atom in np.argsort(away, kind="stable")[:MOST_ATOMS])
