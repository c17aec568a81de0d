"""A B-basis as a linear model: energy and forces of a structure are an offset and a sum over coefficients.

    basis = LinearBasis.read(Path("cu.yaml"))
    rows = basis.rows_of(atoms)
    rows.energy_offset_eV + rows.energy @ basis.coefficients       # eV, what python-ace gives

The offset holds what does not depend on the coefficients: the core repulsion of the ACE. It is taken from python-ace itself, as
the difference between the energy that it gives and the sum. Radial functions stay as they are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.gamma import Projector
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import Array

_LINEAR = ("FinnisSinclair", "FinnisSinclairShiftedScaled")
_SAME = 1e-7
"""Relative to the largest number: the sum and python-ace differ by 1e-12 where the model is linear."""


@dataclass(frozen=True)
class Rows:
    """The rows of one structure.

    Attributes:
        by_atom: (N, n) of the energy of each atom, eV a unit of coefficient.
        forces: (3 N, n), x, y, z of the first atom first.
        energy_offset_eV, forces_offset: what is there without any function, eV and (3 N,) eV/A.
    """

    by_atom: Array
    forces: Array
    energy_offset_eV: float
    forces_offset: Array

    @property
    def energy(self) -> Array:
        """(n,) of the whole structure."""
        return np.asarray(self.by_atom.sum(axis=0))


@dataclass(frozen=True)
class LinearBasis:
    """A B-basis whose energy is linear in its coefficients.

    Attributes:
        path: its file. projector: reads and evaluates it.
        coefficients: (n,) in python-ace's order: element by element, pairs before higher body orders.
        functions: by element, how many there are.
        factors: (n,) prefactor of the embedding, of the element at each function's centre.
    """

    path: Path
    projector: Projector
    coefficients: Array
    functions: dict[str, int]
    factors: Array

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it.

        Raises:
            PotentialError: it cannot be read, or is not linear.
        """
        projector = Projector(path)
        factors = []
        for index, element in enumerate(projector.elements):
            embedding = projector.pyace.map_embedding_specifications[index]
            parameters = [float(value) for value in embedding.FS_parameters]
            linear = embedding.npoti in _LINEAR and embedding.ndensity == 1 and parameters[1] == 1.0
            if not linear or not parameters[0] > 0.0:
                raise PotentialError(
                    f"the embedding of {element} in the B-basis {path} is not linear ({embedding.ndensity} densities, "
                    f"{embedding.npoti} {', '.join(f'{value:g}' for value in parameters)}), so linear ACE cannot fit it "
                    "again; set refit.backend to pacemaker, or begin with a linear potential"
                )
            factors.append(np.full(projector.functions[element], parameters[0]))
        return cls(
            path=path,
            projector=projector,
            coefficients=np.array(projector.pyace.basis_coeffs, dtype=float),
            functions=projector.functions,
            factors=np.concatenate(factors),
        )

    @property
    def size(self) -> int:
        """How many coefficients there are."""
        return len(self.coefficients)

    @property
    def places(self) -> dict[str, slice]:
        """By element, where its coefficients are."""
        found, start = {}, 0
        for element, count in self.functions.items():
            found[element] = slice(start, start + count)
            start += count
        return found

    def rows_of(self, atoms: Atoms) -> Rows:
        """The rows of a structure.

        Raises:
            StructureError: the potential does not know an element, or a number is not finite.
        """
        evaluated = self.projector.with_gradients(atoms)
        by_atom = self._by_atom(atoms, evaluated.rows)
        gradients = evaluated.gradients * self.factors[None, :, None]
        energy = by_atom.sum(axis=0)
        forces = np.ascontiguousarray(gradients.transpose(0, 2, 1)).reshape(
            3 * len(atoms), self.size
        )
        return Rows(
            by_atom=by_atom,
            forces=forces,
            energy_offset_eV=evaluated.energy_eV - float(energy @ self.coefficients),
            forces_offset=evaluated.forces.reshape(-1) - forces @ self.coefficients,
        )

    def atom_rows_of(self, atoms: Atoms) -> Array:
        """(N, n) rows of the atoms' energies alone, which is quick.

        Raises:
            StructureError: the potential does not know an element, or a number is not finite.
        """
        return self._by_atom(atoms, self.projector.evaluate(atoms).rows)

    def _by_atom(self, atoms: Atoms, rows: list[Array]) -> Array:
        found, places = np.zeros((len(atoms), self.size)), self.places
        for index, (symbol, row) in enumerate(zip(atoms.get_chemical_symbols(), rows, strict=True)):
            found[index, places[symbol]] = row
        return found * self.factors

    def with_coefficients(self, coefficients: Array) -> Any:
        """A basis of python-ace with other coefficients; this one stays as it is."""
        from mlip_kmc.potential.python_ace import ACEBBasisSet

        changed = ACEBBasisSet(str(self.path))
        changed.basis_coeffs = np.asarray(coefficients, dtype=float)
        return changed

    def check_linear(self, rows: Rows, written: Path, coefficients: Array, atoms: Atoms) -> None:
        """Refuse a file that does not give what the linear model says; a clamp of python-ace's would show here.

        Args:
            rows: of the structure.
            written: the B-basis with the coefficients.
            coefficients: (n,).
            atoms: the structure.

        Raises:
            PotentialError: they differ.
        """
        found = Projector(written).evaluate(atoms)
        forces = rows.forces_offset + rows.forces @ coefficients
        energy = rows.energy_offset_eV + float(rows.energy @ coefficients)
        scale = max(1.0, float(np.abs(forces).max()), abs(energy))
        off = max(
            abs(found.energy_eV - energy), float(np.abs(found.forces.reshape(-1) - forces).max())
        )
        if not off <= _SAME * scale:
            raise PotentialError(
                f"the B-basis {self.path} is not linear in its coefficients: python-ace and the linear model differ by {off:.1e} "
                "(eV, eV/A); set refit.backend to pacemaker"
            )
