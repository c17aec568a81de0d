"""Read the outline of a `.yace`, and check that LAMMPS can read the file, whichever program wrote it.

Example:
    outline = Outline.read(Path("cu.yace"))
    outline.elements, outline.cutoff_A, outline.functions       # ('Cu',), 5.0, {'Cu': 35}

The file is YAML, with lists in flow or block style. It is parsed as events, function by function: a tree of a large potential
takes seven times as long. The checks are those of LAMMPS' reader (`ACECTildeBasisSet::load_yaml` of the ACE evaluator,
Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021)): the keys that it looks for, and the lengths of its lists.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from ase.data import atomic_numbers

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential.kept import Kept

_FETCH = "fetch or fit it again"
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"-?\d+")
_RADIAL = ("ChebExpCos", "ChebPow", "ChebLinear", "SBessel", "TEST_SBessel")
_INNER = ("density", "distance", "zbl")
_EMBEDDING = ("ndensity", "FS_parameters", "npoti", "rho_core_cutoff", "drho_core_cutoff")
_BOND = (
    "nradmax",
    "lmax",
    "nradbasemax",
    "radparameters",
    "radcoefficients",
    "prehc",
    "lambdahc",
    "rcut",
    "dcut",
)
_LISTS = {
    "mus": ("rank",),
    "ns": ("rank",),
    "ls": ("rank",),
    "ms_combs": ("rank", "num_ms_combs"),
    "ctildes": ("ndensity", "num_ms_combs"),
}
"""Lists of a function, and the sizes whose product is their length."""
_FOREIGN = "ACE.jl"
"""Radial functions of this kind have other parameters, and no pair of elements needs its own."""


@dataclass(frozen=True)
class Outline:
    """The outline of a `.yace`.

    Attributes:
        elements: chemical symbols in the file's order.
        cutoff_A: the largest cutoff of its bonds.
        functions: number of basis functions, by the element at their centre.
        digest: sha256 of the file.
        core_repulsion: true where the potential has a core repulsion of its own.
    """

    elements: tuple[str, ...]
    cutoff_A: float
    functions: Mapping[str, int]
    digest: str
    core_repulsion: bool

    @classmethod
    def read(cls, path: Path) -> "Outline":
        """Check that the file is whole and that LAMMPS can read it, and return its outline.

        Raises:
            PotentialError: the file cannot be read, is truncated, or is not a `.yace`.
        """
        try:
            data = path.read_bytes()
            text = data.decode("utf-8")
        except OSError as error:
            raise PotentialError(
                f"cannot read the potential {path}: {error.strerror}", advice="name a .yace file"
            ) from error
        except UnicodeDecodeError as error:
            raise PotentialError(
                f"{path} is not a .yace potential: it is not text", advice=_FETCH
            ) from error
        digest = hashlib.sha256(data).hexdigest()
        return _READ.get(digest) or _READ.put(digest, cls._parsed(path, text, digest))

    @classmethod
    def _parsed(cls, path: Path, text: str, digest: str) -> Self:
        try:
            sections = _Reader(text).sections()
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise PotentialError(f"{path} is truncated or damaged{where}", advice=_FETCH) from error
        except _RefusedError as error:
            raise PotentialError(f"LAMMPS cannot read {path}: {error}", advice=_FETCH) from error
        missing = [name for name in ("elements", "bonds", "functions") if name not in sections]
        if missing:
            raise PotentialError(
                f"{path} is not a .yace potential, or a truncated one (it has no {', '.join(missing)})",
                advice="pace_yaml2yace makes one from a B-basis .yaml",
            )
        try:
            return cls._of(sections, digest)
        except _RefusedError as error:
            raise PotentialError(f"LAMMPS cannot read {path}: {error}", advice=_FETCH) from error

    @classmethod
    def _of(cls, sections: Mapping[str, Any], digest: str) -> Self:
        elements = _elements(sections["elements"])
        for name in ("E0", "embeddings"):
            if name not in sections:
                raise _RefusedError(f"it has no {name}")
        if len(_list(sections["E0"], "E0")) < len(elements):
            raise _RefusedError(f"its E0 has not {len(elements)} values, one for each element")
        _check_numbers(sections["E0"], "E0")
        _check_embeddings(sections["embeddings"], len(elements))
        bonds = _bonds(sections, len(elements))
        cutoffs_A = [
            _number(bond.get("rcut"), f"rcut of the bond {list(pair)}")
            for pair, bond in bonds.items()
        ]
        if not 0.0 < max(cutoffs_A) < 100.0:
            raise _RefusedError(
                f"its largest cutoff (rcut) is {max(cutoffs_A):g}, not between 0 and 100 A"
            )
        functions = {
            element: sections["functions"].get(str(index)) for index, element in enumerate(elements)
        }
        without = [element for element, count in functions.items() if count is None]
        if without:
            raise _RefusedError(f"it is truncated: no functions of {', '.join(without)}")
        if len(sections["functions"]) > len(elements):
            raise _RefusedError(
                f"it has functions of {len(sections['functions'])} elements, but names {len(elements)}"
            )
        return cls(
            elements=elements,
            cutoff_A=max(cutoffs_A),
            functions=functions,
            digest=digest,
            core_repulsion=any(_has_core(bond) for bond in bonds.values()),
        )


_READ = Kept[Outline]()


class _RefusedError(Exception):
    """LAMMPS' reader would end with an error."""


