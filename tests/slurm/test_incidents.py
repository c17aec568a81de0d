"""Whatever happens to a job's nodes and processes: no KMC step is lost, and the run goes on by itself."""

import os
import signal
import time
from pathlib import Path

from .conftest import QUICK, SOAK, Incident, called, is_prefix, until


def processes(words, *, environment):
    """Processes with these words in their command line and these entries in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            has = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if words in line and all(item.encode() in has for item in environment):
            found.append(int(entry.name))
    return found


def scheduler_of(project, job):
    """The Python process of `mlip-kmc run`, in its container."""
    return [
        pid
        for pid in processes(
            "mlip-kmc run", environment=[f"SLURM_JOB_ID={job}", "MLIP_KMC_SCRATCH=/scratch"]
        )
        if "python" in str(Path(f"/proc/{pid}/exe").readlink())
    ]


def test_the_scheduler_is_killed(project):
    job = project.submit("--nodes=2", "--time=30")
    project.wait_for_searches(2)
    with Incident(project, "the scheduler is killed", starts=2):
        pids = until(lambda: scheduler_of(project, job), what="the scheduler", more=project.told)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    assert "the program was killed by signal 9; it is started again" in project.log(), (
        project.told()
    )
    assert "joining the run" in (project.run / "slurm/worker-n2.log").read_text()
    assert project.jobs() == {job: "RUNNING"}


def test_a_suspended_job_goes_on(project, uninterrupted):
    """Slurm stops script, run and workers on all nodes; in the long version for longer than any limit on silence."""
    cluster = project.cluster
    job = project.submit("--nodes=2", "--time=30")
    project.wait_for_searches(2)
    until(
        lambda: "joining" in (project.run / "slurm/worker-n2.log").read_text(),
        what="workers of both nodes",
        more=project.told,
    )
    with Incident(project, "suspended and resumed", starts=1):
        cluster.slurm("scontrol", "suspend", job)
        until(
            lambda: cluster.jobs() == {job: "SUSPENDED"}, what="the suspension", more=project.told
        )
        time.sleep(75 if SOAK else 5)  # the subject
        cluster.slurm("scontrol", "resume", job)
    assert cluster.jobs() == {job: "RUNNING"}, project.told()
    project.finish_soon()
    project.give_notice(job)
    assert project.end()[0] == "DONE", project.told()
    check_against(uninterrupted, project)


def the_scripts_node_is_killed(project):
    with Incident(project, "the script's node is killed", starts=2):
        project.cluster.control("kill", "n1")
        until(
            lambda: project.cluster.slurm(
                "sinfo", "--noheader", "--nodes=n1", "--format=%T"
            ).startswith("down"),
            what="Slurm to notice",
            more=project.told,
        )
        until(
            lambda: "n1 is gone: requeueing" in (project.run / "slurm/worker-n2.log").read_text(),
            what="the requeue",
            more=project.told,
        )
        project.cluster.control("slurmd", "n1")


def test_nodes_are_killed(project, uninterrupted):
    """First a node that only works; in the long version then the one that the job's script runs on: another requeues the job."""
    cluster = project.cluster
    job = project.submit("--nodes=3", "--time=60")
    project.wait_for_searches(2)
    until(
        lambda: all(
            "joining" in (project.run / f"slurm/worker-{node}.log").read_text()
            for node in ("n1", "n2", "n3")
        ),
        what="workers of all nodes",
        more=project.told,
    )
    with Incident(project, "a node is killed", starts=1):
        cluster.control("kill", "n3")
    if SOAK:
        until(
            lambda: (
                cluster.slurm("squeue", "--noheader", f"--jobs={job}", "--format=%N") == "n[1-2]"
            ),
            what="Slurm to notice",
        )
        assert cluster.jobs() == {job: "RUNNING"}
    cluster.control("slurmd", "n3")  # a requeued job wants all three again
    if SOAK:
        the_scripts_node_is_killed(project)
    project.finish_soon()
    project.give_notice(job)
    assert project.end()[0] == "DONE", project.told()
    check_against(uninterrupted, project)


