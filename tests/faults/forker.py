"""Imports the program once and forks it for each command: a start but for the seconds that Python takes to import it.

One command at a time: a line of JSON comes in, the process number goes out, a line lets it go, its exit code goes out.
With `--impatient`, a run that waits for room on a full disk looks often.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import pkgutil
import sys
import traceback

import dask
import distributed  # noqa: F401 - its configuration is read

import mlip_kmc.akmc.server
import mlip_kmc.akmc.wrapper
import mlip_kmc.cli.display
import mlip_kmc.store.room
from mlip_kmc.cli import main

if "--impatient" in sys.argv:
    mlip_kmc.store.room._POLL_S = 0.2

_PR_SET_PTRACER = 0x59616D61  # who may trace it where only ancestors may


def command(request, gate):
    """In the fork: wait until it is let go, be the command, and end as Python would end."""
    code = 70
    try:
        os.setsid()
        for name, kind in request["enter"]:
            os.setns(os.open(name, os.O_RDONLY), kind)
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(2**64 - 1), 0, 0, 0)
        for descriptor, name in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(request["cwd"])
        os.environ.update(request["environment"])
        os.read(gate, 1)
        main(request["arguments"])
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - this process ends here, whatever comes
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


def import_all():
    """What commands import when they come to need it: eOn's server, dask's pages, all of the program."""
    names = [
        *dask.config.get("distributed.scheduler.http.routes"),
        *dask.config.get("distributed.worker.http.routes"),
        "distributed.diagnostics.websocket",
        "tornado.platform.asyncio",
        *(module.name for module in pkgutil.walk_packages(mlip_kmc.__path__, "mlip_kmc.")),
    ]
    logging.disable(logging.INFO)  # dask's proxy advises a package
    for name in names:
        if name != "mlip_kmc.__main__":
            importlib.import_module(name)
    logging.disable(logging.NOTSET)


def serve():
    import_all()
    gc.collect()
    gc.freeze()  # no fork touches, and so copies, what was imported
    for line in sys.stdin:
        gate, opens = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(opens)
            command(json.loads(line), gate)
        os.close(gate)
        print(child, flush=True)
        sys.stdin.readline()
        with contextlib.suppress(BrokenPipeError):  # it was killed while it waited
            os.write(opens, b"x")
        os.close(opens)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
