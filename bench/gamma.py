"""What gamma costs a process search: the same searches with and without it, by turns.

    containers/in-image python3 bench/gamma.py [--searches 12] [--repeats 3] [--every 10] [CONFIG]

Prints, for every way to evaluate, the time of a search relative to plain `pair_style pace` of the same turn: median, least and
most over searches and repeats. The evaluations at reactant, saddle and product by python-ace are part of it.
"""

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from mlip_kmc.config import GammaSection, load_config
from mlip_kmc.eon.wrapper import EonWrapper, inputs_of
from mlip_kmc.halts import potential_digest
from mlip_kmc.searches.cluster import SearchCluster
from mlip_kmc.searches.run import ClientJob, run_job
from mlip_kmc.searches.watch import Watch
from mlip_kmc.structure import from_con, species_of

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy" / "akmc.yaml"


def jobs_of(config, potential, structure, count):
    """The run's own first searches, as jobs that were not run yet."""
    kept, real = [], SearchCluster.submit

    def keep(self, job):
        kept.append(job)
        real(self, job)

    SearchCluster.submit = keep
    try:
        with tempfile.TemporaryDirectory() as folder:
            EonWrapper(config, run_dir=Path(folder) / "run").search(potential, structure, count=count)
    finally:
        SearchCluster.submit = real
    return sorted(kept, key=lambda job: int(job.name.split("_")[1]))[:count]


def ways(potential, job: ClientJob, every):
    """The same search by name of how it is evaluated; no threshold is ever crossed."""
    species = species_of(from_con(job.files["pos.con"]))
    never = GammaSection(select=1e6, halt=1e7, every=every)
    watch = Watch(thresholds=never, basis=potential.basis, active_set=potential.active_set, max_energy_eV=20.0,
                  digest=potential_digest(basis=potential.basis, active_set=potential.active_set))

    def plain(evaluator):
        return replace(job, files={**job.files, **replace(potential, evaluator=evaluator).job_files(species)}, watch=None)

    return {"pace product": plain("product"), "pace recursive": plain("recursive"),
            f"with gamma every {every}": replace(job, watch=watch, files={
                **job.files, **potential.job_files(species, gamma=never)})}


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--searches", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=10)
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    potential, structure = inputs_of(config)
    ratios: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for job in jobs_of(config, potential, structure, arguments.searches):
        for _ in range(arguments.repeats):
            took = {name: run_job(way).seconds for name, way in ways(potential, job, arguments.every).items()}
            for name, value in took.items():
                seconds.setdefault(name, []).append(value)
                ratios.setdefault(name, []).append(value / took["pace product"])
    print(f"{'':24}{'s a search':>12}{'relative':>10}{'least':>8}{'most':>8}   "
          f"({arguments.searches} searches x {arguments.repeats})")
    for name, found in ratios.items():
        print(f"{name:24}{statistics.median(seconds[name]):12.3f}{statistics.median(found):10.3f}{min(found):8.3f}{max(found):8.3f}")


if __name__ == "__main__":
    main()
