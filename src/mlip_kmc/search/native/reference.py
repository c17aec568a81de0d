"""A state at rest in the whole cell: what searches in a region of it take for granted of all other atoms.

reference = references_of(evaluator).of(state, con, calls, settings)      # made once a state, and kept with the evaluator
reference.atoms, reference.energy_eV, reference.forces
"""

import hashlib
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from ase import Atoms

from mlip_kmc.evaluate.agreement import free_atoms
from mlip_kmc.evaluate.warm import WarmEvaluator
from mlip_kmc.search.native.hessian_model import HessianModel
from mlip_kmc.search.native.landscape import Array, Forces, Landscape, Point
from mlip_kmc.search.native.minimise import MinimiseEnd, minimise
from mlip_kmc.search.native.springs import SpringMetric
from mlip_kmc.search.native.start import Settings
from mlip_kmc.search.native.walker import Ground

_of_evaluators: "WeakKeyDictionary[WarmEvaluator, References]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Reference:
    """A state at rest.

    Attributes:
        atoms: with its constraints. energy_eV: of them. forces: (N, 3) eV/A, fixed atoms' included.
        calls: that it took.
    """

    atoms: Atoms
    energy_eV: float
    forces: Array
    calls: int

    @classmethod
    def of(cls, state: Atoms, forces: Forces, settings: Settings) -> "Reference | None":
        """The state as it is; where forces are left in it, as behind a hop that was found in a region, relaxed.

        Args:
            state: of which searches start.
            forces: of the whole.
            settings: of the searches.

        Returns:
            None where it does not come to rest.
        """
        landscape = Landscape(
            forces, np.asarray(state.positions, dtype=np.float64), free_atoms(state)
        )
        point = landscape.point(landscape.place_of(landscape.frame_A))
        if not point.force_eV_per_A <= settings.minimum_force_eV_per_A:
            found = _relaxed(state, landscape, point, settings)
            if found is None:
                return None
            point = found
        atoms = state.copy()
        atoms.positions = landscape.positions_of(point.place)
        return cls(atoms, point.energy_eV, point.forces, landscape.calls)


def _relaxed(state: Atoms, landscape: Landscape, point: Point, settings: Settings) -> Point | None:
    """Down to rest; springs are about the atom that is pulled most, whichever search asks."""
    pulled = np.linalg.norm(landscape.vectors_of(point.gradient), axis=1)
    metric = SpringMetric.of(
        landscape.frame_A,
        cell=np.asarray(state.cell.array, dtype=np.float64),
        free=landscape.free,
        centre=int(np.argmax(pulled)),
    )
    ground = Ground.of(landscape, metric)
    found = minimise(
        ground,
        point,
        model=HessianModel.empty(len(point.place), curvature=ground.stiffness(point)),
        force_eV_per_A=settings.minimum_force_eV_per_A,
        steps=settings.minimum_steps,
    )
    return None if found.end is MinimiseEnd.STEPS else found.point


def references_of(evaluator: WarmEvaluator) -> "References":
    """Those that an evaluator has made."""
    return _of_evaluators.setdefault(evaluator, References())


class References:
    """Those that an evaluator has made, the last few."""

    _MOST = 3

    def __init__(self) -> None:
        """None yet."""
        self._kept: dict[tuple[str, float], Reference] = {}
        self.calls = 0

    def of(self, state: Atoms, con: str, forces: Forces, settings: Settings) -> Reference | None:
        """As of `Reference`; one that is known is not made again.

        Args:
            state: that searches start from.
            con: its text.
            forces: of the whole.
            settings: of the searches.
        """
        key = (hashlib.sha256(con.encode()).hexdigest(), settings.minimum_force_eV_per_A)
        if key not in self._kept:
            found = Reference.of(state, forces, settings)
            if found is None:
                return None
            self.calls += found.calls
            self._kept[key] = found
            for old in list(self._kept)[: -self._MOST]:
                del self._kept[old]
        return self._kept[key]
