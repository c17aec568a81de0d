"""KMC events an hour side by side: eOn's own aKMC server with its Local communicator, and `mlip-kmc run`, on two workers.

    containers/in-image python3 bench/throughput.py [--steps 2] [--repeats 3] [--jobs 2 8 32]

Both start from the same minimised `pos.con` of the example, with the same options, `in.lammps` and potential, one after the
other, in an order that turns with each repeat. eOn's `num_jobs` is how many searches it makes at a time; it waits for the
last of them. From outside, 20 times a second, the live `eonclient` processes that run a search are counted: the busy share is
the mean of min(n, workers) / workers from the first search's start to the last KMC step. Events an hour are of the same span.
"""

import argparse
import configparser
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml
from example import EXAMPLE, by_eon_alone
from table import row, spread

from mlip_kmc.config import load_config
from mlip_kmc.model.structure import read_structure, species_of
from mlip_kmc.potential.inputs import inputs_of

SEARCH = re.compile(r"(?:^|-)\d+_\d+(?:-|$)")
PERIOD_S = 0.05
OURS = "mlip-kmc"
WIDTHS = (24, 22, 24, 24, 20)


@dataclass(frozen=True)
class Measured:
    """One run: `registered` and `started` are searches, `steps` KMC steps, `rest_s` of `span_s` without a search at all.

    `at_work` is what our run counts itself: workers that have a search, its files and the grading of its gamma included.
    """

    steps: int
    span_s: float
    busy: float
    rest_s: float
    registered: int
    started: int
    at_work: float | None = None

    @property
    def events_an_hour(self):
        return 3600 * self.steps / self.span_s

    @property
    def used(self):
        return self.registered / self.started


class Sampler:
    """Counts the clients below a process that run a search; a client's own children, and dead ones, do not count."""

    def __init__(self, server):
        self._server = psutil.Process(server)
        self._known = {}
        self.samples = []

    def sample(self):
        count = 0
        for child in self._children():
            known = self._known.get(child.pid)
            if known is None or known[0] != child.create_time():
                known = self._known[child.pid] = (child.create_time(), self._searches(child))
            if known[1] is None:  # it had not become the client yet
                del self._known[child.pid]
            count += bool(known[1]) and child.status() != psutil.STATUS_ZOMBIE
        self.samples.append((time.time(), count))

    def _children(self):
        try:
            return self._server.children()
        except psutil.NoSuchProcess:
            return []

    @staticmethod
    def _searches(child):
        try:
            if child.name() != "eonclient":
                return None if child.status() != psutil.STATUS_ZOMBIE else False
            return bool(SEARCH.search(Path(child.cwd()).name))
        except psutil.Error:
            return False

    def busy(self, workers, until):
        """Seconds from the first search to `until`, mean share of the workers that ran one, seconds when none did."""
        first = next(when for when, count in self.samples if count)
        counts = [count for when, count in self.samples if first <= when <= until]
        share = statistics.mean(min(count, workers) / workers for count in counts)
        return until - first, share, (until - first) * counts.count(0) / len(counts)


def watched(command, folder, environment):
    """Run to the end, sampled."""
    with (folder / "output.txt").open("w") as output:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environment}, stdout=output, stderr=output
        )
        sampler, following = Sampler(server.pid), time.monotonic()
        while server.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                sampler.sample()
            following = max(following + PERIOD_S, time.monotonic())
            time.sleep(max(0.0, following - time.monotonic()))
    if server.returncode != 0:
        sys.exit(
            f"{' '.join(command)} ended with {server.returncode}: {(folder / 'output.txt').read_text()[-2000:]}"
        )
    return sampler


def settings_of(arguments, seed):
    """The example's configuration for one run."""
    settings = by_eon_alone()
    settings.update(
        structure=str(EXAMPLE / "vacancy.xyz"),
        potential={"ace": str(EXAMPLE / "cu.yace")},
        seed=seed,
        workers=arguments.workers,
        stop={"kmc_steps": arguments.steps},
    )
    settings["confidence"]["value"] = arguments.confidence
    settings.setdefault("gamma", {})["on_halt"] = "continue"
    return settings


def ours(folder, arguments, seed, setup):  # noqa: ARG001
    """`mlip-kmc run`."""
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings_of(arguments, seed)))
    sampler = watched(
        [sys.executable, "-m", "mlip_kmc", "run", "akmc.yaml", "--dir", "run", "--quiet"],
        folder,
        {},
    )
    journal = folder / "run" / "journal"
    manifest = max((folder / "run" / "generations").glob("*.json"))
    numbers = json.loads(manifest.read_bytes().partition(b"\n")[2])["state"]["numbers"]
    registered = len((journal / "searches.jsonl").read_text().splitlines())
    span, busy, rest = sampler.busy(arguments.workers, (journal / "events.jsonl").stat().st_mtime)
    return Measured(
        arguments.steps,
        span,
        busy,
        rest,
        registered,
        registered + numbers["discarded"],
        at_work=numbers["busy_s"] / numbers["capacity_s"],
    )


