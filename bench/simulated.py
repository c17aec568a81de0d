"""A simulated cluster: eOn's server with our communicator, and searches that sleep as long as recorded ones took.

    containers/in-image python3 bench/simulated.py [--records FILE] [--workers 1 8 128] [--transport tls] [--seeds 3] [--scale 1]
    containers/in-image python3 bench/simulated.py saturation [--records FILE] [--transport tls] [--searches 2000] [--profile]

First real searches of the example's state 0 are recorded, once, with what they brought and how long they took. An event is:
explore state 0 to its confidence in a fresh run directory, and make one KMC step; which record a search gets follows from
its seed; behind a hop it is the image of what it was in state 0. `--scale` stretches all durations; `--steps 3` makes more
steps, and `--ahead` has spare workers search the next state. Transports: `local`, threads of this process as `mlip-kmc run`
has them; `tls`, a few processes of many threads each that join through the connection file, as `mlip-kmc worker` does.

`saturation` makes many searches that hardly sleep, and no KMC step: how many a second the server takes in, and what it is busy
with. With the third transport, `none`, there is no dask, and outcomes are at hand at once: only the server's own work is left.
All processes of the simulation share this machine.
"""

import argparse
import asyncio
import contextlib
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import sleeping
import yaml
from example import EXAMPLE, by_eon_alone
from table import row, spread

from mlip_kmc.akmc.opening import open_server
from mlip_kmc.akmc.queue import SearchQueue
from mlip_kmc.akmc.run import Run
from mlip_kmc.akmc.server import Server
from mlip_kmc.config import load_config
from mlip_kmc.potential.inputs import inputs_of
from mlip_kmc.store.checkpoints import Checkpoints
from mlip_kmc.store.run_directory import RunDirectory
from mlip_kmc.workers import cluster as cluster_module
from mlip_kmc.workers.cluster import SearchCluster
from mlip_kmc.workers.dask_settings import configure_dask
from mlip_kmc.workers.keys import Connection, connection_file

THREADS = 512
"""Of one joined process, at most."""
PARTS = {
    "make": (Server, "_submit"),
    "register": (Server, "_register"),
    "commit": (Server, "_commit"),
    "step": (Server, "_step"),
    "accept": (SearchQueue, "_accept"),
}


class Recording(Run):
    """Remembers the setup of its run and the searches that came back."""

    def _explore(self, opened, saved):
        self.setup, self.found = opened.setup, []
        plain = SearchQueue._accept

        def accept(communicator, done):
            self.found.append(done)
            plain(communicator, done)

        SearchQueue._accept = accept
        try:
            return super()._explore(opened, saved)
        finally:
            SearchQueue._accept = plain


def recorded(config, path, count, folder):
    """The setup of a run, and `count` searches of its state 0 in `path`."""
    run = Recording(config, run_dir=folder / "recording")
    potential, structure = inputs_of(config)
    run.go(potential, structure, searches=1 if path.is_file() else count)
    if not path.is_file():
        sleeping.to_file(run.found, path)
    return run.setup


class AtHand:
    """In place of a cluster: what a search came to is at hand at once."""

    lost, running, waiting = False, 0, 0

    def __init__(self, slots):
        self.slots, self._tasks = slots, {}

    def submit(self, task, **_):
        self._tasks[task.name] = task

    def wait(self, _timeout_s):
        names = list(self._tasks)[: self.slots]
        return [sleeping.recorded(self._tasks.pop(name)) for name in names]

    def cancel(self, names):
        return sum(self._tasks.pop(name, None) is not None for name in names)

    def cancel_all(self):
        self._tasks.clear()

    def capacity_s(self):
        return 0.0


@contextlib.contextmanager
def cluster_of(transport, workers, folder):
    """A cluster of so many sleepers."""
    if transport == "none":
        yield AtHand(workers)
        return
    if transport == "local":
        with SearchCluster.local(workers=workers) as cluster:
            yield cluster
        return
    file = connection_file(folder / "tls")
    with SearchCluster.joined(file=file, files={}) as cluster, contextlib.ExitStack() as joined:
        for number, first in enumerate(range(0, workers, THREADS)):
            threads = min(THREADS, workers - first)
            command = [
                sys.executable,
                __file__,
                "join",
                str(file),
                str(threads),
                str(folder / f"member{number}"),
            ]
            joined.callback(subprocess.Popen(command).wait)
        while cluster.slots < workers:
            time.sleep(0.05)
        yield cluster
        cluster.close()


