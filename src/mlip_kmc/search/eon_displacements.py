"""eOn's displacements of a state, and directions, as texts that its client reads.

Nothing but `akmc/eon_adapter.py` imports eOn, too.

displacements_of(pos_con, options).texts(seed=17, among=None)       # displacement.con, direction.dat
"""

import contextlib
import io
import json
import threading
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from types import SimpleNamespace, TracebackType
from typing import Any

import numpy as np

from mlip_kmc.model.structure import attached_in
from mlip_kmc.search.quick_yaml import quick_yaml

with quick_yaml():
    from eon import atoms, displace, fileio

_LEAST_BIAS = 1e-9
"""Below it the sum over the neighbours is rounding: nothing, or a site of full symmetry."""
DisplaceError = displace.DisplaceError
_stream = threading.Lock()
"""Held while eOn draws from numpy's global stream: a process may run searches in several threads."""


@contextlib.contextmanager
def drawing(seed: int) -> Iterator[None]:
    """numpy's global stream, from which eOn draws, begun by a seed and kept from other threads meanwhile."""
    with _stream:
        np.random.seed(seed)  # noqa: NPY002 - see above
        yield


class Displacements:
    """eOn's displacements of one state.

    Attributes:
        manager: eOn's. reactant: eOn's structure of the state.
    """

    def __init__(self, manager: Any, reactant: Any, *, attached: Collection[int]) -> None:
        """Have eOn's helpers displace safely.

        Args:
            manager: eOn's `DisplacementManager`.
            reactant: of it.
            attached: indices of the atoms that have not left the others.
        """
        self.manager, self.reactant = manager, reactant
        self._neighbours = Neighbours()
        with self._neighbours:
            self._displace_safely(attached)

    def texts(self, *, seed: int, among: Collection[int] | None = None) -> dict[str, str]:
        """One of them: `displacement.con` and `direction.dat`.

        Args:
            seed: of it.
            among: as of `aim`.

        Raises:
            DisplaceError: as of `aim`.
        """
        with drawing(seed), self._neighbours:
            self.aim(among)
            displacement, mode = self.manager.make_displacement()
        return start_files(displacement, mode, self.reactant)

    def aim(self, among: Collection[int] | None) -> None:
        """Have displacements start at one of these atoms: at such as they are made at anyway, where there are some among them.

        Args:
            among: indices of free atoms of the reactant; None: all.

        Raises:
            DisplaceError: there is no atom that may be displaced.
        """
        for helper, name in _epicentres(self.manager):
            kept = vars(helper).setdefault("every_epicentre", getattr(helper, name))
            aimed = kept if among is None else [atom for atom in kept if atom in among]
            setattr(helper, name, aimed or sorted(among or ()))

    def _displace_safely(self, attached: Collection[int]) -> None:
        """Make displacements where no atom is near, too; and start from the least coordinated of what is attached to the rest."""
        for helper in vars(self.manager).values():
            if isinstance(helper, displace.Displace):
                helper.get_displacement = partial(_displaced, helper)
        least = getattr(self.manager, "least", None)
        if least is None or len(attached) == len(self.reactant):
            return
        counts = atoms.coordination_numbers(self.reactant, least.coordination_distance)
        free = self.reactant.atom_is_free()
        usable = [atom for atom in attached if free[atom]]
        fewest = min((counts[atom] for atom in usable), default=0)
        found = [atom for atom in usable if counts[atom] == fewest]
        least.leastcoordinated_atoms = (
            least.filter_epicenters(found) if found else least.leastcoordinated_atoms
        )


def options_of(config: Any) -> str:
    """What eOn's displacements read of its configuration, as a text (JSON) that can be sent to workers."""
    asked = ("disp_", "displace_", "comp_", "random_mode", "stdev_", "molecule_list")
    options = {name: value for name, value in vars(config).items() if name.startswith(asked)}
    return json.dumps(options, sort_keys=True)


@lru_cache(maxsize=4)
def displacements_of(pos_con: str, options: str) -> Displacements:
    """Of a state, kept while its searches are made.

    Args:
        pos_con: text of the state.
        options: as of `options_of`.
    """
    reactant = fileio.loadcon(io.StringIO(pos_con))
    manager = displace.DisplacementManager(
        reactant, None, config=SimpleNamespace(**json.loads(options))
    )
    return Displacements(manager, reactant, attached=attached_in(pos_con))


def _epicentres(manager: Any) -> list[tuple[Any, str]]:
    """eOn's helpers that displace about single atoms, and where each keeps them."""
    names = {
        "random": "free_atoms",
        "under": "undercoordinated_atoms",
        "least": "leastcoordinated_atoms",
    }
    found = [(getattr(manager, key, None), name) for key, name in names.items()]
    for helper, _ in found:
        if isinstance(helper, displace.Undercoordinated) and not helper.initialized:
            helper.init()
    return [(helper, name) for helper, name in found if helper is not None]


def _displaced(helper: Any, epicentre: Any) -> Any:
    """As eOn does; without its bias where that has no direction: eOn divides by its norm, and all positions become NaN."""
    kept = helper.void_bias_fraction
    if not _bias(helper, epicentre) > _LEAST_BIAS:
        helper.void_bias_fraction = 0.0
    try:
        return displace.Displace.get_displacement(helper, epicentre)
    finally:
        helper.void_bias_fraction = kept


def _bias(helper: Any, epicentre: Any) -> float:
    """The norm of eOn's bias, in 1/A^2, as `Displace.get_displacement` computes it."""
    brute = helper.config.comp_brute_neighbors
    if helper.neighbors_list is None:
        helper.neighbors_list = atoms.neighbor_list(helper.reactant, helper.radius, brute)
    centres = [int(atom) for atom in np.atleast_1d(epicentre)]
    displaced = {*centres, *(near for atom in centres for near in helper.neighbors_list[atom])}
    vectors = atoms.neighbor_list_vectors(helper.reactant, helper.radius, brute)
    pulls = []
    for atom in displaced:
        ways = np.asarray(vectors[atom], dtype=np.float64).reshape(-1, 3)
        sizes = np.linalg.norm(ways, axis=1) + 1e-6
        pulls.append(-(ways / sizes[:, None] ** 3).sum(axis=0))
    return float(np.linalg.norm(pulls))


class Neighbours:
    """Within a block, `eon.atoms.neighbor_list_vectors` remembers its answers by structure, which nobody changes meanwhile.

    eOn asks for those of the same reactant, all of its atoms, before every search.
    """

    def __init__(self, plain: Callable[..., Any] = atoms.neighbor_list_vectors) -> None:
        """`plain` is eOn's own."""
        self._plain = plain
        self._found: dict[tuple[int, float, bool], tuple[Any, Any]] = {}

    def _vectors(self, structure: Any, cutoff: float, brute: bool = False) -> Any:  # noqa: FBT001, FBT002 - as eOn's
        key = (id(structure), cutoff, brute)
        if key not in self._found:
            self._found[key] = (
                structure,
                self._plain(structure, cutoff, brute),
            )  # with it: its id stays its own
        return self._found[key][1]

    def __enter__(self) -> None:
        atoms.neighbor_list_vectors = self._vectors

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        atoms.neighbor_list_vectors = self._plain


def start_files(displacement: Any, mode: Any, reactant: Any) -> dict[str, str]:
    """`displacement.con` and `direction.dat` of a search, as eOn's client reads them."""
    place, direction = io.StringIO(), io.StringIO()
    fileio.savecon(place, displacement)
    fileio.save_mode(direction, mode, getattr(reactant, "free", None))
    return {"displacement.con": place.getvalue(), "direction.dat": direction.getvalue()}
