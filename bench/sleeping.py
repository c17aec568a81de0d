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
from functools import cache
from pathlib import Path

from mlip_kmc.evaluate import client as run
from mlip_kmc.search.outcome_file import from_bytes, to_bytes, with_bytes

RECORDS, SCALE = "SLEEPING_RECORDS", "SLEEPING_SCALE"
_slept = [0.0, 0]
_lock = threading.Lock()


def to_file(records, path):
    """Keep searches that came back."""
    path.write_text(json.dumps([to_bytes(outcome).decode() for outcome in records]))


@cache
def records():
    """The recorded searches."""
    return [from_bytes(text.encode()) for text in json.loads(Path(os.environ[RECORDS]).read_text())]


def recorded(task):
    """What a search came to; it follows from its seed."""
    seed = task.job.files["config.ini"]  # it holds the search's own
    outcome = random.Random(seed).choice(records())  # noqa: S311
    return replace(outcome, name=task.name, kind=task.kind)


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
