"""LAMMPS in this process, by its Python module."""

import os
from typing import Any

from .basics import (
    DIGITS,
    FAILED,
    LETTERS,
    UNUSABLE,
    Answer,
    DriverError,
    Structure,
    answer_of,
    made_of,
)
from .compare import compare
from .structures import symbols_of

_LINKED = {"potential": "potential.yace", "basis": "basis.yaml", "active-set": "active-set.asi"}
"""What LAMMPS sees: it tells kinds of files by the ends of their names."""
_PLAIN = f"{LETTERS}{DIGITS}/._+-"
_IN_A_LINE = 100
"""So many atoms are named in a command."""


def _first_element(text: str) -> str:
    """The first of a `.yace`'s elements, in a list in a line, over lines or in a block; no YAML reader need be there."""
    import re

    named = re.search(
        r"""(?:^|[{,])\s*['"]?elements['"]?\s*:\s*(?:\[|(?:\#.*)?\n?\s*-)\s*['"]?([A-Za-z]+)""",
        text,
        re.MULTILINE,
    )
    return named.group(1) if named else ""


def _leaving_out(aloof: tuple[int, ...]) -> list[str]:
    """Commands by which these atoms are no neighbours of one another: most of what they cost as centres of an ACE."""
    rows = [aloof[row : row + _IN_A_LINE] for row in range(0, len(aloof), _IN_A_LINE)]
    commands = [f"group aloof id {' '.join(str(index + 1) for index in row)}" for row in rows]
    return [*commands, "neigh_modify exclude group aloof aloof"] if commands else []


