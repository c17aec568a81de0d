"""image.sif from outside, as a user of a cluster meets it. Runs on the host: needs Apptainer and pytest only."""

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("MLIP_KMC_IMAGE", ROOT / "image.sif"))
SHUT_OFF = ("--containall", "--cleanenv", "--no-home", "--net", "--network", "none")
AS_USER = ("--userns",) if os.geteuid() == 0 else ()
TIME_LIMIT_S = 120
NOBODY = "65534"


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=TIME_LIMIT_S,
        check=False,
        **options,
    )


def apptainer(
    verb: str, *words: str | Path, options: tuple[str, ...] = SHUT_OFF
) -> subprocess.CompletedProcess[str]:
    return run("apptainer", "--quiet", verb, *AS_USER, *options, *words)


def inside(*command: str) -> str:
    done = apptainer("exec", IMAGE, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _image_is_there() -> None:
    assert IMAGE.is_file(), f"there is no {IMAGE}; containers/build makes it"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that another user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="mlip-kmc-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_both_examples_are_in_it() -> None:
    said = inside(
        "sh",
        "-c",
        "cd /tmp && mlip-kmc init run && mlip-kmc init campaign --campaign && ls campaign",
    )
    assert "written: run/cu.yace" in said
    for name in ("campaign.yaml", "akmc.yaml", "bulk.asi", "train.xyz", "test.xyz", "vacancy.xyz"):
        assert name in said.rsplit("mlip-kmc campaign", 1)[1].split()


def test_the_machine_s_python_stays_outside(tmp_path: Path) -> None:
    """As the README has it, with neither --cleanenv nor --containall: what a module or a virtual environment has set."""
    for name in ("numpy", "yaml", "ase", "click", "mlip_kmc"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('another package')\n")
    there = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONHOME": str(tmp_path),
        "PYTHONWARNINGS": "error",
        "PYTHONPLATLIBDIR": "lib64",
        "PYTHONINSPECT": "1",
        "OMP_PROC_BIND": "true",
        "OMP_PLACES": "{0}",
        "MPLBACKEND": "module://none",
    }
    plain = ("apptainer", "--quiet", "exec", *AS_USER)
    done = run(*plain, IMAGE, "mlip-kmc", "--version", env=os.environ | there)
    assert (done.returncode, done.stdout) == (0, inside("mlip-kmc", "--version")), done.stderr
    found = run(*plain, IMAGE, "/usr/bin/env", env=os.environ | there).stdout.splitlines()
    assert not [line for line in found if line.split("=")[0] in there]
    # given by name, it is taken, and said
    other = tmp_path / "other"
    other.mkdir()
    (other / "ase").mkdir()
    (other / "ase" / "__init__.py").write_text("")
    done = run(*plain, "--env", f"PYTHONPATH={other}", IMAGE, "mlip-kmc", "--version")
    assert f"not the image's: ase ({other}/ase/__init__.py)" in done.stdout


def test_is_under_400_megabytes():
    size_MB = IMAGE.stat().st_size / 1e6
    print(f"image.sif: {size_MB:.0f} MB")
    assert size_MB < 400


def check_version(text: str) -> None:
    for name, version in (
        ("mlip-kmc", r"0\.1\.0"),
        ("eOn", r"3\.6\.0"),
        ("LAMMPS", "4Feb2025"),
        ("python-ace", r"0\.4\.0rc1"),
    ):
        assert re.search(rf"^{name} {version}$", text, re.MULTILINE), (
            f"no line '{name} VERSION' in:\n{text}"
        )
    assert re.search(r"^image recipe [0-9a-f]{64}$", text, re.MULTILINE), f"no recipe in:\n{text}"


def test_version_shut_off_from_host_and_network():
    done = apptainer("run", IMAGE, "--version")
    assert done.returncode == 0, done.stderr
    check_version(done.stdout)


def test_version_as_an_ordinary_user(public_folder):
    if os.geteuid() != 0:
        pytest.skip("the other tests already run as an ordinary user")
    as_nobody = (
        "setpriv",
        "--reuid",
        NOBODY,
        "--regid",
        NOBODY,
        "--clear-groups",
        "env",
        f"HOME={public_folder}/home",
    )
    if run(*as_nobody, "unshare", "--user", "true").returncode:
        pytest.skip("no user namespaces for ordinary users here")
    image = public_folder / "image.sif"
    shutil.copyfile(IMAGE, image)
    home = public_folder / "home"
    home.mkdir()
    os.chown(home, int(NOBODY), int(NOBODY))
    done = run(
        *as_nobody, "apptainer", "--quiet", "run", *SHUT_OFF[:3], image, "--version", cwd=home
    )
    assert done.returncode == 0, done.stderr
    check_version(done.stdout)


def test_recipe_is_the_label():
    labels = json.loads(run("apptainer", "inspect", "--json", "--labels", IMAGE).stdout)["data"][
        "attributes"
    ]["labels"]
    assert labels["org.opencontainers.image.title"] == "mlip-kmc"
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert "GPL-2.0" in labels["org.opencontainers.image.licenses"]
    recorded = json.loads(inside("cat", "/opt/mlip-kmc/etc/image.json"))
    assert labels["mlip-kmc.recipe"] == recorded["recipe"]
    assert re.fullmatch("[0-9a-f]{64}", recorded["source"])


def test_starts_quickly():
    times_s = []
    for _ in range(6):
        begin = time.perf_counter()
        done = apptainer("run", IMAGE, "--version", options=("--containall", "--cleanenv"))
        times_s.append(time.perf_counter() - begin)
        assert done.returncode == 0, done.stderr
    median_s = statistics.median(times_s[1:])  # the first one fills the machine's caches
    print(
        f"mlip-kmc --version: median {median_s:.2f} s of {', '.join(f'{t:.2f}' for t in times_s)}"
    )
    assert median_s < 2.0  # 0.6 s on a quiet machine, times a generous factor


@pytest.mark.parametrize(
    "program", ["gcc", "g++", "cc", "c++", "clang", "gfortran", "cargo", "rustc", "cmake"]
)
def test_has_no_compiler(program):
    assert apptainer("exec", IMAGE, "sh", "-c", 'command -v "$0"', program).returncode != 0


def test_has_no_compiler_proper():
    assert inside("find", "/usr", "/opt", "-name", "cc1*", "-type", "f") == ""


def test_licences_are_there():
    found = set(inside("ls", "/opt/mlip-kmc/licences").split())
    assert {
        "NOTICE",
        "mlip-kmc-MIT.txt",
        "eOn-BSD-3-Clause.txt",
        "LAMMPS-GPL-2.0.txt",
        "python-ace-ASL-noncommercial.txt",
        "ACE-library.txt",
    } <= found
    assert "do not publish it" in inside("cat", "/opt/mlip-kmc/licences/NOTICE")


@pytest.mark.parametrize(
    ("app", "option", "expected"), [("lmp", "-h", "pace"), ("eonclient", "--help", "eonclient")]
)
def test_apps(app, option, expected):
    done = apptainer("run", "--app", app, IMAGE, option)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_app_refuses_a_processor_without_the_instructions(public_folder):
    cpuinfo = public_folder / "cpuinfo"
    cpuinfo.write_text(
        "flags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt cx16 lahf_lm\n", encoding="utf-8"
    )
    done = apptainer("run", "--bind", f"{cpuinfo}:/proc/cpuinfo", "--app", "lmp", IMAGE, "-h")
    assert done.returncode == 5, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "avx2" in done.stderr


def test_self_test_with_a_small_tmp():
    done = apptainer("test", IMAGE, options=("--containall", "--cleanenv"))
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "agreement within" in done.stdout


def test_self_test_sees_a_small_difference():
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, '/opt/mlip-kmc/share'); import agreement\n"
        "right = agreement.with_python_ace\n"
        "def wrong(atoms, folder):\n"
        "    energy, forces = right(atoms, folder)\n"
        "    forces[5, 1] += 2e-8\n"
        "    return energy, forces\n"
        "agreement.with_python_ace = wrong\n"
        "try: agreement.main(Path(sys.prefix) / 'share/cu-vacancy')\n"
        "except agreement.DisagreementError as error: sys.exit(f'agreement: {error}')\n"
    )
    done = apptainer("exec", IMAGE, "python3", "-c", script)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "differ by 2.0e-08, more than 1e-08: do not use this image" in done.stderr


def test_help_text():
    text = run("apptainer", "run-help", IMAGE).stdout
    assert text.count("apptainer ") >= 5
    assert "non-commercial" in text.lower()


def test_works_without_network_and_environment_from_a_read_only_folder(public_folder):
    """As a job would start it: a foreign folder, nothing inherited."""
    done = run(
        "env",
        "-i",
        f"PATH={os.environ['PATH']}",
        "HOME=/nonexistent",
        "apptainer",
        "--quiet",
        "run",
        *AS_USER,
        *SHUT_OFF,
        IMAGE,
        "--help",
        cwd=public_folder,
    )
    assert done.returncode == 0, done.stderr