def join(file, threads, place):
    """One process of sleepers; ends with the cluster."""
    configure_dask()

    async def work():
        from distributed import Worker

        connection = Connection.read(Path(file))
        worker = Worker(
            connection.addresses[0],
            nthreads=int(threads),
            name=f"simulated:{os.getpid()}:0",
            memory_limit=0,
            security=connection.security(),
            nanny=None,
            local_directory=place,
        )
        await worker
        await worker.finished()

    asyncio.run(work())


@dataclass
class Cost:
    """Wall and processor seconds of parts of the server's thread, without the parts inside them; `names` are those of PARTS.

    Of each registered search: the wall seconds of all parts since the one before it, and its share of the commit after it.
    """

    wall: Counter = field(default_factory=Counter)
    cpu: Counter = field(default_factory=Counter)
    searches: list[float] = field(default_factory=list)
    _since: float = 0.0
    _committed: int = 0

    def __enter__(self):
        self._plain = {
            name: (kind, method, getattr(kind, method)) for name, (kind, method) in PARTS.items()
        }
        self._inside = [[0.0, 0.0]]
        for name, (kind, method, plain) in self._plain.items():
            setattr(kind, method, self._measured(name, plain))
        return self

    def __exit__(self, *_):
        for kind, method, plain in self._plain.values():
            setattr(kind, method, plain)

    def _measured(self, name, plain):
        def measured(*arguments, **keywords):
            wall, cpu = time.perf_counter(), time.thread_time()
            self._inside.append([0.0, 0.0])
            found = None
            try:
                found = plain(*arguments, **keywords)
                return found
            finally:
                wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
                inside = self._inside.pop()
                self.wall[name] += wall - inside[0]
                self.cpu[name] += cpu - inside[1]
                self._inside[-1][0] += wall
                self._inside[-1][1] += cpu
                self._since += wall - inside[0]
                if name == "register" and found:
                    self.searches.append(self._since)
                    self._since = 0.0
                if name == "commit" and len(self.searches) > self._committed:
                    share = self._since / (len(self.searches) - self._committed)
                    self.searches[self._committed :] = [
                        cost + share for cost in self.searches[self._committed :]
                    ]
                    self._committed, self._since = len(self.searches), 0.0

        return measured


@dataclass(frozen=True)
class Event:
    """A run of some KMC steps; seconds of the wall, `cost` of the server's thread, `process_s` of all threads of its process."""

    span_s: float
    busy: float
    steps: int
    registered: int
    discarded: int
    cost: Cost
    process_s: float
    thread_s: float


def event(config, setup, cluster, folder, *, searches=None, profile=None):
    """Explore state 0 and make a step; with `searches`, so many of them and no step."""
    slept_so_far(cluster)
    with RunDirectory(folder) as directory, Cost() as cost:
        server = open_server(
            config,
            directory=directory,
            checkpoints=Checkpoints(directory),
            cluster=cluster,
            setup=setup,
            saved=None,
            searches=searches,
        )
        server.begin()
        begun, process, thread = time.monotonic(), time.process_time(), time.thread_time()
        with profile or contextlib.nullcontext():
            while server.tick(1.0) is None:
                pass
        span = time.monotonic() - begun
        process, thread = time.process_time() - process, time.thread_time() - thread
        registered, discarded = sum(server.outcomes.values()), server._queue.discarded
        steps, discarded = server.numbers.kmc_steps, discarded + server.numbers.ahead_unused
        cluster.cancel_all()
    slept = slept_so_far(cluster)
    busy = slept / (span * cluster.slots)
    return Event(span, busy, steps, registered, discarded, cost, process, thread)


def slept_so_far(cluster):
    """Seconds since the last time it was asked, when nothing runs any more."""
    if isinstance(cluster, AtHand):
        return 0.0
    nothing = dict.fromkeys(cluster._client.scheduler_info()["workers"], 0)
    while cluster._client.run(running_here) != nothing:
        time.sleep(0.02)
    return sum(seconds for seconds, _ in cluster._client.run(sleeping.slept).values())


def running_here():
    return len(sleeping.run._running)


