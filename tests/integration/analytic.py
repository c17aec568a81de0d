"""ASE calculators whose every answer is known: a search, a run and a driver are measured against formulas."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Furrow(Calculator):
    """Copper atoms in a furrow along x: minima at whole multiples of a period, the same barrier between any two.

    E = sum over copper of V/2 (1 - cos 2 pi x/a) + W/2 (2 - cos 2 pi y/b - cos 2 pi z/c), in a cell of n a by b by c; W is so
    large that nothing leaves. Other atoms feel nothing, and hold the frame.
    """

    implemented_properties = ("energy", "forces")
    WALL_EV = 60.0

    def __init__(self, *, period_A, barrier_eV):
        super().__init__()
        self.period_A, self.barrier_eV = period_A, barrier_eV

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        lengths = np.array([self.period_A, *self.atoms.cell.lengths()[1:]])
        heights = np.array([self.barrier_eV, self.WALL_EV, self.WALL_EV])
        feels = (self.atoms.numbers == 29)[:, None]
        phases = 2 * np.pi * self.atoms.positions / lengths
        self.results = {
            "energy": float((heights / 2 * (1 - np.cos(phases)) * feels).sum()),
            "forces": -np.pi * heights / lengths * np.sin(phases) * feels,
        }


class ChargedFurrow(Furrow):
    """A furrow whose barrier is proportional to the atom's initial charge, which must be there: in e, above zero on copper."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        Calculator.calculate(self, atoms, properties, system_changes)
        charges = self.atoms.get_initial_charges()
        feels = (self.atoms.numbers == 29)[:, None]
        lengths = np.array([self.period_A, *self.atoms.cell.lengths()[1:]])
        walls = np.full(len(charges), self.WALL_EV)
        heights = np.column_stack([self.barrier_eV * charges, walls, walls])
        phases = 2 * np.pi * self.atoms.positions / lengths
        self.results = {
            "energy": float((heights / 2 * (1 - np.cos(phases)) * feels).sum()),
            "forces": -np.pi * heights / lengths * np.sin(phases) * feels,
        }


class FlatPass(Calculator):
    """Copper atoms in a furrow along x whose passes are flat across it: two searches end far apart at one saddle.

    E = sum over copper of V s(x) + (1 - s(x)) k y^2/2 + s(x) h(y) + W z^2/2 with s = (1 - cos 2 pi x/a)/2. Across a pass h is
    q y^2/2, one saddle; with `apart_A` it is (q d^2/32)((2y/d)^2 - 1)^2, two saddles at -d/2 and d/2 of the same curvature.
    Other atoms feel nothing, and hold the frame.
    """

    implemented_properties = ("energy", "forces")
    VALLEY, WALL = 2.0, 5.0

    def __init__(self, *, period_A, barrier_eV, curvature_eV_per_A2, apart_A=0.0):
        super().__init__()
        self.period_A, self.barrier_eV = period_A, barrier_eV
        self.curvature, self.apart_A = curvature_eV_per_A2, apart_A

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        feels = self.atoms.numbers == 29
        x, y, z = self.atoms.positions.T
        y, z = (
            value - length * np.round(value / length)
            for value, length in zip((y, z), self.atoms.cell.lengths()[1:], strict=True)
        )
        across, slope = self.curvature * y**2 / 2, self.curvature * y
        if self.apart_A:
            off = (2 * y / self.apart_A) ** 2 - 1
            across = self.curvature * self.apart_A**2 / 32 * off**2
            slope = self.curvature * y * off / 2
        turn = 2 * np.pi / self.period_A
        share, steep = (1 - np.cos(turn * x)) / 2, turn * np.sin(turn * x) / 2
        valley = self.VALLEY * y**2 / 2
        energies = (self.barrier_eV + across) * share + (1 - share) * valley + self.WALL * z**2 / 2
        gradients = np.column_stack(
            [
                (self.barrier_eV + across - valley) * steep,
                slope * share + (1 - share) * self.VALLEY * y,
                self.WALL * z,
            ]
        )
        self.results = {
            "energy": float((energies * feels).sum()),
            "forces": -gradients * feels[:, None],
        }


class Ions(Calculator):
    """Two ions: Coulomb's energy of their initial charges, and a wall B/r^9 that puts the minimum of +1 and -1 at `distance_A`.

    There E = -ke^2/r (1 - 1/9); without charges nothing but the wall is left. Magnetic moments, tags, masses and
    `info["shift_eV"]` add one eV times each, so that all of them are seen.
    """

    implemented_properties = ("energy", "forces")
    KE2 = 14.399645

    def __init__(self, *, distance_A):
        super().__init__()
        self.distance_A = distance_A

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        vector = atoms.get_distance(0, 1, mic=True, vector=True)
        r = np.linalg.norm(vector)
        coulomb = self.KE2 * np.prod(atoms.get_initial_charges())
        wall = self.KE2 * self.distance_A**8 / 9
        shift = atoms.get_initial_magnetic_moments().sum() + atoms.get_tags().sum()
        shift += atoms.get_masses().sum() + atoms.info.get("shift_eV", 0.0)
        force = (coulomb / r**2 + 9 * wall / r**10) * vector / r
        self.results = {
            "energy": float(coulomb / r + wall / r**9 + shift),
            "forces": np.array([-force, force]),
        }
