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
from datetime import datetime
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
from mlip_kmc.ground.json_text import JsonError, read_json
from mlip_kmc.ground.scratch import temporary
from mlip_kmc.release import members
from mlip_kmc.release.archive import ArchiveError, unpacked, written_at
from mlip_kmc.release.consistency import refuse_contradictions
from mlip_kmc.release.crate import TIME
from mlip_kmc.release.gate import LIMITS
from mlip_kmc.release.manifest import (
    FirstManifest,
    GradedExample,
    Manifest,
    named_version,
    read_manifest,
    release_name,
    same_schema,
)
from mlip_kmc.release.members import MEMBERS, MOST_BYTES
from mlip_kmc.release.signature import MOST_BYTES as MOST_SIGNATURE_BYTES
from mlip_kmc.release.signature import SUFFIX, Signer, signer_of

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
_ZIP_STEP_S = 2.0
"""A zip counts in steps of so much."""


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
        _check_members(files)
    held("members", "all that a release must have, and nothing else")
    with _step("digests"):
        _check_sums(files)
    held("digests", f"{len(files) - 1} files are those of {members.SUMS}")
    with _step("manifest"):
        manifest = _checked_manifest(files, version, at=written_at(data))
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
                said = _try(folder, manifest)
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


def _check_members(files: Mapping[str, bytes]) -> None:
    missing = [name for name, member in MEMBERS.items() if member.required and name not in files]
    if missing:
        raise ReleaseError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    if (members.BASELINE in files) != (members.SHORT_RANGE in files):
        raise ReleaseError(
            f"{members.BASELINE} and {members.SHORT_RANGE} come together, and one of them is missing"
        )


def _check_sums(files: Mapping[str, bytes]) -> None:
    digests = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name != members.SUMS
    }
    said: dict[str, str] = {}
    for line in files[members.SUMS].decode("ascii", "replace").splitlines():
        digest, gap, name = line.partition("  ")
        if not gap or name in said:
            raise ReleaseError(
                f"{members.SUMS} has a line that is none of sha256sum, or one twice: {line[:80]!r}"
            )
        said[name] = digest
    for name in dict.fromkeys([*digests, *said]):
        if digests.get(name) != said.get(name):
            what = (
                "is not listed in"
                if name not in said
                else "is listed, and missing, in"
                if name not in digests
                else "has another digest than in"
            )
            raise ReleaseError(f"{name[:80]} {what} {members.SUMS}")


def _checked_manifest(files: Mapping[str, bytes], version: str, *, at: datetime) -> Manifest:
    manifest = read_manifest(files[members.MANIFEST])
    if not same_schema(files[members.SCHEMA], type(manifest)):
        raise ReleaseError(
            f"{members.SCHEMA} is another schema than {manifest.schema_id}, as this version knows it"
        )
    if release_name(manifest.version).removeprefix("release_v") != version:
        raise ReleaseError(
            f"the manifest is of version {manifest.version}, but the package is named as version {version}"
        )
    if not 0.0 <= (manifest.creation_date - at).total_seconds() < _ZIP_STEP_S:
        raise ReleaseError(
            f"the manifest is of {manifest.creation_date:%Y-%m-%d %H:%M:%S}, and the archive's files are of "
            f"{at:%Y-%m-%d %H:%M:%S} UTC: a release has one time"
        )
    listed, there = set(manifest.files), set(files) - {members.MANIFEST, members.SUMS}
    if listed != there:
        raise ReleaseError(
            f"the manifest tells of other files than there are: {', '.join(sorted(listed ^ there))[:200]}"
        )
    for name, entry in manifest.files.items():
        if entry.sha256 != hashlib.sha256(files[name]).hexdigest() or entry.bytes != len(
            files[name]
        ):
            raise ReleaseError(f"{name} is not the file that the manifest tells of")
    if manifest.training_set.included != (members.TRAINING in files):
        raise ReleaseError(f"the manifest says of {members.TRAINING} what is not so")
    if (manifest.baseline is None) == (members.BASELINE in files):
        raise ReleaseError(f"the manifest says of the baseline what {members.BASELINE} does not")
    refuse_contradictions(manifest)
    _check_crate(files, manifest)
    return manifest


def _check_crate(files: Mapping[str, bytes], manifest: Manifest) -> None:
    """What archives and lists of parts read must have one meaning, and the crate must be of this release."""
    found = {}
    for name in (members.CRATE, members.PARTS):
        try:
            found[name] = read_json(files[name])
        except JsonError as error:
            raise ReleaseError(f"{name} cannot be read: {error}") from error
    told = {
        "name": manifest.title,
        "version": manifest.version,
        "datePublished": f"{manifest.creation_date:{TIME}}",
    }
    try:
        (root,) = [entity for entity in found[members.CRATE]["@graph"] if entity["@id"] == "./"]
        differing = [key for key, value in told.items() if root[key] != value]
    except (KeyError, TypeError, ValueError) as error:
        raise ReleaseError(f"{members.CRATE} does not tell of one release") from error
    if differing:
        raise ReleaseError(f"{members.CRATE} has another {', '.join(differing)} than the manifest")


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


def _try(folder: Path, manifest: Manifest) -> str:
    """Run what is shipped, as a recipient does."""
    from mlip_kmc.release.agreement import by_lammps, by_shipped_ase

    limit = manifest.example.tolerance_eV
    found = {
        "LAMMPS": by_lammps(folder, atoms=manifest.example.atoms)[0],
        "python-ace": by_shipped_ase(folder),
    }
    for name, energy_eV in found.items():
        off = abs(energy_eV - manifest.example.energy_eV)
        if not off <= limit:
            raise ReleaseError(
                f"{name} gives {members.STRUCTURE} {energy_eV:.10f} eV, the manifest "
                f"{manifest.example.energy_eV:.10f} eV: they differ by {off:.1e} eV, more than {limit:g}"
            )
    return (
        f"LAMMPS and python-ace give the example {manifest.example.energy_eV:.8f} eV, as the manifest says, and "
        f"{_try_gamma(folder, manifest)}"
    )


def _try_gamma(folder: Path, manifest: Manifest) -> str:
    """An active set of another potential fits this one's files, and has other gammas."""
    from mlip_kmc.model.structure import read_structure
    from mlip_kmc.potential import AcePotential
    from mlip_kmc.release.agreement import apart, both_gammas

    potential = AcePotential.read(
        folder / members.YACE, basis=folder / members.BASIS, active_set=folder / members.ACTIVE_SET
    )
    found = dict(
        zip(
            ("python-ace", "LAMMPS"),
            both_gammas(
                potential, read_structure(folder / members.STRUCTURE), folder=folder / "gamma"
            ),
            strict=True,
        )
    )
    told = manifest.example.gamma if isinstance(manifest.example, GradedExample) else None
    wanted = found["LAMMPS"] if told is None else told
    for name, gamma in found.items():
        if not apart(gamma, wanted) <= LIMITS["gamma"]:
            by = "LAMMPS" if told is None else "the manifest"
            raise ReleaseError(
                f"{name} gives {members.STRUCTURE} a largest gamma of {gamma:.6g}, {by} {wanted:.6g}: the active "
                "set is not this potential's"
            )
    return f"a largest gamma of {wanted:.4g}" + (
        ", which this manifest does not tell" if told is None else ", likewise"
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
