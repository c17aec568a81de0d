"""The extrapolation grade gamma of each atom, and the B-basis projections it comes from, by python-ace.

    gamma_of(atoms, potential=AcePotential.read(Path("cu.yace")))       # (N,), or None: unknown
    grade = Extrapolation.read(basis=Path("cu.yaml"), active_set=Path("cu.asi"))
    grade.gamma_of(atoms), grade.projections_of(atoms)["Cu"]

With b the projections of an atom and A the active set of its element, gamma = max |b A^-1| (Lysogorskiy et al., Phys. Rev.
Materials 7, 043801 (2023)). LAMMPS' `pace/extrapolation` gives the same. A `.yace` alone does not hold the B-basis: gamma is then
unknown, for which python-ace itself says 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.ground.errors import PotentialError, StructureError, first_line
from mlip_kmc.model.frames import potential_digest
from mlip_kmc.potential import Potential, ace_of
from mlip_kmc.potential.active_set import ActiveSet
from mlip_kmc.potential.basis import BBasis
from mlip_kmc.potential.fingerprint import fits, products_of

Array = npt.NDArray[np.float64]


def gamma_of(atoms: Atoms, *, potential: Potential) -> Array | None:
    """Extrapolation grade of each atom (N,); None where the potential does not know it.

    Raises:
        PotentialError, StructureError: as of `Extrapolation`.
    """
    grade = Extrapolation.of(potential)
    return None if grade is None else grade.gamma_of(atoms)


class Evaluated(NamedTuple):
    """What one evaluation of a B-basis gives: a row of projections an atom, forces (N, 3) in eV/A, and the energy in eV."""

    rows: list[Array]
    forces: Array
    energy_eV: float


class WithGradients(NamedTuple):
    """The same, and `gradients` (N, n, 3): what each function, element by element, adds to the forces of each atom."""

    rows: list[Array]
    forces: Array
    energy_eV: float
    gradients: Array


class Projector:
    """Evaluates a B-basis: one row of projections an atom."""

    def __init__(self, basis: Path) -> None:
        """Read it.

        Raises:
            PotentialError: it cannot be read.
        """
        from mlip_kmc.potential.python_ace import ACEBBasisSet, functions_of

        try:
            self.pyace: Any = ACEBBasisSet(str(basis))
        except Exception as error:  # python-ace raises anything
            raise PotentialError(
                f"python-ace cannot read the B-basis {basis}: {first_line(error)}; give the .yaml that it or "
                "pacemaker wrote"
            ) from error
        self.elements: tuple[str, ...] = tuple(map(str, self.pyace.elements_name))
        self.functions: dict[str, int] = dict(
            zip(self.elements, functions_of(self.pyace), strict=True)
        )

    def check(self, atoms: Atoms) -> None:
        """Refuse what python-ace would take for something else.

        Raises:
            StructureError: an unknown element, or positions that are not finite.
        """
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(self.elements))
        if unknown:
            raise StructureError(
                f"the potential does not know {', '.join(unknown)}; it knows {', '.join(self.elements)}"
            )
        if len(atoms) == 0 or not (
            np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()
        ):
            raise StructureError("a structure needs atoms, and a finite cell and positions")

    def evaluate(self, atoms: Atoms, *, full: bool = False) -> Evaluated:
        """Evaluate it.

        Args:
            atoms: positions in A.
            full: rows of the linearised energy, dE/dc = dF/drho x b, density by density; python-ace's own `dE_dc` holds
                zeros until an active set is loaded.
        """
        self._calculator.compute(self._environment(atoms), compute_projections=True)
        rows = [np.array(row, dtype=float).reshape(-1) for row in self._calculator.projections]
        if full:
            rows = [
                np.outer(slopes, row).reshape(-1)
                for slopes, row in zip(self._calculator.dF_drhos, rows, strict=True)
            ]
        return Evaluated(
            rows, np.array(self._calculator.forces, dtype=float), float(self._calculator.energy)
        )

    def with_gradients(self, atoms: Atoms) -> WithGradients:
        """Evaluate it, and what every function adds to the forces, for a coefficient of 1 and a prefactor of 1."""
        self._calculator.compute(
            self._environment(atoms), compute_projections=True, compute_b_grad=True
        )
        return WithGradients(
            rows=[np.array(row, dtype=float).reshape(-1) for row in self._calculator.projections],
            forces=np.array(self._calculator.forces, dtype=float),
            energy_eV=float(self._calculator.energy),
            gradients=np.array(self._calculator.forces_bfuncs, dtype=float),
        )

    def _environment(self, atoms: Atoms) -> Any:
        from mlip_kmc.potential.python_ace import environment_of

        self.check(atoms)
        return environment_of(
            atoms, cutoff_A=self.pyace.cutoffmax, types=self.pyace.elements_to_index_map
        )

    @cached_property
    def _calculator(self) -> Any:
        from mlip_kmc.potential.python_ace import ACEBEvaluator, ACECalculator

        calculator = ACECalculator()
        self._evaluator = ACEBEvaluator(self.pyace)  # python-ace does not keep it alive
        calculator.set_evaluator(self._evaluator)
        return calculator


@dataclass(frozen=True)
class Extrapolation:
    """What gamma is computed from.

    Attributes:
        basis: the B-basis `.yaml`.
        active_set: the active set `.asi`.
        inverses: by element, A^-1 (n, n).
        digest: sha256 that stands for both files.
        projector: evaluates the B-basis.
        full: the active set is of the linearised energy, n = functions x densities.
    """

    basis: Path
    active_set: Path
    inverses: Mapping[str, Array]
    digest: str
    projector: Projector
    full: bool

    @classmethod
    def of(cls, potential: Potential) -> Self | None:
        """That of a potential; None where it has no B-basis or active set: its gamma is unknown, which is not 0."""
        ace = ace_of(potential)
        if ace is None or ace.basis is None or ace.active_set is None:
            return None
        return cls.read(basis=ace.basis, active_set=ace.active_set)

    @classmethod
    def read(cls, *, basis: Path, active_set: Path) -> Self:
        """Read both files.

        Raises:
            PotentialError: one cannot be read, they do not belong together, or the active set is transposed or of deficient rank.
        """
        kind = ActiveSet.read(active_set, basis=BBasis.read(basis)).kind
        with np.load(active_set, allow_pickle=False) as archive:
            inverses = {element: np.array(archive[element]) for element in sorted(archive.files)}
        projector = Projector(basis)
        for index, element in enumerate(projector.elements):
            if fits(inverses[element], products_of(projector.pyace, index=index)) is False:
                raise PotentialError(
                    f"the rows of {element} in the active set {active_set} are no environments of the B-basis "
                    f"{basis}: it is transposed, or of another basis; make it again with mlip-kmc potential "
                    "activeset"
                )
        return cls(
            basis=basis,
            active_set=active_set,
            inverses=inverses,
            projector=projector,
            digest=potential_digest(basis=basis, active_set=active_set),
            full=kind == "full",
        )

    def projections_of(self, atoms: Atoms) -> dict[str, Array]:
        """By element, the projections (n_atoms, n) of its atoms, in their order.

        Raises:
            StructureError: the potential does not know an element, or a number is not finite.
        """
        return self._by_element(self.projector.evaluate(atoms, full=self.full).rows, atoms)

    def _by_element(self, rows: list[Array], atoms: Atoms) -> dict[str, Array]:
        symbols = atoms.get_chemical_symbols()
        return {
            element: np.array(
                [row for row, symbol in zip(rows, symbols, strict=True) if symbol == element]
            )
            for element in self.inverses
            if element in symbols
        }

    def gamma_of(self, atoms: Atoms) -> Array:
        """Extrapolation grade of each atom (N,).

        Raises:
            StructureError: the potential does not know an element, or a number is not finite.
        """
        return self.graded(atoms)[0]

    def graded(self, atoms: Atoms) -> tuple[Array, float]:
        """Extrapolation grade of each atom (N,), and the energy of the B-basis in eV.

        Raises:
            StructureError: the potential does not know an element, or a number is not finite.
        """
        evaluated = self.projector.evaluate(atoms, full=self.full)
        return self.gamma_from(self._by_element(evaluated.rows, atoms), atoms), evaluated.energy_eV

    def gamma_from(self, projections: Mapping[str, Array], atoms: Atoms) -> Array:
        """Extrapolation grade of each atom (N,), from projections that are known already."""
        found = np.empty(len(atoms))
        symbols = np.array(atoms.get_chemical_symbols())
        for element, rows in projections.items():
            found[symbols == element] = np.abs(rows @ self.inverses[element]).max(axis=1)
        return found
