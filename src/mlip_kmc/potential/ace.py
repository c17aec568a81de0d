"""The ACE potential as one value: files, elements, cutoff, digest, and its LAMMPS input.

    potential = AcePotential.read(Path("cu.yace"))
    potential.elements, potential.cutoff_A           # ('Cu',), 5.0
    potential.job_files(("Cu",))                     # what a search directory needs

File names never reach a LAMMPS input: a search directory links the potential under a fixed name.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from mlip_kmc.errors import PotentialError
from mlip_kmc.files import sha256_of

LINKED_NAME = "potential.yace"
_ELEMENTS = re.compile(r"^elements:\s*\[([^\]]*)\]", re.MULTILINE)
_CUTOFF = re.compile(r"\brcut:\s*([0-9.eE+-]+)")
_SYMBOL = re.compile(r"^[A-Z][a-z]?$")


@dataclass(frozen=True)
class AcePotential:
    """An ACE potential.

    Attributes:
        yace: the C-tilde basis file that LAMMPS `pair_style pace` evaluates.
        elements: chemical symbols in the file's order.
        cutoff_A: the largest cutoff of its bonds.
        digest: sha256 of the `.yace`.
        basis: the B-basis `.yaml`, if there is one.
        active_set: the active set `.asi`, if there is one.
        evaluator: LAMMPS' algorithm.
    """

    yace: Path
    elements: tuple[str, ...]
    cutoff_A: float
    digest: str
    basis: Path | None = None
    active_set: Path | None = None
    evaluator: Literal["product", "recursive"] = "product"
    eon_name: str = "lammps"

    @classmethod
    def read(
        cls,
        yace: Path,
        *,
        basis: Path | None = None,
        active_set: Path | None = None,
        evaluator: Literal["product", "recursive"] = "product",
    ) -> "AcePotential":
        """Read and check a `.yace`; the `.yaml` and `.asi` beside it are taken up where both exist.

        Raises:
            PotentialError: missing, truncated, or not a `.yace`.
        """
        elements, cutoff_A = _inspect(yace)
        if basis is None and active_set is None:
            beside = yace.with_suffix(".yaml"), yace.with_suffix(".asi")
            if all(path.is_file() for path in beside):
                basis, active_set = beside
        return cls(yace=yace, elements=elements, cutoff_A=cutoff_A, digest=sha256_of(yace), basis=basis,
                   active_set=active_set, evaluator=evaluator)

    def lammps_input(self, species: tuple[str, ...]) -> str:
        """The `in.lammps` of a search directory.

        Args:
            species: elements in the order of LAMMPS' types.
        """
        unknown = [symbol for symbol in species if symbol not in self.elements or not _SYMBOL.match(symbol)]
        if unknown:
            raise PotentialError(f"{self.yace} does not know {', '.join(unknown)}; it knows {', '.join(self.elements)}")
        return f"pair_style pace {self.evaluator}\npair_coeff * * {LINKED_NAME} {' '.join(species)}\n"

    def job_files(self, species: tuple[str, ...]) -> dict[str, str]:
        """Text files that a search directory needs, by name."""
        return {"in.lammps": self.lammps_input(species)}

    def job_links(self) -> dict[str, Path]:
        """Files that a search directory links, by the name in it."""
        return {LINKED_NAME: self.yace}

    def calculator(self) -> Any:
        """An ASE calculator that evaluates the same potential with python-ace (energy eV, forces eV/A, stress eV/A^3)."""
        from pyace import PyACECalculator

        return PyACECalculator(str(self.yace))


def _inspect(yace: Path) -> tuple[tuple[str, ...], float]:
    """Elements and largest cutoff of a `.yace`, after checking that the file is whole."""
    try:
        text = yace.read_text(encoding="utf-8")
    except OSError as error:
        raise PotentialError(f"cannot read the potential {yace}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PotentialError(f"{yace} is not a .yace potential: it is not text") from error
    try:
        for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            pass
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise PotentialError(f"{yace} is truncated or damaged{where}; fetch or fit it again") from error
    match = _ELEMENTS.search(text)
    cutoffs = [float(value) for value in _CUTOFF.findall(text)]
    if match is None or not cutoffs or not re.search(r"^functions:", text, re.MULTILINE):
        raise PotentialError(
            f"{yace} is not a .yace potential (it has no elements, bonds or functions); "
            "pace_yaml2yace makes one from a B-basis .yaml"
        )
    elements = tuple(part.strip().strip("'\"") for part in match.group(1).split(","))
    bad = [element for element in elements if not _SYMBOL.match(element)]
    if bad:
        raise PotentialError(f"{yace} names elements that do not exist: {', '.join(bad)}")
    return elements, max(cutoffs)
