"""A run's directory, held by one process at a time.

Example:
    with RunDirectory(path) as directory:
        directory.claim.check()
"""

import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from mlip_kmc.ground.container import binding, unseen_folder
from mlip_kmc.ground.files import make_directory, storage_errors
from mlip_kmc.store.claim import Claim

_SWEPT = ("halts", "results")
"""Folders whose files no generation names."""
_log = logging.getLogger(__name__)


class RunDirectory:
    """A run's directory, used by one process at a time; made for its user alone, who may open it to others."""

    def __init__(self, path: Path) -> None:
        """Take note of the path; `with` takes the claim."""
        self.path = path.absolute()
        self.claim: Claim | None = None

    def __enter__(self) -> Self:
        make_directory(self.path, mode=0o700)
        if unseen_folder(self.path):
            _log.warning(
                "the run directory is the container's own, and gone when it ends: %s",
                binding(self.path),
            )
        claim = Claim(self.path)
        claim.take()
        self.claim = claim
        self._sweep()
        return self

    def _sweep(self) -> None:
        """Remove what kills left half of durable writes."""
        with storage_errors(self.path):
            for folder in _SWEPT:
                for path in (self.path / folder).glob(".*.tmp"):
                    path.unlink(missing_ok=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.claim is not None:
            self.claim.release()