def eons(jobs):
    """eOn's own server, `num_jobs` at a time."""

    def run(folder, arguments, seed, setup):
        (folder / "potfiles").mkdir()
        (folder / "pos.con").write_text(setup["pos.con"])
        (folder / "potfiles" / "in.lammps").write_text(setup["in.lammps"])
        options = configparser.ConfigParser(interpolation=None)
        options.optionxform = str
        options.read_string(setup["config.ini"])
        options["Main"]["random_seed"] = str(seed)
        options["AKMC"]["max_kmc_steps"] = str(arguments.steps)
        options["Communicator"].update(
            num_jobs=str(jobs),
            number_of_CPUs=str(arguments.workers),
            client_path=str(client(folder)),
        )
        with (folder / "config.ini").open("w") as stream:
            options.write(stream)
        sampler = watched(
            [sys.executable, "-m", "eon.akmc", "--continuous", "--quiet"],
            folder,
            {"OMP_NUM_THREADS": "1"},
        )
        (dynamics,) = folder.rglob("dynamics.txt")
        (log,) = folder.rglob("akmc.log")
        started = sum(map(int, re.findall(r"Created (\d+) searches", log.read_text())))
        found = [
            line.split()
            for path in folder.glob("states/*/search_results.txt")
            for line in path.read_text().splitlines()
        ]
        registered = sum(
            row[0].isdecimal() and row[1] != "reverse" for row in found if len(row) > 2
        )
        steps = sum(
            line.split()[0].isdecimal()
            for line in dynamics.read_text().splitlines()
            if line.strip()
        )
        span, busy, rest = sampler.busy(arguments.workers, dynamics.stat().st_mtime)
        return Measured(steps, span, busy, rest, registered, started)

    return run


def client(folder):
    """One processor a search, as ours are: eOn's server does not know that option of its client."""
    path = folder / "client"
    path.write_text(
        "#!/bin/sh\nsed -i '0,/^\\[Main\\]/s//[Main]\\nparallel = false/' config.ini\nexec eonclient\n"
    )
    path.chmod(0o755)
    return path


def setup_of(folder, arguments):
    """What both are given: from one search of ours, and from the potential."""
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings_of(arguments, 1)))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "mlip_kmc",
            "search",
            "akmc.yaml",
            "-n",
            "1",
            "--dir",
            "run",
            "--quiet",
        ],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    config = load_config(folder / "akmc.yaml")
    potential, _ = inputs_of(config)
    live = folder / "run" / "eon"
    text = potential.job_files(species_of(read_structure(live / "pos.con")), gamma=config.gamma)[
        "in.lammps"
    ]
    for (
        name,
        path,
    ) in potential.job_links().items():  # eOn would copy what lies in potfiles into every search
        text = text.replace(f" {name}", f" {path}")
    return {
        "pos.con": (live / "pos.con").read_text(),
        "config.ini": (live / "config.ini").read_text(),
        "in.lammps": text,
    }


def show(found, arguments):
    """The table: medians and extremes, and ours as a ratio of each, repeat by repeat."""
    print(
        f"{arguments.steps} KMC steps, confidence {arguments.confidence}, {arguments.workers} workers; "
        f"{len(found[OURS])} repeats: median (least to most)"
    )
    print(
        " " * 22
        + row(
            (
                "events an hour",
                "ours is x times",
                "busy share",
                "registered of started",
                "no search, s",
            ),
            WIDTHS,
        )
    )
    for name, runs in found.items():
        ratios = [
            mine.events_an_hour / other.events_an_hour
            for mine, other in zip(found[OURS], runs, strict=False)
        ]
        columns = (
            spread([run.events_an_hour for run in runs], ".1f"),
            spread(ratios, ".2f"),
            spread([run.busy for run in runs], ".3f"),
            spread([run.used for run in runs], ".3f"),
            spread([run.rest_s for run in runs], ".1f"),
        )
        print(f"{name:22}" + row(columns, WIDTHS), flush=True)
    print(
        f"workers with a search, as {OURS} counts over its whole life: {spread([run.at_work for run in found[OURS]], '.3f')}"
    )
    searches = {
        name: sum(run.started for run in runs) / sum(run.span_s for run in runs)
        for name, runs in found.items()
    }
    print(
        "searches started a second:",
        ", ".join(f"{name} {rate:.2f}" for name, rate in searches.items()),
    )


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--confidence", type=float, default=0.99)
    parser.add_argument("--jobs", type=int, nargs="+", default=[2, 8, 32], help="eOn's num_jobs")
    arguments = parser.parse_args()
    ways = {OURS: ours, **{f"eOn, num_jobs {jobs}": eons(jobs) for jobs in arguments.jobs}}
    found = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "setup").mkdir()
        setup = setup_of(base / "setup", arguments)
        for repeat in range(arguments.repeats):
            order = list(ways)[repeat % len(ways) :] + list(ways)[: repeat % len(ways)]
            for number, name in enumerate(order):
                place = base / f"{repeat}_run{number}"
                place.mkdir()
                found[name].append(run := ways[name](place, arguments, repeat + 1, setup))
                print(
                    f"seed {repeat + 1}, {name}: {run.events_an_hour:.1f} events an hour, busy {run.busy:.3f}, "
                    f"{run.registered} of {run.started} searches registered, {run.span_s:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
    show(found, arguments)


if __name__ == "__main__":
    main()
