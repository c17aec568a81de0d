"""A job ends in one file, or is requeued; never in an endless loop."""

import json
import subprocess

import pytest

from .conftest import ROOT, SCRIPTS, count, until


def test_scripts_are_shellcheck_clean():
    names = sorted(
        str(path.relative_to(ROOT))
        for path in [
            *SCRIPTS.glob("*.sbatch"),
            *SCRIPTS.glob("*.sh"),
            SCRIPTS / "site.env.example",
            ROOT / "tests/slurm/cluster",
        ]
    )
    assert len(names) >= 6
    done = subprocess.run(
        ["shellcheck", "-x", *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_short_run_is_done_and_a_second_job_continues_it(project):
    project.write(stop={"kmc_steps": 1})
    project.submit("--time=10", "--signal=B:USR1@10")
    name, text = project.end()
    assert name == "DONE", project.told()
    assert count(r"KMC steps +1 of 1", text) == 1
    assert list(project.scratch.iterdir()) == []
    project.write(stop={"kmc_steps": 2})
    project.submit("--time=10", "--signal=B:USR1@10")
    until(lambda: project.log().count("start 1 on") == 2, what="the second job", more=project.told)
    name, text = project.end()
    assert name == "DONE"
    assert count(r"KMC steps +2 of 2", text) == 1
    assert len(project.events()) == 2


def test_a_broken_configuration_stops_it(project):
    project.write(temperature_K="warm")
    project.submit("--nodes=3")
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "akmc.yaml: 'temperature_K': must be a number" in text
    assert len(text.splitlines()) == 1
    assert project.starts() == 0
    assert "requeued: restart" not in project.log()


def test_a_missing_configuration_stops_it(project):
    project.submit(arguments=("typo.yaml", "run"))
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "there is no configuration typo.yaml" in text


def test_a_halt_is_not_requeued(project):
    example = ROOT / "examples/cu-vacancy"
    for file in ("vacancy.xyz", "cu.yace", "cu.yaml", "cu.asi"):
        (project.folder / file).write_bytes((example / file).read_bytes())
    project.write(
        structure="vacancy.xyz", potential={"ace": "cu.yace"}, gamma={"select": 0.01, "halt": 0.02}
    )
    settings = project.settings | {"potential": {"ace": "cu.yace"}}
    settings["search"] = settings.get("search", {}) | {"engine": "eon"}
    (project.folder / "akmc.yaml").write_text(json.dumps(settings))
    project.submit()
    name, text = project.end()
    assert name == "HALTED", project.told()
    assert "mlip-kmc select" in text
    assert "requeued: restart" not in project.log()


def test_workers_that_die_for_ever_stop_it(project):
    """Every worker process gets SIGSEGV when it is born."""
    bad = project.folder / "bad"
    bad.mkdir()
    (bad / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'forkserver' in ' '.join(sys.orig_argv):\n"
        "    os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), 11))\n"
    )
    project.site(f'MLIP_KMC_APPTAINER_OPTIONS="--userns --env PYTHONPATH={bad}"')
    project.submit("--nodes=2")
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "died" in text
    assert "SIGSEGV" in text
    assert "requeued: restart" not in project.log()


def test_a_cancelled_job_stays_cancelled(project):
    job = project.submit()
    project.wait_for_searches(1)
    project.cluster.slurm("scancel", job)
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert "the job was cancelled" in text
    assert "requeued: restart" not in project.log()


def test_a_second_job_in_the_same_directory_touches_nothing(project):
    first = project.submit()
    project.wait_for_searches(1)
    second = project.submit()
    until(lambda: second not in project.jobs(), what="the end of the second", more=project.told)
    assert f"job {first} works in" in project.log()
    assert not any((project.run / name).exists() for name in ("DONE", "HALTED", "FAILED"))
    assert project.jobs() == {first: "RUNNING"}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("MLIP_KMC_GRACE_S=soon",), "MLIP_KMC_GRACE_S must be a whole number"),
        (("MLIP_KMC_IMAGE=/nowhere/image.sif",), "there is no image /nowhere/image.sif"),
        (("MLIP_KMC_SCRATCH_MB=900000000",), "900000000 MB are wanted"),
    ],
)
def test_site_settings_are_checked(project, lines, expected):
    project.site(*lines)
    project.submit()
    name, text = project.end()
    assert name == "FAILED", project.told()
    assert expected in text + project.log()
    assert project.starts() == 0
