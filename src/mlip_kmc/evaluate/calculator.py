"""The ASE calculator of a potential, in this process: python-ace with what holds at short distances, or the user's own class.

atoms.calc = calculator_of(AcePotential.read(Path("cu.yace")))
evaluated(atoms, atoms.calc)                    # energy in eV, forces (N, 3) in eV/A; fixed atoms count too
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from mlip_kmc.driver import standalone
from mlip_kmc.driver.standalone.short_range import Pairs, energy_forces_virial, too_near
from mlip_kmc.ground.errors import ExtrapolationError, PotentialError
from mlip_kmc.potential import AcePotential, AsePotential, DrivenPotential, Potential
from mlip_kmc.potential.baseline import Baseline

Array = npt.NDArray[np.float64]


def calculator_of(potential: Potential | AsePotential, *, file: Path | None = None) -> Any:
    """An ASE calculator of energy (eV) and forces (eV/A); of an ACE potential by python-ace, with stress (eV/A^3).

    Args:
        potential: guarded or not; of a driven one, what the driver evaluates.
        file: of an ACE potential, another file than its `.yace`: its B-basis.

    Raises:
        PotentialError: it cannot be made here, or eOn alone evaluates it.
    """
    inner = potential.inner if isinstance(potential, DrivenPotential) else potential
    if isinstance(inner, AcePotential):
        return _python_ace(inner, file or inner.yace)
    if isinstance(inner, AsePotential):
        return _of_ase(inner)
    raise PotentialError(
        f"eOn alone evaluates its built-in potential {inner.eon_name}; use an ACE potential or an ASE calculator"
    )


def _python_ace(ace: AcePotential, file: Path) -> Any:
    plain = PythonAce(file)
    if ace.baseline is None and not ace.minimum_distance_A:
        return plain
    pairs = ace.baseline.to_driver() if ace.baseline else {}
    return Guarded(plain, pairs=pairs, minimum_A=ace.minimum_distance_A)


def _of_ase(potential: AsePotential) -> Any:
    module, _, kind = potential.name.partition(":")
    sys.path += [str(path) for path in potential.python_path if str(path) not in sys.path]
    try:
        found = getattr(import_module(module), kind)(**potential.arguments)
    except Exception as error:  # somebody else's code
        raise PotentialError(
            f"the ASE calculator {potential.name} cannot be made: {type(error).__name__}: {error}; check that it "
            "is in the image, or in a folder of `potential.python_path`"
        ) from error
    return Equipped(found, carried=dict(potential.atoms)) if potential.atoms else found


def evaluated(atoms: Atoms, calculator: Any) -> tuple[float, Array]:
    """Energy in eV and forces (N, 3) in eV/A of a structure without its constraints."""
    probe = atoms.copy()
    probe.set_constraint()
    energy, forces = standalone.evaluated(probe, calculator)
    return float(energy), np.array(forces, dtype=np.float64)


def short_range(baseline: Baseline | None, atoms: Atoms) -> tuple[float, Array]:
    """Energy in eV and forces (N, 3) in eV/A of a baseline alone."""
    pairs = baseline.to_driver() if baseline else {}
    cell = _periodic_cell(atoms, max((pair["outer_A"] for pair in pairs.values()), default=1.0))
    energy, forces, _ = energy_forces_virial(
        pairs, atoms.get_chemical_symbols(), atoms.positions, cell
    )
    return energy, forces


class PythonAce(Calculator):  # type: ignore[misc]  # ASE is untyped
    """python-ace's evaluator of a `.yace` or of a B-basis `.yaml`: its own `PyACECalculator`, without what that imports."""

    implemented_properties = ("energy", "free_energy", "energies", "forces", "stress")

    def __init__(self, file: Path) -> None:
        """Read the potential; python-ace raises where it cannot."""
        from mlip_kmc.potential import python_ace

        super().__init__()
        self._environment_of = python_ace.environment_of
        if file.suffix == ".yaml":
            self._basis = python_ace.ACEBBasisSet(str(file))
            self._evaluator = python_ace.ACEBEvaluator(self._basis)
        else:
            self._basis = python_ace.ACECTildeBasisSet(str(file))
            self._evaluator = python_ace.ACECTildeEvaluator(self._basis)
        self._calculator = python_ace.ACECalculator()
        self._calculator.set_evaluator(self._evaluator)  # which it does not keep alive
        self._types = {
            str(element): index for index, element in enumerate(self._basis.elements_name)
        }

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Energies in eV, forces (N, 3) in eV/A, stress (6,) in eV/A^3.

        Raises:
            ValueError: the potential does not know an element, or the cell is periodic along some vectors only.
        """
        super().calculate(atoms, properties, system_changes)
        unknown = set(self.atoms.get_chemical_symbols()) - set(self._types)
        if unknown:
            raise ValueError(f"the potential knows no {', '.join(sorted(unknown))}")
        environment = self._environment_of(
            self.atoms, cutoff_A=self._basis.cutoffmax, types=self._types
        )
        self._calculator.compute(environment, compute_projections=False)
        energy = float(self._calculator.energy)
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "energies": np.array(self._calculator.energies, dtype=np.float64),
            "forces": np.array(self._calculator.forces, dtype=np.float64),
        }
        if self.atoms.cell.rank == 3:
            virial_eV = np.array(self._calculator.virial)[[0, 1, 2, 5, 4, 3]]  # xx yy zz xy xz yz
            self.results["stress"] = virial_eV / self.atoms.get_volume()


class Equipped(Calculator):  # type: ignore[misc]  # ASE is untyped
    """A calculator that is given what one structure says of its atoms, whatever comes of the structure: by index."""

    implemented_properties = ("energy", "forces")

    def __init__(self, inner: Any, *, carried: dict[str, Any]) -> None:
        """Keep it, and what it is given: see `model.structure.attributes`."""
        super().__init__()
        self.inner, self.carried = inner, carried

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Evaluate.

        Raises:
            PotentialError: another structure's atoms.
        """
        super().calculate(atoms, properties, system_changes)
        probe = self.atoms.copy()
        probe.set_constraint()
        try:
            probe = standalone.equipped(probe, self.carried)
        except standalone.DriverError as error:
            raise PotentialError(str(error)) from error
        energy, forces = standalone.evaluated(probe, self.inner)
        self.results = {"energy": energy, "forces": forces}


