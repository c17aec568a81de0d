"""Labels that are computed here: a few programs at a time, each in a scratch folder of its own.

    for folder, request, label in computed_here(open_labels, oracle=oracle, at_a_time=2, stop=stop): ...

A folder is of one attempt: what an earlier one left behind, whose process was killed, cannot write into it.
"""

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from mlip_kmc.ground import scratch
from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import has_room
from mlip_kmc.learning.labels.faults import Label, LabelError
from mlip_kmc.learning.labels.folder import Collected, LabelFolder, Open, Request
from mlip_kmc.learning.labels.oracle import Oracle

_PROBE_BYTES = 1_000_000
_LOOK_S = 0.2


def computed_here(
    labels: Sequence[Open], *, oracle: Oracle, at_a_time: int, stop: threading.Event
) -> Generator[Collected, None, None]:
    """Compute labels, and give each back when it has ended; close it, and all programs are ended.

    Args:
        labels: what is open.
        oracle: gives them.
        at_a_time: so many programs run at once.
        stop: set it, and they are ended; those labels are not given back.

    Raises:
        ProgramError: the oracle cannot be started. StorageError: the disk is full.
    """
    todo, ended = list(labels), threading.Event()
    running: dict[Future[Label | LabelError | None], tuple[LabelFolder, Request]] = {}
    with ThreadPoolExecutor(at_a_time) as pool:
        try:
            while todo or running:
                if stop.is_set():
                    ended.set()
                    todo = []
                while todo and len(running) < at_a_time:
                    folder, _, request = todo.pop(0)
                    future = pool.submit(_attempt, folder, request, oracle=oracle, ended=ended)
                    running[future] = (folder, request)
                for future in wait(running, _LOOK_S, return_when=FIRST_COMPLETED).done:
                    folder, request = running.pop(future)
                    if (found := future.result()) is not None:
                        yield folder, request, found
        finally:  # by an error, too
            ended.set()


def _attempt(
    folder: LabelFolder, request: Request, *, oracle: Oracle, ended: threading.Event
) -> Label | LabelError | None:
    """One label; None where it was ended."""
    work = scratch.make(f"label-{request.name}"[:60])
    try:
        return oracle.label(request.atoms, folder=work, cancelled=ended)
    except LabelError as error:
        for place in (work, folder.path):
            if not has_room(place, probe_bytes=_PROBE_BYTES):
                raise StorageError(
                    f"{place} has no room for a label; make room and run the same command again"
                ) from error
        folder.keep(work)
        return error
    finally:
        scratch.remove(work)
