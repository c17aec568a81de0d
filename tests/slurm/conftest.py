"""A real Slurm of three nodes on this host, real Apptainer, real eOn. Runs on the host, as root."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("MLIP_KMC_IMAGE", ROOT / "image.sif"))
SCRIPTS = ROOT / "slurm"
SOAK = bool(os.environ.get("MLIP_KMC_SOAK"))
DEADLINE_S = 900
CLIENT = "/opt/mlip-kmc/bin/eonclient"
ASLEEP_S = 1
CREDENTIAL_S = 4
ENDS = ("DONE", "HALTED", "FAILED")
QUICK = (
    "--time=1",
    "--signal=B:USR1@10",
)  # Slurm's shortest limit; it gives notice up to half a minute earlier
NODES = ("n1", "n2", "n3")
# the second partition's jobs are preempted with 30 s of notice by the third's
CONF = (
    "PreemptType=preempt/partition_prio",
    "PreemptMode=REQUEUE",
    "PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=30",
    "PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF",
)
MAKE = """
from ase.build import add_adsorbate, fcc100
from ase.constraints import FixAtoms
slab = fcc100("Al", (3, 3, 3), a=4.05, vacuum=8.0, periodic=True)
add_adsorbate(slab, "Al", 2.0, "hollow")
slab.info.clear()
slab.set_constraint(FixAtoms(indices=[atom.index for atom in slab if atom.tag == 3]))
slab.write("adatom.xyz")
"""


def pytest_collection_modifyitems(items):
    """Without the programs these tests say so loudly: they fail, they are not skipped."""
    missing = [
        name
        for name in ("apptainer", "slurmctld", "slurmd", "munged", "sbatch", "shellcheck")
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None
    ]
    if items and missing:
        pytest.exit(
            f"tests/slurm needs {', '.join(missing)}: `./bootstrap test` as root installs them",
            returncode=3,
        )
    if items and not IMAGE.exists():
        pytest.exit(f"tests/slurm needs {IMAGE}; containers/build makes it", returncode=3)
    if items and os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.exit(
                "tests/slurm must be root, who alone can start Slurm's daemons", returncode=3
            )
        for item in items:
            item.add_marker(
                pytest.mark.skip(reason="NOT TESTED: only root can start Slurm's daemons")
            )


def until(condition, *, what, more=lambda: ""):
    """Wait for something that will come."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited for: {what}\n{more()}"
        time.sleep(0.2)
    return found


def called(*command, cwd=None, env=None, check=True):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def in_image(*command, cwd):
    return called(
        "apptainer",
        "--quiet",
        "exec",
        "--userns",
        "--containall",
        "--no-home",
        "--bind",
        cwd,
        "--pwd",
        cwd,
        IMAGE,
        *command,
    )


@dataclass
class Cluster:
    """The Slurm under test."""

    folder: Path

    @property
    def env(self):
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def control(self, verb, *words):
        """tests/slurm/cluster."""
        called(ROOT / "tests/slurm/cluster", verb, self.folder, *words)

    def slurm(self, *command, check=True):
        return called(*command, env=self.env, check=check)

    def jobs(self, folder=None):
        """State by job, of those that were submitted from a folder."""
        lines = [
            line.split(maxsplit=2)
            for line in self.slurm(
                "squeue", "--noheader", "--array", "--format=%i %T %Z"
            ).splitlines()
        ]
        return {job: state for job, state, where in lines if folder is None or where == str(folder)}

    def stop_slurmctld(self):
        pid = int((self.folder / "slurmctld.pid").read_text())
        os.kill(pid, 9)
        until(lambda: not alive(pid), what="the end of slurmctld")

    def heal(self):
        """All nodes as they were."""
        for node in NODES:
            state = self.slurm("sinfo", "--noheader", f"--nodes={node}", "--format=%T").split()[0]
            pid = self.folder / f"slurmd-{node}.pid"
            if (
                "down" in state
                or "*" in state
                or not pid.is_file()
                or not alive(int(pid.read_text()))
            ):
                self.control("slurmd", node)
        until(
            lambda: (
                self.slurm(
                    "sinfo",
                    "--noheader",
                    "--partition=main",
                    "--states=idle,mixed,allocated,completing",
                    "--format=%D",
                ).split()
                and self.up() == len(NODES)
            ),
            what="all nodes",
        )

    def up(self):
        lines = self.slurm("sinfo", "--noheader", "--partition=main", "--format=%D %T").splitlines()
        return sum(int(line.split()[0]) for line in lines if "down" not in line and "*" not in line)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("slurm")
    found = Cluster(folder)
    number, claim = free_number()
    environment = {
        **os.environ,
        "CPUS": "2",
        "CRED_EXPIRE_S": str(120 if SOAK else CREDENTIAL_S),
        "CLUSTER": str(number),
    }
    called(ROOT / "tests/slurm/cluster", "start", folder, len(NODES), *CONF, env=environment)
    ended = threading.Event()
    if not SOAK:
        threading.Thread(target=hurry, args=(found, ended), daemon=True).start()
    try:
        yield found
    finally:
        ended.set()
        found.control("stop")
        claim.close()


