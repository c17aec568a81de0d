"""What this program keeps in the folder of one of eOn's states, beside eOn's own files.

    write_note(state, CLASS, {"first": 0})
    notes(states.path, CLASS, lambda raw: Membership(**raw))       # {number of the state: what its folder says}

A note is a JSON file that is committed with its state. One that is damaged is refused: nothing may go on from it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.store.eon_tree import ORBITS

CLASS = "class.json"
"""See `classes.py`."""
EARLY = "early.json"
"""See `early.py`."""
REUSE = "reuse.json"
"""See `reuse.py`."""
SETTLED = "settled.json"
"""See `twins.py`: saddles that were converged further, by process."""
SHARE = "share.json"
"""See `sharing.py`."""
OF_THE_TABLE = (CLASS, EARLY, ORBITS, REUSE, SETTLED, SHARE)
"""What goes with a state's process table."""
Noted = TypeVar("Noted")


def text_of(path: str) -> str:
    """A text that a state's table or folder has.

    Raises:
        RunStateError: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RunStateError(
            f"cannot read {path}, which belongs to a state: {error.strerror}; restore the run directory from a backup"
        ) from error


def note_in(folder: Path, name: str, parse: Callable[[Any], Noted]) -> Noted | None:
    """What a state's folder says; None where it says nothing.

    Args:
        folder: of the state.
        name: of the note.
        parse: makes it of JSON values.

    Raises:
        RunStateError: it is damaged.
    """
    path = folder / name
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise RunStateError(f"{path} is damaged ({error}); restore it from a backup") from error


def notes(states: str, name: str, parse: Callable[[Any], Noted]) -> dict[int, Noted]:
    """What the folders of all states say, by their numbers.

    Args:
        states: the folder that holds theirs.
        name: of the note.
        parse: as of `note_in`.

    Raises:
        RunStateError: one is damaged.
    """
    said = (
        (int(folder.name), note_in(folder, name, parse))
        for folder in Path(states).iterdir()
        if folder.name.isdigit()
    )
    return {number: noted for number, noted in said if noted is not None}


def write_note(state: Any, name: str, body: Any) -> None:
    """Write a note; the store's next commit makes it durable.

    Args:
        state: a `RecordingState`.
        name: of the note.
        body: JSON values.
    """
    (Path(state.path) / name).write_text(json.dumps(body) + "\n", encoding="utf-8")
    state.note()