def check_against(uninterrupted, project):
    """Digit by digit, the same as in one piece."""
    events, searches = uninterrupted
    least = min(len(events), len(project.events()))  # none yet, where the machine is slow
    assert project.events()[:least] == events[:least]
    least = min(len(searches), len(project.searches()))
    assert least > 0
    assert project.searches()[:least] == searches[:least]


def test_slurmctld_is_restarted(project):
    """While a job runs, and while a job wants to be requeued."""
    cluster = project.cluster
    job = project.submit("--time=30")
    project.wait_for_searches(2)
    with Incident(project, "slurmctld is killed and started again", starts=1):
        cluster.stop_slurmctld()
        count = len(project.searches())
        project.wait_for_searches(count + 2)
        cluster.control("slurmctld")
    assert cluster.jobs() == {job: "RUNNING"}
    with Incident(project, "slurmctld is away when the job is to be requeued", starts=2):
        script = processes("slurm_script", environment=[f"SLURM_JOB_ID={job}"])
        cluster.stop_slurmctld()
        os.kill(min(script), signal.SIGUSR1)  # the others are its own
        until(
            lambda: "more to do" in project.log(),
            what="the end of the first start",
            more=project.told,
        )
        cluster.control("slurmctld")


def test_preemption_with_30_s_of_notice(project, uninterrupted):
    """Slurm gives notice to a job's steps only; on one node, where searches run in the script's own step, too."""
    cluster = project.cluster
    for nodes, start in ((3, 1), (1, 3)):
        job = project.submit(f"--nodes={nodes}", "--time=30", "--partition=low")
        project.wait_for_searches(len(project.searches()) + 2)
        with Incident(project, f"preempted with 30 s of notice, {nodes} node(s)", starts=start + 1):
            urgent = called(
                "sbatch",
                "--parsable",
                "--partition=urgent",
                "--nodes=3",
                "--exclusive",
                "--output=/dev/null",
                "--wrap=sleep 1",
                env=cluster.env,
                cwd=project.folder,
            )
            until(
                lambda urgent=urgent: urgent not in cluster.jobs(),
                what="the urgent job",
                more=project.told,
            )
        log = project.log()
        assert "notice by SIGTERM" in log, project.told()
        assert log.count("requeued: restart") == (1 if nodes == 3 else 2), project.told()
        assert "DUE TO PREEMPTION" not in log
        reasons = [record["reason"] for record in project.searches() if record["outcome"] == "bad"]
        assert not [reason for reason in reasons if "signal" in reason or "worker" in reason], (
            reasons
        )
        cluster.slurm("scancel", job)
        until(lambda: not cluster.jobs(), what="the end of the job")
    check_against(uninterrupted, project)


def test_over_three_time_limits_to_its_target(project, uninterrupted):
    """Slurm's shortest limit is a minute; it gives notice some half a minute before that.

    A crew that dies then is to be started again after the requeue, when it would be one too many.
    """
    job = project.submit("--nodes=3", *QUICK)
    until(lambda: "notice by SIGUSR1" in project.log(), what="the first notice", more=project.told)
    for pid in processes("worker.sh", environment=[f"SLURM_JOB_ID={job}", "SLURMD_NODENAME=n2"]):
        os.kill(pid, signal.SIGKILL)
    seen = []
    for start in (2, 3, 4):
        until(
            lambda start=start: f"start {start} on" in project.log(),
            what=f"start {start}",
            more=project.told,
        )
        assert is_prefix(seen, project.events())
        seen = project.events()
    project.finish_soon(more=1)
    assert project.end()[0] == "DONE", project.told()
    assert project.log().count("requeued: restart") >= 3
    print(
        f"\n{project.starts()} starts, {len(project.events())} KMC steps, {len(project.searches())} searches; lost none"
    )
    check_against(uninterrupted, project)
