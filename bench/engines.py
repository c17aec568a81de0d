"""Force calls a found process takes, by our own search engine and by eOn's client, from the same starts.

    containers/in-image python3 bench/engines.py [--searches 24] [--cases vacancy-107 vacancy-255]

The example's potential, which knows vacancies and no surfaces; displacements of 0.3 A within 3.0 A about an under-coordinated
atom, as the example's configuration has them. Calls are counted at the potential: for eOn's client by LAMMPS itself, dimer
rotations included. Prints, for each case, the calls over the processes found (failures included), how many were found, the ratio
with its 95 % interval over the starts (bootstrap), and the processes by barrier.
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.build import bulk

from mlip_kmc.akmc.start import relaxed
from mlip_kmc.config import load_config
from mlip_kmc.config.eon_options import config_ini
from mlip_kmc.evaluate.client import ClientJob, run_job
from mlip_kmc.evaluate.warm import recipe_of
from mlip_kmc.model.structure import from_con, moved_con, to_con
from mlip_kmc.potential import AcePotential
from mlip_kmc.search.native.task import NativeSearch, NativeSetup
from mlip_kmc.search.reading import SearchReader
from mlip_kmc.search.task import SearchTask

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy"
WITHIN_A, DISPLACED_A, BONDED_A, FEW = 3.0, 0.3, 3.3, 11
COUNTED = "calls.txt"
RESAMPLES = 2000


def vacancy(cells):
    """Copper without an atom."""
    atoms = bulk("Cu", a=3.615, cubic=True).repeat(cells)
    del atoms[0]
    return atoms


CASES = {
    "vacancy-107": lambda: vacancy((3, 3, 3)),
    "vacancy-255": lambda: vacancy((4, 4, 4)),
}


def starts(atoms, count, *, seed):
    """(name, texts of displacement and direction) of searches; free atoms alone are displaced."""
    apart = atoms.get_all_distances(mic=True)
    np.fill_diagonal(apart, np.inf)
    free = np.setdiff1d(np.arange(len(atoms)), [i for c in atoms.constraints for i in c.index])
    few = [i for i in free if (apart[i] < BONDED_A).sum() <= FEW]
    for index in range(count):
        random = np.random.default_rng([seed, index])
        centre = random.choice(few)
        near = [i for i in free if i == centre or apart[centre, i] <= WITHIN_A]
        moved = np.zeros_like(atoms.positions)
        moved[near] = random.normal(0.0, DISPLACED_A, (len(near), 3))
        rows = (" ".join(map(repr, row)) for row in (moved / np.linalg.norm(moved)).tolist())
        yield (
            f"0_{index}",
            {
                "displacement.con": moved_con(to_con(atoms), atoms.positions + moved),
                "direction.dat": "".join(f"{row}\n" for row in rows),
            },
        )


class CountedCalls(SearchReader):
    """Reads a search, and how often LAMMPS was called in it."""

    calls = 0

    def read(self, ended):
        """As `SearchReader`."""
        path = self.directory / COUNTED
        CountedCalls.calls = len(path.read_text().split()) if path.is_file() else 0
        return super().read(ended)


def by_eon(job, files):
    """Outcome, and force calls at the potential."""
    counted = f'fix counted all print 1 "1" append {COUNTED} screen no title ""\n'
    files = {**job.files, **files, "in.lammps": job.files["in.lammps"] + counted}
    task = SearchTask(replace(job, files=files))
    done = run_job(task.job, reader=lambda directory: CountedCalls(task, directory))
    return replace(done.found, seconds=done.seconds), CountedCalls.calls


def natively(job, files, setup):
    """Outcome, and force calls at the potential."""
    outcome = NativeSearch(replace(job, files={**job.files, **files}), setup=setup).run()
    return outcome, outcome.force_calls.total


def client_ini(force):
    """The client's options; the example's, with a number of its own for the force at a saddle."""
    config = load_config(EXAMPLE / "akmc.yaml")
    search = config.search.model_copy(update={"converged_force_eV_per_A": force})
    text = config_ini(
        config.model_copy(update={"search": search}), potential_name="lammps", jobs_ahead=1
    )
    return text.replace("job = akmc", "job = process_search\nparallel = false")


def measured(atoms, count, force, seed):
    """{engine: [(outcome, calls)]} over the same starts."""
    ace = AcePotential.read(EXAMPLE / "cu.yace")
    setup = NativeSetup(recipe_of(ace))
    job = ClientJob(
        name="0_0",
        files={
            "pos.con": to_con(atoms),
            "config.ini": client_ini(force),
            **ace.job_files(("Cu",)),
        },
        links=ace.job_links(),
        time_limit_s=600.0,
    )
    found = {"eon": [], "native": []}
    for name, files in starts(from_con(job.files["pos.con"]), count, seed=seed):
        own = replace(job, name=name)
        found["native"].append(natively(own, files, setup))
        found["eon"].append(by_eon(own, files))
    return found


def calls_a_process(runs):
    """Calls over processes found; infinite where none is."""
    good = sum(outcome.found is not None for outcome, _ in runs)
    return sum(calls for _, calls in runs) / good if good else np.inf


def ratio(found, seed=0):
    """eOn's calls a process over ours, and a 95 % interval over the starts."""
    random, count = np.random.default_rng(seed), len(found["eon"])
    drawn = []
    for _ in range(RESAMPLES):
        chosen = random.integers(0, count, count)
        one, other = ([runs[i] for i in chosen] for runs in (found["eon"], found["native"]))
        drawn.append(calls_a_process(one) / calls_a_process(other))
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return calls_a_process(found["eon"]) / calls_a_process(found["native"]), low, high


def described(runs):
    """What searches came to, in one line."""
    ends = Counter(str(outcome.termination or outcome.end) for outcome, _ in runs)
    barriers = Counter(f"{outcome.barrier_eV:.3f}" for outcome, _ in runs if outcome.found)
    told = ", ".join(f"{count} {end}" for end, count in ends.most_common())
    return f"{told}; barriers in eV: " + ", ".join(
        f"{barrier} x{count}" for barrier, count in sorted(barriers.items())
    )


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=24)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--force", type=float, default=0.01, help="at a saddle, eV/A")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    ace = AcePotential.read(EXAMPLE / "cu.yace")
    for name in arguments.cases:
        here = Path("tmp") / "engines"
        atoms = relaxed(CASES[name](), ace, evidence=here, force=1e-3).atoms
        began = time.monotonic()
        found = measured(atoms, arguments.searches, arguments.force, arguments.seed)
        print(
            f"\n{name}: {len(atoms)} atoms, {arguments.searches} starts, {time.monotonic() - began:.0f} s"
        )
        for engine, runs in found.items():
            good = sum(outcome.found is not None for outcome, _ in runs)
            seconds = sum(outcome.seconds for outcome, _ in runs)
            calls = sum(calls for _, calls in runs)
            print(
                f"  {engine:7}{calls_a_process(runs):8.1f} calls a process, {good} found, {calls} calls, "
                f"{1e3 * seconds / max(calls, 1):.1f} ms a call"
            )
            print(f"    {described(runs)}")
        print("  eon over native: {:.2f} ({:.2f} to {:.2f})".format(*ratio(found)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
