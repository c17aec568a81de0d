"""When Python looks for garbage in a process of the command line: seldom while it imports, as ever while it works.

At a start a hundred thousand objects are made that stay. With Python's own measures it looks through them hundreds of times,
and once more when it ends, which together takes a quarter of a start.

    begin()        # first thing
    settle()       # all is imported that a long work needs
    end()          # nothing is left to do

Each does nothing in a process that has not begun so: a program of somebody else's, which calls `main`.
"""

import gc

_WHILE_IMPORTING = 50_000
_usual: tuple[int, int, int] | None = None


def begin() -> None:
    """Look seldom from now on."""
    global _usual  # noqa: PLW0603 - of the process
    _usual = gc.get_threshold()
    gc.set_threshold(_WHILE_IMPORTING, *_usual[1:])


def settle() -> None:
    """Look as often as Python does, and not at what is there now: it stays."""
    if _usual is not None and gc.get_threshold() != _usual:
        gc.freeze()
        gc.set_threshold(*_usual)


def end() -> None:
    """Leave out the last look: what is there goes with the process."""
    if _usual is not None:
        gc.freeze()
