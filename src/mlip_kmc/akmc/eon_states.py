"""States, process tables and superbasins as eOn keeps them, behind what the server asks for (`ports.py`).

states = EonStates(root, pos_con=con, config_ini=ini, seed=1, spool=run / "spool")
place = states.place(0, previous=-1)
place.confidence, place.start("0_17")
"""

import math
from pathlib import Path
from typing import Any

from mlip_kmc.akmc.early import EarlyStops
from mlip_kmc.akmc.eon_adapter import (
    StateList,
    eon_config,
    superbasin_scheme,
    verify,
    without_communicator,
)
from mlip_kmc.akmc.eon_place import EonPlace
from mlip_kmc.akmc.explorer import OrderedExplorer
from mlip_kmc.akmc.kinship import Kinship
from mlip_kmc.akmc.leaving import Leaving
from mlip_kmc.akmc.pool import Pool
from mlip_kmc.akmc.ports import Departure
from mlip_kmc.akmc.reuse import Reuse
from mlip_kmc.akmc.sharing import Sharing
from mlip_kmc.config import ReuseSection, SearchSection, SymmetrySection
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.search.points import CheckRecipe


class EonStates:
    """eOn's states in the store's live tree."""

    def __init__(
        self,
        root: Path,
        *,
        pos_con: str,
        config_ini: str,
        seed: int,
        spool: Path,
        symmetry: SymmetrySection | None = None,
        checks: CheckRecipe | None = None,
        search: SearchSection | None = None,
        reuse: ReuseSection | None = None,
        radius_A: float = 0.0,
        pool: Pool | None = None,
        first_eV: float | None = None,
    ) -> None:
        """Read the tree, or begin it with state 0.

        Args:
            root: eOn's tree: the store's live tree.
            pos_con: structure of state 0.
            config_ini: eOn's options.
            seed: the run's.
            spool: where starts of searches that cannot be made again are kept.
            symmetry: what follows from it; None: nothing.
            checks: what an evaluation must give for that.
            search: whether climbs end early; None: none does.
            reuse: what is carried over a hop; None: nothing.
            radius_A: as far as an atom sees a change, for that.
            pool: where other runs tell what they know; None: nowhere.
            first_eV: energy of state 0, in a run that has not begun; None: it has.

        Raises:
            ProgramError: another eOn than this program was made for. ConfigError: eOn refuses its options.
        """
        verify()
        (root / "pos.con").write_text(pos_con, encoding="utf-8")
        (root / "config.ini").write_text(config_ini, encoding="utf-8")
        self._root, self._seed, self._spool = root, seed, spool
        self._config = eon_config(root)
        without_communicator(self._config)
        self._list = StateList(root, config=self._config)
        self._list.touched.update(("pos.con", "states/state_table"))
        self._superbasins: Any = None
        self._leaving = Leaving()
        self.kinship = Kinship(self._list, symmetry=symmetry, checks=checks, seed=seed)
        self.early = EarlyStops(self._list, search=search, seed=seed)
        lag = 0 if search is None else search.early_stop_lag
        self.reuse = Reuse(self._list, section=reuse, radius_A=radius_A, lag=lag, seed=seed)
        self.sharing = Sharing(
            self._list,
            pool=pool,
            tolerance_A=(symmetry or SymmetrySection()).tolerance_A,
            takes_part=self.kinship.explores,
            first_eV=first_eV,
        )

    def begin(self, *, at_new_temperature: bool = False) -> None:
        """Take up eOn's superbasins; rates of another temperature are replaced first.

        Raises:
            ConfigError: eOn's equilibrium rates were made at the old temperature.
        """
        if at_new_temperature:
            self._at_new_temperature()
        self._superbasins = superbasin_scheme(self._list, config=self._config)

    def place(self, state: int, *, previous: int) -> "EonPlace":
        """The state, or in a superbasin its least known state."""
        here = self._list.get_state(state)
        basin = self._superbasins.get_containing_superbasin(here) if self._superbasins else None
        target = self.kinship.first_of(basin) if basin else here
        self.kinship.meet(target)
        if basin is None and self.kinship.most(target) is None:
            self.reuse.begin(target)
        self.sharing.search(None if basin else target)
        explorer = self._explorer(
            target,
            previous=self._list.get_state(previous) if previous >= 0 else here,
            basin=basin,
        )
        return EonPlace(explorer, here=here, basin=basin, states=self)

    def _explorer(self, target: Any, *, previous: Any, basin: Any) -> OrderedExplorer:
        return OrderedExplorer(
            self._list,
            previous,
            target,
            superbasin=basin,
            config=self._config,
            seed=self._seed,
            spool=self._spool,
        )

    def reached(self, state: int, process: int) -> Any:
        """eOn's state behind a process; eOn makes two objects of it, and from here on there is one."""
        self._list.touched.add(
            "states/state_table"
        )  # a new one counts, whether the step is made or not
        return self._list.get_state(self._list.get_product_state(state, process).number)

    @property
    def leaving(self) -> Leaving:
        """What draws ways out of superbasins, and follows atoms through processes."""
        return self._leaving

    def moved(self, departure: Departure) -> None:
        """eOn counts transitions, which decide what becomes a superbasin; a known state takes up what its class has learnt."""
        self.sharing.leave(self._list.get_state(departure.left))
        self.kinship.catch_up(self._list.get_state(departure.product))
        self.reuse.reached(departure)
        self._list.touched.add("states/state_table")
        if self._superbasins:
            left, reached = map(self._list.get_state, (departure.left, departure.product))
            self._superbasins.register_transition(left, reached)
            self._superbasins.write_data()
            self._list.touched.update(
                ("superbasins", f"states/{departure.left}", f"states/{departure.product}")
            )

    @property
    def count(self) -> int:
        """How many are known."""
        return int(self._list.get_num_states())

    def written(self) -> set[str]:
        """Write the states' tables and info files; answer what may have changed."""
        self._list.flush()
        return set(self._list.touched)

    def committed(self) -> None:
        """All of it is safe: what this run knows may be told."""
        self._list.touched.clear()
        self.sharing.exchange()

    def _at_new_temperature(self) -> None:
        """New rates for every known process, and confidence from zero.

        Repeats were counted for the processes within the old temperature's thermal window.
        """
        if self._config.akmc_eq_rate > 0:
            raise ConfigError(
                "temperature_K cannot change in a run with eon.AKMC.equilibrium_rate; choose another --dir"
            )
        for folder in (self._root / "states").iterdir():
            if folder.name.isdigit():
                state = self._list.get_state(int(folder.name))
                state.load_process_table()
                for process in state.procs.values():
                    process["rate"] = process["prefactor"] * math.exp(
                        -process["barrier"] / self._list.kT
                    )
                state.save_process_table()
                state.forget_counts()
                self.reuse.drop(state)
                self.sharing.forget(state)
