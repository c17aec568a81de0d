"""Time limits, guards, sites where requeueing is forbidden, arrays of replicas, labels: all at once, each in its folder."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from .conftest import IMAGE, QUICK, SCRIPTS, called, in_image, project_in, until

LABEL = """
from ase.calculators.emt import EMT
from ase.io import read
atoms = read("structure.xyz")
atoms.calc = EMT()
atoms.get_forces()
atoms.write("labelled.xyz", format="extxyz")
"""
LABEL_SH = """set -eu
number=$(basename "$PWD")
if [ "$number" = 0002 ] && [ ! -e waited ]; then touch waited; sleep 1000; fi
if [ "$number" = 0003 ] && [ ! -e "$1/ready" ]; then head -n 4 structure.xyz >labelled.xyz; exit 0; fi
apptainer --quiet exec --userns --containall --no-home --bind "$1" --pwd "$PWD" "$2" python3 "$1/label.py"
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
SLOW = """
import time
from ase.calculators.emt import EMT
class Slow(EMT):
    def calculate(self, *arguments, **keywords):
        time.sleep(10)
        super().calculate(*arguments, **keywords)
"""


@pytest.fixture(scope="module", autouse=True)
def together(tmp_path_factory, cluster, structure, sleepy):
    """Jobs that wait for a limit, most of their time: beside the other tests."""
    found = SimpleNamespace(
        **{
            name: project_in(tmp_path_factory.mktemp(name), cluster, structure, sleepy)
            for name in ("stuck", "labels")
        }
    )
    submit_stuck(found.stuck)
    submit_labels(found.labels)
    yield found
    found.stuck.clear()
    found.labels.clear()


def submit_stuck(project):
    """A potential that takes ten seconds a call: the first minute is over before anything is committed."""
    (project.folder / "slow.py").write_text(SLOW)
    project.site(f'MLIP_KMC_APPTAINER_OPTIONS="--userns --env PYTHONPATH={project.folder}"')
    (project.folder / "akmc.yaml").write_text(
        json.dumps(
            project.settings
            | {
                "potential": {"ase": "slow:Slow"},
                "search": project.settings.get("search", {}) | {"engine": "eon"},
            }
        )
    )
    project.submit(*QUICK)


def submit_labels(project):
    """Three frames, and a number too many; one command is cut off by its limit, one writes half a label."""
    folder = project.folder
    in_image("python3", "-c", FRAMES, cwd=folder)
    (folder / "label.py").write_text(LABEL)
    (folder / "label.sh").write_text(LABEL_SH)
    project.site(
        f'LABEL_COMMAND="bash {folder}/label.sh {folder} {IMAGE}"', "LABEL_MOST_RESTARTS=2"
    )
    project.submit(
        "--array=1-4", *QUICK, script="label.sbatch", arguments=("selected.xyz", "labels")
    )


def test_a_site_without_requeue_gets_one_successor(project):
    project.site('MLIP_KMC_SUCCESSOR_FLAGS="--comment=carried --signal=B:USR1@60"')
    first = project.submit("--no-requeue", "--time=30", "--cpus-per-task=2")
    project.wait_for_searches(1)
    project.give_notice(first)
    until(
        lambda: "start 2 on" in project.log() and project.starts() >= 2,
        what="the successor's start",
        more=project.told,
    )
    (second,) = [job for job, state in project.jobs().items() if state == "RUNNING"]
    assert second != first
    shown = project.cluster.slurm("scontrol", "--oneliner", "show", "job", second)
    for expected in (
        "TimeLimit=00:30:00",
        "CPUs/Task=2",
        "Comment=carried",
        f"StdOut={project.folder}/job.log",
    ):
        assert expected in shown
    assert project.log().count("follows") == 1


def test_a_site_that_forbids_both_says_so(project):
    fake = project.folder / "bin/sbatch"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "no jobs from here"\nexit 1\n')
    fake.chmod(0o755)
    project.site(f"PATH={fake.parent}:$PATH")
    job = project.submit("--no-requeue")
    project.wait_for_searches(1)
    project.give_notice(job)
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "it can neither be requeued nor submitted again (no jobs from here)" in text


