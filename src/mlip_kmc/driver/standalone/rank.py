"""Active sets that cannot see, refused when the driver loads one: their gammas are small everywhere, and nothing would halt.

    check_rank("cu.asi")             # DriverError where an element's rows are fewer independent environments than functions

python-ace's pseudo-inverse makes such sets. The rule is that of `mlip_kmc.potential.rank`, which a test holds it to; this folder
stands alone.
"""

from typing import Any

from .basics import UNUSABLE, DriverError

_TOLERANCE, _NOTHING, _ROUNDS = 1e-13, 1e-18, 12


def check_rank(path: str) -> None:
    """Refuse an active set of deficient rank.

    Raises:
        DriverError: it is one, or no active set.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            inverses = {element: np.asarray(archive[element], dtype=float) for element in archive}
    except Exception as error:  # zip, numpy and the disk have their own
        raise DriverError(UNUSABLE, f"{path} is no active set: {error}") from error
    for element, inverse in inverses.items():
        square = inverse.ndim == 2 and inverse.shape[0] == inverse.shape[1] > 0
        if not square or not np.isfinite(inverse).all():
            raise DriverError(
                UNUSABLE, f"{path} is no active set: {element} has no square array of numbers"
            )
        rank = independent(inverse)
        if rank < len(inverse):
            raise DriverError(
                UNUSABLE,
                f"the active set {path} is rank-deficient in {element} ({rank} independent environments for "
                f"{len(inverse)} functions): its gammas are too small, and nothing would halt; make it again with "
                "mlip-kmc potential activeset, which also completes one",
            )


def independent(inverse: Any) -> int:
    """How many independent environments an active set rests on, from its inverse (n, n)."""
    import numpy as np

    def divisors(values: Any) -> Any:
        return np.where(values > 0.0, values, 1.0)

    scaled = inverse / divisors(np.abs(inverse).max(axis=0))
    scaled[np.abs(scaled).max(axis=1) < _NOTHING] = 0.0
    for _ in range(_ROUNDS):
        scaled = scaled / divisors(np.sqrt(np.abs(scaled).max(axis=1)))[:, None]
        scaled = scaled / divisors(np.sqrt(np.abs(scaled).max(axis=0)))
    values = np.linalg.svd(scaled, compute_uv=False)
    return int((values > _TOLERANCE * values[0]).sum()) if values[0] > 0.0 else 0
