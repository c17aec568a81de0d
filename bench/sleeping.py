"""In place of `workers.task.run_task`: sleeps as long as a recorded search took, and answers with what it brought.

    export SLEEPING_RECORDS=records.json SLEEPING_SCALE=1.0
    sleeping.run_task(task, tag="search-0_17-18")       # which record it is follows from the search's seed

A module of its own, so that a worker finds it by name.
"""

import json
import os
import random
import threading
import time
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from mlip_kmc.evaluate import client as run
from mlip_kmc.model.isometry import isometries
from mlip_kmc.model.structure import from_con, minimum_image
from mlip_kmc.search.outcome_file import from_bytes, to_bytes, with_bytes

RECORDS, SCALE = "SLEEPING_RECORDS", "SLEEPING_SCALE"
SAME_A = 0.05
_slept = [0.0, 0]
_lock, _looking = threading.Lock(), threading.Lock()


def to_file(records, path):
    """Keep searches that came back."""
    path.write_text(json.dumps([to_bytes(outcome).decode() for outcome in records]))


@cache
def records():
    """The recorded searches."""
    return [from_bytes(text.encode()) for text in json.loads(Path(os.environ[RECORDS]).read_text())]


@lru_cache(maxsize=64)
def carried(con):
    """Where the atoms of the searched state are, and what carries the records' state onto it; None: it is that state."""
    here = from_con(con)
    first = next(outcome.found for outcome in records() if outcome.found is not None)
    known = here.copy()
    known.positions = first.reactant_A
    if np.abs(minimum_image(here.positions - known.positions, here.cell.array)).max() < SAME_A:
        return here.positions, None
    operations = isometries(known, here)
    if not operations:
        raise ValueError("the records are of a state that is not like the one that is searched")
    return here.positions, operations[0]


def recorded(task):
    """What a search came to; it follows from its seed. In a state behind a hop it is the image of what it was in the first."""
    seed = task.job.files["config.ini"]  # it holds the search's own
    outcome = random.Random(seed).choice(records())  # noqa: S311
    found = outcome.found
    if found is not None:
        with _looking:  # else all of a new state's first searches look for it at once
            positions, operation = carried(task.reactant_con)
        if operation is not None:
            moved = {
                name: positions + operation.displaced(getattr(found, name) - found.reactant_A)
                for name in ("reactant_A", "saddle_A", "product_A")
            }
            found = replace(found, mode=operation.displaced(found.mode), **moved)
    return replace(outcome, name=task.name, kind=task.kind, found=found)


def run_task(task, *, tag=""):
    """Sleep and answer; a cancellation wakes it."""
    outcome = recorded(task)
    with run.cancellable(tag) as cancelled:
        begun = time.monotonic()
        cancelled.wait(outcome.seconds * float(os.environ[SCALE]))
        took = time.monotonic() - begun
    with _lock:
        _slept[0] += took
        _slept[1] += 1
    if cancelled.is_set():
        return task.without_result(run.End.CANCELLED)
    return with_bytes(replace(outcome, seconds=took))  # as a search does where it runs


def slept():
    """Seconds slept in this process since the last time it was asked, and searches."""
    with _lock:
        found, _slept[:] = tuple(_slept), [0.0, 0]
    return found
