"""What `mlip-kmc report --follow` asks of a run directory: cheap questions, and the note of a page's age.

Example:
    newest(run)              # 17: the newest generation by its name; nothing is read
    age(view)                # its commit's time and number, for the page
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlip_kmc.store.manifest import numbers_in, path_of
from mlip_kmc.store.view import RunView


@dataclass(frozen=True)
class Age:
    """Which commit a page shows.

    Attributes:
        generation: its number. at: its time in UTC, as `2026-11-28T18:50:03+00:00`.
    """

    generation: int
    at: str

    @property
    def shown(self) -> str:
        """The time in words."""
        return self.at.replace("T", " ").replace("+00:00", " UTC")


def newest(run_dir: Path) -> int | None:
    """The number of the newest generation, whole or not; None where there is none."""
    generations = run_dir / "generations"
    return max(numbers_in(generations), default=None) if generations.is_dir() else None


def age(view: RunView) -> Age | None:
    """When the view's generation was committed, by its file; None where retention removed that meanwhile."""
    path = path_of(view.path / "generations", view.generation)
    try:
        at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except OSError:
        return None
    return Age(view.generation, at.isoformat(timespec="seconds"))
