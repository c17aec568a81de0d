"""What gamma costs a process search: the same searches with and without it, by turns.

    containers/in-image python3 bench/gamma.py [--searches 12] [--repeats 3] [--every 10] [CONFIG]

Prints, for every way to evaluate, the time of a search for each of its force calls, relative to plain `pair_style pace` of the
same turn: median, quartiles, least and most over searches and repeats. For each call, because the last digits decide after some
hundred of them which way a search goes: the same search takes half as many calls one way, or twice. Force calls are LAMMPS' own
steps. The start of the client and the evaluations at reactant, saddle and product by python-ace are part of it.
"""

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from mlip_kmc.akmc.run import EonWrapper, inputs_of
from mlip_kmc.config import GammaSection, load_config
from mlip_kmc.evaluate.client import run_job
from mlip_kmc.model.frames import potential_digest
from mlip_kmc.model.structure import from_con, species_of
from mlip_kmc.search.reading import SearchReader
from mlip_kmc.search.task import SearchTask
from mlip_kmc.search.watch import Watch
from mlip_kmc.workers.cluster import SearchCluster

CALLS = "calls.txt"
COUNT = f'\nfix mk_count all print 10 "$(step)" append {CALLS} screen no title "#"\n'
EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy" / "akmc.yaml"


def tasks_of(config, potential, structure, count):
    """The run's own first searches, as tasks that were not run yet."""
    kept, real = [], SearchCluster.submit

    def keep(self, task, **options):
        kept.append(task)
        real(self, task, **options)

    SearchCluster.submit = keep
    try:
        with tempfile.TemporaryDirectory() as folder:
            EonWrapper(config, run_dir=Path(folder) / "run").search(
                potential, structure, count=count
            )
    finally:
        SearchCluster.submit = real
    return sorted(kept, key=lambda task: int(task.name.split("_")[1]))[:count]


def ways(potential, task: SearchTask, every):
    """The same search by name of how it is evaluated; no threshold is ever crossed."""
    species = species_of(from_con(task.reactant_con))
    never = GammaSection(select=1e6, halt=1e7, every=every)
    watch = Watch(
        thresholds=never,
        basis=potential.basis,
        active_set=potential.active_set,
        max_energy_eV=20.0,
        digest=potential_digest(basis=potential.basis, active_set=potential.active_set),
    )

    def way(files, watch):
        counted = {**files, "in.lammps": files["in.lammps"] + COUNT}
        job = replace(task.job, files={**task.job.files, **counted})
        return replace(task, job=job, watch=watch)

    def plain(evaluator):
        return way(replace(potential, evaluator=evaluator).job_files(species), watch=None)

    return {
        "pace product": plain("product"),
        "pace recursive": plain("recursive"),
        f"with gamma every {every}": way(potential.job_files(species, gamma=never), watch=watch),
    }


class CountingReader(SearchReader):
    """Reads a search, and how many force calls LAMMPS counted."""

    def read(self, ended):
        """The count in place of the outcome, which is made all the same: it is part of the cost."""
        ended, _ = super().read(ended)
        return ended, int((self.directory / CALLS).read_text().split()[-1])


def cost(task):
    """Seconds of a search, and how many force calls it took."""
    done = run_job(task.job, reader=lambda directory: CountingReader(task, directory))
    return done.seconds, done.found


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--searches", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=10)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    potential, structure = inputs_of(config)
    ratios: dict[str, list[float]] = {}
    costs: dict[str, list[tuple[float, int]]] = {}
    for task in tasks_of(config, potential, structure, arguments.searches):
        for _ in range(arguments.repeats):
            took = {name: cost(way) for name, way in ways(potential, task, arguments.every).items()}
            plain_s, plain_calls = took["pace product"]
            for name, (seconds, calls) in took.items():
                costs.setdefault(name, []).append((seconds, calls))
                ratios.setdefault(name, []).append((seconds / calls) / (plain_s / plain_calls))
    print(
        f"{'':24}{'s a search':>12}{'calls':>7}{'ms a call':>11}{'relative':>10}{'quartiles':>16}{'least':>8}{'most':>8}   "
        f"({arguments.searches} searches x {arguments.repeats})"
    )
    for name, found in ratios.items():
        seconds, calls = zip(*costs[name], strict=True)
        low, middle, high = statistics.quantiles(found, n=4)
        print(
            f"{name:24}{statistics.median(seconds):12.3f}{statistics.median(calls):7.0f}{1e3 * sum(seconds) / sum(calls):11.3f}"
            f"{middle:10.3f}{low:8.3f}{high:8.3f}{min(found):8.3f}{max(found):8.3f}"
        )


if __name__ == "__main__":
    main()
