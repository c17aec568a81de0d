"""LAMMPS by itself, in a process of its own: the time of a bare force call, and gamma by `pair_style pace/extrapolation`.

    ms_per_call(atoms, potential, calls=50, folder=Path("scratch"))

LAMMPS ends its process on an error; here that is an exit code.
"""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.ground.programs import Finished, Program, ProgramEnd
from mlip_kmc.ground.programs.logs import lammps_error, loop_times_s
from mlip_kmc.model.structure import species_of
from mlip_kmc.potential import AcePotential

_TIME_LIMIT_S = 300.0
_HEAD = """\
units metal
atom_style atomic
atom_modify map array sort 0 0
box tilt large
read_data data.lmp
{masses}{pair}"""
_TIMING = """\
thermo_modify norm no
run 1
run {calls} post no
run {calls} post no
"""
_GAMMA = """\
fix gamma all pair 1 pace/extrapolation gamma 1
compute largest all reduce max f_gamma
thermo_style custom step pe c_largest
run 0
print "$(c_largest:%.17g)" file gamma.txt
"""


def ms_per_call(
    atoms: Atoms,
    potential: AcePotential,
    *,
    calls: int,
    folder: Path,
    evaluator: Literal["product", "recursive"] | None = None,
) -> float:
    """Milliseconds a force call takes in LAMMPS, atoms at rest; the better of two series.

    Args:
        atoms: restricted triclinic.
        potential: the run's.
        calls: in a series.
        folder: an empty or used directory of its own.
        evaluator: the potential's own where None.

    Raises:
        PotentialError: LAMMPS cannot evaluate it.
    """
    chosen = potential if evaluator is None else dataclasses.replace(potential, evaluator=evaluator)
    script = _head(atoms, chosen.lammps_input(species_of(atoms))) + _TIMING.format(calls=calls)
    done = _lammps(atoms, script, links=chosen.job_links(), folder=folder)
    series = loop_times_s(done.stdout.read_text(encoding="utf-8"))[1:]
    if not series:
        raise PotentialError("LAMMPS printed no loop time; the image is damaged: build it again")
    return 1e3 * min(series)


def largest_gamma(atoms: Atoms, *, basis: Path, active_set: Path, folder: Path) -> float:
    """The largest extrapolation grade of an atom, by LAMMPS.

    Raises:
        PotentialError: LAMMPS cannot evaluate it.
    """
    species = " ".join(species_of(atoms))
    pair = f"pair_style pace/extrapolation\npair_coeff * * basis.yaml active.asi {species}\n"
    _lammps(
        atoms,
        _head(atoms, pair) + _GAMMA,
        links={"basis.yaml": basis, "active.asi": active_set},
        folder=folder,
    )
    return float((folder / "gamma.txt").read_text(encoding="utf-8"))


def _head(atoms: Atoms, pair: str) -> str:
    masses = "".join(
        f"mass {number} {atomic_masses[atomic_numbers[symbol]]:.17g}\n"
        for number, symbol in enumerate(species_of(atoms), start=1)
    )
    return _HEAD.format(masses=masses, pair=pair)


def _lammps(atoms: Atoms, script: str, *, links: dict[str, Path], folder: Path) -> Finished:
    folder.mkdir(exist_ok=True)
    (folder / "data.lmp").write_text(data_text(atoms), encoding="utf-8")
    (folder / "in.check").write_text(script, encoding="utf-8")
    for name, target in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
    done = Program.find("lmp").run(
        ["-in", "in.check", "-log", "none", "-nocite"], cwd=folder, time_limit_s=_TIME_LIMIT_S
    )
    if done.end is not ProgramEnd.EXITED or done.returncode != 0:
        fault = lammps_error(done.tail()) or f"{done.end.value}, exit code {done.returncode}"
        raise PotentialError(f"LAMMPS cannot evaluate the potential on the structure: {fault}")
    return done


def data_text(atoms: Atoms, *, species: tuple[str, ...] | None = None) -> str:
    """LAMMPS' data file of a restricted triclinic structure.

    Args:
        atoms: the structure.
        species: elements in the order of LAMMPS' types; where None, by first appearance, as eOn numbers them.
    """
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    types = {symbol: number for number, symbol in enumerate(species or species_of(atoms), start=1)}
    lines = [
        "mlip-kmc",
        "",
        f"{len(atoms)} atoms",
        f"{len(types)} atom types",
        *(
            f"0 {length:.17g} {axis}lo {axis}hi"
            for length, axis in zip(np.diag(cell).tolist(), "xyz", strict=True)
        ),
    ]
    if np.abs(np.tril(cell, -1)).max() > 0.0:
        lines.append(f"{cell[1, 0]:.17g} {cell[2, 0]:.17g} {cell[2, 1]:.17g} xy xz yz")
    inside = atoms.copy()
    inside.wrap()
    rows = zip(atoms.get_chemical_symbols(), inside.positions.tolist(), strict=True)
    lines += [
        "",
        "Atoms",
        "",
        *(
            f"{index} {types[symbol]} {x:.17g} {y:.17g} {z:.17g}"
            for index, (symbol, (x, y, z)) in enumerate(rows, start=1)
        ),
    ]
    return "\n".join(lines) + "\n"
