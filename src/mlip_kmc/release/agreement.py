"""Do all ways to the potential agree: eOn's client, LAMMPS by the shipped input, python-ace on both files, and the driver?

Example:
    check, energy_eV = agreement_check(potential, example, folder=scratch, inputs=inputs)

A difference above 1e-8 eV or 1e-8 eV/A means that evaluators, or files, are not those of one potential.
"""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.driver import standalone as driver
from mlip_kmc.evaluate.agreement import unguarded
from mlip_kmc.evaluate.by_eon import evaluate
from mlip_kmc.evaluate.by_lammps import largest_gamma
from mlip_kmc.evaluate.calculator import calculator_of, evaluated
from mlip_kmc.evaluate.gamma import Extrapolation
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.programs import Program, ProgramEnd
from mlip_kmc.ground.programs.logs import lammps_error
from mlip_kmc.potential import AcePotential, DrivenPotential
from mlip_kmc.release import members
from mlip_kmc.release.gate import LIMITS, Check, measured

Array = npt.NDArray[np.float64]
Evaluation = tuple[float, Array]
_TIME_LIMIT_S = 300.0
_ENERGY = "energy "


def agreement_check(
    potential: AcePotential, example: Atoms, *, inputs: Mapping[str, bytes], folder: Path
) -> tuple[Check, float]:
    """All ways against each other, on the example.

    Args:
        potential: guarded or not.
        example: a structure with forces.
        inputs: the files that are shipped, by name.
        folder: an empty directory of its own.

    Returns:
        the check, and the energy in eV by LAMMPS.
    """
    ways: dict[str, Evaluation] = {
        "eOn": _by_eon(potential, example),
        "LAMMPS": by_lammps(place(folder / "lammps", potential, inputs), atoms=len(example)),
        "python-ace": evaluated(example, calculator_of(potential)),
        "python-ace on the B-basis": evaluated(
            example, calculator_of(unguarded(potential), file=potential.basis)
        ),
        "the driver with LAMMPS": _by_driver(potential, example, "lammps", folder),
        "the driver with python-ace": _by_driver(potential, example, "pyace", folder),
    }
    differences = {
        f"{one} and {other}": _difference(ways[one], ways[other])
        for one, other in combinations(ways, 2)
    }
    pair = max(
        differences, key=lambda name: np.inf if np.isnan(differences[name]) else differences[name]
    )
    found = measured(
        "paths",
        differences[pair],
        limit=LIMITS["paths"],
        unit="eV, eV/A",
        detail=f"worst between {pair}",
        about=f"energy and forces of the example by {', '.join(ways)}",
    )
    return found, ways["LAMMPS"][0]


def gamma_check(potential: AcePotential, example: Atoms, *, folder: Path) -> tuple[Check, float]:
    """The largest gamma of an atom of the example by LAMMPS and by python-ace, relative to it.

    Returns:
        the check, and that gamma by python-ace.
    """
    one, other = both_gammas(potential, example, folder=folder)
    check = measured(
        "gamma",
        apart(one, other),
        limit=LIMITS["gamma"],
        unit="",
        about=f"largest extrapolation grade of the example ({one:.3g}) by LAMMPS and by python-ace, relative",
    )
    return check, one


def both_gammas(potential: AcePotential, example: Atoms, *, folder: Path) -> tuple[float, float]:
    """The largest gamma of an atom by python-ace, and by LAMMPS.

    Raises:
        PotentialError: the potential does not know gamma, or a program cannot evaluate it.
    """
    grade = Extrapolation.of(potential)
    if grade is None or potential.basis is None or potential.active_set is None:
        raise PotentialError(
            "a release needs the potential's B-basis .yaml and active set .asi: without them a recipient cannot "
            "know where it extrapolates; mlip-kmc potential activeset makes the latter"
        )
    return (
        float(grade.gamma_of(example).max()),
        largest_gamma(
            example, basis=potential.basis, active_set=potential.active_set, folder=folder
        ),
    )


def apart(one: float, other: float) -> float:
    """How far two gammas are apart, as a part of the larger; NaN where one is not more than 0: blind sets agree, too."""
    return abs(one - other) / max(one, other) if one > 0.0 and other > 0.0 else float("nan")


