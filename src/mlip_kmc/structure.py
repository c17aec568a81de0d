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
from ase.constraints import FixAtoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list

from mlip_kmc.errors import StructureError

Array = npt.NDArray[np.float64]
_READABLE = "give a whole file of a format that ASE reads"
_FILE = "mlip_kmc.file"
"""Where `Atoms.info` keeps the file's name, for messages."""
_FARTHEST_A = 1e6
_FLATTEST = 0.01
"""Least volume over the product of the vectors' lengths: `.con` and LAMMPS lose digits, and LAMMPS time, below it."""


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
        raise StructureError(f"there is no structure file {path}; correct structure.file")
    try:
        if path.suffix == ".con":
            return from_con(path.read_text(encoding="utf-8"))
        found = ase.io.read(path.absolute(), index=-1, do_not_split_by_at_sign=True)
    except StructureError as error:
        raise StructureError(f"{path}: {error}") from error
    except OSError as error:
        raise StructureError(f"cannot read a structure from {path}: {error.strerror or _reason(error)}; {_READABLE}") from error
    except Exception as error:  # ASE's readers raise anything
        raise StructureError(f"cannot read a structure from {path}: {_reason(error)}; {_READABLE}") from error
    if not isinstance(found, Atoms) or len(found) == 0:
        raise StructureError(f"{path} holds no atoms; {_READABLE}")
    found.info[_FILE] = str(path)
    return found


