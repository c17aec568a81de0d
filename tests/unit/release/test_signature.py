"""Signatures by ssh-keygen: with a key in a file, with one that an agent holds, and what goes wrong."""

import os
import subprocess

import pytest

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.release.signature import NAMESPACE, sign, signer_of

from .packages import Signers


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Signers(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "release_v1.0.zip"
    path.write_bytes(b"some bytes")
    return path


def signed_by(package, keys, name="jane", **options):
    signers = package.with_name("allowed_signers")
    signers.write_text(keys.line(name, **options))
    return signer_of(
        package.read_bytes(),
        signature=package.with_name(f"{package.name}.sig").read_bytes(),
        signers=signers,
    )


def test_a_key_in_a_file(package, keys):
    assert sign(package, key=keys.key("jane")) == package.with_name("release_v1.0.zip.sig")
    found = signed_by(package, keys)
    assert found.principal == "jane@example.org"
    assert (
        found.key
        in subprocess.run(
            ["ssh-keygen", "-l", "-f", str(keys.key("jane"))],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    sign(package, key=keys.key("jane"))  # a second time it replaces the first, and does not ask


def test_ssh_keygen_itself_takes_it(package, keys):
    sign(package, key=keys.key("jane"))
    signers = package.with_name("allowed_signers")
    signers.write_text(keys.line("jane"))
    with package.open("rb") as stream:
        done = subprocess.run(
            [
                "ssh-keygen",
                "-Y",
                "verify",
                "-f",
                str(signers),
                "-I",
                "jane@example.org",
                "-n",
                NAMESPACE,
                "-s",
                f"{package}.sig",
            ],
            stdin=stream,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('Good "mlip-kmc-release" signature for jane@example.org')


def test_several_names_and_several_keys(package, keys):
    sign(package, key=keys.key("jane"))
    signers = package.with_name("allowed_signers")
    signers.write_text(
        "# who may\n\n" + keys.line("bob") + keys.line("jane").replace("jane@", "jane@,j.doe@")
    )
    found = signer_of(
        package.read_bytes(),
        signature=package.with_name(f"{package.name}.sig").read_bytes(),
        signers=signers,
    )
    assert found.principal in {"jane@", "j.doe@example.org"}


def test_a_key_of_an_agent(package, keys, tmp_path, monkeypatch):
    """Only the public half is in a file; the signature comes from who holds the other."""
    socket = tmp_path / "agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        private = keys.key("held")
        for _ in range(200):
            added = subprocess.run(
                ["ssh-add", str(private)], capture_output=True, check=False, env=dict(os.environ)
            )
            if added.returncode == 0:
                break
        assert added.returncode == 0, added.stderr
        public = tmp_path / "held.pub"
        public.write_text(private.with_suffix(".pub").read_text())
        sign(package, key=public)
        assert signed_by(package, keys, "held").principal == "held@example.org"
    finally:
        agent.terminate()
        agent.wait()


def test_no_key_and_no_good_one(package, tmp_path):
    with pytest.raises(ReleaseError, match=r"there is no key .*ssh-keygen -t ed25519 -f"):
        sign(package, key=tmp_path / "nowhere")
    (tmp_path / "noise").write_text("no key\n")
    with pytest.raises(ReleaseError, match=r"did not sign .*ssh-keygen -Y sign"):
        sign(package, key=tmp_path / "noise")
    assert not package.with_name(f"{package.name}.sig").exists()


def test_a_key_with_a_passphrase_is_not_waited_for(package, tmp_path):
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "a secret", "-f", str(tmp_path / "locked")],
        check=True,
    )
    with pytest.raises(ReleaseError, match="did not sign"):
        sign(package, key=tmp_path / "locked")