class _Reader:
    """Turns YAML events into values: mappings, lists and text. Functions are checked and counted, not kept."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(
            text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        self._anchors: dict[str, Any] = {}

    def sections(self) -> dict[str, Any]:
        """The outermost mapping; `functions` holds the number of functions by the index of the element."""
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingStartEvent):
                for key, start in self._pairs():
                    found[str(key)] = (
                        self._functions(start) if key == "functions" else self._value(start)
                    )
                break
            if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
                break
        for _ in self._events:  # finds a truncated end
            pass
        return found

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Keys of the present mapping, each with the first event of its value."""
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                return
            key = self._value(event)
            yield tuple(key) if isinstance(key, list) else key, next(self._events)

    def _items(self) -> Iterator[Any]:
        """The first event of each item of the present list."""
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield event

    def _value(self, event: Any) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._anchors[str(event.anchor)]
        if isinstance(event, yaml.ScalarEvent):
            value: Any = event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = [self._value(item) for item in self._items()]
        else:
            value = {_hashable(key): self._value(start) for key, start in self._pairs()}
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _functions(self, event: Any) -> dict[str, int]:
        if not isinstance(event, yaml.MappingStartEvent):
            raise _RefusedError("its functions are no section by element")
        counts: dict[str, int] = {}
        for key, start in self._pairs():
            if not isinstance(start, yaml.SequenceStartEvent):
                raise _RefusedError(f"its functions of element {key} are no list")
            counts[str(key)] = 0
            for number, item in enumerate(self._items(), start=1):
                _check_function(self._value(item), f"function {number} of element {key}")
                counts[str(key)] += 1
        return counts


def _hashable(key: Any) -> Any:
    return key if isinstance(key, str | tuple) else str(key)


def _elements(given: Any) -> tuple[str, ...]:
    names = tuple(str(name) for name in _list(given, "elements"))
    bad = [name for name in names if name not in atomic_numbers or not _SYMBOL.fullmatch(name)]
    if bad or not names:
        raise _RefusedError(
            f"it names elements that do not exist: {', '.join(map(repr, bad)) or 'none at all'}"
        )
    return names


def _list(given: Any, name: str) -> list[Any]:
    if not isinstance(given, list):
        raise _RefusedError(f"its {name} is no list")
    return given


def _section(given: Any, name: str) -> Mapping[Any, Any]:
    if not isinstance(given, Mapping):
        raise _RefusedError(f"its {name} is no section")
    return given


def _number(given: Any, name: str) -> float:
    value = float(given) if isinstance(given, str) and _NUMBER.fullmatch(given) else math.nan
    if not math.isfinite(value):
        raise _RefusedError(
            f"its {name} is no number" if given is not None else f"it has no {name}"
        )
    return value


def _check_numbers(given: Any, name: str) -> None:
    """Refuse values that are not numbers, in lists of lists, too."""
    for value in given if isinstance(given, list) else [given]:
        if isinstance(value, list):
            _check_numbers(value, name)
        else:
            _number(value, name)


