"""An egg-box and its exact answers: barriers, frequencies, rates, diffusion; and the searches that would find them all."""

from dataclasses import dataclass
from math import asin, exp, pi, sqrt

import numpy as np
import yaml
from ase import Atoms
from ase.constraints import FixAtoms

from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.constants import EON_KELVIN_PER_EV
from mlip_kmc.model.rates.vineyard import FREQUENCY_PER_S
from mlip_kmc.search.outcome import FoundProcess, SearchOutcome, Termination

HEIGHT = 5.0


ALONG_A_EV, ALONG_B_EV = 0.30, 0.31


def two_atoms(folder, *, search=None, **sections):
    """A configuration, written there: two mobile atoms far apart, eight processes in a state, our own engine."""
    atoms = Atoms("Cu2Au", [[0, 0, 5], [12.5, 2.5, 5], [6.2, 3.7, 8]], cell=[25, 7.5, 12], pbc=True)
    atoms.set_constraint(FixAtoms([2]))
    atoms.write(folder / "box.xyz")
    barriers = {"barrier_a_eV": ALONG_A_EV, "barrier_b_eV": ALONG_B_EV}
    settings = {
        "structure": "box.xyz",
        "potential": {"ase": "mlip_kmc.evaluate.egg_box:EggBox", "kwargs": barriers},
        "temperature_K": 600,
        "search": {
            "engine": "native",
            "displacement_A": 0.6,
            "displacement_radius_A": 1.0,
            "max_iterations": 200,
            **(search or {}),
        },
        **sections,
    }
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


@dataclass(frozen=True)
class Way:
    """One process out of a well: along the cell, by so many lattice vectors (u, v); its barrier and its prefactor."""

    saddle: tuple[float, float]
    product: tuple[float, float]
    barrier_eV: float
    prefactor_per_s: float

    def rate_per_s(self, kelvin, constant_per_s=None):
        return (constant_per_s or self.prefactor_per_s) * exp(
            -self.barrier_eV * EON_KELVIN_PER_EV / kelvin
        )


@dataclass(frozen=True)
class Box:
    """A landscape (see `mlip_kmc.evaluate.egg_box`) with one mobile atom and one that holds the frame."""

    barrier_a_eV: float
    barrier_b_eV: float
    a_A: float = 2.5
    b_A: float = 2.5
    gamma_deg: float = 90.0
    spring_eV_per_A2: float = 2.0
    pairing: float = 0.0

    @property
    def keywords(self):
        return {**self.__dict__, "height_A": HEIGHT}

    @property
    def vectors(self):
        angle = np.deg2rad(self.gamma_deg)
        return np.array([[self.a_A, 0, 0], [self.b_A * np.cos(angle), self.b_A * np.sin(angle), 0]])

    @property
    def wells(self):
        """(u, v) of the wells in the first period of 2 a1 (1 a1 would be one without pairing, and b)."""
        shift = asin(self.pairing) / pi
        return [(shift, 0.0), (1 - shift, 0.0)]

    def place(self, u, v):
        return np.array([u, v]) @ self.vectors + [0, 0, HEIGHT]

    def lattice_of(self, place):
        """(u, v) of a place."""
        return tuple((place - [0, 0, HEIGHT]) @ np.linalg.pinv(self.vectors))

    def atoms(self, u=None, v=0.0):
        u = self.wells[0][0] if u is None else u
        repeats = np.array([[4 if self.pairing else 3], [3]])  # a hop is less than half of the cell
        cell = np.vstack([repeats * self.vectors, [0, 0, 12.0]])
        held = self.place(0.5, 0.5) + np.array([0, 0, 3.0])
        atoms = Atoms("CuAu", [self.place(u, v), held], cell=cell, pbc=True)
        atoms.set_constraint(FixAtoms([1]))
        return atoms

    def hessian(self, u, v):
        """(3, 3) eV/A^2 at a place."""
        q, dual = self.pairing, np.linalg.pinv(self.vectors).T  # rows: b1, b2
        sine, cosine = np.sin(pi * u), np.cos(pi * u)
        along_a = 2 * pi**2 * self.barrier_a_eV * (cosine**2 - (sine - q) * sine)
        along_b = 2 * pi**2 * self.barrier_b_eV * np.cos(2 * pi * v)
        found = along_a * np.outer(dual[0], dual[0]) + along_b * np.outer(dual[1], dual[1])
        found[2, 2] += self.spring_eV_per_A2
        return found

    def ways(self, u, v, mass=63.546):
        """The four processes out of the well at (u, v)."""
        shift = asin(self.pairing) / pi
        first = abs((u - shift + 0.5) % 2 - 0.5) < 1e-3
        inner, outer = 1 - 2 * shift, 1 + 2 * shift
        right, left = (inner, outer) if first else (outer, inner)
        steps = [
            ((u + right / 2, v), (u + right, v), self._height(right, inner)),
            ((u - left / 2, v), (u - left, v), self._height(left, inner)),
            ((u, v + 0.5), (u, v + 1), self.barrier_b_eV),
            ((u, v - 0.5), (u, v - 1), self.barrier_b_eV),
        ]
        return [
            Way(saddle, product, barrier, self._prefactor((u, v), saddle, mass))
            for saddle, product, barrier in steps
        ]

    def _height(self, step, inner):
        sign = -1 if step == inner else 1
        return self.barrier_a_eV * (1 + sign * self.pairing) ** 2

    def _prefactor(self, well, saddle, mass):
        """Vineyard: frequencies of the well over the real ones of the saddle."""
        low = np.linalg.eigvalsh(self.hessian(*well)) / mass
        high = np.linalg.eigvalsh(self.hessian(*saddle)) / mass
        assert (high < 0).sum() == 1
        assert (low > 0).all()
        return FREQUENCY_PER_S * sqrt(np.prod(low) / np.prod(high[high > 0]))

    def diffusion(self, kelvin, prefactor_per_s):
        """The tensor D (2, 2) in A^2/s of one atom that makes these hops: without pairing sum of rate d d / 2."""
        along_a, back, along_b, _ = (
            way.rate_per_s(kelvin, prefactor_per_s) for way in self.ways(*self.wells[0])
        )
        # one period of 2 a1 has two hops, one after the other: (2a)^2 / (2 (1/k1 + 1/k2))
        first, second = 4 / (2 * (1 / along_a + 1 / back)), along_b
        a1, a2 = self.vectors[:, :2]
        return first * np.outer(a1, a1) + second * np.outer(a2, a2)

    def search(self, name, start, way, *, constant_per_s):
        """What a search comes to that finds one of the ways; `start` (2, 3) are the positions of the state's atoms."""
        saddle, product = start.copy(), start.copy()
        saddle[0], product[0] = self.place(*way.saddle), self.place(*way.product)
        forward = constant_per_s or way.prefactor_per_s
        mode = np.zeros((2, 3))
        mode[0] = (product - saddle)[0]
        found = FoundProcess(
            0.0, way.barrier_eV, 0.0, forward, forward, start, saddle, product, mode
        )
        return SearchOutcome(
            name,
            "random",
            End.FINISHED,
            termination=Termination.GOOD,
            found=found,
            barrier_eV=way.barrier_eV,
        )
