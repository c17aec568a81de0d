"""A release from outside of the image, as those who make one and those who get one meet it; the pages' own commands.

Runs on the host: needs Apptainer, ssh-keygen, unzip and sha256sum, and rocrate-validator of containers/host.in.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import requests
from requests.adapters import BaseAdapter
from requests_cache import CachedSession
from tests.example_sets import example_sets
from urllib3 import HTTPResponse

ROOT = Path(__file__).resolve().parents[2]
IMAGE = Path(os.environ.get("MLIP_KMC_IMAGE", ROOT / "image.sif"))
TIME_LIMIT_S = 600


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


def succeeded(*command: str | Path, **options: object) -> str:
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def in_image(folder: Path, *command: str) -> str:
    """In a directory that is all that the image sees of this machine."""
    userns = ("--userns",) if os.geteuid() == 0 else ()
    return succeeded(
        "apptainer",
        "--quiet",
        "exec",
        *userns,
        "--containall",
        "--cleanenv",
        "--no-home",
        "--net",
        "--network",
        "none",
        "--bind",
        f"{folder}:{folder}",
        "--pwd",
        folder,
        IMAGE,
        *command,
    )


@pytest.fixture(scope="module")
def workshop() -> Iterator[Path]:
    """The example's run, of one step, and the sets of its potential; inside the repository, which is what in-image shows."""
    folder = Path(tempfile.mkdtemp(prefix=".release-test-", dir=ROOT))
    text = (ROOT / "examples" / "cu-vacancy" / "akmc.yaml").read_text()
    text = text.replace("kmc_steps: 10", "kmc_steps: 1").replace(
        "value: 0.99", "value: 0.9"
    )  # seconds, not a minute
    for name in ("vacancy.xyz", "cu.yace"):
        text = text.replace(f" {name}", f" {ROOT}/examples/cu-vacancy/{name}")
    (folder / "akmc.yaml").write_text(text)
    settings = (
        (ROOT / "examples" / "cu-vacancy" / "release.yaml")
        .read_text()
        .replace("quiet_steps: 10", "quiet_steps: 1")
    )
    (folder / "release.yaml").write_text(settings)
    succeeded(
        "containers/in-image",
        "mlip-kmc",
        "run",
        f"{folder}/akmc.yaml",
        "--dir",
        f"{folder}/run",
        "--quiet",
        cwd=ROOT,
    )
    shutil.copytree(example_sets("containers/in-image", "python3"), folder / "sets")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def released(workshop: Path) -> Path:
    """What `just release` leaves: in a copy of release/, so that the real one's files stay."""
    key = workshop / "key"
    succeeded("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "jane", "-f", key)
    said = succeeded(
        "release/make",
        workshop / "run",
        key,
        "--settings",
        workshop / "release.yaml",
        "--training-set",
        workshop / "sets" / "train.xyz",
        "--validation-set",
        workshop / "sets" / "test.xyz",
        "--version",
        "1.0.0-test",
        cwd=ROOT,
    )
    package, signature = re.search(r"^give away: (\S+) and (\S+)$", said, re.MULTILINE).groups()
    line = re.search(r"^  YOU@YOUR.DOMAIN (namespaces=.*)$", said, re.MULTILINE).group(1)
    folder = workshop / "given"
    folder.mkdir()
    for name in (package, signature):
        shutil.move(ROOT / name, folder)
    (folder / "allowed_signers").write_text(f"jane@example.org {line}\n")
    return folder


def commands(page: str, kind: str = "") -> list[str]:
    """The blocks of a page that are marked as `sh`, or as `sh KIND`."""
    return re.findall(
        rf"^```sh{f' {kind}' if kind else ''}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL
    )


@pytest.fixture(scope="module")
def recipient(released: Path) -> tuple[Path, str]:
    """An empty directory with the three files, after the page's commands, and what they said."""
    folder = Path(tempfile.mkdtemp(prefix="mlip-kmc-recipient-"))
    for path in released.iterdir():
        shutil.copy(path, folder)
    page = (ROOT / "release" / "VERIFY.md").read_text(encoding="utf-8")
    script = "\n".join(commands(page)).replace("release_v1.0", "release_v1.0-test")
    said = succeeded(
        "env", "-i", f"PATH={os.environ['PATH']}", "sh", "-eu", "-c", script, cwd=folder
    )
    yield folder / "release_v1.0-test", said
    shutil.rmtree(folder)


def test_the_recipients_page_to_the_letter(recipient):
    folder, said = recipient
    assert 'Good "mlip-kmc-release" signature for jane@example.org with ED25519 key SHA256:' in said
    assert '"version": "1.0.0-test"' in said
    assert '"training_set_size": 430' in said
    assert (folder / "model_card.html").is_file()


def test_the_image_of_the_manifest_is_this_one(recipient):
    manifest = json.loads((recipient[0] / "manifest.json").read_text())
    assert manifest["image"]["sha256"] == succeeded("sha256sum", IMAGE).split()[0]
    assert all(check["verdict"] == "passed" for check in manifest["checks"])


@pytest.mark.parametrize("kind", ["lammps", "ase", "eon"])
def test_the_pages_programs_run_without_the_project(recipient, kind):
    folder = recipient[0]
    page = (ROOT / "release" / "VERIFY.md").read_text(encoding="utf-8")
    (command,) = commands(page, kind)
    said = in_image(folder, "sh", "-euc", command)
    energy = json.loads((folder / "manifest.json").read_text())["example"]["energy_eV"]
    if kind == "eon":
        lines = (folder / "results.dat").read_text().splitlines()
        assert float(next(line.split()[0] for line in lines if "potential_energy" in line)) < energy
    else:
        found = next(line for line in said.splitlines() if line.endswith(" eV")).replace(
            "energy ", ""
        )
        assert abs(float(found.split()[0]) - energy) <= 1e-8


def test_whoever_has_mlip_kmc_verifies_with_it(released):
    said = in_image(
        released,
        "mlip-kmc",
        "release",
        "verify",
        "release_v1.0-test.zip",
        "--signers",
        "allowed_signers",
        "--try",
    )
    assert "9 try " in said
    assert "a largest gamma of " in said
    assert said.endswith("release_v1.0-test.zip is verified: signed by jane@example.org\n")


def test_a_flipped_bit_is_seen_by_the_page(released):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in released.iterdir():
            shutil.copy(path, folder)
        data = bytearray((folder / "release_v1.0-test.zip").read_bytes())
        data[5000] ^= 1
        (folder / "release_v1.0-test.zip").write_bytes(data)
        page = (ROOT / "release" / "VERIFY.md").read_text(encoding="utf-8")
        script = "\n".join(commands(page)).replace("release_v1.0", "release_v1.0-test")
        done = run("sh", "-eu", "-c", script, cwd=folder)
        assert done.returncode != 0
        assert "do not open the zip" in done.stderr
        assert not (folder / "release_v1.0-test").exists(), "it is not opened"


def test_the_page_and_the_program_try_every_line_of_a_key(released):
    """The first is for another use, and the only one that find-principals tells; the second is past its time; the third does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in released.iterdir():
            shutil.copy(path, folder)
        line = (folder / "allowed_signers").read_text()
        (folder / "allowed_signers").write_text(
            "# who may\n"
            + line.replace("jane@", "for.git@").replace("mlip-kmc-release", "git")
            + line.replace("jane@", "past@").replace('release"', 'release",valid-before="20200101"')
            + line
        )
        script = "\n".join(commands((ROOT / "release" / "VERIFY.md").read_text(encoding="utf-8")))
        said = succeeded(
            "env",
            "-i",
            f"PATH={os.environ['PATH']}",
            "sh",
            "-eu",
            "-c",
            script.replace("release_v1.0", "release_v1.0-test"),
            cwd=folder,
        )
        assert 'Good "mlip-kmc-release" signature for jane@example.org' in said
        assert "by jane@example.org" in in_image(
            folder,
            "mlip-kmc",
            "release",
            "verify",
            "release_v1.0-test.zip",
            "--signers",
            "allowed_signers",
        )


class Shelf(BaseAdapter):
    """Answers a request for the context of RO-Crate 1.1 with the copy that ro-crate-py ships."""

    def send(self, request, **_):
        content = resources.files("rocrate").joinpath("data", "ro-crate.jsonld").read_bytes()
        assert json.loads(content)["@id"] == request.url == CONTEXT
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        response.headers["Content-Type"] = "application/ld+json"
        response.raw = HTTPResponse(
            body=io.BytesIO(content), status=200, headers=response.headers, preload_content=False
        )
        return response

    def close(self):
        pass


CONTEXT = "https://w3id.org/ro/crate/1.1/context"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """The validator's store of what it would fetch, with the one context in it."""
    path = tmp_path_factory.mktemp("shelf") / "http"
    with CachedSession(cache_name=str(path), backend="sqlite", expire_after=-1) as session:
        session.mount(CONTEXT, Shelf())
        session.get(
            CONTEXT, headers={"Accept": "application/ld+json, application/json, */*;q=0.1"}
        ).raise_for_status()
    return path


def validated(crate: Path, shelf: Path) -> subprocess.CompletedProcess[str]:
    """By rocrate-validator, without a network: what is required, and what is recommended."""
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    validator = Path(sys.executable).with_name("rocrate-validator")
    return run(
        validator,
        "-y",
        "--disable-color",
        "validate",
        "--offline",
        "--cache-path",
        shelf,
        "--no-paging",
        "--verbose",
        "--profile-identifier",
        "ro-crate-1.1",
        "--requirement-severity",
        "recommended",
        crate,
        env={**os.environ, **nowhere},
    )


def test_the_crate_is_one_by_its_validator(recipient, shelf):
    done = validated(recipient[0], shelf)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_validator_sees_what_is_wrong(recipient, shelf, tmp_path):
    """What earlier releases had, and the like, one that is required and one that is recommended: the test above can fail."""
    crate = tmp_path / "crate"
    shutil.copytree(recipient[0], crate)
    raw = json.loads((crate / "ro-crate-metadata.json").read_text())
    raw["@context"] = CONTEXT
    del next(entity for entity in raw["@graph"] if entity["@id"] == "./")["publisher"]
    (crate / "ro-crate-metadata.json").write_text(json.dumps(raw))
    done = validated(crate, shelf)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "creditText" in done.stdout
    assert "publisher" in done.stdout


@pytest.mark.parametrize(
    ("key", "said"), [("", "no key is given"), ("/nowhere/key", "there is no key /nowhere/key")]
)
def test_without_a_key_it_says_how_to_make_one(workshop, key, said):
    done = run("release/make", workshop / "run", key, cwd=ROOT)
    assert done.returncode == 2
    assert said in done.stderr
    assert "ssh-keygen -t ed25519 -f " in done.stderr
