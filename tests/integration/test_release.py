"""A release of the example's run, made by the real programs, and what a recipient does with it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from ase.io import read
from tests.example_sets import example_sets

from mlip_kmc.campaign.state import FILE, CampaignState, Step
from mlip_kmc.learning.active_set_maker import active_set_bytes, make_active_set
from mlip_kmc.release.archive import packed
from mlip_kmc.release.contents import sums_of
from mlip_kmc.release.gate import CHECKS
from mlip_kmc.release.manifest import ProductionManifest
from mlip_kmc.release.members import MANIFEST, MEMBERS, SUMS, TRAINING
from mlip_kmc.release.signature import NAMESPACE, sign
from mlip_kmc.release.verification import STEPS
from mlip_kmc.report.words import scientific

from .conftest import EXAMPLE, mlip_kmc

REASON = "the test has no image file"
OTHER_CLOCK = """
import time
shift = 400 * 86400.0
now, local, utc, text = time.time, time.localtime, time.gmtime, time.strftime
time.time = lambda: now() + shift
time.time_ns = lambda: int((now() + shift) * 1e9)
time.localtime = lambda seconds=None: local(now() + shift if seconds is None else seconds)
time.gmtime = lambda seconds=None: utc(now() + shift if seconds is None else seconds)
time.strftime = lambda form, moment=None: text(form, moment or local(now() + shift))
from mlip_kmc.cli import main
main()
"""
"""`mlip-kmc` four hundred days later, as far as Python's clock goes; what is written must not ask for it."""
OWN_INPUT = """
units metal
atom_style atomic
box tilt large
read_data example.data
include in.potential
run 0
variable energy equal pe
print "mine ${energy}"
"""


def settings_in(folder, **changes):
    """The example's settings, for a run of two steps."""
    raw = yaml.safe_load((EXAMPLE / "release.yaml").read_text())
    raw["release"] |= {"quiet_steps": 2, **changes}
    (folder / "release.yaml").write_text(yaml.safe_dump(raw))
    return folder / "release.yaml"


@pytest.fixture(scope="module")
def sets():
    """The training set that the record tells of, by its recipe."""
    return example_sets(sys.executable)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    public = " ".join(path.with_suffix(".pub").read_text().split()[:2])
    (path.parent / "allowed_signers").write_text(
        f'jane@example.org namespaces="{NAMESPACE}" {public}\n'
    )
    return path


