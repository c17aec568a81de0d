"""The ACE potential as one value: files, elements, cutoff, digest, and its LAMMPS input.

    potential = AcePotential.read(Path("cu.yace"))
    potential.elements, potential.cutoff_A           # ('Cu',), 5.0
    potential.job_files(("Cu",))                     # what a search directory needs

File names never reach a LAMMPS input: a search directory links the potential under a fixed name.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from ase.data import atomic_numbers

from mlip_kmc.errors import PotentialError
from mlip_kmc.files import sha256_of

LINKED_NAME = "potential.yace"
_ELEMENTS = re.compile(r"^elements:\s*\[([^\]]*)\]", re.MULTILINE)
_CUTOFF = re.compile(r"\brcut:\s*([0-9.eE+-]+)")
_ELEMENT_KEY = re.compile(r"^[ \t]+(\d+):", re.MULTILINE)
_SYMBOL = re.compile(r"[A-Z][a-z]?")


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
            PotentialError: missing, truncated, or not a `.yace`; or only one of basis and active set is there.
        """
        yace = yace.absolute()  # search directories link to it from elsewhere
        elements, cutoff_A, digest = _inspect(yace)
        if basis is None and active_set is None:
            beside = yace.with_suffix(".yaml"), yace.with_suffix(".asi")
            if all(path.is_file() for path in beside):
                basis, active_set = beside
        for path, what in ((basis, "B-basis"), (active_set, "active set")):
            if (basis or active_set) and not (path and path.is_file()):
                raise PotentialError(f"the extrapolation grade of {yace} needs its {what}; no {path or 'file'}")
        return cls(yace=yace, elements=elements, cutoff_A=cutoff_A, digest=digest, basis=basis and basis.absolute(),
                   active_set=active_set and active_set.absolute(), evaluator=evaluator)

    def facts(self) -> dict[str, str | None]:
        """What decides its numbers, by dotted key; files count by content."""
        return {"potential.ace": self.digest, "potential.evaluator": self.evaluator,
                "potential.basis": sha256_of(self.basis) if self.basis else None,
                "potential.active_set": sha256_of(self.active_set) if self.active_set else None}

    def lammps_input(self, species: tuple[str, ...]) -> str:
        """The `in.lammps` of a search directory.

        Args:
            species: elements in the order of LAMMPS' types.
        """
        unknown = [symbol for symbol in species if symbol not in self.elements or not _SYMBOL.fullmatch(symbol)]
        if unknown or not species:
            names = ", ".join(map(repr, unknown)) or "a structure without atoms"
            raise PotentialError(f"{self.yace} does not know {names}; it knows {', '.join(self.elements)}")
        if self.evaluator not in ("product", "recursive"):
            raise PotentialError(f"LAMMPS' pair_style pace has no evaluator {self.evaluator!r}: product or recursive")
        return f"pair_style pace {self.evaluator}\npair_coeff * * {LINKED_NAME} {' '.join(species)}\n"

    def job_files(self, species: tuple[str, ...]) -> dict[str, str]:
        """Text files that a search directory needs, by name."""
        return {"in.lammps": self.lammps_input(species)}

    def job_links(self) -> dict[str, Path]:
        """Files that a search directory links, by the name in it."""
        return {LINKED_NAME: self.yace}

    def calculator(self) -> Any:
        """An ASE calculator that evaluates it with python-ace (energy eV, forces eV/A, stress eV/A^3)."""
        from pyace import PyACECalculator

        return PyACECalculator(str(self.yace))


def _inspect(yace: Path) -> tuple[tuple[str, ...], float, str]:
    """Elements, largest cutoff and sha256 of a `.yace`, after checking that the file is whole."""
    try:
        data = yace.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise PotentialError(f"cannot read the potential {yace}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PotentialError(f"{yace} is not a .yace potential: it is not text") from error
    keys = _top_level_keys(yace, text)
    match = _ELEMENTS.search(text)
    if match is None or not {"bonds", "functions"} <= keys:
        raise PotentialError(
            f"{yace} is not a .yace potential, or a truncated one (it has no elements, bonds or functions); "
            "pace_yaml2yace makes one from a B-basis .yaml"
        )
    elements = tuple(part.strip().strip("'\"") for part in match.group(1).split(","))
    bad = [element for element in elements if element not in atomic_numbers or not _SYMBOL.fullmatch(element)]
    if bad:
        raise PotentialError(f"{yace} names elements that do not exist: {', '.join(map(repr, bad))}")
    functions = text.partition("\nfunctions:")[2]
    without = set(range(len(elements))) - {int(key) for key in _ELEMENT_KEY.findall(functions)}
    if without:
        raise PotentialError(f"{yace} is truncated: no functions of {', '.join(elements[i] for i in sorted(without))}")
    return elements, _largest_cutoff(yace, text), hashlib.sha256(data).hexdigest()


def _top_level_keys(yace: Path, text: str) -> set[str]:
    """The keys of the outermost section; the whole text is parsed, so that a torn end is found."""
    keys, depth, is_key = set[str](), 0, True
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if depth == 1 and not isinstance(event, yaml.CollectionEndEvent):
                if is_key and isinstance(event, yaml.ScalarEvent):
                    keys.add(event.value)
                is_key = not is_key
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise PotentialError(f"{yace} is truncated or damaged{where}; fetch or fit it again") from error
    return keys


def _largest_cutoff(yace: Path, text: str) -> float:
    try:
        cutoff_A = max(float(value) for value in _CUTOFF.findall(text))
    except ValueError:  # none, or one that is no number
        cutoff_A = 0.0
    if not 0.0 < cutoff_A < 100.0:
        raise PotentialError(f"{yace} has no cutoff (rcut) between 0 and 100 A in its bonds; fetch or fit it again")
    return cutoff_A
