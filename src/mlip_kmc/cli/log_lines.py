"""The log of the package as lines for the user: the one handler that the command line installs.

with printed(display.note):
    EonWrapper(config, run_dir=run_dir).run_akmc(potential, structure)

Every module logs to `logging.getLogger(__name__)`. A warning's line begins with `warning: `, which its level gives it; other
lines are printed as they are.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

LOGGER = "mlip_kmc"


class LineHandler(logging.Handler):
    """Hands each record to a function as one line."""

    def __init__(self, show: Callable[[str], None], *, level: int) -> None:
        super().__init__(level)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record; an error of the terminal is the caller's, as that of `print`."""
        self._show(line_of(record))


def line_of(record: logging.LogRecord) -> str:
    """The record's message; that of a warning or worse begins with `warning: `."""
    message = record.getMessage()
    return f"warning: {message}" if record.levelno >= logging.WARNING else message


@contextlib.contextmanager
def printed(show: Callable[[str], None], *, level: int = logging.INFO) -> Iterator[None]:
    """Inside the block, show what the package logs at a level or above.

    Args:
        show: takes a line.
        level: of `logging`.
    """
    logger, handler = logging.getLogger(LOGGER), LineHandler(show, level=level)
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(min(level, before[0] or level))
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
