"""The baseline under an ACE potential: one value with one definition, for every path.

Example:
    baseline = Baseline.of(Zbl(inner_A=0.8, outer_A=1.2), {}, elements=("Cu", "Ni"))
    baseline.lammps(("Cu", "Ni"))      # (['zbl 0.8 1.2'], ['pair_coeff 1 1 zbl 29 29', ...])
    baseline.to_driver()               # {'Cu-Cu': {'kind': 'zbl', 'inner_A': 0.8, 'outer_A': 1.2}, ...}

`short_range` holds the formulae; docs/baseline.md says when to use it.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Discriminator, Field, ValidationError, model_validator

from mlip_kmc.config.eon_schema import closest
from mlip_kmc.ground.errors import PotentialError

if TYPE_CHECKING:
    from mlip_kmc.config import BaselineSection, RepulsionSection

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Repulsion(BaseModel):
    """One pair's: whole up to `inner_A`, zero from `outer_A` on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    inner_A: _Positive
    outer_A: _Positive

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.inner_A < self.outer_A:
            raise ValueError(
                f"inner_A ({self.inner_A:g}) must be less than outer_A ({self.outer_A:g})"
            )
        return self


class Zbl(_Repulsion):
    """Ziegler, Biersack, Littmark: screened repulsion of nuclei; nothing to fit."""

    kind: Literal["zbl"] = "zbl"


class LennardJones(_Repulsion):
    """The repulsive part of a Lennard-Jones potential, truncated and shifted."""

    kind: Literal["lj"] = "lj"
    epsilon_eV: _Positive
    sigma_A: _Positive

    @model_validator(mode="after")
    def _repulsive(self) -> Self:
        lowest_A = 2 ** (1 / 6) * self.sigma_A
        if not self.outer_A <= lowest_A:
            raise ValueError(
                f"outer_A ({self.outer_A:g}) must be at most 2^(1/6) sigma_A ({lowest_A:.4f}), where attraction "
                "begins"
            )
        sixth = (self.sigma_A / self.inner_A) ** 6
        # beyond this width the force of third order, which ends it at outer_A, changes its sign
        widest_A = 3.0 * self.inner_A * (2.0 * sixth - 1.0) / (26.0 * sixth - 7.0)
        if not self.outer_A - self.inner_A <= widest_A:
            raise ValueError(
                f"outer_A must be at most {self.inner_A + widest_A:.4f} with this inner_A and sigma_A, else the "
                "force becomes attractive between the two"
            )
        return self


Repulsion = Annotated[Zbl | LennardJones, Discriminator("kind")]
Pairs = dict[str, Repulsion]
T = TypeVar("T")


@dataclass(frozen=True)
class Baseline:
    """What is added to the ACE.

    Attributes:
        pairs: for a pair of elements (`Cu-Ni`, sorted) its repulsion; the others have none.
    """

    pairs: Mapping[str, Zbl | LennardJones]

    @classmethod
    def of(
        cls,
        default: Zbl | LennardJones | None,
        pairs: Mapping[str, Zbl | LennardJones],
        *,
        elements: Iterable[str],
    ) -> Self:
        """A baseline from what all pairs of the elements have, and what some have instead.

        Raises:
            PotentialError: a pair is not of these elements, or is there twice.
        """
        found = by_pair(default, pairs, elements=elements, what="baseline")
        if not found:
            raise PotentialError(
                "the baseline is of no pair; give 'zbl', 'lj' or 'pairs' in it, or leave it out"
            )
        return cls(pairs=found)

    def lammps(self, species: Sequence[str]) -> tuple[list[str], list[str]]:
        """Sub-styles of `pair_style hybrid/overlay`, and the commands that come after it.

        Args:
            species: elements in the order of LAMMPS' types.
        """
        present = [
            (i, j, self.pairs[name]) for i, j, name in _typed_pairs(species) if name in self.pairs
        ]
        styles = list(dict.fromkeys(_style(pair) for _, _, pair in present))
        kinds = [style.split()[0] for style in styles]
        lines = []
        for i, j, pair in present:
            place = styles.index(_style(pair))
            name = (
                f"zbl {kinds[: place + 1].count('zbl')}"
                if kinds.count("zbl") > 1 and pair.kind == "zbl"
                else kinds[place]
            )
            lines.append(
                f"pair_coeff {i} {j} {name} {_coefficients(pair, species[i - 1], species[j - 1])}"
            )
        if "lj/smooth" in kinds:
            lines.append("pair_modify pair lj/smooth shift yes")
        return styles, lines

    def to_driver(self) -> dict[str, dict[str, Any]]:
        """The same for `short_range`, and as JSON."""
        return {
            name: pair.model_dump(mode="json", exclude_none=True)
            for name, pair in sorted(self.pairs.items())
        }

    def facts(self) -> str:
        """What decides its numbers, in one line."""
        return canonical(self.to_driver())


def _style(pair: Zbl | LennardJones) -> str:
    # LAMMPS' zbl has its cutoffs for the whole style, so pairs that differ need several; lj/smooth has them for each pair
    return f"zbl {pair.inner_A!r} {pair.outer_A!r}" if pair.kind == "zbl" else "lj/smooth 1.0 2.0"


def _coefficients(pair: Zbl | LennardJones, first: str, second: str) -> str:
    if isinstance(pair, Zbl):
        return f"{atomic_numbers[first]} {atomic_numbers[second]}"
    return f"{pair.epsilon_eV!r} {pair.sigma_A!r} {pair.inner_A!r} {pair.outer_A!r}"


