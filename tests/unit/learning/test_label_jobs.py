"""Labels as jobs: submitted once whatever is killed, and collected from what the job left."""

import json
import os
import subprocess
import threading
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from pydantic import ValidationError

from mlip_kmc.config.campaign import AseOracle, CommandOracle, CutoutSection, LabelsSection
from mlip_kmc.ground.errors import ConfigError
from mlip_kmc.learning.cutout import cut_out
from mlip_kmc.learning.labels import ase_process
from mlip_kmc.learning.labels.desk import LabelDesk
from mlip_kmc.learning.labels.faults import LabelFault
from mlip_kmc.learning.labels.scheduler import SchedulerError, find_scheduler

STOP = threading.Event()
EMT_ORACLE = AseOracle(ase="ase.calculators.emt:EMT")


class Queue:
    """A scheduler that does what it is told; `killed` is where the process that submits dies."""

    def __init__(self):
        self.jobs = {}
        self.submitted = []
        self.killed = ""
        self.silent = False
        self.refuses = False
        self.running = False

    def submit(self, name, folder, *, options):
        if self.killed == "before":
            raise KeyboardInterrupt
        if self.refuses:
            raise SchedulerError("the scheduler did not do sbatch: invalid partition")
        self.submitted.append((name, tuple(options)))
        self.jobs[name] = folder
        if self.killed == "after":
            raise KeyboardInterrupt
        return str(len(self.submitted))

    def names(self):
        if self.silent:
            raise SchedulerError(
                "the scheduler did not do squeue: unable to contact slurm controller"
            )
        return set(self.jobs)

    def run(self, *, end="DONE", text="", code=None, label=True):
        """Each job that is there runs and ends."""
        self.running = True
        for folder in self.jobs.values():
            (folder / "slurm").mkdir(exist_ok=True)
            (folder / "slurm/starts").write_text("job=1")
            if label:
                assert (
                    ase_process.main(
                        [
                            str(folder / name)
                            for name in ("settings.json", "input.xyz", "output.xyz")
                        ]
                    )
                    == 0
                )
            if code is not None:
                (folder / "code").write_text(f"{code}\n")
            if end:
                (folder / end).write_text(f"{text}\n")
        self.jobs, self.running = {}, False


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def desk_of(tmp_path, queue):
    def made(oracle=EMT_ORACLE, **section):
        settings = LabelsSection(where="slurm", **section)
        return LabelDesk(
            tmp_path / "labels",
            oracle=oracle,
            section=settings,
            cache=tmp_path / "cache",
            scheduler=queue,
        )

    return made


@cache
def piece(seed):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    return cut_out(
        atoms,
        [0],
        name=f"0_{seed}-1",
        section=CutoutSection(),
        cutoff_A=5.0,
        calculator=EMT(),
    )


def pieces(count=2):
    return [piece(seed) for seed in range(count)]


def counts(status):
    return status.done, status.failed, status.waiting, status.with_scheduler


def test_submitted_today_and_collected_later(desk_of, queue, tmp_path):
    desk = desk_of(sbatch=("--time=02:00:00",))
    desk.wanted(pieces())
    assert counts(desk.pass_(STOP)) == (0, 0, 0, 2)
    assert counts(desk.pass_(STOP)) == (0, 0, 0, 2)
    assert len(queue.submitted) == 2
    assert {options for _, options in queue.submitted} == {("--time=02:00:00",)}
    state = json.loads((tmp_path / "labels/0_0-1/state.json").read_text())
    assert (state["progress"], state["job"]) == ("with the scheduler", "1")
    words = (tmp_path / "labels/0_0-1/job/command.txt").read_text().splitlines()
    assert words[:2] == ["container", "3600"]
    assert words[-3:] == ["settings.json", "input.xyz", "output.xyz"]
    queue.run()
    later = desk_of(sbatch=("--time=02:00:00",))
    assert counts(later.pass_(STOP)) == (2, 0, 0, 0)
    for label, piece in zip(later.labelled(), pieces(), strict=True):
        assert np.abs(label.forces_eV_per_A - piece.expected.forces_eV_per_A).max() < 1e-12
    assert sorted(path.name for path in (tmp_path / "labels/0_0-1").iterdir()) == [
        "label.xyz",
        "request.xyz",
        "state.json",
    ]
    done = json.loads((tmp_path / "labels/0_0-1/state.json").read_text())
    assert (done["job"], done["submission"], done["tries"]) == ("", "", 0)


