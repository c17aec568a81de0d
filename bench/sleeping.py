"""In place of `searches.run.run_job`: sleeps as long as a recorded search took, and answers with what it brought.

    export SLEEPING_RECORDS=records.json SLEEPING_SCALE=1.0
    sleeping.run_job(job, tag="search-0_17-18")         # which record it is follows from the job's name and its seed

A module of its own, so that a worker finds it by name.
"""

import json
import os
import random
import threading
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path

from mlip_kmc.search import client as run
from mlip_kmc.search.client import ClientDone, End
from mlip_kmc.search.watch import Graded

RECORDS, SCALE = "SLEEPING_RECORDS", "SLEEPING_SCALE"
_slept = [0.0, 0]
_lock = threading.Lock()


def to_file(records, path):
    """Keep searches that came back; no JSON knows more of them than `asdict`."""
    path.write_text(json.dumps([asdict(done) for done in records]))


@cache
def records():
    """The recorded searches."""
    bodies = json.loads(Path(os.environ[RECORDS]).read_text())
    return [
        ClientDone(
            **{
                **body,
                "end": End(body["end"]),
                "graded": Graded(**{**body["graded"], "frames": tuple(body["graded"]["frames"])}),
            }
        )
        for body in bodies
    ]


def run_job(job, *, tag=""):
    """Sleep and answer; a cancellation wakes it."""
    done = random.Random(f"{job.files['config.ini']}").choice(records())  # noqa: S311 - it holds the search's own seed
    with run.cancellable(tag) as cancelled:
        begun = time.monotonic()
        cancelled.wait(done.seconds * float(os.environ[SCALE]))
        took = time.monotonic() - begun
    with _lock:
        _slept[0] += took
        _slept[1] += 1
    return ClientDone(
        name=job.name,
        end=done.end,
        files=done.files,
        message=done.message,
        seconds=took,
        graded=done.graded,
    )


def slept():
    """Seconds slept in this process since the last time it was asked, and searches."""
    with _lock:
        found, _slept[:] = tuple(_slept), [0.0, 0]
    return found
