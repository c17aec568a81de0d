"""Verification of a signed package, in numbered steps; the first step that fails ends it.

Example:
    verified = verify(Path("release_v1.0.zip"), policy=Policy(signers=Path("allowed_signers")))
    verified.signer.principal, verified.manifest.version

Steps:
 1 package    the zip and its signature are files of a bounded size, and the name is that of a release
 2 signature  an allowed signer signed these bytes, as a release; before this step the zip is not opened
 3 archive    every field of the zip has the value that the writer of releases gives it
 4 members    the files are exactly those of a release
 5 digests    SHA256SUMS agrees with the files
 6 manifest   it follows its schema, is consistent, and names this version, the time of the archive and exactly these files
 7 potential  the files of the potential belong together and agree with the manifest, and its active set has full rank
 8 image      the image at hand is the one that the release was made in
 9 try        LAMMPS and python-ace give the energy and gamma of the example as in the manifest

The package is read once, so the verified bytes are the opened ones. Files are unpacked only under the fixed names of a release,
into private scratch or an empty directory.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlip_kmc.ground.errors import MlipKmcError, PotentialError, ReleaseError
from mlip_kmc.ground.files import (
    fsync_directory,
    make_directory,
    read_at_most,
    sha256_of,
    storage_errors,
    why_no_file,
    write_durably,
)
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.release import members
from mlip_kmc.release.archive import ArchiveError, unpacked, written_at
from mlip_kmc.release.manifest import (
    FirstManifest,
    Manifest,
    named_version,
)
from mlip_kmc.release.members import MOST_BYTES
from mlip_kmc.release.signature import MOST_BYTES as MOST_SIGNATURE_BYTES
from mlip_kmc.release.signature import SUFFIX, Signer, signer_of
from mlip_kmc.release.verified_example import try_potential
from mlip_kmc.release.verified_files import check_members, check_sums, checked_manifest

STEPS = (
    "package",
    "signature",
    "archive",
    "members",
    "digests",
    "manifest",
    "potential",
    "image",
    "try",
)
"""By number, from 1."""


class VerificationError(ReleaseError):
    """A package is refused.

    Attributes:
        step: its number. name: the step's. reason: one line.
    """

    def __init__(self, name: str, reason: str) -> None:
        self.step, self.name, self.reason = STEPS.index(name) + 1, name, " ".join(reason.split())
        super().__init__(f"refused at step {self.step} ({name}): {self.reason}")


@dataclass(frozen=True)
class Policy:
    """What a package must satisfy.

    Attributes:
        signers: ssh-keygen's file of allowed signers.
        signature: the `.sig` file; beside the zip where None.
        image: the image's file; None where it is not at hand, and step 8 is left out.
        try_potential: evaluate the example (step 9).
    """

    signers: Path
    signature: Path | None = None
    image: Path | None = None
    try_potential: bool = False


@dataclass(frozen=True)
class Verified:
    """A package that holds.

    Attributes:
        signer: who signed it.
        manifest: what it says.
        files: its content, by name.
        notes: what is known today of such a release, one line each: it is genuine all the same.
    """

    signer: Signer
    manifest: Manifest
    files: Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    def unpack(self, directory: Path) -> None:
        """Write the files into a directory that is empty or missing.

        Raises:
            ReleaseError: there is something in it. StorageError: it cannot be written.
        """
        with storage_errors(directory, place="--unpack"):
            if directory.is_symlink() or (
                directory.exists() and (not directory.is_dir() or any(directory.iterdir()))
            ):
                raise ReleaseError(
                    f"{directory} is there and not empty; name another directory to unpack into"
                )
            make_directory(directory)
            for name, content in self.files.items():
                write_durably(directory / name, content, sync_directory=False)
            fsync_directory(directory)


def verify(
    package: Path, *, policy: Policy, on_step: Callable[[int, str, str], None] = lambda *_: None
) -> Verified:
    """Take a package through all steps.

    Args:
        package: the zip.
        policy: what it must satisfy.
        on_step: called after each step that held, with its number, its name and what was found.

    Raises:
        VerificationError: a step does not hold; its number and why.
    """

    def held(name: str, said: str) -> None:
        on_step(STEPS.index(name) + 1, name, said)

    with _step("package"):
        version = named_version(package)
        data = _bounded(package, MOST_BYTES)
        signature = _bounded(
            policy.signature or package.with_name(package.name + SUFFIX), MOST_SIGNATURE_BYTES
        )
    held("package", f"{package.name}, {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    with _step("signature"):
        signer = signer_of(data, signature=signature, signers=policy.signers)
    held("signature", f"{signer.principal} signed it, with the key {signer.key}")
    with _step("archive"):
        files = unpacked(data)
    held("archive", f"{len(files)} files, stored as a release is")
    with _step("members"):
        check_members(files)
    held("members", "all that a release must have, and nothing else")
    with _step("digests"):
        check_sums(files)
    held("digests", f"{len(files) - 1} files are those of {members.SUMS}")
    with _step("manifest"):
        manifest = checked_manifest(files, version, at=written_at(data))
    held(
        "manifest",
        f"{manifest.title}, version {manifest.version}, of {manifest.creation_date:%Y-%m-%d}, by {manifest.author}",
    )
    return _verified(files, signer, manifest, policy=policy, held=held)


def _verified(
    files: Mapping[str, bytes],
    signer: Signer,
    manifest: Manifest,
    *,
    policy: Policy,
    held: Callable[[str, str], None],
) -> Verified:
    """The steps that look at the content."""
    with temporary("verify") as folder:
        with _step("potential"):
            with storage_errors(folder, place="MLIP_KMC_SCRATCH"):
                for member, content in files.items():
                    (folder / member).write_bytes(content)
            _check_potential(folder, manifest)
        held(
            "potential",
            f"{', '.join(manifest.elements)}, cutoff {manifest.cutoff_A:g} A, gamma known",
        )
        if policy.image is not None:
            with _step("image"):
                _check_image(policy.image, manifest)
            held("image", f"{policy.image.name} is the one that it was made in")
        if policy.try_potential:
            with _step("try"):
                said = try_potential(folder, manifest)
            held("try", said)
    return Verified(signer=signer, manifest=manifest, files=files, notes=old_results(manifest))


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Whatever is wrong inside is wrong at this step."""
    try:
        yield
    except VerificationError:
        raise
    except (MlipKmcError, ArchiveError) as error:
        raise VerificationError(name, str(error)) from error


