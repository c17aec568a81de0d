"""Structures: read, check, and carry to and from eOn's `.con` without loss.

    atoms = read_structure(Path("vacancy.xyz"))
    prepared = prepare(atoms, elements=("Cu",), cutoff_A=5.0)
    text = to_con(prepared.atoms)          # eOn's file; from_con(text) gives the same atoms back

eOn and LAMMPS want restricted triclinic cells (a along x, b in the xy plane). A structure that is not is rotated, and
`prepared.to_user` rotates back what users get.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import numpy.typing as npt
import readcon
from ase import Atoms
from ase.cell import Cell
from ase.constraints import FixAtoms
from ase.neighborlist import neighbor_list

from mlip_kmc.errors import StructureError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """A structure as eOn sees it.

    Attributes:
        atoms: restricted triclinic, constraints at most one FixAtoms.
        rotation: (3, 3) proper rotation Q with `user positions = eOn positions @ Q`.
    """

    atoms: Atoms
    rotation: Array

    @property
    def species(self) -> tuple[str, ...]:
        """Elements in the order of first appearance, which is eOn's and LAMMPS' order of types."""
        return species_of(self.atoms)

    def to_user(self, vectors: Array) -> Array:
        """Rotate (..., 3) vectors from eOn's frame to the user's."""
        rotated: Array = vectors @ self.rotation
        return rotated


def species_of(atoms: Atoms) -> tuple[str, ...]:
    """Elements in the order of first appearance."""
    return tuple(dict.fromkeys(atoms.get_chemical_symbols()))


def read_structure(path: Path) -> Atoms:
    """Read the last frame of any file that ASE or eOn's `.con` reader understands.

    Raises:
        StructureError: the file is missing, empty or not readable.
    """
    if not path.is_file():
        raise StructureError(f"there is no structure file {path}")
    try:
        if path.suffix == ".con":
            return from_con(path.read_text(encoding="utf-8"))
        found = ase.io.read(path, index=-1)
    except StructureError:
        raise
    except Exception as error:  # ASE's readers raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StructureError(f"cannot read a structure from {path}: {reason}") from error
    if not isinstance(found, Atoms) or len(found) == 0:
        raise StructureError(f"{path} holds no atoms")
    return found


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
    _check_numbers(atoms)
    _check_species(atoms, elements)
    _check_cell(atoms, cutoff_A=cutoff_A, allow_small_cell=allow_small_cell)
    _check_distances(atoms, minimum_distance_A)
    fixed = _fixed_atoms(atoms)
    cell, rotation = _restricted_triclinic(np.asarray(atoms.cell.array, dtype=float))
    prepared = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions @ rotation.T, cell=cell, pbc=True)
    prepared.set_masses(atoms.get_masses())
    if len(fixed):
        prepared.set_constraint(FixAtoms(indices=fixed))
    return Prepared(atoms=prepared, rotation=rotation)


def _check_numbers(atoms: Atoms) -> None:
    if len(atoms) == 0:
        raise StructureError("the structure holds no atoms")
    if not np.isfinite(atoms.positions).all() or not np.isfinite(atoms.cell.array).all():
        raise StructureError("the structure has positions or a cell that are not finite numbers")


def _check_species(atoms: Atoms, elements: tuple[str, ...] | None) -> None:
    if elements is None:
        return
    unknown = [symbol for symbol in species_of(atoms) if symbol not in elements]
    if unknown:
        raise StructureError(
            f"the potential does not know {', '.join(unknown)} (it knows {', '.join(elements)}); "
            "use another structure or potential"
        )


def _check_cell(atoms: Atoms, *, cutoff_A: float | None, allow_small_cell: bool) -> None:
    if not all(atoms.pbc):
        raise StructureError(
            f"the structure is periodic along {list(map(bool, atoms.pbc))}, but eOn needs all three; "
            "for a slab or a cluster add vacuum and set pbc to True"
        )
    volume = float(np.linalg.det(atoms.cell.array))
    if abs(volume) < 1e-6:
        raise StructureError("the structure's cell has no volume; give three independent cell vectors")
    if volume < 0:
        raise StructureError("the structure's cell is left-handed; swap two of its vectors")
    heights = 1.0 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    if cutoff_A is not None and heights.min() < 2 * cutoff_A and not allow_small_cell:
        raise StructureError(
            f"the cell is {heights.min():.3f} A wide, less than twice the potential's cutoff of {cutoff_A:.3f} A; "
            "use a larger cell, or set structure.allow_small_cell to accept interactions with own images"
        )


def _check_distances(atoms: Atoms, minimum_distance_A: float) -> None:
    first, second, distance = neighbor_list("ijd", atoms, minimum_distance_A)
    if len(distance):
        nearest = int(np.argmin(distance))
        raise StructureError(
            f"atoms {first[nearest]} and {second[nearest]} are {distance[nearest]:.3f} A apart, nearer than "
            f"structure.minimum_distance_A = {minimum_distance_A}; check the structure for overlapping atoms"
        )


def _fixed_atoms(atoms: Atoms) -> npt.NDArray[np.int64]:
    fixed: set[int] = set()
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixAtoms):
            raise StructureError(
                f"the structure has a constraint {type(constraint).__name__}; only FixAtoms can be kept: remove it"
            )
        fixed.update(int(index) for index in constraint.get_indices())
    if len(fixed) == len(atoms):
        raise StructureError("all atoms of the structure are fixed; free those that may move")
    return np.array(sorted(fixed), dtype=np.int64)


def _restricted_triclinic(cell: Array) -> tuple[Array, Array]:
    """The lower triangular cell with a positive diagonal, and Q with `cell = lower @ Q`."""
    upper_q, upper_r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(upper_r))
    lower = (upper_r * signs[:, None]).T
    rotation = (upper_q * signs).T
    if np.allclose(rotation, np.eye(3), atol=1e-14, rtol=0):
        return cell * np.tri(3), np.eye(3)
    return np.tril(lower), rotation


def to_con(atoms: Atoms, positions: Array | None = None) -> str:
    """eOn's `.con` text: 17 digits, fixed atoms and the order of atoms kept (atom ids count from 1).

    Args:
        atoms: restricted triclinic cell.
        positions: (N, 3) in A; the atoms' own where None.
    """
    fixed = set(_fixed_atoms(atoms).tolist())
    places = atoms.positions if positions is None else positions
    cell = Cell(atoms.cell.array)
    frame = readcon.ConFrame(
        cell=[float(x) for x in cell.lengths()],
        angles=[float(x) for x in cell.angles()],
        atoms=[
            readcon.Atom(symbol=symbol, x=float(x), y=float(y), z=float(z), fixed=[index in fixed] * 3,
                         atom_id=index + 1, mass=float(mass))
            for index, (symbol, (x, y, z), mass) in enumerate(
                zip(atoms.get_chemical_symbols(), places, atoms.get_masses(), strict=True)
            )
        ],
        prebox_header=["mlip-kmc", ""],
    )
    text: str = readcon.write_con_string([frame], precision=17)
    return text


def from_con(text: str) -> Atoms:
    """Atoms of the last frame of `.con` text, in the order of their atom ids.

    Raises:
        StructureError: the text is not a `.con` file, or only some coordinates of an atom are fixed.
    """
    try:
        frames = readcon.read_con_string(text)
    except Exception as error:  # readcon raises its own types
        raise StructureError(f"not a .con structure: {str(error).splitlines()[0]}") from error
    if not frames:
        raise StructureError("the .con file holds no frame")
    return _from_frame(frames[-1])


def _from_frame(frame: Any) -> Atoms:
    entries = list(frame.atoms)
    ids = [entry.atom_id for entry in entries]
    if len(set(ids)) == len(ids):
        entries.sort(key=lambda entry: entry.atom_id)
    positions = np.array([[entry.x, entry.y, entry.z] for entry in entries], dtype=float).reshape(-1, 3)
    cell = _cell_from_lengths_and_angles(list(frame.cell), list(frame.angles))
    atoms = Atoms([entry.symbol for entry in entries], positions=positions, cell=cell, pbc=True)
    if all(entry.mass for entry in entries):
        atoms.set_masses([entry.mass for entry in entries])
    fixed = []
    for index, entry in enumerate(entries):
        flags = list(entry.fixed or [False] * 3)
        if any(flags) and not all(flags):
            raise StructureError(f"atom {index} is fixed in some directions only; fix it whole or not at all")
        if all(flags):
            fixed.append(index)
    if fixed:
        atoms.set_constraint(FixAtoms(indices=fixed))
    return atoms


def _cell_from_lengths_and_angles(lengths: list[float], angles_degree: list[float]) -> Array:
    """Restricted triclinic cell (3, 3), rows are vectors; exact zeros for right angles."""
    cosines = [0.0 if angle == 90.0 else float(np.cos(np.radians(angle))) for angle in angles_degree]
    cos_alpha, cos_beta, cos_gamma = cosines
    sin_gamma = np.sqrt(1.0 - cos_gamma**2)
    a, b, c = lengths
    cy = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    cz = np.sqrt(1.0 - cos_beta**2 - cy**2)
    return np.array([[a, 0, 0], [b * cos_gamma, b * sin_gamma, 0], [c * cos_beta, c * cy, c * cz]], dtype=float)


def minimum_image(vectors: Array, cell: Array) -> Array:
    """(N, 3) difference vectors at their minimum image in a periodic cell (3, 3), also for skewed cells."""
    from ase.geometry import find_mic

    found: Array = find_mic(vectors, cell, pbc=True)[0]
    return found
