"""Calculators that go wrong, one way each; a test makes this module importable for the process of the oracle."""

import os
import signal
import time

import numpy as np
from ase.calculators.calculator import SCFError
from ase.calculators.emt import EMT


class Wrong(EMT):
    """EMT, unless `fault` says otherwise."""

    def __init__(self, fault="", seconds=1000.0):
        super().__init__()
        self.fault, self.seconds = fault, seconds

    def calculate(self, *arguments, **keywords):
        super().calculate(*arguments, **keywords)
        getattr(self, self.fault or "nothing")()

    def nothing(self):
        pass

    def raises(self):
        raise RuntimeError("no k points")

    def dies(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def hangs(self):
        time.sleep(self.seconds)

    def nan(self):
        self.results["forces"][0, 0] = np.nan

    def nan_energy(self):
        self.results["energy"] = self.results["free_energy"] = np.nan

    def shape(self):
        self.results["forces"] = self.results["forces"][:-1]

    def transposed(self):
        self.results["forces"] = self.results["forces"].T

    def outlier(self):
        self.results["forces"][1, 2] += 10.0

    def couple(self):
        """Two outliers that leave the net force as it is."""
        self.results["forces"][1, 2] += 10.0
        self.results["forces"][2, 2] -= 10.0

    def absurd(self):
        self.results["forces"][0, 0] = 1e6

    def scf_raises(self):
        raise SCFError("no convergence in 100 cycles")

    def scf_result(self):
        self.results["converged"] = False

    def scf_attribute(self):
        self.converged = False

    def zero(self):
        self.results["energy"] -= 3000.0 * len(self.atoms)
        self.results["free_energy"] = self.results["energy"]

    def smears(self):
        self.results["free_energy"] = self.results["energy"] - 0.5

    def moves(self):
        self.moved = True

    def get_forces(self, atoms=None):
        forces = super().get_forces(atoms)
        if self.fault == "moves":
            atoms.positions[0, 0] += 0.2
        return forces
