"""An oracle's answer, read: energy and forces of the structure that was asked about, in the order of its atoms.

    label = read_answer(folder / "output.xyz", asked=atoms)
    check_sound(label, largest_force_eV_per_A=50.0, largest_net_force_eV_per_A=1.0)

An answer must be of the structure that was asked about: the same cell, the same atoms in the same places. Atoms that come back
in another order are brought back where their places say so without doubt.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from mlip_kmc.ground.errors import first_line
from mlip_kmc.ground.wording import plain, shown
from mlip_kmc.learning.cutout.surroundings import Indices, Lookup
from mlip_kmc.learning.labels.faults import Label, LabelError, LabelFault, as_label
from mlip_kmc.model.structure import Array, read_frames, text_of

_SAME_PLACE_A = 1e-3
_TRUE = ("T", "True", "TRUE", "true", "1")


def read_answer(path: Path, *, asked: Atoms, energy_key: str = "energy") -> Label:
    """The label that a program wrote, its atoms in the order that was asked for.

    Args:
        path: extended XYZ of one structure, with an energy (eV), forces (eV/A) and, if it likes, a key `converged`.
        asked: the structure.
        energy_key: name of the energy.

    Raises:
        LabelError: it cannot be used; `kind` says why.
    """
    try:
        frames = read_frames(path)
    except FileNotFoundError as error:
        raise LabelError(LabelFault.NO_ANSWER, f"it wrote no {path.name}") from error
    except Exception as error:  # ASE's readers raise anything
        raise LabelError(
            LabelFault.NO_ANSWER, f"its {path.name} cannot be read: {first_line(error)}"
        ) from error
    if len(frames) != 1:
        raise LabelError(
            LabelFault.NO_ANSWER, f"its {path.name} holds {len(frames)} structures, not one"
        )
    found = frames[0]
    converged = text_of(found, "converged")
    if converged is not None and converged not in _TRUE:
        raise LabelError(
            LabelFault.NOT_CONVERGED, f"it did not converge (converged={shown(converged)})"
        )
    energy, forces = _numbers_of(found, path, energy_key)
    order = _order(found, asked)
    return Label(energy, forces[order])


def _numbers_of(found: Atoms, path: Path, energy_key: str) -> tuple[float, Array]:
    results: Mapping[str, Any] = getattr(found.calc, "results", {})
    forces = found.arrays.get("forces", results.get("forces"))
    energy = results.get(energy_key, found.info.get(energy_key))
    if forces is None or energy is None:
        lacks = "forces" if forces is None else f"energy of the name {energy_key!r}"
        raise LabelError(LabelFault.NO_ANSWER, f"its {path.name} has no {lacks}")
    return as_label(energy, forces, atoms=len(found))


def _order(found: Atoms, asked: Atoms) -> Indices:
    """For each atom that was asked about, the index of that atom in the answer."""
    if sorted(found.numbers.tolist()) != sorted(asked.numbers.tolist()):
        raise LabelError(
            LabelFault.OTHER_ATOMS,
            f"it answers about {found.get_chemical_formula()}, not about {asked.get_chemical_formula()}",
        )
    if not np.abs(found.cell.array - asked.cell.array).max() <= _SAME_PLACE_A:
        raise LabelError(LabelFault.MOVED, "it answers with another cell")
    lookup = Lookup(asked)
    apart = np.linalg.norm(lookup.vectors(found.positions - asked.positions), axis=1)
    if (found.numbers == asked.numbers).all() and apart.max() <= _SAME_PLACE_A:
        return np.arange(len(asked))
    distances, nearest = lookup.nearest(found.positions)
    if not distances.max() <= _SAME_PLACE_A:
        raise LabelError(
            LabelFault.MOVED,
            f"it answers with atoms elsewhere, {plain(float(distances.max()))} A from any that was asked about",
        )
    alike = found.numbers == asked.numbers[nearest]
    if len(np.unique(nearest)) != len(asked) or not alike.all():
        raise LabelError(
            LabelFault.OTHER_ATOMS,
            "it answers with the atoms in an order that their places do not tell",
        )
    return np.argsort(nearest)


def check_sound(
    label: Label, *, largest_force_eV_per_A: float, largest_net_force_eV_per_A: float | None
) -> None:
    """Refuse what no structure has.

    Args:
        label: with finite numbers.
        largest_force_eV_per_A: on one atom.
        largest_net_force_eV_per_A: of all atoms together; None: there may be an outer field.

    Raises:
        LabelError: a force is too large, or they do not add up to zero.
    """
    sizes = np.linalg.norm(label.forces_eV_per_A, axis=1)
    atom = int(sizes.argmax())
    if not sizes[atom] <= largest_force_eV_per_A:
        raise LabelError(
            LabelFault.ABSURD_FORCE,
            f"the force on atom {atom} is {plain(float(sizes[atom]))} eV/A, more than {plain(largest_force_eV_per_A)}",
        )
    net = float(np.linalg.norm(label.forces_eV_per_A.sum(axis=0)))
    if largest_net_force_eV_per_A is not None and not net <= largest_net_force_eV_per_A:
        raise LabelError(
            LabelFault.NET_FORCE,
            f"its forces add up to {plain(net)} eV/A, not to zero (at most {plain(largest_net_force_eV_per_A)}): "
            "forces of single atoms are wrong",
        )
