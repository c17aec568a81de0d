"""Processes of a state that an earlier potential found: they wait, in the state's folder, for the searches that refresh them.

    stale = StaleProcesses.read(root / "states" / "3")
    stale.processes[0].barrier_eV, stale.waiting(registered=160)
    stale.start(161)                       # texts of a search that starts at an old saddle, along its old mode; None for others

After a refit a state's process table is empty, and its next searches, one a process, start at the old saddles: eOn's client
climbs from there in a few force calls, relaxes both sides, and says whether the process is still there. They are registered in
order like all others, so a kill, the number of workers and remote nodes mean to them what they mean to any search.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.model.records import Stale

FOLDER = "stale"
KIND = "refresh"
"""Of a search that starts at the saddle of an earlier epoch."""
_TABLE = "processes.json"


@dataclass(frozen=True)
class StaleProcess:
    """One of them.

    Attributes:
        known: what the earlier epoch knew of it.
        saddle_con: `.con` text of its saddle. mode_dat: text of its mode.
    """

    known: Stale
    saddle_con: str
    mode_dat: str


@dataclass(frozen=True)
class StaleProcesses:
    """Those of one state, in the order in which they are refreshed.

    Attributes:
        first: index of the search that refreshes the first of them.
        processes: see `StaleProcess`.
    """

    first: int = 0
    processes: tuple[StaleProcess, ...] = ()

    @classmethod
    def read(cls, state: Path) -> Self:
        """Those in a state's folder; none where it has none.

        Raises:
            RunStateError: they are damaged.
        """
        folder = state / FOLDER
        try:
            raw = json.loads((folder / _TABLE).read_text(encoding="utf-8"))
            return cls(
                first=int(raw["first"]),
                processes=tuple(
                    StaleProcess(
                        known=Stale(**entry),
                        saddle_con=(folder / f"saddle_{index}.con").read_text(encoding="utf-8"),
                        mode_dat=(folder / f"mode_{index}.dat").read_text(encoding="utf-8"),
                    )
                    for index, entry in enumerate(raw["processes"])
                ),
            )
        except FileNotFoundError as error:
            if not folder.is_dir():
                return cls()
            raise _damaged(folder, error) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(folder, error) from error

    def write(self, state: Path) -> None:
        """Write them into a state's folder; the store's next commit makes them durable."""
        folder = state / FOLDER
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for index, process in enumerate(self.processes):
            (folder / f"saddle_{index}.con").write_text(process.saddle_con, encoding="utf-8")
            (folder / f"mode_{index}.dat").write_text(process.mode_dat, encoding="utf-8")
        table = {"first": self.first, "processes": [asdict(one.known) for one in self.processes]}
        (folder / _TABLE).write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")

    def write_over(self, state: Path) -> None:
        """Write them where others waited; nothing where none did."""
        if (state / FOLDER).is_dir():
            self.write(state)

    def of(self, index: int) -> StaleProcess | None:
        """The process that the state's search of this number refreshes; None where it is another search."""
        place = index - self.first
        return self.processes[place] if 0 <= place < len(self.processes) else None

    def waiting(self, *, registered: int) -> int:
        """How many still wait, once so many searches of the state are registered."""
        return len(self.after(registered=registered))

    def after(self, *, registered: int) -> Sequence[StaleProcess]:
        """Those that still wait."""
        return self.processes[max(registered - self.first, 0) :]

    def start(self, index: int) -> Mapping[str, str] | None:
        """`displacement.con` and `direction.dat` of the search of this number; None where it refreshes nothing."""
        process = self.of(index)
        if process is None:
            return None
        return {"displacement.con": process.saddle_con, "direction.dat": process.mode_dat}


def _damaged(folder: Path, error: Exception) -> RunStateError:
    return RunStateError(
        f"the processes that wait for a refresh in {folder} are damaged ({error}); restore the run directory from a backup"
    )