def free_number():
    """A number that no other cluster of this machine has now: ports and jobs' numbers follow from it."""
    for number in range(12):
        claim = Path(tempfile.gettempdir(), f"mlip-kmc-cluster-{number}.lock").open("w")  # noqa: SIM115
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.close()
        else:
            return number, claim
    pytest.exit("tests/slurm: twelve clusters run on this machine already", returncode=3)


def hurry(cluster, ended):
    """Requeued jobs wait for two minutes: a slurmctld that was started again forgets that it is to be less.

    Not at once, though: while the old credential is remembered as revoked, a job that starts again is killed.
    """
    since = {}
    while not ended.wait(1):
        waiting = cluster.slurm(
            "squeue", "--noheader", "--array", "--states=PENDING", "--format=%i %r", check=False
        )
        found = {
            line.split()[0] for line in waiting.splitlines() if line.split()[1:] == ["BeginTime"]
        }
        since = {job: since.get(job, time.monotonic()) for job in found}
        for job, begun in since.items():
            if time.monotonic() - begun > CREDENTIAL_S + 4:
                cluster.slurm("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)


@dataclass
class Project:
    """A folder from which jobs are submitted, and its one run."""

    folder: Path
    cluster: Cluster
    settings: dict = field(default_factory=dict)
    sleepy: str = ""
    """Apptainer's options for searches that sleep before they work."""

    def write(self, **changes):
        """akmc.yaml: an Al adatom on Al(100), eOn's own potential, a second or two a search, nearly all of it asleep."""
        self.settings = merged(self.settings or BASE, changes)
        (self.folder / "akmc.yaml").write_text(json.dumps(self.settings))

    def site(self, *lines):
        (self.folder / "site.env").write_text(
            "\n".join(
                [
                    f"MLIP_KMC_IMAGE={IMAGE}",
                    f'MLIP_KMC_APPTAINER_OPTIONS="--userns {self.sleepy}"',
                    f"MLIP_KMC_NODE_SCRATCH={self.scratch}",
                    "MLIP_KMC_GRACE_S=10",
                    "MLIP_KMC_PATIENCE_MIN=0.3",
                    *lines,
                    "",
                ]
            )
        )

    @property
    def scratch(self):
        return self.folder / "scratch"

    @property
    def run(self):
        return self.folder / "run"

    def submit(self, *flags, script="akmc.sbatch", arguments=("akmc.yaml", "run"), env=None):
        return called(
            "sbatch",
            "--parsable",
            "--output=job.log",
            *flags,
            SCRIPTS / script,
            *arguments,
            cwd=self.folder,
            env={**self.cluster.env, **(env or {})},
        ).split(";")[0]

    def jobs(self):
        return self.cluster.jobs(self.folder)

    def give_notice(self, job):
        """What Slurm does before a time limit."""
        self.cluster.slurm("scancel", "--batch", "--signal=USR1", job)

    def clear(self):
        """Leave no job and no dead node behind."""
        if " is UP" not in self.cluster.slurm("scontrol", "ping", check=False):
            self.cluster.control("slurmctld")
        self.cluster.heal()
        deadline = time.monotonic() + DEADLINE_S
        while jobs := self.jobs():
            self.cluster.slurm("scancel", *jobs, check=False)
            assert time.monotonic() < deadline, f"jobs that do not end: {jobs}"
            time.sleep(1)

    def log(self):
        path = self.folder / "job.log"
        return path.read_text() if path.exists() else ""

    def told(self):
        """All that a failed test wants to know."""
        logs = "".join(
            f"--- {path.name}\n{path.read_text()}"
            for path in sorted(self.run.glob("slurm/*"))
            if path.is_file()
        )
        return f"--- job.log\n{self.log()}\n{logs}\n{self.jobs()}"

    def end(self, run=None):
        """The file that a run ended with, once its jobs have gone."""
        where = run or self.run

        def ended():
            return [name for name in ENDS if (where / name).exists()] if not self.jobs() else []

        found = until(ended, what=f"the end of {where}", more=self.told)
        assert len(found) == 1, found
        return found[0], (where / found[0]).read_text()

    def journal(self, name, run=None):
        path = (run or self.run) / f"journal/{name}.jsonl"
        whole = path.read_text() if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines(keepends=True) if line.endswith("\n")]

    def events(self, run=None):
        return self.journal("events", run)

    def searches(self, run=None):
        return [{**record, "seconds": 0} for record in self.journal("searches", run)]

    def wait_for_searches(self, count, run=None):
        until(
            lambda: len(self.journal("searches", run)) >= count,
            what=f"{count} searches",
            more=self.told,
        )

    def starts(self):
        return len(self.journal("starts"))

    def busy(self):
        """Searches that run, as the run says."""
        try:
            return json.loads((self.run / "live.json").read_text())["busy"]
        except (OSError, ValueError, KeyError):
            return 0

    def finish_soon(self, more=1):
        """Let the next start be the last one."""
        self.write(stop={"kmc_steps": len(self.events()) + more})

    def wait_for_start(self, number):
        until(lambda: f"start {number} on" in self.log(), what=f"start {number}", more=self.told)