@pytest.fixture(scope="module")
def finished(example_run, tmp_path_factory):
    """A run of its own for what is made in it."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(example_run.parent, folder, dirs_exist_ok=True, symlinks=True)
    return folder


@pytest.fixture(scope="module")
def package(finished, sets, key):
    """The release that the last step of the run makes, signed."""
    settings = settings_in(
        finished,
        training_sets=[str(sets / "train.xyz")],
        validation_set=str(sets / "test.xyz"),
        include_training_set=True,
        allow={"image": REASON},
    )
    done = mlip_kmc("run", "akmc.yaml", "--dir", "run", "--release", settings, cwd=finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "released: run/release/release_v1.0.zip" in done.stdout
    found = finished / "run" / "release" / "release_v1.0.zip"
    sign(found, key=key)
    return found


@pytest.fixture(scope="module")
def recipient(package, key, tmp_path_factory):
    """An empty directory, then the unpacked release in it."""
    folder = tmp_path_factory.mktemp("recipient")
    for path in (package, package.with_name(f"{package.name}.sig"), key.parent / "allowed_signers"):
        shutil.copy(path, folder)
    return folder


def verify(folder, *options):
    return mlip_kmc(
        "release",
        "verify",
        "release_v1.0.zip",
        "--signers",
        "allowed_signers",
        *options,
        cwd=folder,
    )


@pytest.fixture(scope="module")
def unpacked(recipient):
    done = verify(recipient, "--try", "--unpack", "release_v1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:8]] == [
        [str(number), name] for number, name in enumerate(STEPS, start=1) if name != "image"
    ]
    assert lines[-1] == "release_v1.0.zip is verified: signed by jane@example.org"
    return recipient / "release_v1.0"


def test_a_release_that_is_refused_leaves_nothing(finished, sets, tmp_path):
    settings = settings_in(tmp_path, quiet_steps=3, references={})
    done = mlip_kmc(
        "release",
        "build",
        finished / "run",
        "--settings",
        settings,
        "--training-set",
        sets / "test.xyz",
        "--output",
        "out",
        "--allow",
        "vacancy",
        "--because",
        "only the others are asked for",
        cwd=tmp_path,
    )
    assert done.returncode == 9, done.stdout + done.stderr
    refused = re.findall(
        r"^mlip-kmc: no release: (\S+) (?:is not tested|failed)", done.stderr, re.MULTILINE
    )
    assert refused == [
        "lattice-constant",
        "c11",
        "c12",
        "c44",
        "barrier",
        "halts",
        "training-set",
        "validation",
        "image",
    ]
    assert (
        "limits are by group, and the record tells of all structures together: set release.validation_set"
        in done.stderr
    )
    assert "training-set failed: " in done.stderr
    assert "152 structures" in done.stderr
    assert "the run made 2 KMC steps with this potential, fewer than 3" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_same_inputs_give_the_same_zip_another_day_elsewhere(package, finished, sets, tmp_path):
    """A copy of the run under another name, other times of its files, another locale, time zone, umask, hash seed and clock."""
    run = tmp_path / "another name"
    shutil.copytree(finished / "run", run, symlinks=True, ignore=shutil.ignore_patterns("release"))
    for path in run.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (1e9, 1e9))
    for name in ("train.xyz", "test.xyz"):
        shutil.copy(sets / name, tmp_path / name)
    settings = settings_in(tmp_path)
    environment = {
        **os.environ,
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "de_DE.UTF-8",
        "TZ": "Pacific/Chatham",
        "PYTHONHASHSEED": "77",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            OTHER_CLOCK,
            "release",
            "build",
            str(run),
            "--settings",
            str(settings),
            "--training-set",
            "train.xyz",
            "--validation-set",
            "test.xyz",
            "--include-training-set",
            "--allow",
            "image",
            "--because",
            REASON,
            "--output",
            "there",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        umask=0o077,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "there" / "release_v1.0.zip").read_bytes() == package.read_bytes()


def test_a_campaign_releases_its_best_potential_at_the_target(example_run, sets, key, tmp_path):
    """As a kill before the last step leaves it: the run has its steps, and `campaign.json` is at finalize."""
    shutil.copytree(example_run, tmp_path / "campaign" / "run", symlinks=True)
    CampaignState(step=Step.FINALIZE).write(tmp_path / "campaign" / FILE)
    shutil.copy(example_run.parent / "akmc.yaml", tmp_path)
    settings_in(tmp_path, allow={"image": REASON})
    campaign = {
        "explore": "akmc.yaml",
        "training": {"data": str(sets / "train.xyz"), "test": str(sets / "test.xyz")},
        "oracle": {"ase": "ase.calculators.emt:EMT"},
        "release": "release.yaml",
    }
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(campaign))
    package = tmp_path / "campaign/run/release/release_v1.0.zip"
    written = set()
    for _ in range(2):  # the same command again releases nothing anew
        done = mlip_kmc("campaign", "campaign.yaml", "--dir", "campaign", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"; released: {package.relative_to(tmp_path)}; sign it: " in done.stdout
        written.add((package.stat().st_mtime_ns, package.read_bytes()))
    assert len(written) == 1
    sign(package, key=key)
    shutil.copy(key.parent / "allowed_signers", package.parent)
    done = verify(package.parent, "--unpack", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = ProductionManifest.from_json((package.parent / "out" / MANIFEST).read_bytes())
    assert (manifest.training_set_size, manifest.validation_metrics.structures) == (430, 152)
    best = tmp_path / "campaign/gen-000/potential/cu.yace"
    assert (package.parent / "out/potential.yace").read_bytes() == best.read_bytes()


def test_a_version_is_released_once(package, finished):
    before = package.read_bytes()
    done = mlip_kmc("run", "akmc.yaml", "--dir", "run", "--release", "release.yaml", cwd=finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert package.read_bytes() == before


def test_what_is_in_it(package, unpacked):
    with zipfile.ZipFile(package) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}
    assert names == [
        name
        for name in MEMBERS
        if MEMBERS[name].required or name in {TRAINING, "potential.record.json"}
    ]
    assert sorted(path.name for path in unpacked.iterdir()) == sorted(names)
    for name, source in (
        ("potential.yace", "cu.yace"),
        ("potential.yaml", "cu.yaml"),
        ("potential.asi", "cu.asi"),
    ):
        assert (unpacked / name).read_bytes() == (EXAMPLE / source).read_bytes()
    manifest = ProductionManifest.from_json((unpacked / MANIFEST).read_bytes())
    assert (manifest.version, manifest.training_set_size, manifest.elements) == (
        "1.0.0",
        430,
        ("Cu",),
    )
    assert manifest.run.kmc_steps == 2
    assert manifest.validation_metrics.structures == 152
    assert {row.group for row in manifest.errors_by_group} == {
        "bulk",
        "vacancy",
        "hop",
        "local",
        "close",
        "tight",
    }
    assert manifest.parts["eOn"] == "3.6.0"
    assert tuple(check.name for check in manifest.checks) == CHECKS
    assert [
        (check.name, check.because) for check in manifest.checks if check.verdict != "passed"
    ] == [("image", REASON)]


def test_every_check_is_in_the_report_with_its_number_and_reason(unpacked):
    manifest = ProductionManifest.from_json((unpacked / MANIFEST).read_bytes())
    report, card = (
        (unpacked / name).read_text(encoding="utf-8") for name in ("report.html", "model_card.html")
    )
    for check in manifest.checks:
        assert f"<code>{check.name}</code>" in report
        if check.number is not None:
            assert f"<td>{scientific(check.number)}</td>" in report
    assert f"allowed because {REASON}" in report
    assert REASON in card
    for page in (report, card):
        assert "http" not in page.replace("http-equiv", "")
        assert str(Path.cwd()) not in page


def test_the_training_set_reads_as_the_same_set(unpacked, sets):
    from mlip_kmc.release.training import LabelledSet

    manifest = ProductionManifest.from_json((unpacked / MANIFEST).read_bytes())
    again = LabelledSet.read((unpacked / TRAINING,))
    assert (
        again.fingerprint
        == manifest.training_set.fingerprint
        == LabelledSet.read((sets / "train.xyz",)).fingerprint
    )


def expected(unpacked):
    return json.loads((unpacked / MANIFEST).read_text())["example"]["energy_eV"]


def scratch_of(unpacked, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(unpacked, folder)
    return folder


def test_in_potential_runs_in_an_input_of_ones_own(unpacked, tmp_path):
    folder = scratch_of(unpacked, tmp_path)
    (folder / "in.mine").write_text(OWN_INPUT)
    for name, word in (("in.mine", "mine"), ("in.example", "energy")):
        done = subprocess.run(
            ["lmp", "-in", name, "-log", "none"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        energy = next(line.split()[1] for line in done.stdout.splitlines() if line.startswith(word))
        assert float(energy) == pytest.approx(expected(unpacked), abs=1e-8)


GAMMA_INPUT = """
units metal
atom_style atomic
atom_modify map array sort 0 0
box tilt large
read_data example.data
{potential}
{interval}
compute largest all reduce max f_gamma
thermo_style custom step pe c_largest
run 0
print "first $(c_largest:%.10g)"
minimize 0.0 1e-3 9 1000
print "steps $(step)"
print "stale $(c_largest:%.10g)"
run 0
print "again $(c_largest:%.10g)"
{now}
run 0
print "now $(c_largest:%.10g)"
write_dump all custom minimum.dump id type x y z modify sort id format float %.17g
"""


def test_the_gamma_lines_of_in_potential_give_that_of_the_present_structure(unpacked, tmp_path):
    """By the shipped words to the letter: after a minimization, an interval of 10 keeps an earlier one's; the recipe does not."""
    from mlip_kmc.evaluate.gamma import Extrapolation
    from mlip_kmc.potential import AcePotential

    folder = scratch_of(unpacked, tmp_path)
    text = (folder / "in.potential").read_text()
    commands = [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")]
    assert [line.split()[0] for line in commands] == [
        "pair_style",
        "pair_coeff",
        "fix",
        "fix",
        "run",
    ]
    masses = [line for line in text.splitlines() if line.startswith("mass")]
    potential, interval, now = [*commands[:2], *masses], commands[2:3], commands[3:]
    assert "pair 10 " in interval[0]
    script = GAMMA_INPUT.format(
        potential="\n".join(potential), interval=interval[0], now="\n".join(now)
    )
    (folder / "in.gamma").write_text(script)
    done = subprocess.run(
        ["lmp", "-in", "in.gamma", "-log", "none"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    told = ("first ", "steps ", "stale ", "again ", "now ")
    said = dict(line.split() for line in done.stdout.splitlines() if line.startswith(told))
    grade = Extrapolation.of(AcePotential.read(folder / "potential.yace"))
    minimum = read(folder / "minimum.dump", format="lammps-dump-text", index=-1)
    minimum.symbols = ["Cu"] * len(minimum)
    right = float(grade.gamma_of(minimum).max())
    manifest = json.loads((unpacked / MANIFEST).read_text())
    assert float(said["first"]) == pytest.approx(manifest["example"]["gamma"], rel=1e-4)
    assert said["steps"] == "9"
    assert float(said["first"]) != pytest.approx(right, rel=0.05)
    assert said["stale"] == said["first"], "of an earlier structure"
    assert said["again"] == said["first"], "a run 0 alone does not help"
    assert float(said["now"]) == pytest.approx(right, rel=1e-4)


def test_an_active_set_of_another_potential_is_seen_when_tried(unpacked, key, tmp_path):
    """Of the same basis, of full rank, with digests that fit, signed: only its gamma gives it away."""
    files = {
        path.name: path.read_bytes()
        for path in unpacked.iterdir()
        if path.name != "potential.record.json"
    }
    rattled = [read(EXAMPLE / "vacancy.xyz") for _ in range(8)]
    for seed, atoms in enumerate(rattled):
        atoms.rattle(0.2, seed=seed)
    files["potential.asi"] = active_set_bytes(make_active_set(EXAMPLE / "cu.yaml", rattled))
    manifest = json.loads(files[MANIFEST])
    del manifest["files"]["potential.record.json"]
    manifest["files"]["potential.asi"] = {
        "sha256": hashlib.sha256(files["potential.asi"]).hexdigest(),
        "bytes": len(files["potential.asi"]),
    }
    signed_again(files, json.dumps(manifest).encode(), tmp_path, key)
    assert verify(tmp_path).returncode == 0
    done = verify(tmp_path, "--try")
    assert done.returncode == 9
    assert re.search(
        r"refused at step 9 \(try\): python-ace gives example.xyz a largest gamma of \S+, the manifest \S+: the "
        r"active set is not this potential's",
        done.stderr,
    )


def test_the_five_lines_of_ase_run(unpacked, tmp_path):
    folder = scratch_of(unpacked, tmp_path)
    assert (folder / "ase_example.py").read_text().count("\n") == 5
    done = subprocess.run(
        [sys.executable, "ase_example.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) == pytest.approx(expected(unpacked), abs=1e-8)


def test_eon_minimises_the_example(unpacked, tmp_path):
    folder = scratch_of(unpacked, tmp_path)
    done = subprocess.run(
        ["eonclient"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = dict(
        reversed(line.split()[:2]) for line in (folder / "results.dat").read_text().splitlines()
    )
    assert float(results["potential_energy"]) < expected(unpacked) - 1.0
    assert len(read(folder / "example.xyz")) == 107


def repacked(unpacked, folder, key, change):
    """The release with another manifest, everything else consistent, and signed."""
    files = {path.name: path.read_bytes() for path in unpacked.iterdir()}
    signed_again(
        files, change(ProductionManifest.from_json(files[MANIFEST])).to_json(), folder, key
    )


def signed_again(files, manifest, folder, key):
    """A release of these files with this manifest, by a key that is allowed to."""
    files = {**files, MANIFEST: manifest}
    files[SUMS] = sums_of(files)
    date = ProductionManifest.from_json(manifest).creation_date
    (folder / "release_v1.0.zip").write_bytes(packed(files, at=date))
    sign(folder / "release_v1.0.zip", key=key)
    shutil.copy(key.parent / "allowed_signers", folder)


def test_an_energy_that_is_off_by_two_digits_is_seen(unpacked, key, tmp_path):
    def change(manifest):
        example = manifest.example.model_copy(
            update={"energy_eV": manifest.example.energy_eV + 2e-8}
        )
        return manifest.model_copy(update={"example": example})

    repacked(unpacked, tmp_path, key, change)
    assert verify(tmp_path).returncode == 0
    done = verify(tmp_path, "--try")
    assert done.returncode == 9
    assert re.search(
        r"mlip-kmc: refused at step 9 \(try\): LAMMPS gives example.xyz .* differ by 2.0e-08 eV",
        done.stderr,
    )


def test_of_another_potential_than_the_runs_there_is_no_release(finished, sets, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run, symlinks=True)
    for name in ("cu.yaml", "cu.asi", "cu.record.json"):
        shutil.copy(EXAMPLE / name, tmp_path)
    (tmp_path / "cu.yace").write_bytes((EXAMPLE / "cu.yace").read_bytes() + b"\n")
    (tmp_path / "cu.record.json").unlink()
    note = json.loads((run / "potential.json").read_text())
    note = {kind: str(tmp_path / Path(path).name) for kind, path in note.items()}
    (run / "potential.json").write_text(json.dumps(note))
    done = mlip_kmc(
        "release",
        "build",
        run,
        "--settings",
        settings_in(tmp_path),
        "--training-set",
        sets / "train.xyz",
        cwd=tmp_path,
    )
    assert done.returncode == 6
    assert "was made with another ace than" in done.stderr


def given_another_potential(run, yace):
    """Have the run say that it was made with these files: its newest generation, digest and all."""
    newest = max((run / "generations").glob("*.json"))
    manifest = json.loads(newest.read_bytes().partition(b"\n")[2])
    digests = {
        "ace": yace,
        "basis": yace.with_suffix(".yaml"),
        "active_set": yace.with_suffix(".asi"),
    }
    for key, path in digests.items():
        manifest["epochs"][-1]["facts"][f"potential.{key}"] = hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
    text = json.dumps(manifest).encode()
    newest.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def test_a_broken_potential_is_refused_with_its_numbers(finished, sets, tmp_path):
    """One coefficient of the .yace is another: still smooth, still symmetric, and neither its .yaml nor copper any more."""
    run = tmp_path / "run"
    shutil.copytree(finished / "run", run, symlinks=True)
    for name in ("cu.yaml", "cu.asi"):
        shutil.copy(EXAMPLE / name, tmp_path)
    text = (EXAMPLE / "cu.yace").read_text()
    (tmp_path / "cu.yace").write_text(text.replace("107.136496764", "107.436496764"))
    given_another_potential(run, tmp_path / "cu.yace")
    done = mlip_kmc(
        "release",
        "build",
        run,
        "--potential",
        "cu.yace",
        "--settings",
        settings_in(tmp_path),
        "--training-set",
        sets / "train.xyz",
        "--output",
        "out",
        cwd=tmp_path,
    )
    assert done.returncode == 9, done.stdout + done.stderr
    found = dict(
        re.findall(
            r"^mlip-kmc: no release: (\S+) failed: .*?: ([-+.e\d]+) .*allowed",
            done.stderr,
            re.MULTILINE,
        )
    )
    assert set(found) == {"paths", "lattice-constant", "c11", "c12", "c44", "vacancy"}, done.stderr
    assert float(found["paths"]) > 1.0
    assert float(found["c11"]) > 17.0
    for name in (
        "forces",
        "rotation",
        "translation",
        "permutation",
        "cutoff",
        "baseline",
        "barrier",
        "halts",
    ):
        assert re.search(rf"^{name} passed: ", done.stdout, re.MULTILINE)
    for name in ("training-set", "validation", "image"):
        assert re.search(rf"^mlip-kmc: no release: {name} is not tested", done.stderr, re.MULTILINE)
    assert not (tmp_path / "out").exists()


def test_every_allow_needs_its_because(finished, sets, tmp_path):
    done = mlip_kmc(
        "release",
        "build",
        finished / "run",
        "--settings",
        settings_in(tmp_path),
        "--training-set",
        sets / "train.xyz",
        "--allow",
        "image",
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "needs its own --because" in done.stderr


def test_schemas_are_json():
    for options in ((), ("--settings",)):
        done = mlip_kmc("release", "schema", *options, cwd=EXAMPLE)
        assert json.loads(done.stdout)["$schema"].startswith("https://json-schema.org/")
