"""Structures of searches that are worth labelling, written down as searches are registered.

    FrameKeeper(run / "halts").keep(outcome, record)

The same search again writes the same files, so a kill before the commit does no harm.
"""

from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.model.frames import write_kept_frame
from mlip_kmc.model.records import Registered, SearchRecord
from mlip_kmc.search.outcome import SearchOutcome

_MOST_FRAMES = 500
"""In the folder: beyond, only halted searches add some."""


@dataclass(frozen=True)
class FrameKeeper:
    """Keeps frames of halted searches, and of those that found a new process.

    Attributes:
        folder: where they go.
    """

    folder: Path

    def keep(self, outcome: SearchOutcome, record: SearchRecord) -> None:
        """Write the frames of one search.

        Args:
            outcome: that holds them.
            record: what registration made of it.
        """
        if record.outcome == Registered.HALTED or (
            record.outcome == Registered.NEW and self._has_room
        ):
            for frame in outcome.graded.frames:
                write_kept_frame(self.folder, frame)

    @property
    def _has_room(self) -> bool:
        return not self.folder.is_dir() or sum(1 for _ in self.folder.iterdir()) < _MOST_FRAMES
