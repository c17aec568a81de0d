"""dask's settings for searches that take seconds to hours, on nodes that may die."""

import logging
from functools import cache


@cache
def configure_dask() -> None:
    """Set them, once in a process: no dashboard, no memory manager, patience with slow nodes and none with dead ones.

    What the user has set for a dask of their own (DASK_... in the environment, ~/.config/dask) is left out.
    """
    import dask
    from distributed.node import ServerNode

    ServerNode.start_http_server = lambda *_, **__: (
        None
    )  # no dashboard: it would listen to the whole network
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    dask.config.refresh(paths=[], env={})
    dask.config.set(
        {
            "distributed.worker.memory.terminate": False,
            "distributed.worker.memory.pause": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.target": False,
            "distributed.admin.tick.limit": "1h",
            "distributed.admin.tick.interval": "1s",  # 50 looks a second, at nothing: a fortieth of a core where all wait
            "distributed.admin.system-monitor.interval": "5s",
            "distributed.admin.low-level-log-length": 16,  # of messages, each an outcome of many kB; nobody looks there
            "distributed.admin.system-monitor.disk": False,
            "distributed.scheduler.allowed-failures": 0,  # it would send all that ran to the first worker that comes back
            "distributed.scheduler.worker-ttl": None,  # see attendance.py
            "distributed.scheduler.work-stealing": False,  # only what can run at once is with dask
            "distributed.worker.profile.enabled": False,
            "distributed.worker.use-file-locking": False,
            "distributed.comm.timeouts.connect": "15s",
            "distributed.comm.timeouts.tcp": "45s",
            "distributed.comm.compression": None,
        }
    )