@pytest.mark.parametrize("killed", ["before", "after"])
@pytest.mark.parametrize("meanwhile", ["waits", "runs", "ended"])
def test_whoever_is_killed_while_submitting_submits_no_label_twice(
    desk_of, queue, killed, meanwhile
):
    desk = desk_of()
    desk.wanted(pieces())
    queue.killed = killed
    with pytest.raises(KeyboardInterrupt):
        desk.pass_(STOP)
    queue.killed = ""
    if meanwhile == "runs":
        for folder in queue.jobs.values():
            (folder / "slurm").mkdir()
            (folder / "slurm/starts").write_text("job=1")
        queue.jobs = {}  # not seen in the list, but at work
    if meanwhile == "ended":
        queue.run()
    desk_of().pass_(STOP)
    names = [name for name, _ in queue.submitted]
    assert len(names) == len(set(names)) == 2
    assert all(name.startswith("label-") and name.endswith("-1") for name in names)


def test_a_job_that_is_gone_is_submitted_once_more_and_then_given_up(desk_of, queue):
    desk = desk_of()
    desk.wanted(pieces(1))
    desk.pass_(STOP)
    for tries in (1, 2):
        queue.jobs = {}  # cancelled, or its node died
        assert counts(desk.pass_(STOP)) == (0, 0, 0, 1), "its answer may still be on the way"
        assert len(queue.submitted) == tries
        desk.pass_(STOP)
    assert counts(desk.status()) == (0, 1, 0, 0)
    ((_, kind, message),) = desk.failures()
    assert (kind, message) == (LabelFault.JOB, "its job was gone 2 times without an answer")
    assert [name[-2:] for name, _ in queue.submitted] == ["-1", "-2"]


def test_a_job_that_comes_back_is_not_missed(desk_of, queue):
    desk = desk_of()
    desk.wanted(pieces(1))
    desk.pass_(STOP)
    jobs, queue.jobs = queue.jobs, {}
    desk.pass_(STOP)
    queue.jobs = jobs
    desk.pass_(STOP)
    queue.jobs = {}
    assert counts(desk.pass_(STOP)) == (0, 0, 0, 1)
    assert len(queue.submitted) == 1


def test_a_scheduler_that_is_silent_changes_nothing(desk_of, queue):
    desk = desk_of()
    desk.wanted(pieces(1))
    queue.silent = True
    assert counts(desk.pass_(STOP)) == (0, 0, 1, 0)
    queue.silent = False
    desk.pass_(STOP)
    queue.run()
    queue.silent = True
    assert counts(desk.pass_(STOP)) == (1, 0, 0, 0), "what is there is collected all the same"


def test_a_refusal_is_told_at_once(desk_of, queue):
    desk = desk_of()
    desk.wanted(pieces(2))
    queue.refuses = True
    with pytest.raises(SchedulerError, match="invalid partition"):
        desk.pass_(STOP)
    queue.refuses = False
    desk.pass_(STOP)
    assert len(queue.submitted) == 2


@pytest.mark.parametrize("case", [
    (3, LabelFault.CRASHED, "it ended with exit code 3"),
    (124, LabelFault.TIME_LIMIT, "it was ended after 1 h (time_limit_min)"),
    (None, LabelFault.JOB, "it was restarted 3 times"),
])  # fmt: skip
def test_a_job_that_failed_says_why(desk_of, queue, tmp_path, case):
    code, kind, message = case
    desk = desk_of()
    desk.wanted(pieces(1))
    desk.pass_(STOP)
    queue.run(
        end="FAILED", text="it was restarted 3 times; submit it again", code=code, label=False
    )
    assert counts(desk.pass_(STOP)) == (0, 1, 0, 0)
    ((_, found, text),) = desk.failures()
    assert found is kind
    assert message in text
    assert (tmp_path / "labels/0_0-1/failed/FAILED").is_file()


def test_an_answer_of_another_structure_is_not_taken(desk_of, queue, tmp_path):
    """A job of an earlier request still runs and writes its answer into the folder."""
    desk = desk_of()
    one, other = pieces(2)
    desk.wanted([one])
    desk.pass_(STOP)
    queue.run()
    (tmp_path / "labels/0_0-1/job/output.xyz").rename(tmp_path / "stale.xyz")
    desk.wanted([other])
    desk.pass_(STOP)
    queue.run()
    (tmp_path / "stale.xyz").rename(tmp_path / "labels/0_1-1/job/output.xyz")
    assert counts(desk.pass_(STOP)) == (0, 1, 0, 0)
    assert desk.failures()[0][1] is LabelFault.MOVED


def test_a_command_runs_on_the_node(desk_of, queue, tmp_path):
    desk = desk_of(
        CommandOracle(command=("my-dft", "--in", "{input}", "--out={output}"), time_limit_min=2)
    )
    desk.wanted(pieces(1))
    desk.pass_(STOP)
    words = (tmp_path / "labels/0_0-1/job/command.txt").read_text().splitlines()
    assert words == ["node", "120", "my-dft", "--in", "input.xyz", "--out=output.xyz"]


