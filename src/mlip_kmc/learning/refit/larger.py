"""Larger bases: B-basis files that may take the present one's place.

check_larger(Path("larger.yaml"), present=potential)
"""

from pathlib import Path

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential
from mlip_kmc.potential.basis import BBasis

_SAME_A = 1e-9


def check_larger(path: Path, *, present: AcePotential) -> BBasis:
    """Read a larger basis.

    Raises:
        PotentialError: it cannot be read, has other elements, sees less far, or is not larger.
    """
    basis = BBasis.read(path)
    if set(basis.elements) != set(present.elements):
        raise PotentialError(
            f"the larger basis {path} is of {', '.join(basis.elements)}, but {present.yace} of "
            f"{', '.join(present.elements)}; give one of the same elements in refit.larger_bases"
        )
    if not basis.cutoff_A >= present.cutoff_A - _SAME_A:
        raise PotentialError(
            f"the larger basis {path} has a cutoff of {basis.cutoff_A:g} A, less than that of {present.yace}, "
            f"{present.cutoff_A:g} A; give one that sees as far in refit.larger_bases"
        )
    if not has_more(basis, present=present):
        raise PotentialError(
            f"the larger basis {path} has {sum(basis.functions.values())} functions, not more than the "
            f"{_size(present)} of {present.yace}; give a larger one in refit.larger_bases"
        )
    return basis


def has_more(basis: BBasis, *, present: AcePotential) -> bool:
    """It has more functions than the present one."""
    return sum(basis.functions.values()) > _size(present)


def _size(present: AcePotential) -> int:
    functions = present.basis_functions or present.functions
    return sum(functions.values())
