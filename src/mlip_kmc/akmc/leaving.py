"""A KMC step out of one of eOn's superbasins: its states and process tables in, one draw out.

    leaving = Leaving()
    way = leaving.draw(basin, entered=state, path=path, rng=rng)
    way.left, way.process, way.time_s, way.path            # the path leads to the state that is left

eOn decides which states make a superbasin. How it is left is drawn here (`mlip_kmc.model.superbasin`):
eOn's own step solves in plain double, draws an exponential time whatever its law is, and tells nothing
of what the atoms did inside.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlip_kmc.ground.errors import RunStateError, SearchesFailedError
from mlip_kmc.model.atom_path import AtomPath
from mlip_kmc.model.clock import NoStepError
from mlip_kmc.model.structure import read_structure
from mlip_kmc.model.superbasin.chain import NoWayOutError
from mlip_kmc.model.superbasin.effects import Effects
from mlip_kmc.model.superbasin.walk import EXPLICIT_HOPS, Basin, draw

Array = npt.NDArray[np.float64]

_REMEMBERED = 4096
"""Processes."""
_FRAME_A = 1e-6
"""A frame that drifts by more than its atoms do is a fault."""


@dataclass(frozen=True)
class WayOut:
    """How a superbasin is left.

    Attributes:
        left: eOn's state that is left. process: that leads out.
        time_s: drawn, from entry to then. mean_time_s: its expectation.
        hops: processes made, the one that leads out included.
        path: where every atom is in the state that is left.
    """

    left: Any
    process: int
    time_s: float
    mean_time_s: float
    hops: float
    path: AtomPath


@dataclass(frozen=True)
class _Process:
    state: int
    number: int
    product: int
    rate_per_s: float


class Leaving:
    """Draws ways out of superbasins; remembers what each process does to the atoms, whose files eOn writes once."""

    def __init__(self, *, explicit_hops: float = EXPLICIT_HOPS) -> None:
        """Up to `explicit_hops` expected hops a walk is made hop by hop."""
        self._explicit_hops = explicit_hops
        self._known: dict[tuple[int, int, int], AtomPath] = {}

    def draw(self, basin: Any, *, entered: Any, path: AtomPath, rng: np.random.Generator) -> WayOut:
        """Draw how a superbasin is left.

        Args:
            basin: eOn's superbasin. Every process that its states know counts, the thermal window notwithstanding: one that is
                rare beside a fast exchange inside may be the only way out.
            entered: eOn's state that the run is in.
            path: where every atom is.
            rng: where all random numbers come from.

        Raises:
            SearchesFailedError: no way out is known, or the rates are beyond what can be computed with.
            NoStepError: they give no residence time.
        """
        numbers = sorted(basin.state_dict)
        place = {number: index for index, number in enumerate(numbers)}
        known = [process for number in numbers for process in _processes(basin.state_dict[number])]
        inside = [process for process in known if process.product in place]
        out = [process for process in known if process.product not in place]
        frames = self._frames(inside, basin.state_dict, root=entered.number, path=path)
        inside = [process for process in inside if process.state in frames]
        model = Basin(
            states=len(numbers),
            start=_indices(place[process.state] for process in inside),
            end=_indices(place[process.product] for process in inside),
            rate_per_s=_rates(inside),
            effects=self._effects(inside, basin.state_dict, frames, atoms=len(path.mapping)),
            exit_start=_indices(place[process.state] for process in out),
            exit_rate_per_s=_rates(out),
        )
        try:
            leave = draw(
                model, entry=place[entered.number], rng=rng, explicit_hops=self._explicit_hops
            )
        except NoWayOutError as error:
            raise SearchesFailedError(
                no_way_out(basin, [numbers[state] for state in error.states])
            ) from error
        except NoStepError:
            raise
        except (ArithmeticError, ValueError) as error:
            raise SearchesFailedError(
                f"no step out of superbasin {basin.id}: {error}; look at the rates of states "
                f"{', '.join(map(str, numbers))} in results/processes.csv"
            ) from error
        chosen = out[leave.exit]
        ambiguous = any(
            self._through(process, basin.state_dict, frames[process.state]).ambiguous
            for process in inside
        )
        way = path.then(_as_path(leave.effect, path)).then(frames[chosen.state])
        return WayOut(
            left=basin.state_dict[chosen.state],
            process=chosen.number,
            time_s=leave.time_s,
            hops=leave.hops,
            mean_time_s=leave.mean_time_s,
            path=replace(way, ambiguous=way.ambiguous or ambiguous),
        )

    def _frames(
        self, inside: list[_Process], states: dict[int, Any], *, root: int, path: AtomPath
    ) -> dict[int, AtomPath]:
        """By state, one way there from the root, along the fewest processes either way; those apart from it are left out."""
        frames = {root: AtomPath.start(path.cell, path.symbols, anchored=path.anchored)}
        queue = deque([root])
        while queue:
            here = queue.popleft()
            for process in inside:
                if process.state == here and process.product not in frames:
                    frames[process.product] = self._through(process, states, frames[here])
                    queue.append(process.product)
        return frames

    def _through(self, process: _Process, states: dict[int, Any], path: AtomPath) -> AtomPath:
        return self.follow(path, states[process.state], process.number, states[process.product])

    def follow(self, path: AtomPath, state: Any, process: int, product: Any) -> AtomPath:
        """The atoms' path through one process of eOn's `state`, where `path` ends, to its state `product`."""
        key = (state.number, process, product.number)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = AtomPath.start(
                path.cell, path.symbols, anchored=path.anchored, turns=path.turns
            ).follow(
                state=self._read(state.reactant_path),
                reactant=self._read(state.proc_reactant_path(process)),
                saddle=self._read(state.proc_saddle_path(process)),
                product=self._read(state.proc_product_path(process)),
                reached=self._read(product.reactant_path),
            )
        return path.then(self._known[key])

    def _read(self, con: str) -> Array:
        return np.asarray(read_structure(Path(con)).positions, dtype=np.float64)

    def _effects(
        self,
        inside: list[_Process],
        states: dict[int, Any],
        frames: dict[int, AtomPath],
        *,
        atoms: int,
    ) -> Effects:
        """What each process does to the atoms, seen from the root: there by its state's frame, and back by its product's."""
        effects = Effects.none(count=len(inside), atoms=atoms)
        for index, process in enumerate(inside):
            loop = self._through(process, states, frames[process.state]).then(
                frames[process.product].back()
            )
            effects.mapping[index], effects.images[index] = loop.mapping, loop.images
            if (
                not np.abs(loop.drift_A - _as_path(effects[index : index + 1], loop).drift_A).max()
                <= _FRAME_A
            ):
                raise RunStateError(
                    f"process {process.number} of state {process.state} moves the frame of all atoms: report "
                    "this with the run directory"
                )
        return effects


def no_way_out(basin: Any, states: Iterable[int]) -> str:
    """What to tell of a superbasin that no known process leads out of."""
    return (
        f"no way out of superbasin {basin.id} is known from its states {', '.join(map(str, states))}: all processes found "
        "lead to others of them; raise search.thermal_window_kT in a new --dir (it counts from a state's lowest barrier, so "
        "a fast exchange hides higher ways out), or displace other atoms"
    )


def _processes(state: Any) -> list[_Process]:
    """All that a state knows, in the order of their numbers."""
    state.load_process_table()
    return [
        _Process(state=state.number, number=number, product=row["product"], rate_per_s=row["rate"])
        for number, row in sorted(state.procs.items())
        if not row["rate"] <= 0
    ]


def _as_path(effect: Effects, path: AtomPath) -> AtomPath:
    """One effect on all atoms; where nothing is fixed the frame moves against them."""
    images = effect.images[0]
    drift = np.zeros(3) if path.anchored else -(images.mean(axis=0) @ path.cell)
    return replace(path, mapping=effect.mapping[0], images=images, drift_A=drift)


def _indices(numbers: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.fromiter(numbers, dtype=np.int64)


def _rates(processes: list[_Process]) -> Array:
    return np.array([process.rate_per_s for process in processes], dtype=np.float64)
