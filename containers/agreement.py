"""Do the image's three ways to the same ACE potential agree? Its %test asks.

    python3 agreement.py [FOLDER with cu.yace and vacancy.xyz]

Energy and forces of the rattled example, from `eonclient` (through liblammps), from `lmp`, and from python-ace, must
agree to 1e-8 eV and 1e-8 eV/A: otherwise the parts were built from evaluators that differ.
"""

import os
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path

import ase.io
import numpy as np
import readcon
from pyace import PyACECalculator

from mlip_kmc.ground.programs.cpu import check_cpu
from mlip_kmc.model.structure import to_con

TOLERANCE = 1e-8  # eV, eV/A
TIME_LIMIT_S = 120
PAIR = "pair_style pace product\npair_coeff * * potential.yace Cu\n"

# a minimization that is content with any force ends at its start, and leaves energy and forces in min.con
EON = """\
[Main]
job = minimization
write_con_forces = true
[Potential]
potential = lammps
[Optimizer]
converged_force = 1e6
"""
LAMMPS = f"""\
units metal
atom_style atomic
atom_modify map array sort 0 0
read_data data.lmp
mass * 63.546
{PAIR}
thermo_modify norm no
dump forces all custom 1 forces.txt fx fy fz
dump_modify forces sort id format float %.17g
run 0
print "$(pe:%.17g)" file energy.txt
"""


class DisagreementError(Exception):
    """One line: what is wrong."""


def run(command, folder):
    """Run in `folder`, under the time limit."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except OSError as error:
        raise DisagreementError(f"cannot start {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise DisagreementError(f"{command[0]} did not end within {TIME_LIMIT_S} s") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise DisagreementError(f"{command[0]} ended with {done.returncode}: {last}")


def with_eon(atoms, folder):
    (folder / "config.ini").write_text(EON, encoding="utf-8")
    (folder / "in.lammps").write_text(PAIR, encoding="utf-8")
    (folder / "pos.con").write_text(to_con(atoms), encoding="utf-8")
    run(["eonclient"], folder)
    frame = readcon.read_con(str(folder / "min.con"))[-1]
    if frame.energy is None or not frame.has_forces:
        raise DisagreementError("eonclient wrote a min.con without energy and forces")
    entries = sorted(frame.atoms, key=lambda entry: entry.atom_id)
    moved = abs(
        np.array([[entry.x, entry.y, entry.z] for entry in entries]) - atoms.positions
    ).max()
    if moved > 1e-12:
        raise DisagreementError(
            f"eonclient moved atoms by {moved:.1e} A where it should only have evaluated"
        )
    return frame.energy, np.array([[entry.fx, entry.fy, entry.fz] for entry in entries])


def with_lammps(atoms, folder):
    lengths = atoms.cell.lengths()
    lines = ["rattled example", "", f"{len(atoms)} atoms", "1 atom types"]
    lines += [
        f"0 {length:.17g} {axis}lo {axis}hi" for length, axis in zip(lengths, "xyz", strict=True)
    ]
    lines += ["", "Atoms", ""]
    lines += [
        f"{index} 1 {x:.17g} {y:.17g} {z:.17g}"
        for index, (x, y, z) in enumerate(atoms.positions, start=1)
    ]
    (folder / "data.lmp").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "in.point").write_text(LAMMPS, encoding="utf-8")
    run(["lmp", "-in", "in.point", "-log", "none", "-nocite"], folder)
    return float((folder / "energy.txt").read_text(encoding="utf-8")), np.loadtxt(
        folder / "forces.txt", skiprows=9
    )


def with_python_ace(atoms, folder):
    calculated = atoms.copy()
    calculated.calc = PyACECalculator(str(folder / "potential.yace"))
    return float(calculated.get_potential_energy()), calculated.get_forces()


def main(example):
    atoms = ase.io.read(example / "vacancy.xyz")
    atoms.positions += np.random.default_rng(107).normal(0.0, 0.05, (len(atoms), 3))
    atoms.wrap()  # eOn wraps what it writes
    os.environ["OMP_NUM_THREADS"] = "1"
    found = {}
    for name, evaluate in (
        ("eonclient", with_eon),
        ("lmp", with_lammps),
        ("python-ace", with_python_ace),
    ):
        with tempfile.TemporaryDirectory(prefix="agreement-") as name_of_folder:
            folder = Path(name_of_folder)
            (folder / "potential.yace").symlink_to(example / "cu.yace")
            found[name] = evaluate(atoms, folder)
            if (
                found[name][1].shape != atoms.positions.shape
                or not np.isfinite(found[name][1]).all()
            ):
                raise DisagreementError(
                    f"{name} gave forces of shape {found[name][1].shape}, or not finite"
                )
    largest = abs(found["python-ace"][1]).max()
    print(
        f"{len(atoms)} atoms, energy {found['python-ace'][0]:.9f} eV, largest force component {largest:.3f} eV/A"
    )
    print(f"{'':24} {'energy (eV)':>12} {'force (eV/A)':>12}")
    worst = 0.0
    for one, other in combinations(found, 2):
        energy = abs(found[one][0] - found[other][0])
        force = abs(found[one][1] - found[other][1]).max()
        worst = max(worst, energy, force)
        print(f"{one + ' - ' + other:24} {energy:12.1e} {force:12.1e}")
    if largest < 0.1:
        raise DisagreementError(
            f"the largest force is only {largest:.1e} eV/A: the test would see nothing"
        )
    if worst > TOLERANCE:
        raise DisagreementError(
            f"the programs differ by {worst:.1e}, more than {TOLERANCE:.0e}: do not use this image"
        )
    print(f"agreement within {TOLERANCE:.0e}")


if __name__ == "__main__":
    try:
        check_cpu()
        main(Path(sys.argv[1] if len(sys.argv) > 1 else f"{sys.prefix}/share/cu-vacancy").resolve())
    except Exception as error:  # noqa: BLE001 - one clear line, whatever it was
        sys.exit(f"agreement: {error or type(error).__name__}")