def _typed_pairs(species: Sequence[str]) -> list[tuple[int, int, str]]:
    """Pairs of LAMMPS' types, which count from 1, with their names."""
    types = list(enumerate(species, start=1))
    return [
        (i, j, pair_name(one, other))
        for (i, one), (j, other) in combinations_with_replacement(types, 2)
    ]


def pair_name(first: str, second: str) -> str:
    """The name of a pair of elements: sorted."""
    return "-".join(sorted((first, second)))


def pair_names(elements: Iterable[str]) -> list[str]:
    """The names of all pairs of some elements."""
    return ["-".join(pair) for pair in combinations_with_replacement(sorted(set(elements)), 2)]


def by_pair(
    default: T | None, pairs: Mapping[str, T], *, elements: Iterable[str], what: str
) -> dict[str, T]:
    """A value for every pair of elements: its own, or the default; without either the pair is left out.

    Raises:
        PotentialError: a pair is not of these elements, or is there twice.
    """
    known = pair_names(elements)
    found = {} if default is None else dict.fromkeys(known, default)
    seen = set[str]()
    for given, value in pairs.items():
        name = "-".join(sorted(part.strip() for part in str(given).split("-")))
        if name not in known:
            raise PotentialError(
                f"the {what} has a pair {str(given)!r}, which the potential has not; "
                f"{closest(name, known, 'it has ' + ', '.join(known))}"
            )
        if name in seen:
            raise PotentialError(f"the {what} has the pair '{name}' twice; leave one of them out")
        seen.add(name)
        found[name] = value
    return {name: found[name] for name in sorted(found)}


def canonical(value: object) -> str:
    """The same JSON for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def check_training(
    baseline: Baseline | None,
    *,
    subtracted: Mapping[str, Zbl | LennardJones] | None,
    smallest_A: Mapping[str, float] | None,
    potential: str,
) -> str | None:
    """May the baseline stand beside a potential that was fitted as its record says?

    Args:
        baseline: the configured one.
        subtracted: the record's: what was subtracted from the training energies.
        smallest_A: the shortest distances in the training set; None where they are not known.
        potential: its name in messages.

    Returns:
        a warning, or None.

    Raises:
        PotentialError: energy would be counted twice, or left out.
    """
    if subtracted is not None:
        _check_same(baseline, subtracted, potential)
        return None
    if baseline is None:
        return None
    if smallest_A is None:
        outer_A = max(pair.outer_A for pair in baseline.pairs.values())
        return (
            f"the training distances of {potential} are not known (it has no record with them), so nothing shows that the "
            f"baseline, which ends at {outer_A:g} A, is zero where the potential was fitted"
        )
    for name, pair in baseline.pairs.items():
        if not smallest_A.get(name, math.inf) >= pair.outer_A:
            raise PotentialError(
                f"the baseline of {name} ends at {pair.outer_A:g} A, but {potential} was fitted to {name} down to "
                f"{smallest_A[name]:g} A without it: energy would be counted twice; set its outer_A to at most "
                f"{smallest_A[name]:g}, or fit the potential with the baseline subtracted"
            )
    return None


def _check_same(
    baseline: Baseline | None, subtracted: Mapping[str, Zbl | LennardJones], potential: str
) -> None:
    wanted = Baseline(pairs=subtracted)
    if baseline is None:
        raise PotentialError(
            f"{potential} was fitted with a baseline subtracted, and is wrong without it; "
            f"set 'potential.baseline' to what its record says: {wanted.facts()}"
        )
    for name in sorted({*baseline.pairs, *subtracted}):
        if baseline.pairs.get(name) != subtracted.get(name):
            raise PotentialError(
                f"the baseline of {name} is not the one that {potential} was fitted with; "
                f"set 'potential.baseline' to what its record says: {wanted.facts()}"
            )


def core_warning(potential: str) -> str:
    """The warning about a baseline beside ACE core repulsion."""
    return (
        f"{potential} has a core repulsion of its own (prehc, or an inner cutoff of type zbl), and the baseline is added to "
        "it: atoms that come near repel each other twice; leave one of the two out"
    )


def baseline_of(section: "BaselineSection | None", *, elements: Iterable[str]) -> Baseline | None:
    """The baseline that a configuration describes.

    Raises:
        PotentialError: a pair is not of these elements, or its repulsion is none.
    """
    if section is None:
        return None
    pairs = {
        name: _repulsion(own, f"the baseline of {name}") for name, own in section.pairs.items()
    }
    empty = [name for name, repulsion in pairs.items() if repulsion is None]
    if empty:
        raise PotentialError(
            f"the baseline of {empty[0]} needs one of 'zbl' and 'lj'; add one, or leave {empty[0]} out"
        )
    return Baseline.of(
        _repulsion(section, "the baseline"),
        {name: pair for name, pair in pairs.items() if pair},
        elements=elements,
    )


def _repulsion(section: "RepulsionSection", what: str) -> Zbl | LennardJones | None:
    try:
        if section.zbl:
            return Zbl(**section.zbl.model_dump())
        return LennardJones(**section.lj.model_dump()) if section.lj else None
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        reason = problem.get("ctx", {}).get(
            "error", problem["msg"]
        )  # of our own validator, or pydantic's
        raise PotentialError(f"{what}: {reason}") from error
