"""Where requeueing is forbidden, arrays of replicas, and labels."""

import json

from .conftest import IMAGE, called, count, in_image, until

QUICK = ("--time=1", "--signal=B:USR1@10")


def test_a_site_without_requeue_gets_one_successor(project):
    first = project.submit("--no-requeue", *QUICK)
    project.wait_for_start(1)
    until(lambda: count(r"job \d+ follows", project.log()), what="the successor", more=project.told)
    until(lambda: len(project.cluster.jobs()) <= 2 and project.log().count("start 2 on"), what="its start", more=project.told)
    (second,) = project.cluster.jobs()
    assert second != first
    flags = project.cluster.slurm("scontrol", "--oneliner", "show", "job", second)
    assert "TimeLimit=00:01:00" in flags
    project.finish_soon()
    name, _ = project.end()
    assert name == "DONE", project.told()
    assert project.starts() >= 2


def test_a_site_that_forbids_both_says_so(project):
    project.site('sbatch() { echo "no jobs from here"; return 1; }')
    project.submit("--no-requeue", *QUICK)
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "it can neither be requeued nor submitted again (no jobs from here)" in text


def test_replicas_have_seeds_and_lives_of_their_own(project):
    project.submit("--array=3-4", *QUICK, script="replicas.sbatch")
    runs = [project.run / "0003", project.run / "0004"]
    until(lambda: project.log().count("start 2 on") == 2, what="second starts of both", more=project.told)
    project.write(stop={"kmc_steps": 1})
    ends = [project.end(run)[0] for run in runs]
    assert ends == ["DONE", "DONE"], project.told()
    for run in runs:
        assert len(project.journal("starts", run)) >= 2
    assert project.searches(runs[0])[:5] != project.searches(runs[1])[:5]
    manifests = [json.loads(max((run / "generations").glob("*.json")).read_text()) for run in runs]
    assert manifests[0]["identity"] != manifests[1]["identity"]


LABEL = """
import sys
from ase.calculators.emt import EMT
from ase.io import read
atoms = read("structure.xyz")
atoms.calc = EMT()
atoms.get_forces()
atoms.write("labelled.xyz", format="extxyz")
"""
FRAMES = """
from ase.build import bulk
from ase.io import write
frames = []
for size in (1, 2, 3):
    atoms = bulk("Cu", cubic=True) * (size, 1, 1)
    atoms.rattle(0.05, seed=size)
    atoms.info["order"] = size
    frames.append(atoms)
write("selected.xyz", frames, format="extxyz")
"""


def test_labels(project):
    """Three frames, and an index too many; the command is cut off once, and writes half a label once."""
    folder = project.folder
    in_image("python3", "-c", FRAMES, cwd=folder)
    (folder / "label.py").write_text(LABEL)
    (folder / "label.sh").write_text(
        "set -eu\n"
        'number=$(basename "$PWD")\n'
        'if [ "$number" = 0002 ] && [ ! -e waited ]; then touch waited; sleep 1000; fi\n'
        'if [ "$number" = 0003 ] && [ ! -e "$1/ready" ]; then head -n 4 structure.xyz >labelled.xyz; exit 0; fi\n'
        'apptainer --quiet exec --userns --containall --no-home --bind "$1" --pwd "$PWD" "$2" python3 "$1/label.py"\n')
    project.site(f'LABEL_COMMAND="bash {folder}/label.sh {folder} {IMAGE}"', "LABEL_MOST_RESTARTS=2")
    flags, arguments = ("--array=1-4", *QUICK), ("selected.xyz", "labels")
    project.submit(*flags, script="label.sbatch", arguments=arguments)
    labels = [folder / f"labels/{number:04d}" for number in range(1, 5)]
    ends = [project.end(label) for label in labels]
    told = project.told()
    assert [name for name, _ in ends] == ["DONE", "DONE", "FAILED", "FAILED"], told
    assert "notice by SIGUSR1" in told
    assert (labels[1] / "waited").exists()
    assert "labelled.xyz cannot be read" in ends[2][1], told
    assert "selected.xyz has 3 frames; give --array=1-3" in ends[3][1], told
    before = (labels[0] / "labelled.xyz").stat().st_mtime_ns
    (folder / "ready").touch()
    project.submit("--array=1-3", *QUICK, script="label.sbatch", arguments=arguments)
    until(lambda: project.log().count("has its label") == 2, what="the finished ones", more=project.told)
    assert [project.end(label)[0] for label in labels[:3]] == ["DONE"] * 3, project.told()
    assert (labels[0] / "labelled.xyz").stat().st_mtime_ns == before
    counted = called("grep", "-c", "energy=", *[label / "labelled.xyz" for label in labels[:3]])
    assert [line[-1] for line in counted.splitlines()] == ["1", "1", "1"]
