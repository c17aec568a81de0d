"""The B-basis `.yaml` of a potential: what python-ace fits, and what the extrapolation grade is computed in.

Example:
    basis = BBasis.read(Path("cu.yaml"))
    basis.elements, basis.cutoff_A, basis.functions      # ('Cu',), 5.0, {'Cu': 35}

Only the outline is read: python-ace itself takes a third of a second to import.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential.kept import Kept

_ADVICE = "give the .yaml that pacemaker or python-ace wrote"
_TRUE = ("true", "yes", "on", "y")


@dataclass(frozen=True)
class BBasis:
    """The outline of a B-basis.

    Attributes:
        path: its file.
        elements: chemical symbols, sorted, which is their order in a `.yace`.
        cutoff_A: the largest cutoff of its bonds.
        functions: by element, how many basis functions, of rank 1 and higher, have it at their centre. It is what
            `pyace.activelearning.compute_number_of_functions` counts: the entries of `nbody` that are not skipped.
        densities: by element, the number of densities of its embedding.
        core_A: by pair, `Cu-Ni`, where its functions are switched off at short distances; 0 where they are not.
        digest: sha256 of the file.
    """

    path: Path
    elements: tuple[str, ...]
    cutoff_A: float
    functions: Mapping[str, int]
    densities: Mapping[str, int]
    core_A: Mapping[str, float]
    digest: str

    @classmethod
    def read(cls, path: Path) -> "BBasis":
        """Read the outline.

        Raises:
            PotentialError: it cannot be read, is truncated, or no B-basis.
        """
        try:
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            if (found := _READ.get(digest)) is not None:
                return replace(found, path=path)
            raw = yaml.load(
                data.decode("utf-8"),
                Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader),  # noqa: S506 - text
            )
        except OSError as error:
            raise PotentialError(
                f"cannot read the B-basis {path}: {error.strerror}", advice=_ADVICE
            ) from error
        except UnicodeDecodeError as error:
            raise PotentialError(
                f"{path} is not a B-basis: it is not text", advice=_ADVICE
            ) from error
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise PotentialError(
                f"the B-basis {path} is truncated or damaged{where}", advice=_ADVICE
            ) from error
        blocks = raw.get("species") if isinstance(raw, dict) else None
        if not isinstance(blocks, list) or not blocks:
            raise PotentialError(
                f"{path} is not a B-basis: it has no species blocks", advice=_ADVICE
            )
        try:
            return _READ.put(digest, cls._of(path, blocks, digest))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise PotentialError(
                f"{path} is not a whole B-basis: a species block has no usable {_missing(error)}",
                advice=_ADVICE,
            ) from error

    @classmethod
    def _of(cls, path: Path, blocks: list[dict[str, Any]], digest: str) -> Self:
        functions: dict[str, int] = {}
        densities: dict[str, int] = {}
        core_A: dict[str, float] = {}
        cutoffs_A = []
        for block in blocks:
            species = str(block["speciesblock"]).split()
            for element in species:
                functions.setdefault(element, 0)
            functions[species[0]] += sum(not _skipped(entry) for entry in block.get("nbody") or [])
            if len(set(species)) == 1:
                densities[species[0]] = int(block["ndensityi"])
            if "rcutij" in block:
                cutoffs_A.append(float(block["rcutij"]))
                by_distance = str(block.get("inner_cutoff_type", "distance")) == "distance"
                pair = "-".join(sorted((species[0], species[-1])))
                core_A[pair] = max(
                    core_A.get(pair, 0.0), float(block.get("r_in", 0.0)) if by_distance else 0.0
                )
        for element in functions:
            if element not in densities:
                raise KeyError(f"embedding of {element}")
        if not cutoffs_A or not 0.0 < max(cutoffs_A) < 100.0:
            raise KeyError("rcutij")
        return cls(
            path=path,
            elements=tuple(sorted(functions)),
            cutoff_A=max(cutoffs_A),
            functions=functions,
            densities=densities,
            core_A=core_A,
            digest=digest,
        )


_READ = Kept[BBasis]()


def _skipped(entry: dict[str, Any]) -> bool:
    return str(entry.get("skip", "")).lower() in _TRUE


def _missing(error: Exception) -> str:
    return repr(error.args[0]) if isinstance(error, KeyError) else "values"