class LammpsEngine:
    """LAMMPS in this process; atoms and potential stay as long as cell and elements do."""

    def __init__(self, files: dict[str, str], evaluator: str) -> None:
        from lammps import lammps

        self._files = files
        self._graded = "active-set" in files
        self._program = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        self._evaluator = evaluator
        style = "pace/extrapolation" if self._graded else "pace"
        if not self._program.has_style("pair", style):
            raise DriverError(
                UNUSABLE, f"this LAMMPS has no pair_style {style}; use --engine pyace"
            )
        self._links = self._linked()
        self._made: tuple[list[float], list[int], tuple[int, ...]] | None = None
        self._frame: tuple[list[float], tuple[Any, Any, Any]] | None = None
        self._compared = not self._graded
        self._steps = 0
        alone = Structure(
            [30.0, 0.0, 0.0, 0.0, 30.0, 0.0, 0.0, 0.0, 30.0], [self._an_element()], [0.0, 0.0, 0.0]
        )
        self._use(alone, graded=self._graded)  # a potential that LAMMPS cannot read is found now
        self._made = None

    def __call__(self, structure: Structure) -> Answer:
        """Evaluate."""
        try:
            if not self._compared:
                compare(
                    lambda probe: self._anew(probe, graded=True),
                    lambda probe: self._anew(probe, graded=False),
                    structure,
                )
                self._made, self._compared = None, True
            answer = self._use(structure, graded=self._graded)
        except BaseException:
            self._made = None
            raise
        return answer

    def _anew(self, structure: Structure, *, graded: bool) -> Answer:
        self._made = None
        return self._use(structure, graded=graded)

    def _linked(self) -> str:
        """A folder in which the files have names that LAMMPS' input takes, by a path that it takes."""
        from atexit import register
        from shutil import rmtree
        from tempfile import mkdtemp

        folder = mkdtemp(prefix="pace-driver-")
        register(rmtree, folder, ignore_errors=True)
        for name, path in self._files.items():
            if name in _LINKED:
                os.symlink(path, os.path.join(folder, _LINKED[name]))
        if made_of(folder, _PLAIN):
            return folder
        # spaces, quotes and `$` of the scratch folder's own path would be read as more than a path
        return f"/proc/self/fd/{os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)}"

    def _an_element(self) -> int:
        from ase.data import atomic_numbers

        with open(self._files["potential"], encoding="utf-8") as stream:
            named = _first_element(stream.read())
        if named not in atomic_numbers:
            raise DriverError(
                UNUSABLE,
                f"{self._files['potential']} is not a .yace potential: it names no elements",
            )
        return int(atomic_numbers[named])

    def _use(self, structure: Structure, *, graded: bool) -> Answer:
        import ctypes

        import numpy as np

        cell, lower, turn = self._frame_of(structure.cell)
        fractions = np.linalg.solve(cell.T, np.array(structure.positions).reshape(-1, 3).T).T
        # LAMMPS loses atoms that are far outside; whole cells are subtracted, which leaves the digits of those inside alone
        places = np.array(structure.positions).reshape(-1, 3) @ turn.T - np.floor(fractions) @ lower
        key = structure.cell, structure.numbers, structure.aloof
        flat = (ctypes.c_double * places.size)(*places.ravel().tolist())
        if self._made != key:
            self._made = None
            self._make(structure, lower, flat, graded=graded)
            self._program.command(
                "run 0 post no"
            )  # the first run orders atoms its own way: the same structure, the same digits
            self._made = key
        self._program.scatter_atoms("x", 1, 3, flat)
        if graded:  # fix pair takes gamma once a time step, and `run 0` makes none
            self._steps += 1
            self._program.command(f"reset_timestep {self._steps}")
        self._program.command("run 0 post no")
        forces = np.array(self._program.gather_atoms("f", 1, 3)).reshape(-1, 3) @ turn
        gamma = np.array(self._program.gather("f_gamma", 1, 1)) if graded else None
        return answer_of(self._program.get_thermo("pe"), forces, gamma)

    def _frame_of(self, flat: list[float]) -> tuple[Any, Any, Any]:
        """A cell, that cell with a along x and b in the xy plane, as LAMMPS wants it, and what turns the one into the other."""
        import numpy as np

        if self._frame is None or self._frame[0] != flat:
            cell = np.array(flat).reshape(3, 3)
            q, r = np.linalg.qr(cell.T)
            signs = np.sign(np.diag(r))
            lower, turn = (r * signs[:, None]).T, (q * signs).T
            if np.array_equal(np.triu(cell, 1), np.zeros((3, 3))) and np.diag(cell).min() > 0:
                lower, turn = cell, np.eye(3)  # no rounding where nothing turns
            self._frame = list(flat), (cell, lower, turn)
        return self._frame[1]

    def _make(self, structure: Structure, lower: Any, flat: Any, *, graded: bool) -> None:
        import ctypes

        kinds = list(dict.fromkeys(structure.numbers))
        names = " ".join(symbols_of(kinds))
        edges = " ".join(f"0 {float(edge)!r}" for edge in lower.diagonal())
        tilts = [float(lower[1, 0]), float(lower[2, 0]), float(lower[2, 1])]
        region = (
            f"prism {edges} {tilts[0]!r} {tilts[1]!r} {tilts[2]!r}"
            if any(tilts)
            else f"block {edges}"
        )
        names_of_files = ("basis", "active-set") if graded else ("potential",)
        files = " ".join(os.path.join(self._links, _LINKED[name]) for name in names_of_files)
        self._program.commands_list(
            [
                "clear",
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0",
                "box tilt large",
                f"region box {region} units box",
                f"create_box {len(kinds)} box",
                "mass * 1.0",
                f"pair_style {'pace/extrapolation' if graded else f'pace {self._evaluator}'}",
            ]
        )
        count = len(structure)
        self._program.create_atoms(
            count,
            (self._program.c_tagint * count)(*range(1, count + 1)),
            (ctypes.c_int * count)(*(kinds.index(number) + 1 for number in structure.numbers)),
            flat,
        )
        commands = [f"pair_coeff * * {files} {names}", "neighbor 0.1 bin", "thermo_modify norm no"]
        commands += _leaving_out(structure.aloof)
        self._program.commands_list(
            [*commands, "fix gamma all pair 1 pace/extrapolation gamma 1"] if graded else commands
        )
        if self._program.get_natoms() != count:
            raise DriverError(FAILED, f"LAMMPS took {self._program.get_natoms()} of {count} atoms")
