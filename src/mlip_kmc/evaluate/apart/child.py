"""A child process that runs tasks: `process.py` starts it, by this module's name, with a socket as its standard input.

    python3 -P -m mlip_kmc.evaluate.apart.child FOLDER

It ends when the other side of the socket is closed, however that came. Potentials stay loaded from task to task.
"""

import os
import pickle
import queue
import signal
import socket
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from mlip_kmc.evaluate.apart.wire import Kind, receive, send
from mlip_kmc.evaluate.client import cancel_jobs
from mlip_kmc.evaluate.logbook import LAST_CALL, Logbook
from mlip_kmc.evaluate.warm import note_calls
from mlip_kmc.ground.scratch import remove_own_folders


def main(folder: Path) -> None:
    """Run tasks, one after the other, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    connection = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())  # programs that a task starts read nothing of it
    tempfile.tempdir = str(folder)  # goes with the folder, also after a kill
    note_calls(Logbook(folder / LAST_CALL))
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    send(connection, Kind.READY)
    while True:
        kind, body = _ran(tasks.get())
        send(connection, kind, body)


def _listen(connection: socket.socket, tasks: "queue.SimpleQueue[bytes]") -> None:
    """Take what the other side says; the process ends with it."""
    try:
        while True:
            kind, body = receive(connection)
            if kind is Kind.RUN:
                tasks.put(body)
            elif kind is Kind.CANCEL:
                cancel_jobs([body.decode()])
    except OSError:
        remove_own_folders()
    finally:
        os._exit(0)  # a task that still runs has nobody who waits for it


def _ran(body: bytes) -> tuple[Kind, bytes]:
    try:
        tag, task = pickle.loads(body)  # noqa: S301 - from the process that started this one, by a socket pair
        return Kind.DONE, pickle.dumps(task.run(tag=tag))
    except Exception:  # noqa: BLE001 - whatever it is: the other side tells it
        return Kind.FAILED, traceback.format_exc().encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
