"""A client that does as a file tells it, in the place of eOn's: for ends that the real one cannot be made to have on demand."""

import os

from mlip_kmc.evaluate.client import ClientJob
from mlip_kmc.search.task import SearchTask


def orders_to(script, folder, monkeypatch):
    """Put a shell script on PATH as `eonclient`; answer what makes a search of it by name and order.

    The script finds its order in the file `order`, and in `pidfile` where to write its process number.
    """
    programs = folder / "bin"
    programs.mkdir()
    (programs / "eonclient").write_text(script)
    (programs / "eonclient").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def search(name, order):
        return SearchTask(
            ClientJob(
                name=name,
                files={"order": order, "pidfile": str(folder / f"{name}.pid")},
                links={},
                time_limit_s=3600,
                evidence=folder / "evidence" / name,
            )
        )

    return search