BASE = {
    "structure": "adatom.xyz",
    "potential": {"eon": "eam_al"},
    "temperature_K": 400,
    "seed": 5,
    "search": {
        "displace": "least_coordinated",
        "displacement_A": 0.3,
        "displacement_radius_A": 3.5,
        "time_limit_min": 5,
        "thermal_window_kT": 60,
        "max_bad_in_a_row": 1000000,
    },
    "confidence": {"value": 0.15},
    "stop": {"kmc_steps": 100000},
}


def merged(old, new):
    return {
        **old,
        **{
            key: merged(old[key], value)
            if isinstance(value, dict) and isinstance(old.get(key), dict)
            else value
            for key, value in new.items()
        },
    }


@pytest.fixture(scope="session")
def structure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("structure")
    in_image("python3", "-c", MAKE, cwd=folder)
    return folder / "adatom.xyz"


@pytest.fixture(scope="session")
def sleepy(tmp_path_factory):
    """Apptainer's options that put a script before eOn's client: it sleeps, then is the client.

    What comes out is the same; three nodes of searches leave processors for signals, and for the tests beside them.
    """
    folder = tmp_path_factory.mktemp("sleepy")
    shown = f"{CLIENT}-itself"
    (folder / "client").write_bytes(
        subprocess.run(
            ["apptainer", "--quiet", "exec", "--userns", IMAGE, "cat", CLIENT],
            check=True,
            capture_output=True,
            timeout=120,
        ).stdout
    )
    (folder / "sleepy").write_text(f'#!/bin/sh\nsleep {ASLEEP_S}\nexec {shown} "$@"\n')
    for name in ("client", "sleepy"):
        (folder / name).chmod(0o755)
    return f"--bind {folder}/sleepy:{CLIENT} --bind {folder}/client:{shown}"


def project_in(folder, cluster, structure, sleepy, **changes):
    shutil.copyfile(structure, folder / "adatom.xyz")
    found = Project(folder, cluster, sleepy=sleepy)
    found.scratch.mkdir()
    found.site()
    found.write(**changes)
    return found


@pytest.fixture
def project(tmp_path, cluster, structure, sleepy):
    found = project_in(tmp_path, cluster, structure, sleepy)
    yield found
    found.clear()


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory, structure):
    """The first KMC steps of the same run, in one piece and awake."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copyfile(structure, folder / "adatom.xyz")
    project = Project(folder, Cluster(folder))
    project.write(stop={"kmc_steps": 20})
    in_image("mlip-kmc", "run", "akmc.yaml", "--dir", "run", "--quiet", cwd=folder)
    return project.events(), project.searches()


def is_prefix(short, whole):
    return short == whole[: len(short)]


class Incident:
    """What an incident cost: a line for each, printed. `starts`: of the run, once it has gone on."""

    def __init__(self, project, name, *, starts):
        self.project, self.name, self.starts = project, name, starts

    def __enter__(self):
        self.busy, self.events = self.project.busy(), self.project.events()
        self.searches, self.begun = self.project.searches(), time.monotonic()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        project = self.project
        until(
            lambda: project.starts() >= self.starts,
            what=f"start {self.starts} after: {self.name}",
            more=project.told,
        )
        count = max(len(project.searches()), len(self.searches))
        until(
            lambda: len(project.searches()) > count,
            what=f"searches after: {self.name}",
            more=project.told,
        )
        seconds = time.monotonic() - self.begun
        assert is_prefix(self.events, project.events()), "a KMC step is lost"
        assert is_prefix(self.searches, project.searches()), "a registered search is lost"
        assert project.starts() == self.starts, project.told()
        print(
            f"\n{self.name}: of {self.busy} searches in flight at most all lost, of {len(self.searches)} registered none, of "
            f"{len(self.events)} KMC steps none; after {seconds:.0f} s the next search was registered"
        )


def count(pattern, text):
    return len(re.findall(pattern, text, re.MULTILINE))
