"""What LAMMPS writes beside a search while it runs: the extrapolation grade, and frames where it is large.

Example:
    lines = commands(config.gamma)             # for in.lammps, after the pair_coeff
    for grade in parse_grades(text): grade.step, grade.gamma, grade.energy_eV
    for frame in parse_dump(text): frame.step, frame.positions, frame.gammas

eOn itself passes nothing on: each of its force calls is LAMMPS' `run 1 pre no post no`, so LAMMPS' step counts real force
calls. Several instances of LAMMPS in one directory append to the same files and are called in turn; a line or frame that is
not whole is the one being written.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from mlip_kmc.config import GammaSection


Array = npt.NDArray[np.float64]

GRADES = "gamma.txt"
HALT_FRAMES = "halt.dump"
SELECT_FRAMES = "select.*.dump"
KEPT = 3
"""How many frames between the thresholds are kept: the last ones, nearest to the halt."""
_NUMBER = re.compile(r"[-+.\deE]+|[-+]?(?:nan|inf)", re.ASCII)


@dataclass(frozen=True)
class Grade:
    """The largest gamma of a force call.

    Attributes:
        step: number of the force call, from 0.
        gamma: the largest of an atom.
        energy_eV: of the structure.
    """

    step: int
    gamma: float
    energy_eV: float


@dataclass(frozen=True)
class Frame:
    """A structure that LAMMPS dumped.

    Attributes:
        step: number of the force call, from 0.
        positions: (N, 3) in A, in the order of the structure.
        gammas: (N,) of each atom; None where they were not dumped.
    """

    step: int
    positions: Array
    gammas: Array | None


def commands(wanted: "GammaSection") -> list[str]:
    """Commands of a LAMMPS input, whose pair style must be (or overlay) `pace/extrapolation`."""
    select, halt, every = float(wanted.select), float(wanted.halt), int(wanted.every)
    dumped = "id x y z f_mk_gamma"
    return [
        f"fix mk_gamma all pair {every} pace/extrapolation gamma 1",
        "compute mk_largest all reduce max f_mk_gamma",
        f'variable mk_between equal "(c_mk_largest < {select!r}) || (c_mk_largest >= {halt!r})"',
        f'variable mk_below equal "c_mk_largest < {halt!r}"',
        f'fix mk_grade all print {every} "$(step) $(c_mk_largest:%.17g) $(pe:%.17g)" append {GRADES} screen no title "#"',
        f"dump mk_select all custom {every} {SELECT_FRAMES} {dumped}",
        f"dump_modify mk_select sort id format float %.17g skip v_mk_between maxfiles {KEPT}",
        f"dump mk_halt all custom {every} {HALT_FRAMES} {dumped}",
        "dump_modify mk_halt sort id format float %.17g skip v_mk_below append yes",
    ]


def parse_grades(text: str) -> Iterator[Grade]:
    """The grades in what LAMMPS printed; an unfinished last line is left out."""
    for line in text.split("\n")[:-1]:
        step, *values = line.split() or ["#"]
        if (
            step.isdecimal()
            and len(values) == 2
            and all(_NUMBER.fullmatch(value) for value in values)
        ):
            yield Grade(step=int(step), gamma=float(values[0]), energy_eV=float(values[1]))


def parse_dump(text: str) -> Iterator[Frame]:
    """The whole frames in a dump."""
    for part in text.split("ITEM: TIMESTEP\n")[1:]:
        lines = part.split("\n")
        try:
            step, count = int(lines[0]), int(lines[2])
            rows = np.array([line.split() for line in lines[8 : 8 + count]], dtype=np.float64)
        except (ValueError, IndexError):
            continue
        if (
            rows.ndim == 2
            and rows.shape[1] in (4, 5)
            and len(rows) == count
            and len(lines) > 8 + count
        ):
            yield Frame(
                step=step, positions=rows[:, 1:4], gammas=rows[:, 4] if rows.shape[1] > 4 else None
            )
