"""What holds at short distances: a baseline that is added, and least distances; the formulae are in short_range.py.

near = ShortRange(minimum_A={"Cu-Cu": 1.5}, baseline='{"Cu-Cu": {"kind": "zbl", "inner_A": 0.8, "outer_A": 1.2}}')
near.too_near(structure)                # why the structure must not be evaluated, or nothing
near.add_to(answer, structure)
"""

from json import loads
from typing import Any

import numpy as np

from . import short_range as formulae
from .basics import UNUSABLE, Answer, DriverError, Structure
from .structures import symbols_of


class ShortRange:
    """A baseline and least distances.

    Attributes:
        pairs: of the baseline; empty where there is none.
    """

    def __init__(self, *, minimum_A: dict[str, float], baseline: str) -> None:
        """Read both.

        Args:
            minimum_A: by pair; under an empty name for all pairs.
            baseline: JSON or a file of it; an empty text for none.

        Raises:
            DriverError: the baseline is none.
        """
        self._minimum_A = minimum_A
        self.pairs: dict[str, Any] = _pairs_of(baseline) if baseline else {}

    def too_near(self, structure: Structure) -> str:
        """Which atoms are nearer than they may be, in words; an empty text where none are."""
        symbols, minimum_A = symbols_of(structure.numbers), self._minimum_A
        if "" in minimum_A:
            kinds = sorted(set(symbols))
            minimum_A = {
                f"{one}-{other}": minimum_A[""] for one in kinds for other in kinds if one <= other
            }
        found = formulae.too_near(minimum_A, symbols, *_places(structure))
        if not found:
            return ""
        return f"{found[0]} atoms are {found[1]:.4f} A apart, nearer than {found[2]:g} A"

    def add_to(self, answer: Answer, structure: Structure) -> None:
        """Add the baseline to an answer."""
        if not self.pairs:
            return
        energy, forces = formulae.energy_and_forces(
            self.pairs, symbols_of(structure.numbers), *_places(structure)
        )
        answer.energy += float(energy)
        answer.forces = (np.array(answer.forces).reshape(-1, 3) + forces).ravel().tolist()


def _pairs_of(text: str) -> dict[str, Any]:
    try:
        if not text.lstrip().startswith("{"):
            with open(text, encoding="utf-8") as stream:
                text = stream.read()
        pairs: dict[str, Any] = loads(text)
        for name, pair in pairs.items():
            formulae.energy_and_slope(pair, name, _middle(pair))
    except Exception as error:
        raise DriverError(
            UNUSABLE,
            f"the baseline cannot be used: {type(error).__name__}: {error}; it is JSON, as "
            '{"Cu-Cu": {"kind": "zbl", "inner_A": 0.8, "outer_A": 1.2}}',
        ) from error
    return pairs


def _middle(pair: Any) -> Any:
    return np.array([0.5 * (float(pair["inner_A"]) + float(pair["outer_A"]))])


def _places(structure: Structure) -> tuple[Any, Any]:
    return np.array(structure.positions).reshape(-1, 3), np.array(structure.cell).reshape(3, 3)
