"""Keys of a run's ports: an authority and certificates made afresh for each start, and the file that lets workers join.

    keys = Keys.make()
    connection = Connection(addresses=("tls://10.0.0.5:40001",), keys=keys.worker, ...)
    connection.write(run / "cluster" / "connection.json")          # 0600, in a directory of 0700
    Connection.read(run / "cluster" / "connection.json").security()

Both ends of every connection show a certificate of this authority, whose own key is forgotten once it has signed: whoever
cannot read the run's files can neither connect, nor read, nor submit.
"""

import datetime as dt
import json
import os
import socket
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlip_kmc.ground.errors import RunStateError
from mlip_kmc.ground.files import make_directory, storage_errors, write_durably

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

FORMAT = 1
DIRECTORY = "cluster"
FILE = "connection.json"
_VALID_DAYS = 400  # longer than any job; the keys of the next start are new
_CLOCK_SKEW_DAYS = 2


def connection_file(run_dir: Path) -> Path:
    """Where a run says how workers reach it."""
    return run_dir / DIRECTORY / FILE


@dataclass(frozen=True)
class Credential:
    """One role's certificate and key, and the authority that the other side must show a certificate of; PEM texts."""

    authority: str
    certificate: str
    key: str


@dataclass(frozen=True)
class Keys:
    """The credentials of one start."""

    scheduler: Credential
    worker: Credential

    @classmethod
    def make(cls) -> Self:
        """A new authority (ECDSA P-256) and what it signs."""
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        authority = _certificate("mlip-kmc run", key=key, signer=None)
        return cls(
            scheduler=_credential("scheduler", authority, key),
            worker=_credential("worker", authority, key),
        )

    def security(self) -> Any:
        """dask's `Security` for the scheduler and the client beside it."""
        from distributed.security import Security

        own = self.scheduler
        return Security(
            require_encryption=True,
            tls_ca_file=own.authority,
            tls_scheduler_cert=own.certificate,
            tls_scheduler_key=own.key,
            tls_client_cert=own.certificate,
            tls_client_key=own.key,
            tls_worker_cert=own.certificate,
            tls_worker_key=own.key,
        )


@dataclass(frozen=True)
class Connection:
    """What a worker needs to join a run.

    Attributes:
        start: a token; another start of the run has another one.
        version: of mlip-kmc at the other end.
        addresses: where the scheduler listens, as `tls://10.0.0.5:40001`; the same port by several names.
        credential: the worker's.
        files: sha256 of each file that searches read, by absolute path: a node must see the same.
    """

    start: str
    version: str
    addresses: tuple[str, ...]
    credential: Credential
    files: dict[str, str]

    def write(self, path: Path) -> None:
        """Write it, for this user's eyes alone.

        Raises:
            StorageError: it could not be written.
        """
        make_directory(path.parent)
        with storage_errors(path.parent):
            path.parent.chmod(0o700)
        write_durably(path, json.dumps({"format": FORMAT, **asdict(self)}).encode(), mode=0o600)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read it; None where there is none.

        Raises:
            RunStateError: it is damaged, somebody else's, or open to others.
        """
        try:
            with path.open("rb") as stream:
                status, data = os.fstat(stream.fileno()), stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunStateError(
                f"cannot read {path}: {error.strerror}; run workers as the user that runs the run"
            ) from error
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise RunStateError(
                f"{path} belongs to another user or is open to others; it is not trusted: stop the run and "
                "start it again"
            )
        try:
            body = json.loads(data)
            if body.pop("format") != FORMAT:
                raise RunStateError(
                    f"{path} is of another version of mlip-kmc; run workers from the run's own image"
                )
            return cls(
                **{
                    **body,
                    "addresses": tuple(body["addresses"]),
                    "credential": Credential(**body["credential"]),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RunStateError(
                f"{path} is damaged ({error}); stop the run and start it again"
            ) from error

    def security(self) -> Any:
        """dask's `Security` for a worker."""
        from distributed.security import Security

        own = self.credential
        return Security(
            require_encryption=True,
            tls_ca_file=own.authority,
            tls_worker_cert=own.certificate,
            tls_worker_key=own.key,
        )


def _credential(
    role: str, authority: "x509.Certificate", signer: "ec.EllipticCurvePrivateKey"
) -> Credential:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(f"mlip-kmc {role}", key=key, signer=signer, authority=authority)
    pem = serialization.Encoding.PEM
    return Credential(
        authority=authority.public_bytes(pem).decode(),
        certificate=certificate.public_bytes(pem).decode(),
        key=key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def _certificate(
    name: str,
    *,
    key: "ec.EllipticCurvePrivateKey",
    signer: "ec.EllipticCurvePrivateKey | None",
    authority: "x509.Certificate | None" = None,
) -> "x509.Certificate":
    """A certificate of `key`, signed by the authority; without one, the authority itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(tz=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=_CLOCK_SKEW_DAYS))
        .not_valid_after(now + dt.timedelta(days=_VALID_DAYS))
        .add_extension(
            x509.BasicConstraints(
                ca=authority is None, path_length=0 if authority is None else None
            ),
            critical=True,
        )
    )
    return builder.sign(signer or key, hashes.SHA256())


def addresses_of(scheduler: str) -> tuple[str, ...]:
    """The scheduler's own address, and the same port by this machine's name, for networks where one of them leads nowhere."""
    port = scheduler.rsplit(":", 1)[1]
    return tuple(
        dict.fromkeys(
            [
                scheduler,
                f"tls://{socket.getfqdn()}:{port}",
                f"tls://{socket.gethostname()}:{port}",
            ]
        )
    )
