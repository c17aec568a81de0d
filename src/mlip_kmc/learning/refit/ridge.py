"""Ridge regression of many rows, the strength chosen by validation: every fold is reduced to a triangle once.

    folds = [Triangle(size=35) for _ in range(5)]
    folds[0].add(rows, targets)                      # weighted rows (m, n), targets (m,)
    chosen = choose(folds, strengths=(1e-6, 1e-4), scales=scales, prior=np.zeros(35))
    chosen.strength, chosen.solution                 # 1e-6, (n,)

A triangle R with R^T R = A^T A, and its last column for the targets, holds all that least squares needs, without squaring the
condition. Rows are added block by block (Golub and Van Loan, Matrix Computations, 4th edition, section 5.3). What is penalised is
strength x rows^2 x (coefficient x scale)^2, with rows^2 the mean square of the rows: the strength has no unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlip_kmc.model.structure import Array

_BLOCK = 6
"""Times its columns: so many rows are reduced together."""


@dataclass
class Triangle:
    """Rows and targets, reduced.

    Attributes:
        size: columns.
    """

    size: int
    _blocks: list[Array] = field(default_factory=list)

    def add(self, rows: Array, targets: Array) -> None:
        """Add weighted rows (m, n) and targets (m,)."""
        self._blocks.append(np.hstack([rows, np.asarray(targets).reshape(-1, 1)]))
        if sum(map(len, self._blocks)) > _BLOCK * (self.size + 1):
            self._blocks = [self.reduced]

    @property
    def reduced(self) -> Array:
        """(at most n + 1, n + 1): the triangle, targets as the last column."""
        if not self._blocks:
            return np.zeros((0, self.size + 1))
        return _triangle(np.vstack(self._blocks))

    def closed(self) -> "Triangle":
        """The same, reduced."""
        return Triangle(self.size, [self.reduced])

    def residual(self, solution: Array) -> float:
        """The sum of squared residuals of a solution (n,)."""
        left = self.reduced[:, :-1] @ solution - self.reduced[:, -1]
        return float(left @ left)


@dataclass(frozen=True)
class Chosen:
    """A fit.

    Attributes:
        strength: of the regularisation.
        solution: (n,) from all folds.
        losses: by strength, the sum of squared weighted residuals of each fold under the fit to the others.
    """

    strength: float
    solution: Array
    losses: tuple[tuple[float, float], ...]


def choose(
    folds: Sequence[Triangle], *, strengths: Sequence[float], scales: Array, prior: Array
) -> Chosen:
    """Fit with the strength that predicts the folds best that were left out; of equal ones the strongest.

    Args:
        folds: each with rows of its own; with fewer than two the strongest is taken.
        strengths: to choose from.
        scales: (n,) what a coefficient is multiplied with before it is penalised.
        prior: (n,) the solution without data.
    """
    tried = sorted(set(strengths), reverse=True)
    folds = [fold.closed() for fold in folds]
    losses = dict.fromkeys(tried, 0.0)
    if len(folds) > 1 and len(tried) > 1:
        for index, left_out in enumerate(folds):
            others = [fold for other, fold in enumerate(folds) if other != index]
            for strength, solution in zip(
                tried, solutions(others, strengths=tried, scales=scales, prior=prior), strict=True
            ):
                losses[strength] += left_out.residual(solution)
    best = min(tried, key=lambda strength: losses[strength])
    (solution,) = solutions(folds, strengths=(best,), scales=scales, prior=prior)
    return Chosen(
        strength=best, solution=solution, losses=tuple((one, losses[one]) for one in tried)
    )


def solutions(
    folds: Sequence[Triangle], *, strengths: Sequence[float], scales: Array, prior: Array
) -> list[Array]:
    """The solution (n,) for each strength."""
    whole = _triangle(np.vstack([fold.reduced for fold in folds]))
    scaled = whole[:, :-1] / scales
    target = whole[:, -1] - whole[:, :-1] @ prior
    left, values, right = np.linalg.svd(scaled, full_matrices=False)
    projected = left.T @ target
    unit = float(np.mean(np.square(values)))
    return [
        prior + (right.T @ (values / (np.square(values) + strength * unit) * projected)) / scales
        for strength in strengths
    ]


def _triangle(rows: Array) -> Array:
    return np.asarray(np.linalg.qr(rows, mode="r"), dtype=np.float64)
