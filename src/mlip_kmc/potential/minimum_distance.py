"""The distances that atoms may not fall below, by pair of elements, and how LAMMPS reports that they did.

Example:
    minimum_A = minimum_distances_of(1.2, elements=("Cu", "Ni"))         # {'Cu-Cu': 1.2, 'Cu-Ni': 1.2, 'Ni-Ni': 1.2}
    near_commands(minimum_A, species=("Cu", "Ni"))                       # for in.lammps, after the pair_coeff
    str(too_near_in(directory))                                          # 'atoms came nearer than 1.2 A at force call 17'

The extrapolation grade does not do this: ACE core repulsion switches the radial functions off, and gamma falls where atoms
overlap. LAMMPS appends a line to `near.txt` at every force call, because eOn passes nothing on and turns an error of LAMMPS into
an energy of 1e6 eV. Other paths ask `short_range.too_near`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.potential.baseline import by_pair, pair_names

NEAR_FILE, NEAR_FRAMES = "near.txt", "near.dump"
_ANY = "any"


def minimum_distances_of(
    given: float | Mapping[str, float], *, elements: Iterable[str]
) -> dict[str, float]:
    """For each pair of elements the distance in A that a configuration gives: one for all, or their own.

    Raises:
        PotentialError: a pair is not of these elements.
    """
    default, pairs = (None, given) if isinstance(given, Mapping) else (given, {})
    return by_pair(default, pairs, elements=elements, what="minimum distance")


def near_commands(minimum_A: Mapping[str, float], species: Sequence[str]) -> list[str]:
    """Commands of a LAMMPS input that write `near.txt`; none where no pair has a minimum.

    Its head names the pairs and their minima, `# step Cu-Cu<1.2 Cu-Ni<0.9`; a line is the step and, for each, the number of
    neighbours that are nearer. Several instances of LAMMPS in one directory append to the same file.

    Neighbours are counted in the list that the ACE has already. `compute pair/local`, which would tell the distance, makes a
    list of its own and costs more than twice as much.

    Args:
        minimum_A: by pair; pairs without one are not looked at.
        species: elements in the order of LAMMPS' types.
    """
    lines, head, columns = [], ["# step"], ["$(step)"]
    for number, (name, least_A) in enumerate(_counted(minimum_A, species)):
        group, types = "all", ""
        if name != _ANY:
            first, second = (species.index(symbol) + 1 for symbol in name.split("-"))
            group, types = f"mk_type{first}", f" {second}"
            lines.append(f"group {group} type {first}")  # once more for another pair does no harm
        lines += [
            f"compute mk_near{number} {group} coord/atom cutoff {least_A!r}{types}",
            f"compute mk_count{number} all reduce sum c_mk_near{number}",
        ]
        head.append(f"{name}<{least_A!r}")
        columns.append(f"$(c_mk_count{number}:%.0f)")
    if not lines:
        return []
    counts = " + ".join(f"c_mk_count{number}" for number in range(len(columns) - 1))
    return [
        *lines,
        f'fix mk_near all print 1 "{" ".join(columns)}" append {NEAR_FILE} screen no title "{" ".join(head)}"',
        f'variable mk_apart equal "({counts}) == 0"',
        f"dump mk_near_frames all custom 1 {NEAR_FRAMES} id x y z",
        "dump_modify mk_near_frames sort id format float %.17g skip v_mk_apart append yes",
    ]


def _counted(minimum_A: Mapping[str, float], species: Sequence[str]) -> list[tuple[str, float]]:
    """The pairs that are counted apart, with their minima: `any` alone where one minimum holds for several."""
    names = pair_names(species)
    present = [(name, float(minimum_A[name])) for name in names if name in minimum_A]
    alike = (
        len(names) > 1
        and len(present) == len(names)
        and len({least_A for _, least_A in present}) == 1
    )
    return [(_ANY, present[0][1])] if alike else present


@dataclass(frozen=True)
class TooNear:
    """Atoms were nearer than they may be.

    Attributes:
        step: number of the force call, from 0.
        pair: their elements, or `any`.
        minimum_A: what they may not fall below.
    """

    step: int
    pair: str
    minimum_A: float

    def __str__(self) -> str:
        """In words."""
        who = "atoms" if self.pair == _ANY else f"{self.pair} atoms"
        return f"{who} came nearer than {self.minimum_A:g} A at force call {self.step}"


def read_too_near(text: str) -> Iterator[TooNear]:
    """What fell below its minimum, in the text of a `near.txt`; an unfinished last line is left out."""
    pairs: list[tuple[str, float]] = []
    for line in text.split("\n")[:-1]:
        step, *words = line.split() or [""]
        if step == "#":
            pairs = [
                (name, float(least_A))
                for name, _, least_A in (word.partition("<") for word in words[1:])
            ]
        elif step.isdecimal() and len(words) == len(pairs):
            yield from (
                TooNear(step=int(step), pair=name, minimum_A=least_A)
                for (name, least_A), count in zip(pairs, words, strict=True)
                if count != "0"
            )


def comes_too_near(directory: Path) -> bool:
    """Have atoms come too near, in a search that may still run? LAMMPS dumps no frame before; the file is not read."""
    try:
        return (directory / NEAR_FRAMES).stat().st_size > 0
    except FileNotFoundError:
        return False


def too_near_in(directory: Path) -> TooNear | None:
    """The first time that atoms came too near in a search directory; None where they never did."""
    try:
        text = (directory / NEAR_FILE).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    return next(read_too_near(text), None)