def scaling(config, setup, arguments, folder):
    """The table by number of workers."""
    seconds = [done.seconds * arguments.scale for done in sleeping.records()]
    print(
        f"{arguments.transport}: searches of {statistics.median(seconds):.2f} s (median; {min(seconds):.2f} to "
        f"{max(seconds):.2f}), confidence {config.confidence.value} ({config.confidence.scheme}), {arguments.seeds} seeds: "
        "median (least to most)"
    )
    widths = (8, 26, 24, 20, 20, 24, 24, 40)
    heads = (
        "workers",
        "events an hour",
        "busy share",
        "registered",
        "of started",
        "server's ms a search",
        "in the median",
        "make, accept, register, commit",
    )
    print(row(heads, widths))
    for workers in arguments.workers:
        with cluster_of(
            arguments.transport, workers, Path(tempfile.mkdtemp(dir=folder))
        ) as cluster:
            found = [
                event(
                    config.model_copy(update={"seed": seed}),
                    setup,
                    cluster,
                    folder / f"{workers}_{seed}",
                )
                for seed in range(1, arguments.seeds + 1)
            ]
        parts = [
            statistics.median(1e3 * run.cost.wall[part] / run.registered for run in found)
            for part in ("make", "accept", "register", "commit")
        ]
        columns = (
            workers,
            spread([3600 * run.steps / run.span_s for run in found], ".1f"),
            spread([run.busy for run in found], ".3f"),
            spread([run.registered for run in found], ".0f"),
            spread([run.registered / (run.registered + run.discarded) for run in found], ".2f"),
            spread([1e3 * sum(run.cost.wall.values()) / run.registered for run in found], ".1f"),
            spread([1e3 * statistics.median(run.cost.searches) for run in found], ".2f"),
            "  ".join(f"{part:.1f}" for part in parts),
        )
        print(row(columns, widths), flush=True)


def saturation(config, setup, arguments, folder):
    """The most searches a second, and what the server's thread does."""
    profile = cProfile.Profile() if arguments.profile else None
    rates = []
    with cluster_of(arguments.transport, arguments.workers[0], folder) as cluster:
        for seed in range(1, arguments.seeds + 1):
            run = event(
                config.model_copy(update={"seed": seed}),
                setup,
                cluster,
                folder / f"many_{seed}",
                searches=arguments.searches,
                profile=profile,
            )
            rates.append(run.registered / run.span_s)
            parts = [
                f"{part} {1e3 * wall / run.registered:.2f} ({1e3 * run.cost.cpu[part] / run.registered:.2f})"
                for part, wall in run.cost.wall.items()
            ]
            print(
                f"{arguments.transport}, {cluster.slots} workers, seed {seed}: {rates[-1]:.1f} searches a second; ms a search: "
                f"{1e3 / rates[-1]:.2f}, the server's wall {1e3 * statistics.median(run.cost.searches):.2f} in the median; its "
                f"thread {1e3 * run.thread_s / run.registered:.2f} of processor time, its other threads "
                f"{1e3 * (run.process_s - run.thread_s) / run.registered:.2f}; wall (processor) by part: {', '.join(parts)}",
                flush=True,
            )
    print(f"searches a second: {spread(rates, '.1f')}")
    if profile is not None:
        for order in ("cumulative", "tottime"):
            pstats.Stats(profile).sort_stats(order).print_stats(30)


def main():
    """Run and print."""
    if sys.argv[1:2] == ["join"]:
        join(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["scaling", "saturation"], default="scaling")
    parser.add_argument(
        "--records",
        type=Path,
        help="recorded searches; made where there are none [default: made anew]",
    )
    parser.add_argument("--count", type=int, default=200, help="how many are recorded")
    parser.add_argument("--workers", type=int, nargs="+")
    parser.add_argument("--transport", choices=["local", "tls", "none"], default="local")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float)
    parser.add_argument("--searches", type=int, default=2000, help="of a saturation")
    parser.add_argument("--steps", type=int, default=1, help="KMC steps, each from a new state")
    parser.add_argument("--ahead", action="store_true", help="spare workers search the next state")
    parser.add_argument(
        "--profile", action="store_true", help="of the server's thread in a saturation"
    )
    arguments = parser.parse_args()
    many = arguments.what == "saturation"
    arguments.workers = arguments.workers or ([32] if many else [1, 2, 8, 32, 128, 512, 2048])
    arguments.scale = arguments.scale or (1e-3 if many else 1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = by_eon_alone()
        settings.update(
            structure=str(EXAMPLE / "vacancy.xyz"),
            potential={"ace": str(EXAMPLE / "cu.yace")},
            stop={"kmc_steps": arguments.steps},
        )
        settings["search"]["ahead"] = arguments.ahead
        (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
        config = load_config(folder / "akmc.yaml")
        records = arguments.records or folder / "records.json"
        setup = recorded(config, records, arguments.count, folder)
        os.environ[sleeping.RECORDS], os.environ[sleeping.SCALE] = (
            str(records.absolute()),
            str(arguments.scale),
        )
        cluster_module.run_task = sleeping.run_task
        (saturation if many else scaling)(config, setup, arguments, folder)


if __name__ == "__main__":
    main()
