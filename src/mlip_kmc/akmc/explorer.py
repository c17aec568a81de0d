"""eOn's explorer with a random stream of its own for every search.

    explorer = OrderedExplorer(states, previous, state, superbasin=None, config=eon_config, seed=1, spool=spool)
    explorer.start("0_17")                    # its options, displacement and direction

Search number k of state s has the name `s_k`; its displacement and seed follow from the run's seed, s and k. So a search
that was in flight at a stop is made again, the same, and the number of workers changes nothing.
"""

import json
import math
from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mlip_kmc.akmc.eon_adapter import Explorer, client_config
from mlip_kmc.akmc.queue import SearchStart, search_of
from mlip_kmc.akmc.stale import KIND, StaleProcesses
from mlip_kmc.ground.errors import RunStateError, SearchesFailedError
from mlip_kmc.ground.files import sealed, unsealed, write_durably
from mlip_kmc.model.kinetics import search_seed
from mlip_kmc.model.structure import attached_in
from mlip_kmc.search.displacing import Displacing
from mlip_kmc.search.eon_displacements import (
    DisplaceError,
    Displacements,
    drawing,
    options_of,
    start_files,
)
from mlip_kmc.search.task import DISPLACED


class OrderedExplorer(Explorer):
    """Makes the searches of one state (or of a superbasin's least known state)."""

    def __init__(
        self,
        states: Any,
        previous_state: Any,
        state: Any,
        *,
        superbasin: Any,
        config: Any,
        seed: int,
        spool: Path,
    ) -> None:
        """Read the state.

        Args:
            states: eOn's list.
            previous_state: where the run came from, for recycling.
            state: to be searched.
            superbasin: that holds it, or None.
            config: eOn's.
            seed: the run's.
            spool: where searches that cannot be made again (recycled saddles) are kept until they are registered.
        """
        self._seed = seed
        self._spool = spool
        super().__init__(states, previous_state, state, superbasin, config=config)
        self.read_stale()

    def read_stale(self) -> None:
        """Take note of the processes of an earlier epoch that wait in the state's folder."""
        self.stale = StaleProcesses.read(Path(self.state.path))

    @property
    def confidence(self) -> float:
        """Of the state, or of the superbasin."""
        return float(
            self.superbasin.get_confidence() if self.superbasin else self.state.get_confidence()
        )

    @property
    def confident(self) -> bool:
        """It is time for a KMC step; no process of an earlier epoch waits for its refresh."""
        return not self.waiting and bool(self.confidence >= self.config.akmc_confidence)

    @property
    def waiting(self) -> int:
        """How many processes of earlier epochs wait for their refresh."""
        return self.stale.waiting(registered=self.registered)

    @property
    def registered(self) -> int:
        """How many searches of the state are registered."""
        return int(self.state.get_total_saddle_count())

    @property
    def still_needed(self) -> int:
        """How many more searches the state will probably take, if they bring nothing new.

        eOn's scheme `old` has the confidence 1 - 1 / r with r repeats in a row. With n processes and s good searches, scheme
        `new` has the confidence C that solves 1 - C = exp(-C s / n): it takes n ln(1 / (1 - C)) / C of them, and `sampling` about
        as many. Bad searches come on top, as many as so far.
        """
        wanted = float(self.config.akmc_confidence)
        good = int(self.state.get_good_saddle_count())
        if self.config.akmc_confidence_scheme == "old":
            missing = 1 / (1 - wanted) - int(self.state.get_repeats())
        else:
            missing = (
                -max(int(self.state.get_unique_saddle_count()), 1) * math.log1p(-wanted) / wanted
                - good
            )
        return self.waiting + math.ceil(max(missing, 1.0) * (self.registered + 2) / (good + 1))

    @property
    def reactant_con(self) -> str:
        """The structure that searches start from, as `.con` text."""
        return str(self.state.reactant_con)

    def at(self, start: SearchStart) -> SearchStart:
        """A search that starts at a known saddle, with the client's options.

        Args:
            start: with the texts of displacement and direction.
        """
        number, index = search_of(start.name)
        seed = search_seed(seed=self._seed, state=number, index=index)
        config_ini = client_config(self.config.config_path, seed=seed)
        return replace(start, files={"config.ini": config_ini, **start.files})

    def start(self, name: str, *, among: Collection[int] | None = None) -> SearchStart:
        """The start of a search by its name, always the same.

        Args:
            name: `state_index`.
            among: atoms at one of which it starts; None: any.

        Raises:
            SearchesFailedError: eOn finds no displacement. RunStateError: a start that was kept is damaged.
        """
        kept = self._spool / f"{name}.job"
        if kept.is_file():
            text = unsealed(kept.read_bytes())
            if text is None:
                raise RunStateError(
                    f"{kept}, which search {name} starts from, is damaged; restore it from a backup, or remove "
                    "it: the search then starts anew, as good, but perhaps elsewhere"
                )
            body = json.loads(text)
            return SearchStart(name, kind=body.pop("type"), files=body)
        number, index = search_of(name)
        seed = search_seed(seed=self._seed, state=number, index=index)
        refresh = self.stale.start(index)
        if refresh is not None:
            return self.at(SearchStart(name, kind=KIND, files=refresh))
        ini = client_config(self.config.config_path, seed=seed)
        try:
            displacements = self._displacements
            if not self.suggests:
                where = Displacing(
                    seed, self._options, among=None if among is None else frozenset(among)
                )
                return SearchStart(
                    name, kind=DISPLACED, files={"config.ini": ini}, displacing=where
                )
            with drawing(seed):
                self.suggest_from(index)
                displacements.aim(among)
                displacement, mode, kind = self.generate_displacement()
        except DisplaceError as error:
            raise SearchesFailedError(
                f"no search can start: {error}; change search.displace or search.max_coordination"
            ) from error
        files = {"config.ini": ini}
        if displacement:
            files |= start_files(displacement, mode, self.reactant)
        if kind != DISPLACED:
            self.states.touched.add(f"states/{self.state.number}")
            write_durably(kept, sealed(json.dumps({"type": kind, **files}).encode()))
        return SearchStart(name, kind=kind, files=files)

    @cached_property
    def _displacements(self) -> Displacements:
        """Of the state; `DisplaceError` where there is no atom that may be displaced."""
        attached = attached_in(self.reactant_con)
        made = Displacements(self.displace, self.reactant, attached=attached)
        made.aim(None)
        return made

    @cached_property
    def _options(self) -> str:
        """eOn's, as they are read where displacements are made."""
        return options_of(self.config)