def _reason(error: Exception) -> str:
    """The first line of what an exception says, or its kind where it says nothing."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return said[0] if said else type(error).__name__


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
    try:
        _check_numbers(atoms)
        _check_species(atoms, elements)
        _check_masses(atoms)
        _check_cell(atoms, cutoff_A=cutoff_A, allow_small_cell=allow_small_cell)
        _check_distances(atoms, minimum_distance_A)
        fixed = fixed_atoms(atoms)
    except StructureError as error:
        where = f"{atoms.info[_FILE]}: " if _FILE in atoms.info else ""
        raise StructureError(f"{where}{error}") from error
    cell, rotation = _restricted_triclinic(np.asarray(atoms.cell.array, dtype=float))
    prepared = Atoms(atoms.get_chemical_symbols(), positions=atoms.positions @ rotation.T, cell=cell, pbc=True)
    prepared.set_masses(atoms.get_masses())
    if len(fixed):
        prepared.set_constraint(FixAtoms(indices=fixed))
    return Prepared(atoms=prepared, rotation=rotation)


def _check_numbers(atoms: Atoms) -> None:
    if len(atoms) == 0:
        raise StructureError("the structure holds no atoms; give one that does")
    for what, numbers in (("positions", atoms.positions), ("cell vectors", atoms.cell.array)):
        if not np.isfinite(numbers).all():
            raise StructureError(f"the structure has {what} that are not finite numbers; correct them")
        if not np.abs(numbers).max() <= _FARTHEST_A:
            raise StructureError(f"the structure has {what} beyond {_FARTHEST_A:g} A; give lengths in A")


def _check_masses(atoms: Atoms) -> None:
    masses = atoms.get_masses()
    if not (np.isfinite(masses).all() and (masses > 0).all()):
        raise StructureError("the structure has masses that are not positive numbers; correct or remove them")
    symbols = np.array(atoms.get_chemical_symbols())
    for symbol in species_of(atoms):
        found = np.unique(masses[symbols == symbol])
        if len(found) > 1:
            raise StructureError(
                f"the structure has {symbol} atoms of the masses {found[0]} and {found[1]}, but eOn keeps one mass for "
                "each element: give all of them the same"
            )


def _check_species(atoms: Atoms, elements: tuple[str, ...] | None) -> None:
    if "X" in atoms.get_chemical_symbols():
        raise StructureError("the structure has atoms of no known element (X); name their elements or remove them")
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
    lengths = np.linalg.norm(atoms.cell.array, axis=1)
    if lengths.min() < 1e-3:
        raise StructureError("the structure's cell has no volume; give three independent cell vectors")
    flatness = float(np.linalg.det(atoms.cell.array / lengths[:, None]))
    if abs(flatness) < 1e-6:
        raise StructureError("the structure's cell has no volume; give three independent cell vectors")
    if flatness < 0:
        raise StructureError("the structure's cell is left-handed; swap two of its vectors")
    if not flatness >= _FLATTEST:
        raise StructureError(
            f"the structure's cell is tilted too far (its volume is {flatness:.2g} of a box with the same edges); "
            "choose shorter vectors of the same lattice, as ase.geometry.minkowski_reduce finds them"
        )
    heights = 1.0 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    if cutoff_A is not None and not heights.min() >= 2 * cutoff_A and not allow_small_cell:
        raise StructureError(
            f"the cell is {heights.min():.3f} A wide, less than twice the potential's cutoff of {cutoff_A:.3f} A; "
            "use a larger cell, or set structure.allow_small_cell to accept interactions with own images"
        )


def _check_distances(atoms: Atoms, minimum_distance_A: float) -> None:
    first, second, distance = neighbor_list("ijd", atoms, float(minimum_distance_A))
    if len(distance):
        nearest = int(np.argmin(distance))
        pair = f"atoms {first[nearest]} and {second[nearest]} (from 0)"
        if first[nearest] == second[nearest]:
            pair = f"atom {first[nearest]} (from 0) and its own image"
        raise StructureError(
            f"{pair} are {distance[nearest]:.3f} A apart, nearer than "
            f"structure.minimum_distance_A = {minimum_distance_A}; check the structure for overlapping atoms"
        )


def fixed_atoms(atoms: Atoms) -> npt.NDArray[np.int64]:
    """Sorted indices of the atoms that FixAtoms holds.

    Raises:
        StructureError: another constraint, an atom that is not there, or nothing is free.
    """
    fixed: set[int] = set()
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixAtoms):
            raise StructureError(
                f"the structure has a constraint {type(constraint).__name__}; only FixAtoms can be kept: remove it"
            )
        indices = [int(index) for index in constraint.get_indices()]
        if any(not -len(atoms) <= index < len(atoms) for index in indices):
            raise StructureError(f"the structure fixes atoms that it does not have: it has {len(atoms)}; correct its constraints")
        fixed.update(index % len(atoms) for index in indices)
    if fixed and len(fixed) == len(atoms):
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

    The format groups atoms by species; the ids, which eOn and `from_con` sort by, bring the order back.

    Args:
        atoms: restricted triclinic cell.
        positions: (N, 3) in A; the atoms' own where None.

    Raises:
        StructureError: the cell is not restricted triclinic, or the format cannot hold the atoms.
    """
    fixed = set(fixed_atoms(atoms).tolist())
    places = np.asarray(atoms.positions if positions is None else positions, dtype=float)
    if places.shape != (len(atoms), 3) or not np.isfinite(places).all():
        raise StructureError(f"a .con file needs {len(atoms)} finite positions")
    _check_masses(atoms)
    lengths, angles = _lengths_and_angles(np.asarray(atoms.cell.array, dtype=float))
    rows = zip(atoms.get_chemical_symbols(), places.tolist(), atoms.get_masses().tolist(), strict=True)
    frame = readcon.ConFrame(
        cell=lengths,
        angles=angles,
        atoms=[
            readcon.Atom(symbol=symbol, x=x, y=y, z=z, fixed=[index in fixed] * 3, atom_id=index + 1, mass=mass)
            for index, (symbol, (x, y, z), mass) in enumerate(rows)
        ],
        prebox_header=["mlip-kmc", ""],
    )
    text: str = readcon.write_con_string([frame], precision=17)
    return text


