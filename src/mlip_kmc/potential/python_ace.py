"""python-ace's compiled parts. Its package would import pandas and SciPy's optimisers first, in every process that evaluates.

    from mlip_kmc.potential.python_ace import ACEBBasisSet      # where it is needed: it takes a tenth of a second
    environment_of(atoms, cutoff_A=basis.cutoffmax, types=basis.elements_to_index_map)

`import pyace` gives the whole package to whoever needs it, before and after.
"""

# ruff: noqa: E402 - the package is late before its parts are imported
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from mlip_kmc.ground.late import late

late("pyace")

from pyace.basis import ACEBBasisSet, ACECTildeBasisSet, MapStringString
from pyace.calculator import ACECalculator
from pyace.catomicenvironment import build_atomic_env
from pyace.evaluator import ACEBEvaluator, ACECTildeEvaluator

__all__ = [
    "ACEBBasisSet",
    "ACEBEvaluator",
    "ACECTildeBasisSet",
    "ACECTildeEvaluator",
    "ACECalculator",
    "MapStringString",
    "environment_of",
    "functions_of",
]


def functions_of(basis: Any) -> list[int]:
    """How many functions a B-basis has for each element."""
    return [
        len(first) + len(others)
        for first, others in zip(basis.basis_rank1, basis.basis, strict=True)
    ]


def environment_of(atoms: Atoms, *, cutoff_A: float, types: Mapping[str, int]) -> Any:
    """Neighbours as python-ace's calculator takes them; periodic along all vectors, or along none.

    Args:
        atoms: positions in A.
        cutoff_A: of the basis.
        types: its number of each element.

    Raises:
        ValueError: periodic along some vectors only. KeyError: an element that the basis does not have.
    """
    periodic = bool(np.all(atoms.pbc))
    if not periodic and np.any(atoms.pbc):
        raise ValueError(
            "python-ace takes cells that are periodic along all vectors, or along none"
        )
    found = build_atomic_env(
        atoms.positions, np.array(atoms.cell.array), atoms.numbers, periodic, cutoff_A
    )
    by_number = {int(atomic_numbers[symbol]): index for symbol, index in types.items()}
    found.species_type = [by_number[int(number)] for number in found.species_type]
    return found
