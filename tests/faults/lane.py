"""A small run, the processes that make it, faults that strace injects into them, and what has to come out in spite of them."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from mlip_kmc.model.records import Event, SearchRecord, read_lines
from mlip_kmc.store.eon_tree import read_states

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EVERY = int(os.environ.get("MLIP_KMC_FAULTS", "0"))
"""`just kills`: every so many of all of them; 0 is the short version, which has strides of its own."""
_PATIENCE_S = 300.0
_LOOK_S = 0.2


def write_config(folder, **changes):
    """`akmc.yaml` of an Al adatom on Al(100): two KMC steps, a second in all, some searches from recycled saddles."""
    from ase.build import add_adsorbate, fcc100
    from ase.constraints import FixAtoms

    slab = fcc100("Al", (3, 3, 3), a=4.05, vacuum=8.0, periodic=True)
    add_adsorbate(slab, "Al", 2.0, "hollow")
    slab.set_constraint(FixAtoms(indices=[atom.index for atom in slab if atom.tag == 3]))
    slab.info.clear()
    slab.write(folder / "adatom.xyz")
    settings = {
        "structure": "adatom.xyz",
        "potential": {"eon": "eam_al"},
        "temperature_K": 400,
        "workers": 2,
        "seed": 10,
        "recycling": True,
        "confidence": {"value": 0.15},
        "stop": {"kmc_steps": 2},
        "search": {
            "displace": "least_coordinated",
            "displacement_A": 0.3,
            "displacement_radius_A": 3.5,
            "time_limit_min": 5,
            "thermal_window_kT": 60,
        },
    } | changes
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


def events_of(run):
    return read_lines(run / "journal" / "events.jsonl", Event)


def outcome(run):
    """Everything that decides a trajectory, to the last digit."""
    searches = [
        (s.state, s.index, s.outcome, s.reason, s.process, s.barrier, s.kind)
        for s in read_lines(run / "journal" / "searches.jsonl", SearchRecord)
    ]
    tables = [
        (p.state, p.process, p.product, p.barrier, p.rate, p.prefactor, p.repeats)
        for state in read_states(run / "eon")
        for p in state.processes
    ]
    return {"events": events_of(run), "searches": searches, "tables": tables}


@dataclass(frozen=True)
class Ended:
    """How a command ended; a negative code is a signal."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def one_line(self):
        """At most one line of error, and no traceback."""
        return len(self.stderr.splitlines()) <= 1 and "Traceback" not in self.stdout + self.stderr


class Lane:
    """Commands one after the other; two lanes keep two processors busy."""

    def __init__(self, *options):
        self._forker = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forker.py")), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._folder = tempfile.TemporaryDirectory(prefix="mlip-kmc-lane-")
        self._said = [Path(self._folder.name, name) for name in ("stdout", "stderr")]
        self._trace = Path(self._folder.name, "trace")

    def close(self):
        self._forker.stdin.close()
        self._forker.wait()
        self._folder.cleanup()

    def start(self, config, run, *options, held=False):
        """`mlip-kmc run`; answer its process."""
        return self.begin(["run", config, "--dir", run, *options], cwd=config.parent, held=held)

    def begin(self, arguments, *, cwd, environment=None, held=False, enter=(), log=None):
        """A command; answer its process, which waits to be let go if it is `held`.

        Args:
            arguments: of the program.
            cwd: where it runs.
            environment: variables that it has besides.
            held: it waits.
            enter: namespaces that it enters: paths, and their kinds as `os.setns` takes them.
            log: takes what it says, where that is not to be asked of `wait`.
        """
        for path in self._said:
            path.unlink(missing_ok=True)
        self._tell(
            {
                "arguments": [str(argument) for argument in arguments],
                "cwd": str(cwd),
                "stdout": str(log or self._said[0]),
                "stderr": str(log or self._said[1]),
                "environment": environment or {},
                "enter": [[str(path), kind] for path, kind in enter],
            }
        )
        pid = int(self._forker.stdout.readline())
        if not held:
            self._go()
        return pid

    def _tell(self, what):
        self._forker.stdin.write(json.dumps(what) + "\n")
        self._forker.stdin.flush()

    def _go(self):
        self._tell("go")

    def wait(self, pid=None, timeout_s=None):
        """How it ended; a process that is named and takes longer is killed."""
        if timeout_s is not None and not select.select([self._forker.stdout], [], [], timeout_s)[0]:
            kill_tree(pid)
            self._forker.stdout.readline()
            raise subprocess.TimeoutExpired(f"process {pid}", timeout_s)
        code = int(self._forker.stdout.readline())
        return Ended(
            code,
            *(path.read_text(errors="replace") if path.exists() else "" for path in self._said),
        )

    def has_ended(self):
        """Whether `wait` comes back at once."""
        return bool(select.select([self._forker.stdout], [], [], 0.0)[0])

    def run(self, config, run, *options):
        self.start(config, run, *options)
        return self.wait()

    def command(self, *arguments, cwd, environment=None):
        self.begin(arguments, cwd=cwd, environment=environment)
        return self.wait()

    def injected(self, config, run, *, call, what):
        """The command with a fault in its main thread, which is the one that commits; and whether the fault came.

        Only that thread is traced, and strace counts calls by thread: searches' own processes are left alone.
        """
        pid = self.start(config, run, held=True)
        fds = ["-e", "trace-fds=!0,1,2"] if call in ("write", "writev") and "error" in what else []
        strace = self._traced(pid, *fds, "-e", f"trace={call}", "-e", f"inject={call}:{what}")
        stopped = self._see_through(strace, pid, lasting=what.endswith("+"))
        ended = self.wait()
        assert not stopped or ended.returncode == 75, ended
        return ended, ended.returncode == -signal.SIGKILL or "(INJECTED)" in self._trace.read_text(
            errors="replace"
        )

    def counted(self, config, run, *, calls):
        """How many of each of these system calls the command's main thread makes."""
        pid = self.start(config, run, held=True)
        strace = self._traced(pid, "-e", f"trace={','.join(calls)}")
        self._see_through(strace, pid, lasting=False)
        ended = self.wait()
        assert ended.returncode == 0, ended
        made = Counter(line.split("(")[0] for line in self._trace.read_text().splitlines())
        return {call: made[call] for call in calls}

    def _traced(self, pid, *options):
        """A strace of a process that is held, which is let go when it is attached."""
        self._trace.unlink(missing_ok=True)
        strace = subprocess.Popen(
            ["strace", "-o", str(self._trace), *options, "-p", str(pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        said = strace.stderr.readline()
        assert "attached" in said, said + strace.stderr.read()
        self._go()
        return strace

    def _see_through(self, strace, pid, *, lasting):
        """Until it has ended; a run that pauses for room which never comes is told to stop."""
        stopped, deadline = False, time.monotonic() + _PATIENCE_S
        while True:
            try:
                strace.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                assert time.monotonic() < deadline, "it neither ends nor goes on"
                if (
                    lasting
                    and not stopped
                    and "paused: " in self._said[0].read_text(errors="replace")
                ):
                    os.kill(pid, signal.SIGTERM)
                    stopped = True
            else:
                strace.stderr.close()
                return stopped


def kill_tree(pid):
    """SIGKILL to a process and everything below it."""
    try:
        victims = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()


def told_events(said):
    """How many KMC steps a run has told of; each was committed before."""
    return max([0, *map(int, re.findall(r"^KMC step +(\d+):", said, re.MULTILINE))])
