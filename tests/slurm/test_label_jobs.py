"""A campaign's labels as jobs of a real Slurm: submitted from within the container, collected by a later process."""

import json
import os
import subprocess

from .conftest import IMAGE, ROOT, SCRIPTS, called, until

DESK = """
import json, os, sys, threading
from pathlib import Path
from ase.build import bulk
from ase.calculators.emt import EMT
from mlip_kmc.config.campaign import AseOracle, CommandOracle, CutoutSection, LabelsSection
from mlip_kmc.learning.cutout import cut_out
from mlip_kmc.learning.labels.desk import LabelDesk
from mlip_kmc.learning.labels.scheduler import find_scheduler

class Dies:
    \"\"\"Submits, and is killed before that is noted.\"\"\"
    def __init__(self, scheduler):
        self.names = scheduler.names
        self._submit = scheduler.submit
    def submit(self, *arguments, **options):
        self._submit(*arguments, **options)
        os._exit(9)

folder = Path(sys.argv[1])
oracles = {
    "by_ase": AseOracle(ase="ase.calculators.emt:EMT", time_limit_min=5),
    "by_command": CommandOracle(command=("bash", str(folder / "dft.sh"), "{input}", "{output}"), time_limit_min=5),
}
for name, oracle in oracles.items():
    desk = LabelDesk(
        folder / name,
        oracle=oracle,
        section=LabelsSection(where="slurm", sbatch=("--time=5", "--cpus-per-task=1", "--signal=B:USR1@10")),
        cache=folder / "cache",
        scheduler=Dies(find_scheduler()) if "--die" in sys.argv else None,
    )
    pieces = []
    for seed in (1, 2) if name == "by_command" else (1,):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        pieces.append(cut_out(atoms, [0], name=f"0_{seed}-1", section=CutoutSection(), cutoff_A=5.0, calculator=EMT()))
    desk.wanted(pieces)
    status = desk.pass_(threading.Event())
    apart = [float(abs(label.forces_eV_per_A - piece.expected.forces_eV_per_A).max())
             for label, piece in zip(desk.labelled(), pieces)]
    print(json.dumps([status.done, status.failed, status.with_scheduler, apart, [list(f) for f in desk.failures()]]))
"""
# on the node, outside of the container, as a code would run there; the second structure's ends with an error
DFT = """set -eu
if [ "$(basename "$(dirname "$PWD")")" = 0_2-1 ]; then echo "no k points" >&2; exit 3; fi
apptainer --quiet exec --userns --containall --no-home --bind "{folder}" --pwd "$PWD" {image} python3 -c "
from ase.calculators.emt import EMT
from ase.io import read
atoms = read('$1')
atoms.calc = EMT()
atoms.get_forces()
atoms.write('$2', format='extxyz')"
"""


def test_labels_are_submitted_once_and_collected_later(project, tmp_path):
    relay = tmp_path / "relay"
    (project.folder / "desk.py").write_text(DESK)
    (project.folder / "dft.sh").write_text(DFT.format(folder=project.folder, image=IMAGE))
    options = f"--userns --bind {ROOT}/src --env PYTHONPATH={ROOT}/src"
    project.site(f'MLIP_KMC_APPTAINER_OPTIONS="{options}"')
    called(
        "bash",
        "-c",
        'SLURM_JOB_ID=none; . "$1/lib.sh" && start_relay "$2" "$1" "$3"',
        "-",
        SCRIPTS,
        relay,
        os.getpid(),
        cwd=project.folder,
        env=project.cluster.env,
    )

    def passed(*words, code=0):
        done = subprocess.run(
            ["apptainer", "--quiet", "exec", *options.split(), "--containall", "--no-home", "--bind", project.folder,
             "--bind", relay, "--env", f"MLIP_KMC_RELAY={relay}", "--pwd", project.folder, IMAGE, "python3", "desk.py",
             project.folder, *words],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    passed("--die", code=9)
    submitted = list(project.folder.glob("by_*/*/job/command.txt"))
    assert len(submitted) == 1, "one was submitted, and nobody noted it"
    by_ase, by_command = passed()
    assert by_ase[:3] in ([0, 0, 1], [1, 0, 0]), "it may have ended already"
    assert by_command[:3] == [0, 0, 2]
    until(lambda: not project.jobs(), what="the end of the jobs", more=lambda: told(project))
    logs = list(project.folder.glob("by_*/*/job/job.log"))
    assert len(logs) >= 2
    assert {log.read_text().count("start ") for log in logs} == {1}, told(project)
    by_ase, by_command = passed()
    assert by_ase[:3] == [1, 0, 0], told(project)
    assert by_ase[3][0] < 1e-12
    assert by_command[:3] == [1, 1, 0], told(project)
    assert by_command[3][0] < 1e-7
    assert by_command[4] == [["0_2-1", "crashed", "it ended with exit code 3: no k points"]]
    assert sorted(path.name for path in (project.folder / "by_ase/0_1-1").iterdir()) == [
        "label.xyz", "request.xyz", "state.json",
    ]  # fmt: skip


def told(project):
    return "".join(
        f"--- {path}\n{path.read_text()}" for path in project.folder.glob("by_*/*/*/job.log")
    )