def test_killed_at_each_write_no_job_is_submitted_twice(tmp_path, monkeypatch):
    """Submitted, run and collected by processes of which one is killed before or after some write."""

    def work(folder, queue):
        desk = LabelDesk(
            folder,
            oracle=EMT_ORACLE,
            section=LabelsSection(where="slurm"),
            cache=folder / "cache",
            scheduler=queue,
        )
        desk.wanted(pieces(2))
        desk.pass_(STOP)
        queue.run()
        desk.pass_(STOP)
        return {
            path.relative_to(folder): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and ".tmp" not in path.name
        }

    whole = work(tmp_path / "whole", Queue())
    killed, number = True, 0
    while killed:
        number += 1
        queue, sync, killed = Queue(), os.fsync, False

        def counted(descriptor, *, left=[number], sync=sync, queue=queue):  # noqa: B006
            left[0] -= not queue.running  # the jobs are processes of their own
            if left[0] == 0:
                raise KeyboardInterrupt
            sync(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", counted)
            try:
                work(tmp_path / str(number), queue)
            except KeyboardInterrupt:
                killed = True
        names = [name for name, _ in queue.submitted]
        found = work(tmp_path / str(number), queue)
        while len(found) < len(whole):  # a job that was gone is asked for in two passes
            found = work(tmp_path / str(number), queue)
        assert found == whole, number
        assert len(names) == len(set(names)), "none twice by the killed one"
        tried = [name for name, _ in queue.submitted]
        assert len(tried) == len(set(tried)), number
    assert number > 30


SLURM = Path(__file__).parents[3] / "slurm"
SBATCH = """#!/bin/sh
echo "sbatch: warning: a default partition" >&2
case "$*" in *refused*) echo "sbatch: error: invalid partition" >&2; exit 1 ;; esac
printf '%s\\n' "$@" "restart ${SLURM_RESTART_COUNT:-none}" >"$(dirname "$0")/asked"
echo "4711;cluster"
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """`sbatch` and `squeue` that write down what they are asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", "#!/bin/sh\necho label-a-1\necho akmc\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    monkeypatch.delenv("MLIP_KMC_RELAY", raising=False)
    monkeypatch.setenv("MLIP_KMC_LIB", str(SLURM))
    return folder


@pytest.fixture(params=["here", "relay"])
def scheduler(request, tmp_path, programs, monkeypatch):
    """Asked by this process, and through the pipe that slurm/lib.sh reads."""
    if request.param == "here":
        yield find_scheduler()
        return
    relay = tmp_path / "relay"
    start = 'SLURM_JOB_ID=none; . "$1/lib.sh" && start_relay "$2" "$1" "$3"'
    with subprocess.Popen(["sleep", "100"]) as owner:
        subprocess.run(["bash", "-c", start, "-", SLURM, relay, str(owner.pid)], check=True)
        monkeypatch.setenv("MLIP_KMC_RELAY", str(relay))
        yield find_scheduler()
        owner.kill()


def test_the_scheduler_is_asked_in_one_way(scheduler, programs, tmp_path):
    folder = tmp_path / "a folder"
    assert scheduler.names() == {"label-a-1", "akmc"}
    assert scheduler.submit("label-b-1", folder, options=("--time=5",)) == "4711"
    assert (programs / "asked").read_text().splitlines() == [
        "--parsable",
        "--job-name=label-b-1",
        f"--output={folder}/job.log",
        "--time=5",
        str(SLURM / "label.sbatch"),
        str(folder),
        "restart none",
    ]
    with pytest.raises(SchedulerError, match="sbatch: error: invalid partition"):
        scheduler.submit("label-refused-1", folder, options=())


def test_a_relay_that_has_ended_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("MLIP_KMC_RELAY", str(tmp_path))
    os.mkfifo(tmp_path / "ask")
    with pytest.raises(SchedulerError, match="has ended"):
        find_scheduler().names()


def test_without_a_scheduler_it_says_how_to_reach_one(desk_of, monkeypatch, tmp_path):
    monkeypatch.delenv("MLIP_KMC_RELAY", raising=False)
    monkeypatch.delenv("MLIP_KMC_LIB", raising=False)
    desk = LabelDesk(
        tmp_path / "l",
        oracle=EMT_ORACLE,
        section=LabelsSection(where="slurm"),
        cache=tmp_path / "c",
    )
    desk.wanted(pieces(1))
    with pytest.raises(ConfigError, match="start it with slurm/mlip-kmc"):
        desk.pass_(STOP)


@pytest.mark.parametrize(
    "option", ["--array=1-3", "--wrap=true", "--job-name=a", "time=5", "--a;b", "-p main"]
)
def test_options_that_are_the_programs_own_are_refused(option):
    with pytest.raises(ValidationError):
        LabelsSection(sbatch=(option,))