def place(folder: Path, potential: AcePotential, inputs: Mapping[str, bytes]) -> Path:
    """A directory with the shipped inputs, and links to the potential's files."""
    folder.mkdir(parents=True)
    for name, content in inputs.items():
        (folder / name).write_bytes(content)
    for name, target in potential.job_links().items():
        (folder / name).symlink_to(target)
    return folder


def by_lammps(folder: Path, *, atoms: int) -> Evaluation:
    """Energy in eV and forces in eV/A by `lmp -in in.example`, as a recipient runs it.

    Raises:
        PotentialError: LAMMPS fails, or tells no numbers.
    """
    done = Program.find("lmp").run(
        ["-in", members.IN_EXAMPLE, "-log", "none", "-nocite"],
        cwd=folder,
        time_limit_s=_TIME_LIMIT_S,
    )
    text = done.stdout.read_text(encoding="utf-8", errors="replace")
    energies = [
        line.split()[1]
        for line in text.splitlines()
        if line.startswith(_ENERGY) and line.endswith(" eV")
    ]
    if done.end is not ProgramEnd.EXITED or done.returncode != 0 or not energies:
        said = lammps_error(done.tail()) or done.end.value
        raise PotentialError(f"LAMMPS does not run {members.IN_EXAMPLE}: {said}")
    try:
        forces = np.loadtxt(folder / "forces.txt", skiprows=9, ndmin=2)[:, 1:]
        return float(energies[-1]), _checked(forces, atoms)
    except (OSError, ValueError, IndexError) as error:
        raise PotentialError(
            f"LAMMPS ran {members.IN_EXAMPLE} and printed no numbers: {error}"
        ) from error


def _by_eon(potential: AcePotential, example: Atoms) -> Evaluation:
    found = evaluate(example, potential)
    return found.energy_eV, found.forces_eV_per_A


def _by_driver(potential: AcePotential, example: Atoms, engine: str, folder: Path) -> Evaluation:
    """By pace_driver.py, in a process of its own."""
    own = folder / f"driver-{engine}"
    own.mkdir(parents=True)
    rows = [" ".join(map(repr, row)) for row in example.cell.array.tolist()]
    rows += [
        f"{number} {' '.join(map(repr, place))}"
        for number, place in zip(example.numbers.tolist(), example.positions.tolist(), strict=True)
    ]
    (own / "structure.txt").write_text("\n".join([*rows, ""]), encoding="utf-8")
    options = [
        word
        for key, value in DrivenPotential(potential).recipe().items()
        for word in (f"--{key}", value)
    ]
    done = Program.of_python().run(
        [
            str(driver.SCRIPT),
            *options,
            "--engine",
            engine,
            "--input",
            "structure.txt",
            "--output",
            "answer.txt",
            "--quiet",
        ],
        cwd=own,
        time_limit_s=_TIME_LIMIT_S,
    )
    if done.end is not ProgramEnd.EXITED or done.returncode != 0:
        raise PotentialError(
            f"the driver with {engine} does not evaluate the example: {(done.tail() or done.end.value)[:300]}"
        )
    lines = (own / "answer.txt").read_text(encoding="utf-8").split("\n")
    forces = np.array([line.split() for line in lines[1:] if line.strip()], dtype=np.float64)
    return float(lines[0]), _checked(forces, len(example))


def _checked(forces: Array, atoms: int) -> Array:
    if forces.shape != (atoms, 3):
        raise PotentialError(f"forces of the shape {forces.shape} came back for {atoms} atoms")
    return forces


def _difference(one: Evaluation, other: Evaluation) -> float:
    return float(np.max([abs(one[0] - other[0]), np.abs(one[1] - other[1]).max()]))


def by_shipped_ase(folder: Path) -> float:
    """Energy in eV by the five lines of ASE, as a recipient runs them.

    Raises:
        PotentialError: they fail.
    """
    done = Program.of_python().run([members.ASE_EXAMPLE], cwd=folder, time_limit_s=_TIME_LIMIT_S)
    words = done.stdout.read_text(encoding="utf-8", errors="replace").split()
    if (
        done.end is not ProgramEnd.EXITED
        or done.returncode != 0
        or len(words) < 2
        or words[-1] != "eV"
    ):
        raise PotentialError(
            f"{members.ASE_EXAMPLE} does not run: {(done.tail().splitlines() or [done.end.value])[-1]}"
        )
    return float(words[-2])
