"""Detached signatures of packages: SSHSIG, made and verified by ssh-keygen with the keys that people have.

    sign(Path("release_v1.0.zip"), key=Path("~/.ssh/id_ed25519"))                 # release_v1.0.zip.sig
    signer = signer_of(data, signature=..., signers=Path("allowed_signers"))      # 'alice@example.org'

The namespace keeps a signature made for something else (git, a file) from being taken for one of a release. Format and rules:
OpenSSH's PROTOCOL.sshsig and ssh-keygen(1), ALLOWED SIGNERS.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.errors import ReleaseError
from mlip_kmc.files import storage_errors
from mlip_kmc.programs import Finished, Program, ProgramEnd
from mlip_kmc.scratch import temporary

NAMESPACE = "mlip-kmc-release"
SUFFIX = ".sig"
MOST_BYTES = 20_000
_SIGN_LIMIT_S, _VERIFY_LIMIT_S = 300.0, 60.0
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
HOW_TO_MAKE_A_KEY = "make one with `ssh-keygen -t ed25519 -f ~/.ssh/mlip-kmc-release` and name it"


@dataclass(frozen=True)
class Signer:
    """Who signed.

    Attributes:
        principal: the name that the allowed signers give the key.
        key: its fingerprint.
    """

    principal: str
    key: str


def sign(package: Path, *, key: Path) -> Path:
    """Write the signature of a package beside it.

    Args:
        package: the zip.
        key: a private key, or a public one whose private half an agent or a hardware key holds.

    Raises:
        ReleaseError: there is no such key, or ssh-keygen does not sign with it.
    """
    key = key.expanduser().absolute()
    if not key.is_file():
        raise ReleaseError(f"there is no key {key}; {HOW_TO_MAKE_A_KEY}")
    target = package.with_name(package.name + SUFFIX)
    target.unlink(missing_ok=True)  # ssh-keygen would ask
    with temporary("sign") as folder:
        done = Program.find("ssh-keygen").run(
            ["-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(package.absolute())], cwd=folder,
            time_limit_s=_SIGN_LIMIT_S, keep=("SSH_AUTH_SOCK",))
        said = _last_line(done)
    if done.returncode != 0 or not target.is_file():
        raise ReleaseError(f"ssh-keygen did not sign {package.name} with {key}: {said}; sign it by hand: ssh-keygen -Y sign "
                           f"-f KEY -n {NAMESPACE} {package}")
    return target


def signer_of(data: bytes, *, signature: bytes, signers: Path) -> Signer:
    """Who signed these bytes.

    Args:
        data: the package's.
        signature: the content of the `.sig` file.
        signers: ssh-keygen's file of allowed signers.

    Raises:
        ReleaseError: nobody who may, or not for this; one line.
    """
    namespace = _namespace(signature)
    if namespace != NAMESPACE:
        raise ReleaseError(f"the signature is for the namespace {namespace!r}, not for {NAMESPACE!r}")
    if not signers.is_file():
        raise ReleaseError(f"there is no file {signers} of allowed signers; get it from whom you trust")
    with temporary("verify") as folder:
        with storage_errors(folder, place="MLIP_KMC_SCRATCH"):
            (folder / "message").write_bytes(data)
            (folder / "message.sig").write_bytes(signature)
        keygen, known = Program.find("ssh-keygen"), str(signers.absolute())
        found = keygen.run(["-Y", "find-principals", "-s", "message.sig", "-f", known], cwd=folder, time_limit_s=_VERIFY_LIMIT_S)
        principal = next(iter(found.stdout.read_text(encoding="utf-8", errors="replace").splitlines()), "")
        if found.returncode != 0 or not principal:
            raise ReleaseError(_why_nobody(_last_line(found), signers))
        done = keygen.run(["-Y", "verify", "-f", known, "-I", principal, "-n", NAMESPACE, "-s", "message.sig"], cwd=folder,
                          time_limit_s=_VERIFY_LIMIT_S, stdin=folder / "message")
        if done.end is not ProgramEnd.EXITED or done.returncode != 0:
            raise ReleaseError(_why_not(_last_line(done), principal))
        said = done.stdout.read_text(encoding="utf-8", errors="replace").strip()
    return Signer(principal=principal, key=said.rpartition(" ")[2])


def _last_line(done: Finished) -> str:
    """What ssh-keygen says is wrong: the first line of its standard error names it, the later ones repeat it."""
    lines = done.stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[0].strip() if lines else f"exit code {done.returncode}"


def _why_nobody(said: str, signers: Path) -> str:
    if "expired" in said or "not yet valid" in said:
        return f"the signer's key is not valid now: {said.partition(': ')[2] or said}"
    if "No principal matched" in said:
        return f"the key that signed is none of those in {signers}"
    return f"ssh-keygen finds no signer in {signers}: {said}"


def _why_not(said: str, principal: str) -> str:
    if "incorrect signature" in said:
        return f"the signature of {principal} is of other bytes: the package is damaged, altered, or another release"
    if "not permitted" in said:
        return f"{principal} may not sign releases: {said.partition(': ')[2] or said}"
    return f"ssh-keygen does not accept the signature of {principal}: {said}"


def _namespace(signature: bytes) -> str:
    """What the signature was made for, as it says itself; ssh-keygen then verifies that."""
    text = signature.decode("ascii", "replace").strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise ReleaseError("the signature is no whole SSH signature: fetch it again")
    try:
        blob = base64.b64decode("".join(text.removeprefix(_BEGIN).removesuffix(_END).split()), validate=True)
        if blob[:6] != b"SSHSIG":
            raise ReleaseError("the signature is no whole SSH signature: fetch it again")
        position = 10 + 4 + struct.unpack(">I", blob[10:14])[0]  # after magic, version and the public key
        length = struct.unpack(">I", blob[position : position + 4])[0]
        return blob[position + 4 : position + 4 + length].decode("utf-8", "backslashreplace")
    except (binascii.Error, struct.error, ValueError) as error:
        raise ReleaseError("the signature is no whole SSH signature: fetch it again") from error
