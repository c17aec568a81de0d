"""A state that the run will probably come to, made now, in a copy of what it rests on: eOn's own tables do not know of it.

    copied = CopiedStates(states, symmetry=symmetry, checks=checks, seed=1)
    place = copied.beyond(3, process=17)        # the place behind a process of state 3, or None where nothing can be done there

eOn makes the new state, in a folder of its own that has copies of the folders it needs. So its structure, its table with the way
back, and the starts of its searches are what they will be, to the last bit, if the run makes that step next. What is learnt there
is thrown away with the folder; only outcomes of tasks stay (`foresight.py`).
"""

import copy
import shutil
from pathlib import Path
from typing import Any

from mlip_kmc.akmc.eon_adapter import StateList, without_communicator
from mlip_kmc.akmc.eon_place import EonPlace
from mlip_kmc.akmc.eon_states import EonStates
from mlip_kmc.akmc.kinship import Kinship
from mlip_kmc.akmc.reuse import Reuse
from mlip_kmc.akmc.sharing import Sharing
from mlip_kmc.config import SymmetrySection
from mlip_kmc.ground.files import make_directory
from mlip_kmc.ground.scratch import make, remove
from mlip_kmc.search.points import CheckRecipe


class _CopiedList(StateList):
    """eOn's list of states in another folder; a state's folder is copied when it is first asked for."""

    def __init__(self, real: StateList, root: Path, *, config: Any) -> None:
        """Copy the table of states, and state 0."""
        self._real = Path(real.path)
        folder = make_directory(root / "states")
        shutil.copytree(self._real / "0", folder / "0")
        table = self._real / "state_table"
        if table.is_file():
            shutil.copyfile(table, folder / "state_table")
        super().__init__(root, config=config)
        self.minima = real.minima

    def get_state(self, state_number: int) -> Any:
        """As eOn does."""
        folder, real = Path(self.path) / str(state_number), self._real / str(state_number)
        if not folder.is_dir() and real.is_dir():
            shutil.copytree(real, folder)
        return super().get_state(state_number)


class CopiedStates(EonStates):
    """Makes what a place needs; one state at a time."""

    def __init__(
        self,
        real: EonStates,
        *,
        symmetry: SymmetrySection,
        checks: CheckRecipe,
        seed: int,
    ) -> None:
        """Nothing is copied yet.

        Args:
            real: the run's.
            symmetry: of the run.
            checks: of the run.
            seed: the run's.
        """
        self._real, self._seed = real, seed
        self._folder: Path | None = None
        self._symmetry = symmetry.model_copy(update={"classes": False, "share": None})
        self._checks = checks
        self._config = copy.copy(real._config)  # noqa: SLF001 - another of its kind
        without_communicator(self._config)
        self._superbasins: Any = None
        self._leaving = real.leaving

    def beyond(self, number: int, *, process: int) -> EonPlace | None:
        """The place behind a process that was never made; None where it leads to a known state, or to one of a known class.

        Args:
            number: of the state that the run is in.
            process: of its table.
        """
        root = self._emptied()
        self._spool = make_directory(root / "spool")
        real: StateList = self._real._list  # noqa: SLF001 - another of its kind
        real.flush()
        real.know_minima()  # or the copy would need every state's folder
        self._list = _CopiedList(real, root, config=self._config)
        state = self._list.get_state(number)
        if state.get_process(process)["product"] != -1:
            return None
        reached = self._list.get_product_state(number, process)
        if reached.number != real.get_num_states() or self._real.kinship.would_look(reached):
            return None
        self.kinship = Kinship(
            self._list, symmetry=self._symmetry, checks=self._checks, seed=self._seed
        )
        self.early = self._real.early.apart()
        self.reuse = Reuse(self._list, section=None, radius_A=0.0, lag=0, seed=self._seed)
        self.sharing = Sharing(
            self._list, pool=None, tolerance_A=0.0, takes_part=self.kinship.explores
        )
        here = self._list.get_state(reached.number)
        return EonPlace(
            self._explorer(here, previous=state, basin=None), here=here, basin=None, states=self
        )

    def _emptied(self) -> Path:
        """A scratch folder, in which eOn's list is to be."""
        self.close()
        self._folder = make("ahead")
        self._config.path_states = str(self._folder / "states")
        return self._folder

    def close(self) -> None:
        """Remove what is in the scratch directory."""
        if self._folder is not None:
            remove(self._folder)
            self._folder = None
