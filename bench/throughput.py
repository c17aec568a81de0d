"""The same aKMC by eOn's own server with its Local communicator, and by `mlip-kmc run`, by turns on two workers.

    containers/in-image python3 bench/throughput.py [--steps 2] [--repeats 3] [--batch 8]

Prints for each: KMC events an hour, the busy share of the workers (live clients, looked at 20 times a second, from the first
client's start to the end), and the fraction of started searches that were registered before their state was left. Both have
the same potential, minimised structure, options of eOn and number of processors; eOn's Local communicator waits for a batch.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import yaml

from mlip_kmc.config import load_config
from mlip_kmc.eon.options import config_ini
from mlip_kmc.eon.start import prepare_start
from mlip_kmc.eon.wrapper import inputs_of
from mlip_kmc.structure import prepare, to_con

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cu-vacancy"
WORKERS = 2
EON = """
import sys
from eon import akmc
from eon.config import ConfigClass
config = ConfigClass()
config.init("config.ini")
steps = 0
while steps < int(sys.argv[1]):
    steps = akmc.akmc(config, steps)
"""


class Watcher(threading.Thread):
    """Counts a process tree's live clients; a client leads a session of its own, LAMMPS' fork of it does not."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.counts, self.started, self.times = psutil.Process(root), [], set(), []

    def run(self):
        while True:
            try:
                found = {(child.pid, child.create_time()) for child in self.root.children(recursive=True)
                         if child.name() == "eonclient" and os.getsid(child.pid) == child.pid
                         and child.status() != psutil.STATUS_ZOMBIE}
            except psutil.NoSuchProcess:
                if not self.root.is_running():
                    return
                continue
            except ProcessLookupError:
                continue
            self.started |= found
            if self.started:
                self.counts.append(min(len(found), WORKERS))
                self.times.append(time.monotonic())
            time.sleep(0.05)


def watched(command, folder):
    """Run to the end; answer events' seconds, busy share and how many clients were started."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    watcher = Watcher(process.pid)
    watcher.start()
    said = process.communicate()[1]
    watcher.join()
    if process.returncode:
        sys.exit(f"{command[:4]} ended with exit code {process.returncode}: {said[-500:]}")
    return watcher.times[-1] - watcher.times[0], statistics.mean(watcher.counts) / WORKERS, len(watcher.started)


def settings_of(folder, seed, steps):
    """The example's configuration, with another seed and number of steps."""
    settings = yaml.safe_load((EXAMPLE / "akmc.yaml").read_text())
    settings.update(structure=str(EXAMPLE / "vacancy.xyz"), potential={"ace": str(EXAMPLE / "cu.yace")}, workers=WORKERS,
                    seed=seed, stop={"kmc_steps": steps})
    (folder / "akmc.yaml").write_text(yaml.safe_dump(settings))
    return folder / "akmc.yaml"


def by_us(folder, seed, steps):
    """`mlip-kmc run`."""
    settings_of(folder, seed, steps)
    seconds, busy, started = watched([sys.executable, "-m", "mlip_kmc", "run", "akmc.yaml", "--dir", "run", "--quiet"], folder)
    registered = len((folder / "run/journal/searches.jsonl").read_text().splitlines())
    return seconds, busy, registered / started


def by_eon(folder, seed, steps, *, batch):
    """eOn's own server, on the minimum that we start from."""
    config = load_config(settings_of(folder, seed, steps))
    potential, structure = inputs_of(config)
    prepared = prepare(structure, elements=potential.elements, cutoff_A=potential.cutoff_A, minimum_distance_A=1.0,
                       allow_small_cell=False)
    minimum, _ = prepare_start(prepared.atoms, potential, evidence=folder / "evidence")
    own = config_ini(config, potential_name=potential.eon_name, jobs_ahead=batch)
    local = f"type = local\nnumber_of_cpus = {WORKERS}\nclient_path = eonclient\n"
    (folder / "config.ini").write_text(own.replace("type = local\n", local))
    (folder / "pos.con").write_text(to_con(minimum))
    (folder / "potfiles").mkdir()
    for name, text in potential.job_files(prepared.species).items():
        (folder / "potfiles" / name).write_text(text)
    yace = next(name for name, path in potential.job_links().items() if path == potential.yace)  # eOn copies texts alone
    (folder / "potfiles" / yace).write_bytes(potential.yace.read_bytes())
    seconds, busy, started = watched([sys.executable, "-c", EON, str(steps)], folder)
    rows = sum(max(len(path.read_text().splitlines()) - 2, 0) for path in folder.glob("states/*/search_results.txt"))
    return seconds, busy, rows / started


def main():
    """Run by turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="searches that eOn's server makes at a time (num_jobs)")
    arguments = parser.parse_args()
    found = {"eOn, Local": [], "mlip-kmc": []}
    for repeat in range(arguments.repeats):
        for name, run in (("eOn, Local", by_eon), ("mlip-kmc", by_us)):
            more = {"batch": arguments.batch} if run is by_eon else {}
            with tempfile.TemporaryDirectory() as folder:
                found[name].append(run(Path(folder), 100 + repeat, arguments.steps, **more))
            print(json.dumps({"by": name, "repeat": repeat, "seconds, busy share, registered": found[name][-1]}), flush=True)
    print(f"{'':12}{'KMC events an hour':>28}{'busy share':>24}{'registered of started':>26}")
    for name, rows in found.items():
        seconds, busy, registered = zip(*rows, strict=True)
        rates = [arguments.steps / value * 3600 for value in seconds]
        cells = [f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
                 for values in (rates, busy, registered)]
        print(f"{name:12}{cells[0]:>28}{cells[1]:>24}{cells[2]:>26}")
    ratios = [eon[0] / ours[0] for eon, ours in zip(found["eOn, Local"], found["mlip-kmc"], strict=True)]
    print(f"events of mlip-kmc over eOn's: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
