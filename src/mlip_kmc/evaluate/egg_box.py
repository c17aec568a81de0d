"""An egg-box: a potential without files whose barriers, rates and diffusion are known exactly. As an ASE calculator.

    potential: {ase: "mlip_kmc.evaluate.egg_box:EggBox", kwargs: {barrier_a_eV: 0.3, barrier_b_eV: 0.36}}

    EggBox(barrier_a_eV=0.3, barrier_b_eV=0.36)          # or in Python, on any structure

Each atom moves by itself, in E = A (sin(pi u) - q)^2 + B sin(pi v)^2 + k/2 (z - z0)^2. Its place in the plane is u a1 + v a2 with
a1 = (a, 0, 0) and a2 = (b cos gamma, b sin gamma, 0). With q = 0 this is A/2 (1 - cos 2 pi u) + B/2 (1 - cos 2 pi v) + ...: one
well at each lattice point, barriers of exactly A along a1 and B along a2. With q > 0 two wells approach each other to a pair:
along a1 barriers of A (1 - q)^2 inside pairs and A (1 + q)^2 between them take turns, with a period of 2 a1. docs/egg-box.md has
the frequencies, rates and diffusion coefficients that follow.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

Array = npt.NDArray[np.float64]


class EggBox(Calculator):  # type: ignore[misc]
    """Atoms in an egg-box; they do not feel each other."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(
        self,
        *,
        barrier_a_eV: float,
        barrier_b_eV: float,
        a_A: float = 2.5,
        b_A: float = 2.5,
        gamma_deg: float = 90.0,
        spring_eV_per_A2: float = 2.0,
        height_A: float = 5.0,
        pairing: float = 0.0,
    ) -> None:
        """Choose the landscape.

        Args:
            barrier_a_eV: A, above zero.
            barrier_b_eV: B, above zero.
            a_A: length of a1.
            b_A: length of a2.
            gamma_deg: angle between them.
            spring_eV_per_A2: k, above zero.
            height_A: z0.
            pairing: q, from 0 to below 1.

        Raises:
            ValueError: one of them is out of its range.
        """
        super().__init__()
        lengths = (barrier_a_eV, barrier_b_eV, a_A, b_A, spring_eV_per_A2)
        if not (all(0 < value < np.inf for value in lengths) and np.isfinite(height_A)):
            raise ValueError("barriers, lengths and the spring of an egg-box are above zero")
        if not (0 < gamma_deg < 180 and 0 <= pairing < 1):
            raise ValueError("gamma_deg is between 0 and 180, and pairing from 0 to below 1")
        self._heights = np.array([barrier_a_eV, barrier_b_eV])
        self._spring, self._height = spring_eV_per_A2, height_A
        self._pairing = np.array([pairing, 0.0])
        angle = np.deg2rad(gamma_deg)
        cosine = 0.0 if gamma_deg == 90 else float(np.cos(angle))
        self._vectors = np.array([[a_A, 0.0], [b_A * cosine, b_A * np.sin(angle)]])

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Energy in eV and forces (N, 3) in eV/A, as ASE asks for them."""
        super().calculate(atoms, list(properties), list(system_changes))
        places: Array = np.asarray(self.atoms.positions, dtype=np.float64)
        energy, forces = self._evaluated(places)
        self.results: dict[str, Any] = {"energy": energy, "forces": forces}

    def _evaluated(self, places: Array) -> tuple[float, Array]:
        to_lattice = np.linalg.inv(self._vectors)  # (x, y) @ to_lattice = (u, v)
        phase = np.pi * places[:, :2] @ to_lattice
        above = np.sin(phase) - self._pairing
        rise = places[:, 2] - self._height
        energy = (self._heights * above**2).sum() + 0.5 * self._spring * (rise**2).sum()
        slopes = 2 * np.pi * self._heights * above * np.cos(phase)
        forces = np.column_stack([-slopes @ to_lattice.T, -self._spring * rise])
        return float(energy), forces
