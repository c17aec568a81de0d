"""eOn's own aKMC server with its Local communicator, its evaluations counted at the potential: the peer of `bench/events.py`.

    visits = Peer(folder, setup, seed=1).run(steps=3)         # [Visit(state=0, calls=41230, searches=152), ...]

Displacement, caps and tolerances are those of the configuration that it is given, or eOn's defaults. LAMMPS itself writes a
line for each evaluation, rotations of the dimer, minimisations and searches that nobody waits for included; the count is read
when a KMC step appears in `dynamics.txt`, ten times a second.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from throughput import client

PERIOD_S = 0.1
COUNTS = "calls.txt"
OURS = ("Saddle Search", "Optimizer", "Structure Comparison", "Process Search", "Recycling")
"""Sections without which eOn's own defaults hold; its default for prefactors fails, so that section stays."""


@dataclass(frozen=True)
class Visit:
    """From one KMC step to the next.

    Attributes:
        state: that was left. calls: evaluations. seconds: of wall time.
        searches: registered in that state by then.
        first: the state was not there before.
    """

    state: int
    calls: int
    seconds: float
    searches: int
    first: bool


class Peer:
    """One run of eOn's server."""

    def __init__(
        self,
        folder: Path,
        setup: dict[str, str],
        *,
        seed: int,
        workers: int = 1,
        defaults: bool = False,
    ) -> None:
        """Write its files.

        Args:
            folder: empty.
            setup: `pos.con`, `config.ini` and `in.lammps`, with whole paths in it.
            seed: eOn's.
            workers: clients at a time; eOn makes as many searches at a time, and waits for the last of them.
            defaults: eOn's own displacement, caps and tolerances, not those of the setup.
        """
        self.folder = folder
        (folder / "potfiles").mkdir(parents=True)
        counted = f'fix counted all print 1 "1" append {folder / COUNTS} screen no title ""\n'
        (folder / "pos.con").write_text(setup["pos.con"])
        (folder / "potfiles" / "in.lammps").write_text(setup["in.lammps"] + counted)
        self._options = configparser.ConfigParser(interpolation=None)
        self._options.optionxform = str  # type: ignore[assignment, method-assign]
        self._options.read_string(setup["config.ini"])
        for section in OURS if defaults else ():
            self._options.remove_section(section)
        self._options["Main"]["random_seed"] = str(seed)
        self._options["Communicator"].update(
            num_jobs=str(workers), number_of_CPUs=str(workers), client_path=str(client(folder))
        )

    def run(self, *, steps: int, time_limit_s: float = 7200.0) -> list[Visit]:
        """Make KMC steps; fewer where the time is over."""
        self._options["AKMC"]["max_kmc_steps"] = str(steps)
        with (self.folder / "config.ini").open("w") as stream:
            self._options.write(stream)
        command = [sys.executable, "-m", "eon.akmc", "--continuous", "--quiet"]
        visits: list[Visit] = []
        with (self.folder / "output.txt").open("w") as output:
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            server = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            began = last = time.monotonic()
            calls = 0
            while server.poll() is None and time.monotonic() - began < time_limit_s:
                time.sleep(PERIOD_S)
                for state in self._left()[len(visits) :]:
                    now, total = time.monotonic(), self.calls
                    first = state not in {visit.state for visit in visits}
                    visits.append(
                        Visit(state, total - calls, now - last, self._searches(state), first)
                    )
                    last, calls = now, total
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # with its clients
            server.wait()
        self._check(visits, steps)
        return visits[:steps]

    def _check(self, visits: list[Visit], steps: int) -> None:
        if len(visits) < steps:
            text = (self.folder / "output.txt").read_text()[-1000:]
            print(f"    eOn's server made {len(visits)} of {steps} steps: {text}", flush=True)

    @property
    def calls(self) -> int:
        """Evaluations so far."""
        path = self.folder / COUNTS
        return path.read_bytes().count(b"1") if path.is_file() else 0

    def _left(self) -> list[int]:
        """States that KMC steps have left."""
        found = list(self.folder.rglob("dynamics.txt"))
        rows = found[0].read_text().splitlines() if found else []
        return [int(row.split()[1]) for row in rows if re.match(r"\s*\d+\s", row)]

    def _searches(self, state: int) -> int:
        path = self.folder / "states" / str(state) / "search_results.txt"
        rows = (row.split() for row in path.read_text().splitlines())
        return sum(len(row) > 2 and row[0].isdecimal() and row[1] != "reverse" for row in rows)
