"""A Hessian that is learnt from gradients: a multiple of the identity, and what is known in a few directions.

    model = HessianModel.empty(321, curvature=1.4)
    model.learn(step, change)                 # of a gradient along a step, or a finite difference
    model.lowest                              # the lowest eigenvalue and its direction

Updates are those of Bofill, J. Comput. Chem. 15, 1 (1994), between the symmetric rank-one update and Powell's, which follow a
Hessian of any signature. The matrix is kept by its eigenvectors: a saddle differs from its surroundings in few directions of the
springs' metric, so they are few whatever the number of atoms.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_MOST, _LEFT = 140, 110
"""Directions that are kept, and how many are left of them when there are more: those that differ most from the identity."""
_NEW = 1e-8
_SOFT = 0.02
_NOTHING = 1e-200


@dataclass
class HessianModel:
    """B = curvature I + sum (values - curvature) v v^T, in the coordinates of a metric.

    Attributes:
        curvature: in all directions that nothing is known of.
        values: (k,) eigenvalues, ascending. vectors: (n, k) orthonormal.
    """

    curvature: float
    values: Array
    vectors: Array

    @classmethod
    def empty(cls, size: int, *, curvature: float) -> Self:
        """Of vectors of this size, knowing nothing."""
        return cls(curvature, np.zeros(0), np.zeros((size, 0)))

    @property
    def lowest(self) -> tuple[float, Array]:
        """The lowest eigenvalue that was learnt, and its direction (n,)."""
        return float(self.values[0]), self.vectors[:, 0]

    def learn(self, step: Array, change: Array) -> None:
        """Take up that the gradient changes by `change` (n,) along `step` (n,)."""
        vectors = self._with(self.vectors, step)
        vectors = self._with(vectors, change)
        values = np.concatenate(
            [self.values, np.full(vectors.shape[1] - len(self.values), self.curvature)]
        )
        s, y = vectors.T @ step, vectors.T @ change
        left = y - values * s
        size = float(left @ left) * float(s @ s)
        if not size > _NOTHING:
            return
        along = float(left @ s)
        weights = s / float(s @ s)
        powell = np.outer(left, weights) + np.outer(weights, left)
        powell -= along * np.outer(weights, weights)
        share = along**2 / size
        matrix = np.diag(values) + (1.0 - share) * powell
        if share > _NEW:
            matrix += share / along * np.outer(left, left)
        self.values, turned = np.linalg.eigh((matrix + matrix.T) / 2.0)
        self.vectors = vectors @ turned
        if len(self.values) > _MOST:
            told = np.sort(np.argsort(-np.abs(self.values - self.curvature))[:_LEFT])
            self.values, self.vectors = self.values[told], self.vectors[:, told]

    def _with(self, vectors: Array, vector: Array) -> Array:
        """An orthonormal basis that has a vector, too."""
        size = float(np.linalg.norm(vector))
        rest = vector - vectors @ (vectors.T @ vector)
        rest = rest - vectors @ (vectors.T @ rest)
        length = float(np.linalg.norm(rest))
        return np.column_stack([vectors, rest / length]) if length > _NEW * size else vectors

    def times(self, vector: Array) -> Array:
        """The product with a vector (n,)."""
        known = self.vectors.T @ vector
        return self.curvature * vector + self.vectors @ ((self.values - self.curvature) * known)

    def expected_change(self, slope: Array) -> float:
        """How much the energy may still change on the way to the stationary point, by the model: the parts' sum without signs."""
        known = self.vectors.T @ slope
        outside = float(slope @ slope) - float(known @ known)
        parts = known**2 / np.maximum(np.abs(self.values), _SOFT * self.curvature)
        return 0.5 * (float(parts.sum()) + max(outside, 0.0) / self.curvature)
