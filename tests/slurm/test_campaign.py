"""A real campaign on a real Slurm: two nodes, two time limits, labels as jobs of their own, a successor after them.

One repair is enough here; with MLIP_KMC_SOAK the campaign goes on to its target.
"""

import json
import re
import shutil

from .conftest import ROOT, SOAK, until

EXAMPLE = ROOT / "examples" / "cu-campaign"
RUN = {
    "structure": "vacancy.xyz",
    "potential": {"ace": "bulk.yace"},
    "temperature_K": 500,
    "search": {
        "engine": "eon",
        "displace": "under_coordinated",
        "max_coordination": 11,
        "displacement_A": 0.3,
        "displacement_radius_A": 3.0,
        "max_iterations": 300,
        "max_bad_in_a_row": 500,
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
        # not at once: the campaign's job must have ended before
        "sbatch": ["--time=5", "--cpus-per-task=1", "--signal=B:USR1@10", "--begin=now+60"],
    },
    "halts_at_once": 8 if SOAK else 48,  # exploring lasts longer than two notices take
    "budget": {} if SOAK else {"generations": 1},
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


def searches(project):
    path = project.run / "run/journal/searches.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def notice_while_exploring(project):
    """A time limit's notice, when this start has registered a search under the second potential."""
    begun = project.log().count("generation 1: explore")
    known = searches(project)
    until(
        lambda: project.log().count("generation 1: explore") > begun and searches(project) > known,
        what="a search under the second potential",
        more=project.told,
    )
    jobs = project.cluster.slurm("squeue", "--noheader", "--states=RUNNING", "--format=%i %j %Z")
    (job,) = [
        line.split()[0]
        for line in jobs.splitlines()
        if line.split()[1].startswith("campaign") and line.endswith(str(project.folder))
    ]
    project.give_notice(job)
    until(lambda: "requeued: restart" in project.log(), what="a requeue", more=project.told)


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
    for _ in range(2):
        notice_while_exploring(project)
    name, text = project.end()
    if SOAK:
        assert name == "DONE", project.told()
        assert "reached the target (" in text  # a step more where a barrier was not the oracle's
        assert "the oracle confirms" in text
    else:
        assert name == "HALTED", project.told()
        assert "does not converge: 1 generation did not suffice" in text
    assert (project.run / "gen-001/potential/bulk-gen-001.yace").is_file()
    log = project.log()
    assert log.count("notice by SIGUSR1") == 2, project.told()
    labels = list(project.run.glob("gen-*/labels*/*/label.xyz"))
    submitted = [
        line for line in log.splitlines() if line.startswith("label ") and ": job " in line
    ]
    assert len(labels) == len(submitted) >= 1, project.told()
    assert re.search(r"it goes on after these jobs: \d+$", log, re.MULTILINE), project.told()
    assert log.count(" follows") == log.count("it goes on after"), project.told()
    joined = "".join(path.read_text() for path in project.run.glob("slurm/worker-*.log"))
    assert joined.count("joining the run at") >= 3, project.told()
    assert list(project.scratch.iterdir()) == []