def test_restarts_are_bounded(project):
    project.site("MLIP_KMC_MOST_RESTARTS=1")
    job = project.submit()
    project.wait_for_searches(1)
    project.give_notice(job)
    until(lambda: project.starts() == 2, what="the second start", more=project.told)
    project.wait_for_searches(len(project.searches()) + 1)
    project.give_notice(job)
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "it was restarted 1 times" in text
    assert project.starts() == 2


def test_replicas_have_seeds_and_lives_of_their_own(project):
    job = project.submit("--array=3-4", script="replicas.sbatch")
    runs = [project.run / "0003", project.run / "0004"]
    for run in runs:
        project.wait_for_searches(1, run)
    project.write(stop={"kmc_steps": 1})
    for task in (3, 4):
        project.give_notice(f"{job}_{task}")
    assert [project.end(run)[0] for run in runs] == ["DONE", "DONE"], project.told()
    for run in runs:
        assert len(project.journal("starts", run)) == 2
    assert project.log().count("requeued: restart 1") == 2
    assert project.searches(runs[0])[:5] != project.searches(runs[1])[:5]


def test_without_progress_it_stops(together):
    project = together.stuck
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "nothing was done since this start" in text
    assert "notice by SIGUSR1" in project.log()
    assert "requeued: restart" not in project.log()


def test_labels(together):
    project = together.labels
    labels = [project.folder / f"labels/{number:04d}" for number in range(1, 5)]
    ends = [project.end(label) for label in labels]
    told = project.told()
    assert [name for name, _ in ends] == ["DONE", "DONE", "FAILED", "FAILED"], told
    assert "notice by SIGUSR1" in told
    assert (labels[1] / "waited").exists()
    assert "labelled.xyz cannot be read" in ends[2][1], told
    assert "selected.xyz has 3 frames; give --array=1-3" in ends[3][1], told
    before = (labels[0] / "labelled.xyz").stat().st_mtime_ns
    (project.folder / "ready").touch()
    project.submit(
        "--array=1-3", *QUICK, script="label.sbatch", arguments=("selected.xyz", "labels")
    )
    until(
        lambda: project.log().count("has its label") == 2,
        what="the finished ones",
        more=project.told,
    )
    assert [project.end(label)[0] for label in labels[:3]] == ["DONE"] * 3, project.told()
    assert (labels[0] / "labelled.xyz").stat().st_mtime_ns == before
    counted = called("grep", "-c", "energy=", *[label / "labelled.xyz" for label in labels[:3]])
    assert [line[-1] for line in counted.splitlines()] == ["1", "1", "1"]


def test_scratch_belongs_to_one_start_of_a_job(project):
    """An earlier start's goes, a later one's stays, however late the earlier one comes to make another."""
    job = called(
        "sbatch",
        "--parsable",
        "--output=/dev/null",
        "--wrap=sleep 600",
        cwd=project.folder,
        env=project.cluster.env,
    )
    until(lambda: project.jobs() == {job: "RUNNING"}, what="a job that runs")

    def made(start, job=job):
        script = '. "$1"; node_scratch=$2 scratch_MB=1; make_scratch worker && trap - EXIT && echo "$scratch"'
        return called(
            "bash",
            "-euc",
            script,
            "-",
            SCRIPTS / "lib.sh",
            project.scratch,
            env={
                **project.cluster.env,
                "SLURM_JOB_ID": job,
                "SLURM_RESTART_COUNT": str(start),
                "SLURMD_NODENAME": "n2",
            },
        )

    def left():
        return {str(path) for path in project.scratch.iterdir()}

    gone = made(0, job="99999999")
    first = made(0)
    assert left() == {first}
    assert not Path(gone).exists()
    another = made(0)
    assert left() == {first, another}
    later = made(10)
    assert left() == {later}
    late = made(9)
    assert left() == {later, late}


