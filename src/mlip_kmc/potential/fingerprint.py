"""Do the rows of an active set look like environments of this basis?

Example:
    fits(inverse, products_of(basis, index=0))        # False: transposed, or of another basis; None: it cannot be told

A function of order two and more whose angular momenta are all zero is a product of the atomic base, B = A_n1 A_n2 ... (Drautz,
Phys. Rev. B 99, 014104 (2019)). So there are always more such functions than factors, and log |B| of one environment is a sum: an
identity of the basis, whatever the environment. Rows of the active set, recovered from its inverse, obey it to some digits; the
rows of a transposed one, or of another basis, do not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlip_kmc.potential.rank import equilibrated, inverse_of

Array = npt.NDArray[np.float64]
_SAME = 0.01
"""In log |B|: the example's rows obey the identity to 1e-8, transposed ones to 0.3 at best."""
_SHARE = 0.5
_SEEN = 1e-3
"""Of scaled numbers: what is smaller may be what inverting twice leaves of zero."""
_FEWEST = 3


@dataclass(frozen=True)
class Products:
    """The functions of an element that are products.

    Attributes:
        functions: how many functions the element has.
        indices: which of them are products. factors: (products, factors) how often each factor is in them.
    """

    functions: int
    indices: tuple[int, ...]
    factors: Array


def products_of(basis: Any, *, index: int) -> Products:
    """Those of one element of python-ace's `ACEBBasisSet`, by its index."""
    functions = [*basis.basis_rank1[index], *basis.basis[index]]
    chosen = [
        place
        for place, function in enumerate(functions)
        if function.rank >= 2 and not any(function.ls)
    ]
    keys: dict[tuple[int, int], int] = {}
    counts = [
        [
            keys.setdefault((int(mu), int(n)), len(keys))
            for mu, n in zip(functions[place].mus, functions[place].ns, strict=True)
        ]
        for place in chosen
    ]
    factors = np.zeros((len(chosen), len(keys)))
    for row, columns in enumerate(counts):
        np.add.at(factors[row], columns, 1.0)
    return Products(functions=len(functions), indices=tuple(chosen), factors=factors)


def fits(inverse: Array, products: Products) -> bool | None:
    """Does an element's inverse (n, n) belong to the basis? None where too few rows tell."""
    rows = inverse_of(inverse)[0]
    sizes = equilibrated(rows)[0]
    blocks = len(inverse) // max(products.functions, 1)
    said = []
    for block in range(blocks):
        chosen = block * products.functions + np.array(products.indices, dtype=np.int64)
        for row, size in zip(rows[:, chosen], np.abs(sizes[:, chosen]), strict=True):
            off = _deviation(row[size > _SEEN], products.factors[size > _SEEN], scaled=blocks > 1)
            said += [] if off is None else [off]
    return None if len(said) < _FEWEST else float(np.mean(np.array(said) < _SAME)) >= _SHARE


def _deviation(values: Array, factors: Array, *, scaled: bool) -> float | None:
    """How far a row is from the identity; None where it has no more products than factors.

    Args:
        values: of the product functions.
        factors: as of `Products`.
        scaled: each row has a factor of its own, as those of a full active set.
    """
    design = np.column_stack([factors, np.ones(len(factors))]) if scaled else factors
    if len(design) <= np.linalg.matrix_rank(design):
        return None
    logs = np.log(np.abs(values))
    solution = np.linalg.lstsq(design, logs, rcond=None)[0]
    return float(np.abs(design @ solution - logs).max())
