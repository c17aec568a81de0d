"""A real campaign on a real Slurm: two nodes, two time limits, labels as jobs of their own, the job following them."""

import json
import shutil

from .conftest import ROOT, SOAK, until

EXAMPLE = ROOT / "examples" / "cu-campaign"
RUN = {
    "structure": "vacancy.xyz",
    "potential": {"ace": "bulk.yace"},
    "temperature_K": 500,
    "search": {
        "displace": "under_coordinated",
        "max_coordination": 11,
        "displacement_A": 0.3,
        "displacement_radius_A": 3.0,
        "max_iterations": 300,
    },
    "confidence": {"scheme": "old", "value": 0.5},
    "stop": {"kmc_steps": 1},
    "seed": 1,
}
CAMPAIGN = {
    "explore": "akmc.yaml",
    "training": {"data": "train.xyz", "test": "test.xyz"},
    "oracle": {"ase": "ase.calculators.emt:EMT", "zero_eV": {"Cu": 3.51}},
    "labels": {
        "where": "slurm",
        "sbatch": ["--time=5", "--cpus-per-task=1", "--signal=B:USR1@10"],
    },
    "halts_at_once": 2,
    # two repairs are enough here; with MLIP_KMC_SOAK it goes on to its target
    "budget": {"without_progress": 8} if SOAK else {"generations": 2, "labels_at_once": 1},
}


def written(project):
    """The example's campaign with an early target and labels by jobs; sources before those of the image."""
    for path in EXAMPLE.glob("*.*"):
        if path.suffix not in (".py", ".yaml") or path.name == "bulk.yaml":
            shutil.copyfile(path, project.folder / path.name)
    # JSON is YAML, and this machine's Python may read none
    (project.folder / "akmc.yaml").write_text(json.dumps(RUN))
    (project.folder / "campaign.yaml").write_text(json.dumps(CAMPAIGN))
    options = f"--userns --bind {ROOT}/src --env PYTHONPATH={ROOT}/src"
    project.site(f'MLIP_KMC_APPTAINER_OPTIONS="{options}"', "MLIP_KMC_LABEL_WAIT_MIN=0")


def generation(project):
    try:
        return json.loads((project.run / "campaign.json").read_text())["generation"]
    except (OSError, ValueError):
        return 0


def searches(project):
    path = project.run / "run/journal/searches.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def notice_while_exploring(project, number):
    """A time limit's notice when a generation explores and has registered something."""
    until(
        lambda: generation(project) >= number and searches(project) > 0,
        what=f"generation {number}",
        more=project.told,
    )
    (job,) = [
        job
        for job in project.jobs()
        if project.cluster.slurm("squeue", "--noheader", f"--jobs={job}", "--format=%j").startswith(
            "campaign"
        )
    ]
    project.give_notice(job)


def test_a_campaign_over_two_time_limits_with_labels_as_jobs(project):
    written(project)
    project.submit(
        "--nodes=2",
        "--cpus-per-task=1",
        "--time=20",
        "--signal=B:USR1@30",
        script="campaign.sbatch",
        arguments=("campaign.yaml", "run"),
    )
    for number in (1, 2):
        notice_while_exploring(project, number)
    name, text = project.end()
    if SOAK:
        assert name == "DONE", project.told()
        assert "reached the target (1 KMC step" in text
    else:
        assert name == "HALTED", project.told()
        assert "does not converge: 2 generations did not suffice" in text
    assert (project.run / "gen-002/potential/bulk-gen-002.yace").is_file()
    log = project.log()
    assert log.count("notice by SIGUSR1") == 2, project.told()
    labels = list(project.run.glob("gen-*/labels*/*/label.xyz"))
    submitted = [
        line for line in log.splitlines() if line.startswith("label ") and ": job " in line
    ]
    assert len(labels) == len(submitted) >= 2, project.told()
    joined = "".join(path.read_text() for path in project.run.glob("slurm/worker-*.log"))
    assert joined.count("joining the run at") >= 3, project.told()
    assert list(project.scratch.iterdir()) == []