def test_a_signal_while_scratch_is_cleared_leaves_none(project):
    """Slurm signals every process of a job whose script ends: a worker may just be clearing up then."""
    programs = project.folder / "programs"
    programs.mkdir()
    removes = programs / "rm"
    removes.write_text(f'#!/bin/sh\nkill -TERM $$ $PPID\nexec {shutil.which("rm")} "$@"\n')
    removes.chmod(0o755)
    called(
        "bash",
        "-uc",
        '. "$1"; node_scratch=$2 scratch_MB=1; make_scratch worker && touch "$scratch/file"',
        "-",
        SCRIPTS / "lib.sh",
        project.scratch,
        env={
            **project.cluster.env,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "99999999",
            "SLURMD_NODENAME": "n2",
        },
    )
    assert list(project.scratch.iterdir()) == []


SRUN = """#!/bin/bash
for word in "$@"; do case $word in --nodelist=*) node=${word#*=} ;; esac; done
touch "$FOLDER/started-$node"
while [ -e "$FOLDER/slurm/working" ]; do sleep 0.1; done
sleep "$([ "$node" = n1 ] && echo 1 || echo 2)" # the container ends, scratch is cleared
touch "$FOLDER/cleared-$node"
"""
DISMISSED = """
. "$1"
lib=${1%/*} run=$FOLDER config=akmc.yaml code=0 notice='' main='' crew_gone=''
start_workers
until [ -e "$FOLDER/started-n1" ] && [ -e "$FOLDER/started-n2" ]; do sleep 0.1; done
dismiss_workers
ls "$FOLDER"
"""


def test_the_script_ends_after_its_workers_have_cleared_up(tmp_path):
    """Slurm kills what still runs when the script ends, and its scratch would stay on the node."""
    (tmp_path / "slurm").mkdir()
    for name, text in (("srun", SRUN), ("scontrol", "#!/bin/sh\nprintf 'n1\\nn2\\n'\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    said = called(
        "bash",
        "-uc",
        DISMISSED,
        "-",
        SCRIPTS / "lib.sh",
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "FOLDER": str(tmp_path),
            "SLURM_JOB_ID": "99999999",
            "SLURM_JOB_NODELIST": "n[1-2]",
            "SLURM_JOB_CPUS_PER_NODE": "1(x2)",
            "SLURMD_NODENAME": "n1",
        },
    )
    assert {"cleared-n1", "cleared-n2"} <= set(said.split())


WAITS = """#!/bin/sh
trap 'touch "$FOLDER/left"; exit 0' TERM
touch "$FOLDER/joined"
while :; do sleep 0.2; done
"""


def test_workers_that_wait_for_a_run_leave_when_they_are_dismissed(tmp_path):
    """A campaign's workers wait for its next run; when it ends there is none, and they clear up before the script ends."""
    (tmp_path / "slurm").mkdir()
    (tmp_path / "scratch").mkdir()
    for name, text in (("container", WAITS), ("image", ""), ("squeue", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "slurm" / "working").touch()
    worker = subprocess.Popen(
        ["bash", SCRIPTS / "worker.sh", tmp_path, tmp_path / "akmc.yaml", "1", "n1", tmp_path],
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "FOLDER": str(tmp_path),
            "MLIP_KMC_APPTAINER": str(tmp_path / "container"),
            "MLIP_KMC_IMAGE": str(tmp_path / "image"),
            "MLIP_KMC_NODE_SCRATCH": str(tmp_path / "scratch"),
            "SLURM_SUBMIT_DIR": str(tmp_path),
            "SLURM_JOB_ID": "99999999",
            "SLURMD_NODENAME": "n2",
        },
    )
    until((tmp_path / "joined").exists, what="the container")
    assert list((tmp_path / "scratch").iterdir())
    (tmp_path / "slurm" / "working").unlink()
    assert worker.wait(60) == 0
    assert (tmp_path / "left").exists()
    assert list((tmp_path / "scratch").iterdir()) == []
