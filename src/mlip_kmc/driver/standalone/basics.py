"""A structure, the answer, and errors with exit codes: what every part of the driver has in common.

    structure = Structure(cell=[...], numbers=[29], positions=[0.0, 0.0, 0.0])
    raise DriverError(MALFORMED, "one line")

The thin client imports this file: nothing here imports another module when it is loaded.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer to import than a call may take
    from typing import Any

DONE, USAGE, MALFORMED, UNUSABLE, DISK, FAILED, NO_SERVER, CHANGED, HALTED = (
    0,
    2,
    3,
    4,
    8,
    10,
    11,
    12,
    100,
)
MOST_ATOMS = 1_000_000
FARTHEST_A = 1e6
_FLATTEST = 1e-6
"""Least volume over the product of the cell vectors' lengths."""
STAGES = ("reactant", "search", "saddle", "product", "minimisation")
DIGITS = "0123456789"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SOURCE = ("search", "state", "stage", "step")

END_FILE, EXTRAPOLATES, TOO_NEAR = "driver_end.txt", "extrapolates", "too near"
"""In eOn's run directory, how the first call ended that did not end well: exit code, kind of a halt, message, a line each."""


class DriverError(Exception):
    """One line and the exit code that goes with it."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(" ".join(line.split()))
        self.code = code


class Structure:
    """Atoms in a periodic cell.

    Attributes:
        cell: nine numbers in A, row by row.
        numbers: of the elements.
        positions: three numbers in A for each atom.
        aloof: indices of atoms whose own energies do not matter, because nothing that they see moves. LAMMPS may leave
            out what they see of one another: the energy is then another by a constant, their forces by constants.
    """

    def __init__(
        self,
        cell: list[float],
        numbers: list[int],
        positions: list[float],
        aloof: tuple[int, ...] = (),
    ) -> None:
        self.cell, self.numbers, self.positions, self.aloof = cell, numbers, positions, aloof

    def __len__(self) -> int:
        return len(self.numbers)


class Answer:
    """What a structure is worth.

    Attributes:
        energy: eV.
        forces: three numbers in eV/A for each atom.
        gamma: extrapolation grade of each atom; None where it is unknown.
        halt: why the search must stop, or nothing.
    """

    def __init__(
        self, energy: float, forces: list[float], gamma: list[float] | None = None, halt: str = ""
    ) -> None:
        self.energy, self.forces, self.gamma, self.halt = energy, forces, gamma, halt


def check_cell(cell: list[float]) -> None:
    """Refuse a cell without volume.

    Raises:
        DriverError: it has none.
    """
    a, b, c = cell[0:3], cell[3:6], cell[6:9]
    volume = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    edges = 1.0
    for vector in (a, b, c):
        edges *= (vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2) ** 0.5
    if not abs(volume) > _FLATTEST * edges:
        raise DriverError(MALFORMED, "the cell of the structure has no volume")


def checked(answer: Answer, atoms: int) -> Answer:
    """The answer, if its numbers are numbers.

    Raises:
        DriverError: they are not.
    """
    if len(answer.forces) != 3 * atoms or (answer.gamma is not None and len(answer.gamma) != atoms):
        raise DriverError(
            FAILED, f"the potential gave {len(answer.forces) // 3} forces for {atoms} atoms"
        )
    everything = answer.energy * 0.0 + sum(
        [number * 0.0 for number in (*answer.forces, *(answer.gamma or ()))]
    )
    if everything != 0.0:  # an infinity or not-a-number times zero is not zero
        raise DriverError(
            FAILED, "the potential gave an energy, forces or gamma that are not finite numbers"
        )
    return answer


def checked_source(source: dict[str, str], code: int) -> dict[str, str]:
    """What a structure says it comes from, if it can be written into a frame.

    Raises:
        DriverError: with this code, it cannot.
    """
    for name, value in source.items():
        if name == "search":
            fine = len(value) <= 200 and made_of(value, f"{LETTERS}{DIGITS}_.+-")
        else:
            fine = (
                value in STAGES if name == "stage" else len(value) <= 18 and made_of(value, DIGITS)
            )
        if not fine or name not in SOURCE:
            raise DriverError(
                code,
                f"{value[:40]!r} is no {name} of a search: a search is named by letters, digits and _.+-, "
                f"state and step are counts, a stage is one of {', '.join(STAGES)}",
            )
    return source


def made_of(text: str, letters: str) -> bool:
    """Is it a text of these letters alone, and not empty?"""
    return bool(text) and all(letter in letters for letter in text)


def digest_of(data: bytes) -> str:
    """sha256, in hexadecimal digits."""
    from hashlib import sha256

    return sha256(data).hexdigest()


def positive(text: str, what: str) -> float:
    """An option's value as a positive number.

    Raises:
        DriverError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise DriverError(USAGE, f"{what} needs a positive number, not {text[:40]!r}")
    return value


def answer_of(energy: float, forces: "Any", gamma: "Any") -> Answer:
    """An answer from arrays: energy in eV, forces (N, 3) in eV/A, gamma (N,) or None."""
    return Answer(float(energy), forces.ravel().tolist(), None if gamma is None else gamma.tolist())