def _check_embeddings(given: Any, count: int) -> None:
    embeddings = _section(given, "embeddings")
    for index in range(count):
        entry = _section(embeddings.get(str(index)), f"embedding of element {index}")
        for name in _EMBEDDING:
            if name not in entry:
                raise _RefusedError(f"its embedding of element {index} has no {name}")
            if name != "npoti":
                _check_numbers(entry[name], f"{name} of the embedding of element {index}")
        _list(entry["FS_parameters"], f"FS_parameters of the embedding of element {index}")
    if len(embeddings) > count:
        raise _RefusedError(f"it has embeddings of {len(embeddings)} elements, but names {count}")


def _bonds(sections: Mapping[str, Any], count: int) -> dict[tuple[int, int], Mapping[Any, Any]]:
    """Bonds by the two indices of their elements."""
    found: dict[tuple[int, int], Mapping[Any, Any]] = {}
    for key, given in _section(sections["bonds"], "bonds").items():
        pair = (
            tuple(int(part) for part in key if str(part).isdecimal())
            if isinstance(key, tuple)
            else ()
        )
        if len(pair) != 2 or max(pair) >= count:
            name = key if isinstance(key, str) else f"[{', '.join(map(str, key))}]"
            raise _RefusedError(f"its bond {name} is not of two of its {count} elements")
        found[pair[0], pair[1]] = _section(given, f"bond {list(pair)}")
    foreign = [str(bond.get("radbasename")).startswith(_FOREIGN) for bond in found.values()]
    if any(foreign) and not all(foreign):
        raise _RefusedError(f"it has radial functions of {_FOREIGN} and others")
    if any(foreign):
        if "lmax" not in sections:
            raise _RefusedError(f"it has radial functions of {_FOREIGN}, but no lmax")
        return found
    _number(sections.get("deltaSplineBins"), "deltaSplineBins")
    for pair in ((first, second) for first in range(count) for second in range(count)):
        if pair not in found:
            raise _RefusedError(f"it has no bond {list(pair)}")
        _check_bond(found[pair], f"bond {list(pair)}")
    return found


def _check_bond(bond: Mapping[Any, Any], name: str) -> None:
    for key in ("radbasename", *_BOND):
        if key not in bond:
            raise _RefusedError(f"its {name} has no {key}")
    if bond["radbasename"] not in _RADIAL:
        raise _RefusedError(
            f"its {name} has the radial basis {bond['radbasename']!r}, which LAMMPS does not know"
        )
    if bond.get("inner_cutoff_type", "density") not in _INNER:
        raise _RefusedError(
            f"its {name} has the inner_cutoff_type {bond['inner_cutoff_type']!r}, which LAMMPS does not know"
        )
    for key in (*_BOND, "rcut_in", "dcut_in"):
        _check_numbers(bond.get(key, "0"), f"{key} of the {name}")
    sizes = [
        int(_number(bond[key], f"{key} of the {name}"))
        for key in ("nradmax", "lmax", "nradbasemax")
    ]
    rows = _list(bond["radcoefficients"], f"radcoefficients of the {name}")
    enough = len(rows) >= sizes[0] and all(
        isinstance(row, list)
        and len(row) > sizes[1]
        and all(isinstance(line, list) and len(line) >= sizes[2] for line in row)
        for row in rows[: sizes[0]]
    )
    if not enough:
        raise _RefusedError(
            f"its {name} has fewer radcoefficients than nradmax, lmax and nradbasemax ask for"
        )
    if not _list(bond["radparameters"], f"radparameters of the {name}"):
        raise _RefusedError(f"its {name} has no radparameters")


def _check_function(given: Any, name: str) -> None:
    function = _section(given, name)
    sizes = {key: function.get(key) for key in ("rank", "ndensity", "num_ms_combs", "mu0")}
    for key, value in sizes.items():
        if not (isinstance(value, str) and value.isdecimal()):
            raise _RefusedError(f"{name} has no whole number {key}")
    for key, factors in _LISTS.items():
        wanted = int(math.prod(int(str(sizes[factor])) for factor in factors))
        values = function.get(key)
        if not isinstance(values, list) or len(values) != wanted:
            raise _RefusedError(f"{name} has not {wanted} values of {key}")
        form = _NUMBER if key == "ctildes" else _WHOLE
        if not all(isinstance(value, str) and form.fullmatch(value) for value in values):
            raise _RefusedError(f"{name} has values of {key} that are no numbers")


def _has_core(bond: Mapping[Any, Any]) -> bool:
    return bond.get("inner_cutoff_type") == "zbl" or (
        "prehc" in bond and _number(bond["prehc"], "prehc") != 0.0
    )