class Guarded(Calculator):  # type: ignore[misc]  # ASE is untyped
    """The sum of a calculator and a baseline.

    Its results are the inner calculator's, but for energy (eV), forces (eV/A) and stress (eV/A^3); energies of single atoms
    are left out.
    """

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def __init__(self, inner: Any, *, pairs: Pairs, minimum_A: Mapping[str, float]) -> None:
        """Keep what is added up, and the distances that no pair may fall below."""
        super().__init__()
        self.inner, self.pairs, self.minimum_A = inner, pairs, minimum_A

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Evaluate.

        Raises:
            ExtrapolationError: two atoms are nearer than they may be; nothing was evaluated.
        """
        super().calculate(atoms, properties, system_changes)
        symbols, positions = self.atoms.get_chemical_symbols(), self.atoms.positions
        cell = _periodic_cell(
            self.atoms,
            max([*self.minimum_A.values(), *(pair["outer_A"] for pair in self.pairs.values())]),
        )
        found = too_near(self.minimum_A, symbols, positions, cell)
        if found:
            raise ExtrapolationError(
                f"{found[0]} atoms are {found[1]:.4f} A apart, nearer than their minimum distance of "
                f"{found[2]:g} A: the potential knows nothing of that"
            )
        self.inner.calculate(self.atoms, properties, system_changes)
        energy, forces, virial = energy_forces_virial(self.pairs, symbols, positions, cell)
        results = {name: value for name, value in self.inner.results.items() if name != "energies"}
        results["energy"] = results["free_energy"] = float(results["energy"] + energy)
        results["forces"] = results["forces"] + forces
        if "stress" in results:
            results["stress"] = results["stress"] + full_3x3_to_voigt_6_stress(
                virial / self.atoms.get_volume()
            )
        self.results = results


def _periodic_cell(atoms: Atoms, limit_A: float) -> npt.NDArray[np.float64]:
    """The cell; where the atoms are not periodic, vectors that keep images away."""
    cell = np.asarray(atoms.cell.array, dtype=float).copy()
    open_sides = ~np.asarray(atoms.pbc)
    if open_sides.any():
        far_A = 2.0 * float(np.linalg.norm(np.ptp(atoms.positions, axis=0))) + 2.0 * limit_A
        cell[open_sides] = 0.0
        cell[open_sides] = np.asarray(Atoms(cell=cell).cell.complete().array)[open_sides] * far_A
    return cell