def _lengths_and_angles(cell: Array) -> tuple[list[float], list[float]]:
    """Lengths in A and angles in degrees (alpha, beta, gamma) of a restricted triclinic cell (3, 3)."""
    lengths = np.linalg.norm(cell, axis=1)
    if np.abs(np.triu(cell, 1)).max() > 1e-8 or np.diag(cell).min() <= 0:
        raise StructureError("a .con file holds a cell with a along x and b in the xy plane; prepare() rotates to it")
    angles = []
    for first, second in ((1, 2), (0, 2), (0, 1)):
        # arccos alone would lose half the digits of small angles
        across = float(np.linalg.norm(np.cross(cell[first], cell[second])))
        along = float(cell[first] @ cell[second])
        angles.append(90.0 if along == 0.0 else float(np.degrees(np.arctan2(across, along))))
    return [float(length) for length in lengths], angles


def from_con(text: str) -> Atoms:
    """Atoms of the last frame of `.con` text, in the order of their atom ids.

    Raises:
        StructureError: the text is not a `.con` file, or only some coordinates of an atom are fixed.
    """
    try:
        frames = readcon.read_con_string(text)
    except Exception as error:  # readcon raises its own types
        raise StructureError(f"not a .con structure: {_reason(error)}; give a whole file that eOn or ASE wrote") from error
    if not frames:
        raise StructureError("the .con file holds no frame; give a whole one")
    return _from_frame(frames[-1])


def _from_frame(frame: Any) -> Atoms:
    entries = list(frame.atoms)
    ids = [entry.atom_id for entry in entries]
    if len(set(ids)) == len(ids):
        entries.sort(key=lambda entry: entry.atom_id)
    positions = np.array([[entry.x, entry.y, entry.z] for entry in entries], dtype=float).reshape(-1, 3)
    cell = _cell_from_lengths_and_angles(list(frame.cell), list(frame.angles))
    symbols = [entry.symbol for entry in entries]
    unknown = [symbol for symbol in dict.fromkeys(symbols) if symbol not in atomic_numbers]
    if unknown:
        raise StructureError(f"the .con file has atoms of no known element: {', '.join(map(repr, unknown))}; name their elements")
    atoms = Atoms(symbols, positions=positions, cell=cell, pbc=True)
    if all(entry.mass for entry in entries):
        atoms.set_masses([entry.mass for entry in entries])
    fixed = []
    for index, entry in enumerate(entries):
        flags = list(entry.fixed or [False] * 3)
        if any(flags) and not all(flags):
            raise StructureError(f"atom {index} (from 0) is fixed in some directions only; fix it whole or not at all")
        if all(flags):
            fixed.append(index)
    if fixed:
        atoms.set_constraint(FixAtoms(indices=fixed))
    return atoms


def _cell_from_lengths_and_angles(lengths: list[float], angles_degree: list[float]) -> Array:
    """Restricted triclinic cell (3, 3), rows are vectors; exact zeros for right angles."""
    cosines = [0.0 if angle == 90.0 else float(np.cos(np.radians(angle))) for angle in angles_degree]
    cos_alpha, cos_beta, cos_gamma = cosines
    sin_gamma = 1.0 if cos_gamma == 0.0 else float(np.sin(np.radians(angles_degree[2])))
    a, b, c = lengths
    cy = (cos_alpha - cos_beta * cos_gamma) / sin_gamma if sin_gamma > 0.0 else 1.0
    cz_squared = 1.0 - cos_beta**2 - cy**2
    if not (cz_squared > 0.0 and min(lengths) > 0.0 and np.isfinite([*lengths, *angles_degree]).all()):
        raise StructureError(f"the lengths {lengths} and angles {angles_degree} of the .con file make no cell; correct them")
    cz = np.sqrt(cz_squared)
    return np.array([[a, 0, 0], [b * cos_gamma, b * sin_gamma, 0], [c * cos_beta, c * cy, c * cz]], dtype=float)


def minimum_image(vectors: Array, cell: Array) -> Array:
    """(N, 3) difference vectors at their minimum image in a periodic cell (3, 3), also for skewed cells."""
    from ase.geometry import find_mic, minkowski_reduce

    # ASE's shortcut for short vectors is wrong in a cell that is not reduced
    found: Array = find_mic(vectors, minkowski_reduce(cell)[0], pbc=True)[0]
    return found
