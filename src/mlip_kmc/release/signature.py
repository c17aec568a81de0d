"""Detached signatures of packages: SSHSIG, made and verified by ssh-keygen with the keys that people have.

Example:
    sign(Path("release_v1.0.zip"), key=Path("~/.ssh/id_ed25519"))                 # release_v1.0.zip.sig
    signer = signer_of(data, signature=..., signers=Path("allowed_signers"))      # 'alice@example.org'

The namespace keeps a signature made for something else (git, a file) from being taken for one of a release. Format and rules:
OpenSSH's PROTOCOL.sshsig and ssh-keygen(1), ALLOWED SIGNERS.
"""

import base64
import binascii
import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlip_kmc.ground.errors import ReleaseError
from mlip_kmc.ground.files import read_at_most, storage_errors, why_no_file
from mlip_kmc.ground.programs import Finished, Program, ProgramEnd
from mlip_kmc.ground.scratch import temporary

NAMESPACE = "mlip-kmc-release"
SUFFIX = ".sig"
MOST_BYTES = 20_000
_MOST_SIGNERS_BYTES = 1_000_000
_MESSAGE, _SIGNATURE, _ALLOWED = "message", "message.sig", "signer"
_NOT_WHOLE = "the signature is no whole SSH signature: fetch it again"
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
    wrong = why_no_file(key)
    if wrong:
        raise ReleaseError(
            f"{wrong.replace('there is no file', 'there is no key')}; {HOW_TO_MAKE_A_KEY}"
        )
    target = package.with_name(package.name + SUFFIX)
    target.unlink(missing_ok=True)  # ssh-keygen would ask
    with temporary("sign") as folder:
        done = Program.find("ssh-keygen").run(
            ["-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(package.absolute())],
            cwd=folder,
            time_limit_s=_SIGN_LIMIT_S,
            keep=("SSH_AUTH_SOCK",),
        )
        said = _last_line(done)
    if done.returncode != 0 or not target.is_file():
        raise ReleaseError(
            f"ssh-keygen did not sign {package.name} with {key}: {said}; sign it by hand: ssh-keygen -Y sign "
            f"-f KEY -n {NAMESPACE} {package}"
        )
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
    seal = _Seal.read(signature)
    if seal.namespace != NAMESPACE:
        raise ReleaseError(
            f"the signature is for the namespace {seal.namespace!r}, not for {NAMESPACE!r}"
        )
    lines = _allowed(signers)
    with temporary("verify") as folder:
        with storage_errors(folder, place="MLIP_KMC_SCRATCH"):
            (folder / _MESSAGE).write_bytes(data)
            (folder / _SIGNATURE).write_bytes(signature)
        done = _keygen(
            "check-novalidate",
            "-n",
            NAMESPACE,
            "-s",
            _SIGNATURE,
            cwd=folder,
            stdin=folder / _MESSAGE,
        )
        if done.end is not ProgramEnd.EXITED or done.returncode != 0:
            raise ReleaseError(
                f"the signature is of other bytes: the package is damaged, altered, or another release "
                f"({_last_line(done)})"
            )
        reasons = []
        for number, line in lines:
            if seal.may_be_of(line):
                found = _signer_by(line, seal, folder, where=f"line {number} of {signers}")
                if isinstance(found, Signer):
                    return found
                reasons.append(found)
    raise ReleaseError(
        "; ".join(reasons)
        or f"the key that signed ({seal.fingerprint}) is none of those in {signers}"
    )


def _signer_by(line: str, seal: "_Seal", folder: Path, *, where: str) -> Signer | str:
    """Who signed by a line of the allowed signers; else why that line does not do.

    ssh-keygen's find-principals stops at the first line that has the key, whatever its namespaces are: it is asked line by line.
    """
    with storage_errors(folder, place="MLIP_KMC_SCRATCH"):
        (folder / _ALLOWED).write_text(f"{line}\n", encoding="utf-8")
    named = _keygen("find-principals", "-s", _SIGNATURE, "-f", _ALLOWED, cwd=folder)
    principals = [
        name
        for name in named.stdout.read_text(encoding="utf-8", errors="replace").splitlines()
        if name and not name.startswith("!")
    ]  # a pattern that excludes is nobody's name
    if named.returncode != 0 or not principals:
        return f"{where} is not valid now: {_without_place(_last_line(named))}"
    said = ""
    for principal in principals:
        done = _keygen(
            "verify",
            "-f",
            _ALLOWED,
            "-I",
            principal,
            "-n",
            NAMESPACE,
            "-s",
            _SIGNATURE,
            cwd=folder,
            stdin=folder / _MESSAGE,
        )
        if done.end is ProgramEnd.EXITED and done.returncode == 0:
            return Signer(principal=principal, key=seal.fingerprint)
        said = (
            said
            or f"{principal} may not sign releases by {where}: {_without_place(_last_line(done))}"
        )
    return said


def _keygen(what: str, *options: str, cwd: Path, stdin: Path = Path(os.devnull)) -> Finished:
    return Program.find("ssh-keygen").run(
        ["-Y", what, *options], cwd=cwd, time_limit_s=_VERIFY_LIMIT_S, stdin=stdin
    )


def _allowed(signers: Path) -> list[tuple[int, str]]:
    """The lines of a file of allowed signers, with their numbers from 1."""
    wrong = why_no_file(signers)
    if wrong:
        raise ReleaseError(f"{wrong}; a file of allowed signers comes from whom you trust")
    try:
        text = read_at_most(signers, _MOST_SIGNERS_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise ReleaseError(
            f"cannot read the allowed signers {signers}: {error.strerror}"
        ) from error
    numbered = enumerate((line.strip() for line in text.split("\n")), start=1)
    return [(number, line) for number, line in numbered if line and not line.startswith("#")]


def _last_line(done: Finished) -> str:
    """What ssh-keygen says is wrong: the first line of its standard error names it, the later ones repeat it."""
    lines = done.stderr.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[0].strip() if lines else f"exit code {done.returncode}"


def _without_place(said: str) -> str:
    """ssh-keygen's words without the name of the file that it was given."""
    return said.removeprefix(f"{_ALLOWED}:1: ")


@dataclass(frozen=True)
class _Seal:
    """What a signature says of itself; ssh-keygen then verifies that.

    Attributes:
        key: the public key's blob.
        namespace: what it was made for.
    """

    key: bytes
    namespace: str

    @classmethod
    def read(cls, signature: bytes) -> Self:
        """Of the content of a `.sig` file.

        Raises:
            ReleaseError: it is no whole signature.
        """
        text = signature.decode("ascii", "replace").strip()
        if not (text.startswith(_BEGIN) and text.endswith(_END)):
            raise ReleaseError(_NOT_WHOLE)
        try:
            blob = base64.b64decode(
                "".join(text.removeprefix(_BEGIN).removesuffix(_END).split()), validate=True
            )
            if blob[:6] != b"SSHSIG":
                raise ReleaseError(_NOT_WHOLE)
            key, position = _string(blob, 10)  # after magic and version
            namespace, _ = _string(blob, position)
            return cls(key=key, namespace=namespace.decode("utf-8", "backslashreplace"))
        except (binascii.Error, struct.error, ValueError) as error:
            raise ReleaseError(_NOT_WHOLE) from error

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.key).digest()).decode().rstrip("=")

    def may_be_of(self, line: str) -> bool:
        """Does a line of the allowed signers hold this key, or could it be the authority of this certificate?"""
        is_certificate = _string(self.key, 0)[0].endswith(b"-cert-v01@openssh.com")
        return base64.b64encode(self.key).decode() in line.split() or (
            is_certificate and "cert-authority" in line
        )


def _string(blob: bytes, position: int) -> tuple[bytes, int]:
    """A string of SSH's wire format (RFC 4251, section 5), and where the next one begins."""
    begin = position + 4
    end = begin + int(struct.unpack(">I", blob[position:begin])[0])
    if end > len(blob):
        raise ValueError("a string that is longer than what holds it")
    return blob[begin:end], end