def _bounded(path: Path, most: int) -> bytes:
    wrong = why_no_file(path)
    if wrong:
        raise ReleaseError(wrong)
    try:
        return read_at_most(path, most)
    except OSError as error:
        raise ReleaseError(f"cannot read {path}: {error.strerror}") from error


def _check_potential(folder: Path, manifest: Manifest) -> None:
    from mlip_kmc.potential import AcePotential

    try:
        found = AcePotential.read(
            folder / members.YACE,
            basis=folder / members.BASIS,
            active_set=folder / members.ACTIVE_SET,
        )
    except PotentialError as error:  # its advice is for the owner of the files, and would have others bless what was altered
        raise ReleaseError(
            f"{error.fault.replace(f'{folder}/', '')}; have the signer release it anew"
        ) from error
    if (found.elements, found.cutoff_A) != (manifest.elements, manifest.cutoff_A):
        raise ReleaseError(
            f"the potential is of {', '.join(found.elements)} with a cutoff of {found.cutoff_A:g} A, the manifest "
            f"of {', '.join(manifest.elements)} with {manifest.cutoff_A:g} A"
        )


def _check_image(image: Path, manifest: Manifest) -> None:
    if manifest.image.sha256 is None:
        raise ReleaseError("the manifest does not know the image's digest")
    wrong = why_no_file(image)
    if wrong:
        raise ReleaseError(wrong)
    digest = sha256_of(image)
    if digest != manifest.image.sha256:
        raise ReleaseError(
            f"{image} has the sha256 {digest[:12]}..., the release was made in {manifest.image.sha256[:12]}..."
        )


def old_results(manifest: Manifest) -> tuple[str, ...]:
    """What is known today of a release of an earlier format, one line each."""
    if not isinstance(manifest, FirstManifest):
        return ()
    return (
        "made before errors had limits: its check validation passed whatever they were; errors_by_group has them",
        (
            "made when times in superbasins and eOn's own harmonic prefactors were wrong: where its run "
            "had them (report.html), its "
            "rates and times are not to be relied on"
        ),
    )
