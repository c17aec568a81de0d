"""A potential that eOn evaluates through its `ext_pot`, by the persistent driver.

Example:
    driven = DrivenPotential(AcePotential.read(Path("cu.yace")))
    driven.recipe()                      # {'potential': '/.../cu.yace'}: the driver's options

`mlip_kmc.driver.served` keeps a server for it and gives it its program.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ase import Atoms

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.model.structure import distinct
from mlip_kmc.potential.ace import AcePotential
from mlip_kmc.potential.ase_calculator import AsePotential
from mlip_kmc.potential.builtin import BuiltinPotential

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection


@dataclass(frozen=True)
class DrivenPotential:
    """An ACE potential or an ASE calculator behind a server.

    Attributes:
        inner: what is evaluated.
        program: what eOn calls; None until it is served.
    """

    inner: AcePotential | AsePotential
    program: Path | None = None
    eon_name: str = "ext_pot"

    @property
    def elements(self) -> tuple[str, ...] | None:
        """What it knows; None where that is not known."""
        return self.inner.elements

    @property
    def cutoff_A(self) -> float | None:  # noqa: N802 - a unit
        """None where that is not known."""
        return self.inner.cutoff_A

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about it, one line each."""
        return self.inner.warnings

    @property
    def name(self) -> str:
        """For people: the file, or the calculator."""
        return (
            f"the ASE calculator {self.inner.name}"
            if isinstance(self.inner, AsePotential)
            else self.inner.yace.name
        )

    def of(self, atoms: Atoms) -> "DrivenPotential":
        """The same for one structure: see `AsePotential.of`."""
        inner = self.inner
        return replace(self, inner=inner.of(atoms)) if isinstance(inner, AsePotential) else self

    @property
    def distinct_atoms(self) -> bool:
        """Atoms of one element differ for it, and are not interchangeable."""
        return isinstance(self.inner, AsePotential) and distinct(self.inner.atoms)

    def at(self, program: Path) -> "DrivenPotential":
        """The same, served."""
        return replace(self, program=program)

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key; their last digits differ from LAMMPS' inside eOn."""
        return {**self.inner.facts(), "potential.path": "driver"}

    def recipe(self) -> dict[str, str]:
        """The driver's options that name it."""
        if isinstance(self.inner, AsePotential):
            return self.inner.recipe()
        found = {"potential": str(self.inner.yace), "evaluator": self.inner.evaluator}
        if self.inner.baseline is not None:
            found["baseline"] = self.inner.baseline.facts()
        if self.inner.minimum_distance_A:
            found["minimum-distance"] = ",".join(
                f"{pair}={least!r}" for pair, least in self.inner.minimum_distance_A.items()
            )
        return found

    def gamma_recipe(self) -> dict[str, str]:
        """The driver's options by which it knows gamma; none where it cannot."""
        if isinstance(self.inner, AsePotential) or self.inner.basis is None:
            return {}
        return {"basis": str(self.inner.basis), "active-set": str(self.inner.active_set)}

    def job_files(
        self,
        species: tuple[str, ...],
        *,
        gamma: "GammaSection | None" = None,  # noqa: ARG002
    ) -> dict[str, str]:
        """Text files that a search directory needs: none; the driver halts searches by itself."""
        if self.elements is not None and (
            unknown := [symbol for symbol in species if symbol not in self.elements]
        ):
            raise PotentialError(
                f"the potential does not know {', '.join(unknown)}; it knows {', '.join(self.elements)}"
            )
        return {}

    def job_links(self) -> dict[str, Path]:
        """Files that a search directory links: the program, under the name that eOn looks for."""
        if self.program is None:
            raise PotentialError(
                "the potential has no server; use it inside `with served(potential, ...)`"
            )
        return {"ext_pot": self.program}


def ace_of(potential: AcePotential | BuiltinPotential | DrivenPotential) -> AcePotential | None:
    """The ACE potential that is evaluated, whichever way eOn gets at it; None where it is another kind."""
    inner = potential.inner if isinstance(potential, DrivenPotential) else potential
    return inner if isinstance(inner, AcePotential) else None
