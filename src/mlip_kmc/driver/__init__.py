"""The persistent driver: a potential kept loaded behind a Unix socket, for eOn's `ext_pot`.

    with served(potential, workers=2, limits={"halts": str(run / "halts")}) as driven:
        driven.job_links()                  # {'ext_pot': ...}: what a search directory needs

`server.py` listens and evaluates, in a process of its own; `process.py` starts it again when it dies; `runtime.py` joins
them to a run. What goes over the socket is in `standalone/protocol.py`; `standalone/client.py` is the client.
"""

from mlip_kmc.driver.process import ServerProcess
from mlip_kmc.driver.runtime import served
from mlip_kmc.driver.server import serve

__all__ = ["ServerProcess", "serve", "served"]
