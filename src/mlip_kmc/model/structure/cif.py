"""CIF: ASE reads it; sites that are not whole are refused here, since ASE reads them as whole atoms of one element."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase import Atoms

from mlip_kmc.ground.errors import StructureError
from mlip_kmc.model.structure.text import text_of_file

if TYPE_CHECKING:
    from ase.io.cif import CIFBlock

_WHOLE = 1e-3
_UNKNOWN = (".", "?")
"""Left open in the file; the CIF dictionary's default is a whole site."""


def read_cif(path: Path) -> Atoms:
    """The last structure of a CIF.

    Raises:
        StructureError: it holds none, or a site is occupied in part.
    """
    from ase.io.cif import parse_cif  # brings much of SciPy

    blocks = [
        block for block in parse_cif(io.StringIO(text_of_file(path))) if block.has_structure()
    ]
    if not blocks:
        raise StructureError("it holds no structure; give a whole file of a format that ASE reads")
    _check_occupancies(blocks[-1])
    atoms: Atoms = blocks[-1].get_atoms(fractional_occupancies=False)
    atoms.info = {}
    return atoms


def _check_occupancies(block: "CIFBlock") -> None:
    given = block.get("_atom_site_occupancy")
    if given is None:
        return
    names = (
        block.get("_atom_site_label")
        or block.get("_atom_site_type_symbol")
        or range(1, len(given) + 1)
    )
    for name, value in zip(names, given, strict=True):
        if value in _UNKNOWN:
            continue
        occupancy = _number(value)
        if not abs(occupancy - 1.0) <= _WHOLE:
            raise StructureError(
                f"site {name} is occupied to {occupancy:g} only, but a run moves whole atoms: build a "
                "supercell, put an atom of one element or a vacancy on each of its sites, and give that"
            )


def _number(value: Any) -> float:
    """A number; the digits in parentheses are its uncertainty."""
    try:
        return float(str(value).partition("(")[0])
    except ValueError:
        return float("nan")
