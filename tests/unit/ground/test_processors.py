"""The least of affinity, Slurm's number and cgroup quota, and which of them decided."""

import os

import pytest

from mlip_kmc.config import Config
from mlip_kmc.ground.environment import slurm_processors
from mlip_kmc.ground.processors import Processors, cpu_quota, processors

SLURM = (
    "SLURM_JOB_ID",
    "SLURM_CPUS_PER_TASK",
    "SLURM_CPUS_ON_NODE",
    "SLURM_STEP_TASKS_PER_NODE",
)


@pytest.fixture(autouse=True)
def eight_by_affinity(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)


def groups(tmp_path, *, own, mount, files):
    """/proc/self of a process in a cgroup; `mount` is a line of mountinfo whose mount point is {here}."""
    proc, here = tmp_path / "proc", tmp_path / "sys fs"
    proc.mkdir()
    (proc / "cgroup").write_text(own)
    escaped = str(here).replace(" ", "\\040")
    (proc / "mountinfo").write_text(
        f"21 20 0:19 / /proc rw - proc proc rw\n{mount.format(here=escaped)}\n"
    )
    for name, text in files.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return proc


V2 = "25 24 0:22 / {here} ro,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 24 0:30 /docker/ab {here} ro - cgroup cgroup rw,cpu,cpuacct"


@pytest.mark.parametrize(("own", "mount", "files", "quota"), [
    ("0::/a/b\n", V2, {"a/b/cpu.max": "150000 100000\n", "a/cpu.max": "max 100000\n"}, 1.5),
    ("0::/a/b\n", V2, {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3.0),
    ("0::/a/b\n", V2, {"a/b/cpu.max": "max 100000\n"}, None),
    ("0::/\n", V2, {"cpu.max": "50000 100000\n"}, 0.5),
    ("0::/../x\n", V2, {"cpu.max": "200000 100000\n"}, 2.0),
    ("0::/a\n", V2, {"a/cpu.max": "damaged\n"}, None),
    ("4:cpu,cpuacct:/docker/ab/c\n0::/\n", V1,
     {"c/cpu.cfs_quota_us": "400000\n", "c/cpu.cfs_period_us": "100000\n"}, 4.0),
    ("4:cpu,cpuacct:/elsewhere\n", V1,
     {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, None),
    ("4:memory:/docker/ab\n", V1,
     {"cpu.cfs_quota_us": "100000\n", "cpu.cfs_period_us": "100000\n"}, None),
])  # fmt: skip
def test_the_quota_of_a_cgroup_or_its_parents(tmp_path, own, mount, files, quota):
    assert cpu_quota(groups(tmp_path, own=own, mount=mount, files=files)) == quota


def test_no_cgroups_no_quota(tmp_path):
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(("environment", "found"), [
    ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "2"},
     Processors(1, "SLURM_CPUS_PER_TASK")),
    ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "3"}, Processors(3, "SLURM_CPUS_ON_NODE")),
    ({"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "6", "SLURM_STEP_TASKS_PER_NODE": "3(x2)"},
     Processors(2, "SLURM_CPUS_ON_NODE")),
    ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "32", "SLURM_CPUS_ON_NODE": "32"},
     Processors(4, "the CPU quota of its cgroup")),
    ({"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "", "SLURM_CPUS_ON_NODE": "many"},
     Processors(4, "the CPU quota of its cgroup")),
    ({"SLURM_CPUS_PER_TASK": "1"}, Processors(4, "the CPU quota of its cgroup")),
])  # fmt: skip
def test_the_least_decides(tmp_path, monkeypatch, environment, found):
    proc = groups(tmp_path, own="0::/a\n", mount=V2, files={"a/cpu.max": "450000 100000\n"})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert processors(proc) == found


def test_a_job_of_one_processor_runs_one_search(tmp_path, monkeypatch):
    """Slurm without affinity: `workers: auto`, `check` and the crews of other nodes ask the same function."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert slurm_processors() == {"SLURM_CPUS_PER_TASK": 1}
    (tmp_path / "pos.con").touch()
    config = Config.model_validate(
        {
            "structure": str(tmp_path / "pos.con"),
            "potential": {"eon": "eam_al"},
            "temperature_K": 300,
        }
    )
    assert config.worker_count == 1
