"""Outcomes of searches that wait for their turn, in files that survive a kill.

spool = Spool(run / "spool")
spool.keep(outcome)
spool.read("0_17")                # the same outcome, also after a restart; None where there is none, or it is damaged
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from mlip_kmc.evaluate.client import End
from mlip_kmc.ground.files import write_durably
from mlip_kmc.search.outcome import SearchOutcome
from mlip_kmc.search.outcome_file import DamagedOutcomeError, from_bytes, to_bytes

_SPOOLED = re.compile(r"^\d+_\d+\.(json|job)$")
_HALF = re.compile(r"^\..*\.tmp$")
_RESULTS = (End.FINISHED, End.HALTED)
"""What is a search's own result, the same wherever and whenever it runs; nothing else is ever registered."""


class Spool:
    """A folder of outcomes, and of starts that cannot be made again (`explorer.py` writes those).

    Attributes:
        damage: outcomes that could not be used, one line each.
    """

    def __init__(self, folder: Path) -> None:
        """Use a folder that is there."""
        self._folder = folder
        self.damage: list[str] = []

    def keep(self, outcome: SearchOutcome) -> None:
        """Write an outcome durably; one that is no result of the search's own is made again after a stop.

        Raises:
            StorageError: it could not be written.
        """
        if outcome.end in _RESULTS:
            write_durably(self._folder / f"{outcome.name}.json", to_bytes(outcome))

    def read(self, name: str) -> SearchOutcome | None:
        """The outcome of a search, or None where it is to be made (again)."""
        path = self._folder / f"{name}.json"
        if not path.is_file():
            return None
        try:
            outcome = from_bytes(path.read_bytes())
        except (OSError, DamagedOutcomeError):
            self.damage.append(f"the finished search {name} ({path}) was damaged; it is made again")
            return None
        return outcome if outcome is not None and outcome.end in _RESULTS else None

    def forget(self, names: Iterable[str]) -> None:
        """Drop the files of searches."""
        for name in names:
            for suffix in ("json", "job"):
                (self._folder / f"{name}.{suffix}").unlink(missing_ok=True)

    def drop_outcomes(self) -> None:
        """Drop the outcomes, not the starts: the searches are made again by another engine."""
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)

    def keep_only(self, wanted: Callable[[str], bool]) -> None:
        """Drop every file of a search that is not wanted (left over by a stop or a step), and what a kill left half."""
        for path in self._folder.iterdir():
            if _HALF.match(path.name) or (_SPOOLED.match(path.name) and not wanted(path.stem)):
                path.unlink(missing_ok=True)
