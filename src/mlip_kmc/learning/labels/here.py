"""Labels that are computed here: a few programs at a time, each in a folder of its own beside its request.

    with closing(computed_here(open_labels, oracle=oracle, at_a_time=2, stop=stop)) as found:
        for folder, request, label in found: ...

A folder is of one attempt: what an earlier one left behind, whose process was killed, cannot write into it.
"""

import shutil
import tempfile
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from mlip_kmc.ground.errors import StorageError
from mlip_kmc.ground.files import has_room, storage_errors
from mlip_kmc.learning.labels.faults import Label, LabelError
from mlip_kmc.learning.labels.folder import WORK, Collected, LabelFolder, Open, Request
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
    for old in folder.path.glob(f"{WORK}*"):  # of a process that was killed
        shutil.rmtree(old, ignore_errors=True)
    with storage_errors(folder.path):
        work = Path(tempfile.mkdtemp(prefix=WORK, dir=folder.path))
    try:
        return oracle.label(request.atoms, folder=work, cancelled=ended)
    except LabelError as error:
        if not has_room(folder.path, probe_bytes=_PROBE_BYTES):
            raise StorageError(
                f"{folder.path} has no room for a label; make room and run the same command again"
            ) from error
        folder.keep(work)
        return error
    finally:
        shutil.rmtree(work, ignore_errors=True)
