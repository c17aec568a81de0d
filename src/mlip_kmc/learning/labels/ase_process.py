"""A label by an ASE calculator, in a process of its own: a calculator that hangs, dies or fills the memory takes nobody with it.

    python3 -m mlip_kmc.learning.labels.ase_process settings.json input.xyz output.xyz

`settings.json` is `{"ase": "module:Class", "kwargs": {...}, "energy_key": "energy"}`. What goes wrong is left in `fault.json`
beside the output, as `{"kind": ..., "message": ...}` with a kind of `LabelFault`; the exit code is then 1.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ase import Atoms

from mlip_kmc.ground.errors import first_line
from mlip_kmc.ground.files import write_durably
from mlip_kmc.learning.labels.faults import LabelError, LabelFault, as_label
from mlip_kmc.model.structure import extended_xyz, read_frames

FAULT = "fault.json"
_NOT_CONVERGED = {"SCFError", "ConvergenceError", "KohnShamConvergenceError"}
"""Names of the classes by which ASE and its calculators say that an SCF did not converge."""


def main(arguments: list[str]) -> int:
    """Label one structure; 0 when the output is there."""
    settings, given, output = map(Path, arguments)
    try:
        text = _labelled(json.loads(settings.read_text(encoding="utf-8")), given)
    except LabelError as error:
        told = {"kind": str(error.kind), "message": str(error)}
        write_durably(output.parent / FAULT, json.dumps(told).encode())
        return 1
    write_durably(output, text.encode())
    return 0


def _labelled(settings: dict[str, Any], given: Path) -> str:
    atoms = read_frames(given)[0]
    asked = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    probe = asked.copy()
    try:
        probe.calc = _calculator(settings)
        free = settings["energy_key"] == "free_energy"
        energy = probe.get_potential_energy(force_consistent=free)
        forces = probe.get_forces()
    except Exception as error:
        raise LabelError(
            _kind_of(error), f"{settings['ase']}: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not all(_says(probe.calc)):
        raise LabelError(
            LabelFault.NOT_CONVERGED, f"{settings['ase']} says that it did not converge"
        )
    energy_eV, table = as_label(energy, forces, atoms=len(asked))
    # as the calculator left it: whoever reads this compares the places
    return extended_xyz(
        probe, keys={settings["energy_key"]: repr(energy_eV)}, columns={"forces": table}
    )


def _calculator(settings: dict[str, Any]) -> Any:
    module, _, kind = settings["ase"].partition(":")
    return getattr(import_module(module), kind)(**settings["kwargs"])


def _kind_of(error: Exception) -> LabelFault:
    names = {kind.__name__ for kind in type(error).__mro__}
    return LabelFault.NOT_CONVERGED if names & _NOT_CONVERGED else LabelFault.CRASHED


def _says(calculator: Any) -> Iterator[bool]:
    """Whether a calculator says that it converged, wherever it says it; None and silence are no answer."""
    said = getattr(calculator, "results", {}).get("converged")
    yield said is None or bool(said)
    for holder in (calculator, getattr(calculator, "scf", None)):
        said = getattr(holder, "converged", None)
        with suppress(TypeError):  # a method that wants arguments says nothing
            said = said() if callable(said) else said
            yield said is None or bool(said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
